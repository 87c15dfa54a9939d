/* Removing what the log no longer needs: what the core allows, and what the store did.
 *
 * A record may go when
 *   - every member has it, by the applied log (stable.c), and so has every peer that is linked now: nobody is going to
 *     ask for it. Every trusted key must have been heard of: one that never was may be writing all the while;
 *   - states that are kept on disk, and attested, have all of its events (keep.h): no start and no repair needs it;
 *   - all of its events are past the period for which their types are to be remembered (retention.h).
 * No record goes while an origin is forked: its history may have to be built again. Batches in quarantine, and those
 * that wait, are not in the log.
 *
 * One step is bounded, so that a commit waits for one about as long as for a group commit, and steps take half of the
 * store's time at most. */
#ifndef GS_NODE_CORE_TRUNCATION_H
#define GS_NODE_CORE_TRUNCATION_H

#include "gossip/vector.h"
#include "node/core/retention.h"

#include <globalstate/hlc.h>

enum {
    GS_TRUNCATE_RECORDS_MAX = 128, /* looked at in one step */
    GS_TRUNCATE_CHANGES_MAX = 256  /* … and changes in them; the last record may go past it */
};

struct gs_truncation {
    const struct gs_retention *retention; /* borrowed; it outlives the store's thread */
    struct gs_vector stable;              /* owned: nothing beyond it goes */
    uint64_t low;                         /* nor anything after this position */
    uint64_t now_ms;                      /* wall clock */
    uint32_t turn;                        /* counts steps, so that every type gets its turn */
};

/* What a step did. Zero-initialise. */
struct gs_truncated {
    uint64_t position;      /* of the base now */
    gs_hlc clock;           /* the greatest clock of what may be gone */
    struct gs_vector heads; /* at the base; owned */
    uint64_t records;       /* removed by this step */
    bool more;              /* the step ended for its bounds */
};

/* NULL is allowed. */
void gs_truncation_free(struct gs_truncation *truncation);

#endif
