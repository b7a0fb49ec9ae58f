/* Requests and workers on a real bus: answered, refused, in parallel, and never twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <unistd.h>

#include "core/subject.h"
#include "tests/harness/forge.h"
#include "tests/harness/pair.h"
#include "tests/harness/rawbus.h"

static struct stack stack;

static int group_setup(void **state)
{
	*state = NULL;
	return stack_start(&stack, NULL);
}

static int group_teardown(void **state)
{
	(void)state;
	return stack_stop(&stack);
}

/* What a worker's function is to do, and what it did. */
struct shop {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned calls, running, most;
	bool hold; /* keep them running */
};

static void shop_init(struct shop *s)
{
	*s = (struct shop){0};
	assert_int_equal(0, pthread_mutex_init(&s->lock, NULL));
	assert_int_equal(0, pthread_cond_init(&s->changed, NULL));
}

static void shop_deinit(struct shop *s)
{
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
}

static void come_in(struct shop *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->calls++;
	s->running++;
	if (s->running > s->most)
		s->most = s->running;
	(void)pthread_cond_broadcast(&s->changed);
	while (s->hold)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	s->running--;
	(void)pthread_mutex_unlock(&s->lock);
}

static void set_hold(struct shop *s, bool hold)
{
	(void)pthread_mutex_lock(&s->lock);
	s->hold = hold;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static void wait_running(struct shop *s, unsigned n)
{
	(void)pthread_mutex_lock(&s->lock);
	while (s->running < n)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	(void)pthread_mutex_unlock(&s->lock);
}

static unsigned calls(struct shop *s)
{
	unsigned n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->calls;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

/* Echoes in capitals; some words have a meaning. */
static void work(void *arg, const struct unibus_msg *m, struct unibus_answer *a)
{
	come_in(arg);
	a->len = m->len;
	a->data = malloc(m->len + 1);
	assert_non_null(a->data);
	for (size_t i = 0; i < m->len; i++) {
		char c = ((const char *)m->data)[i];

		a->data[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	a->failed = m->len == 4 && memcmp(m->data, "fail", 4) == 0;
	if (m->len == 4 && memcmp(m->data, "json", 4) == 0)
		a->media_type = "application/json";
	if (m->len == 3 && memcmp(m->data, "bad", 3) == 0)
		a->media_type = "text/\n";
	if (m->len == 4 && memcmp(m->data, "huge", 4) == 0) {
		a->len = UB_PAYLOAD_MAX + 1;
		free(a->data);
		a->data = calloc(1, a->len);
		assert_non_null(a->data);
	}
}

static unibus_worker *start(unibus_room *room, struct shop *s, unsigned parallel)
{
	struct unibus_work w = {.fn = work, .arg = s, .name = "shop", .parallel = parallel};
	unibus_worker *worker = NULL;

	assert_int_equal(UNIBUS_OK, unibus_worker_start(room, &w, &worker));
	return worker;
}

static enum unibus_err request(
	unibus_room *room, const char *text, unsigned ms, struct unibus_response *ret)
{
	struct unibus_publish p = {.data = text, .len = strlen(text)};

	return unibus_request(room, &p, ms, ret);
}

static void a_request_is_answered(void **state)
{
	struct unibus_response r = {0};
	struct shop s;
	unibus_worker *w;
	struct pair p;

	(void)state;
	pair_start(&p, &stack, "answer", &pair_sealed);
	shop_init(&s);
	/* Nobody is there yet. */
	assert_int_equal(UNIBUS_ERR_TIMEOUT, request(p.a, "anybody?", 300, &r));
	w = start(p.b, &s, 1);
	assert_int_equal(UNIBUS_OK, request(p.a, "hello", PERSON_WAIT_MS, &r));
	assert_string_equal("HELLO", r.data);
	assert_int_equal(5, r.len);
	assert_string_equal("", r.media_type);
	assert_string_equal(unibus_identity_endpoint(p.bob->id), r.sender);
	assert_false(r.failed);
	unibus_response_free(&r);
	assert_null(r.data);
	assert_int_equal(UNIBUS_OK, request(p.a, "json", PERSON_WAIT_MS, &r));
	assert_string_equal("application/json", r.media_type);
	unibus_response_free(&r);
	assert_int_equal(UNIBUS_OK, request(p.a, "", PERSON_WAIT_MS, &r));
	assert_string_equal("", r.data);
	unibus_response_free(&r);
	/* Everybody in the room sees both. */
	assert_int_equal(UNIBUS_REQUEST, person_wait(p.bob, "hello", 1)->kind);
	assert_int_equal(UNIBUS_RESPONSE, person_wait(p.alice, "HELLO", 1)->kind);
	unibus_worker_stop(w);
	assert_int_equal(UNIBUS_ERR_TIMEOUT, request(p.a, "closed?", 300, &r));
	assert_int_equal(3, calls(&s));
	shop_deinit(&s);
	pair_stop(&p);
}

static void a_failure_says_why(void **state)
{
	static const struct {
		const char *ask, *want;
	} cases[] = {
		{"fail", "FAIL"},
		{"huge", "the answer is larger than 64 KiB"},
		{"bad", "the answer's media type is malformed"},
	};
	struct unibus_response r = {0};
	struct shop s;
	unibus_worker *w;
	struct pair p;

	(void)state;
	pair_start(&p, &stack, "failure", &pair_sealed);
	shop_init(&s);
	w = start(p.b, &s, 1);
	for (size_t i = 0; i < UB_ARRAY_LEN(cases); i++) {
		assert_int_equal(UNIBUS_OK, request(p.a, cases[i].ask, PERSON_WAIT_MS, &r));
		assert_true(r.failed);
		assert_string_equal(cases[i].want, r.data);
		assert_string_equal("", r.media_type);
		unibus_response_free(&r);
	}
	unibus_worker_stop(w);
	shop_deinit(&s);
	pair_stop(&p);
}

static void a_worker_does_several_things_at_once_but_no_more_than_told(void **state)
{
	struct shop s;
	unibus_worker *w;
	struct pair p;
	struct unibus_publish go = {.kind = UNIBUS_REQUEST, .data = "go", .len = 2};

	(void)state;
	pair_start(&p, &stack, "parallel", &pair_sealed);
	shop_init(&s);
	s.hold = true;
	w = start(p.b, &s, 3);
	for (int i = 0; i < 5; i++)
		assert_int_equal(UNIBUS_OK, unibus_publish(p.a, &go, NULL));
	wait_running(&s, 3);
	person_wait(p.bob, "go", 5);
	assert_int_equal(3, calls(&s));
	set_hold(&s, false);
	person_wait(p.alice, "GO", 5);
	assert_int_equal(5, calls(&s));
	assert_int_equal(3, s.most);
	unibus_worker_stop(w);
	shop_deinit(&s);
	pair_stop(&p);
}

static void messages_are_answered_in_their_thread_when_wanted(void **state)
{
	struct shop s;
	unibus_worker *w = NULL;
	struct pair p;
	struct unibus_work work_all = {
		.fn = work, .arg = &s, .name = "all", .parallel = 1, .messages = true};
	const struct heard *h;
	char ref[23];

	(void)state;
	pair_start(&p, &stack, "thread", &pair_sealed);
	shop_init(&s);
	assert_int_equal(UNIBUS_OK, unibus_worker_start(p.b, &work_all, &w));
	person_say(p.b, "my own");
	person_say(p.a, "shout this");
	h = person_wait(p.alice, "shout this", 1);
	(void)snprintf(ref, sizeof(ref), "%s", h->ref);
	h = person_wait(p.alice, "SHOUT THIS", 1);
	assert_int_equal(UNIBUS_RESPONSE, h->kind);
	assert_string_equal(ref, h->reply);
	assert_string_equal(ref, h->thread);
	/* The answer is no message: it is not answered in turn. Nor are one's own. */
	assert_int_equal(1, calls(&s));
	unibus_worker_stop(w);
	/* The twin: requests only. */
	w = start(p.b, &s, 1);
	person_say(p.a, "not for you");
	person_wait(p.bob, "not for you", 1);
	unibus_worker_stop(w);
	assert_int_equal(1, calls(&s));
	shop_deinit(&s);
	pair_stop(&p);
}

static void *stop_it(void *worker)
{
	unibus_worker_stop(worker);
	return NULL;
}

static void stopping_waits_for_what_runs(void **state)
{
	struct shop s;
	unibus_worker *w;
	struct pair p;
	struct unibus_publish go = {.kind = UNIBUS_REQUEST, .data = "go", .len = 2};
	pthread_t thread;

	(void)state;
	pair_start(&p, &stack, "stop", &pair_sealed);
	shop_init(&s);
	s.hold = true;
	w = start(p.b, &s, 1);
	assert_int_equal(UNIBUS_OK, unibus_publish(p.a, &go, NULL));
	wait_running(&s, 1);
	assert_int_equal(UNIBUS_OK, unibus_publish(p.a, &go, NULL));
	assert_int_equal(0, pthread_create(&thread, NULL, stop_it, w));
	person_wait(p.bob, "go", 2);
	set_hold(&s, false);
	assert_int_equal(0, pthread_join(thread, NULL));
	/* The first was answered, the second never begun. */
	person_wait(p.alice, "GO", 1);
	assert_int_equal(1, calls(&s));
	assert_int_equal(0, s.running);
	shop_deinit(&s);
	pair_stop(&p);
}

/* ---- never twice ---- */

static void file_of(const struct person *who, unibus_room *room, const char *suffix, char *path)
{
	struct unibus_room_info info;

	unibus_room_get_info(room, &info);
	assert_true(snprintf(path, PROC_PATH, "%s/state/rooms/%s%s", who->dir, info.id, suffix) <
		    PROC_PATH);
}

/* A frame of Eve's own making, who holds her keys herself. */
struct eve {
	struct actor is, root;
	struct shadow room;
	struct rawbus bus;
	struct ub_wire wire;
	struct ub_buf frame;
};

static void eve_joins(struct eve *e, struct pair *p)
{
	struct unibus_room_info info;
	char target[96];

	actor_of(&e->root, "root", &stack.admin);
	actor_new(&e->is, "eve");
	actor_register(&stack, &e->root, &e->is);
	actor_publish(&stack, &e->is);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p->a, "eve", UNIBUS_MEMBER, NULL));
	unibus_room_get_info(p->a, &info);
	(void)snprintf(target, sizeof(target), "/rooms/%s/join", info.id);
	ask_expect(ASK(&stack, &e->is.sk, "POST", target, NULL), 200, "");
	shadow_fetch(&stack, &e->is, info.id, &e->room);
	ub_wire_publish(&e->room.room.id, &e->is.id, &e->wire);
	assert_int_equal(RAWBUS_IN, rawbus_enter(&e->bus, stack.nats_port, &e->is.sk));
}

static void eve_asks(struct eve *e, const char *text, uint64_t seq)
{
	struct forge f = forge_honest(&e->room, &e->is, forge_session(), seq);

	f.h.kind = UB_KIND_REQUEST;
	e->frame = UB_BUF(UB_FRAME_MAX);
	forge_make(&f, text, &e->frame);
}

static void eve_sends(struct eve *e)
{
	rawbus_publish(&e->bus, e->wire.z, NULL, (struct ub_bytes){e->frame.p, e->frame.len});
	assert_true(rawbus_quiet(&e->bus));
}

static void bob_goes(struct pair *p)
{
	unibus_unsubscribe(p->bs);
	unibus_room_free(p->b);
	person_close(p->bob);
}

static void bob_comes(struct pair *p, const char *subject)
{
	person_connect(p->bob);
	assert_int_equal(UNIBUS_OK, unibus_room_open(p->bob->c, subject, &p->b));
	p->bs = person_listen(p->bob, p->b);
}

static void no_request_is_executed_twice_not_after_a_restart_either(void **state)
{
	char seen[PROC_PATH];
	struct eve e = {0};
	struct shop s;
	unibus_worker *w;
	struct pair p;

	(void)state;
	pair_start(&p, &stack, "twice", &pair_sealed);
	shop_init(&s);
	eve_joins(&e, &p);
	w = start(p.b, &s, 1);
	eve_asks(&e, "pay me", 1);
	eve_sends(&e);
	person_wait(p.alice, "PAY ME", 1);
	file_of(p.bob, p.b, ".seen", seen);
	unibus_worker_stop(w);
	bob_goes(&p);
	/* The library has forgotten that it saw the frame, as after a crash. */
	assert_int_equal(0, unlink(seen));
	bob_comes(&p, "room.twice");
	w = start(p.b, &s, 1);
	eve_sends(&e);
	person_wait(p.bob, "pay me", 2);
	/* The twin: a new request, under the same session even, is executed. */
	ub_buf_deinit(&e.frame);
	eve_asks(&e, "pay again", 2);
	eve_sends(&e);
	person_wait(p.alice, "PAY AGAIN", 1);
	assert_int_equal(2, calls(&s));
	assert_int_equal(1, person_count(p.alice, "PAY ME"));
	unibus_worker_stop(w);
	ub_buf_deinit(&e.frame);
	shadow_deinit(&e.room);
	rawbus_close(&e.bus);
	shop_deinit(&s);
	pair_stop(&p);
}

static void what_a_worker_left_on_disk_is_never_thrown_away(void **state)
{
	struct unibus_work work_shop = {.fn = work, .name = "shop"};
	unibus_worker *w = NULL;
	char file[PROC_PATH];
	struct shop s;
	struct pair p;
	FILE *f;

	(void)state;
	pair_start(&p, &stack, "disk", &pair_sealed);
	shop_init(&s);
	w = start(p.b, &s, 1);
	work_shop.arg = &s;
	{
		unibus_worker *other = NULL;

		assert_int_equal(UNIBUS_ERR_LOCKED, unibus_worker_start(p.b, &work_shop, &other));
		work_shop.name = "another";
		assert_int_equal(UNIBUS_OK, unibus_worker_start(p.b, &work_shop, &other));
		unibus_worker_stop(other);
	}
	unibus_worker_stop(w);
	file_of(p.bob, p.b, ".shop.work", file);
	f = fopen(file, "r+b");
	assert_non_null(f);
	assert_int_equal(1, fwrite("x", 1, 1, f));
	assert_int_equal(0, fclose(f));
	w = NULL;
	work_shop.name = "shop";
	assert_int_equal(UNIBUS_ERR_BAD_FILE, unibus_worker_start(p.b, &work_shop, &w));
	assert_null(w);
	shop_deinit(&s);
	pair_stop(&p);
}

/* ---- refusals ---- */

static void what_makes_no_sense_is_refused(void **state)
{
	struct unibus_work good = {.fn = work, .name = "shop"}, bad;
	struct unibus_response r = {0};
	struct unibus_publish edit = {.kind = UNIBUS_EDIT};
	unibus_worker *w = NULL;
	struct pair p;
	struct shop s;

	(void)state;
	pair_start(&p, &stack, "refuse", &pair_sealed);
	shop_init(&s);
	good.arg = &s;
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_request(p.a, NULL, 1000, &r));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_request(p.a, &edit, 1000, &r));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_worker_start(p.b, NULL, &w));
	bad = good;
	bad.fn = NULL;
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_worker_start(p.b, &bad, &w));
	for (const char **name = (const char *[]){"", "a/b", "..", "a b", NULL}; *name; name++) {
		bad = good;
		bad.name = *name;
		assert_int_equal(UNIBUS_ERR_INVALID, unibus_worker_start(p.b, &bad, &w));
	}
	bad = good;
	bad.name = NULL;
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_worker_start(p.b, &bad, &w));
	bad = good;
	bad.parallel = 65;
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_worker_start(p.b, &bad, &w));
	assert_null(w);
	good.parallel = 64;
	assert_int_equal(UNIBUS_OK, unibus_worker_start(p.b, &good, &w));
	unibus_worker_stop(w);
	unibus_worker_stop(NULL);
	unibus_response_free(NULL);
	shop_deinit(&s);
	pair_stop(&p);
}

