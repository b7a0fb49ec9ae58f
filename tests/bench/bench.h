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

/* Prints "NAME: value unit (reach: ...)", and adds it to the JSON. `ok` says whether it is reached.
 */
void bench_report(const char *name, double value, const char *unit, const char *reach, bool ok);
/* Writes what was reported to `path` as a JSON array. */
bool bench_write(const char *path);
/* CPU model, cores, library versions: one line, also in the JSON. */
void bench_machine(void);

#endif
