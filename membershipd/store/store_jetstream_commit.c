#include "core/b64url.h"
#include "core/key.h"
#include "membershipd/store/store_jetstream_impl.h"

#define BAFFLED_MAX 5 /* refusals for which no reason can be found */

/* Refusals that say nothing about what we expect. */
enum {
	SEQUENCE_IN_FLIGHT = 10164, /* another write of the same key is under way */
	BATCH_INCOMPLETE = 10176,   /* a new leader has not seen its beginning */
	BATCH_TOO_MANY = 10199,
};

struct commit {
	struct kv_store *s;
	const struct md_op *ops;
	size_t n;
	char id[KV_ID_LEN + 1];
	unsigned attempts;
	uint64_t since;                     /* the revision known before the first attempt */
	uint64_t expect[MD_COMMIT_OPS_MAX]; /* as sent: what a create names is a delete marker */
	bool uncertain;                     /* an attempt may have happened, or may yet */
	unsigned baffled;
	uint64_t seq; /* of the last element, once it is known to have happened */
};

enum outcome {
	DONE = 1,
	WRONG,   /* an expectation does not hold */
	BUSY,    /* nothing happened */
	REFUSED, /* nothing happened, nor will it */
	UNHEARD,
};

static void batch_name(const struct commit *c, char to[KV_BATCH_MAX + 1])
{
	(void)snprintf(to, KV_BATCH_MAX + 1, "%s.%u", c->id, c->attempts);
}

static natsStatus set_number(natsMsg *m, const char *name, uint64_t v)
{
	char z[24];

	(void)snprintf(z, sizeof(z), "%llu", (unsigned long long)v);
	return natsMsgHeader_Set(m, name, z);
}

/* Op number `i` as a message; NULL when out of memory. */
static natsMsg *element(const struct commit *c, size_t i)
{
	const struct md_op *op = &c->ops[i];
	const void *value = op->value.p;
	char batch[KV_BATCH_MAX + 1];
	struct kv_subject subject;
	natsMsg *m = NULL;
	natsStatus st;

	kv_subject_of(op->key, &subject);
	batch_name(c, batch);
	st = natsMsg_Create(&m, subject.z, NULL, value, (int)op->value.len);
	if (st == NATS_OK)
		st = natsMsgHeader_Set(m, "Nats-Batch-Id", batch);
	if (st == NATS_OK)
		st = set_number(m, "Nats-Batch-Sequence", i + 1);
	if (st == NATS_OK)
		st = set_number(m, "Nats-Expected-Last-Subject-Sequence", c->expect[i]);
	if (st == NATS_OK && op->kind == MD_DELETE)
		st = natsMsgHeader_Set(m, "KV-Operation", "DEL");
	if (st == NATS_OK && i + 1 == c->n)
		st = natsMsgHeader_Set(m, "Nats-Batch-Commit", "1");
	if (st == NATS_OK)
		return m;
	natsMsg_Destroy(m);
	return NULL;
}

static enum outcome judge_answer(struct commit *c, const struct kv_answer *a)
{
	char batch[KV_BATCH_MAX + 1];

	batch_name(c, batch);
	if (a->code == KV_FINE)
		return kv_ack_parse(a, batch, c->n, &c->seq) ? UNHEARD : DONE;
	if (a->code == KV_WRONG_SEQUENCE) {
		kv_seen(c->s, a->wrong);
		return WRONG;
	}
	if (a->status == 503 || a->code == SEQUENCE_IN_FLIGHT || a->code == BATCH_INCOMPLETE ||
		a->code == BATCH_TOO_MANY)
		return BUSY;
	return REFUSED;
}

/* Only the last element makes the batch happen, so only its answer is waited for. */
static enum outcome send_all(struct commit *c, struct kv_conn *conn)
{
	UB_CLEANUP(kv_answer_deinit) struct kv_answer a = {.code = KV_FINE};

	for (size_t i = 0; i + 1 < c->n; i++) {
		natsMsg *m = element(c, i);
		natsStatus st = m ? natsConnection_PublishMsg(conn->nc, m) : NATS_NO_MEMORY;

		natsMsg_Destroy(m);
		if (st != NATS_OK) {
			kv_link_doubt(c->s->link, conn);
			return BUSY;
		}
	}
	natsMsg *m = element(c, c->n - 1);
	if (!m)
		return BUSY;
	ub_err e = kv_ask(c->s->link, conn, m, &a);
	natsMsg_Destroy(m);
	if (e)
		return e == UNIBUS_ERR_UNAVAILABLE ? BUSY : UNHEARD;
	return judge_answer(c, &a);
}

static enum outcome attempt(struct commit *c, struct kv_patience *p)
{
	struct kv_conn *conn = NULL;

	c->attempts++;
	if (kv_link_hold(c->s->link, p, &conn))
		return BUSY;
	enum outcome o = send_all(c, conn);
	kv_link_release(c->s->link, conn);
	return o;
}

/* What looking at the records has shown. */
struct findings {
	bool ours;     /* it has happened */
	bool conflict; /* it has not, and never will */
	bool open;     /* something changed that does not tell */
	bool renewed;  /* another expectation is worth an attempt */
};

