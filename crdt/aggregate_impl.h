/* The aggregate, for the files that implement it. */
#ifndef GS_CRDT_AGGREGATE_IMPL_H
#define GS_CRDT_AGGREGATE_IMPL_H

#include "crdt/dot_map.h"

#include <globalstate/aggregate.h>

/* Invariants between calls: every dot below `root` is in `context`; no field holds nothing. */
struct gs_aggregate {
    struct gs_memory memory; /* `used` counts the aggregate itself too */
    struct gs_context context;
    struct gs_dot_map root;
};

/* An allocator with the same functions and an account of its own. */
static inline struct gs_memory gs_memory_like(const struct gs_memory *memory) {
    return (struct gs_memory){.resize = memory ? memory->resize : NULL, .context = memory ? memory->context : NULL};
}

#endif
