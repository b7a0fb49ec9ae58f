#include "tests/bench/bench.h"

#include <jansson.h>
#include <sodium.h>
#include <unistd.h>

#include "core/base.h"

#define SLICES 15
#define SLICE_NS 20e6

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

bool bench_write(const char *path)
{
	int rc = report ? json_dump_file(report, path, JSON_INDENT(2)) : -1;

	json_decref(report);
	report = NULL;
	return rc == 0;
}
