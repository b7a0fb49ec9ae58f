#include "membershipd/domain/outbox.h"

struct md_letter *md_letter_new(struct md_outbox *o, const struct md_event *ev, size_t max)
{
	struct md_letter *l;

	if (!o->wanted)
		return NULL;
	l = calloc(1, sizeof *l + max * sizeof l->who[0]);
	if (!l) {
		o->err = UNIBUS_ERR_NOMEM;
		return NULL;
	}
	l->ev = *ev;
	l->ev.who = l->who;
	l->ev.n_who = 0;
	return l;
}

void md_letter_name(struct md_letter *l, const struct ub_endpoint *who)
{
	if (l)
		l->who[l->ev.n_who++] = *who;
}

void md_letter_post(struct md_outbox *o, struct md_letter *l)
{
	if (!l)
		return;
	if (!l->ev.n_who) {
		free(l);
		return;
	}
	if (o->last)
		o->last->next = l;
	else
		o->first = l;
	o->last = l;
}

void md_outbox_append(struct md_outbox *to, struct md_outbox *from)
{
	if (!from->first)
		return;
	if (to->last)
		to->last->next = from->first;
	else
		to->first = from->first;
	to->last = from->last;
	from->first = from->last = NULL;
}

struct md_letter *md_outbox_take(struct md_outbox *o)
{
	struct md_letter *l = o->first;

	if (l) {
		o->first = l->next;
		if (!o->first)
			o->last = NULL;
		l->next = NULL;
	}
	return l;
}

void md_outbox_deinit(struct md_outbox *o)
{
	for (struct md_letter *l = md_outbox_take(o); l; l = md_outbox_take(o))
		free(l);
}
