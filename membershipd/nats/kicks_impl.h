/* kicks_impl.h: what kicks.c (calls and answers) and kicks_work.c (the thread) share.
 *
 * Threads: see the members. */
#ifndef MD_KICKS_IMPL_H
#define MD_KICKS_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "membershipd/nats/kick_job.h"
#include "membershipd/nats/kicks.h"

struct md_kicks {
	struct md_link *link;
	struct md_sessions *sessions;
	struct md_service *svc;
	uint64_t session_max_ms;
	const char *own;
	char inbox[40];
	pthread_mutex_t mu; /* jobs, their contents, flags */
	pthread_cond_t cond;
	pthread_t thread;
	bool started, stop;
	struct job *jobs; /* in the order of their events */
	uint64_t last_id, news;
	bool lost_event; /* no memory for one: every session is judged again */
	_Atomic uint64_t kicked, unconfirmed, notes, notes_lost;
};

/* The thread: arg is the md_kicks. */
void *md_kicks_work(void *arg);
/* Appends a job and wakes the thread. With mu held. */
void md_kicks_enqueue(struct md_kicks *k, struct job *j);
uint64_t md_kicks_boot_ms(void);

#endif
