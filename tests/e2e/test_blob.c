/* Files in rooms, over the shared library and a real bus: what is put is got, whole and by the
 * room's members only, whatever happens on the way. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/endpoint.h"
#include "core/key.h"
#include "core/num.h"
#include "tests/harness/ask.h"
#include "tests/harness/person.h"
#include "tests/unit/core/blob_kit.h"

#define MARK "PLAINTEXT-THAT-NOBODY-ELSE-MAY-SEE"
#define MARK_NAME "secret-plans-of-alice.txt"
#define MIB (1024 * 1024)

static struct stack stack;

static int group_setup(void **state)
{
	static const char *const args[] = {"--max-blob-bytes-per-room", "40000000", NULL};
	const struct stack_options o = {.md_args = args};

	*state = NULL;
	return stack_start(&stack, &o);
}

static int group_teardown(void **state)
{
	(void)state;
	stack_stop(&stack);
	return 0;
}

/* Alice owns a room that Bob is in. */
struct pair {
	struct person *alice, *bob;
	unibus_room *a, *b;
	char dir[PROC_PATH];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char payload[4096]; /* the newest message of a file that Bob heard */
	size_t len, n;
	char media_type[128];
	unibus_sub *sub;
};

static void on_message(void *arg, const struct unibus_msg *m)
{
	struct pair *p = arg;

	pthread_mutex_lock(&p->lock);
	if (m->len < sizeof(p->payload)) {
		memcpy(p->payload, m->data, m->len);
		p->payload[m->len] = '\0';
		p->len = m->len;
		(void)snprintf(p->media_type, sizeof(p->media_type), "%s", m->media_type);
		p->n++;
	}
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void wait_message(struct pair *p, size_t n)
{
	struct timespec until;
	int late = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	pthread_mutex_lock(&p->lock);
	while (p->n < n && !late)
		late = pthread_cond_timedwait(&p->changed, &p->lock, &until);
	pthread_mutex_unlock(&p->lock);
	assert_int_equal(0, late);
}

static struct pair *pair_new(const char *test, const struct unibus_policy *policy)
{
	struct pair *p = calloc(1, sizeof(*p));
	char a[33], b[33], subject[64];

	(void)snprintf(a, sizeof(a), "a.%s", test);
	(void)snprintf(b, sizeof(b), "b.%s", test);
	(void)snprintf(subject, sizeof(subject), "room.%s", test);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	assert_int_equal(0, proc_dir_make(p->dir));
	p->alice = person_new(&stack, a);
	p->bob = person_new(&stack, b);
	person_connect(p->alice);
	person_connect(p->bob);
	assert_int_equal(UNIBUS_OK, unibus_room_create(p->alice->c, subject, policy, &p->a));
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p->a, b, UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(p->bob->c, subject, &p->b));
	assert_int_equal(UNIBUS_OK, unibus_subscribe(p->b, on_message, p, &p->sub));
	return p;
}

static void pair_free(struct pair *p)
{
	unibus_unsubscribe(p->sub);
	unibus_room_free(p->a);
	unibus_room_free(p->b);
	person_free(p->alice);
	person_free(p->bob);
	proc_dir_remove(p->dir);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
	free(p);
}

static const struct unibus_policy sealed = {.encrypt = true, .sign = true};
static const struct unibus_policy plain = {0};
static const struct unibus_policy signing = {.sign = true};

/* ---- files ---- */

static const char *path_of(const struct pair *p, const char *name)
{
	static _Thread_local char places[8][PROC_PATH + 64];
	static _Thread_local unsigned next;
	char *z = places[next++ % 8];

	(void)snprintf(z, sizeof(places[0]), "%s/%s", p->dir, name);
	return z;
}

/* Begins with MARK when it is long enough. */
static void fill(const char *path, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (size_t i = 0; i < len; i++)
		assert_true(
			putc(i < strlen(MARK) && len > 100 ? MARK[i] : kit_content(i), f) != EOF);
	assert_int_equal(0, fclose(f));
}

