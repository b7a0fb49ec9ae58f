/* The state directory and its pins: every corrupt file is an error that stays, and several
 * processes write without losing each other's. */
#include "client/pins.h"
#include "tests/unit/client/state_kit.h"

/* ---- the folder ---- */

static void a_folder_that_others_write_to_is_refused(void **state)
{
	struct ub_statedir *d = NULL;

	(void)state;
	assert_int_equal(0, chmod(dir, 0770));
	assert_int_equal(UNIBUS_ERR_INSECURE_FILE, ub_statedir_open(dir, TIMEOUT_MS, &d));
	assert_null(d);
	assert_int_equal(0, chmod(dir, 0755));
	assert_int_equal(UB_OK, ub_statedir_open(dir, TIMEOUT_MS, &d));
	ub_statedir_close(d);
}

static void the_lock_is_waited_for_only_so_long(void **state)
{
	struct ub_statedir *a = open_dir(), *b = open_dir();
	int mine = -1, theirs = -1;

	(void)state;
	assert_int_equal(UB_OK, ub_statedir_lock(a, &mine));
	assert_int_equal(UNIBUS_ERR_LOCKED, ub_statedir_lock(b, &theirs));
	assert_int_equal(-1, theirs);
	ub_statedir_unlock(&mine);
	assert_int_equal(UB_OK, ub_statedir_lock(b, &theirs));
	ub_statedir_unlock(&theirs);
	ub_statedir_close(a);
	ub_statedir_close(b);
}

static void each_session_number_is_above_all_before(void **state)
{
	struct ub_statedir *d = open_dir();
	uint64_t a = 0, b = 0, c = 0;

	(void)state;
	assert_int_equal(UB_OK, ub_statedir_session(d, NOW_MS, &a));
	assert_int_equal(NOW_MS, a >> 20);
	assert_int_equal(UB_OK, ub_statedir_session(d, NOW_MS, &b));
	assert_true(b > a);
	/* The clock was set back a year. */
	assert_int_equal(UB_OK, ub_statedir_session(d, NOW_MS - 31536000000ULL, &c));
	assert_int_equal(b + 1, c);
	ub_statedir_close(d);
}

static void a_corrupt_session_file_is_an_error(void **state)
{
	static const char *const bad[] = {"", "\n", "1", "-1\n", "0\n", "12 \n", "1\n2\n",
		"99999999999999999999\n", "18446744073709551615\n", "x\n"};
	struct ub_statedir *d = open_dir();
	uint64_t session = 0;
	char text[64];

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		put_file("session", bad[i], strlen(bad[i]));
		assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_statedir_session(d, NOW_MS, &session));
		get_file("session", text, sizeof(text));
		assert_string_equal(bad[i], text);
	}
	put_file("session", "12\n", 3);
	assert_int_equal(UB_OK, ub_statedir_session(d, NOW_MS, &session));
	ub_statedir_close(d);
}

/* ---- pins ---- */

static void expect_pin(struct ub_pins *p, enum ub_pin_map map, const char *key, const char *value)
{
	char *text = NULL;

	assert_int_equal(UB_OK, ub_pins_get(p, map, key, &text));
	assert_string_equal(value, text);
	free(text);
}

static void a_pin_holds_until_it_is_replaced_on_purpose(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_pins *p = NULL;
	struct peer a, b;
	char *text = NULL, handle[UB_HANDLE_MAX + 1];

	(void)state;
	peer_make(&a, 1);
	peer_make(&b, 2);
	assert_int_equal(UB_OK, ub_pins_open(d, &p));
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, ub_pins_get(p, UB_PIN_HANDLES, "alice", &text));
	assert_int_equal(UB_OK, ub_pins_put(p, UB_PIN_HANDLES, "alice", a.id_text, false));
	assert_int_equal(UB_OK, ub_pins_put(p, UB_PIN_PEERS, a.id_text, a.keyrec, false));
	assert_int_equal(UB_OK, ub_pins_put(p, UB_PIN_HANDLES, "alice", a.id_text, false));
	assert_int_equal(
		UNIBUS_ERR_KEY_CHANGED, ub_pins_put(p, UB_PIN_HANDLES, "alice", b.id_text, false));
	expect_pin(p, UB_PIN_HANDLES, "alice", a.id_text);
	ub_pins_handle_of(p, a.id_text, handle, sizeof(handle));
	assert_string_equal("alice", handle);
	assert_int_equal(UB_OK, ub_pins_put(p, UB_PIN_HANDLES, "alice", b.id_text, true));
	expect_pin(p, UB_PIN_HANDLES, "alice", b.id_text);
	ub_pins_free(p);
	/* And over a restart. */
	assert_int_equal(UB_OK, ub_pins_open(d, &p));
	expect_pin(p, UB_PIN_HANDLES, "alice", b.id_text);
	expect_pin(p, UB_PIN_PEERS, a.id_text, a.keyrec);
	ub_pins_free(p);
	ub_statedir_close(d);
}

