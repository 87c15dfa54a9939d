/* What encoder and decoder of deltas agree on beside crdt/FORMAT.md. */
#ifndef GS_CRDT_DELTA_FORMAT_H
#define GS_CRDT_DELTA_FORMAT_H

#include <globalstate/delta.h>

/* Members of an encoded change: kind, index and path, and what the kind adds. */
static inline uint32_t gs_change_length(enum gs_op_kind kind, bool fresh) {
    switch (kind) {
    case GS_OP_INCREMENT:
        return fresh ? 4 : 5;
    case GS_OP_UNSET:
    case GS_OP_MAKE_MAP:
        return 4;
    default:
        return 5;
    }
}

#endif
