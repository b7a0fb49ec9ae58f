/* service.h: the control plane's context: what every domain function works on.
 *
 * All state is in the store; md_service holds it derived in memory (the directory), fed only by
 * the store's follow. Every mutation is one commit. No HTTP, NATS or SQL here: what happens on the
 * bus because of a change is told to `events`.
 *
 * Threads: all domain functions may be called from any thread. Mutations are serialized inside;
 * reads take a read lock for moments and never do I/O unless their contract says so. */
#ifndef MD_SERVICE_H
#define MD_SERVICE_H

#include "core/base.h"
#include "core/reqsig.h"
#include "core/roomlog.h"
#include "membershipd/store/store.h"

/* Clock and randomness, real or scripted. */
struct md_env {
	uint64_t (*now_ms)(void *arg);  /* wall clock, unix */
	uint64_t (*boot_ms)(void *arg); /* CLOCK_BOOTTIME: never steps */
	void (*random)(void *arg, void *to, size_t len);
	void *arg;
};
struct md_env md_env_real(void);

enum md_event_kind {
	MD_EVENT_REVOKED = 1, /* `who[0]` lost everything: kick all its sessions at once */
	MD_EVENT_NARROWED, /* `who` lost wire subjects of `room`: notify, then kick after 250 ms */
	MD_EVENT_GRANTED,  /* `who` joined `room`, or may write there now: tell its sessions */
	MD_EVENT_ROOM,     /* a new entry `seq` of `room`, or (to its admins) a member's user was
			      revoked; `who` may care */
};
struct md_event {
	enum md_event_kind kind;
	uint64_t rev; /* of the record that caused it */
	struct ub_room_id room;
	uint64_t seq;
	const struct ub_endpoint *who; /* borrowed for the call */
	size_t n_who;
};
/* Called in revision order, never under a lock of the service; must not block: queue it. For
 * REVOKED and NARROWED the receiver owes one md_barrier_done(service, rev, ...) when the kicks are
 * answered. May be NULL (no bus): then nothing is owed. */
struct md_events {
	void (*event)(void *arg, const struct md_event *ev);
	void *arg;
};

struct md_limits { /* zero means the maximum of core/limits.h */
	size_t members_max, joined_max, owned_max;
	uint64_t blob_max, blob_user_max, blob_room_max; /* bytes */
	unsigned changes_per_minute;                     /* adds and removes per actor; 0: 600 */
};

struct md_history_port;
struct md_service_config {
	struct md_store *store;                /* borrowed, outlives the service */
	const struct md_history_port *history; /* borrowed; NULL: no room can persist */
	struct md_env env;
	struct md_events events;
	struct md_limits limits;
	bool refuse_cleartext; /* no rooms without encryption: non-loopback bind without the option
				*/
	unsigned log_shards;   /* for a new store; 0: 4 */
};

struct md_service;

/* Reads or creates d.meta, follows, returns when caught up. The store's errors, UNIBUS_ERR_BAD_FILE
 * when a record makes no sense. */
UB_MUST_CHECK
ub_err md_service_new(const struct md_service_config *c, struct md_service **ret);
/* The store goes on following into the service: nothing may be committed to it any more, close it
 * next (also when md_service_new failed). */
void md_service_free(struct md_service *s);

/* Random per process start: the audience of signed requests. */
const struct ub_server_id *md_service_id(const struct md_service *s);
uint64_t md_service_now_ms(const struct md_service *s);
uint64_t md_service_boot_ms(const struct md_service *s);
unsigned md_service_log_shards(const struct md_service *s);

/* "<store id>:<revision>", what clients see. */
struct md_revision {
	char z[48];
};
void md_revision_text(const struct md_service *s, uint64_t rev, struct md_revision *ret);
uint64_t md_service_revision(const struct md_service *s); /* the directory's */
/* Waits until the directory has reached what the text names; another store id resets: returns at
 * once. UNIBUS_ERR_INVALID, UNIBUS_ERR_UNAVAILABLE after timeout_ms. */
UB_MUST_CHECK
ub_err md_service_wait(struct md_service *s, struct ub_str text, unsigned timeout_ms);

/* May anything be authorized now? SQLite: always; replicated: while the lease runs. */
bool md_service_vouches(const struct md_service *s);

/* Who makes a request: found in the directory, active, at this moment. */
struct md_caller {
	struct ub_pubkey key;
	struct ub_endpoint id;
	char handle[UB_HANDLE_MAX + 1];
	bool admin;
};

/* What a change that takes rights away reports. */
#define MD_UNCONFIRMED_MAX 16
struct md_taken {
	uint64_t rev;
	unsigned kicked;
	char unconfirmed[MD_UNCONFIRMED_MAX][64]; /* names of servers that did not answer */
	size_t n_unconfirmed;
	uint64_t ms; /* from commit to the last kick's answer */
};

#endif