static void what_could_not_be_read_back_is_not_pinned(void **state)
{
	struct ub_statedir *d = open_dir();
	struct ub_pins *p = NULL;
	struct peer a, b;

	(void)state;
	peer_make(&a, 1);
	peer_make(&b, 2);
	assert_int_equal(UB_OK, ub_pins_open(d, &p));
	assert_int_equal(
		UNIBUS_ERR_INVALID, ub_pins_put(p, UB_PIN_HANDLES, "Alice!", a.id_text, false));
	assert_int_equal(
		UNIBUS_ERR_INVALID, ub_pins_put(p, UB_PIN_HANDLES, "alice", "short", false));
	assert_int_equal(
		UNIBUS_ERR_INVALID, ub_pins_put(p, UB_PIN_SUBJECTS, "unibus.x", a.id_text, false));
	assert_int_equal(
		UNIBUS_ERR_INVALID, ub_pins_put(p, UB_PIN_PEERS, a.id_text, b.keyrec, false));
	assert_int_equal(UB_OK, ub_pins_put(p, UB_PIN_SUBJECTS, "room.x", a.id_text, false));
	ub_pins_free(p);
	ub_statedir_close(d);
}

static void two_processes_keep_each_others_pins(void **state)
{
	struct ub_statedir *d = open_dir(), *e = open_dir();
	struct ub_pins *p = NULL, *q = NULL;
	struct peer a, b;

	(void)state;
	peer_make(&a, 1);
	peer_make(&b, 2);
	assert_int_equal(UB_OK, ub_pins_open(d, &p));
	assert_int_equal(UB_OK, ub_pins_open(e, &q));
	assert_int_equal(UB_OK, ub_pins_put(p, UB_PIN_HANDLES, "alice", a.id_text, false));
	assert_int_equal(UB_OK, ub_pins_put(q, UB_PIN_HANDLES, "bob", b.id_text, false));
	expect_pin(q, UB_PIN_HANDLES, "alice", a.id_text);
	assert_int_equal(
		UNIBUS_ERR_KEY_CHANGED, ub_pins_put(p, UB_PIN_HANDLES, "bob", a.id_text, false));
	expect_pin(p, UB_PIN_HANDLES, "bob", b.id_text);
	ub_pins_free(p);
	ub_pins_free(q);
	ub_statedir_close(d);
	ub_statedir_close(e);
}

static void a_corrupt_pins_file_is_an_error_and_stays(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"{}",
		"[]",
		"{\"v\":2,\"handles\":{},\"subjects\":{},\"peers\":{}}",
		"{\"v\":1,\"handles\":{},\"subjects\":{}}",
		"{\"v\":1,\"handles\":{},\"subjects\":{},\"peers\":{},\"more\":{}}",
		"{\"v\":1,\"handles\":[],\"subjects\":{},\"peers\":{}}",
		"{\"v\":1,\"handles\":{\"alice\":1},\"subjects\":{},\"peers\":{}}",
		"{\"v\":1,\"handles\":{\"alice\":\"x\"},\"subjects\":{},\"peers\":{}}",
		"{\"v\":1,\"handles\":{},\"subjects\":{\"room.x\":\"x\"},\"peers\":{}}",
		"{\"v\":1,\"handles\":{},\"subjects\":{},\"peers\":{\"x\":\"y\"}}",
		"{\"v\":1,\"handles\":{},\"subjects\":{},\"peers\":{}} x",
	};
	static const char good[] = "{\"v\":1,\"handles\":{},\"subjects\":{},\"peers\":{}}";
	struct ub_statedir *d = open_dir();
	struct ub_pins *p = NULL;
	char text[256];

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(bad); i++) {
		put_file("pins.json", bad[i], strlen(bad[i]));
		assert_int_equal(UNIBUS_ERR_BAD_FILE, ub_pins_open(d, &p));
		assert_null(p);
		get_file("pins.json", text, sizeof(text));
		assert_string_equal(bad[i], text);
	}
	put_file("pins.json", good, strlen(good));
	assert_int_equal(UB_OK, ub_pins_open(d, &p));
	ub_pins_free(p);
	ub_statedir_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_folder_that_others_write_to_is_refused),
		TEST(the_lock_is_waited_for_only_so_long),
		TEST(each_session_number_is_above_all_before),
		TEST(a_corrupt_session_file_is_an_error),
		TEST(a_pin_holds_until_it_is_replaced_on_purpose),
		TEST(what_could_not_be_read_back_is_not_pinned),
		TEST(two_processes_keep_each_others_pins),
		TEST(a_corrupt_pins_file_is_an_error_and_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
