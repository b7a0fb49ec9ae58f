#include "tests/harness/store_engines.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define RUNS_MAX 256

static ub_err open_memory(struct store_fixture *f, struct md_store **ret)
{
	(void)f;
	return md_store_mem_open(ret);
}

static ub_err open_sqlite(struct store_fixture *f, struct md_store **ret)
{
	char path[PROC_PATH + 16];

	(void)snprintf(path, sizeof(path), "%s/unibus.db", f->dir);
	return md_store_sqlite_open(
		&(struct md_sqlite_options){.path = path, .create = true, .exclusive = true}, ret);
}

static struct store_engine engines[] = {
	{"memory", false, open_memory},
	{"sqlite", true, open_sqlite},
};

static int set_up(void **state)
{
	struct store_fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->engine = *state;
	assert_int_equal(proc_dir_make(f->dir), 0);
	assert_int_equal(f->engine->open(f, &f->s), UB_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct store_fixture *f = *state;

	md_store_close(f->s);
	proc_dir_remove(f->dir);
	free(f);
	return 0;
}

void store_reopen(struct store_fixture *f)
{
	md_store_close(f->s);
	f->s = NULL;
	assert_int_equal(f->engine->open(f, &f->s), UB_OK);
}

int store_run(const struct store_case *cases, size_t n)
{
	static char names[RUNS_MAX][128];
	static struct CMUnitTest tests[RUNS_MAX]; /* those without a name are passed over */
	size_t at = 0;

	ub_assert(n * UB_ARRAY_LEN(engines) <= RUNS_MAX);
	for (size_t e = 0; e < UB_ARRAY_LEN(engines); e++) {
		for (size_t i = 0; i < n; i++) {
			if (cases[i].persistent && !engines[e].persistent)
				continue;
			(void)snprintf(names[at], sizeof(names[at]), "%s: %s", engines[e].name,
				cases[i].name);
			tests[at] = (struct CMUnitTest){
				.name = names[at],
				.test_func = cases[i].fn,
				.setup_func = set_up,
				.teardown_func = tear_down,
				.initial_state = &engines[e],
			};
			at++;
		}
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
