#include "core/cursor.h"

#include "core/num.h"

struct ub_cursor ub_cursor(const void *p, size_t len)
{
	return (struct ub_cursor){.p = p, .len = len};
}

const uint8_t *ub_cursor_skip(struct ub_cursor *c, size_t len)
{
	const uint8_t *at;

	if (c->bad || len > c->len - c->pos) {
		c->bad = true;
		return NULL;
	}
	at = c->p + c->pos;
	c->pos += len;
	return at;
}

void ub_cursor_copy(struct ub_cursor *c, void *to, size_t len)
{
	const uint8_t *from = ub_cursor_skip(c, len);

	if (!len)
		return;
	if (from)
		memcpy(to, from, len);
	else
		memset(to, 0, len);
}

uint8_t ub_cursor_u8(struct ub_cursor *c)
{
	const uint8_t *p = ub_cursor_skip(c, 1);

	return p ? *p : 0;
}

uint32_t ub_cursor_u32(struct ub_cursor *c)
{
	const uint8_t *p = ub_cursor_skip(c, 4);

	return p ? ub_get_u32(p) : 0;
}

uint64_t ub_cursor_u64(struct ub_cursor *c)
{
	const uint8_t *p = ub_cursor_skip(c, 8);

	return p ? ub_get_u64(p) : 0;
}

size_t ub_cursor_left(const struct ub_cursor *c)
{
	return c->bad ? 0 : c->len - c->pos;
}

ub_err ub_cursor_end(const struct ub_cursor *c)
{
	return c->bad || c->pos != c->len ? UNIBUS_ERR_INVALID : UB_OK;
}
