/* bench.h: measurements in pairs: ours and its counterpart, interleaved in one run.
 *
 * Each side is run in slices of about SLICE_MS, A B A B ..., after a warm-up; the median over the
 * slices is quoted with its spread. Absolute times on a shared machine mean little; ratios do.
 *
 * Threads: one. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_side {
	const char *name;
	void (*run)(void *arg, size_t n); /* does the thing n times */
	void *arg;
};
struct bench_result {
	double ns, ns_min, ns_max; /* of one operation: median, spread */
};
/* Measures the sides against each other. */
void bench_run(const struct bench_side *sides, size_t n, struct bench_result *ret);

struct bench_spread {
	double median, min, max;
};
/* Of n numbers, at least one, at most 1024. */
struct bench_spread bench_spread_of(const double *v, size_t n);
/* Of milliseconds, likewise: prints "NAME: p50, p99, longest", returns the p99. */
double bench_percentiles(const char *name, const double *ms, size_t n);

/* Prints "NAME: value unit (reach: ...)", and adds it to the JSON. `ok` says whether it is reached.
 */
void bench_report(const char *name, double value, const char *unit, const char *reach, bool ok);
/* Appends what was reported to build/bench.json, a JSON array of all benches of a run. */
bool bench_write(void);
/* CPU model, cores, library versions: one line, also in the JSON. */
void bench_machine(void);

#endif
