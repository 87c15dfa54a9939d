#include "gossip/body.h"

#include <globalstate/codec.h>

#include <stdlib.h>
#include <string.h>

enum { TRIPLE_BYTES_MIN = 18 + 1 + 34 };

int gs_body_read_vector(struct gs_reader *reader, struct gs_vector *ret_vector) {
    uint32_t flat = gs_read_array(reader, 3 * GS_VECTOR_MAX);
    uint32_t count = flat / 3;
    if (flat % 3 != 0 || count > (size_t)(reader->end - reader->at) / TRIPLE_BYTES_MIN) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0 || count == 0) {
        return reader->error;
    }
    struct gs_head *heads = calloc(count, sizeof *heads);
    if (heads == NULL) {
        return GS_ENOMEM;
    }
    *ret_vector = (struct gs_vector){.heads = heads, .count = count, .capacity = count};
    for (uint32_t i = 0; i < count; i++) {
        gs_read_bin_exact(reader, heads[i].origin.bytes, GS_ORIGIN_SIZE);
        heads[i].seq = gs_read_uint(reader);
        gs_read_bin_exact(reader, heads[i].hash.bytes, GS_HASH_SIZE);
        bool sorted = i == 0 || gs_origin_compare(&heads[i - 1].origin, &heads[i].origin) < 0;
        if (heads[i].seq < 1 || heads[i].seq > (uint64_t)INT64_MAX || !sorted) {
            return gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return reader->error;
}

void gs_body_write_vector(const struct gs_vector *vector, struct gs_buffer *out) {
    gs_write_array(out, 3 * vector->count);
    for (uint32_t i = 0; i < vector->count; i++) {
        gs_write_bin(out, vector->heads[i].origin.bytes, GS_ORIGIN_SIZE);
        gs_write_uint(out, vector->heads[i].seq);
        gs_write_bin(out, vector->heads[i].hash.bytes, GS_HASH_SIZE);
    }
}

/* One byte of depth, then the nibbles; the unused half of the last byte is 0. */
void gs_body_read_prefix(struct gs_reader *reader, struct gs_compare_prefix *ret_prefix) {
    struct gs_slice bytes = gs_read_bin(reader, 1 + GS_COMPARE_PATH_SIZE);
    uint8_t depth = bytes.length > 0 ? bytes.bytes[0] : 255;
    if (depth > GS_COMPARE_DEPTH_MAX || bytes.length != 1U + (depth + 1U) / 2 ||
        (depth % 2 == 1 && (bytes.bytes[bytes.length - 1] & 15) != 0)) {
        gs_reader_fail(reader, GS_EFORMAT);
        return;
    }
    ret_prefix->depth = depth;
    memcpy(ret_prefix->path, bytes.bytes + 1, bytes.length - 1);
}

void gs_body_write_prefix(const struct gs_compare_prefix *prefix, struct gs_buffer *out) {
    uint8_t bytes[1 + GS_COMPARE_PATH_SIZE] = {prefix->depth};
    size_t length = (prefix->depth + 1U) / 2;
    memcpy(bytes + 1, prefix->path, length);
    gs_write_bin(out, bytes, 1 + length);
}

int gs_body_read_prefixes(struct gs_reader *reader, uint32_t max, struct gs_compare_prefix **ret_prefixes,
                          uint32_t *ret_count) {
    uint32_t count = gs_read_array(reader, max);
    if (count == 0) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    struct gs_compare_prefix *prefixes = calloc(count, sizeof *prefixes);
    if (prefixes == NULL) {
        return GS_ENOMEM;
    }
    *ret_prefixes = prefixes;
    *ret_count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        gs_body_read_prefix(reader, &prefixes[i]);
    }
    return reader->error;
}
