#include "support/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

/* A write of at most PIPE_BUF bytes to a pipe is atomic, so lines of threads never mix. */
#define LINE_MAX_BYTES 4096
/* What one value may take of it; the rest is cut, so that a hostile value leaves room for others.
 */
#define VALUE_MAX_BYTES 1024
#define TAIL_BYTES 32 /* kept free for the mark of a cut line, the brace and the newline */

/* Properties of the process like its standard error itself; nothing else here is shared. */
static _Atomic int log_least = LOG_LEVEL_INFO;
static _Atomic bool log_as_json;

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

struct line {
	char b[LINE_MAX_BYTES];
	size_t n;
	bool full;
	bool json;
};

void log_set_level(enum log_level level)
{
	atomic_store(&log_least, (int)level);
}

void log_set_json(bool json)
{
	atomic_store(&log_as_json, json);
}

ub_err log_level_parse(struct ub_str s, enum log_level *ret)
{
	for (size_t i = 0; i < UB_ARRAY_LEN(level_names); i++) {
		if (ub_str_eqz(s, level_names[i])) {
			*ret = (enum log_level)i;
			return UB_OK;
		}
	}
	return UNIBUS_ERR_INVALID;
}

static void put(struct line *l, const char *z)
{
	size_t len = strlen(z);

	if (l->full || len > sizeof(l->b) - TAIL_BYTES - l->n) {
		l->full = true;
		return;
	}
	memcpy(l->b + l->n, z, len);
	l->n += len;
}

/* Everything outside printable ASCII is escaped: also line separators and direction marks that a
 * terminal or a log viewer would act on. */
static void put_escaped(struct line *l, const char *z)
{
	size_t start = l->n;
	char e[8];

	for (; *z; z++) {
		unsigned char c = (unsigned char)*z;

		if (l->n - start > VALUE_MAX_BYTES) {
			put(l, "...");
			return;
		}
		if (c == '"' || c == '\\')
			(void)snprintf(e, sizeof(e), "\\%c", c);
		else if (c >= 0x20 && c < 0x7f)
			(void)snprintf(e, sizeof(e), "%c", c);
		else if (!l->json)
			(void)snprintf(e, sizeof(e), "\\x%02x", c);
		else if (c < 0x20)
			(void)snprintf(e, sizeof(e), "\\u%04x", c);
		else
			(void)snprintf(e, sizeof(e), "\\\\x%02x", c);
		put(l, e);
	}
}

/* "-" is quoted because it stands for a value that is not there. */
static bool is_plain(const char *z)
{
	if (!*z || !strcmp(z, "-"))
		return false;
	for (; *z; z++) {
		if (*z <= ' ' || *z >= 0x7f || *z == '"' || *z == '\\' || *z == '=')
			return false;
	}
	return true;
}

static void put_value(struct line *l, const char *z)
{
	if (!z) {
		put(l, l->json ? "null" : "-");
	} else if (!l->json && is_plain(z)) {
		put_escaped(l, z);
	} else {
		put(l, "\"");
		put_escaped(l, z);
		put(l, "\"");
	}
}

/* All of a pair or nothing of it: a cut line stays well-formed. */
static void put_pair(struct line *l, const char *key, const char *value)
{
	size_t start = l->n;

	put(l, l->json ? ",\"" : " ");
	put(l, key);
	put(l, l->json ? "\":" : "=");
	put_value(l, value);
	if (l->full)
		l->n = start;
}

static void put_head(struct line *l, enum log_level level, const char *event)
{
	struct timespec now;
	struct tm tm;
	char day[32], when[48];

	if (clock_gettime(CLOCK_REALTIME, &now) || !gmtime_r(&now.tv_sec, &tm))
		(void)snprintf(when, sizeof(when), "-");
	else if (strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) > 0)
		(void)snprintf(when, sizeof(when), "%s.%03dZ", day, (int)(now.tv_nsec / 1000000));
	else
		(void)snprintf(when, sizeof(when), "-");

	put(l, l->json ? "{\"time\":\"" : "");
	put(l, when);
	put(l, l->json ? "\",\"level\":\"" : " ");
	put(l, level_names[level]);
	put(l, l->json ? "\",\"event\":\"" : " ");
	put(l, event);
	put(l, l->json ? "\"" : "");
}

void log_line(enum log_level level, const char *event, ...)
{
	struct line l;
	const char *key;
	va_list ap;

	if ((int)level < atomic_load(&log_least))
		return;
	l.n = 0;
	l.full = false;
	l.json = atomic_load(&log_as_json);
	put_head(&l, level, event);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) && !l.full)
		put_pair(&l, key, va_arg(ap, const char *));
	va_end(ap);

	int tail = snprintf(l.b + l.n, sizeof(l.b) - l.n, "%s%s\n",
		!l.full  ? ""
		: l.json ? ",\"cut\":true"
			 : " cut=true",
		l.json ? "}" : "");
	ub_assert(tail > 0 && (size_t)tail < sizeof(l.b) - l.n);
	/* There is nowhere to tell that the log itself cannot be written. */
	ssize_t done = write(STDERR_FILENO, l.b, l.n + (size_t)tail);
	(void)done;
}

const char *log_num(uint64_t v)
{
	static _Thread_local char places[8][24];
	static _Thread_local unsigned turn;
	char *place = places[turn++ % UB_ARRAY_LEN(places)];

	(void)snprintf(place, sizeof(places[0]), "%llu", (unsigned long long)v);
	return place;
}
