/* store_jetstream_wire.h: the bytes between the store and JetStream: subjects, answers of the API,
 * the places of messages.
 *
 * Every text is read strictly: what is not understood is UNIBUS_ERR_INVALID, never a guess.
 *
 * Threads: pure. */
#ifndef MD_STORE_JETSTREAM_WIRE_H
#define MD_STORE_JETSTREAM_WIRE_H

#include "core/json.h"
#include "membershipd/store/store_jetstream.h"

#define KV_STREAM "KV_UNIBUS"
#define KV_SUBJECT_PREFIX "$KV.UNIBUS."
#define KV_ID_LEN 22 /* 16 random bytes in base64url: of a bucket, of a commit */

/* A key's subject. An empty token of the key ("a..b") is "=" in it, which no key contains. */
struct kv_subject {
	char z[sizeof(KV_SUBJECT_PREFIX) + 2 * MD_KEY_MAX + 2];
};
void kv_subject_of(const char *key, struct kv_subject *ret);
UB_MUST_CHECK
ub_err kv_key_of(const char *subject, char ret[MD_KEY_MAX + 1]);
/* The narrowest filter for all keys with a prefix; more may match it. */
void kv_filter_of(const char *prefix, struct kv_subject *ret);
/* Does a filter of kv_filter_of let the subject through? */
bool kv_filter_takes(const struct kv_subject *filter, const char *subject);

/* Where a message delivered by a consumer stands, as its reply subject says. */
struct kv_place {
	uint64_t seq;     /* in the stream: the revision */
	uint64_t number;  /* of the delivery by this consumer, from 1 */
	uint64_t pending; /* messages after it that the consumer's server has */
};
UB_MUST_CHECK
ub_err kv_place_parse(const char *reply, struct kv_place *ret);

/* err_code of the API's answers that are told apart. */
enum kv_code {
	KV_FINE = 0,
	KV_NO_PEERS = 10005, /* fewer servers than replicas, for the moment or for good */
	KV_NO_MESSAGE = 10037,
	KV_NAME_TAKEN = 10058,
	KV_NO_STREAM = 10059,
	KV_WRONG_SEQUENCE = 10071,
};
/* An answer: JSON, with `error` inside when it is a refusal. */
struct kv_answer {
	json_t *json;
	unsigned code;   /* err_code; 0: no error */
	unsigned status; /* HTTP-like: 404, 503 ... */
	uint64_t wrong;  /* KV_WRONG_SEQUENCE: the sequence that is there */
};
void kv_answer_deinit(struct kv_answer *a);
/* UNIBUS_ERR_INVALID, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_answer_parse(struct ub_str text, struct kv_answer *ret);

/* The batch of a commit's attempt is called "<commit id>.<attempt>": Nats-Batch-Id. */
#define KV_BATCH_MAX (KV_ID_LEN + 1 + 10)

/* The acknowledgement of a commit: the sequence of its last element. `count`: elements. */
UB_MUST_CHECK
ub_err kv_ack_parse(const struct kv_answer *a, const char *batch, size_t count, uint64_t *ret_seq);

struct kv_info {
	char id[KV_ID_LEN + 1]; /* "": not our mark */
	bool fits;              /* the configuration keeps the contract */
	struct md_jetstream_status status;
};
UB_MUST_CHECK
ub_err kv_info_parse(const struct kv_answer *a, struct kv_info *ret);

/* A stored message. */
struct kv_stored {
	char subject[sizeof(struct kv_subject)];
	uint64_t seq;
	bool marker;                /* of a delete */
	char commit[KV_ID_LEN + 1]; /* the commit's id; "" for a foreign writer's */
	uint64_t number;            /* of the element in its commit, from 1 */
	bool has_expected;
	uint64_t expected; /* the sequence that it replaced */
};
/* `value` (may be NULL) is appended to. UNIBUS_ERR_INVALID, UNIBUS_ERR_TOO_LARGE,
 * UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err kv_stored_parse(const struct kv_answer *a, struct kv_stored *ret, struct ub_buf *value);

/* The bucket's configuration, to create it. Owned text, NULL when out of memory. */
char *kv_config_text(const char *id, unsigned replicas);
/* The configuration in an answer to STREAM.INFO with another number of replicas. */
char *kv_config_scaled(const struct kv_answer *info, unsigned replicas);

#endif
