#include "core/key.h"

#include "core/limits.h"

ub_err ub_core_init(void)
{
	return sodium_init() < 0 ? UNIBUS_ERR_INTERNAL : UB_OK;
}

void ub_signkey_from_seed(const uint8_t seed[32], struct ub_signkey *ret)
{
	struct ub_pubkey pub;

	crypto_sign_seed_keypair(pub.b, ret->b, seed);
}

void ub_signkey_pub(const struct ub_signkey *k, struct ub_pubkey *ret)
{
	memcpy(ret->b, k->b + 32, sizeof(ret->b));
}

void ub_kexsec_pub(const struct ub_kexsec *k, struct ub_kexpub *ret)
{
	crypto_scalarmult_base(ret->b, k->b);
}

/* The order L of the main subgroup, less one. */
static const uint8_t order_less_one[32] = {0xec, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
	0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};

ub_err ub_pubkey_check(const struct ub_pubkey *k)
{
	struct ub_pubkey minus;

	/* In the main subgroup, and only there, (L-1)P = -P. libsodium up to 1.0.20 looks at x
	 * alone in its own subgroup check and lets P + (0,-1) pass; here every other component
	 * shows. The call itself refuses what is non-canonical, of small order or off the curve. */
	if (crypto_scalarmult_ed25519_noclamp(minus.b, order_less_one, k->b) != 0)
		return UNIBUS_ERR_INVALID;
	minus.b[31] ^= 0x80;
	return ub_pubkey_eq(&minus, k) ? UB_OK : UNIBUS_ERR_INVALID;
}

/* Is the little-endian number below 2^255 - 19? */
static bool canonical_field(const uint8_t n[32])
{
	if (n[31] != 0x7f)
		return n[31] < 0x7f;
	for (int i = 30; i > 0; i--)
		if (n[i] != 0xff)
			return true;
	return n[0] < 0xed;
}

ub_err ub_kexpub_check(const struct ub_kexpub *k)
{
	/* Points of order 1, 2, 4 and 8, on the curve and its twist, in their canonical form. */
	static const uint8_t low_order[][32] = {
		{0},
		{1},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
			0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62,
			0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83,
			0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22,
			0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
		{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	};

	if (!canonical_field(k->b))
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < UB_ARRAY_LEN(low_order); i++)
		if (memcmp(k->b, low_order[i], sizeof(k->b)) == 0)
			return UNIBUS_ERR_INVALID;
	return UB_OK;
}

bool ub_pubkey_eq(const struct ub_pubkey *a, const struct ub_pubkey *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

void ub_ph_init(struct ub_ph *ph, const char *tag)
{
	crypto_sign_init(&ph->st);
	ub_ph_update(ph, tag, strlen(tag) + 1);
}

void ub_ph_update(struct ub_ph *ph, const void *p, size_t len)
{
	if (len)
		crypto_sign_update(&ph->st, p, len);
}

void ub_ph_sign(struct ub_ph *ph, const struct ub_signkey *k, struct ub_sig *ret)
{
	crypto_sign_final_create(&ph->st, ret->b, NULL, k->b);
}

ub_err ub_ph_verify(struct ub_ph *ph, const struct ub_pubkey *pub, const struct ub_sig *sig)
{
	return crypto_sign_final_verify(&ph->st, sig->b, pub->b) ? UNIBUS_ERR_BAD_SIGNATURE : UB_OK;
}

static bool nonce_well_formed(struct ub_str nonce)
{
	if (nonce.len < UB_LOGIN_NONCE_MIN || nonce.len > UB_LOGIN_NONCE_MAX)
		return false;
	for (size_t i = 0; i < nonce.len; i++) {
		char c = nonce.p[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
			c != '_' && c != '-')
			return false;
	}
	return true;
}

ub_err ub_login_sign(const struct ub_signkey *k, struct ub_str nonce, struct ub_sig *ret)
{
	if (!nonce_well_formed(nonce))
		return UNIBUS_ERR_INVALID;
	crypto_sign_detached(ret->b, NULL, (const uint8_t *)nonce.p, nonce.len, k->b);
	return UB_OK;
}

ub_err ub_login_verify(const struct ub_pubkey *pub, struct ub_str nonce, const struct ub_sig *sig)
{
	if (!nonce_well_formed(nonce))
		return UNIBUS_ERR_INVALID;
	if (crypto_sign_verify_detached(sig->b, (const uint8_t *)nonce.p, nonce.len, pub->b))
		return UNIBUS_ERR_BAD_SIGNATURE;
	return UB_OK;
}

void ub_hash(const void *p, size_t len, struct ub_hash *ret)
{
	crypto_generichash(ret->b, sizeof(ret->b), p, len, NULL, 0);
}

void ub_sha256(const void *p, size_t len, uint8_t ret[32])
{
	crypto_hash_sha256(ret, p, len);
}
