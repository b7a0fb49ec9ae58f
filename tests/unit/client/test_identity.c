/* Identity files: what is read, what is refused, and that nothing is ever overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unibus/identity.h>
#include <unistd.h>

#include "client/identity_file.h"
#include "client/options.h"
#include "core/b64url.h"
#include "core/key.h"
#include "core/limits.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/unibus-identity-XXXXXX");
	return ub_core_init() == UB_OK && mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/id", dir);
	(void)unlink(path);
	return rmdir(dir);
}

static const char *path_of(char to[128])
{
	(void)snprintf(to, 128, "%s/id", dir);
	return to;
}

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal((ssize_t)len, write(fd, text, len));
	assert_int_equal(0, fchmod(fd, mode));
	assert_int_equal(0, close(fd));
}

static void read_file(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, to, size - 1);
	assert_true(n > 0);
	to[n] = '\0';
	assert_int_equal(0, close(fd));
}

static void a_created_identity_loads_as_itself(void **state)
{
	char path[128];
	unibus_identity *made = NULL, *loaded = NULL;
	struct stat st;

	(void)state;
	path_of(path);
	assert_int_equal(UNIBUS_OK, unibus_identity_create(path, &made));
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0600, st.st_mode & 0777);
	assert_int_equal(UNIBUS_OK, unibus_identity_load(path, &loaded));
	assert_string_equal(unibus_identity_endpoint(made), unibus_identity_endpoint(loaded));
	assert_string_equal(unibus_identity_sign_pub(made), unibus_identity_sign_pub(loaded));
	assert_string_equal(unibus_identity_nkey(made), unibus_identity_nkey(loaded));
	assert_int_equal(43, strlen(unibus_identity_endpoint(made)));
	assert_int_equal(64, strlen(unibus_identity_sign_pub(made)));
	assert_int_equal('U', unibus_identity_nkey(made)[0]);
	assert_int_equal(49, strlen(unibus_identity_fingerprint(made)));
	assert_memory_equal(made->keys, loaded->keys, sizeof(*made->keys));
	unibus_identity_free(made);
	unibus_identity_free(loaded);
}

static void nothing_is_ever_overwritten(void **state)
{
	char path[128], before[1024], after[1024];
	unibus_identity *id = NULL, *again = NULL;

	(void)state;
	path_of(path);
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, unibus_identity_load(path, &id));
	assert_null(id);
	assert_int_equal(-1, access(path, F_OK));
	assert_int_equal(UNIBUS_OK, unibus_identity_load_or_create(path, &id));
	read_file(path, before, sizeof(before));
	assert_int_equal(UNIBUS_ERR_EXISTS, unibus_identity_create(path, &again));
	assert_null(again);
	assert_int_equal(UNIBUS_OK, unibus_identity_load_or_create(path, &again));
	assert_string_equal(unibus_identity_endpoint(id), unibus_identity_endpoint(again));
	read_file(path, after, sizeof(after));
	assert_string_equal(before, after);
	unibus_identity_free(id);
	unibus_identity_free(again);
	/* A corrupt one least of all. */
	write_file(path, "{}", 2, 0600);
	assert_int_equal(UNIBUS_ERR_BAD_FILE, unibus_identity_load_or_create(path, &id));
	read_file(path, after, sizeof(after));
	assert_string_equal("{}", after);
}

static void files_that_others_can_use_are_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601};
	char path[128], text[1024];
	unibus_identity *id = NULL;

	(void)state;
	path_of(path);
	assert_int_equal(UNIBUS_OK, unibus_identity_create(path, &id));
	unibus_identity_free(id);
	id = NULL;
	read_file(path, text, sizeof(text));
	for (size_t i = 0; i < UB_ARRAY_LEN(modes); i++) {
		assert_int_equal(0, chmod(path, modes[i]));
		assert_int_equal(UNIBUS_ERR_INSECURE_FILE, unibus_identity_load(path, &id));
		assert_int_equal(
			UNIBUS_ERR_INSECURE_FILE, unibus_identity_load_or_create(path, &id));
		assert_null(id);
	}
	assert_int_equal(0, chmod(path, 0400));
	assert_int_equal(UNIBUS_OK, unibus_identity_load(path, &id));
	unibus_identity_free(id);
}

static void what_is_no_plain_file_is_refused(void **state)
{
	char path[128];
	unibus_identity *id = NULL;

	(void)state;
	path_of(path);
	assert_int_equal(UNIBUS_ERR_BAD_FILE, unibus_identity_load(dir, &id));
	assert_int_equal(0, mkfifo(path, 0600));
	assert_int_equal(UNIBUS_ERR_BAD_FILE, unibus_identity_load(path, &id));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_identity_load(NULL, &id));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_identity_load(path, NULL));
	assert_null(id);
}

/* ---- the text ---- */

