#include <sodium.h>

#include "core/claims.h"

#define MAGIC "xkv1"
#define MAGIC_LEN 4
#define NONCE_LEN 24
#define MAC_LEN 16

void ub_xbox_key_wipe(struct ub_xbox_key *k)
{
	sodium_memzero(k, sizeof(*k));
}

ub_err ub_xbox_key(
	const struct ub_kexsec *mine, const struct ub_kexpub *theirs, struct ub_xbox_key *ret)
{
	UB_CLEANUP(ub_xbox_key_wipe) struct ub_xbox_key k;

	if (crypto_box_beforenm(k.b, theirs->b, mine->b) != 0)
		return UNIBUS_ERR_INVALID;
	*ret = k;
	return UB_OK;
}

void ub_xbox_seal(const struct ub_xbox_key *k, struct ub_bytes msg, const uint8_t nonce[24],
	struct ub_buf *out)
{
	static const uint8_t mac_space[MAC_LEN];
	size_t at;

	ub_buf_put(out, MAGIC, MAGIC_LEN);
	ub_buf_put(out, nonce, NONCE_LEN);
	at = out->len;
	ub_buf_put(out, mac_space, sizeof(mac_space));
	ub_buf_put(out, msg.p, msg.len);
	if (ub_buf_err(out))
		return;
	(void)crypto_box_detached_afternm(
		out->p + at + MAC_LEN, out->p + at, out->p + at + MAC_LEN, msg.len, nonce, k->b);
}

ub_err ub_xbox_open(const struct ub_xbox_key *k, struct ub_bytes box, struct ub_buf *out)
{
	const uint8_t *nonce = box.p + MAGIC_LEN, *mac = nonce + NONCE_LEN, *text = mac + MAC_LEN;
	size_t at = out->len, len;
	ub_err err;

	if (box.len < MAGIC_LEN + NONCE_LEN + MAC_LEN || memcmp(box.p, MAGIC, MAGIC_LEN) != 0)
		return UNIBUS_ERR_INVALID;
	len = box.len - MAGIC_LEN - NONCE_LEN - MAC_LEN;
	ub_buf_put(out, text, len);
	err = ub_buf_err(out);
	if (err)
		return err;
	if (crypto_box_open_detached_afternm(out->p + at, out->p + at, mac, len, nonce, k->b) !=
		0) {
		out->len = at;
		return UNIBUS_ERR_INVALID;
	}
	return UB_OK;
}
