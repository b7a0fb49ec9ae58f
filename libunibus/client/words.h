/* words.h: a room's entry as a sentence: "alice added bob as member".
 *
 * Threads: any. */
#ifndef UB_CLIENT_WORDS_H
#define UB_CLIENT_WORDS_H

#include "client/client.h"
#include "core/entry.h"

/* Cut to fit. */
void ub_entry_words(unibus_client *c, const struct ub_entry *e, char *to, size_t len);
/* A handle, or the first characters of an endpoint id. */
void ub_peer_words(unibus_client *c, const struct ub_endpoint *id, char *to, size_t len);

#endif
