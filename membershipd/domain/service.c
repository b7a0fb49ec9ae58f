#include "membershipd/domain/service.h"

#include <inttypes.h>

#include "core/num.h"
#include "membershipd/domain/service_impl.h"

#define SHARDS_DEFAULT 4
#define CHANGES_PER_MINUTE 600
#define CHANGERS_MAX 100000 /* buckets of actors; 100 bytes each */

static uint64_t or_max(uint64_t limit, uint64_t max)
{
	return limit && limit < max ? limit : max;
}

static ub_err changes_new(struct md_service *s, unsigned per_minute)
{
	const struct md_rate rate = {
		.per_second = per_minute / 60.0,
		.burst = per_minute,
		.entries_max = CHANGERS_MAX,
	};

	s->limits.changes_per_minute = per_minute;
	return md_ratelimit_new(&rate, &s->changes);
}

static ub_err any_record(void *arg, const struct md_record *r)
{
	(void)r;
	*(bool *)arg = true;
	return UB_OK;
}

static ub_err meta_make(struct md_service *s, const struct md_key *key, unsigned shards)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_RECORD_MAX);
	struct md_rec_meta meta = {.log_shards = shards ? shards : SHARDS_DEFAULT};
	bool any = false;
	struct md_op op;
	uint64_t rev;
	ub_err e = md_store_each(s->store, MD_DIRECTORY_PREFIX, any_record, &any);

	if (e)
		return e;
	if (any)
		return UNIBUS_ERR_BAD_FILE; /* a state without its name is not a new one */
	s->env.random(s->env.arg, meta.store_id, sizeof meta.store_id);
	md_rec_meta_put(&meta, &b);
	e = ub_buf_err(&b);
	if (e)
		return e;
	op = md_op_put(key, &b, 0);
	e = md_store_commit(s->store, &op, 1, &rev);
	return e == UNIBUS_ERR_CONFLICT ? UB_OK : e; /* another node made it */
}

static ub_err meta_read(struct md_service *s, const struct md_key *key)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf b = UB_BUF(MD_VALUE_MAX);
	struct md_rec_meta meta;
	uint64_t rev;
	ub_err e = md_store_get(s->store, key->z, &b, &rev);

	if (!e)
		e = md_rec_meta_get((struct ub_bytes){b.p, b.len}, &meta);
	if (e)
		return e;
	ub_b64url_encode(meta.store_id, sizeof meta.store_id, s->store_id);
	s->shards = meta.log_shards;
	return UB_OK;
}

static ub_err start(struct md_service *s, const struct md_service_config *c)
{
	static const struct md_key key = {MD_KEY_META};
	unsigned per_minute = c->limits.changes_per_minute;
	uint8_t id[16];
	ub_err e = changes_new(s, per_minute ? per_minute : CHANGES_PER_MINUTE);

	if (e)
		return e;
	s->env.random(s->env.arg, id, sizeof id);
	ub_server_id_make(id, &s->id);
	e = meta_read(s, &key);
	if (e == UNIBUS_ERR_NOT_FOUND) {
		e = meta_make(s, &key, c->log_shards);
		if (!e)
			e = meta_read(s, &key);
	}
	return e ? e : md_follow_start(s);
}

ub_err md_service_new(const struct md_service_config *c, struct md_service **ret)
{
	struct md_service *s = calloc(1, sizeof *s);
	ub_err e;

	if (!s)
		return UNIBUS_ERR_NOMEM;
	s->store = c->store;
	s->history = c->history;
	s->env = c->env;
	s->events = c->events;
	s->refuse_cleartext = c->refuse_cleartext;
	s->limits.members_max = or_max(c->limits.members_max, UB_ROOM_MEMBERS_MAX);
	s->limits.joined_max = or_max(c->limits.joined_max, UB_ROOMS_JOINED_MAX);
	s->limits.owned_max = or_max(c->limits.owned_max, UB_ROOMS_OWNED_MAX);
	s->limits.blob_max = or_max(c->limits.blob_max, UB_BLOB_MAX);
	s->limits.blob_user_max = or_max(c->limits.blob_user_max, UB_BLOB_USER_MAX);
	s->limits.blob_room_max = or_max(c->limits.blob_room_max, UB_BLOB_ROOM_MAX);
	ub_assert(!pthread_mutex_init(&s->uploads.lock, NULL));
	ub_assert(!pthread_mutex_init(&s->write, NULL));
	md_follow_init(s);
	md_barrier_init(&s->barrier);
	e = start(s, c);
	if (e) {
		md_service_free(s);
		return e;
	}
	*ret = s;
	return UB_OK;
}

void md_service_free(struct md_service *s)
{
	if (!s)
		return;
	md_follow_deinit(s);
	md_barrier_deinit(&s->barrier);
	md_ratelimit_free(s->changes);
	ub_assert(!s->uploads.n);
	pthread_mutex_destroy(&s->uploads.lock);
	pthread_mutex_destroy(&s->write);
	free(s);
}

const struct ub_server_id *md_service_id(const struct md_service *s)
{
	return &s->id;
}

uint64_t md_service_now_ms(const struct md_service *s)
{
	return s->env.now_ms(s->env.arg);
}

uint64_t md_service_boot_ms(const struct md_service *s)
{
	return s->env.boot_ms(s->env.arg);
}

unsigned md_service_log_shards(const struct md_service *s)
{
	return s->shards;
}

void md_revision_text(const struct md_service *s, uint64_t rev, struct md_revision *ret)
{
	snprintf(ret->z, sizeof ret->z, "%s:%" PRIu64, s->store_id, rev);
}

/* The locks below are the directory's own; who asks changes nothing. */
static const struct md_directory *look(const struct md_service *s)
{
	union {
		const struct md_service *in;
		struct md_service *out;
	} u = {s};

	return md_directory_read(&u.out->dir);
}

uint64_t md_service_revision(const struct md_service *s)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = look(s);

	return d->rev;
}

bool md_service_vouches(const struct md_service *s)
{
	UB_CLEANUP(md_directory_done) const struct md_directory *d = look(s);

	return md_directory_vouches(d);
}

ub_err md_service_wait(struct md_service *s, struct ub_str text, unsigned timeout_ms)
{
	const char *colon = text.len ? memchr(text.p, ':', text.len) : NULL;
	struct ub_str id, number;
	uint8_t raw[16];
	uint64_t rev;

	if (!colon)
		return UNIBUS_ERR_INVALID;
	id = (struct ub_str){text.p, (size_t)(colon - text.p)};
	number = (struct ub_str){colon + 1, text.len - id.len - 1};
	if (ub_b64url_decode(id, raw, sizeof raw) || ub_num_u64(number, 0, UINT64_MAX, &rev))
		return UNIBUS_ERR_INVALID;
	if (!ub_str_eqz(id, s->store_id))
		return UB_OK;
	return md_reach_wait(s, rev, timeout_ms);
}
