#include "tests/bench/bench.h"

#include <jansson.h>
#include <sodium.h>
#include <unistd.h>

#include "core/base.h"

#define SLICES 15
#define SLICE_NS 20e6
#define BENCH_FILE "build/bench.json"
#define NUMBERS_MAX 1024

static json_t *report;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double slice(const struct bench_side *s, size_t n)
{
	double t = now_ns();

	s->run(s->arg, n);
	return (now_ns() - t) / (double)n;
}

/* How many operations fill a slice; doubles as the warm-up. */
static size_t calibrate(const struct bench_side *s)
{
	size_t n = 1;

	while (slice(s, n) * (double)n < SLICE_NS / 2)
		n *= 2;
	return (size_t)(SLICE_NS / slice(s, n)) + 1;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(const double *v, size_t n, double to[NUMBERS_MAX])
{
	ub_assert(n > 0 && n <= NUMBERS_MAX);
	memcpy(to, v, n * sizeof(*v));
	qsort(to, n, sizeof(*to), compare);
}

struct bench_spread bench_spread_of(const double *v, size_t n)
{
	double sorted[NUMBERS_MAX];

	sort(v, n, sorted);
	return (struct bench_spread){sorted[n / 2], sorted[0], sorted[n - 1]};
}

double bench_percentiles(const char *name, const double *ms, size_t n)
{
	double sorted[NUMBERS_MAX];

	sort(ms, n, sorted);
	printf("  %s: p50 %.1f ms, p99 %.1f ms, longest %.1f ms of %zu\n", name, sorted[n / 2],
		sorted[n * 99 / 100], sorted[n - 1], n);
	return sorted[n * 99 / 100];
}

void bench_run(const struct bench_side *sides, size_t n, struct bench_result *ret)
{
	double t[8][SLICES];
	size_t count[8];

	ub_assert(n <= UB_ARRAY_LEN(t));
	for (size_t i = 0; i < n; i++)
		count[i] = calibrate(&sides[i]);
	for (size_t k = 0; k < SLICES; k++)
		for (size_t i = 0; i < n; i++)
			t[i][k] = slice(&sides[i], count[i]);
	for (size_t i = 0; i < n; i++) {
		qsort(t[i], SLICES, sizeof(t[i][0]), compare);
		ret[i] = (struct bench_result){t[i][SLICES / 2], t[i][0], t[i][SLICES - 1]};
		printf("  %-44s %10.0f ns (%.0f .. %.0f)\n", sides[i].name, ret[i].ns,
			ret[i].ns_min, ret[i].ns_max);
	}
}

static void add(json_t *v)
{
	if (!report)
		report = json_array();
	json_array_append_new(report, v);
}

void bench_report(const char *name, double value, const char *unit, const char *reach, bool ok)
{
	printf("%s: %.2f %s (to reach: %s) %s\n", name, value, unit, reach,
		ok ? "reached" : "NOT REACHED");
	add(json_pack("{s:s, s:f, s:s, s:s, s:b}", "name", name, "value", value, "unit", unit,
		"reach", reach, "ok", ok));
}

void bench_machine(void)
{
	char line[256] = "", model[200] = "unknown processor";
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
			snprintf(model, sizeof(model), "%s", strchr(line, ':') + 2);
			model[strcspn(model, "\n")] = '\0';
			break;
		}
	if (f)
		fclose(f);
	printf("machine: %s, %ld cores; libsodium %s\n", model, sysconf(_SC_NPROCESSORS_ONLN),
		sodium_version_string());
	add(json_pack("{s:s, s:I, s:s}", "machine", model, "cores",
		(json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "libsodium", sodium_version_string()));
}

bool bench_write(void)
{
	json_t *all = json_load_file(BENCH_FILE, 0, NULL); /* none: this is the first */
	bool ok;

	if (!all)
		all = json_array();
	ok = report && json_array_extend(all, report) == 0 &&
	     json_dump_file(all, BENCH_FILE, JSON_INDENT(2)) == 0;
	json_decref(all);
	json_decref(report);
	report = NULL;
	return ok;
}
