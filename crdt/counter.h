/* The store of one counter: per origin, how far it has counted and how much of that is cancelled.
 *
 * Independent of the causal context: both marks only grow, so a join takes the greater of each (crdt/SEMANTICS.md). */
#ifndef GS_CRDT_COUNTER_H
#define GS_CRDT_COUNTER_H

#include <globalstate/delta.h>
#include <globalstate/memory.h>

/* Sums over origins, exactly. */
__extension__ typedef __int128 gs_wide;

static inline int64_t gs_saturate(gs_wide sum) {
    return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

/* Up to `at`, the increments of the current frame sum to `total`. */
struct gs_mark {
    gs_point at;
    int64_t total;
};

struct gs_tally {
    gs_origin origin;
    struct gs_mark last;  /* the newest increment */
    struct gs_mark reset; /* the newest that is cancelled */
};

/* Zero-initialise for the counter that nobody has touched. Sorted by origin. */
struct gs_counter {
    struct gs_tally *tallies; /* owned */
    uint32_t count;
    uint32_t capacity;
};

/* True if increments of this origin are not cancelled. */
static inline bool gs_tally_alive(const struct gs_tally *tally) {
    return gs_point_compare(tally->last.at, tally->reset.at) > 0;
}

/* The tally of `origin`, or NULL. */
const struct gs_tally *gs_counter_find(const struct gs_counter *counter, const gs_origin *origin);
/* Raises the marks of `tally->origin` to at least those of `tally`. 0 or GS_ENOMEM (then unchanged). */
int gs_counter_raise(struct gs_counter *counter, struct gs_memory *memory, const struct gs_tally *tally);
/* The sum of the increments that are not cancelled. */
gs_wide gs_counter_sum(const struct gs_counter *counter);
/* Fills the tally of a change that adds `by` to what is `shown`: continues the frame of `writer`, or begins one.
 * `counter` may be NULL. 1, or GS_EOVERFLOW: what is shown, or the writer's own total, would leave int64. */
int gs_counter_continue(const struct gs_counter *counter, const gs_origin *writer, gs_wide shown, int64_t by,
                        struct gs_change *change);

#endif