static void assert_same(const char *a, const char *b)
{
	const char *const argv[] = {"cmp", a, b, NULL};

	assert_int_equal(0, proc_run(argv, NULL, NULL));
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static size_t count(const char *dir, const char *glob)
{
	const char *const argv[] = {"find", dir, "-type", "f", "-name", glob, NULL};
	struct ub_buf out = UB_BUF(MIB);
	size_t n = 0;

	assert_int_equal(0, proc_run(argv, NULL, &out));
	for (size_t i = 0; i < out.len; i++)
		n += out.p[i] == '\n';
	ub_buf_deinit(&out);
	return n;
}

static const char *blob_dir(void)
{
	static char z[PROC_PATH + 16];

	(void)snprintf(z, sizeof(z), "%s.blobs", stack.db);
	return z;
}

static bool found_on_server(const char *text)
{
	const char *const argv[] = {"grep", "-rqaF", text, blob_dir(), stack.db, NULL};

	return proc_run(argv, NULL, NULL) == 0;
}

/* ---- progress ---- */

struct meter {
	uint64_t first, last, total, stop_at; /* 0: never */
	unsigned calls;
	bool fell;
};

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct meter *m = arg;

	if (!m->calls++)
		m->first = done;
	m->fell = m->fell || done < m->last;
	m->last = done;
	m->total = total;
	return !m->stop_at || done < m->stop_at;
}

/* ---- putting and getting ---- */

static enum unibus_err put(unibus_room *room, const char *file, struct meter *m)
{
	const struct unibus_blob_source src = {.file = file,
		.media_type = "text/plain",
		.progress = m ? on_progress : NULL,
		.progress_arg = m};
	unibus_ref ref;

	return unibus_blob_put(room, &src, ref);
}

static enum unibus_err get(struct pair *p, const char *file, struct meter *m)
{
	const struct unibus_blob_target to = {
		.file = file, .progress = m ? on_progress : NULL, .progress_arg = m};

	return unibus_blob_get(p->b, p->payload, p->len, &to);
}

/* Alice puts a file of that length; Bob has the message. */
static void share(struct pair *p, const char *name, size_t len)
{
	size_t before = p->n;

	fill(path_of(p, name), len);
	assert_int_equal(UNIBUS_OK, put(p->a, path_of(p, name), NULL));
	wait_message(p, before + 1);
}

static void a_file_in_an_encrypted_room_is_read_by_its_members_only(void **state)
{
	struct pair *p = pair_new("sealed", &sealed);
	struct meter up = {0}, down = {0};
	struct unibus_blob_info info;
	struct stat st;

	(void)state;
	fill(path_of(p, MARK_NAME), 3 * MIB + 17);
	assert_int_equal(UNIBUS_OK, put(p->a, path_of(p, MARK_NAME), &up));
	wait_message(p, 1);
	assert_string_equal(UNIBUS_BLOB_TYPE, p->media_type);
	assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &info));
	assert_string_equal(MARK_NAME, info.name);
	assert_string_equal("text/plain", info.media_type);
	assert_int_equal(3 * MIB + 17, info.size);
	assert_int_equal(ub_blob_stored_len(info.size), info.stored);
	assert_true(info.encrypted);
	assert_int_equal(UNIBUS_OK, get(p, path_of(p, "got"), &down));
	assert_same(path_of(p, MARK_NAME), path_of(p, "got"));
	assert_int_equal(0, stat(path_of(p, "got"), &st));
	assert_int_equal(0600, st.st_mode & 0777);
	assert_int_equal(2, count(p->dir, "*"));
	assert_false(found_on_server(MARK));
	assert_false(found_on_server(MARK_NAME));
	assert_true(up.calls > 1 && !up.fell && up.last == info.stored && up.total == info.stored);
	assert_true(down.calls > 1 && !down.fell && down.last == info.stored);
	pair_free(p);
}

static void the_same_file_twice_shares_nothing(void **state)
{
	struct pair *p = pair_new("twice", &sealed);
	struct unibus_blob_info one, two;

	(void)state;
	share(p, "f", 1000);
	assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &one));
	assert_int_equal(UNIBUS_OK, put(p->a, path_of(p, "f"), NULL));
	wait_message(p, 2);
	assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &two));
	assert_string_not_equal(one.hash, two.hash);
	pair_free(p);
}

static void in_rooms_without_encryption_it_is_stored_as_it_is(void **state)
{
	static const struct {
		const char *name;
		const struct unibus_policy *policy;
		const char *type;
	} cases[] = {{"plain", &plain, ""}, {"signing", &signing, UNIBUS_BLOB_TYPE}};

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct pair *p = pair_new(cases[i].name, cases[i].policy);
		struct unibus_blob_info info;

		share(p, "f", 100000);
		assert_string_equal(cases[i].type, p->media_type);
		assert_null(strstr(p->payload, "\"key\""));
		assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &info));
		assert_false(info.encrypted);
		assert_int_equal(100000, info.stored);
		assert_int_equal(UNIBUS_OK, get(p, path_of(p, "got"), NULL));
		assert_same(path_of(p, "f"), path_of(p, "got"));
		assert_true(found_on_server(MARK));
		pair_free(p);
	}
}

