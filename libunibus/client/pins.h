/* pins.h: what this peer has seen first and holds on to: whose handle is whose, which room has a
 * subject, which key record a peer has.
 *
 * Kept in pins.json; every change reads the file again first, so that several processes share it.
 *
 * Threads: any. */
#ifndef UB_CLIENT_PINS_H
#define UB_CLIENT_PINS_H

#include "client/statedir.h"
#include "core/base.h"
#include "core/keyrec.h"

struct ub_pins;

enum ub_pin_map {
	UB_PIN_HANDLES,  /* handle -> endpoint id */
	UB_PIN_SUBJECTS, /* subject -> room id */
	UB_PIN_PEERS,    /* endpoint id -> key record */
	UB_PIN_MAPS,
};

/* `d` is borrowed. UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_IO, UNIBUS_ERR_LOCKED, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_pins_open(struct ub_statedir *d, struct ub_pins **ret);
void ub_pins_free(struct ub_pins *p);

/* A copy, to be freed. UNIBUS_ERR_NOT_FOUND, UNIBUS_ERR_NOMEM. */
UB_MUST_CHECK
ub_err ub_pins_get(struct ub_pins *p, enum ub_pin_map map, const char *key, char **ret);
/* Pins key to value. UNIBUS_ERR_KEY_CHANGED when it is pinned to another one and `replace` is not
 * set; then nothing changes. UNIBUS_ERR_BAD_FILE, UNIBUS_ERR_LOCKED, UNIBUS_ERR_IO. */
UB_MUST_CHECK
ub_err ub_pins_put(
	struct ub_pins *p, enum ub_pin_map map, const char *key, const char *value, bool replace);
/* The handle pinned to an endpoint; "" when there is none. */
void ub_pins_handle_of(struct ub_pins *p, const char *endpoint, char *to, size_t len);

#endif
