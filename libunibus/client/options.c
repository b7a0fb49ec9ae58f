#include "client/options.h"

#include <jansson.h>

#include "client/url.h"

#define DEFAULT_CTRL "http://127.0.0.1:8470"
#define DEFAULT_NATS "nats://127.0.0.1:4250"
#define DEFAULT_TIMEOUT_MS 10000

static void urls_deinit(struct ub_urls *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->z[i]);
	*u = (struct ub_urls){0};
}

static ub_err urls_default(struct ub_urls *u, const char *url)
{
	u->z[0] = ub_str_dup(ub_str(url));
	if (!u->z[0])
		return UNIBUS_ERR_NOMEM;
	u->n = 1;
	u->is_default = true;
	return UB_OK;
}

enum unibus_err unibus_options_new(unibus_options **ret)
{
	UB_CLEANUP(unibus_options_freep) unibus_options *o = NULL;

	if (!ret)
		return UNIBUS_ERR_INVALID;
	o = calloc(1, sizeof(*o));
	if (!o || urls_default(&o->ctrl, DEFAULT_CTRL) != UB_OK ||
		urls_default(&o->nats, DEFAULT_NATS) != UB_OK)
		return UNIBUS_ERR_NOMEM;
	o->timeout_ms = DEFAULT_TIMEOUT_MS;
	o->auto_join = true;
	*ret = UB_TAKE(o);
	return UB_OK;
}

void unibus_options_free(unibus_options *o)
{
	if (!o)
		return;
	unibus_identity_free(o->id);
	urls_deinit(&o->ctrl);
	urls_deinit(&o->nats);
	free(o->ca_file);
	free(o->state_dir);
	free(o);
}

static ub_err text_copy(char **to, const char *z)
{
	char *copy = NULL;

	if (z) {
		copy = ub_str_dup(ub_str(z));
		if (!copy)
			return UNIBUS_ERR_NOMEM;
	}
	free(*to);
	*to = copy;
	return UB_OK;
}

static ub_err urls_copy(struct ub_urls *to, const struct ub_urls *from)
{
	urls_deinit(to);
	for (size_t i = 0; i < from->n; i++) {
		to->z[i] = ub_str_dup(ub_str(from->z[i]));
		if (!to->z[i])
			return UNIBUS_ERR_NOMEM;
		to->n = i + 1;
	}
	to->is_default = from->is_default;
	return UB_OK;
}

ub_err ub_options_copy(const unibus_options *o, unibus_options **ret)
{
	UB_CLEANUP(unibus_options_freep) unibus_options *c = NULL;
	ub_err err = unibus_options_new(&c);

	if (err == UB_OK && o->id)
		err = ub_identity_copy(o->id, &c->id);
	if (err == UB_OK)
		err = urls_copy(&c->ctrl, &o->ctrl);
	if (err == UB_OK)
		err = urls_copy(&c->nats, &o->nats);
	if (err == UB_OK)
		err = text_copy(&c->ca_file, o->ca_file);
	if (err == UB_OK)
		err = text_copy(&c->state_dir, o->state_dir);
	if (err != UB_OK)
		return err;
	c->timeout_ms = o->timeout_ms;
	memcpy(c->label, o->label, sizeof(c->label));
	c->control_only = o->control_only;
	c->auto_join = o->auto_join;
	c->own_loop = o->own_loop;
	c->on_state = o->on_state;
	c->on_state_arg = o->on_state_arg;
	c->on_event = o->on_event;
	c->on_event_arg = o->on_event_arg;
	*ret = UB_TAKE(c);
	return UB_OK;
}

static ub_err check_urls(unibus_options *o, const struct ub_urls *u)
{
	for (size_t i = 0; i < u->n; i++) {
		if (ub_url_secure(u->z[i]))
			continue;
		snprintf(o->detail, sizeof(o->detail),
			"%s is not encrypted, and a CA was given: use https:// and tls://",
			u->z[i]);
		return UNIBUS_ERR_TLS;
	}
	return UB_OK;
}

ub_err ub_options_check(unibus_options *o)
{
	ub_err err = UB_OK;

	if (!o->id) {
		snprintf(o->detail, sizeof(o->detail), "no identity was given");
		return UNIBUS_ERR_INVALID;
	}
	if (o->ca_file)
		err = check_urls(o, &o->ctrl);
	if (err == UB_OK && o->ca_file && !o->control_only)
		err = check_urls(o, &o->nats);
	return err;
}

/* All of the list or nothing of it. */
static ub_err urls_add(
	struct ub_urls *u, const char *urls, ub_err (*parse)(struct ub_str url, char **ret))
{
	UB_CLEANUP(urls_deinit) struct ub_urls next = {0};
	const char *p = urls;
	ub_err err = u->is_default ? UB_OK : urls_copy(&next, u);