struct parts {
	char sign_pub[64], sign_priv[128], kex_pub[64], kex_priv[64];
};

static void parts_make(struct parts *p)
{
	unibus_identity *id = NULL;

	assert_int_equal(UNIBUS_OK, unibus_identity_new(&id));
	ub_b64_encode(id->sign_pub.b, 32, p->sign_pub);
	ub_b64_encode(id->keys->sign.b, 64, p->sign_priv);
	ub_b64_encode(id->kex_pub.b, 32, p->kex_pub);
	ub_b64_encode(id->keys->kex.b, 32, p->kex_priv);
	unibus_identity_free(id);
}

static ub_err parse(const char *text)
{
	struct ub_identity_keys keys;

	return ub_identity_parse(ub_str(text), &keys);
}

static ub_err parse_as(const char *format, const struct parts *p)
{
	char text[2048];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(
		text, sizeof(text), format, p->sign_pub, p->sign_priv, p->kex_pub, p->kex_priv);
#pragma GCC diagnostic pop
	return parse(text);
}

#define GOOD "{\"sign_pub\":\"%s\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_priv\":\"%s\"}"

static void the_text_has_exactly_four_members(void **state)
{
	static const char *const good[] = {
		GOOD,
		" \r\n\t{ \"sign_pub\" : \"%s\" , \"sign_priv\":\"%s\",\n\"kex_pub\":\"%s\",\t"
		"\"kex_priv\":\"%s\" } \n",
	};
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{}",
		GOOD "x",
		GOOD "{}",
		"x" GOOD,
		"{\"sign_pub\":\"%s\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\"}",
		"{\"sign_pub\":\"%s\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_pub\":\"%s\"}",
		"{\"sign_pub\":\"%s\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"other\":\"%s\"}",
		"{\"sign_pub\":\"%s\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_priv\":\"%s\","
		"\"x\":\"\"}",
		"{\"sign_pub\":\"%s\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_priv\":\"%s\","
		"}",
		"{\"sign_pub\":\"%s\" \"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_priv\":\"%s\"}",
		"{\"sign_pub\":\"%s\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_priv\":\"%s}",
		"{\"sign_pub\":\"%s\\n\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_priv\":"
		"\"%s\"}",
		"{\"sign_pub\":\"%s=\",\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_priv\":\"%"
		"s\"}",
		"{\"sign_pub\":null,\"sign_priv\":\"%s\",\"kex_pub\":\"%s\",\"kex_priv\":\"%s\"}",
	};
	struct parts p;

	(void)state;
	parts_make(&p);
	for (size_t i = 0; i < UB_ARRAY_LEN(good); i++)
		assert_int_equal(UB_OK, parse_as(good[i], &p));
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++)
		assert_int_equal(UNIBUS_ERR_BAD_FILE, parse_as(bad[i], &p));
}

static void halves_that_do_not_belong_together_are_refused(void **state)
{
	struct parts a, b, p;

	(void)state;
	parts_make(&a);
	parts_make(&b);
	assert_int_equal(UB_OK, parse_as(GOOD, &a));
	assert_int_equal(UB_OK, parse_as(GOOD, &b));
	p = a;
	memcpy(p.sign_pub, b.sign_pub, sizeof(p.sign_pub));
	assert_int_equal(UNIBUS_ERR_BAD_FILE, parse_as(GOOD, &p));
	p = a;
	memcpy(p.sign_priv, b.sign_priv, sizeof(p.sign_priv));
	assert_int_equal(UNIBUS_ERR_BAD_FILE, parse_as(GOOD, &p));
	p = a;
	memcpy(p.kex_pub, b.kex_pub, sizeof(p.kex_pub));
	assert_int_equal(UNIBUS_ERR_BAD_FILE, parse_as(GOOD, &p));
	p = a;
	memcpy(p.kex_priv, b.kex_priv, sizeof(p.kex_priv));
	assert_int_equal(UNIBUS_ERR_BAD_FILE, parse_as(GOOD, &p));
	/* The public half inside the private one. */
	p = a;
	p.sign_priv[80] = p.sign_priv[80] == 'A' ? 'B' : 'A';
	assert_int_equal(UNIBUS_ERR_BAD_FILE, parse_as(GOOD, &p));
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	char path[128], text[UB_IDENTITY_FILE_MAX + 1];
	struct parts p;
	unibus_identity *id = NULL;
	int n;

	(void)state;
	path_of(path);
	parts_make(&p);
	memset(text, ' ', sizeof(text));
	n = snprintf(text, sizeof(text), GOOD, p.sign_pub, p.sign_priv, p.kex_pub, p.kex_priv);
	assert_true(n > 0);
	text[n] = ' ';
	write_file(path, text, UB_IDENTITY_FILE_MAX, 0600);
	assert_int_equal(UNIBUS_OK, unibus_identity_load(path, &id));
	unibus_identity_free(id);
	id = NULL;
	write_file(path, text, UB_IDENTITY_FILE_MAX + 1, 0600);
	assert_int_equal(UNIBUS_ERR_BAD_FILE, unibus_identity_load(path, &id));
	assert_null(id);
}

