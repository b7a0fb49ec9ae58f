/* app.h: membershipd as a whole: started, run until a signal, stopped.
 *
 * Threads: the main thread, before others exist. */
#ifndef MD_APP_H
#define MD_APP_H

#include "membershipd/options.h"
#include "membershipd/store/store.h"

struct md_app_hooks {
	/* What the service uses in the store's stead; owns `inner` from then on. NULL: as it is.
	 * For tests that crash at a chosen store call. */
	struct md_store *(*wrap)(void *arg, struct md_store *inner);
	void *arg;
};

/* Runs until TERM or INT; gives the exit code, after a sentence on stderr when it is not 0. */
int md_app_run(const struct md_options *o, const struct md_app_hooks *hooks);

/* `membershipd serve` and `membershipd check-config` with the arguments after their names. */
int md_cmd_serve(const struct opt_args *a);
int md_cmd_check_config(const struct opt_args *a);

#endif