static void plain_rooms_and_readers_have_no_requests(void **state)
{
	static const struct unibus_policy plain = {0};
	struct unibus_work good = {.fn = work, .name = "shop"};
	struct unibus_response r = {0};
	unibus_worker *w = NULL;
	struct pair p;

	(void)state;
	pair_start(&p, &stack, "noplain", &plain);
	assert_int_equal(UNIBUS_ERR_INVALID, request(p.a, "hello", 1000, &r));
	assert_int_equal(UNIBUS_ERR_INVALID, unibus_worker_start(p.b, &good, &w));
	pair_stop(&p);
	pair_start(&p, &stack, "noreader", &pair_sealed);
	assert_int_equal(UNIBUS_OK, unibus_room_set_role(p.a, "b.noreader", UNIBUS_READER));
	person_until(p.bob, pair_at_entry, &(struct pair_entry){p.b, 2});
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, request(p.b, "hello", 1000, &r));
	assert_int_equal(UNIBUS_ERR_NO_RIGHT, unibus_worker_start(p.b, &good, &w));
	assert_null(w);
	pair_stop(&p);
}

struct inside {
	unibus_room *room;
	enum unibus_err err;
	bool done;
};

static void ask_inside(void *arg, const struct unibus_msg *m)
{
	struct inside *i = arg;
	struct unibus_response r = {0};

	(void)m;
	i->err = request(i->room, "from inside", 1000, &r);
	__atomic_store_n(&i->done, true, __ATOMIC_RELEASE);
}

