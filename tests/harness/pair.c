#include "tests/harness/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

const struct unibus_policy pair_sealed = {.encrypt = true, .sign = true};

void pair_start(
	struct pair *p, const struct stack *s, const char *name, const struct unibus_policy *policy)
{
	char a[33], b[33], subject[64];

	*p = (struct pair){0};
	(void)snprintf(a, sizeof(a), "a.%s", name);
	(void)snprintf(b, sizeof(b), "b.%s", name);
	(void)snprintf(subject, sizeof(subject), "room.%s", name);
	p->alice = person_new(s, a);
	p->bob = person_new(s, b);
	person_connect(p->alice);
	person_connect(p->bob);
	assert_int_equal(UNIBUS_OK, unibus_room_create(p->alice->c, subject, policy, &p->a));
	p->as = person_listen(p->alice, p->a);
	assert_int_equal(UNIBUS_OK, unibus_room_invite(p->a, b, UNIBUS_MEMBER, NULL));
	assert_int_equal(UNIBUS_OK, unibus_room_open(p->bob->c, subject, &p->b));
	p->bs = person_listen(p->bob, p->b);
}

void pair_stop(struct pair *p)
{
	unibus_unsubscribe(p->as);
	unibus_unsubscribe(p->bs);
	unibus_room_free(p->a);
	unibus_room_free(p->b);
	person_free(p->alice);
	person_free(p->bob);
}

void pair_both_hear(struct pair *p, const char *from_alice, const char *from_bob)
{
	person_say(p->a, from_alice);
	person_say(p->b, from_bob);
	person_wait(p->bob, from_alice, 1);
	person_wait(p->alice, from_bob, 1);
	person_wait(p->alice, from_alice, 1);
	person_wait(p->bob, from_bob, 1);
}

struct reach {
	unibus_room *from;
	struct person *to;
	const char *text;
};

static bool reached(void *arg)
{
	const struct reach *r = arg;

	if (person_count(r->to, r->text) > 0)
		return true;
	person_say(r->from, r->text);
	return false;
}

void pair_reach(unibus_room *from, struct person *to, const char *text)
{
	person_until(to, reached, &(struct reach){from, to, text});
}

bool pair_at_entry(void *arg)
{
	const struct pair_entry *e = arg;
	struct unibus_room_info info;

	unibus_room_get_info(e->room, &info);
	return info.seq >= e->seq;
}
