/* A bootstrap's stage (stage.h) behind the store's thread: what the core hands out is kept, then installed. One loop.
 */
#ifndef GS_NODE_SERVE_STAGER_H
#define GS_NODE_SERVE_STAGER_H

#include "node/core/core.h"
#include "node/store/store_thread.h"

struct gs_stager;

/* `installed` is called on the loop, once for each install. `path` is copied. NULL when out of memory. */
struct gs_stager *gs_stager_new(const char *path, const gs_cluster *cluster,
                                void (*installed)(void *context, int error), void *context);
/* Nothing of it may be on a store's thread. NULL is allowed. */
void gs_stager_free(struct gs_stager *stager);

/* Carries out what an update says of stages and an install; takes the latter. True if an install is under way: it is
 * only read until `installed` is called. */
bool gs_stager_carry_out(struct gs_stager *stager, struct gs_store_thread *store, struct gs_update *update);
/* Steps a recovered core, not started yet, with what an earlier process has left; of a core that is not empty, what is
 * left is of no use and removed. */
void gs_stager_load(struct gs_stager *stager, struct gs_core *core);

#endif
