#include "membershipd/cmd/natsconf.h"

#include <string.h>

#include "core/limits.h"

/* What one peer's connection may do: limits in the login itself are not enforced by the server in
 * this mode, those of the account are. */
#define BUS_SUBSCRIPTIONS_MAX (2 * UB_ROOMS_JOINED_MAX + 24)
#define BUS_PAYLOAD_MAX (72 * 1024) /* a frame of UB_PAYLOAD_MAX and its envelope */
#define STORE_MEMORY_MB 256

bool natsconf_text_ok(const char *z)
{
	for (; *z; z++)
		if ((unsigned char)*z < 0x20 || *z == 0x7f)
			return false;
	return true;
}

/* One line "key: "value"". */
static void put_text(struct ub_buf *b, const char *key, const char *z, const char *suffix)
{
	ub_buf_printf(b, "%s: \"", key);
	for (; *z; z++) {
		if (*z == '"' || *z == '\\')
			ub_buf_u8(b, '\\');
		ub_buf_u8(b, (uint8_t)*z);
	}
	ub_buf_printf(b, "%s\"\n", suffix);
}

static void put_server(const struct natsconf *c, struct ub_buf *b)
{
	bool v6 = strchr(c->bind, ':') != NULL;

	ub_buf_z(b, "# Written by `membershipd init`: one node of a unibus. No secrets in here.\n");
	put_text(b, "server_name", c->server_name, "");
	ub_buf_printf(b, "listen: \"%s%s%s:%u\"\n", v6 ? "[" : "", c->bind, v6 ? "]" : "", c->port);
	if (c->monitor_port)
		ub_buf_printf(b, "http: \"127.0.0.1:%u\"\n", c->monitor_port);
	ub_buf_printf(b, "max_payload: %u\n", (unsigned)UB_BUS_PAYLOAD_MAX);
	/* A peer or a node that hangs is noticed within half a minute. */
	ub_buf_z(b, "ping_interval: \"10s\"\nping_max: 2\nwrite_deadline: \"5s\"\n");
	if (c->tls_cert) {
		ub_buf_z(b, "tls {\n");
		put_text(b, "\tcert_file", c->tls_cert, "");
		put_text(b, "\tkey_file", c->tls_key, "");
		put_text(b, "\tca_file", c->tls_ca, "");
		ub_buf_z(b, "\tmin_version: \"1.2\"\n\ttimeout: 5\n}\n");
	}
}

static void put_jetstream(const struct natsconf *c, struct ub_buf *b)
{
	ub_buf_z(b, "\n# Acknowledged means on disk.\njetstream {\n");
	put_text(b, "\tstore_dir", c->root, "/jetstream");
	ub_buf_printf(b,
		"\tsync_interval: always\n\tstrict: true\n"
		"\tmax_memory_store: %uMB\n\tmax_file_store: %lluMB\n}\n",
		STORE_MEMORY_MB, (unsigned long long)c->store_mb);
}

static void put_user(const struct natsconf *c, enum md_plane p, struct ub_buf *b)
{
	ub_buf_printf(b, "\t\tusers: [ { nkey: %s } ]\n", c->keys->user_nkey[p]);
}

/* What an account gives to or takes from another: one subject a shard. */
struct shard_row {
	const char *list, *kind, *row, *with, *more;
};

static void put_shards(const struct natsconf *c, const struct shard_row *r, struct ub_buf *b)
{
	bool out = strcmp(r->list, "exports") == 0;

	for (unsigned k = 0; k < c->log_shards; k++)
		ub_buf_printf(b,
			out ? "\t\t\t{ %s: \"unibus.%s%u.>\", accounts: [%s]%s }\n"
			    : "\t\t\t{ %s: { subject: \"unibus.%s%u.>\", account: %s }%s }\n",
			r->kind, r->row, k, r->with, r->more);
}

/* What is to be kept goes to LOG as a service, not as a stream, although nobody answers: on that
 * way the server writes a header of its own, and so a message whose header is one byte long never
 * meets the republishing of 2.15.1, which dies of it. What a publisher's reply subject costs ends
 * with the threshold. */
static void put_shared(const struct natsconf *c, enum md_plane p, struct ub_buf *b)
{
	const char *with = p == MD_PLANE_LOG ? "BUS" : "LOG";
	const char *logs = p == MD_PLANE_LOG ? "exports" : "imports";

	ub_buf_printf(b, "\t\t%s: [\n", logs);
	put_shards(c,
		&(struct shard_row){logs, "service", "log", with,
			p == MD_PLANE_LOG ? ", threshold: \"10ms\"" : ""},
		b);
	put_shards(c, &(struct shard_row){logs, "stream", "live", with, ""}, b);
	ub_buf_z(b, "\t\t]\n");
}

/* Room history gets seven tenths of the disk, control state two: the log cannot starve it. */
static void put_accounts(const struct natsconf *c, struct ub_buf *b)
{
	unsigned long long store = c->store_mb;

	ub_buf_z(b, "\naccounts {\n\tSYS {\n");
	put_user(c, MD_PLANE_SYS, b);
	ub_buf_printf(b, "\t}\n\tCTRL {\n\t\tjetstream: { max_mem: 64MB, max_store: %lluMB }\n",
		store * 2 / 10);
	put_user(c, MD_PLANE_CTRL, b);
	ub_buf_printf(b, "\t}\n\tLOG {\n\t\tjetstream: { max_mem: 64MB, max_store: %lluMB }\n",
		store * 7 / 10);
	put_user(c, MD_PLANE_LOG, b);
	put_shared(c, MD_PLANE_LOG, b);
	ub_buf_z(b, "\t}\n\tBUS {\n");
	put_user(c, MD_PLANE_BUS, b);
	ub_buf_printf(b, "\t\tlimits: { max_subs: %u, max_payload: %u, max_leafnodes: 0 }\n",
		(unsigned)BUS_SUBSCRIPTIONS_MAX, (unsigned)BUS_PAYLOAD_MAX);
	put_shared(c, MD_PLANE_BUS, b);
	ub_buf_z(b, "\t}\n}\nsystem_account: SYS\n");
}

static void put_callout(const struct natsconf *c, struct ub_buf *b)
{
	ub_buf_printf(b,
		"\n# Every login but those of membershipd itself is decided by membershipd.\n"
		"authorization {\n\ttimeout: 5\n\tauth_callout {\n"
		"\t\tissuer: %s\n\t\taccount: CTRL\n\t\txkey: %s\n\t\tauth_users: [\n",
		c->keys->issuer_nkey, c->keys->xkey_nkey);
	for (enum md_plane p = MD_PLANE_SYS; p < MD_PLANES; p++)
		ub_buf_printf(b, "\t\t\t%s\n", c->keys->user_nkey[p]);
	ub_buf_z(b, "\t\t]\n\t\tallowed_accounts: [ BUS ]\n\t}\n}\n");
}

ub_err natsconf_write(const struct natsconf *c, struct ub_buf *out)
{
	put_server(c, out);
	put_jetstream(c, out);
	put_accounts(c, out);
	put_callout(c, out);
	return ub_buf_err(out);
}
