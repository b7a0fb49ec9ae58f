/* /blobs: what is taken, what is refused before or after it was read, and how it is given back. */
#include <signal.h>
#include <sys/resource.h>

#include "membershipd/http/api.h"
#include "tests/harness/rest.h"

#define TEXT "a file of no importance"

static int set_up(void **state)
{
	*state = rest_new(NULL);
	return 0;
}

static int tear_down(void **state)
{
	rest_free(*state);
	return 0;
}

static const char *blobs_of(const struct ub_room *room)
{
	static _Thread_local char z[128];
	char id[UB_ID_TEXT + 1];

	ub_room_id_encode(&room->id, id);
	snprintf(z, sizeof(z), "/blobs?room=%s", id);
	return z;
}

static struct rest_call upload(struct rest *t, int by, const char *text)
{
	return (struct rest_call){.method = "POST",
		.target = blobs_of(&t->room),
		.body = text,
		.announce = text,
		.by = by};
}

/* Files in the folder, whole ones and not. */
static size_t files(struct rest *t)
{
	return kit_blobs_count(&t->blobs);
}

/* What goes away when the server notices that somebody left. */
static void wait_files(struct rest *t, size_t n)
{
	for (unsigned i = 0; i < 10000 && files(t) != n; i++)
		usleep(1000);
	assert_int_equal(files(t), n);
}

static void what_was_brought_is_given_as_it_was(void **state)
{
	struct rest *t = *state;
	struct rest_call c = upload(t, MEMBER, TEXT);
	struct rest_reply r;
	char text[64];

	rest_send(t, &c, &r);
	assert_int_equal(r.status, 201);
	assert_string_equal(
		json_string_value(json_object_get(r.json, "hash")), rest_blob("", TEXT));
	assert_int_equal(json_integer_value(json_object_get(r.json, "size")), strlen(TEXT));
	assert_non_null(json_string_value(json_object_get(r.json, "revision")));
	rest_reply_deinit(&r);
	rest_expect(t, &c, 200, NULL);
	rest_do(t, OWNER, "GET", rest_blob("/blobs/", TEXT), NULL, &r);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.raw.body, TEXT);
	assert_true(raw_header(&r.raw, "Content-Type", text, sizeof(text)));
	assert_string_equal(text, "application/octet-stream");
	assert_true(raw_header(&r.raw, "Content-Disposition", text, sizeof(text)));
	assert_string_equal(text, "attachment");
	assert_true(raw_header(&r.raw, "X-Content-Type-Options", text, sizeof(text)));
	assert_string_equal(text, "nosniff");
	assert_true(raw_header(&r.raw, "Content-Security-Policy", text, sizeof(text)));
	assert_string_equal(text, "sandbox");
	rest_reply_deinit(&r);
}

static void nothing_at_all_is_a_blob_too(void **state)
{
	struct rest *t = *state;
	struct rest_call c = upload(t, MEMBER, "");
	struct rest_reply r;

	rest_expect(t, &c, 201, NULL);
	rest_do(t, MEMBER, "GET", rest_blob("/blobs/", ""), NULL, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.raw.body_len, 0);
	rest_reply_deinit(&r);
}

