#include "client/peers.h"

#include <ctype.h>

#include "client/clock.h"
#include "client/names.h"
#include "client/store.h"
#include "core/json.h"
#include "core/num.h"
#include "core/subject.h"

#define YEAR_MS (365ULL * 24 * 3600 * 1000)
#define KEYREC_LIFE_MS (2 * YEAR_MS)
#define KEYREC_RENEW_MS (YEAR_MS / 4) /* when no more than this is left */

/* Fingerprints are read out and typed in: spaces and capitals do not matter. */
static bool fingerprint_fits(const struct ub_endpoint *id, const char *told)
{
	char want[41], have[41];
	size_t n = 0;

	ub_hex_encode(id->b, 20, want);
	for (; *told; told++) {
		if (*told == ' ' || *told == '-' || *told == ':')
			continue;
		if (n == sizeof(have) - 1)
			return false;
		have[n++] = (char)tolower((unsigned char)*told);
	}
	have[n] = '\0';
	return strcmp(want, have) == 0;
}

static ub_err peer_read(unibus_client *c, json_t *v, struct ub_peer *ret)
{
	struct ub_obj o = ub_obj(v);
	struct ub_str id = ub_obj_text(&o, "endpoint", UB_ID_TEXT, UB_ID_TEXT);
	struct ub_str text = ub_obj_text(&o, "keyrec", 1, UB_KEYREC_MAX);
	const char *handle = json_string_value(json_object_get(v, "handle"));
	struct ub_endpoint of;
	ub_err err = o.err;

	if (err == UB_OK)
		err = ub_endpoint_decode(id, &ret->id);
	if (err == UB_OK)
		err = ub_keyrec_open(text, &ret->keyrec);
	if (err == UB_OK) {
		ub_endpoint_of(&ret->keyrec.sign, &of);
		err = ub_endpoint_eq(&of, &ret->id) ? UB_OK : UNIBUS_ERR_INVALID;
	}
	if (err == UNIBUS_ERR_NOMEM)
		return err;
	if (err != UB_OK)
		return ub_client_fail(c, UNIBUS_ERR_KEY_CHANGED,
			"the server's key record is not one of the peer that it was asked for");
	ub_endpoint_encode(&ret->id, ret->id_text);
	snprintf(ret->keyrec_text, sizeof(ret->keyrec_text), "%.*s", (int)text.len, text.p);
	ret->handle[0] = '\0';
	if (handle && ub_handle_check(ub_str(handle)) == UB_OK)
		snprintf(ret->handle, sizeof(ret->handle), "%s", handle);
	return UB_OK;
}

static ub_err peer_get(unibus_client *c, const char *target, struct ub_peer *ret)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	ub_err err = ub_client_json(c, "GET", target, (struct ub_str){0}, &v);

	return err == UB_OK ? peer_read(c, v, ret) : err;
}

/* The record pinned for a peer against the one that the server shows. */
static ub_err compare_record(unibus_client *c, const struct ub_peer *p, bool *ret_newer)
{
	UB_CLEANUP(ub_freep) char *text = NULL;
	struct ub_keyrec pinned;
	ub_err err = ub_pins_get(ub_store_pins(c), UB_PIN_PEERS, p->id_text, &text);

	*ret_newer = true;
	if (err == UNIBUS_ERR_NOT_FOUND)
		return UB_OK;
	if (err == UB_OK)
		err = ub_keyrec_open(ub_str(text), &pinned);
	if (err != UB_OK)
		return err;
	if (memcmp(pinned.kex.b, p->keyrec.kex.b, sizeof(pinned.kex.b)) != 0)
		return ub_client_fail(c, UNIBUS_ERR_KEY_CHANGED,
			"%s has another key-exchange key than before; compare fingerprints",
			p->handle[0] ? p->handle : p->id_text);
	if (p->keyrec.seq < pinned.seq)
		return ub_client_fail(c, UNIBUS_ERR_ROLLBACK,
			"the server shows an older key record of %s than before",
			p->handle[0] ? p->handle : p->id_text);
	*ret_newer = strcmp(text, p->keyrec_text) != 0;
	return UB_OK;
}

static ub_err pin_peer(unibus_client *c, const struct ub_peer *p, bool trust)
{
	struct ub_pins *pins = ub_store_pins(c);
	bool newer = true;
	ub_err err = trust ? UB_OK : compare_record(c, p, &newer);

	if (err == UB_OK && p->handle[0])
		err = ub_pins_put(pins, UB_PIN_HANDLES, p->handle, p->id_text, trust);
	if (err == UNIBUS_ERR_KEY_CHANGED && p->handle[0])
		(void)ub_client_fail(
			c, err, "the handle %s belonged to another key before", p->handle);
	/* A renewed record of the same keys replaces the old one: compare_record saw to that. */
	if (err == UB_OK && newer)
		err = ub_pins_put(pins, UB_PIN_PEERS, p->id_text, p->keyrec_text, true);
	return err;
}

static bool is_endpoint(const char *peer, struct ub_endpoint *ret)
{
	return strlen(peer) == UB_ID_TEXT && ub_endpoint_decode(ub_str(peer), ret) == UB_OK;
}

static ub_err peer_target(unibus_client *c, const char *peer, char *to, size_t len)
{
	struct ub_endpoint id;

	if (is_endpoint(peer, &id)) {
		snprintf(to, len, "/peers/%s", peer);
		return UB_OK;
	}
	if (ub_handle_check(ub_str(peer)) != UB_OK)
		return ub_client_fail(c, UNIBUS_ERR_INVALID,
			"\"%.60s\" is neither a handle nor an endpoint id", peer);
	snprintf(to, len, "/peers?handle=%s", peer);
	return UB_OK;
}

