/* What the decoders of messages share. Private to gossip. */
#ifndef GS_GOSSIP_MESSAGE_IMPL_H
#define GS_GOSSIP_MESSAGE_IMPL_H

#include <globalstate/codec.h>

/* True if `count` elements of at least `size` bytes may still come: checked before memory is reserved for them. */
static inline bool gs_reader_may_hold(const struct gs_reader *reader, uint32_t count, size_t size) {
    return count <= (size_t)(reader->end - reader->at) / size;
}

#endif
