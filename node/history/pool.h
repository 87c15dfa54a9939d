/* Readers of the past for request threads: a few, lent one at a time.
 *
 * A reader that is lent out stands in an unchanging cut of the log that holds, fully indexed, everything that was
 * committed when it was asked for: what a client was told is in its history. The index is written behind, so a borrower
 * may have to wait for it; it tells the store to hurry.
 *
 * While the store is away, a breaker (node/store/breaker.h) lets one borrower at a time find out whether it is back,
 * and refuses the others at once. */
#ifndef GS_NODE_HISTORY_POOL_H
#define GS_NODE_HISTORY_POOL_H

#include "node/store/breaker.h"
#include "node/store/history.h"
#include "node/store/store.h"

struct gs_history_pool;

enum {
    GS_HISTORY_READERS = 4,
    GS_HISTORY_WAIT_MS = 5000 /* for a free reader, and for the index */
};

/* NULL when out of memory. */
struct gs_history_pool *gs_history_pool_new(void);
/* No reader may be lent out. NULL is allowed. */
void gs_history_pool_free(struct gs_history_pool *pool);

/* Takes readers of a store that was opened. `hurry` may be called by any thread, until gs_history_pool_detach returns:
 * the index is waited for. GS_ENOMEM, GS_EIO, GS_ECORRUPT. */
int gs_history_pool_attach(struct gs_history_pool *pool, struct gs_store *store);
void gs_history_pool_set_hurry(struct gs_history_pool *pool, void (*hurry)(void *context), void *context);
/* Failures in a row after which the breaker opens; 0: GS_BREAKER_THRESHOLD, which it is at first. */
void gs_history_pool_set_breaker(struct gs_history_pool *pool, uint32_t threshold);
/* A copy of the breaker. */
void gs_history_pool_breaker(struct gs_history_pool *pool, struct gs_breaker *ret_breaker);
/* The store is going to be closed: nothing is lent any more; what is lent is closed when it comes back. */
void gs_history_pool_detach(struct gs_history_pool *pool);

/* Lends a reader. GS_EOVERLOADED (none became free, or the index did not catch up), GS_ESTORE (there is no store, or
 * it is away), GS_EIO, GS_ECORRUPT, GS_ENOMEM. */
int gs_history_borrow(struct gs_history_pool *pool, struct gs_history_reader **ret_reader);
void gs_history_return(struct gs_history_pool *pool, struct gs_history_reader *reader);

#endif
