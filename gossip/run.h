/* Runs: chained batches of one origin, vouched for by few signatures. A batch names the hash of the one before it, so a
 * good signature covers all that leads to it (FORMAT.md, "Runs"). Anchors are the batches whose own signature every
 * receiver checks all the same: a run can end at any of them, at every node, however it came there. */
#ifndef GS_GOSSIP_RUN_H
#define GS_GOSSIP_RUN_H

#include "gossip/batch.h"

enum {
    GS_RUN_EVENTS = 64,       /* a batch with an event whose seq is a multiple of this is an anchor, … */
    GS_RUN_BATCH_BYTES = 4096 /* … and one of at least so many signed bytes, and an origin's first one */
};

/* A function of the batch alone. */
bool gs_run_is_anchor(const struct gs_batch_head *head);
/* True if `newer` is of the same origin and names `older` as the batch before it: its signature vouches for both. */
bool gs_run_continues(const struct gs_batch_head *older, const struct gs_batch_head *newer);

#endif
