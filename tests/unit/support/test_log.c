#include "support/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/* What log_line writes goes to a pipe meanwhile. */
struct capture {
	int saved, rd;
	char text[64 * 1024];
};

static void capture_begin(struct capture *c)
{
	int fds[2];

	(void)fflush(stderr);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	c->saved = dup(STDERR_FILENO);
	assert_true(c->saved >= 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	assert_int_equal(close(fds[1]), 0);
	c->rd = fds[0];
}

static const char *capture_end(struct capture *c)
{
	size_t n = 0;
	ssize_t got;

	assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
	assert_int_equal(close(c->saved), 0);
	while ((got = read(c->rd, c->text + n, sizeof(c->text) - 1 - n)) > 0)
		n += (size_t)got;
	assert_int_equal(got, 0);
	assert_int_equal(close(c->rd), 0);
	c->text[n] = '\0';
	return c->text;
}

/* Compares what follows the time: 24 characters in a plain line, 34 in a JSON line. */
static void expect_line(const char *line, size_t skip, const char *rest)
{
	assert_true(strlen(line) > skip);
	assert_string_equal(line + skip, rest);
}

static void a_line_is_time_level_event_and_pairs(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	log_info("login", "peer", "abc", "host", "127.0.0.1", NULL);
	const char *line = capture_end(&c);

	expect_line(line, 24, " info login peer=abc host=127.0.0.1\n");
	for (size_t i = 0; i < 24; i++)
		assert_true(
			line[i] == "0000-00-00T00:00:00.000Z"[i] ||
			("0000-00-00T00:00:00.000Z"[i] == '0' && line[i] >= '0' && line[i] <= '9'));
}

static void a_json_line_has_the_same_parts(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	log_set_json(true);
	log_warn("login", "peer", "abc", "n", log_num(7), "none", NULL, NULL);
	log_set_json(false);
	const char *line = capture_end(&c);

	assert_memory_equal(line, "{\"time\":\"2", 10);
	expect_line(line, 33,
		"\",\"level\":\"warn\",\"event\":\"login\",\"peer\":\"abc\",\"n\":\"7\",\"none\":"
		"null}\n");
}

static void hostile_values_are_escaped(void **state)
{
	static const struct {
		const char *value, *plain, *json;
	} cases[] = {
		{"abc", "abc", "\"abc\""},
		{"", "\"\"", "\"\""},
		{NULL, "-", "null"},
		{"-", "\"-\"", "\"-\""},
		{"a b", "\"a b\"", "\"a b\""},
		{"a=b", "\"a=b\"", "\"a=b\""},
		{"a\"b", "\"a\\\"b\"", "\"a\\\"b\""},
		{"a\\b", "\"a\\\\b\"", "\"a\\\\b\""},
		{"a\nb", "\"a\\x0ab\"", "\"a\\u000ab\""},
		{"a\rb", "\"a\\x0db\"", "\"a\\u000db\""},
		{"\x1b[2J", "\"\\x1b[2J\"", "\"\\u001b[2J\""},
		{"\x7f", "\"\\x7f\"", "\"\\\\x7f\""},
		{"\xe2\x80\xae", "\"\\xe2\\x80\\xae\"", "\"\\\\xe2\\\\x80\\\\xae\""},
		{"x\n2026-11-23T00:17:14.123Z info login", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct capture c;
		char want[128];

		capture_begin(&c);
		log_error("e", "k", cases[i].value, NULL);
		const char *line = capture_end(&c);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		if (cases[i].plain) {
			(void)snprintf(want, sizeof(want), " error e k=%s\n", cases[i].plain);
			expect_line(line, 24, want);
		}

		capture_begin(&c);
		log_set_json(true);
		log_error("e", "k", cases[i].value, NULL);
		log_set_json(false);
		line = capture_end(&c);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		if (cases[i].json) {
			(void)snprintf(want, sizeof(want),
				"\",\"level\":\"error\",\"event\":\"e\",\"k\":%s}\n",
				cases[i].json);
			expect_line(line, 33, want);
		}
	}
}

static void a_long_value_is_cut_and_leaves_room_for_others(void **state)
{
	struct capture c;
	char big[20000];

	(void)state;
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	capture_begin(&c);
	log_info("e", "k", big, "after", "1", NULL);
	const char *line = capture_end(&c);
	assert_non_null(strstr(line, "...\" after=1\n"));
	assert_true(strlen(line) < 1200);
}

static void an_overlong_line_loses_whole_pairs_and_says_so(void **state)
{
	struct capture c;
	char big[20000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (int json = 0; json < 2; json++) {
		capture_begin(&c);
		log_set_json(json);
		log_info("e", "a", big, "b", big, "c", big, "d", big, "last", "1", NULL);
		log_set_json(false);
		const char *line = capture_end(&c);
		size_t len = strlen(line);

		assert_true(len <= 4096);
		assert_null(strstr(line, "last"));
		assert_ptr_equal(strchr(line, '\n'), line + len - 1);
		const char *end = json ? "x...\",\"cut\":true}\n" : "x... cut=true\n";
		assert_string_equal(line + len - strlen(end), end);
	}
}

static void lines_below_the_level_are_not_written(void **state)
{
	static const struct {
		enum log_level level;
		size_t lines;
	} cases[] = {
		{LOG_LEVEL_DEBUG, 4},
		{LOG_LEVEL_INFO, 3},
		{LOG_LEVEL_WARN, 2},
		{LOG_LEVEL_ERROR, 1},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		struct capture c;
		size_t n = 0;

		log_set_level(cases[i].level);
		capture_begin(&c);
		log_debug("e", NULL);
		log_info("e", NULL);
		log_warn("e", NULL);
		log_error("e", NULL);
		const char *line = capture_end(&c);
		log_set_level(LOG_LEVEL_INFO);
		for (; (line = strchr(line, '\n')); line++)
			n++;
		assert_int_equal(n, cases[i].lines);
	}
}

static void levels_have_one_spelling(void **state)
{
	static const struct {
		const char *text;
		ub_err err;
		enum log_level level;
	} cases[] = {
		{"debug", UB_OK, LOG_LEVEL_DEBUG},
		{"info", UB_OK, LOG_LEVEL_INFO},
		{"warn", UB_OK, LOG_LEVEL_WARN},
		{"error", UB_OK, LOG_LEVEL_ERROR},
		{"", UNIBUS_ERR_INVALID, LOG_LEVEL_DEBUG},
		{"Info", UNIBUS_ERR_INVALID, LOG_LEVEL_DEBUG},
		{"warning", UNIBUS_ERR_INVALID, LOG_LEVEL_DEBUG},
		{"info ", UNIBUS_ERR_INVALID, LOG_LEVEL_DEBUG},
	};
	(void)state;
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		enum log_level l = LOG_LEVEL_DEBUG;

		assert_int_equal(log_level_parse(ub_str(cases[i].text), &l), cases[i].err);
		assert_int_equal(l, cases[i].level);
	}
}

static void several_numbers_fit_one_line(void **state)
{
	(void)state;
	const char *a = log_num(0), *b = log_num(UINT64_MAX), *c = log_num(42);

	assert_string_equal(a, "0");
	assert_string_equal(b, "18446744073709551615");
	assert_string_equal(c, "42");
}

static void *write_lines(void *arg)
{
	for (int i = 0; i < 50; i++)
		log_info("e", "who", arg, "n", log_num(1234567), NULL);
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	static char names[4][2] = {"a", "b", "c", "d"};
	struct capture c;
	pthread_t t[4];
	size_t n = 0;

	(void)state;
	capture_begin(&c);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, write_lines, names[i]), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	const char *at = capture_end(&c);
	for (; *at; at = strchr(at, '\n') + 1, n++) {
		assert_memory_equal(at + 24, " info e who=", 12);
		assert_memory_equal(at + 37, " n=1234567\n", 11);
	}
	assert_int_equal(n, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_time_level_event_and_pairs),
		cmocka_unit_test(a_json_line_has_the_same_parts),
		cmocka_unit_test(hostile_values_are_escaped),
		cmocka_unit_test(a_long_value_is_cut_and_leaves_room_for_others),
		cmocka_unit_test(an_overlong_line_loses_whole_pairs_and_says_so),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(levels_have_one_spelling),
		cmocka_unit_test(several_numbers_fit_one_line),
		cmocka_unit_test(lines_of_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
