/* kick_job.h: one change of rights on its way: connections to close, servers to sweep, answers.
 *
 * Passive: says what to send next and takes answers in; kicks.c does the sending.
 *
 * Threads: one at a time; kicks.c holds its lock. */
#ifndef MD_KICK_JOB_H
#define MD_KICK_JOB_H

#include "core/buf.h"
#include "membershipd/domain/service.h"
#include "membershipd/nats/conn_map.h"
#include "membershipd/nats/link.h"
#include "membershipd/nats/sessions.h"

#define JOB_TARGETS_MAX 250000 /* above every session there can be */
#define JOB_SWEEP_BY_USER 4    /* beyond so many peers the whole account is listed instead */
#define CONNZ_PAGE 1024

enum ask_state {
	ASK_DUE = 0,
	ASK_SENT,
	ASK_FAILED, /* could not be sent, or nobody is there to answer */
	ASK_DONE,
};
/* A connection to close. */
struct job_target {
	struct md_conn conn;
	size_t no;
	enum ask_state state;
	bool kicked; /* it was there */
	UT_hash_handle hh;
};
/* One server to be asked for its connections, of one peer or of all. */
struct job_sweep {
	struct md_server server;
	bool all;
	struct ub_pubkey key; /* !all */
	uint64_t offset;
	bool found; /* this pass over the pages turned something up */
	enum ask_state state;
};

struct job {
	struct job *next;
	uint64_t id;
	struct md_event ev;           /* .who is `who`; kind 0: connections only, nothing owed */
	struct md_service *inherited; /* not NULL: looks for what an earlier process let in */
	const char *own;              /* with it: this service's own login, borrowed */
	struct ub_endpoint *who;
	enum { JOB_NEW = 0, JOB_NOTED, JOB_RUNNING } phase;
	bool planned; /* the sweeps are: some server was known */
	bool reported;
	uint64_t due_boot_ms;      /* what happens next happens then */
	uint64_t deadline_boot_ms; /* of the round */
	uint64_t expires_boot_ms;  /* no login from before the event lives beyond it */
	uint64_t wall_ms;          /* when the event came */
	struct job_target *by_conn;
	struct job_target **targets; /* by no */
	size_t n_targets, cap_targets;
	struct job_sweep *sweeps;
	size_t n_sweeps;
	unsigned kicked;
};

/* A copy of the event; NULL without memory. */
struct job *job_new(const struct md_event *ev);
void job_free(struct job *j);

/* What its connections are closed for. */
struct md_loss job_loss(const struct job *j);
/* Adds a connection once. UNIBUS_ERR_NOMEM, UNIBUS_ERR_LIMIT. */
UB_MUST_CHECK
ub_err job_target_add(struct job *j, const struct md_conn *c);
/* Lists who is to be asked for connections; without any server nothing is planned. */
UB_MUST_CHECK
ub_err job_sweeps_plan(
	struct job *j, struct md_service *svc, const struct md_server *servers, size_t n);

/* One request: what to send, and under which number its answer comes. */
struct job_ask {
	char subject[128];
	char reply[32]; /* "<job>.k<n>" or "<job>.s<n>" */
	char body[160];
	bool is_sweep;
	size_t no;
};
/* The next one that is due, marked as sent; false: none. */
bool job_next_ask(struct job *j, struct job_ask *ret);
void job_ask_failed(struct job *j, const struct job_ask *a);

struct job_answer {
	struct ub_bytes json;
	bool no_responders;
	bool gone; /* the link knows every server, and this one is not among them */
};
/* The answer to target number `no`. */
void job_kick_answered(struct job *j, size_t no, const struct job_answer *a);
/* The answer to sweep number `no`: adds the connections that must go. */
void job_sweep_answered(
	struct job *j, size_t no, const struct job_answer *a, struct md_sessions *sessions);

/* Nothing of the round is on its way any more. */
bool job_settled(const struct job *j);
/* Everything was confirmed. */
bool job_confirmed(const struct job *j);
/* The names of the servers that did not confirm, borrowed from j or `known`; at most
 * MD_UNCONFIRMED_MAX. */
size_t job_unconfirmed(const struct job *j, const struct md_server *known, size_t n_known,
	const char *to[MD_UNCONFIRMED_MAX]);
/* Makes what was not confirmed due again. */
void job_retry(struct job *j);

#endif
