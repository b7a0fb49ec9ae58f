/* targets.h: every parser of foreign bytes, as a function of bytes alone.
 *
 * The same table serves libFuzzer (make fuzz) and the replay of the corpus in make test. A target
 * aborts (ub_assert) when the parser breaks a promise: accepts two spellings, or changes a result
 * on failure.
 *
 * Threads: one. */
#ifndef FUZZ_TARGETS_H
#define FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_target {
	const char *name; /* also the folder under tests/fuzz/corpus */
	void (*run)(const uint8_t *data, size_t len);
};
extern const struct fuzz_target fuzz_targets[]; /* ended by a row without a name */

#endif
