/* What commands that listen to a room have in common. */
#include "cli/listen.h"
#include "core/b64url.h"
#include "core/buf.h"
#include "core/limits.h"
#include "support/process.h"

const char *cli_kind_name(enum unibus_kind kind)
{
	static const char *const words[] = {"message", "message", "react", "edit", "redact",
		"request", "response", "typing", "receipt", "beacon"};

	return (size_t)kind < UB_ARRAY_LEN(words) ? words[kind] : "unknown";
}

void cli_set_body(json_t *v, const void *data, size_t len)
{
	json_t *text = json_stringn(data, len); /* NULL unless it is UTF-8 */
	char *b64;

	if (text) {
		json_object_set_new(v, "text", text);
		return;
	}
	b64 = malloc(4 * ((len + 2) / 3) + 1);
	if (b64) {
		ub_b64_encode(data, len, b64);
		json_object_set_new(v, "data", json_string(b64));
	}
	free(b64);
}

json_t *cli_message_json(const struct unibus_msg *m)
{
	json_t *v = json_pack("{s:s, s:I, s:s?, s:s?, s:s, s:s?, s:s?, s:s?, s:s, s:I, s:b, s:b, "
			      "s:I, s:b, s:b}",
		"kind", cli_kind_name(m->kind), "ts", (json_int_t)m->ts_ms, "ref", m->ref, "sender",
		m->sender, "handle", m->handle, "id", m->id, "thread", m->thread, "reply", m->reply,
		"media_type", m->media_type, "epoch", (json_int_t)m->epoch, "encrypted",
		m->encrypted, "verified", m->verified, "position", (json_int_t)m->position,
		"repeated", m->repeated, "permitted", m->permitted);

	cli_set_body(v, m->data, m->len);
	return v;
}

void cli_on_state_end(
	void *arg, unibus_client *client, enum unibus_state state, enum unibus_err why)
{
	struct cli *c = arg;

	(void)client;
	if (state == UNIBUS_REVOKED || state == UNIBUS_STOPPED) {
		process_stop();
	} else if (state == UNIBUS_CONNECTED && c->was_lost) {
		c->was_lost = false;
		fputs("unibus: connected again\n", stderr);
	} else if (why && !c->was_lost) {
		c->was_lost = true;
		/* A server that closes the connection, as when rights are taken away, gives no
		 * reason. */
		fprintf(stderr, "unibus: the connection ended%s%s, connecting again\n",
			why == UNIBUS_ERR_NETWORK ? "" : ": ",
			why == UNIBUS_ERR_NETWORK ? "" : unibus_strerror(why));
	}
}

void cli_on_event_end(void *arg, unibus_client *client, const struct unibus_event *ev)
{
	cli_on_event(arg, client, ev);
	if (ev->kind == UNIBUS_EVENT_REMOVED)
		process_stop();
}

int cli_listen_end(struct cli *c)
{
	struct unibus_room_info info;

	if (unibus_client_state(c->client) == UNIBUS_REVOKED)
		return cli_fail(c, "the connection ended", UNIBUS_ERR_REVOKED);
	unibus_room_get_info(c->room, &info);
	if (!info.role)
		return cli_fail_text("this peer is no longer in %s", info.subject);
	return CLI_OK;
}
