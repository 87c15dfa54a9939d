#include "gossip/compare.h"

#include "gossip/batch.h"
#include "gossip/body.h"

#include <globalstate/codec.h>

#include <stdlib.h>
#include <string.h>

static uint32_t bits_of(uint32_t set) {
    uint32_t count = 0;
    for (; set != 0; set &= set - 1) {
        count++;
    }
    return count;
}

/* Both sets, then the hashes of the children that there are. */
static void read_children(struct gs_reader *reader, struct gs_compare_children *ret_children) {
    struct gs_slice bytes = gs_read_bin(reader, 4 + GS_COMPARE_FANOUT * GS_COMPARE_HASH_SIZE);
    if (bytes.length < 4) {
        gs_reader_fail(reader, GS_EFORMAT);
        return;
    }
    ret_children->inner = (uint16_t)(bytes.bytes[0] << 8 | bytes.bytes[1]);
    ret_children->leaf = (uint16_t)(bytes.bytes[2] << 8 | bytes.bytes[3]);
    uint32_t set = (uint32_t)ret_children->inner | ret_children->leaf;
    if ((ret_children->inner & ret_children->leaf) != 0 ||
        bytes.length != 4 + (size_t)bits_of(set) * GS_COMPARE_HASH_SIZE) {
        gs_reader_fail(reader, GS_EFORMAT);
        return;
    }
    const uint8_t *at = bytes.bytes + 4;
    for (int i = 0; i < GS_COMPARE_FANOUT; i++) {
        if ((set >> i & 1) != 0) {
            memcpy(ret_children->hashes[i], at, GS_COMPARE_HASH_SIZE);
            at += GS_COMPARE_HASH_SIZE;
        }
    }
}

static void write_children(const struct gs_compare_children *children, struct gs_buffer *out) {
    uint8_t bytes[4 + GS_COMPARE_FANOUT * GS_COMPARE_HASH_SIZE] = {
        (uint8_t)(children->inner >> 8), (uint8_t)children->inner, (uint8_t)(children->leaf >> 8),
        (uint8_t)children->leaf};
    size_t length = 4;
    for (int i = 0; i < GS_COMPARE_FANOUT; i++) {
        if (((children->inner | children->leaf) >> i & 1) != 0) {
            memcpy(bytes + length, children->hashes[i], GS_COMPARE_HASH_SIZE);
            length += GS_COMPARE_HASH_SIZE;
        }
    }
    gs_write_bin(out, bytes, length);
}

static int read_nodes(struct gs_reader *reader, struct gs_compare *compare) {
    uint32_t count = gs_read_array(reader, GS_COMPARE_OPEN_MAX);
    if (count == 0) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    compare->children = calloc(count, sizeof *compare->children);
    if (compare->children == NULL) {
        return GS_ENOMEM;
    }
    compare->count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        read_children(reader, &compare->children[i]);
    }
    return reader->error;
}

static int read_states(struct gs_reader *reader, struct gs_compare *compare) {
    uint32_t flat = gs_read_array(reader, 2 * GS_COMPARE_WANT_MAX);
    if (flat == 0 || flat % 2 != 0) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    compare->states = calloc(flat / 2, sizeof *compare->states);
    if (compare->states == NULL) {
        return GS_ENOMEM;
    }
    compare->count = flat / 2;
    for (uint32_t i = 0; i < compare->count && reader->error == 0; i++) {
        compare->states[i].name = gs_read_bin(reader, 2 * GS_ID_BYTES_MAX + 1);
        compare->states[i].state = gs_read_bin(reader, GS_COMPARE_STATES_BYTES);
    }
    return reader->error;
}

