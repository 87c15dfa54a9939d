/* What encoder and decoder of states agree on beside crdt/FORMAT.md. */
#ifndef GS_CRDT_STATE_FORMAT_H
#define GS_CRDT_STATE_FORMAT_H

#include <globalstate/context.h>

/* The version also tells the forms apart: what is canonical only cannot be taken for a whole state. */
enum { GS_STATE_VERSION_CANONICAL = 2, GS_STATE_VERSION_FULL = 3 };

/* True if the interval is all dots of the events 1..n: one number in the encoding. */
static inline bool gs_interval_is_events(const struct gs_interval *interval) {
    return interval->first.seq == 1 && interval->first.index == 0 && interval->last.index == UINT32_MAX;
}

#endif