/* Each differs in one thing from the first, which is taken. */
static void malformed_uploads_are_refused_and_leave_nothing(void **state)
{
	const struct {
		struct rest_call c; /* over the good one */
		unsigned status;
		const char *code;
	} cases[] = {
		{{.body = NULL}, 201, NULL},
		{{.drop = "X-Unibus-Body"}, 400, "invalid"},
		{{.spell = "X-Unibus-Body", .spelling = "abc"}, 400, "invalid"},
		{{.spell = "X-Unibus-Body",
			 .spelling =
				 "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B8"
				 "55"},
			400, "invalid"},
		{{.extra = "X-Unibus-Body: 00\r\n"}, 400, "invalid"},
		{{.target = "/blobs"}, 400, "invalid"},
		{{.target = "/blobs?room=abc"}, 400, "invalid"},
		{{.target = "/blobs?room=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, 404,
			"not_found"},
		{{.extra = "X-Unibus-Min-Revision: nonsense\r\n"}, 400, "invalid"},
		{{.sign_body = "signed for other bytes"}, 401, "bad_signature"},
		{{.announce = "other bytes, and signed for"}, 401, "bad_signature"},
		{{.announce = TEXT "!"}, 401, "bad_signature"},
		{{.sign_by = OTHER + 1}, 401, "bad_signature"},
		{{.ts_off = 61000}, 401, "clock_skew"},
		{{.by = READER}, 403, "denied"},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct rest *t = rest_new(NULL);
		struct rest_call c = upload(t, MEMBER, TEXT);
		const struct rest_call *d = &cases[i].c;
		size_t before = files(t);

		c.drop = d->drop;
		c.spell = d->spell;
		c.spelling = d->spelling;
		c.extra = d->extra;
		c.sign_body = d->sign_body;
		c.sign_by = d->sign_by;
		c.ts_off = d->ts_off;
		c.target = d->target ? d->target : c.target;
		c.announce = d->announce ? d->announce : c.announce;
		c.by = d->by ? d->by : c.by;
		rest_expect(t, &c, cases[i].status, cases[i].code);
		wait_files(t, before + (cases[i].status == 201));
		rest_free(t);
	}
}

static void the_header_belongs_to_uploads_only(void **state)
{
	struct rest *t = *state;
	struct rest_call c = {.method = "GET", .target = "/server", .by = MEMBER, .announce = ""};

	rest_expect(t, &c, 400, "invalid");
	c.announce = NULL;
	rest_expect(t, &c, 200, NULL);
}

static void an_upload_seen_before_is_a_replay(void **state)
{
	static const uint8_t nonce[16] = {1, 2, 3};
	struct rest *t = *state;
	struct rest_call c = upload(t, MEMBER, TEXT);

	c.nonce = nonce;
	rest_expect(t, &c, 201, NULL);
	rest_expect(t, &c, 401, "replay");
}

/* The head of the request alone, with another length. */
static char *head_of(struct rest *t, const struct rest_call *c, size_t length)
{
	char *text = rest_text(t, c), *at = strstr(text, "Content-Length:"), *z;
	size_t len;

	assert_non_null(at);
	len = (size_t)(at - text);
	z = malloc(len + 64);
	memcpy(z, text, len);
	snprintf(z + len, 64, "Content-Length: %zu\r\n\r\n", length);
	free(text);
	return z;
}

static void assert_refused_unread(
	struct rest *t, const struct rest_call *c, size_t length, unsigned status, const char *code)
{
	char *head = head_of(t, c, length), got[48];
	struct raw_reply r;

	raw_exchange(t->port, head, &r); /* nothing of the body is sent */
	raw_code(&r, got);
	assert_int_equal(r.status, status);
	assert_string_equal(got, code);
	raw_reply_deinit(&r);
	free(head);
}

static void who_may_not_is_told_before_a_byte_is_read(void **state)
{
	struct rest *t = *state;
	struct rest_call c = upload(t, MEMBER, TEXT);
	size_t before = files(t);

	assert_refused_unread(t, &c, UB_BLOB_MAX + 1, 413, "too_large");
	c.sign_body = "other bytes";
	assert_refused_unread(t, &c, 1000, 401, "bad_signature");
	c.sign_body = NULL;
	c.by = OTHER;
	assert_refused_unread(t, &c, 1000, 403, "denied");
	c.by = REVOKED;
	assert_refused_unread(t, &c, 1000, 401, "revoked");
	c.by = STRANGER;
	assert_refused_unread(t, &c, 1000, 401, "unknown_key");
	assert_int_equal(files(t), before);
}

static void shares_are_kept_with_the_right_words(void **state)
{
	const struct rest_options o = {.domain = {.blob_user_max = (uint64_t)2 * UB_BLOB_CHARGE_MIN,
					       .blob_max = UB_BLOB_CHARGE_MIN}};
	struct rest *t = rest_new(&o);
	struct rest_call c = upload(t, OWNER, TEXT);

	(void)state;
	assert_refused_unread(t, &c, UB_BLOB_CHARGE_MIN + 1, 413, "too_large");
	rest_expect(t, &c, 201, NULL); /* beside the scene's own one */
	c = upload(t, OWNER, "one more");
	assert_refused_unread(t, &c, 8, 409, "limit");
	c.by = MEMBER;
	rest_expect(t, &c, 201, NULL);
	rest_free(t);
}

/* ---- on the way ---- */

static int half_sent(struct rest *t, const struct rest_call *c)
{
	char *head = head_of(t, c, strlen(TEXT));
	int fd = raw_connect(t->port);
	size_t before = files(t);

	raw_sendz(fd, head);
	raw_send(fd, TEXT, 5);
	wait_files(t, before + 1);
	free(head);
	return fd;
}

static void an_upload_cut_off_leaves_nothing_and_gives_its_share_back(void **state)
{
	const struct rest_options o = {
		.domain = {.blob_user_max = (uint64_t)2 * UB_BLOB_CHARGE_MIN}};
	struct rest *t = rest_new(&o);
	struct rest_call c = upload(t, OWNER, TEXT), other = upload(t, OWNER, "other");
	size_t before = files(t);
	int fd = half_sent(t, &c);

	(void)state;
	rest_expect(t, &other, 409, "limit");
	close(fd);
	wait_files(t, before);
	rest_expect(t, &other, 201, NULL);
	rest_free(t);
}

static void who_is_revoked_on_the_way_brings_nothing(void **state)
{
	struct rest *t = *state;
	struct rest_call c = upload(t, MEMBER, TEXT);
	size_t before = files(t);
	struct raw_reply r;
	char code[48];
	int fd = half_sent(t, &c);

	assert_int_equal(kit_revoke(t->w, MEMBER), UB_OK);
	raw_sendz(fd, &TEXT[5]);
	raw_read(fd, &r);
	raw_code(&r, code);
	assert_int_equal(r.status, 401);
	assert_string_equal(code, "revoked");
	raw_reply_deinit(&r);
	close(fd);
	wait_files(t, before);
}

static void a_full_disk_is_503_and_leaves_nothing(void **state)
{
	struct rest *t = *state;
	struct rest_call c = upload(t, MEMBER, TEXT);
	struct rlimit was, tight = {.rlim_cur = 4};
	size_t before = files(t);
	struct rest_reply r;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	tight.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	rest_send(t, &c, &r);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(r.status, 503);
	assert_string_equal(r.code, "io");
	rest_reply_deinit(&r);
	wait_files(t, before);
	rest_expect(t, &c, 201, NULL);
}

/* ---- giving it back ---- */

static void ranges_resume_a_download(void **state)
{
	static const struct {
		const char *range;
		unsigned status;
		const char *body, *content_range;
	} cases[] = {
		{"bytes=0-", 206, REST_BLOB, "bytes 0-21/22"},
		{"bytes=8-", 206, "of the meeting", "bytes 8-21/22"},
		{"bytes=0-6", 206, "minutes", "bytes 0-6/22"},
		{"bytes=21-21", 206, "g", "bytes 21-21/22"},
		{"bytes=8-99999", 206, "of the meeting", "bytes 8-21/22"},
		{"bytes=22-", 416, NULL, "bytes */22"},
		{"bytes=99-100", 416, NULL, "bytes */22"},
		{"bytes=5-4", 400, NULL, NULL},
		{"bytes=-4", 400, NULL, NULL},
		{"bytes=", 400, NULL, NULL},
		{"bytes=1", 400, NULL, NULL},
		{"bytes=0-1,3-4", 400, NULL, NULL},
		{"bytes=00-", 400, NULL, NULL},
		{"bytes=99999999999999999999-", 400, NULL, NULL},
		{"lines=0-", 400, NULL, NULL},
	};
	struct rest *t = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		char line[64], got[64] = "";
		struct rest_call c = {.method = "GET",
			.target = rest_blob("/blobs/", REST_BLOB),
			.by = READER,
			.extra = line};
		struct rest_reply r;

		snprintf(line, sizeof(line), "Range: %s\r\n", cases[i].range);
		rest_send(t, &c, &r);
		if (r.status != cases[i].status)
			fail_msg("%s: %u", cases[i].range, r.status);
		if (cases[i].body)
			assert_string_equal(r.raw.body, cases[i].body);
		assert_int_equal(raw_header(&r.raw, "Content-Range", got, sizeof(got)),
			cases[i].content_range != NULL);
		assert_string_equal(got, cases[i].content_range ? cases[i].content_range : "");
		rest_reply_deinit(&r);
	}
}