static int read_mended(struct gs_reader *reader, struct gs_compare *compare) {
    struct gs_slice bytes = gs_read_bin(reader, GS_COMPARE_OPEN_MAX);
    for (size_t i = 0; i < bytes.length; i++) {
        compare->mended[i] = bytes.bytes[i];
        if (bytes.bytes[i] > GS_MENDED_BUSY) {
            return gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    compare->count = (uint32_t)bytes.length;
    return bytes.length > 0 ? reader->error : gs_reader_fail(reader, GS_EFORMAT);
}

static uint32_t elements_of(enum gs_compare_op op) {
    return op == GS_COMPARE_ROOT ? 6 : op == GS_COMPARE_ASK ? 4 : 3;
}

static int read_body(struct gs_reader *reader, struct gs_compare *compare) {
    int error = 0;
    switch (compare->op) {
    case GS_COMPARE_ASK:
        error = gs_body_read_vector(reader, &compare->vector);
        compare->fresh = gs_read_u32(reader, 1) != 0;
        return error != 0 ? error : reader->error;
    case GS_COMPARE_ROOT:
        error = gs_body_read_vector(reader, &compare->vector);
        gs_read_bin_exact(reader, compare->root.bytes, GS_HASH_SIZE);
        compare->leaves = gs_read_uint(reader);
        gs_read_bin_exact(reader, compare->signature, GS_SIGNATURE_SIZE);
        return error != 0 ? error : reader->error;
    case GS_COMPARE_OPEN:
    case GS_COMPARE_MEND:
        return gs_body_read_prefixes(reader, GS_COMPARE_OPEN_MAX, &compare->prefixes, &compare->count);
    case GS_COMPARE_WANT:
        return gs_body_read_prefixes(reader, GS_COMPARE_WANT_MAX, &compare->prefixes, &compare->count);
    case GS_COMPARE_NODES:
        return read_nodes(reader, compare);
    case GS_COMPARE_STATES:
        return read_states(reader, compare);
    case GS_COMPARE_MENDED:
        return read_mended(reader, compare);
    case GS_COMPARE_END:
        compare->end = (enum gs_compare_end)gs_read_u32(reader, GS_COMPARE_DAMAGED);
        return reader->error;
    }
    return gs_reader_fail(reader, GS_EFORMAT);
}

int gs_compare_decode(struct gs_slice body, struct gs_compare *ret_compare) {
    struct gs_compare compare = {0};
    struct gs_reader reader;
    if (body.length > GS_COMPARE_BODY_MAX) {
        return GS_ETOOBIG;
    }
    gs_reader_init(&reader, body.bytes, body.length);
    uint32_t elements = gs_read_array(&reader, 6);
    compare.op = (enum gs_compare_op)gs_read_u32(&reader, GS_COMPARE_END);
    compare.session = gs_read_uint(&reader);
    if (elements != elements_of(compare.op)) {
        gs_reader_fail(&reader, GS_EFORMAT);
    }
    int error = reader.error != 0 ? reader.error : read_body(&reader, &compare);
    if (error == 0) {
        error = gs_reader_finish(&reader);
    }
    if (error != 0) {
        gs_compare_close(&compare);
        return error;
    }
    *ret_compare = compare;
    return 0;
}

void gs_compare_close(struct gs_compare *compare) {
    gs_vector_close(&compare->vector);
    free(compare->prefixes);
    free(compare->children);
    free(compare->states);
    compare->prefixes = NULL;
    compare->children = NULL;
    compare->states = NULL;
    compare->count = 0;
}

static void write_list(const struct gs_compare *compare, struct gs_buffer *out) {
    gs_write_array(out, compare->op == GS_COMPARE_STATES ? 2 * compare->count : compare->count);
    for (uint32_t i = 0; i < compare->count; i++) {
        if (compare->op == GS_COMPARE_NODES) {
            write_children(&compare->children[i], out);
        } else if (compare->op == GS_COMPARE_STATES) {
            gs_write_bin(out, compare->states[i].name.bytes, compare->states[i].name.length);
            gs_write_bin(out, compare->states[i].state.bytes, compare->states[i].state.length);
        } else {
            gs_body_write_prefix(&compare->prefixes[i], out);
        }
    }
}

void gs_compare_write(const struct gs_compare *compare, struct gs_buffer *out) {
    gs_write_array(out, elements_of(compare->op));
    gs_write_uint(out, (uint64_t)compare->op);
    gs_write_uint(out, compare->session);
    switch (compare->op) {
    case GS_COMPARE_ASK:
        gs_body_write_vector(&compare->vector, out);
        gs_write_uint(out, compare->fresh ? 1 : 0);
        break;
    case GS_COMPARE_ROOT:
        gs_body_write_vector(&compare->vector, out);
        gs_write_bin(out, compare->root.bytes, GS_HASH_SIZE);
        gs_write_uint(out, compare->leaves);
        gs_write_bin(out, compare->signature, GS_SIGNATURE_SIZE);
        break;
    case GS_COMPARE_MENDED:
        gs_write_bin(out, compare->mended, compare->count);
        break;
    case GS_COMPARE_END:
        gs_write_uint(out, (uint64_t)compare->end);
        break;
    default:
        write_list(compare, out);
        break;
    }
}
