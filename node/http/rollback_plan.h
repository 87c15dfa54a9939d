/* A rollback, planned: the state to go back to, and what that cancels.
 *
 * Events are never taken out of the log. A rollback is a new event whose operations lead from the state as it is to the
 * state as it was; it names the events that it cancels. */
#ifndef GS_NODE_HTTP_ROLLBACK_PLAN_H
#define GS_NODE_HTTP_ROLLBACK_PLAN_H

#include "node/http/look.h"

#define GS_ROLLBACK_EVENT_TYPE "gs.rollback" /* clients cannot write events whose type begins with "gs." */

enum { GS_ROLLBACK_NAMED_MAX = 1000 /* cancelled events that are named one by one; all are by their versions */ };

/* One event that is cancelled. Slices live in the plan's arena. */
struct gs_cancelled {
    uint64_t version;
    gs_origin origin;
    uint64_t seq;
    gs_hlc clock;
    struct gs_slice event_type;
    struct gs_slice actor;
    uint32_t other_count;
    struct gs_read_key *others; /* aggregates that the same event changed, all of them */
};

/* Zero-initialise; gs_rollback_plan_close frees. */
struct gs_rollback_plan {
    struct gs_arena arena;
    uint64_t to_version;
    uint64_t current;
    struct gs_op *ops; /* that lead from `before` to `target`: gs_aggregate_inverse */
    uint32_t op_count;
    struct gs_aggregate *before; /* as it is now; owned */
    struct gs_aggregate *target; /* as it was; owned */
    uint32_t count;
    struct gs_cancelled *cancelled; /* oldest first; without those that an earlier rollback has cancelled */
};

/* Plans to go back to `to_version`, or, if `has_time`, to the last version up to which every event is stamped by
 * `time_ms`. GS_ENOTFOUND (no such aggregate or version), GS_HTTP_EROLLEDBACK, GS_ETOOBIG (more events than can be
 * named), with `fault` filled in. */
struct gs_rollback_goal {
    bool has_time;
    uint64_t version;
    uint64_t time_ms;
};
int gs_rollback_plan_make(const struct gs_look *look, struct gs_slice type, struct gs_slice id,
                          const struct gs_rollback_goal *goal, struct gs_rollback_plan *plan,
                          struct gs_http_fault *fault);
void gs_rollback_plan_close(struct gs_rollback_plan *plan);

/* Appends "ops": the plan's operations as JSON. */
void gs_rollback_write_ops(const struct gs_rollback_plan *plan, struct gs_buffer *out);

/* Appends the array of cancelled events, with other aggregates as far as `filter` lets them through. */
void gs_rollback_write_cancelled(const struct gs_rollback_plan *plan, const struct gs_past *past,
                                 const struct gs_past_filter *filter, struct gs_buffer *out);

#endif
