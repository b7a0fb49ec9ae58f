/* lies.h: the stage for a control plane that lies to Alice: it can rewrite every answer of its own,
 * but sign for nobody.
 *
 * Failures fail the running test.
 *
 * Threads: one; a lie is told on the liar's threads while the test waits. */
#ifndef HARNESS_LIES_H
#define HARNESS_LIES_H

#include "tests/harness/liar.h"
#include "tests/harness/libpeer.h"
#include "tests/harness/shadow.h"

/* Alice and Bob use the library, Alice through the liar. Olga owns the room; she, Carl and the
 * ghost, whom the operator made up, are keys in the test's hand. */
struct stage {
	struct stack s;
	struct liar *l;
	struct actor root, alice_is, bob_is, carl_is, olga_is, ghost_is;
	struct libpeer alice, bob;
	struct shadow room;
	char subject[32];
	unsigned n;
};

/* For cmocka: of the group, and of each test, which has a room of its own. */
int stage_start(void **state);
int stage_stop(void **state);
int stage_set_up(void **state);
int stage_tear_down(void **state);
/* Alice again, from the same state directory. */
void stage_connect_alice(struct stage *b);
/* Alice and Bob open the room and hear each other. */
void stage_gather(struct stage *b);
struct unibus_room_info stage_info(struct libpeer *p);

struct lie {
	struct stage *b;
	char method[8], path[160]; /* the answers it is about; the path's beginning */
	int status;                /* 0: the honest one */
	json_t *json;              /* instead; NULL: see twist */
	bool (*twist)(struct lie *l, json_t *answer);
	const char *text;   /* for twist */
	const char *target; /* likewise: what was asked for */
	uint64_t seq;       /* likewise */
};

/* Answers to GET whose path begins like this, from now on. */
void lie_about(struct lie *l, struct stage *b, const char *path);
void lie_about_room(struct lie *l, struct stage *b, const char *idz, const char *part);
/* The lie was told, and is over. */
void lie_ends(struct stage *b, struct lie *l);

#endif