/* The largest content whose sealed form is no more than 16 MiB. */
#define LARGEST (UB_BLOB_MAX - UB_BLOB_HEADER - 256 * UB_BLOB_OVER)

static void every_length_comes_through_up_to_the_limit(void **state)
{
	static const size_t lens[] = {0, 1, UB_BLOB_CHUNK - 1, UB_BLOB_CHUNK, UB_BLOB_CHUNK + 1,
		2 * UB_BLOB_CHUNK, LARGEST};
	struct pair *p = pair_new("lengths", &sealed);

	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(lens); i++) {
		share(p, "f", lens[i]);
		assert_int_equal(UNIBUS_OK, get(p, path_of(p, "got"), NULL));
		assert_same(path_of(p, "f"), path_of(p, "got"));
		assert_int_equal(0, unlink(path_of(p, "got")));
	}
	fill(path_of(p, "f"), LARGEST + 1);
	assert_int_equal(UNIBUS_ERR_TOO_LARGE, put(p->a, path_of(p, "f"), NULL));
	pair_free(p);
}

/* ---- sources ---- */

struct reader {
	size_t at, len, step;
	enum unibus_err fail;
};

static enum unibus_err on_read(void *arg, void *to, size_t len, size_t *ret_len)
{
	struct reader *r = arg;
	size_t n = r->len - r->at;
	uint8_t *p = to;

	if (r->fail && r->at > 0)
		return r->fail;
	n = n < r->step ? n : r->step;
	n = n < len ? n : len;
	for (size_t i = 0; i < n; i++)
		p[i] = kit_content(r->at + i);
	r->at += n;
	*ret_len = n;
	return UNIBUS_OK;
}

static void it_may_come_from_anywhere(void **state)
{
	struct pair *p = pair_new("reader", &sealed);
	struct reader r = {.len = 200000, .step = 777};
	struct unibus_blob_source src = {.read = on_read, .read_arg = &r, .name = "stream"};
	FILE *f;

	(void)state;
	assert_int_equal(UNIBUS_OK, unibus_blob_put(p->a, &src, NULL));
	wait_message(p, 1);
	assert_int_equal(UNIBUS_OK, get(p, path_of(p, "got"), NULL));
	f = fopen(path_of(p, "got"), "r");
	assert_non_null(f);
	for (size_t k = 0; k < r.len; k++)
		assert_int_equal(kit_content(k), getc(f));
	assert_int_equal(EOF, getc(f));
	fclose(f);
	r = (struct reader){.len = 200000, .step = 777, .fail = UNIBUS_ERR_IO};
	assert_int_equal(UNIBUS_ERR_IO, unibus_blob_put(p->a, &src, NULL));
	pair_free(p);
}

static void what_cannot_be_sent_is_refused_before_anything_is(void **state)
{
	struct pair *p = pair_new("refused", &sealed), *q = pair_new("refplain", &plain);
	const char *file = path_of(p, "f");
	const struct {
		struct unibus_blob_source src;
		bool plain;
		enum unibus_err want;
	} cases[] = {
		{{.file = NULL}, false, UNIBUS_ERR_INVALID},
		{{.file = "/nowhere/at/all"}, false, UNIBUS_ERR_NOT_FOUND},
		{{.file = p->dir}, false, UNIBUS_ERR_IO},
		{{.file = file, .name = "a/b"}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .name = ""}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .name = ".."}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .media_type = ""}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .media_type = "a\nb"}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .reply = "nonsense"}, false, UNIBUS_ERR_INVALID},
		{{.file = file, .reply = "AAAAAAAAAAAAAAAAAAAAAA"}, true, UNIBUS_ERR_INVALID},
		{{.file = file, .reply = "AAAAAAAAAAAAAAAAAAAAAA"}, false, UNIBUS_OK},
	};
	size_t before = count(blob_dir(), "*");

	(void)state;
	fill(path_of(p, "f"), 1000);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		enum unibus_err err =
			unibus_blob_put(cases[i].plain ? q->a : p->a, &cases[i].src, NULL);

		if (err != cases[i].want)
			fail_msg("case %zu: %s", i, unibus_strerror(err));
		assert_int_equal(before + (err == UNIBUS_OK), count(blob_dir(), "*"));
	}
	pair_free(p);
	pair_free(q);
}

