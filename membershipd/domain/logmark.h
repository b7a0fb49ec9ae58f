/* logmark.h: what control state knows of the streams that keep rooms' history.
 *
 * A stream that is not there looks the same whether it was never made or its key at rest is wrong,
 * and an empty one made in its stead would pass for the history of every room. So the control
 * state holds, for each, when it was made.
 *
 * Threads: any; reads and writes the store. */
#ifndef MD_LOGMARK_H
#define MD_LOGMARK_H

#include "membershipd/domain/service.h"

#define MD_LOGMARK_TEXT 64
struct md_logmark {
	char created[MD_LOGMARK_TEXT]; /* as JetStream says it */
};
/* UNIBUS_ERR_NOT_FOUND: none was made. The store's errors; UNIBUS_ERR_BAD_FILE. */
UB_MUST_CHECK
ub_err md_logmark_get(struct md_service *s, unsigned shard, struct md_logmark *ret);
/* The first one. UNIBUS_ERR_CONFLICT: there is one with another text; the store's errors. */
UB_MUST_CHECK
ub_err md_logmark_put(struct md_service *s, unsigned shard, const struct md_logmark *m);

#endif
