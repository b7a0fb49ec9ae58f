#include "membershipd/nats/servers.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/json.h"
#include "core/num.h"

struct version {
	uint64_t major, minor, patch;
};

static bool take_number(struct ub_str *s, char end, uint64_t *ret)
{
	size_t n = 0;

	while (n < s->len && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	if (ub_num_u64((struct ub_str){s->p, n}, 0, 1000000, ret))
		return false;
	s->p += n;
	s->len -= n;
	if (end == '\0')
		return true;
	if (s->len == 0 || *s->p != end)
		return false;
	s->p++;
	s->len--;
	return true;
}

static bool at_least(const struct version *v, const struct version *min)
{
	if (v->major != min->major)
		return v->major > min->major;
	if (v->minor != min->minor)
		return v->minor > min->minor;
	return v->patch >= min->patch;
}

bool md_server_version_fit(const char *version)
{
	static const struct version FIRST = {2, 12, 12}, HOLE = {2, 14, 0}, HOLE_END = {2, 14, 3};
	struct version v;
	struct ub_str s = ub_str(version);

	if (s.len > 0 && *s.p == 'v') {
		s.p++;
		s.len--;
	}
	if (!take_number(&s, '.', &v.major) || !take_number(&s, '.', &v.minor) ||
		!take_number(&s, '\0', &v.patch))
		return false;
	/* What comes before a release lacks its fixes. */
	if (s.len > 0 && *s.p == '-') {
		if (v.patch == 0)
			return false;
		v.patch--;
	} else if (s.len > 0) {
		return false;
	}
	return at_least(&v, &FIRST) && (!at_least(&v, &HOLE) || at_least(&v, &HOLE_END));
}

/* Milliseconds of ".123456789"; digits beyond the third are dropped. */
static bool take_fraction(struct ub_str *s, uint64_t *ret)
{
	uint64_t ms = 0, scale = 100;

	if (s->len == 0 || *s->p != '.') {
		*ret = 0;
		return true;
	}
	s->p++;
	s->len--;
	if (s->len == 0 || *s->p < '0' || *s->p > '9')
		return false;
	for (; s->len > 0 && *s->p >= '0' && *s->p <= '9'; s->p++, s->len--) {
		ms += (uint64_t)(*s->p - '0') * scale;
		scale /= 10;
	}
	*ret = ms;
	return true;
}

ub_err md_server_time(struct ub_str s, uint64_t *ret_ms)
{
	static const char FORM[] = "dddd-dd-ddTdd:dd:dd";
	struct tm tm = {.tm_isdst = 0};
	uint64_t part[6] = {0}, fraction = 0;
	size_t k = 0;
	time_t t;

	if (s.len < sizeof(FORM) - 1)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < sizeof(FORM) - 1; i++, s.p++, s.len--) {
		if (FORM[i] != 'd') {
			if (*s.p != FORM[i])
				return UNIBUS_ERR_INVALID;
			k++;
		} else if (*s.p < '0' || *s.p > '9') {
			return UNIBUS_ERR_INVALID;
		} else {
			part[k] = part[k] * 10 + (uint64_t)(*s.p - '0');
		}
	}
	if (!take_fraction(&s, &fraction) || s.len != 1 || *s.p != 'Z')
		return UNIBUS_ERR_INVALID;
	if (part[0] < 1970 || part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 ||
		part[3] > 23 || part[4] > 59 || part[5] > 60)
		return UNIBUS_ERR_INVALID;
	tm.tm_year = (int)part[0] - 1900;
	tm.tm_mon = (int)part[1] - 1;
	tm.tm_mday = (int)part[2];
	tm.tm_hour = (int)part[3];
	tm.tm_min = (int)part[4];
	tm.tm_sec = (int)part[5];
	t = timegm(&tm);
	if (t < 0)
		return UNIBUS_ERR_INVALID;
	*ret_ms = (uint64_t)t * 1000 + fraction;
	return UB_OK;
}

/* Where among the known, by id or by name: a name that comes back with a new id was restarted. */
static struct md_server_seen *place(struct md_servers *t, const char *id, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->v[i].s.id, id) == 0 || strcmp(t->v[i].s.name, name) == 0)
			return &t->v[i];
	return t->n < MD_SERVERS_MAX ? &t->v[t->n++] : NULL;
}

static int64_t skew(const struct md_ping_answer *a, uint64_t server_ms)
{
	if (server_ms < a->asked_ms)
		return -(int64_t)(a->asked_ms - server_ms);
	return server_ms > a->now_ms ? (int64_t)(server_ms - a->now_ms) : 0;
}

ub_err md_servers_heard(struct md_servers *t, const struct md_ping_answer *a)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	struct ub_obj o, server, statsz;
	struct ub_str id, name, version, when;
	struct md_server_seen *e;
	uint64_t active, ms;
	ub_err err;

	err = ub_json_parse_foreign((struct ub_str){(const char *)a->json.p, a->json.len}, &v);
	if (err)
		return err;
	o = ub_obj(v);
	server = ub_obj(ub_obj_object(&o, "server"));
	id = ub_obj_text(&server, "id", UB_NKEY_TEXT, UB_NKEY_TEXT);
	name = ub_obj_text(&server, "name", 1, sizeof(e->s.name) - 1);
	version = ub_obj_text(&server, "ver", 1, sizeof(e->version) - 1);
	when = ub_obj_text(&server, "time", 1, 64);
	statsz = ub_obj(ub_obj_object(&o, "statsz"));
	active = ub_obj_has(&statsz, "active_servers")
			 ? ub_obj_u64(&statsz, "active_servers", 0, 1000)
			 : 1;
	if (o.err || server.err || statsz.err || md_server_time(when, &ms))
		return UNIBUS_ERR_INVALID;
	e = place(t, id.p, name.p);
	if (!e)
		return UNIBUS_ERR_LIMIT;
	*e = (struct md_server_seen){.skew_ms = skew(a, ms), .heard_boot_ms = a->boot_ms};
	(void)snprintf(e->s.id, sizeof(e->s.id), "%s", id.p);
	(void)snprintf(e->s.name, sizeof(e->s.name), "%s", name.p);
	(void)snprintf(e->version, sizeof(e->version), "%s", version.p);
	if (!md_server_version_fit(e->version))
		e->fault = MD_SERVER_TOO_OLD;
	else if (e->skew_ms > MD_CLOCK_SKEW_MS || e->skew_ms < -MD_CLOCK_SKEW_MS)
		e->fault = MD_SERVER_CLOCK;
	t->expected = active > 0 ? (size_t)active : 1;
	return UB_OK;
}

void md_servers_age(struct md_servers *t, uint64_t boot_ms)
{
	for (size_t i = 0; i < t->n;) {
		if (boot_ms - t->v[i].heard_boot_ms > MD_SERVER_SILENT_MS)
			t->v[i] = t->v[--t->n];
		else
			i++;
	}
}

bool md_servers_complete(const struct md_servers *t)
{
	return t->n > 0 && t->n >= t->expected;
}

const struct md_server_seen *md_servers_unfit(const struct md_servers *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].fault != MD_SERVER_FIT)
			return &t->v[i];
	return NULL;
}
