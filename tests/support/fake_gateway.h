/* A gateway without a loop, for tests of what calls it: a real replica core, stepped under a lock by whoever calls, on
 * a disk that is instantaneous.
 *
 * Aggregates (and lists) of the type "fault" are answered with what only a shell can produce: the id (for lists: the
 * cursor) "overloaded", "starting", "store", "shutdown" or "memory" says what. The id "store-down" makes
 * gs_gateway_status tell of a store that is away, "stuck" of a loop that has not turned for a minute; "well" ends both.
 */
#ifndef GS_TESTS_SUPPORT_FAKE_GATEWAY_H
#define GS_TESTS_SUPPORT_FAKE_GATEWAY_H

#include "node/serve/gateway.h"

/* A gateway to a new, empty node of the region `region`, in a cluster of its own. NULL: it could not be made. */
struct gs_gateway *fake_gateway_new(const char *region);
void fake_gateway_free(struct gs_gateway *gateway);

#endif
