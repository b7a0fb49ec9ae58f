/* The HTTP shell: what it lets through to a handler, and what it refuses before anyone looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/component/httpd_app.h"
#include "tests/harness/raw.h"

struct shape {
	const char *name, *request;
	unsigned status;
	const char *code; /* "" for 200; "*" when the library below answers with text of its own */
	bool closes;
};

static const struct shape shapes[] = {
	{"a plain request", "GET /echo HTTP/1.1\r\n" HOST "\r\n", 200, "", false},
	{"the old version", "GET /echo HTTP/1.0\r\n\r\n", 200, "", true},
	{"another version", "GET /echo HTTP/1.2\r\n" HOST "\r\n", 400, "invalid", true},
	{"two hosts", "GET /echo HTTP/1.1\r\n" HOST HOST "\r\n", 400, "invalid", true},
	{"a body", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", 200, "", false},
	{"no length for a body", "POST /echo HTTP/1.1\r\n" HOST "\r\n", 411, "length_required",
		true},
	{"two equal lengths",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
		400, "invalid", true},
	{"two different lengths",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 9\r\n\r\nhi",
		400, "invalid", true},
	{"a length list", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2, 2\r\n\r\nhi", 400, "*",
		true},
	{"a signed length", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: +2\r\n\r\nhi", 400, "*",
		true},
	{"a hexadecimal length", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x2\r\n\r\nhi",
		400, "*", true},
	{"a length with leading zero",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 02\r\n\r\nhi", 400, "invalid",
		true},
	{"a space before the colon", "POST /echo HTTP/1.1\r\n" HOST "Content-Length : 2\r\n\r\nhi",
		400, "*", true},
	{"chunked", "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		411, "length_required", true},
	{"chunked and a length",
		"POST /echo HTTP/1.1\r\n" HOST
		"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		411, "length_required", true},
	{"another coding",
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n"
		"Content-Length: 2\r\n\r\nhi",
		411, "length_required", true},
	{"a body where none belongs", "GET /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi",
		400, "invalid", true},
	{"no body, said so", "GET /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, "",
		false},
	{"a name that is no token", "GET /echo HTTP/1.1\r\n" HOST "X(y): 1\r\n\r\n", 400, "invalid",
		true},
	{"a control byte in a value", "GET /echo HTTP/1.1\r\n" HOST "X-Y: a\x01z\r\n\r\n", 400,
		"invalid", true},
	{"a body over the row's maximum",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", 413, "too_large",
		true},
	{"a body of gigabytes",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999\r\n\r\n", 413,
		"too_large", true},
	{"a length beyond numbers",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n",
		413, "*", true},
	{"parameters in the path", "GET /things/a-b/parts/7 HTTP/1.1\r\n" HOST "\r\n", 200, "",
		false},
	{"an empty segment", "GET /things//parts/7 HTTP/1.1\r\n" HOST "\r\n", 404, "not_found",
		false},
	{"a segment too many", "GET /echo/x HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", false},
	{"a slash too many", "GET /echo/ HTTP/1.1\r\n" HOST "\r\n", 404, "not_found", false},
	{"an encoded path", "GET /%65cho HTTP/1.1\r\n" HOST "\r\n", 400, "invalid", true},
	{"a path with dots", "GET /../echo HTTP/1.1\r\n" HOST "\r\n", 400, "invalid", true},
	{"a target with a host", "GET http://x/echo HTTP/1.1\r\n" HOST "\r\n", 400, "invalid",
		true},
	{"a target that is no path", "GET echo HTTP/1.1\r\n" HOST "\r\n", 400, "invalid", true},
	{"a fragment", "GET /echo#x HTTP/1.1\r\n" HOST "\r\n", 400, "invalid", true},
	{"a query", "GET /things/a/parts/b?q=7 HTTP/1.1\r\n" HOST "\r\n", 200, "", false},
	{"an unknown parameter", "GET /things/a/parts/b?r=7 HTTP/1.1\r\n" HOST "\r\n", 400,
		"invalid", false},
	{"a parameter twice", "GET /things/a/parts/b?q=7&q=8 HTTP/1.1\r\n" HOST "\r\n", 400,
		"invalid", true},
	{"a parameter without value", "GET /things/a/parts/b?q HTTP/1.1\r\n" HOST "\r\n", 400,
		"invalid", true},
	{"an encoded parameter", "GET /things/a/parts/b?q=%37 HTTP/1.1\r\n" HOST "\r\n", 400,
		"invalid", true},
	{"an empty query", "GET /echo? HTTP/1.1\r\n" HOST "\r\n", 400, "invalid", true},
	{"another method", "DELETE /echo HTTP/1.1\r\n" HOST "\r\n", 405, "method_not_allowed",
		false},
	{"a method in small letters", "get /echo HTTP/1.1\r\n" HOST "\r\n", 405,
		"method_not_allowed", false},
};

static void each_shape_gets_its_answer(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(shapes); i++) {
		const struct shape *s = &shapes[i];
		unsigned before = atomic_load(&f->app.handled);
		bool reaches = s->status == 200 || strstr(s->request, "?r=7");
		struct raw_reply r;
		char code[48], type[64];
		int fd = raw_connect(f->port);

		raw_sendz(fd, s->request);
		raw_read(fd, &r);
		if (r.status != s->status)
			fail_msg("%s: %u instead of %u: %s", s->name, r.status, s->status,
				r.text ? r.text : "");
		raw_code(&r, code);
		if (s->code[0] != '*' && strcmp(code, s->code) != 0)
			fail_msg("%s: code %s instead of %s", s->name, code, s->code);
		if (s->code[0] && s->code[0] != '*') {
			assert_true(raw_header(&r, "Content-Type", type, sizeof(type)));
			assert_string_equal(type, "application/json");
		}
		if (atomic_load(&f->app.handled) != before + (reaches ? 1 : 0))
			fail_msg("%s: the handler ran %u times", s->name,
				atomic_load(&f->app.handled) - before);
		if (s->closes && !raw_closed(fd))
			fail_msg("%s: the connection stays open", s->name);
		raw_reply_deinit(&r);
		if (!s->closes) {
			raw_sendz(fd, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
			raw_read(fd, &r);
			if (r.status != 200)
				fail_msg("%s: the connection is of no use afterwards", s->name);
			raw_reply_deinit(&r);
		}
		close(fd);
	}
}

static void a_request_hidden_in_a_body_is_not_served(void **state)
{
	static const char *const hidden[] = {
		"GET /echo HTTP/1.1\r\n" HOST
		"Content-Length: 38\r\n\r\nGET /things/a/parts/b HTTP/1.1\r\n" HOST "\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
		"\r\n0\r\n\r\nGET /things/a/parts/b HTTP/1.1\r\n" HOST "\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 38\r\n\r\n"
		"GET /things/a/parts/b HTTP/1.1\r\n" HOST "\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(hidden); i++) {
		struct raw_reply r;
		int fd = raw_connect(f->port);

		raw_sendz(fd, hidden[i]);
		raw_read(fd, &r);
		assert_true(r.status == 400 || r.status == 411);
		raw_reply_deinit(&r);
		raw_read(fd, &r);
		assert_int_equal(r.status, 0);
		raw_reply_deinit(&r);
		close(fd);
	}
	assert_int_equal(atomic_load(&f->app.handled), 0);
}

static void two_requests_in_one_packet_get_two_answers(void **state)
{
	struct fixture *f = *state;
	struct raw_reply r;
	int fd = raw_connect(f->port);

	raw_sendz(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
		      "GET /things/x/parts/y HTTP/1.1\r\n" HOST "\r\n");
	raw_read(fd, &r);
	assert_string_equal(r.body, "abc");
	raw_reply_deinit(&r);
	raw_read(fd, &r);
	assert_string_equal(r.body, "x|y|");
	raw_reply_deinit(&r);
	close(fd);
}

static void an_unknown_method_is_told_the_known_ones(void **state)
{
	struct fixture *f = *state;
	struct raw_reply r;
	char allow[64];

	raw_exchange(f->port, "DELETE /echo HTTP/1.1\r\n" HOST "\r\n", &r);
	assert_true(raw_header(&r, "Allow", allow, sizeof(allow)));
	assert_string_equal(allow, "GET, POST");
	raw_reply_deinit(&r);
}

static void headers_are_bounded(void **state)
{
	static const struct {
		size_t fields, each;
		unsigned status;
	} cases[] = {
		{60, 10, 200}, {64, 10, 431}, {10, 1000, 200}, {17, 1000, 431}, {1, 60000, 431}};
	struct fixture *f = *state;

	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct ub_buf b = UB_BUF(1 << 20);
		struct raw_reply r;

		ub_buf_z(&b, "GET /echo HTTP/1.1\r\n" HOST);
		for (size_t n = 0; n < cases[i].fields; n++) {
			ub_buf_printf(&b, "X-%zu: ", n);
			for (size_t k = 0; k < cases[i].each; k++)
				ub_buf_u8(&b, 'a');
			ub_buf_z(&b, "\r\n");
		}
		ub_buf_z(&b, "\r\n");
		raw_exchange(f->port, ub_buf_cstr(&b), &r);
		if (r.status != cases[i].status)
			fail_msg("%zu fields of %zu: %u", cases[i].fields, cases[i].each, r.status);
		raw_reply_deinit(&r);
		ub_buf_deinit(&b);
	}
}

static void a_long_target_is_refused(void **state)
{
	struct fixture *f = *state;

	for (size_t over = 0; over < 2; over++) {
		struct ub_buf b = UB_BUF(8192);
		struct raw_reply r;

		ub_buf_z(&b, "GET /");
		for (size_t k = 1; k < UB_TARGET_MAX + over; k++)
			ub_buf_u8(&b, 'a');
		ub_buf_z(&b, " HTTP/1.1\r\n" HOST "\r\n");
		raw_exchange(f->port, ub_buf_cstr(&b), &r);
		assert_int_equal(r.status, over ? 431 : 404);
		raw_reply_deinit(&r);
		ub_buf_deinit(&b);
	}
}

static void a_body_arrives_whole(void **state)
{
	struct fixture *f = *state;
	size_t len = 4 * 1024 * 1024;
	char *body = malloc(len);
	struct raw_reply r;
	int fd = raw_connect(f->port);

	for (size_t i = 0; i < len; i++)
		body[i] = (char)('a' + i % 26);
	raw_sendz(fd, "PUT /big HTTP/1.1\r\n" HOST "Content-Length: 4194304\r\n\r\n");
	raw_send(fd, body, len);
	raw_read(fd, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body_len, len);
	assert_memory_equal(r.body, body, len);
	raw_reply_deinit(&r);
	free(body);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_shape_gets_its_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_request_hidden_in_a_body_is_not_served, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			two_requests_in_one_packet_get_two_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_unknown_method_is_told_the_known_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(headers_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_target_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_arrives_whole, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
