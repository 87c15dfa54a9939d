/* What the files that write and read batches share. Private to gossip. */
#ifndef GS_GOSSIP_BATCH_IMPL_H
#define GS_GOSSIP_BATCH_IMPL_H

#include "gossip/batch.h"

enum {
    GS_BATCH_VERSION = 1,
    GS_BATCH_BODY_LENGTH_AT = 107, /* where the head says how long the body is */
    GS_EVENT_BYTES_MIN = 8         /* six elements in an array, two of them not empty */
};

#define GS_BATCH_CONTEXT "globalstate/batch/v1"
#define GS_BATCH_PERSONAL "gs-batch-v1"

/* Appends head (with the body's length as it is in `head`) and nothing else. */
void gs_batch_head_write(const struct gs_batch_head *head, struct gs_buffer *out);
void gs_batch_dep_write(const struct gs_head *dep, struct gs_buffer *out);

/* Everything about an event that can be checked by itself, the same for what is written and what is read, so that
 * nothing is ever signed that a peer would refuse. GS_EFORMAT, GS_ETOOBIG, GS_EOVERCLAIM. */
int gs_event_check(const struct gs_event *event, const gs_origin *origin);

/* Appends one event, which gs_event_check accepts. `detached_hash` is NULL if nothing travels beside it. GS_ENOMEM or
 * what gs_delta_encode says; then `out` and `table` may hold a part. */
int gs_event_encode(const struct gs_event *event, gs_hlc clock_first, const gs_hash *detached_hash,
                    struct gs_origin_table *table, struct gs_buffer *out);

/* Reads and checks one event of `origin`, numbered `seq`, whose memory is in `arena` and which borrows from the reader.
 * GS_EFORMAT, GS_ETOOBIG, GS_EOVERCLAIM, GS_ENOMEM. */
int gs_event_decode(struct gs_reader *reader, const struct gs_batch_head *head, uint64_t seq,
                    const struct gs_origin_table *table, struct gs_arena *arena, struct gs_event *ret_event);

#endif
