/* From the log to the index over it: what each record's events made of the aggregates that they changed.
 *
 * The engine hands records over in log order and keeps what the sink is given, all in one transaction: a slice. Within
 * a slice an aggregate is loaded once and stored once, however many events it has. */
#ifndef GS_NODE_STORE_PROJECTION_H
#define GS_NODE_STORE_PROJECTION_H

#include "node/core/keep.h"
#include "node/core/table.h"
#include "node/store/history.h"

/* What the engine keeps. Each returns 0 or an error, which ends the slice. */
struct gs_projection_sink {
    void *context;
    /* An aggregate as last stored; one that is new gets a number, and version 0 and an empty vector (as `ret_vector`
     * is), or what a kept state of it says whose events are gone. */
    int (*load)(void *context, struct gs_slice type, struct gs_slice id, uint64_t *ret_number, uint64_t *ret_version,
                struct gs_version_vector *ret_vector);
    int (*store)(void *context, uint64_t number, uint64_t version, const struct gs_version_vector *vector);
    /* The number of an origin, given out if it is new. */
    int (*origin)(void *context, const gs_origin *origin, uint32_t *ret_number);
    int (*event)(void *context, uint64_t number, const struct gs_history_entry *entry);
    int (*versions)(void *context, uint64_t position, struct gs_slice list);
};

/* Zero-initialise, set `sink`. */
struct gs_projection {
    struct gs_projection_sink sink;
    struct gs_table aggregates; /* of this slice */
    uint32_t events;            /* indexed in this slice */
};

/* Indexes the record at `position`. GS_ECORRUPT, GS_ENOMEM, or the sink's error. */
int gs_projection_record(struct gs_projection *projection, uint64_t position, struct gs_slice record);
/* The vector clock that a state's context is, the only part of it that is read. GS_ECORRUPT (no context), GS_ENOMEM, or
 * the error of the sink, which is asked for the numbers of origins. */
int gs_projection_vector(const struct gs_projection_sink *sink, struct gs_slice state,
                         struct gs_version_vector *vector);
/* Indexes an aggregate whose events are gone by its kept state: its version and its vector clock. Errors: the same. */
int gs_projection_state(const struct gs_projection_sink *sink, const struct gs_keep_state *state);
/* Stores the aggregates of the slice. The sink's error. */
int gs_projection_finish(struct gs_projection *projection);
/* Forgets the slice; ready for the next one. */
void gs_projection_reset(struct gs_projection *projection);

#endif