/* ---- broken off ---- */

static void a_download_goes_on_where_it_was_broken_off(void **state)
{
	struct pair *p = pair_new("resume", &sealed);
	struct meter half = {.stop_at = 2 * MIB}, rest = {0};

	(void)state;
	share(p, "f", 4 * MIB);
	assert_int_equal(UNIBUS_ERR_CANCELLED, get(p, path_of(p, "got"), &half));
	assert_false(exists(path_of(p, "got")));
	assert_int_equal(1, count(p->dir, "got.*.part"));
	assert_int_equal(UNIBUS_OK, get(p, path_of(p, "got"), &rest));
	assert_true(rest.first >= half.last);
	assert_same(path_of(p, "f"), path_of(p, "got"));
	assert_int_equal(0, count(p->dir, "got.*"));
	pair_free(p);
}

static void a_wrong_beginning_is_found_out_and_fetched_again(void **state)
{
	struct pair *p = pair_new("wrongpart", &sealed);
	struct meter half = {.stop_at = 100000};
	const char *const script[] = {"sh", "-c",
		"printf XXXX | dd of=\"$(ls \"$1\"/got.*.part)\" bs=1 seek=500 conv=notrunc "
		"2>/dev/null",
		"sh", p->dir, NULL};

	(void)state;
	share(p, "f", MIB);
	assert_int_equal(UNIBUS_ERR_CANCELLED, get(p, path_of(p, "got"), &half));
	assert_int_equal(0, proc_run(script, NULL, NULL));
	assert_int_equal(UNIBUS_OK, get(p, path_of(p, "got"), NULL));
	assert_same(path_of(p, "f"), path_of(p, "got"));
	assert_int_equal(0, count(p->dir, "got.*"));
	pair_free(p);
}

static void a_file_that_is_there_is_left_alone(void **state)
{
	struct pair *p = pair_new("exists", &sealed);

	(void)state;
	share(p, "f", 1000);
	fill(path_of(p, "got"), 7);
	assert_int_equal(UNIBUS_ERR_EXISTS, get(p, path_of(p, "got"), NULL));
	assert_int_equal(0, symlink("nowhere", path_of(p, "link")));
	assert_int_equal(UNIBUS_ERR_EXISTS, get(p, path_of(p, "link"), NULL));
	fill(path_of(p, "seven"), 7);
	assert_same(path_of(p, "seven"), path_of(p, "got"));
	assert_int_equal(UNIBUS_OK, get(p, path_of(p, "other"), NULL));
	pair_free(p);
}

static void an_upload_that_is_cancelled_leaves_nothing(void **state)
{
	struct pair *p = pair_new("cancelup", &sealed);
	struct meter half = {.stop_at = MIB};
	size_t before = count(blob_dir(), "*");

	(void)state;
	fill(path_of(p, "f"), 8 * MIB);
	assert_int_equal(UNIBUS_ERR_CANCELLED, put(p->a, path_of(p, "f"), &half));
	for (unsigned i = 0; i < 10000 && count(blob_dir(), "*") != before; i++)
		usleep(1000);
	assert_int_equal(before, count(blob_dir(), "*"));
	assert_int_equal(0, p->n);
	pair_free(p);
}

static void a_server_killed_on_the_way_has_all_or_nothing(void **state)
{
	struct pair *p = pair_new("killed", &sealed);
	const char *const tmp[] = {"sh", "-c", ": >\"$1/tmp.left\"", "sh", blob_dir(), NULL};

	(void)state;
	share(p, "f", 100000);
	/* What a crash in the middle of an upload leaves. */
	proc_kill(&stack.md);
	assert_int_equal(0, proc_run(tmp, NULL, NULL));
	assert_int_equal(0, stack_md_start(&stack));
	assert_int_equal(0, count(blob_dir(), "tmp.*"));
	assert_int_equal(UNIBUS_OK, get(p, path_of(p, "got"), NULL));
	assert_same(path_of(p, "f"), path_of(p, "got"));
	assert_int_equal(UNIBUS_OK, put(p->a, path_of(p, "f"), NULL));
	pair_free(p);
}

/* ---- who ---- */

