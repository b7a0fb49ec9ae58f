/* world.h: a running bus with people and rooms in it, made by hand through REST, and a look at all
 * of it that two runs can compare.
 *
 *   root     administrator
 *   alice    owns "room.team" (encrypted, signed) and "room.hall" (plain), admin of "room.ward"
 *   bob      member of all three
 *   carl     member of room.team and room.ward
 *   dave     added to room.team, has not joined
 *   erin     in no room
 *   mallory  was a member of room.team; his user is revoked
 *   olga     owns "room.ward" (encrypted, history since_join); her user is revoked
 *   nina     not registered
 *
 * Failures fail the running test.
 *
 * Threads: one. */
#ifndef HARNESS_WORLD_H
#define HARNESS_WORLD_H

#include "tests/harness/shadow.h"
#include "tests/harness/stack.h"

#define WORLD_BLOB "a blob that nobody has brought yet"

enum world_who { ROOT, ALICE, BOB, CARL, DAVE, ERIN, MALLORY, OLGA, NINA, WORLD_PEERS };
enum world_room { TEAM, HALL, WARD, WORLD_ROOMS };

struct world {
	struct stack s;
	struct actor who[WORLD_PEERS];
	struct shadow rooms[WORLD_ROOMS];
};
void world_start(struct world *w, const struct stack_options *o);
void world_stop(struct world *w);

/* All that REST shows to anybody, as text: users, key records, rooms, members, logs, keys, and
 * who can read WORLD_BLOB. */
void world_look(struct world *w, struct ub_buf *ret);
/* Everybody in `want` sees exactly that room and can open its key; nobody else sees it. Revoked
 * and unregistered peers are left out. */
void world_assert_room(struct world *w, const struct shadow *want);
/* "/blobs/<hash>" of WORLD_BLOB. */
void world_blob_target(char to[96]);
bool world_joined(struct world *w, enum world_who who, const struct shadow *room);

#endif
