/* Every input ever found interesting goes through its parser again, whole, cut short at every
 * length and with every byte changed: nothing may crash or break a promise. */
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/key.h"
#include "support/process.h"
#include "tests/fuzz/targets.h"

static size_t replay_file(const struct fuzz_target *t, const char *path)
{
	struct ub_buf b = UB_BUF(4 * 1024 * 1024);
	size_t runs = 1, step;

	assert_int_equal(process_read_file(path, b.max, &b), UB_OK);
	t->run(b.p, b.len);
	step = b.len / 500 + 1;
	for (size_t n = 0; n < b.len; n += step, runs++) {
		/* A copy of exact size, so that a sanitizer sees a read past its end. */
		uint8_t *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, b.p, n);
		t->run(cut, n);
		free(cut);
	}
	for (size_t i = 0; i < b.len; i += step, runs++) {
		uint8_t was = b.p[i];

		b.p[i] = (uint8_t)(was ^ (1U << (i % 8)));
		t->run(b.p, b.len);
		b.p[i] = was;
	}
	ub_buf_deinit(&b);
	return runs;
}

static void the_corpus_of(void **state)
{
	const struct fuzz_target *t = *state;
	char dir[PATH_MAX], path[PATH_MAX * 2];
	size_t files = 0, runs = 0;
	struct dirent *e;
	DIR *d;

	snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", t->name);
	d = opendir(dir);
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		runs += replay_file(t, path);
		files++;
	}
	closedir(d);
	print_message("%s: %zu files, %zu runs\n", t->name, files, runs);
	assert_true(files > 0);
}

int main(void)
{
	struct CMUnitTest tests[32];
	size_t n = 0;

	if (ub_core_init())
		return 1;
	for (const struct fuzz_target *t = fuzz_targets; t->name; t++) {
		union {
			const struct fuzz_target *in;
			void *out;
		} u = {.in = t};

		tests[n++] = (struct CMUnitTest){
			.name = t->name, .test_func = the_corpus_of, .initial_state = u.out};
	}
	return _cmocka_run_group_tests("corpus", tests, n, NULL, NULL);
}
