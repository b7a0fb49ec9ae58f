/* log.h: log lines of our programs: key=value on stderr, one line each, never a secret.
 *
 *   log_info("login", "peer", endpoint, "host", host, NULL)
 *   -> 2026-11-23T00:17:14.123Z info login peer=... host=127.0.0.1
 *
 * Values with spaces, quotes or control characters are quoted and escaped, so that a hostile value
 * cannot forge a line; bytes outside printable ASCII become \xNN. A long value is cut ("..."), a
 * line that would pass 4 KiB loses its last pairs (cut=true).
 *
 * Threads: any; a line is one write. */
#ifndef UB_LOG_H
#define UB_LOG_H

#include "core/base.h"

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
};

/* Process-wide, set at start and on SIGHUP. Default info, key=value. */
void log_set_level(enum log_level level);
void log_set_json(bool json);
UB_MUST_CHECK
ub_err log_level_parse(struct ub_str s, enum log_level *ret);

/* Pairs of key and value (const char *), ended by NULL. A NULL value is shown as "-". */
void log_line(enum log_level level, const char *event, ...) __attribute__((sentinel));
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

/* A number as text for a log value, in one of a few rotating thread-local places. */
const char *log_num(uint64_t v);

#endif