ub_err ub_peer_find(unibus_client *c, const char *peer, const char *fingerprint, bool trust,
	struct ub_peer *ret)
{
	char target[128];
	struct ub_endpoint asked;
	ub_err err = peer_target(c, peer, target, sizeof(target));

	if (err == UB_OK)
		err = peer_get(c, target, ret);
	if (err != UB_OK)
		return err;
	if (is_endpoint(peer, &asked) ? !ub_endpoint_eq(&asked, &ret->id)
				      : strcmp(peer, ret->handle) != 0)
		return ub_client_fail(c, UNIBUS_ERR_KEY_CHANGED,
			"the server answered with another peer than the one asked for");
	if (fingerprint && !fingerprint_fits(&ret->id, fingerprint))
		return ub_client_fail(c, UNIBUS_ERR_KEY_CHANGED,
			"the key of %s does not have the fingerprint given", peer);
	err = pin_peer(c, ret, trust);
	if (err == UB_OK && ret->handle[0])
		ub_names_put(c, &ret->id, ub_str(ret->handle));
	return err;
}

ub_err ub_peer_id(unibus_client *c, const char *peer, struct ub_endpoint *ret)
{
	UB_CLEANUP(ub_freep) char *pinned = NULL;
	struct ub_peer p;
	ub_err err;

	if (is_endpoint(peer, ret))
		return UB_OK;
	err = ub_pins_get(ub_store_pins(c), UB_PIN_HANDLES, peer, &pinned);
	if (err == UB_OK)
		return ub_endpoint_decode(ub_str(pinned), ret);
	if (err != UNIBUS_ERR_NOT_FOUND)
		return err;
	err = ub_peer_find(c, peer, NULL, false, &p);
	if (err == UB_OK)
		*ret = p.id;
	return err;
}

bool ub_peer_pinned(unibus_client *c, const struct ub_endpoint *id)
{
	UB_CLEANUP(ub_freep) char *text = NULL;
	char id_text[UB_ID_TEXT + 1];

	ub_endpoint_encode(id, id_text);
	return ub_pins_get(ub_store_pins(c), UB_PIN_PEERS, id_text, &text) == UB_OK;
}

/* ---- this peer's own record ---- */

static ub_err publish_self(unibus_client *c, uint64_t seq, struct ub_peer *ret)
{
	UB_CLEANUP(ub_buf_deinit) struct ub_buf text = UB_BUF(UB_KEYREC_MAX);
	UB_CLEANUP(ub_buf_deinit) struct ub_buf body = UB_BUF(UB_KEYREC_MAX + 64);
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	const unibus_identity *id = c->o->id;
	uint64_t now = ub_control_now_ms(c->ctl);
	char target[64];
	ub_err err;

	ret->keyrec = (struct ub_keyrec){
		.sign = id->sign_pub,
		.kex = id->kex_pub,
		.seq = seq,
		.created_ms = now,
		.expires_ms = now + KEYREC_LIFE_MS,
	};
	snprintf(ret->keyrec.label, sizeof(ret->keyrec.label), "%s", c->o->label);
	ub_keyrec_sign(&id->keys->sign, &ret->keyrec, &text);
	ub_buf_z(&body, "{\"keyrec\":\"");
	ub_buf_str(&body, ub_buf_text(&text));
	ub_buf_z(&body, "\"}");
	err = ub_buf_err(&text) != UB_OK ? ub_buf_err(&text) : ub_buf_err(&body);
	if (err != UB_OK)
		return err;
	snprintf(target, sizeof(target), "/peers/%s", id->endpoint_text);
	err = ub_client_json(c, "PUT", target, ub_buf_text(&body), &v);
	if (err == UB_OK)
		snprintf(ret->keyrec_text, sizeof(ret->keyrec_text), "%.*s", (int)text.len,
			(const char *)text.p);
	return err;
}

static ub_err fetch_self(unibus_client *c, struct ub_peer *ret)
{
	uint64_t now = ub_control_now_ms(c->ctl), seq = 1;
	char target[64];
	ub_err err;

	snprintf(target, sizeof(target), "/peers/%s", c->o->id->endpoint_text);
	err = peer_get(c, target, ret);
	if (err == UB_OK) {
		if (memcmp(ret->keyrec.kex.b, c->o->id->kex_pub.b, sizeof(ret->keyrec.kex.b)) ==
				0 &&
			ret->keyrec.expires_ms > now + KEYREC_RENEW_MS)
			return UB_OK;
		seq = ret->keyrec.seq + 1;
	} else if (err != UNIBUS_ERR_NOT_FOUND) {
		return err;
	}
	err = publish_self(c, seq, ret);
	/* Another process of this identity was quicker. */
	return err == UNIBUS_ERR_CONFLICT ? peer_get(c, target, ret) : err;
}

ub_err ub_peer_self(unibus_client *c, struct ub_keyrec *ret, char text[UB_KEYREC_MAX + 1])
{
	struct ub_peer *self = NULL;
	ub_err err = UB_OK;

	pthread_mutex_lock(&c->self_lock);
	if (!c->self) {
		self = calloc(1, sizeof(*self));
		err = self ? fetch_self(c, self) : UNIBUS_ERR_NOMEM;
		if (err == UB_OK)
			c->self = UB_TAKE(self);
		free(self);
	}
	if (err == UB_OK) {
		*ret = c->self->keyrec;
		memcpy(text, c->self->keyrec_text, UB_KEYREC_MAX + 1);
	}
	pthread_mutex_unlock(&c->self_lock);
	return err;
}
