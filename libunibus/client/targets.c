#include "client/targets.h"

#include "core/endpoint.h"

void ub_targets_deinit(struct ub_targets *t)
{
	struct ub_target *at, *next;

	HASH_ITER (hh, t->head, at, next) {
		HASH_DEL(t->head, at);
		free(at);
	}
}

static struct ub_target *find(const struct ub_targets *t, const struct ub_ref *ref)
{
	struct ub_target *at;

	HASH_FIND(hh, t->head, ref->b, sizeof(ref->b), at);
	return at;
}

void ub_targets_note(
	struct ub_targets *t, const struct ub_ref *ref, const struct ub_endpoint *sender)
{
	struct ub_target *at;

	if (find(t, ref))
		return;
	if (HASH_COUNT(t->head) >= UB_TARGETS_MAX) {
		at = t->head;
		HASH_DEL(t->head, at);
	} else {
		at = malloc(sizeof(*at));
	}
	if (!at)
		return;
	*at = (struct ub_target){.ref = *ref, .sender = *sender};
	HASH_ADD(hh, t->head, ref.b, sizeof(at->ref.b), at);
	if (!at->hh.tbl)
		free(at);
}

enum ub_permit ub_targets_judge(const struct ub_targets *t, const struct ub_frame_header *h,
	const struct ub_endpoint *sender, enum ub_role role)
{
	const struct ub_target *target;

	if (h->kind != UB_KIND_EDIT && h->kind != UB_KIND_REDACT)
		return UB_PERMIT_YES;
	if (h->kind == UB_KIND_REDACT && role >= UB_ROLE_ADMIN)
		return UB_PERMIT_YES;
	target = find(t, &h->reply);
	if (!target)
		return UB_PERMIT_UNKNOWN;
	return ub_endpoint_eq(&target->sender, sender) ? UB_PERMIT_YES : UB_PERMIT_NO;
}
