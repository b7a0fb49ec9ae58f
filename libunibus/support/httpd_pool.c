/* Workers: handlers that wait run here, their connections suspended meanwhile. */
#include "support/httpd_impl.h"

static void *worker(void *arg)
{
	struct httpd_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct httpd_req *r = p->head;

		if (!r && p->stop)
			break;
		if (!r) {
			pthread_cond_wait(&p->some, &p->lock);
			continue;
		}
		p->head = r->next;
		p->n--;
		pthread_mutex_unlock(&p->lock);
		r->route->handler(r->h->c.app, r);
		/* From here on the request is the event loop's again. */
		MHD_resume_connection(r->con);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

bool httpd_pool_submit(struct httpd_pool *p, struct httpd_req *r)
{
	bool ok;

	pthread_mutex_lock(&p->lock);
	ok = p->n < p->max && !p->stop;
	if (ok) {
		/* Suspended before a worker can see it: resuming must come second. */
		r->phase = HTTPD_WORKING;
		MHD_suspend_connection(r->con);
		r->next = NULL;
		if (p->head)
			p->tail->next = r;
		else
			p->head = r;
		p->tail = r;
		p->n++;
		pthread_cond_signal(&p->some);
	}
	pthread_mutex_unlock(&p->lock);
	return ok;
}

ub_err httpd_pool_start(struct httpd_pool *p, unsigned threads, unsigned queue_max)
{
	p->max = queue_max;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->some, NULL);
	p->threads = calloc(threads, sizeof(*p->threads));
	if (!p->threads)
		return UNIBUS_ERR_NOMEM;
	while (p->n_threads < threads) {
		if (pthread_create(&p->threads[p->n_threads], NULL, worker, p))
			return UNIBUS_ERR_NOMEM;
		p->n_threads++;
	}
	return UB_OK;
}

void httpd_pool_stop(struct httpd_pool *p)
{
	if (!p->threads)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->some);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	free(p->threads);
	p->threads = NULL;
	p->n_threads = 0;
}
