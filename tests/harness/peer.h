/* peer.h: peers with real keys and the rooms they make over REST, for tests that do not want the
 * library between them and the bytes. Rooms without encryption only: plain or signed.
 *
 * Functions that give int return the HTTP status, or -1.
 *
 * Threads: one thread. */
#ifndef HARNESS_PEER_H
#define HARNESS_PEER_H

#include "core/roomlog.h"
#include "tests/harness/call.h"

struct peer {
	struct ub_signkey sign;
	struct ub_pubkey pub;
	struct ub_kexsec kex;
	struct ub_kexpub kex_pub;
	struct ub_endpoint id;
};
void peer_make(struct peer *p);
/* Registers a new peer as an active user. */
int peer_enrol(struct peer *p, const struct stack *s, const char *handle);

/* The genesis entry of a room without encryption; `room` must be zero and follows from then on. */
int peer_room_create(const struct peer *p, const struct stack *s, const char *subject, bool sign,
	struct ub_room *room);
/* The same with a policy of the caller's, without encryption. */
int peer_room_make(const struct peer *p, const struct stack *s, const char *subject,
	const struct ub_policy *policy, struct ub_room *room);
/* One entry with one op: the route is "invite", "remove", "role", "leave" or "close". */
int peer_room_op(const struct peer *p, const struct stack *s, struct ub_room *room,
	const char *route, const struct ub_op *op, struct ub_buf *out);
int peer_room_invite(const struct peer *p, const struct stack *s, struct ub_room *room,
	const struct peer *who, enum ub_role role);
int peer_room_remove(const struct peer *p, const struct stack *s, struct ub_room *room,
	const struct peer *who, struct ub_buf *out);
int peer_room_join(const struct peer *p, const struct stack *s, const struct ub_room *room);

#endif