/* ---- options ---- */

static void only_server_addresses_are_taken(void **state)
{
	static const struct {
		const char *url;
		bool ctrl, nats;
	} cases[] = {
		{"http://127.0.0.1:8470", true, false},
		{"https://bus.example.org", true, false},
		{"https://bus.example.org/", true, false},
		{"http://[::1]:8470", true, false},
		{"http://a:1,https://b:2", true, false},
		{"nats://127.0.0.1:4222", false, true},
		{"tls://bus.example.org:4222", false, true},
		{"nats://a,tls://b,nats://c", false, true},
		{"", false, false},
		{",", false, false},
		{"http://a,", false, false},
		{"127.0.0.1:8470", false, false},
		{"ftp://a", false, false},
		{"file:///etc/passwd", false, false},
		{"http://", false, false},
		{"http://user:pw@a", false, false},
		{"http://user@a", false, false},
		{"nats://token@a", false, false},
		{"http://a/path", false, false},
		{"http://a?x=1", false, false},
		{"http://a#x", false, false},
		{"http://a:99999", false, false},
		{"http://a b", false, false},
	};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		unibus_options *o = NULL;

		assert_int_equal(UNIBUS_OK, unibus_options_new(&o));
		assert_int_equal(cases[i].ctrl ? UNIBUS_OK : UNIBUS_ERR_INVALID,
			unibus_options_add_ctrl(o, cases[i].url));
		assert_int_equal(cases[i].nats ? UNIBUS_OK : UNIBUS_ERR_INVALID,
			unibus_options_add_nats(o, cases[i].url));
		if (!cases[i].ctrl)
			assert_string_equal("http://127.0.0.1:8470", o->ctrl.z[0]);
		unibus_options_free(o);
	}
}

static void the_first_address_replaces_the_default_and_later_ones_add(void **state)
{
	unibus_options *o = NULL;

	(void)state;
	assert_int_equal(UNIBUS_OK, unibus_options_new(&o));
	assert_int_equal(UNIBUS_OK, unibus_options_add_ctrl(o, "http://a/"));
	assert_int_equal(UNIBUS_OK, unibus_options_add_ctrl(o, "http://b,http://c"));
	assert_int_equal(3, o->ctrl.n);
	assert_string_equal("http://a", o->ctrl.z[0]);
	assert_string_equal("http://c", o->ctrl.z[2]);
	/* All of a list or nothing of it. */
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_add_ctrl(o, "http://d,nats://e"));
	assert_int_equal(3, o->ctrl.n);
	for (size_t i = 3; i < UB_URLS_MAX; i++)
		assert_int_equal(UNIBUS_OK, unibus_options_add_ctrl(o, "http://x"));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_add_ctrl(o, "http://one-too-many"));
	unibus_options_free(o);
}

static void other_options_have_limits(void **state)
{
	char label[UB_LABEL_MAX + 2];
	unibus_options *o = NULL;

	(void)state;
	assert_int_equal(UNIBUS_OK, unibus_options_new(&o));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_set_timeout(o, 99));
	assert_int_equal(UNIBUS_OK, unibus_options_set_timeout(o, 100));
	assert_int_equal(UNIBUS_OK, unibus_options_set_timeout(o, 600000));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_set_timeout(o, 600001));
	assert_int_equal(600000, o->timeout_ms);
	memset(label, 'a', sizeof(label));
	label[UB_LABEL_MAX + 1] = '\0';
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_set_label(o, label));
	label[UB_LABEL_MAX] = '\0';
	assert_int_equal(UNIBUS_OK, unibus_options_set_label(o, label));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_set_label(o, "a\nb"));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_set_label(o, "a\xc2\x85"));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_set_label(o, "a\xff"));
	assert_int_equal(UNIBUS_OK, unibus_options_set_label(o, "J\xc3\xb6rg"));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_set_ca(o, ""));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_options_set_state_dir(o, NULL));
	unibus_options_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_created_identity_loads_as_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_ever_overwritten, setup, teardown),
		cmocka_unit_test_setup_teardown(
			files_that_others_can_use_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_plain_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_is_too_large_is_refused, setup, teardown),
		cmocka_unit_test(the_text_has_exactly_four_members),
		cmocka_unit_test(halves_that_do_not_belong_together_are_refused),
		cmocka_unit_test(only_server_addresses_are_taken),
		cmocka_unit_test(the_first_address_replaces_the_default_and_later_ones_add),
		cmocka_unit_test(other_options_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