static void who_was_removed_gets_and_puts_nothing_more(void **state)
{
	struct pair *p = pair_new("removed", &sealed);

	(void)state;
	share(p, "f", 1000);
	assert_int_equal(UNIBUS_OK, get(p, path_of(p, "before"), NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_remove(p->a, "b.removed"));
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, get(p, path_of(p, "after"), NULL));
	assert_int_equal(UNIBUS_ERR_DENIED, put(p->b, path_of(p, "f"), NULL));
	assert_false(exists(path_of(p, "after")));
	pair_free(p);
}

static void who_is_in_another_room_gets_nothing(void **state)
{
	struct pair *p = pair_new("mine", &sealed), *q = pair_new("theirs", &sealed);
	struct unibus_blob_target to = {.file = path_of(q, "got")};

	(void)state;
	share(p, "f", 1000);
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, unibus_blob_get(q->b, p->payload, p->len, &to));
	assert_false(exists(path_of(q, "got")));
	pair_free(p);
	pair_free(q);
}

static void a_reader_puts_nothing_and_gets_what_is_there(void **state)
{
	struct pair *p = pair_new("reads", &sealed);

	(void)state;
	share(p, "f", 1000);
	assert_int_equal(UNIBUS_OK, unibus_room_set_role(p->a, "b.reads", UNIBUS_READER));
	assert_int_equal(UNIBUS_ERR_DENIED, put(p->b, path_of(p, "f"), NULL));
	assert_int_equal(UNIBUS_OK, get(p, path_of(p, "got"), NULL));
	pair_free(p);
}

static void the_rooms_share_has_an_end(void **state)
{
	struct pair *p = pair_new("share", &plain);
	enum unibus_err err = UNIBUS_OK;
	char detail[256] = "";
	unsigned n = 0;

	(void)state;
	fill(path_of(p, "f"), UB_BLOB_MAX);
	for (; err == UNIBUS_OK && n < 9; n++) {
		FILE *f = fopen(path_of(p, "f"), "r+");

		assert_int_equal('A' + (int)n, putc('A' + (int)n, f)); /* another content */
		assert_int_equal(0, fclose(f));
		err = put(n % 2 ? p->a : p->b, path_of(p, "f"), NULL);
	}
	assert_int_equal(UNIBUS_ERR_LIMIT, err);
	assert_int_equal(3, n); /* two of 16 MiB fit into 40 MB */
	unibus_client_detail(p->bob->c, detail, sizeof(detail));
	assert_non_null(strstr(detail, "storage"));
	fill(path_of(p, "f"), 1000);
	assert_int_equal(UNIBUS_OK, put(p->a, path_of(p, "f"), NULL));
	pair_free(p);
}

static void a_closed_room_has_no_files(void **state)
{
	struct pair *p = pair_new("closed", &sealed);
	size_t before = count(blob_dir(), "*");

	(void)state;
	share(p, "f", 1000);
	assert_int_equal(before + 1, count(blob_dir(), "*"));
	assert_int_equal(UNIBUS_OK, unibus_room_close(p->a));
	assert_int_equal(UNIBUS_ERR_NOT_FOUND, get(p, path_of(p, "got"), NULL));
	for (unsigned i = 0; i < 20000 && count(blob_dir(), "*") != before; i++)
		usleep(1000);
	assert_int_equal(before, count(blob_dir(), "*"));
	pair_free(p);
}

/* ---- a member who means ill ---- */

/* Bob brings these bytes as they are (the room is not encrypted), and makes a message that names
 * them with the right hash and that key. */
static void bring(struct pair *p, const struct kit_blob *b, struct ub_buf *text)
{
	const struct unibus_blob_source src = {.file = path_of(p, "raw"), .name = "raw"};
	struct ub_blob_ref ref = {.size = b->len, .sealed = true, .key = b->key};
	FILE *f = fopen(src.file, "w");

	assert_non_null(f);
	assert_int_equal(b->len, fwrite(b->p, 1, b->len, f));
	assert_int_equal(0, fclose(f));
	assert_int_equal(UNIBUS_OK, unibus_blob_put(p->b, &src, NULL));
	ub_sha256(b->p, b->len, ref.sha256.b);
	(void)snprintf(ref.name, sizeof(ref.name), "f");
	(void)snprintf(ref.type, sizeof(ref.type), "text/plain");
	ub_blob_ref_put(&ref, text);
	assert_int_equal(UB_OK, ub_buf_err(text));
}

