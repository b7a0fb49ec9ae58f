/* entry.h: one signed entry of a room's log: its text, its operations.
 *
 * Threads: pure. Source: PROTOCOL.md section 4. */
#ifndef UB_ENTRY_H
#define UB_ENTRY_H

#include "core/base.h"
#include "core/buf.h"
#include "core/epochkey.h"
#include "core/keyrec.h"
#include "core/limits.h"

struct ub_retain { /* limits on what is kept; 0 is no limit of the room's own */
	uint64_t messages, bytes, age_s;
};
struct ub_policy {
	bool encrypt, persist, sign;
	bool since_join; /* history: false is "all", true is "since_join" */
	struct ub_retain retain;
};

enum ub_op_type {
	UB_OP_GENESIS = 1, /* subject, policy, nonce */
	UB_OP_ADD,         /* keyrec, role */
	UB_OP_REMOVE,      /* endpoint */
	UB_OP_LEAVE,
	UB_OP_ROLE,   /* endpoint, role; role owner hands the room over (from the owner only) */
	UB_OP_KEY,    /* keyrec: the actor's own */
	UB_OP_POLICY, /* encrypt, sign, retain as they are to be */
	UB_OP_EPOCH,  /* n, roster, commit, sealed, backlink? */
	UB_OP_TAKEOVER,
	UB_OP_CLOSE,
};

struct ub_epoch_op {
	uint32_t n;
	struct ub_hash roster, commit, sealed;
	bool has_backlink;
	uint8_t backlink[UB_BACKLINK_LEN];
};

struct ub_op {
	enum ub_op_type type;
	char subject[UB_SUBJECT_MAX + 1];
	struct ub_policy policy; /* genesis: all; policy: encrypt, sign, retain */
	bool has_retain;         /* policy: false keeps what is there; genesis: no need to set */
	uint8_t nonce[16];
	char *keyrec_text; /* add, key: owned */
	struct ub_keyrec keyrec;
	struct ub_endpoint endpoint;
	enum ub_role role;
	struct ub_epoch_op epoch;
};

struct ub_entry {
	bool has_room; /* false in a genesis entry only */
	struct ub_room_id room;
	uint64_t seq;
	struct ub_hash prev; /* zero in a genesis entry */
	struct ub_pubkey actor;
	uint64_t ts_ms; /* shown, never decided on */
	struct ub_op *ops;
	size_t n_ops;
	struct ub_hash hash; /* of the text: what the next entry names as prev */
};

/* Parses and verifies the signature, key records included; judges no rule of the room.
 * UNIBUS_ERR_BAD_ENTRY (form), UNIBUS_ERR_BAD_SIGNATURE, UNIBUS_ERR_TOO_LARGE, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_entry_open(struct ub_str text, struct ub_entry *ret);
void ub_entry_deinit(struct ub_entry *e);

/* Appends the signed text of *e to *out (hash is not read; actor is taken from the key). */
void ub_entry_sign(const struct ub_signkey *k, const struct ub_entry *e, struct ub_buf *out);

/* The id that a genesis op gives its room. */
void ub_room_id_of(
	const struct ub_pubkey *actor, const struct ub_op *genesis, struct ub_room_id *ret);

/* Policy bits as hashed into the room id: 1 encrypt, 2 persist, 4 sign. */
uint8_t ub_policy_bits(const struct ub_policy *p);
/* No booleans set: plain NATS, no frames. */
bool ub_policy_plain(const struct ub_policy *p);

#endif
