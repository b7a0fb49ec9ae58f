/* Being connected: rights that come under traffic, both planes over TLS, several processes of one
 * peer, calls that are given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "tests/harness/person.h"

static const struct unibus_policy sealed = {.encrypt = true, .sign = true};
static const struct unibus_policy plain = {0};

static struct stack stack;

static int group_setup(void **state)
{
	*state = NULL;
	return stack_start(&stack, NULL);
}

static int group_teardown(void **state)
{
	(void)state;
	stack_stop(&stack);
	return 0;
}

/* A room of one, who hears himself. */
struct solo {
	struct person *p;
	unibus_room *room;
	unibus_sub *sub;
};

static void solo_start(struct solo *s, const struct stack *on, const char *name,
	const struct unibus_policy *policy)
{
	char subject[64];

	(void)snprintf(subject, sizeof(subject), "room.%s", name);
	s->p = person_new(on, name);
	person_connect(s->p);
	assert_int_equal(UNIBUS_OK, unibus_room_create(s->p->c, subject, policy, &s->room));
	s->sub = person_listen(s->p, s->room);
}

static void solo_stop(struct solo *s)
{
	unibus_unsubscribe(s->sub);
	unibus_room_free(s->room);
	person_free(s->p);
}

static void say_number(unibus_room *room, unsigned n)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "number %u", n);
	person_say(room, text);
}

static void wait_numbers(struct person *p, unsigned from, unsigned to)
{
	char text[32];

	for (unsigned i = from; i < to; i++) {
		(void)snprintf(text, sizeof(text), "number %u", i);
		person_wait(p, text, 1);
	}
}

/* ---- rights change under traffic ---- */

struct joiner {
	struct person *p;
	unsigned rooms;
};

static void *make_rooms(void *arg)
{
	struct joiner *j = arg;

	for (unsigned i = 0; i < j->rooms; i++) {
		unibus_room *room = NULL;
		char subject[64];

		(void)snprintf(subject, sizeof(subject), "room.%s-%u", j->p->handle, i);
		if (unibus_room_create(j->p->c, subject, &sealed, &room) != UNIBUS_OK)
			return j;
		/* Waits for a connection with the new rights. */
		if (unibus_publish_text(room, "nobody listens") != UNIBUS_OK)
			return j;
		unibus_room_free(room);
	}
	return NULL;
}

static void new_rights_lose_and_repeat_nothing_under_traffic(void **state)
{
	struct joiner j = {.rooms = 12};
	struct unibus_stats stats;
	struct solo s;
	pthread_t thread;
	void *failed = NULL;
	unsigned n = 0;

	(void)state;
	solo_start(&s, &stack, "traffic", &sealed);
	j.p = s.p;
	assert_int_equal(0, pthread_create(&thread, NULL, make_rooms, &j));
	while (pthread_tryjoin_np(thread, &failed) != 0 && n < PERSON_HEARD_MAX - 100)
		say_number(s.room, n++);
	if (n == PERSON_HEARD_MAX - 100)
		assert_int_equal(0, pthread_join(thread, &failed));
	assert_null(failed);
	assert_int_equal(UNIBUS_OK, unibus_flush(s.p->c, 10000));
	wait_numbers(s.p, 0, n);
	unibus_get_stats(s.p->c, &stats);
	assert_int_equal(0, stats.reconnects);
	assert_int_equal(0, stats.missing);
	assert_int_equal(0, person_count_told(s.p, UNIBUS_EVENT_BAD_FRAME));
	solo_stop(&s);
}

static void a_room_made_stricter_goes_on_in_frames(void **state)
{
	struct solo s;
	struct unibus_room_info info;

	(void)state;
	solo_start(&s, &stack, "tighten", &plain);
	say_number(s.room, 0);
	wait_numbers(s.p, 0, 1);
	assert_false(person_wait(s.p, "number 0", 1)->framed);
	assert_int_equal(UNIBUS_OK, unibus_room_tighten(s.room, &sealed));
	unibus_room_get_info(s.room, &info);
	assert_true(info.policy.encrypt);
	assert_int_equal(1, info.epoch);
	assert_int_equal(UNIBUS_ERR_BAD_ENTRY, unibus_room_tighten(s.room, &plain));
	/* Sent when the new connection is there, and heard on it. */
	say_number(s.room, 1);
	wait_numbers(s.p, 1, 2);
	assert_true(person_wait(s.p, "number 1", 1)->encrypted);
	solo_stop(&s);
}