static void spoiled_chunks_with_the_right_hash_do_not_open(void **state)
{
	static const struct {
		const char *op;
		size_t at;
	} cases[] = {{"", 0}, {"flip", SEALED_CHUNK + 100}, {"swap", 0}, {"drop", 0},
		{"cut", UB_BLOB_HEADER + SEALED_CHUNK}, {"repeat", 0}, {"key", 0}, {"room", 0}};
	struct pair *p = pair_new("spoiled", &signing);
	struct unibus_room_info info;

	(void)state;
	unibus_room_get_info(p->b, &info);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct kit_blob b = {.key = {{(uint8_t)(i + 1)}}};
		UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(4096);
		const struct unibus_blob_target to = {.file = path_of(p, "got")};
		enum unibus_err want = cases[i].op[0] ? UNIBUS_ERR_CORRUPT : UNIBUS_OK;

		assert_int_equal(UB_OK, ub_room_id_decode(ub_str(info.id), &b.room));
		if (strcmp(cases[i].op, "room") == 0)
			b.room.b[0] ^= 1;
		kit_blob_seal(&b, 2 * UB_BLOB_CHUNK);
		if (cases[i].op[0])
			kit_blob_spoil(&b, cases[i].op, cases[i].at);
		bring(p, &b, &text);
		if (unibus_blob_get(p->a, text.p, text.len, &to) != want)
			fail_msg("%s: not %s", cases[i].op, unibus_strerror(want));
		assert_int_equal(want == UNIBUS_OK, exists(path_of(p, "got")));
		assert_int_equal(want == UNIBUS_OK, count(p->dir, "got*"));
		(void)unlink(path_of(p, "got"));
		free(b.p);
	}
	pair_free(p);
}

static void a_message_that_lies_about_its_file_is_found_out(void **state)
{
	struct pair *p = pair_new("lies", &plain);
	struct unibus_blob_info info;
	char text[1024];

	(void)state;
	share(p, "f", 1000);
	assert_int_equal(UNIBUS_OK, unibus_blob_parse(p->payload, p->len, &info));
	for (int size = 999; size <= 1001; size++) {
		struct unibus_blob_target to = {.file = path_of(p, "got")};
		int n = snprintf(text, sizeof(text),
			"{\"hash\":\"%s\",\"size\":%d,\"name\":\"n\",\"type\":\"t\"}", info.hash,
			size);

		assert_int_equal(size == 1000 ? UNIBUS_OK : UNIBUS_ERR_CORRUPT,
			unibus_blob_get(p->b, text, (size_t)n, &to));
		assert_int_equal(size == 1000, exists(path_of(p, "got")));
		(void)unlink(path_of(p, "got"));
	}
	assert_int_equal(UNIBUS_ERR_CORRUPT,
		unibus_blob_get(
			p->b, "hello", 5, &(struct unibus_blob_target){.file = path_of(p, "got")}));
	assert_int_equal(0, count(p->dir, "got*"));
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_in_an_encrypted_room_is_read_by_its_members_only),
		cmocka_unit_test(the_same_file_twice_shares_nothing),
		cmocka_unit_test(in_rooms_without_encryption_it_is_stored_as_it_is),
		cmocka_unit_test(every_length_comes_through_up_to_the_limit),
		cmocka_unit_test(it_may_come_from_anywhere),
		cmocka_unit_test(what_cannot_be_sent_is_refused_before_anything_is),
		cmocka_unit_test(a_download_goes_on_where_it_was_broken_off),
		cmocka_unit_test(a_wrong_beginning_is_found_out_and_fetched_again),
		cmocka_unit_test(a_file_that_is_there_is_left_alone),
		cmocka_unit_test(an_upload_that_is_cancelled_leaves_nothing),
		cmocka_unit_test(a_server_killed_on_the_way_has_all_or_nothing),
		cmocka_unit_test(who_was_removed_gets_and_puts_nothing_more),
		cmocka_unit_test(who_is_in_another_room_gets_nothing),
		cmocka_unit_test(a_reader_puts_nothing_and_gets_what_is_there),
		cmocka_unit_test(the_rooms_share_has_an_end),
		cmocka_unit_test(a_closed_room_has_no_files),
		cmocka_unit_test(spoiled_chunks_with_the_right_hash_do_not_open),
		cmocka_unit_test(a_message_that_lies_about_its_file_is_found_out),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
