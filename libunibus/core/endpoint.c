#include "core/endpoint.h"

#include "core/b64url.h"
#include "core/key.h"
#include "core/num.h"

_Static_assert(UB_B64URL_LEN(32) == UB_ID_TEXT, "an id is 32 bytes");

void ub_endpoint_of(const struct ub_pubkey *pub, struct ub_endpoint *ret)
{
	ub_sha256(pub->b, sizeof(pub->b), ret->b);
}

void ub_endpoint_encode(const struct ub_endpoint *e, char to[UB_ID_TEXT + 1])
{
	ub_b64url_encode(e->b, sizeof(e->b), to);
}

ub_err ub_endpoint_decode(struct ub_str s, struct ub_endpoint *ret)
{
	return ub_b64url_decode(s, ret->b, sizeof(ret->b));
}

bool ub_endpoint_eq(const struct ub_endpoint *a, const struct ub_endpoint *b)
{
	return ub_endpoint_cmp(a, b) == 0;
}

int ub_endpoint_cmp(const struct ub_endpoint *a, const struct ub_endpoint *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

void ub_room_id_encode(const struct ub_room_id *r, char to[UB_ID_TEXT + 1])
{
	ub_b64url_encode(r->b, sizeof(r->b), to);
}

ub_err ub_room_id_decode(struct ub_str s, struct ub_room_id *ret)
{
	return ub_b64url_decode(s, ret->b, sizeof(ret->b));
}

bool ub_room_id_eq(const struct ub_room_id *a, const struct ub_room_id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

void ub_fingerprint(const struct ub_endpoint *e, char to[UB_FINGERPRINT_TEXT + 1])
{
	for (size_t group = 0; group < 10; group++) {
		ub_hex_encode(e->b + 2 * group, 2, to + 5 * group);
		to[5 * group + 4] = group < 9 ? ' ' : '\0';
	}
}
