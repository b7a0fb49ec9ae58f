#include <unibus/control.h>

#include "client/control.h"
#include "core/json.h"

static json_t *reply_object(const struct unibus_reply *reply)
{
	json_t *v = NULL;

	if (ub_json_parse_foreign((struct ub_str){reply->body, reply->len}, &v) != UB_OK)
		return NULL;
	if (!json_is_object(v)) {
		json_decref(v);
		return NULL;
	}
	return v;
}

enum unibus_err unibus_reply_error(const struct unibus_reply *reply)
{
	UB_CLEANUP(json_decrefp) json_t *v = NULL;
	const char *code;
	ub_err err;

	if (!reply || !reply->body)
		return UNIBUS_ERR_INVALID;
	if (reply->status >= 200 && reply->status < 300)
		return UB_OK;
	v = reply_object(reply);
	code = v ? json_string_value(json_object_get(v, "code")) : NULL;
	err = unibus_err_from_word(code);
	/* "ok" in an error answer would turn a refusal into a success. */
	return err == UB_OK ? UNIBUS_ERR_INTERNAL : err;
}

/* A server's words may end on a terminal; what would drive it becomes "?". The text is UTF-8, whose
 * C1 controls are C2 80 to C2 9F. */
static void defuse(char *z)
{
	for (unsigned char *p = (unsigned char *)z; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

void ub_reply_sentence(const struct unibus_reply *reply, char *to, size_t len)
{
	UB_CLEANUP(json_decrefp) json_t *v = reply_object(reply);
	const char *text = v ? json_string_value(json_object_get(v, "error")) : NULL;

	snprintf(to, len, "%s", text ? text : unibus_strerror(unibus_reply_error(reply)));
	defuse(to);
}

void unibus_reply_free(struct unibus_reply *reply)
{
	if (!reply)
		return;
	free(reply->body);
	*reply = (struct unibus_reply){0};
}