static void both_planes_work_over_tls(void **state)
{
	struct stack_options o = {.tls = true};
	struct stack tls;
	struct solo s;
	unibus_options *clear;
	unibus_client *c = NULL;

	(void)state;
	assert_int_equal(0, stack_start(&tls, &o));
	solo_start(&s, &tls, "tls", &sealed);
	say_number(s.room, 0);
	wait_numbers(s.p, 0, 1);
	/* The twin without the CA does not believe the server. */
	assert_int_equal(UNIBUS_OK, unibus_options_new(&clear));
	assert_int_equal(UNIBUS_OK, unibus_options_set_identity(clear, s.p->id));
	assert_int_equal(UNIBUS_OK, unibus_options_add_ctrl(clear, tls.http_url));
	unibus_options_set_control_only(clear, true);
	assert_int_equal(UNIBUS_ERR_TLS, unibus_connect(clear, &c));
	/* And with a CA nothing goes in the clear. */
	assert_int_equal(UNIBUS_OK, unibus_options_set_ca(clear, tls.ca));
	assert_int_equal(UNIBUS_OK, unibus_options_add_ctrl(clear, "http://127.0.0.1:1"));
	assert_int_equal(UNIBUS_ERR_TLS, unibus_connect(clear, &c));
	unibus_options_free(clear);
	solo_stop(&s);
	stack_stop(&tls);
}

/* ---- several of one ---- */

static void two_clients_of_one_identity_share_its_state(void **state)
{
	struct solo s;
	struct person *second;
	unibus_room *room = NULL;
	unibus_sub *sub;

	(void)state;
	solo_start(&s, &stack, "twice", &sealed);
	second = person_twin(s.p);
	person_connect(second);
	assert_int_equal(UNIBUS_OK, unibus_room_open(second->c, "room.twice", &room));
	sub = person_listen(second, room);
	say_number(s.room, 0);
	say_number(room, 1);
	wait_numbers(s.p, 0, 2);
	wait_numbers(second, 0, 2);
	/* One changes the room, the other notices, and neither thinks of a fork. */
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(room));
	say_number(s.room, 2);
	wait_numbers(second, 2, 3);
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(s.room));
	say_number(room, 3);
	wait_numbers(s.p, 2, 4);
	assert_int_equal(0, person_count_told(s.p, UNIBUS_EVENT_FORK));
	assert_int_equal(0, person_count_told(second, UNIBUS_EVENT_FORK));
	unibus_unsubscribe(sub);
	unibus_room_free(room);
	person_free(second);
	solo_stop(&s);
}

static void a_control_plane_that_is_not_there_is_passed_over(void **state)
{
	struct person *p = person_new(&stack, "failover");
	unibus_options *o = person_options(p);
	struct unibus_reply reply = {0};
	struct unibus_stats stats;
	char urls[128];

	(void)state;
	unibus_options_free(o);
	assert_int_equal(UNIBUS_OK, unibus_options_new(&o));
	(void)snprintf(urls, sizeof(urls), "http://127.0.0.1:1,%s", stack.http_url);
	assert_int_equal(UNIBUS_OK, unibus_options_set_identity(o, p->id));
	assert_int_equal(UNIBUS_OK, unibus_options_add_ctrl(o, urls));
	unibus_options_set_control_only(o, true);
	assert_int_equal(UNIBUS_OK, unibus_connect(o, &p->c));
	unibus_options_free(o);
	/* An answer is final, whatever it is: nobody else is asked. */
	assert_int_equal(UNIBUS_OK, unibus_call(p->c, "GET", "/users", NULL, &reply));
	assert_int_equal(403, reply.status);
	assert_int_equal(UNIBUS_ERR_DENIED, unibus_reply_error(&reply));
	unibus_reply_free(&reply);
	unibus_get_stats(p->c, &stats);
	assert_int_equal(1, stats.failovers);
	assert_int_equal(UNIBUS_CONNECTED, unibus_client_state(p->c));
	assert_string_equal("failover", unibus_client_handle(p->c));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_call(p->c, "get", "/users", NULL, &reply));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_call(p->c, "GET", "users", NULL, &reply));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_call(p->c, "GET", "/u sers", NULL, &reply));
	person_free(p);
}

