/* identity.h: a peer's keys in memory, as the rest of the library reads them.
 *
 * Threads: immutable once made. */
#ifndef UB_CLIENT_IDENTITY_H
#define UB_CLIENT_IDENTITY_H

#include <unibus/identity.h>

#include "core/base.h"
#include "core/endpoint.h"
#include "core/nkey.h"

struct ub_identity_keys { /* lives in sodium_malloc, read-only */
	struct ub_signkey sign;
	struct ub_kexsec kex;
};

struct unibus_identity {
	struct ub_identity_keys *keys;
	struct ub_pubkey sign_pub;
	struct ub_kexpub kex_pub;
	struct ub_endpoint endpoint;
	char endpoint_text[UB_ID_TEXT + 1];
	char sign_pub_text[65];
	char nkey_text[UB_NKEY_TEXT + 1];
	char fingerprint_text[UB_FINGERPRINT_TEXT + 1];
};

/* A copy of its own. UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_identity_copy(const unibus_identity *id, unibus_identity **ret);

UB_DEFINE_CLEANUP(unibus_identity *, unibus_identity_free)

#endif
