/* outbox.h: events on their way from the directory to whoever acts on them on the bus.
 *
 * Threads: one thread at a time. Internal to domain/. */
#ifndef MD_OUTBOX_H
#define MD_OUTBOX_H

#include "membershipd/domain/service.h"

struct md_letter {
	struct md_letter *next;
	struct md_event ev; /* ev.who points behind it */
	struct ub_endpoint who[];
};

struct md_outbox {
	struct md_letter *first, *last;
	bool wanted; /* nobody listens, or nothing is news yet: nothing is put in */
	ub_err err;  /* UNIBUS_ERR_NOMEM, latched */
};

/* Makes a letter with room for `max` names; NULL when not wanted or without memory. */
struct md_letter *md_letter_new(struct md_outbox *o, const struct md_event *ev, size_t max);
/* Adds a name to a letter; NULL is nothing. */
void md_letter_name(struct md_letter *l, const struct ub_endpoint *who);
/* Puts it in when it names anybody; frees it else. NULL is nothing. */
void md_letter_post(struct md_outbox *o, struct md_letter *l);

void md_outbox_append(struct md_outbox *to, struct md_outbox *from); /* empties `from` */
struct md_letter *md_outbox_take(struct md_outbox *o);               /* to be freed; NULL: empty */
void md_outbox_deinit(struct md_outbox *o);

#endif