/* A record stands where another was expected. Not ours, it proves that ours has not happened when
 * it had replaced what we named before our first attempt, or when it replaced just that. (One of
 * before what we named comes from a leader of the past and proves nothing.) */
static void find_one(struct commit *c, size_t i, const struct kv_stored *st, struct findings *to)
{
	bool absent = c->ops[i].expect == 0 && (st->seq == 0 || st->marker);
	bool told = !c->uncertain || (st->seq > c->expect[i] && st->seq <= c->since);

	if (st->seq > 0 && !strcmp(st->commit, c->id)) {
		to->ours = true;
		c->seq = st->seq + c->n - st->number;
	} else if (st->seq == c->expect[i]) {
		return;
	} else if (absent && told) {
		c->expect[i] = st->seq;
		to->renewed = true;
	} else if (!absent && (told || (st->has_expected && st->expected == c->expect[i]))) {
		to->conflict = true;
	} else {
		to->open = true;
	}
}

static ub_err look(struct commit *c, struct kv_patience *p, struct findings *ret)
{
	struct findings found = {.ours = false};

	for (size_t i = 0; i < c->n && !found.ours; i++) {
		struct kv_stored st = {.seq = 0};
		ub_err e = kv_last(c->s, c->ops[i].key, p, &st, NULL);

		if (e && e != UNIBUS_ERR_NOT_FOUND)
			return e;
		find_one(c, i, &st, &found);
	}
	*ret = found;
	return UB_OK;
}

/* An expectation was refused: for good, or because a create must name a delete marker, or because
 * our own earlier attempt has happened. *ret: DONE, BUSY, or WRONG: another attempt will tell. */
static ub_err settle(struct commit *c, struct kv_patience *p, enum outcome *ret)
{
	struct findings found;

	if (look(c, p, &found))
		return c->uncertain ? UNIBUS_ERR_OUTCOME_UNKNOWN : UNIBUS_ERR_UNAVAILABLE;
	if (found.conflict && !found.ours)
		return UNIBUS_ERR_CONFLICT;
	if (found.open && !found.ours)
		return UNIBUS_ERR_OUTCOME_UNKNOWN;
	if (!found.renewed && !found.ours && ++c->baffled == BAFFLED_MAX)
		return c->uncertain ? UNIBUS_ERR_OUTCOME_UNKNOWN : UNIBUS_ERR_CONFLICT;
	*ret = found.ours ? DONE : found.renewed ? WRONG : BUSY;
	return UB_OK;
}

/* Nobody answered in time: has it happened all the same? */
static ub_err last_look(struct commit *c)
{
	struct kv_patience p = kv_patience(KV_ATTEMPT_MS);
	struct findings found;

	if (!c->uncertain)
		return UNIBUS_ERR_UNAVAILABLE;
	if (look(c, &p, &found))
		return UNIBUS_ERR_OUTCOME_UNKNOWN;
	if (found.ours)
		return UB_OK;
	return found.conflict ? UNIBUS_ERR_CONFLICT : UNIBUS_ERR_OUTCOME_UNKNOWN;
}

static ub_err insist(struct commit *c, struct kv_patience *p)
{
	do {
		enum outcome o = attempt(c, p);
		ub_err e = UB_OK;

		while (!e && o == WRONG) {
			e = settle(c, p, &o);
			if (!e && o == WRONG)
				o = attempt(c, p);
		}
		if (e || o == DONE)
			return e;
		if (o == REFUSED && !c->uncertain)
			return UNIBUS_ERR_IO;
		c->uncertain = c->uncertain || o == UNHEARD;
	} while (kv_link_pause(c->s->link, p, "the bucket's leader"));
	return last_look(c);
}

/* A delete marker's sequence would satisfy the server, but it is not a record's revision. */
static ub_err check_expected(struct commit *c, struct kv_patience *p)
{
	for (size_t i = 0; i < c->n; i++) {
		struct kv_stored st;
		ub_err e;

		c->expect[i] = c->ops[i].expect;
		if (c->ops[i].expect == 0 || kv_knows(c->s, c->ops[i].expect))
			continue;
		e = kv_last(c->s, c->ops[i].key, p, &st, NULL);
		if (e)
			return e == UNIBUS_ERR_NOT_FOUND ? UNIBUS_ERR_CONFLICT : e;
		if (st.seq != c->ops[i].expect || st.marker)
			return UNIBUS_ERR_CONFLICT;
	}
	return UB_OK;
}

ub_err kv_commit(struct md_store *s, const struct md_op *ops, size_t n, uint64_t *ret_rev)
{
	struct commit c = {.s = kv_of(s), .ops = ops, .n = n};
	struct kv_patience p = kv_patience(c.s->call_ms);
	uint8_t random[16];
	ub_err e;

	randombytes_buf(random, sizeof(random));
	ub_b64url_encode(random, sizeof(random), c.id);
	c.since = atomic_load(&c.s->rev);
	e = check_expected(&c, &p);
	if (!e)
		e = insist(&c, &p);
	if (e)
		return e;
	for (size_t i = 0; i < n; i++) {
		if (ops[i].kind == MD_PUT)
			kv_know(c.s, c.seq - n + 1 + i);
	}
	kv_seen(c.s, c.seq);
	*ret_rev = c.seq;
	return UB_OK;
}
