#include "core/blob.h"

#include <string.h>

#define AD_TAG "unibus/blob/v1"

#define SEALED (UB_BLOB_CHUNK + UB_BLOB_OVER)

_Static_assert(UB_BLOB_HEADER == crypto_secretstream_xchacha20poly1305_HEADERBYTES, "libsodium's");
_Static_assert(UB_BLOB_OVER == crypto_secretstream_xchacha20poly1305_ABYTES, "libsodium's");
_Static_assert(
	sizeof(struct ub_symkey) == crypto_secretstream_xchacha20poly1305_KEYBYTES, "its key");

uint64_t ub_blob_stored_len(uint64_t len)
{
	uint64_t chunks = len ? (len + UB_BLOB_CHUNK - 1) / UB_BLOB_CHUNK : 1;

	return UB_BLOB_HEADER + len + chunks * UB_BLOB_OVER;
}

ub_err ub_blob_content_len(uint64_t stored, uint64_t *ret)
{
	uint64_t chunks, len;

	if (stored < UB_BLOB_HEADER + UB_BLOB_OVER || stored > UB_BLOB_MAX)
		return UNIBUS_ERR_CORRUPT;
	chunks = (stored - UB_BLOB_HEADER + SEALED - 1) / SEALED;
	if (stored - UB_BLOB_HEADER < chunks * UB_BLOB_OVER)
		return UNIBUS_ERR_CORRUPT;
	len = stored - UB_BLOB_HEADER - chunks * UB_BLOB_OVER;
	/* A last chunk without content belongs to the empty blob alone. */
	if (ub_blob_stored_len(len) != stored)
		return UNIBUS_ERR_CORRUPT;
	*ret = len;
	return UB_OK;
}

void ub_blob_stream_init(struct ub_blob_stream *s, const struct ub_symkey *key,
	const struct ub_room_id *room, const uint8_t header[UB_BLOB_HEADER])
{
	*s = (struct ub_blob_stream){.room = *room};
	/* For both directions: init_push is this with a header of its own choice. */
	ub_assert(!crypto_secretstream_xchacha20poly1305_init_pull(&s->st, header, key->b));
}

void ub_blob_stream_wipe(struct ub_blob_stream *s)
{
	sodium_memzero(s, sizeof(*s));
}

/* A chunk belongs to its room. */
struct ad {
	uint8_t b[sizeof(AD_TAG) + 32];
};

static struct ad ad_of(const struct ub_blob_stream *s)
{
	struct ad ad;

	memcpy(ad.b, AD_TAG, sizeof(AD_TAG));
	memcpy(ad.b + sizeof(AD_TAG), s->room.b, sizeof(s->room.b));
	return ad;
}

static uint8_t tag_of(bool last)
{
	return last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
		    : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
}

void ub_blob_seal_chunk(struct ub_blob_stream *s, struct ub_bytes content, bool last, uint8_t *to)
{
	struct ad ad = ad_of(s);

	ub_assert(!s->ended && content.len <= UB_BLOB_CHUNK);
	ub_assert(last || content.len == UB_BLOB_CHUNK);
	s->ended = last;
	ub_assert(!crypto_secretstream_xchacha20poly1305_push(
		&s->st, to, NULL, content.p, content.len, ad.b, sizeof(ad.b), tag_of(last)));
}

ub_err ub_blob_open_chunk(struct ub_blob_stream *s, struct ub_bytes sealed, bool last, uint8_t *to)
{
	struct ad ad = ad_of(s);
	uint8_t tag = 0xff;

	if (s->ended || sealed.len < UB_BLOB_OVER || sealed.len > SEALED)
		return UNIBUS_ERR_CORRUPT;
	if (!crypto_secretstream_xchacha20poly1305_pull(
		    &s->st, to, NULL, &tag, sealed.p, sealed.len, ad.b, sizeof(ad.b)) &&
		tag == tag_of(last)) {
		s->ended = last;
		return UB_OK;
	}
	s->ended = true;
	return UNIBUS_ERR_CORRUPT;
}
