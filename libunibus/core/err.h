/* err.h: the one table of outcomes, as the code inside names it.
 *
 * Three kinds of failure, never mixed: a bug aborts (ub_assert); the environment (memory, disk,
 * network) is passed up unchanged and logged once; an outcome (denied, conflict ...) is named in
 * the header of the function that returns it and handled by the caller.
 *
 * Threads: pure. */
#ifndef UB_ERR_H
#define UB_ERR_H

#include <unibus/error.h>

typedef enum unibus_err ub_err;

#define UB_OK UNIBUS_ERR_OK

/* The HTTP status of an outcome; 500 for one that has none. */
int ub_err_status(ub_err err);

#endif
