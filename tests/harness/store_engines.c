#include "tests/harness/store_engines.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/harness/kv_cluster.h"

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

/* One for each number of replicas, started when the first case needs it. */
static struct {
	struct kv_cluster c;
	bool runs;
} clusters[KV_CLUSTER_MAX];

static ub_err open_kv(struct store_fixture *f, struct md_store **ret)
{
	unsigned n = f->engine->replicas;
	struct kv_cluster *c = &clusters[n - 1].c;

	if (!clusters[n - 1].runs && kv_cluster_start(c, n, false))
		return UNIBUS_ERR_IO;
	clusters[n - 1].runs = true;
	struct md_jetstream_options o = kv_cluster_options(c);
	if (!f->made) {
		ub_err e = kv_cluster_wipe(c) ? UNIBUS_ERR_IO : md_store_jetstream_create(&o);

		if (e)
			return e;
	}
	return md_store_jetstream_open(&o, ret);
}

static void stop_clusters(void)
{
	for (size_t i = 0; i < UB_ARRAY_LEN(clusters); i++) {
		if (clusters[i].runs)
			kv_cluster_stop(&clusters[i].c);
		clusters[i].runs = false;
	}
}

static struct store_engine engines[] = {
	{.name = "memory", .label = "memory", .open = open_memory},
	{.name = "sqlite", .label = "sqlite", .persistent = true, .open = open_sqlite},
	{.name = "kv",
		.label = "kv, 1 server",
		.persistent = true,
		.skips = true,
		.replicas = 1,
		.open = open_kv},
	{.name = "kv",
		.label = "kv, 3 servers",
		.persistent = true,
		.skips = true,
		.replicas = 3,
		.open = open_kv},
};

static int set_up(void **state)
{
	struct store_fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->engine = *state;
	assert_int_equal(proc_dir_make(f->dir), 0);
	assert_int_equal(f->engine->open(f, &f->s), UB_OK);
	f->made = true;
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
			(void)snprintf(names[at], sizeof(names[at]), "%s: %s", engines[e].label,
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
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	stop_clusters();
	return failed;
}