/* ---- giving up ---- */

struct syncer {
	unibus_room *room;
	enum unibus_err err;
};

static void *sync_room(void *arg)
{
	struct syncer *s = arg;

	s->err = unibus_room_sync(s->room);
	return NULL;
}

static void a_call_that_hangs_can_be_cancelled(void **state)
{
	struct solo s;
	struct syncer y;
	pthread_t thread;
	struct timespec a, b;

	(void)state;
	solo_start(&s, &stack, "cancel", &sealed);
	y.room = s.room;
	assert_int_equal(0, proc_signal(&stack.md, SIGSTOP));
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(0, pthread_create(&thread, NULL, sync_room, &y));
	unibus_cancel(s.p->c, true);
	assert_int_equal(0, pthread_join(thread, NULL));
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	assert_int_equal(UNIBUS_ERR_CANCELLED, y.err);
	assert_true(b.tv_sec - a.tv_sec < 5);
	assert_int_equal(UNIBUS_ERR_CANCELLED, unibus_publish_text(s.room, "no"));
	unibus_cancel(s.p->c, false);
	assert_int_equal(0, proc_signal(&stack.md, SIGCONT));
	assert_int_equal(UNIBUS_OK, unibus_room_sync(s.room));
	say_number(s.room, 0);
	wait_numbers(s.p, 0, 1);
	solo_stop(&s);
}

/* ---- a server that forgets ---- */

static void copy_file(const char *from, const char *to)
{
	assert_int_equal(0, proc_run((const char *const[]){"cp", from, to, NULL}, NULL, NULL));
}

static void db_path(char to[PROC_PATH + 8], const char *suffix)
{
	(void)snprintf(to, PROC_PATH + 8, "%s%s", stack.db, suffix);
}

static void a_server_restored_from_an_old_backup_is_noticed(void **state)
{
	char backup[PROC_PATH + 8], wal[PROC_PATH + 8], shm[PROC_PATH + 8];
	struct solo s;

	(void)state;
	db_path(backup, ".old");
	db_path(wal, "-wal");
	db_path(shm, "-shm");
	solo_start(&s, &stack, "rollback", &sealed);
	proc_stop(&stack.md);
	copy_file(stack.db, backup);
	assert_int_equal(0, stack_md_start(&stack));
	assert_int_equal(UNIBUS_OK, unibus_room_rekey(s.room));
	assert_int_equal(UNIBUS_OK, unibus_room_sync(s.room));
	unibus_unsubscribe(s.sub);
	unibus_room_free(s.room);
	person_close(s.p);
	proc_stop(&stack.md);
	copy_file(backup, stack.db);
	(void)unlink(wal);
	(void)unlink(shm);
	assert_int_equal(0, stack_md_start(&stack));
	/* What was verified is on disk: the next run of the peer knows better than the server. */
	person_connect(s.p);
	assert_int_equal(UNIBUS_ERR_ROLLBACK, person_wait_told(s.p, UNIBUS_EVENT_ROLLBACK)->err);
	assert_int_equal(UNIBUS_ERR_ROLLBACK, unibus_room_open(s.p->c, "room.rollback", &s.room));
	person_free(s.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_rights_lose_and_repeat_nothing_under_traffic),
		cmocka_unit_test(a_room_made_stricter_goes_on_in_frames),
		cmocka_unit_test(both_planes_work_over_tls),
		cmocka_unit_test(two_clients_of_one_identity_share_its_state),
		cmocka_unit_test(a_control_plane_that_is_not_there_is_passed_over),
		cmocka_unit_test(a_call_that_hangs_can_be_cancelled),
		cmocka_unit_test(a_server_restored_from_an_old_backup_is_noticed),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
