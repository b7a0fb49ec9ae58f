#include "core/subject.h"

#include "core/b64url.h"
#include "core/num.h"

#define PREFIX "unibus"

/* A character of a subject's token, which is also one of base64url. */
static bool in_token(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/* The text up to the next dot, taken off *rest; *ret_last when there was no dot. Tokens of other
 * characters, and empty ones, are refused. */
static bool next_token(struct ub_str *rest, struct ub_str *ret, bool *ret_last)
{
	size_t n = 0;

	while (n < rest->len && in_token(rest->p[n]))
		n++;
	if (!n || (n < rest->len && rest->p[n] != '.'))
		return false;
	*ret = (struct ub_str){rest->p, n};
	*ret_last = n == rest->len;
	n += !*ret_last;
	*rest = (struct ub_str){rest->p + n, rest->len - n};
	return true;
}

static bool reserved(struct ub_str first)
{
	static const struct ub_str inbox = {"_INBOX", 6};

	return ub_str_eqz(first, PREFIX) ||
	       (first.len >= inbox.len && memcmp(first.p, inbox.p, inbox.len) == 0);
}

ub_err ub_subject_check(struct ub_str s)
{
	struct ub_str rest = s, token;
	bool last = false;

	if (s.len > UB_SUBJECT_MAX)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; !last; i++)
		if (i == UB_SUBJECT_TOKENS_MAX || !next_token(&rest, &token, &last) ||
			(i == 0 && reserved(token)))
			return UNIBUS_ERR_INVALID;
	return UB_OK;
}

ub_err ub_handle_check(struct ub_str s)
{
	if (!s.len || s.len > UB_HANDLE_MAX)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool first = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!first && (i == 0 || (c != '.' && c != '_' && c != '-')))
			return UNIBUS_ERR_INVALID;
	}
	return UB_OK;
}

struct token {
	char z[UB_B64URL_LEN(32) + 1];
};

/* The first characters of an id's text: 132 bits, which nobody hits by chance or by search. */
static struct token token_of(const uint8_t id[32])
{
	struct token t;

	ub_b64url_encode(id, 32, t.z);
	t.z[UB_WIRE_TOKEN] = '\0';
	return t;
}

void ub_wire_notify(const struct ub_endpoint *e, struct ub_wire *ret)
{
	snprintf(ret->z, sizeof(ret->z), PREFIX ".notify.%s", token_of(e->b).z);
}

void ub_wire_publish(const struct ub_room_id *r, const struct ub_endpoint *e, struct ub_wire *ret)
{
	snprintf(ret->z, sizeof(ret->z), PREFIX ".room.%s.%s", token_of(r->b).z, token_of(e->b).z);
}

void ub_wire_publish_log(unsigned shard, const struct ub_room_id *r, const struct ub_endpoint *e,
	struct ub_wire *ret)
{
	ub_assert(shard < UB_SHARDS_MAX);
	snprintf(ret->z, sizeof(ret->z), PREFIX ".log%u.%s.%s", shard, token_of(r->b).z,
		token_of(e->b).z);
}

void ub_wire_subscribe(const struct ub_room_id *r, struct ub_wire *ret)
{
	snprintf(ret->z, sizeof(ret->z), PREFIX ".*.%s.*", token_of(r->b).z);
}

unsigned ub_wire_shard(const struct ub_room_id *r, unsigned shards)
{
	ub_assert(shards > 0 && shards <= UB_SHARDS_MAX);
	return r->b[0] % shards;
}

/* "room", "log<shard>", and "live<shard>": what a log stream republishes. */
static bool carries_frames(struct ub_str kind)
{
	static const struct ub_str numbered[] = {{"log", 3}, {"live", 4}};
	uint64_t shard;

	for (size_t i = 0; i < UB_ARRAY_LEN(numbered); i++) {
		size_t n = numbered[i].len;

		if (kind.len > n && memcmp(kind.p, numbered[i].p, n) == 0)
			return ub_num_u64((struct ub_str){kind.p + n, kind.len - n}, 0,
				       UB_SHARDS_MAX - 1, &shard) == UB_OK;
	}
	return ub_str_eqz(kind, "room");
}

ub_err ub_wire_sender(struct ub_str subject, const struct ub_room_id *r, struct ub_str *ret)
{
	struct ub_str t[4];
	bool last = false;

	for (size_t i = 0; i < UB_ARRAY_LEN(t); i++)
		if (last || !next_token(&subject, &t[i], &last))
			return UNIBUS_ERR_CORRUPT;
	if (!last || !ub_str_eqz(t[0], PREFIX) || !carries_frames(t[1]) ||
		!ub_str_eqz(t[2], token_of(r->b).z) || t[3].len != UB_WIRE_TOKEN)
		return UNIBUS_ERR_CORRUPT;
	*ret = t[3];
	return UB_OK;
}
