/* One step of removing what the log no longer needs (node/core/truncation.h), the same for every engine.
 *
 * Types are walked in classes: those with one period and one floor together. A walk goes up the log from the floor, as
 * far as everything in the request allows, and raises the floor behind it; what it passes of its own types leaves the
 * index. A record goes when the floors of all types in it have passed it. So a log may have types that are remembered
 * for a month beside others that are remembered for ever, at the price of each record being read once a class. */
#ifndef GS_NODE_STORE_TRUNCATE_H
#define GS_NODE_STORE_TRUNCATE_H

#include "node/core/truncation.h"
#include "node/store/store.h"

/* What the engine does, all in one transaction. Each returns 0 or an error, which ends the step. */
struct gs_truncate_engine {
    void *context;
    const struct gs_base *base; /* as it is */
    uint64_t indexed;           /* nothing after this position is touched */
    /* Visits up to `max` records that are there after position `after`; a visit that is not 0 ends it, and is returned.
     */
    int (*read)(void *context, uint64_t after, uint32_t max, gs_store_record_fn visit, void *visit_context);
    /* Takes an aggregate's events up to position `floor` out of the index, and the kept states before the oldest that
     * has all of these. GS_ECORRUPT: there is none, as it should not be. */
    int (*cut)(void *context, struct gs_slice type, struct gs_slice id, uint64_t floor);
    /* Removes the record at `position`, which is there, with its version list. */
    int (*drop)(void *context, uint64_t position);
    int (*set_base)(void *context, const struct gs_base *base);
};

/* `ret_base` is zero-initialised; it stays so if there was nothing to do, and is the new base else, for the caller to
 * take over once the transaction is committed. `ret_truncated->records` and `more` are set, the rest is the caller's.
 * The engine's error, GS_ECORRUPT, GS_ENOMEM. */
int gs_truncate_step(const struct gs_truncate_engine *engine, const struct gs_truncation *truncation,
                     struct gs_base *ret_base, struct gs_truncated *ret_truncated);
/* Fills in what `base`, the engine's after the step, says. 0 or GS_ENOMEM. */
int gs_truncated_describe(const struct gs_base *base, struct gs_truncated *truncated);

#endif
