/* judge.h: one login, from the server's sealed question to our sealed answer.
 *
 * Everything is checked here, because the server checks none of it: that the question is a
 * server's and about our issuer, that nkey and signature and a well-formed nonce are there and fit,
 * what kind of connection it is, that the user is active. Whatever cannot be decided gets no answer
 * at all: two refusals in a row make stock clients give up for good.
 *
 * Limits: a host pays for what does not verify, a key for what does. Over its host's limit a login
 * is still judged out of a share kept for that, so that nobody can lock out those who share his
 * address.
 *
 * Threads: any; md_judge_free once. No I/O. */
#ifndef MD_JUDGE_H
#define MD_JUDGE_H

#include "core/buf.h"
#include "core/claims.h"
#include "membershipd/domain/service.h"
#include "membershipd/nats/keys.h"
#include "membershipd/nats/sessions.h"

#define MD_VERDICTS(X) \
	X(GRANTED, "granted") \
	X(LET_THROUGH, "let_through")     /* refused, but --bus-auth does not enforce */ \
	X(REFUSED_PROOF, "refused_proof") /* nkey, signature or nonce missing or wrong */ \
	X(REFUSED_CONNECTION, "refused_connection") /* not a kind of connection that peers make */ \
	X(REFUSED_UNKNOWN, "refused_unknown") \
	X(REFUSED_REVOKED, "refused_revoked") \
	X(SILENT_MALFORMED, "silent_malformed") /* not a question of a server of ours */ \
	X(SILENT_EXPIRED, "silent_expired")     /* too late for an answer */ \
	X(SILENT_LIMIT, "silent_limit")         /* host or key asks too often */ \
	X(SILENT_UNDECIDED, "silent_undecided") /* no lease, no memory */ \
	X(SILENT_OVERLOAD, "silent_overload")   /* the queue is full */

enum md_verdict {
#define MD_VERDICT_ROW(name, text) MD_VERDICT_##name,
	MD_VERDICTS(MD_VERDICT_ROW)
#undef MD_VERDICT_ROW
		MD_VERDICTS_N,
};
const char *md_verdict_name(enum md_verdict v);

struct md_judge_config {
	struct md_service *svc;
	const struct md_keys *keys;
	struct md_sessions *sessions;
	struct md_env env;
	uint64_t session_ttl_ms; /* +-20 % for each login */
	bool enforce;            /* false: what is refused is let through, and said so */
};
struct md_judge;
UB_MUST_CHECK
ub_err md_judge_new(const struct md_judge_config *c, struct md_judge **ret);
void md_judge_free(struct md_judge *j); /* NULL is nothing */
UB_DEFINE_CLEANUP(struct md_judge *, md_judge_free)

struct md_question {
	struct ub_bytes box;     /* as it came */
	const char *server_xkey; /* its header Nats-Server-Xkey; NULL: absent */
};
struct md_answer {
	struct ub_buf box; /* to be published; empty: stay silent */
	struct md_conn conn;
	struct ub_endpoint who; /* with a verified signature */
	bool has_who, in_table;
	uint64_t rev; /* GRANTED: the rights are those of this revision */
	char host[64];
};
/* The session is in the table before the answer is given away. The caller deinits *ret. */
enum md_verdict md_judge(struct md_judge *j, const struct md_question *q, struct md_answer *ret);
void md_answer_deinit(struct md_answer *a);

#endif
