/* unibus/unibus.h: everything a peer needs.
 *
 *   unibus_identity   who the peer is: two key pairs in a file
 *   unibus_options    where to connect and how
 *   unibus_client     a connection to both planes: REST (control) and NATS (messages)
 *   unibus_room       a room the peer is in: policy, members, keys, verified from its signed log
 *   unibus_sub        a running subscription
 *
 * Every call that can fail returns enum unibus_err; 0 is success. Results go to `ret` pointers,
 * written only on success. Handles are opaque; each is freed by the function its header names;
 * freeing NULL is nothing. No call prints, exits or aborts on an argument.
 *
 * Threads: see each header. */
#ifndef UNIBUS_UNIBUS_H
#define UNIBUS_UNIBUS_H

#include <unibus/blob.h>
#include <unibus/client.h>
#include <unibus/control.h>
#include <unibus/error.h>
#include <unibus/identity.h>
#include <unibus/message.h>
#include <unibus/request.h>
#include <unibus/room.h>
#include <unibus/version.h>

#endif