static void only_a_hash_names_a_blob(void **state)
{
	struct rest *t = *state;
	struct rest_call c = {.method = "GET", .by = READER};
	char upper[128];

	c.target = rest_blob("/blobs/", REST_BLOB);
	rest_expect(t, &c, 200, NULL);
	snprintf(upper, sizeof(upper), "%s", c.target);
	for (char *p = upper + 7; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'f' ? *p - 'a' + 'A' : *p);
	c.target = upper;
	rest_expect(t, &c, 400, "invalid");
	c.target = "/blobs/abc";
	rest_expect(t, &c, 400, "invalid");
	c.target = rest_blob("/blobs/", "nothing that is there");
	rest_expect(t, &c, 404, "not_found");
	snprintf(upper, sizeof(upper), "%s?room=x", rest_blob("/blobs/", REST_BLOB));
	c.target = upper;
	rest_expect(t, &c, 400, "invalid");
}

static void who_left_and_who_is_elsewhere_learn_nothing(void **state)
{
	struct rest *t = *state;
	struct rest_call c = {
		.method = "GET", .target = rest_blob("/blobs/", REST_BLOB), .by = MEMBER};

	rest_expect(t, &c, 200, NULL);
	assert_int_equal(kit_remove(t->w, &t->room, OWNER, MEMBER), UB_OK);
	rest_expect(t, &c, 404, "not_found");
	c.by = OTHER;
	rest_expect(t, &c, 404, "not_found");
	c.by = ADMIN;
	rest_expect(t, &c, 404, "not_found");
	c.by = READER;
	rest_expect(t, &c, 200, NULL);
	assert_int_equal(
		kit_append(t->w, OWNER, MD_ROOM_CLOSE, &t->room, OPS(op_bare(UB_OP_CLOSE))), UB_OK);
	rest_expect(t, &c, 404, "not_found");
}

