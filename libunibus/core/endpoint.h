/* endpoint.h: endpoint ids, room ids and fingerprints as text.
 *
 * Endpoint id = base64url of SHA-256(sign_pub), room id = base64url of its hash: 43 characters.
 *
 * Threads: pure. */
#ifndef UB_ENDPOINT_H
#define UB_ENDPOINT_H

#include "core/base.h"

#define UB_ID_TEXT 43

void ub_endpoint_of(const struct ub_pubkey *pub, struct ub_endpoint *ret);
void ub_endpoint_encode(const struct ub_endpoint *e, char to[UB_ID_TEXT + 1]);
UB_MUST_CHECK
ub_err ub_endpoint_decode(struct ub_str s, struct ub_endpoint *ret);
bool ub_endpoint_eq(const struct ub_endpoint *a, const struct ub_endpoint *b);
int ub_endpoint_cmp(const struct ub_endpoint *a, const struct ub_endpoint *b); /* raw bytes */

void ub_room_id_encode(const struct ub_room_id *r, char to[UB_ID_TEXT + 1]);
UB_MUST_CHECK
ub_err ub_room_id_decode(struct ub_str s, struct ub_room_id *ret);
bool ub_room_id_eq(const struct ub_room_id *a, const struct ub_room_id *b);

/* For people to compare: the endpoint's first 20 bytes in hex, ten groups of four digits. */
#define UB_FINGERPRINT_TEXT 49
void ub_fingerprint(const struct ub_endpoint *e, char to[UB_FINGERPRINT_TEXT + 1]);

#endif
