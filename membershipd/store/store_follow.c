#include "membershipd/store/store_follow.h"

void md_fanout_add(struct md_fanout *to, const struct md_follower *f)
{
	ub_assert(to->n < MD_FOLLOWERS_MAX);
	char *prefix = to->prefix[to->n];

	(void)snprintf(prefix, sizeof(to->prefix[0]), "%s", f->prefix);
	to->f[to->n] = *f;
	to->f[to->n].prefix = prefix;
	to->n++;
}

void md_fanout_commit(const struct md_fanout *to, const struct md_op *ops, size_t n, uint64_t rev)
{
	struct md_record recs[MD_COMMIT_OPS_MAX];

	for (size_t i = 0; i < to->n; i++) {
		const struct md_follower *f = &to->f[i];
		size_t k = 0;

		for (size_t o = 0; o < n; o++) {
			if (!md_has_prefix(ops[o].key, f->prefix))
				continue;
			recs[k++] = (struct md_record){
				.key = ops[o].key,
				.value = ops[o].value,
				.rev = rev - n + 1 + o,
				.deleted = ops[o].kind == MD_DELETE,
			};
		}
		f->batch(f->arg, recs, k, rev);
	}
}

void md_fanout_lost(const struct md_fanout *to)
{
	for (size_t i = 0; i < to->n; i++) {
		if (to->f[i].lost)
			to->f[i].lost(to->f[i].arg);
	}
}

bool md_has_prefix(const char *key, const char *prefix)
{
	return strncmp(key, prefix, strlen(prefix)) == 0;
}

pthread_mutex_t *md_lock(pthread_mutex_t *m)
{
	ub_assert(pthread_mutex_lock(m) == 0);
	return m;
}

void md_unlock(pthread_mutex_t **held)
{
	if (*held)
		ub_assert(pthread_mutex_unlock(*held) == 0);
	*held = NULL;
}
