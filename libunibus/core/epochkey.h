/* epochkey.h: the keys of an encrypted room's epochs: commitment, sealing, back links.
 *
 * Threads: pure. Source: PROTOCOL.md section 4.4. */
#ifndef UB_EPOCHKEY_H
#define UB_EPOCHKEY_H

#include "core/base.h"

/* crypto_box_seal(K[32] ‖ room_id[32] ‖ n:u32 ‖ endpoint[32]) */
#define UB_SEALED_LEN (48 + 32 + 32 + 4 + 32)
/* nonce[24] ‖ XChaCha20-Poly1305(K_{n-1}) */
#define UB_BACKLINK_LEN (24 + 32 + 16)

struct ub_sealed {
	struct ub_endpoint to;
	uint8_t b[UB_SEALED_LEN];
};

/* commit = BLAKE2b-256(key = K, "unibus/kc/v1\0" ‖ room_id ‖ n) */
void ub_epoch_commit(
	const struct ub_symkey *k, const struct ub_room_id *room, uint32_t n, struct ub_hash *ret);

/* UNIBUS_ERR_INVALID when the recipient's key is of low order. */
UB_MUST_CHECK
ub_err ub_epoch_seal(const struct ub_symkey *k, const struct ub_room_id *room, uint32_t n,
	const struct ub_kexpub *kex, struct ub_sealed *inout /* .to is read */);

struct ub_epoch_opener {
	struct ub_kexpub kex;
	const struct ub_kexsec *sec;
	struct ub_endpoint self;
	struct ub_room_id room;
	uint32_t n;
	struct ub_hash commit; /* from the signed entry */
};
/* Opens, compares room, epoch, endpoint, then the commitment. UNIBUS_ERR_NO_KEY_EPOCH when it
 * does not open or is for another room, epoch or peer; UNIBUS_ERR_BAD_COMMIT. */
UB_MUST_CHECK
ub_err ub_epoch_open(const struct ub_epoch_opener *o, const uint8_t sealed[UB_SEALED_LEN],
	struct ub_symkey *ret);

/* sealed = H(list of endpoint ‖ H(sealed blob)), sorted by endpoint: sorts `list` in place. */
void ub_sealed_root(struct ub_sealed *list, size_t n, struct ub_hash *ret);

/* The previous epoch's key under the current one (history "all"). `nonce` is 24 random bytes. */
void ub_backlink_make(const struct ub_symkey *k_n, const struct ub_symkey *k_prev,
	const struct ub_room_id *room, uint32_t n, const uint8_t nonce[24],
	uint8_t ret[UB_BACKLINK_LEN]);
/* Opens and compares with epoch n-1's commit. UNIBUS_ERR_NO_KEY_EPOCH, UNIBUS_ERR_BAD_COMMIT. */
UB_MUST_CHECK
ub_err ub_backlink_open(const struct ub_symkey *k_n, const struct ub_room_id *room, uint32_t n,
	const uint8_t link[UB_BACKLINK_LEN], const struct ub_hash *commit_prev,
	struct ub_symkey *ret);

#endif
