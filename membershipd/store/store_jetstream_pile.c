#include "membershipd/store/store_jetstream_pile.h"

#define KEYS_MAX ((size_t)1 << 30)

void kv_pile_clear(struct kv_pile *p)
{
	for (size_t i = 0; i < p->n; i++)
		natsMsg_Destroy(p->v[i].msg);
	p->n = 0;
	ub_buf_reset(&p->keys);
}

void kv_pile_deinit(struct kv_pile *p)
{
	kv_pile_clear(p);
	ub_buf_deinit(&p->keys);
	free(p->v);
	*p = (struct kv_pile){.v = NULL};
}

static bool grow(struct kv_pile *p)
{
	size_t cap = p->cap ? p->cap * 2 : MD_COMMIT_OPS_MAX;
	struct kv_piece *v = reallocarray(p->v, cap, sizeof(*v));

	if (!v)
		return false;
	p->v = v;
	p->cap = cap;
	return true;
}

ub_err kv_pile_add(struct kv_pile *p, const char *prefix, struct kv_item *item)
{
	natsMsg *msg = UB_TAKE(item->msg);
	char key[MD_KEY_MAX + 1];

	/* What is not a record of ours only has a sequence. */
	if (kv_key_of(natsMsg_GetSubject(msg), key) || strncmp(key, prefix, strlen(prefix)) != 0) {
		natsMsg_Destroy(msg);
		return UB_OK;
	}
	p->keys.max = KEYS_MAX;
	struct kv_piece piece = {p->keys.len, msg, item->seq, item->marker};
	ub_buf_put(&p->keys, key, strlen(key) + 1);
	if (ub_buf_err(&p->keys) || (p->n == p->cap && !grow(p))) {
		natsMsg_Destroy(msg);
		/* What is in the pile stays good. */
		p->keys.len = piece.key;
		p->keys.err = UB_OK;
		return UNIBUS_ERR_NOMEM;
	}
	p->v[p->n++] = piece;
	return UB_OK;
}

static const char *key_of(const struct kv_pile *p, const struct kv_piece *x)
{
	const void *key = p->keys.p + x->key;

	return key;
}

static int by_revision(const void *a, const void *b, void *arg)
{
	const struct kv_piece *x = a, *y = b;

	(void)arg;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_key(const void *a, const void *b, void *arg)
{
	const struct kv_pile *p = arg;
	int c = strcmp(key_of(p, a), key_of(p, b));

	return c ? c : by_revision(a, b, arg);
}

void kv_pile_settle(struct kv_pile *p, bool markers, enum kv_order order)
{
	size_t kept = 0;

	if (p->n == 0)
		return;
	qsort_r(p->v, p->n, sizeof(*p->v), by_key, p);
	for (size_t i = 0; i < p->n; i++) {
		struct kv_piece *x = &p->v[i];
		bool last = i + 1 == p->n || strcmp(key_of(p, x), key_of(p, x + 1)) != 0;

		if (last && (markers || !x->marker)) {
			p->v[kept++] = *x;
			continue;
		}
		natsMsg_Destroy(x->msg);
	}
	p->n = kept;
	if (order == KV_BY_REVISION && kept > 1)
		qsort_r(p->v, kept, sizeof(*p->v), by_revision, p);
}

ub_err kv_pile_records(const struct kv_pile *p, struct md_record **ret)
{
	struct md_record *r = p->n > 0 ? calloc(p->n, sizeof(*r)) : NULL;

	if (p->n > 0 && !r)
		return UNIBUS_ERR_NOMEM;
	for (size_t i = 0; i < p->n; i++) {
		const struct kv_piece *x = &p->v[i];
		const void *data = natsMsg_GetData(x->msg);
		int len = x->marker ? 0 : natsMsg_GetDataLength(x->msg);

		r[i] = (struct md_record){
			.key = key_of(p, x),
			.value = {x->marker ? NULL : data, (size_t)len},
			.rev = x->seq,
			.deleted = x->marker,
		};
	}
	*ret = r;
	return UB_OK;
}
