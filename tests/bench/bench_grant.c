/* From an invitation to the first message that the invited hears, in an encrypted and signed room
 * in which somebody talks all the time: the library joins by itself, the application opens the room
 * and subscribes as soon as it is told. A third member, who is there from the beginning, must not
 * miss a message, and the invited none after his first. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "core/key.h"
#include "tests/bench/bench.h"
#include "tests/harness/libpeer.h"

#define TRIES 60
#define PAUSE_US 1000 /* between two messages */
#define WAIT_MS 20000

struct talk { /* the owner's, on a thread of its own */
	unibus_room *room;
	pthread_t thread;
	atomic_bool over;
	uint64_t sent; /* read once the thread has ended */
};

struct ear {
	uint64_t seq;      /* of the newest; 0: none yet */
	uint64_t n, lost;  /* heard; not heard in between */
	uint64_t first_us; /* when the first came */
};

struct bench {
	struct stack stack;
	struct actor root, olga_is, carol_is, bob_is;
	struct libpeer olga, carol, bob;
	unibus_room *room, *carols;
	unibus_sub *carols_sub;
	struct talk talk;
	struct ear carol_hears, bob_hears;
	pthread_mutex_t lock; /* of the ears */
	pthread_cond_t heard;
};
static struct bench b;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void on_message(void *arg, const struct unibus_msg *m)
{
	struct ear *e = arg;

	pthread_mutex_lock(&b.lock);
	if (e->seq == 0)
		e->first_us = now_us();
	else
		e->lost += m->seq - e->seq - 1;
	e->seq = m->seq;
	e->n++;
	pthread_cond_broadcast(&b.heard);
	pthread_mutex_unlock(&b.lock);
}

/* Until somebody has heard so many. */
static void ear_wait(const struct ear *e, uint64_t n)
{
	uint64_t end = now_us() + WAIT_MS * 1000;
	struct timespec until = {
		.tv_sec = (time_t)(end / 1000000), .tv_nsec = (long)(end % 1000000) * 1000};
	int rc = 0;

	pthread_mutex_lock(&b.lock);
	while (rc == 0 && e->n < n)
		rc = pthread_cond_timedwait(&b.heard, &b.lock, &until);
	pthread_mutex_unlock(&b.lock);
	ub_assert(rc == 0);
}

static void *talk_main(void *arg)
{
	struct talk *t = arg;
	const struct timespec pause = {.tv_nsec = PAUSE_US * 1000};

	while (!atomic_load(&t->over)) {
		ub_assert(unibus_publish_text(t->room, "talk") == UNIBUS_OK);
		t->sent++;
		(void)nanosleep(&pause, NULL); /* a rate, not a wait */
	}
	return NULL;
}

static void set_up(void)
{
	const struct unibus_policy policy = {.encrypt = true, .sign = true};
	struct actor *all[] = {&b.olga_is, &b.carol_is, &b.bob_is};
	static const char *const name[] = {"olga", "carol", "bob"};
	struct libpeer_at at;
	pthread_condattr_t attr;

	pthread_mutex_init(&b.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b.heard, &attr);
	pthread_condattr_destroy(&attr);
	ub_assert(stack_start(&b.stack, NULL) == 0);
	at = (struct libpeer_at){b.stack.http_port, b.stack.nats_port, b.stack.dir, false, 0};
	actor_of(&b.root, "root", &b.stack.admin);
	for (size_t i = 0; i < UB_ARRAY_LEN(all); i++) {
		actor_new(all[i], name[i]);
		actor_register(&b.stack, &b.root, all[i]);
	}
	libpeer_connect(&b.olga, &b.olga_is, &at);
	libpeer_connect(&b.carol, &b.carol_is, &at);
	libpeer_connect(&b.bob, &b.bob_is, &at);
	/* Whom he trusts he follows without being asked. */
	ub_assert(unibus_trust(b.bob.client, "olga", NULL) == UNIBUS_OK);
	ub_assert(unibus_room_create(b.olga.client, "bench.grant", &policy, &b.room) == UNIBUS_OK);
	ub_assert(unibus_room_invite(b.room, "carol", UNIBUS_MEMBER, NULL) == UNIBUS_OK);
	ub_assert(unibus_room_open(b.carol.client, "bench.grant", &b.carols) == UNIBUS_OK);
	ub_assert(
		unibus_subscribe(b.carols, on_message, &b.carol_hears, &b.carols_sub) == UNIBUS_OK);
	b.talk.room = b.room;
	ub_assert(pthread_create(&b.talk.thread, NULL, talk_main, &b.talk) == 0);
	ear_wait(&b.carol_hears, 1);
}

