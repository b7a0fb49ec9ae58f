/* link_internal.h: what link.c (the calls) and link_keep.c (the thread) share.
 *
 * Threads: see the members. */
#ifndef MD_LINK_INTERNAL_H
#define MD_LINK_INTERNAL_H

#include <nats/nats.h>
#include <pthread.h>

#include "membershipd/nats/link.h"
#include "membershipd/nats/link_dial.h"
#include "membershipd/nats/servers.h"

struct plane {
	struct md_link *l;
	enum md_plane id;
	bool used;
	pthread_rwlock_t lock;  /* holds nc still while somebody publishes */
	natsConnection *nc;     /* NULL: down */
	natsSubscription *bell; /* ends with its connection, and says so */
	bool up;                /* connected and furnished; under mu */
	bool lost;              /* the bell rang */
	size_t bells;           /* whose end has not been announced yet */
	size_t url;             /* the next one to try */
	unsigned fails;
	uint64_t due_ms, said_ms;
};

struct md_listener {
	struct plane *p;
	char *subject, *queue;
	void (*fn)(void *arg, const struct md_message *m);
	void *arg;
	natsSubscription *sub;
	bool quiet;
	struct md_listener *next;
};

struct md_link {
	pthread_mutex_t mu; /* all below; never held while nats.c is called for I/O */
	pthread_cond_t cond;
	pthread_t thread;
	bool started, stop, wake;
	struct plane planes[MD_PLANES];
	struct md_listener *listeners;
	size_t live; /* subscriptions whose end nats.c has not announced yet */
	struct md_servers servers;
	uint64_t ping_due_ms, ping_asked_ms, ping_n;
	char inbox[32];
	struct dial dial;
};

/* The thread: arg is the link. */
void *md_link_keep(void *arg);
uint64_t md_link_boot_ms(void);
/* Waits on the condition for at most `ms`; mu is held. */
void md_link_wait_ms(struct md_link *l, uint64_t ms);

#endif
