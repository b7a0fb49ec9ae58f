/* actor.h: a peer whose secrets the test holds, so that it can do what no library would.
 *
 * Failures fail the running test.
 *
 * Threads: an actor is read-only once made. */
#ifndef HARNESS_ACTOR_H
#define HARNESS_ACTOR_H

#include <unibus/unibus.h>

#include "core/endpoint.h"
#include "core/entry.h"
#include "core/keyrec.h"
#include "tests/harness/ask.h"

struct actor {
	char handle[UB_HANDLE_MAX + 1];
	struct ub_signkey sk;
	struct ub_pubkey sign;
	struct ub_kexsec ks;
	struct ub_kexpub kex;
	struct ub_endpoint id;
	char hex[65];             /* of sign */
	char idz[UB_ID_TEXT + 1]; /* of id */
	struct ub_keyrec rec;
	char rec_text[UB_KEYREC_MAX + 1];
};

/* New random keys and a key record with seq 1. */
void actor_new(struct actor *a, const char *handle);
/* Keys that exist already: the admin of a stack. */
void actor_of(struct actor *a, const char *handle, const struct ub_signkey *sk);
/* A newer key record: seq one up; with a new key-exchange key when `rekey`. */
void actor_renew(struct actor *a, bool rekey);

/* Registers it through REST. */
void actor_register(const struct stack *st, const struct actor *admin, const struct actor *a);
/* Publishes its key record; a library does that by itself. */
void actor_publish(const struct stack *st, const struct actor *a);

/* The same keys as libunibus takes them, through a file in `dir`. */
unibus_identity *actor_identity(const struct actor *a, const char *dir);

#endif
