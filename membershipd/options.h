/* options.h: what `membershipd serve` and `check-config` are told, and which shapes are refused.
 *
 * Threads: the main thread; read-only afterwards. */
#ifndef MD_OPTIONS_H
#define MD_OPTIONS_H

#include "support/options.h"

enum md_store_kind {
	MD_STORE_SQLITE = 0,
};
/* The indexes of --bus-auth's choices. */
enum {
	MD_OPT_AUTH_OFF = 0,
	MD_OPT_AUTH_SOFT,
	MD_OPT_AUTH_ENFORCE,
};

struct md_options {
	const char *bind;
	uint64_t port;
	struct opt_list nats_urls;
	const char *keys; /* folder of the service's keys; "none" with off or soft: no bus */
	int store;        /* enum md_store_kind */
	const char *db;
	const char *blob_dir; /* NULL: beside the database, see md_options_blob_dir */
	int bus_auth;
	const char *tls_cert, *tls_key, *ca; /* NULL: none */
	bool allow_cleartext_rooms;
	uint64_t session_ttl_ms;
	uint64_t members_max, joined_max, owned_max;
	uint64_t blob_max, blob_user_max, blob_room_max; /* bytes */
	uint64_t history_replicas, history_max_age_ms, history_sender_messages;
	uint64_t threads;           /* HTTP event loops */
	int log_level;              /* enum log_level */
	const char *log_level_file; /* NULL: none */
	bool log_json;
	uint64_t ready_fd; /* 0: none */
};
extern const struct opt_row md_option_rows[];
#define MD_ENV_PREFIX "UNIBUS_MEMBERSHIPD_"
/* False for "--keys none". */
bool md_options_has_bus(const struct md_options *o);
/* "off", "soft", "enforce". */
const char *md_option_auth_name(int bus_auth);

/* UNIBUS_ERR_INVALID after a sentence on stderr, UNIBUS_ERR_CANCELLED for --help. The caller calls
 * md_options_deinit in any case. */
UB_MUST_CHECK
ub_err md_options_parse(const struct opt_args *a, struct md_options *ret);
void md_options_deinit(struct md_options *o);

/* A shape that looks safe and is not. */
struct md_refusal {
	char text[512]; /* what, why, what to do */
};
/* Judges the options and the files they name, changes nothing. False with *ret filled in when
 * membershipd must not start like this. */
UB_MUST_CHECK
bool md_options_check(const struct md_options *o, struct md_refusal *ret);

/* Where uploaded files are: --blob-dir, or the database's path with ".blobs", to be freed. NULL
 * when out of memory. */
char *md_options_blob_dir(const struct md_options *o);

/* Does the address or URL name this host only? */
bool md_is_loopback(const char *host);

#endif