static bool is_done(void *arg)
{
	const struct inside *i = arg;

	return __atomic_load_n(&i->done, __ATOMIC_ACQUIRE);
}

static void a_request_inside_a_callback_would_wait_for_itself(void **state)
{
	struct pair p;
	struct inside in = {0};
	unibus_sub *sub = NULL;

	(void)state;
	pair_start(&p, &stack, "inside", &pair_sealed);
	in.room = p.b;
	assert_int_equal(UNIBUS_OK, unibus_subscribe(p.b, ask_inside, &in, &sub));
	person_say(p.a, "go on");
	person_until(p.bob, is_done, &in);
	assert_int_equal(UNIBUS_ERR_INVALID, in.err);
	unibus_unsubscribe(sub);
	pair_stop(&p);
}

static void *cancel_soon(void *arg)
{
	struct person *p = arg;

	/* Once the request is on its way. */
	person_wait(p, "for ever", 1);
	unibus_cancel(p->c, true);
	return NULL;
}

static void a_request_can_be_cancelled(void **state)
{
	struct pair p;
	struct unibus_response r = {0};
	pthread_t thread;

	(void)state;
	pair_start(&p, &stack, "cancel", &pair_sealed);
	assert_int_equal(0, pthread_create(&thread, NULL, cancel_soon, p.alice));
	assert_int_equal(UNIBUS_ERR_CANCELLED, request(p.a, "for ever", 600000, &r));
	assert_int_equal(0, pthread_join(thread, NULL));
	unibus_cancel(p.alice->c, false);
	pair_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_answered),
		cmocka_unit_test(a_failure_says_why),
		cmocka_unit_test(a_worker_does_several_things_at_once_but_no_more_than_told),
		cmocka_unit_test(messages_are_answered_in_their_thread_when_wanted),
		cmocka_unit_test(stopping_waits_for_what_runs),
		cmocka_unit_test(no_request_is_executed_twice_not_after_a_restart_either),
		cmocka_unit_test(what_a_worker_left_on_disk_is_never_thrown_away),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(plain_rooms_and_readers_have_no_requests),
		cmocka_unit_test(a_request_inside_a_callback_would_wait_for_itself),
		cmocka_unit_test(a_request_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
