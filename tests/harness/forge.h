/* forge.h: frames made by hand, honest or not.
 *
 * Failures fail the running test.
 *
 * Threads: pure. */
#ifndef HARNESS_FORGE_H
#define HARNESS_FORGE_H

#include "core/frame.h"
#include "tests/harness/shadow.h"

/* One frame. forge_honest fills it in as an honest library would; the test then changes what it
 * wants to be a lie. */
struct forge {
	struct ub_room_id room;
	const struct ub_signkey *sign_key; /* NULL: not signed */
	const struct ub_symkey *key;       /* of the epoch; NULL: clear */
	struct ub_frame_header h;
	size_t flip;          /* the byte, plus 1, whose lowest bit is turned; 0: none */
	size_t flip_from_end; /* the same, counted from the last, which is 1 */
	size_t cut;           /* bytes left out at the end */
};

/* The next frame of `by` in the room as `s` has it. */
struct forge forge_honest(
	const struct shadow *s, const struct actor *by, uint64_t session, uint64_t seq);
/* A session number of now. */
uint64_t forge_session(void);
void forge_make(const struct forge *f, const char *text, struct ub_buf *out);

/* Opens what was captured with a key of the test's choice. */
ub_err forge_open(struct ub_bytes frame, const struct ub_room_id *room, const struct ub_symkey *key,
	struct ub_buf *plain);

#endif