	if (err != UB_OK)
		return err;
	while (p) {
		const char *comma = strchr(p, ',');
		struct ub_str one = {p, comma ? (size_t)(comma - p) : strlen(p)};

		if (next.n == UB_URLS_MAX)
			return UNIBUS_ERR_INVALID;
		err = parse(one, &next.z[next.n]);
		if (err != UB_OK)
			return err;
		next.n++;
		p = comma ? comma + 1 : NULL;
	}
	urls_deinit(u);
	*u = next;
	next = (struct ub_urls){0};
	return UB_OK;
}

enum unibus_err unibus_options_add_ctrl(unibus_options *o, const char *urls)
{
	return o && urls ? urls_add(&o->ctrl, urls, ub_url_ctrl) : UNIBUS_ERR_INVALID;
}

enum unibus_err unibus_options_add_nats(unibus_options *o, const char *urls)
{
	return o && urls ? urls_add(&o->nats, urls, ub_url_nats) : UNIBUS_ERR_INVALID;
}

enum unibus_err unibus_options_set_identity(unibus_options *o, const unibus_identity *id)
{
	unibus_identity *copy = NULL;
	ub_err err;

	if (!o || !id)
		return UNIBUS_ERR_INVALID;
	err = ub_identity_copy(id, &copy);
	if (err != UB_OK)
		return err;
	unibus_identity_free(o->id);
	o->id = copy;
	return UB_OK;
}

enum unibus_err unibus_options_set_ca(unibus_options *o, const char *file)
{
	return o && file && *file ? text_copy(&o->ca_file, file) : UNIBUS_ERR_INVALID;
}

enum unibus_err unibus_options_set_state_dir(unibus_options *o, const char *dir)
{
	return o && dir && *dir ? text_copy(&o->state_dir, dir) : UNIBUS_ERR_INVALID;
}

enum unibus_err unibus_options_set_timeout(unibus_options *o, unsigned ms)
{
	if (!o || ms < 100 || ms > 600000)
		return UNIBUS_ERR_INVALID;
	o->timeout_ms = ms;
	return UB_OK;
}

/* What a key record takes: UTF-8 without control characters, U+0080 to U+009F (0xC2 0x80 to 0x9F)
 * included. */
static bool label_ok(const char *label)
{
	const unsigned char *p = (const unsigned char *)label;
	json_t *text = json_string(label);
	bool ok = text != NULL && strlen(label) <= UB_LABEL_MAX;

	json_decref(text);
	for (; ok && *p; p++)
		ok = *p >= 0x20 && *p != 0x7f && !(p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f);
	return ok;
}

enum unibus_err unibus_options_set_label(unibus_options *o, const char *label)
{
	if (!o || !label || !label_ok(label))
		return UNIBUS_ERR_INVALID;
	snprintf(o->label, sizeof(o->label), "%s", label);
	return UB_OK;
}

void unibus_options_set_control_only(unibus_options *o, bool on)
{
	o->control_only = on;
}

void unibus_options_set_own_loop(unibus_options *o, bool on)
{
	o->own_loop = on;
}

void unibus_options_set_auto_join(unibus_options *o, bool on)
{
	o->auto_join = on;
}

void unibus_options_on_state(unibus_options *o, unibus_state_fn fn, void *arg)
{
	o->on_state = fn;
	o->on_state_arg = arg;
}

void unibus_options_on_event(unibus_options *o, unibus_event_fn fn, void *arg)
{
	o->on_event = fn;
	o->on_event_arg = arg;
}

const char *unibus_options_detail(const unibus_options *o)
{
	return o->detail;
}

static ub_err set_identity_file(unibus_options *o, const char *path)
{
	UB_CLEANUP(unibus_identity_freep) unibus_identity *id = NULL;
	ub_err err = unibus_identity_load(path, &id);

	return err == UB_OK ? unibus_options_set_identity(o, id) : err;
}

/* From the environment a list replaces: it is the whole answer. */
static ub_err replace_ctrl(unibus_options *o, const char *urls)
{
	o->ctrl.is_default = true;
	return unibus_options_add_ctrl(o, urls);
}

static ub_err replace_nats(unibus_options *o, const char *urls)
{
	o->nats.is_default = true;
	return unibus_options_add_nats(o, urls);
}

enum unibus_err unibus_options_from_env(unibus_options *o)
{
	static const struct {
		const char *name;
		ub_err (*set)(unibus_options *o, const char *value);
	} rows[] = {
		{"UNIBUS_IDENTITY", set_identity_file},
		{"UNIBUS_CTRL_URLS", replace_ctrl},
		{"UNIBUS_NATS_URLS", replace_nats},
		{"UNIBUS_CA", unibus_options_set_ca},
		{"UNIBUS_STATE_DIR", unibus_options_set_state_dir},
	};

	if (!o)
		return UNIBUS_ERR_INVALID;
	for (size_t i = 0; i < UB_ARRAY_LEN(rows); i++) {
		const char *value = getenv(rows[i].name);
		ub_err err = value && *value ? rows[i].set(o, value) : UB_OK;

		if (err != UB_OK) {
			snprintf(o->detail, sizeof(o->detail), "%s: %s", rows[i].name,
				unibus_strerror(err));
			return err;
		}
	}
	return UB_OK;
}
