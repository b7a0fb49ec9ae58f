/* libFuzzer's entry: one program for all targets; FUZZ_TARGET names the one to run. */
#include "core/key.h"
#include "tests/fuzz/targets.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("FUZZ_TARGET");

	(void)argc;
	(void)argv;
	for (const struct fuzz_target *t = fuzz_targets; name && t->name; t++)
		if (strcmp(t->name, name) == 0)
			target = t;
	if (!target || ub_core_init()) {
		fputs("FUZZ_TARGET names one of the targets in tests/fuzz/targets.c\n", stderr);
		exit(2);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	target->run(data, len);
	return 0;
}
