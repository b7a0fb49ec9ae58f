#include "membershipd/nats/notify.h"

#include <inttypes.h>

#include "core/endpoint.h"
#include "core/subject.h"

static const char *type_of(enum md_event_kind kind)
{
	switch (kind) {
	case MD_EVENT_REVOKED:
		return "revoked";
	case MD_EVENT_GRANTED:
		return "grant";
	case MD_EVENT_NARROWED:
	case MD_EVENT_ROOM:
		break;
	}
	return "room";
}

ub_err md_notify_text(struct md_service *s, const struct md_event *ev, struct ub_buf *out)
{
	struct md_revision rev;
	char room[UB_ID_TEXT + 1];

	md_revision_text(s, ev->rev, &rev);
	ub_buf_printf(out, "{\"v\":1,\"type\":\"%s\"", type_of(ev->kind));
	if (ev->kind != MD_EVENT_REVOKED) {
		ub_room_id_encode(&ev->room, room);
		ub_buf_printf(out, ",\"room\":\"%s\",\"seq\":%" PRIu64, room, ev->seq);
	}
	if (ev->kind == MD_EVENT_NARROWED)
		ub_buf_z(out, ",\"narrows\":true");
	ub_buf_printf(out, ",\"revision\":\"%s\"}", rev.z);
	return ub_buf_err(out);
}

size_t md_notify_send(struct md_link *l, const struct md_event *ev, struct ub_str text)
{
	struct ub_wire to;
	size_t unsent = 0;

	for (size_t i = 0; i < ev->n_who; i++) {
		ub_wire_notify(&ev->who[i], &to);
		if (md_link_publish(l, MD_PLANE_BUS, to.z, NULL,
			    (struct ub_bytes){(const uint8_t *)text.p, text.len}))
			unsent++;
	}
	return unsent;
}
