#include "core/buf.h"

#include <sodium.h>

#include "core/b64url.h"
#include "core/num.h"

#define CAP_FIRST 256

/* `cap` never counts the one byte that is always kept for a NUL. */
static bool set_cap(struct ub_buf *b, size_t cap)
{
	uint8_t *p = malloc(cap + 1);

	if (!p) {
		b->err = UNIBUS_ERR_NOMEM;
		return false;
	}
	if (b->p) {
		memcpy(p, b->p, b->len);
		sodium_memzero(b->p, b->cap + 1);
		free(b->p);
	}
	b->p = p;
	b->cap = cap;
	return true;
}

/* Room for `len` bytes and a NUL behind what is there; NULL once an error is latched. */
static uint8_t *reserve(struct ub_buf *b, size_t len)
{
	size_t need, cap;

	if (b->err)
		return NULL;
	if (len >= SIZE_MAX - b->len || b->len + len > b->max) {
		b->err = UNIBUS_ERR_TOO_LARGE;
		return NULL;
	}
	need = b->len + len;
	if (b->p && need <= b->cap)
		return b->p + b->len;
	cap = b->cap > b->max / 2 ? b->max : b->cap * 2;
	if (cap < CAP_FIRST)
		cap = CAP_FIRST < b->max ? CAP_FIRST : b->max;
	if (cap < need)
		cap = need;
	return set_cap(b, cap) ? b->p + b->len : NULL;
}

void ub_buf_deinit(struct ub_buf *b)
{
	if (b->p)
		sodium_memzero(b->p, b->cap + 1);
	free(b->p);
	*b = UB_BUF(b->max);
}

void ub_buf_reset(struct ub_buf *b)
{
	b->len = 0;
	b->err = UB_OK;
}

void ub_buf_fail(struct ub_buf *b, ub_err err)
{
	if (!b->err)
		b->err = err;
}

void ub_buf_put(struct ub_buf *b, const void *p, size_t len)
{
	uint8_t *to = reserve(b, len);

	if (!to || !len)
		return;
	memcpy(to, p, len);
	b->len += len;
}

void ub_buf_u8(struct ub_buf *b, uint8_t v)
{
	ub_buf_put(b, &v, 1);
}

void ub_buf_u32(struct ub_buf *b, uint32_t v)
{
	uint8_t raw[4];

	ub_put_u32(raw, v);
	ub_buf_put(b, raw, sizeof(raw));
}

void ub_buf_u64(struct ub_buf *b, uint64_t v)
{
	uint8_t raw[8];

	ub_put_u64(raw, v);
	ub_buf_put(b, raw, sizeof(raw));
}

void ub_buf_z(struct ub_buf *b, const char *z)
{
	ub_buf_put(b, z, strlen(z));
}

void ub_buf_str(struct ub_buf *b, struct ub_str s)
{
	ub_buf_put(b, s.p, s.len);
}

/* The length of an encoding, or what no buffer takes when it would overflow. */
static size_t encoded_len(size_t len, size_t encoded)
{
	return len > SIZE_MAX / 8 ? SIZE_MAX : encoded;
}

void ub_buf_hex(struct ub_buf *b, const void *p, size_t len)
{
	size_t chars = encoded_len(len, len * 2);
	uint8_t *to = reserve(b, chars);

	if (!to)
		return;
	ub_hex_encode(p, len, (char *)to);
	b->len += chars;
}

void ub_buf_b64url(struct ub_buf *b, const void *p, size_t len)
{
	size_t chars = encoded_len(len, UB_B64URL_LEN(len));
	uint8_t *to = reserve(b, chars);

	if (!to)
		return;
	ub_b64url_encode(p, len, (char *)to);
	b->len += chars;
}

void ub_buf_printf(struct ub_buf *b, const char *fmt, ...)
{
	va_list args, again;
	uint8_t *to;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	to = n < 0 ? NULL : reserve(b, (size_t)n);
	if (to)
		b->len += (size_t)vsnprintf((char *)to, (size_t)n + 1, fmt, again);
	else if (!b->err)
		b->err = UNIBUS_ERR_TOO_LARGE; /* more than an int counts */
	va_end(again);
}

ub_err ub_buf_err(const struct ub_buf *b)
{
	return b->err;
}

struct ub_str ub_buf_text(const struct ub_buf *b)
{
	return (struct ub_str){(const char *)b->p, b->len};
}

const char *ub_buf_cstr(struct ub_buf *b)
{
	uint8_t *end = reserve(b, 0);

	if (!end)
		return NULL;
	*end = '\0';
	return (const char *)b->p;
}

char *ub_buf_take(struct ub_buf *b)
{
	uint8_t *p;

	if (!ub_buf_cstr(b))
		return NULL;
	p = UB_TAKE(b->p);
	*b = UB_BUF(b->max);
	return (char *)p;
}
