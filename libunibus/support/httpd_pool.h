/* httpd_pool.h: the threads of httpd where handlers wait. Internal to httpd.
 *
 * Threads: submitted to by the event loops; started and stopped by one thread. */
#ifndef UB_HTTPD_POOL_H
#define UB_HTTPD_POOL_H

#include <pthread.h>

#include "core/base.h"

struct httpd_req;

struct httpd_pool {
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct httpd_req *head, *tail;
	unsigned n, max;
	bool stop;
	pthread_t *threads;
	unsigned n_threads;
};

ub_err httpd_pool_start(struct httpd_pool *p, unsigned threads, unsigned queue_max);
void httpd_pool_stop(struct httpd_pool *p); /* finishes what is queued */
/* Suspends the connection and queues the request; false when the queue is full. */
bool httpd_pool_submit(struct httpd_pool *p, struct httpd_req *r);

#endif
