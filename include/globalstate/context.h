/* Causal context: which dots have been seen.
 *
 * A set of dots, kept per origin as sorted, disjoint, non-adjacent intervals of points. Under in-order delivery each
 * origin has one interval that starts at the beginning, which costs (and encodes as) one number; out of order there are
 * gaps, and the context stays exact. A delta's context claims the events (previous, seq] of its own origin, as one
 * interval, and single foreign dots that it supersedes; nothing that it does not carry. Cost: lookup O(log origins +
 * log intervals); adding at the end of an origin's last interval O(log origins). */
#ifndef GLOBALSTATE_CONTEXT_H
#define GLOBALSTATE_CONTEXT_H

#include <globalstate/dot.h>
#include <globalstate/memory.h>

/* All points from `first` to `last`, both included. */
struct gs_interval {
    gs_point first;
    gs_point last;
};

struct gs_context_entry {
    gs_origin origin;
    uint32_t count;
    uint32_t capacity;
    struct gs_interval one;        /* used while capacity == 0: the usual case costs no allocation */
    struct gs_interval *intervals; /* owned, when capacity > 0 */
};

/* Zero-initialise for the empty context. Entries are sorted by origin. Treat the fields as read-only. */
struct gs_context {
    struct gs_context_entry *entries; /* owned */
    uint32_t count;
    uint32_t capacity;
};

void gs_context_close(struct gs_context *context, struct gs_memory *memory);

bool gs_context_contains(const struct gs_context *context, const gs_dot *dot);

/* True if every dot of the events (after, seq] is in the context. */
bool gs_context_contains_events(const struct gs_context *context, const gs_origin *origin, uint64_t after,
                                uint64_t seq);

/* True if all points of `origin` from `range.first` to `range.last` are in the context; or any of them. */
bool gs_context_contains_range(const struct gs_context *context, const gs_origin *origin, struct gs_interval range);
bool gs_context_touches(const struct gs_context *context, const gs_origin *origin, struct gs_interval range);

/* Add all dots of the events (after, seq], after < seq. 0 or GS_ENOMEM (then unchanged). */
int gs_context_add_events(struct gs_context *context, struct gs_memory *memory, const gs_origin *origin, uint64_t after,
                          uint64_t seq);

/* Add a single dot. 0 or GS_ENOMEM (then unchanged). */
int gs_context_add_dot(struct gs_context *context, struct gs_memory *memory, const gs_dot *dot);

/* context := context ∪ other. 0 or GS_ENOMEM (then some of `other` may be in; repeating it is safe). */
int gs_context_join(struct gs_context *context, struct gs_memory *memory, const struct gs_context *other);

/* True if `context` holds every dot of `other`. */
bool gs_context_includes(const struct gs_context *context, const struct gs_context *other);

/* Takes all dots of `origin` out; nothing if there are none. */
void gs_context_remove_origin(struct gs_context *context, struct gs_memory *memory, const gs_origin *origin);

bool gs_context_equal(const struct gs_context *a, const struct gs_context *b);

/* The intervals of an entry, whatever its representation. */
const struct gs_interval *gs_context_intervals(const struct gs_context_entry *entry);

/* The greatest seq of `origin` of which the context holds anything, 0 if none: the aggregate's vector clock entry. */
uint64_t gs_context_seq(const struct gs_context *context, const gs_origin *origin);

#endif
