/* servers.h: which nats-servers there are, and whether they are fit to decide about rights.
 *
 * Fed with the answers to $SYS.REQ.SERVER.PING. A server that comes back under its name with a new
 * id has been restarted: its old id is gone.
 *
 * Threads: one at a time; link.c holds its lock. */
#ifndef MD_SERVERS_H
#define MD_SERVERS_H

#include "core/base.h"
#include "membershipd/nats/link.h"

#define MD_SERVER_SILENT_MS \
	(20 * 60 * 1000) /* unheard for longer than a session lasts: forgotten */
#define MD_CLOCK_SKEW_MS 1000

enum md_server_fault {
	MD_SERVER_FIT = 0,
	MD_SERVER_TOO_OLD,
	MD_SERVER_CLOCK,
};
struct md_servers {
	struct md_server_seen {
		struct md_server s;
		char version[32];
		int64_t skew_ms; /* its clock minus ours, as far as it can be told */
		enum md_server_fault fault;
		uint64_t heard_boot_ms;
	} v[MD_SERVERS_MAX];
	size_t n;
	size_t expected; /* how many servers the answers speak of */
};

struct md_ping_answer {
	struct ub_bytes json;
	uint64_t asked_ms, now_ms; /* wall clock before the question and at the answer */
	uint64_t boot_ms;
};
/* Takes an answer in. UNIBUS_ERR_INVALID: ignored. */
UB_MUST_CHECK
ub_err md_servers_heard(struct md_servers *t, const struct md_ping_answer *a);
/* Drops what has been silent for too long. */
void md_servers_age(struct md_servers *t, uint64_t boot_ms);
/* Everyone that the answers speak of was heard. */
bool md_servers_complete(const struct md_servers *t);
/* The first unfit one, or NULL. */
const struct md_server_seen *md_servers_unfit(const struct md_servers *t);

/* "2.15.1", "2.14.3-beta.1" (judged as 2.14.2: before the release). */
bool md_server_version_fit(const char *version);
/* RFC 3339, UTC with Z, as Go prints it, to unix milliseconds. UNIBUS_ERR_INVALID. */
UB_MUST_CHECK
ub_err md_server_time(struct ub_str s, uint64_t *ret_ms);

#endif
