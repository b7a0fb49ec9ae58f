/* crashd: the real membershipd over a store that ends the process at a chosen call.
 *
 * $UNIBUS_CRASH_DIR has two FIFOs, made by the test: a plan ("after:commit:2", see store_crash.h)
 * written to `arm` is in force once a line can be read from `armed`. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "membershipd/app.h"
#include "membershipd/cmd/cmd.h"
#include "tests/harness/store_crash.h"

#define PLAN_MAX 64

static const char *fifo(const char *name, char to[512])
{
	const char *dir = getenv("UNIBUS_CRASH_DIR");

	if (!dir || snprintf(to, 512, "%s/%s", dir, name) >= 512) {
		(void)fprintf(stderr, "crashd: UNIBUS_CRASH_DIR is not set or too long\n");
		exit(MD_EXIT_USAGE);
	}
	return to;
}

static void tell_armed(void)
{
	char path[512];
	int fd = open(fifo("armed", path), O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "armed\n", 6) != 6) {
		(void)fprintf(stderr, "crashd: nobody reads %s\n", path);
		exit(MD_EXIT_FAILED);
	}
	(void)close(fd);
}

/* One plan each time the FIFO is opened for writing. */
static void *take_plans(void *arg)
{
	struct md_store *s = arg;
	char path[512], text[PLAN_MAX];
	struct store_crash_plan plan;

	for (;;) {
		int fd = open(fifo("arm", path), O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

		if (fd >= 0)
			(void)close(fd);
		if (n <= 0 || store_crash_parse((struct ub_str){text, (size_t)n}, &plan)) {
			(void)fprintf(stderr, "crashd: %s: no plan\n", path);
			exit(MD_EXIT_FAILED);
		}
		store_crash_arm(s, &plan);
		tell_armed();
	}
}

static struct md_store *wrap(void *arg, struct md_store *inner)
{
	const struct store_crash_plan never = {
		.when = STORE_CRASH_NEVER, .calls = STORE_CRASH_BOTH, .k = 1};
	struct md_store *s;
	sigset_t all, before;
	pthread_t thread;
	int rc;

	(void)arg;
	if (store_crash_open(inner, &never, &s)) {
		(void)fprintf(stderr, "crashd: no memory\n");
		exit(MD_EXIT_FAILED);
	}
	/* The service's signals are for its main thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, take_plans, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		(void)fprintf(stderr, "crashd: no thread\n");
		exit(MD_EXIT_FAILED);
	}
	(void)pthread_detach(thread);
	return s;
}

int main(int argc, char **argv)
{
	const struct md_app_hooks hooks = {.wrap = wrap};
	struct md_options o = {0};
	ub_err err;
	int rc;

	if (argc < 2 || strcmp(argv[1], "serve") != 0) {
		(void)fprintf(stderr, "usage: crashd serve [options of membershipd serve]\n");
		return MD_EXIT_USAGE;
	}
	err = md_options_parse(
		&(struct opt_args){.argc = argc - 2, .argv = argv + 2, .prog = "crashd"}, &o);
	rc = err ? MD_EXIT_USAGE : md_app_run(&o, &hooks);
	md_options_deinit(&o);
	return rc;
}
