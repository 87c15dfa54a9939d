/* Carries out what the core asks of the log (gs_core_rebuild): aggregates made again from their events, on libuv's
 * thread pool, one round of them at a time, in the order in which they were asked for. */
#ifndef GS_NODE_SERVE_REBUILDER_H
#define GS_NODE_SERVE_REBUILDER_H

#include "gossip/trust.h"
#include "node/core/core.h"
#include "node/history/pool.h"

#include <uv.h>

struct gs_rebuilder;

/* On the loop, for each request; `state` is borrowed for the call. */
typedef void (*gs_rebuilt_fn)(void *context, uint64_t number, int error, uint64_t version, gs_hlc updated,
                              struct gs_slice state);

/* Borrows everything. NULL when out of memory. */
struct gs_rebuilder *gs_rebuilder_new(uv_loop_t *loop, struct gs_history_pool *history, gs_rebuilt_fn rebuilt,
                                      void *context);
/* Takes the cut of the request. `trust` is copied before this returns. A request that there is no memory for is
 * answered so. */
void gs_rebuilder_put(struct gs_rebuilder *rebuilder, struct gs_core_rebuild *rebuild, const struct gs_trust *trust);
/* Forgets what was asked for: no answer comes any more, also none of the round under way. */
void gs_rebuilder_forget(struct gs_rebuilder *rebuilder);
/* Forgets, waits for the round under way; then `closed` is called on the loop, and the rebuilder is gone. NULL: at
 * once. */
void gs_rebuilder_close(struct gs_rebuilder *rebuilder, void (*closed)(void *context), void *context);

#endif
