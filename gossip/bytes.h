/* Big-endian numbers in fixed places: heads of batches and frames. Private to gossip. */
#ifndef GS_GOSSIP_BYTES_H
#define GS_GOSSIP_BYTES_H

#include <stdint.h>

static inline void gs_put_be(uint8_t *to, uint64_t value, int size) {
    for (int i = size - 1; i >= 0; i--) {
        to[i] = (uint8_t)(value & 0xff);
        value >>= 8;
    }
}

static inline uint64_t gs_get_be(const uint8_t *from, int size) {
    uint64_t value = 0;
    for (int i = 0; i < size; i++) {
        value = value << 8 | from[i];
    }
    return value;
}

#endif