/* Nobody is asked for a signature: the announced hash is still held against the body. */
static void without_authentication_the_hash_is_still_checked(void **state)
{
	const struct rest_options o = {.mode = MD_AUTH_OFF};
	struct rest *t = rest_new(&o);
	struct rest_call c = upload(t, MEMBER, TEXT);

	(void)state;
	c.announce = "other bytes of the len";
	rest_expect(t, &c, 400, "invalid");
	c.announce = TEXT;
	rest_expect(t, &c, 201, NULL);
	rest_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		T(what_was_brought_is_given_as_it_was),
		T(nothing_at_all_is_a_blob_too),
		cmocka_unit_test(malformed_uploads_are_refused_and_leave_nothing),
		T(the_header_belongs_to_uploads_only),
		T(an_upload_seen_before_is_a_replay),
		T(who_may_not_is_told_before_a_byte_is_read),
		cmocka_unit_test(shares_are_kept_with_the_right_words),
		cmocka_unit_test(an_upload_cut_off_leaves_nothing_and_gives_its_share_back),
		T(who_is_revoked_on_the_way_brings_nothing),
		T(a_full_disk_is_503_and_leaves_nothing),
		T(ranges_resume_a_download),
		T(only_a_hash_names_a_blob),
		T(who_left_and_who_is_elsewhere_learn_nothing),
		cmocka_unit_test(without_authentication_the_hash_is_still_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