static int tear_down(void)
{
	unibus_unsubscribe(b.carols_sub);
	unibus_room_free(b.carols);
	unibus_room_free(b.room);
	libpeer_close(&b.olga);
	libpeer_close(&b.carol);
	libpeer_close(&b.bob);
	pthread_cond_destroy(&b.heard);
	pthread_mutex_destroy(&b.lock);
	return stack_stop(&b.stack);
}

/* What the invited's application does, on a thread of its own. */
static void *accept_main(void *arg)
{
	unibus_room **room = arg;
	static unibus_sub *sub;

	ub_assert(libpeer_told(&b.bob, UNIBUS_EVENT_INVITED, UNIBUS_OK, NULL));
	ub_assert(unibus_room_open(b.bob.client, "bench.grant", room) == UNIBUS_OK);
	ub_assert(unibus_subscribe(*room, on_message, &b.bob_hears, &sub) == UNIBUS_OK);
	return sub;
}

/* From the call, and from its answer: the entry is committed in between. Milliseconds. */
static void one(double *call, double *answer)
{
	unibus_room *room = NULL;
	void *sub = NULL;
	pthread_t bob;
	uint64_t called, answered;

	libpeer_forget(&b.bob);
	b.bob_hears = (struct ear){.lost = b.bob_hears.lost};
	ub_assert(pthread_create(&bob, NULL, accept_main, &room) == 0);
	called = now_us();
	ub_assert(unibus_room_invite(b.room, "bob", UNIBUS_MEMBER, NULL) == UNIBUS_OK);
	answered = now_us();
	ub_assert(pthread_join(bob, &sub) == 0);
	/* A few more, to see that none is missing behind the first. */
	ear_wait(&b.bob_hears, 20);
	*call = (double)(b.bob_hears.first_us - called) / 1e3;
	*answer = b.bob_hears.first_us > answered ? (double)(b.bob_hears.first_us - answered) / 1e3
						  : 0;
	unibus_unsubscribe(sub);
	unibus_room_free(room);
	ub_assert(unibus_room_remove(b.room, "bob") == UNIBUS_OK);
	ub_assert(libpeer_told(&b.bob, UNIBUS_EVENT_REMOVED, UNIBUS_OK, NULL));
}

static void lost(const char *name, const struct ear *e)
{
	printf("  %s: %llu heard since the last beginning, %llu missing in all\n", name,
		(unsigned long long)e->n, (unsigned long long)e->lost);
	bench_report(name, (double)e->lost, "missing", "0", e->lost == 0);
}

int main(void)
{
	static double call[TRIES], answer[TRIES], unused[2];
	double p99;
	bool ok;

	if (ub_core_init())
		return 1;
	bench_machine();
	set_up();
	one(&unused[0], &unused[1]); /* keys are pinned, connections warm */
	for (unsigned i = 0; i < TRIES; i++)
		one(&call[i], &answer[i]);
	atomic_store(&b.talk.over, true);
	pthread_join(b.talk.thread, NULL);
	ear_wait(&b.carol_hears, b.talk.sent);
	bench_percentiles("invitation called to first message", call, TRIES);
	p99 = bench_percentiles("invitation answered to first message", answer, TRIES);
	bench_report(
		"invitation committed to first message, p99", p99, "ms", "<= 100 ms", p99 <= 100);
	lost("messages to a member while others come and go", &b.carol_hears);
	lost("messages to the invited after his first", &b.bob_hears);
	ok = bench_write();
	return tear_down() || !ok;
}
