#include "node/store/kept_hash.h"

#include <string.h>

static void put_be64(uint8_t *to, uint64_t value) {
    for (int i = 7; i >= 0; i--) {
        to[i] = (uint8_t)(value & 0xff);
        value >>= 8;
    }
}

void gs_kept_state_hash(struct gs_slice type, struct gs_slice id, const struct gs_kept_state *state,
                        uint8_t ret_hash[GS_LOG_CHECKSUM_SIZE]) {
    uint8_t head[2 * GS_ID_BYTES_MAX + 2 + 3 * 8];
    size_t length = 0;
    memcpy(head, type.bytes, type.length);
    length += type.length;
    head[length++] = '/';
    memcpy(head + length, id.bytes, id.length);
    length += id.length;
    head[length++] = '\0';
    put_be64(head + length, state->version);
    put_be64(head + length + 8, state->position);
    put_be64(head + length + 16, state->updated);
    gs_hash16("gs-state-row-v1", head, length + 24, state->state.bytes, state->state.length, ret_hash);
}

void gs_kept_row_hash(const char *personal, const uint64_t *numbers, size_t count, struct gs_slice bytes,
                      uint8_t ret_hash[GS_LOG_CHECKSUM_SIZE]) {
    uint8_t head[3 * 8];
    for (size_t i = 0; i < count; i++) {
        put_be64(head + 8 * i, numbers[i]);
    }
    gs_hash16(personal, head, 8 * count, bytes.bytes, bytes.length, ret_hash);
}
