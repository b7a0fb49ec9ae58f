/* peers.h: finding peers, and holding on to whom one has found.
 *
 * Threads: any. */
#ifndef UB_CLIENT_PEERS_H
#define UB_CLIENT_PEERS_H

#include "client/client.h"
#include "core/endpoint.h"
#include "core/keyrec.h"

struct ub_peer {
	struct ub_endpoint id;
	char id_text[UB_ID_TEXT + 1];
	char handle[UB_HANDLE_MAX + 1]; /* "" when unknown */
	struct ub_keyrec keyrec;
	char keyrec_text[UB_KEYREC_MAX + 1];
};

/* By handle or endpoint id. The key record is verified, compared with `fingerprint` (may be NULL)
 * and with what is pinned, and pinned. With `trust` what is pinned is replaced instead.
 * UNIBUS_ERR_KEY_CHANGED, UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_INVALID, and what a call can fail of. */
UB_MUST_CHECK
ub_err ub_peer_find(unibus_client *c, const char *peer, const char *fingerprint, bool trust,
	struct ub_peer *ret);
/* The endpoint only: pinned or asked for; no key record is fetched for an id. */
UB_MUST_CHECK
ub_err ub_peer_id(unibus_client *c, const char *peer, struct ub_endpoint *ret);
/* Is this very key pinned for the endpoint? */
bool ub_peer_pinned(unibus_client *c, const struct ub_endpoint *id);

/* This peer's own key record as published; published when it is missing, near its end or another
 * one's. Asked for once a client. Appends the text. */
UB_MUST_CHECK
ub_err ub_peer_self(unibus_client *c, struct ub_keyrec *ret, char text[UB_KEYREC_MAX + 1]);

#endif
