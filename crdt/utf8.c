#include "utf8.h"

#include <globalstate/codec.h>

#include <string.h>

/* Unicode 15, table 3-7: only the second byte has a range that depends on the first. */
static void second_byte_range(uint8_t lead, uint8_t *ret_low, uint8_t *ret_high) {
    *ret_low = 0x80;
    *ret_high = 0xBF;
    if (lead == 0xE0) {
        *ret_low = 0xA0; /* below: overlong */
    } else if (lead == 0xED) {
        *ret_high = 0x9F; /* above: surrogates */
    } else if (lead == 0xF0) {
        *ret_low = 0x90; /* below: overlong */
    } else if (lead == 0xF4) {
        *ret_high = 0x8F; /* above: past U+10FFFF */
    }
}

size_t gs_utf8_sequence(const uint8_t *bytes, size_t length) {
    uint8_t lead = bytes[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length < size) {
        return 0;
    }
    uint8_t low;
    uint8_t high;
    second_byte_range(lead, &low, &high);
    if (bytes[1] < low || bytes[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return size;
}

bool gs_utf8_valid(const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    while (length > 0) {
        if (length >= sizeof(uint64_t)) {
            uint64_t word;
            memcpy(&word, at, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof word;
                length -= sizeof word;
                continue;
            }
        }
        size_t size = gs_utf8_sequence(at, length);
        if (size == 0) {
            return false;
        }
        at += size;
        length -= size;
    }
    return true;
}
