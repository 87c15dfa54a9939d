#include "gossip/snapshot.h"

#include "gossip/batch.h"
#include "gossip/body.h"
#include "gossip/bytes.h"

#include <globalstate/codec.h>

#include <stdlib.h>
#include <string.h>

enum {
    CHILDREN_HEAD = 4,
    CHILD_BYTES = GS_HASH_SIZE + 8,
    RECORD_BYTES_MIN = 3 + GS_BATCH_HEAD_SIZE + GS_SIGNATURE_SIZE + 1
};

static uint32_t elements_of(enum gs_snapshot_op op) {
    static const uint8_t elements[] = {
        [GS_SNAPSHOT_ASK] = 2,   [GS_SNAPSHOT_ROOT] = 9,    [GS_SNAPSHOT_OPEN] = 3, [GS_SNAPSHOT_NODES] = 3,
        [GS_SNAPSHOT_WANT] = 3,  [GS_SNAPSHOT_CHUNK] = 5,   [GS_SNAPSHOT_PART] = 3, [GS_SNAPSHOT_CORE] = 4,
        [GS_SNAPSHOT_RANGE] = 5, [GS_SNAPSHOT_RECORDS] = 5, [GS_SNAPSHOT_END] = 3,
    };
    return elements[op];
}

static uint64_t read_seq(struct gs_reader *reader) {
    uint64_t seq = gs_read_uint(reader);
    if (seq > GS_SEQ_MAX) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    return seq;
}

static int read_root(struct gs_reader *reader, struct gs_snapshot *snapshot) {
    int error = gs_body_read_vector(reader, &snapshot->vector);
    gs_read_bin_exact(reader, snapshot->root.bytes, GS_HASH_SIZE);
    snapshot->leaves = gs_read_uint(reader);
    snapshot->bytes = gs_read_uint(reader);
    snapshot->part_count = gs_read_u32(reader, GS_SNAPSHOT_PARTS_MAX);
    gs_read_bin_exact(reader, snapshot->parts.bytes, GS_HASH_SIZE);
    gs_read_bin_exact(reader, snapshot->signature, GS_SIGNATURE_SIZE);
    return error != 0 ? error : reader->error;
}

static int read_prefixes(struct gs_reader *reader, struct gs_snapshot *snapshot) {
    return gs_body_read_prefixes(reader, GS_SNAPSHOT_OPEN_MAX, &snapshot->prefixes, &snapshot->count);
}

/* WANT and CHUNK have one. */
static int read_one_prefix(struct gs_reader *reader, struct gs_snapshot *snapshot) {
    snapshot->prefixes = calloc(1, sizeof *snapshot->prefixes);
    if (snapshot->prefixes == NULL) {
        return GS_ENOMEM;
    }
    snapshot->count = 1;
    gs_body_read_prefix(reader, snapshot->prefixes);
    return reader->error;
}

static int read_chunk(struct gs_reader *reader, struct gs_snapshot *snapshot) {
    int error = read_one_prefix(reader, snapshot);
    if (error == 0) {
        snapshot->body = gs_read_bin(reader, GS_SNAPSHOT_BODY_MAX);
        gs_read_bin_exact(reader, snapshot->signature, GS_SIGNATURE_SIZE);
    }
    return error != 0 ? error : reader->error;
}

/* Both sets, then hash and count of each child that there is. */
static void read_children(struct gs_reader *reader, struct gs_snapshot_children *ret_children) {
    struct gs_slice bytes = gs_read_bin(reader, CHILDREN_HEAD + GS_COMPARE_FANOUT * CHILD_BYTES);
    if (bytes.length < CHILDREN_HEAD) {
        gs_reader_fail(reader, GS_EFORMAT);
        return;
    }
    ret_children->inner = (uint16_t)gs_get_be(bytes.bytes, 2);
    ret_children->leaf = (uint16_t)gs_get_be(bytes.bytes + 2, 2);
    const uint32_t set = (uint32_t)ret_children->inner | ret_children->leaf;
    size_t at = CHILDREN_HEAD;
    for (uint32_t i = 0; i < GS_COMPARE_FANOUT; i++) {
        if ((set >> i & 1) == 0) {
            continue;
        }
        if (at + CHILD_BYTES > bytes.length) {
            gs_reader_fail(reader, GS_EFORMAT);
            return;
        }
        memcpy(ret_children->hashes[i].bytes, bytes.bytes + at, GS_HASH_SIZE);
        ret_children->counts[i] = gs_get_be(bytes.bytes + at + GS_HASH_SIZE, 8);
        at += CHILD_BYTES;
        bool leaf = (ret_children->leaf >> i & 1) != 0;
        if (leaf ? ret_children->counts[i] != 1 : ret_children->counts[i] < 2) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    if (at != bytes.length || (ret_children->inner & ret_children->leaf) != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static void write_children(const struct gs_snapshot_children *children, struct gs_buffer *out) {
    uint8_t bytes[CHILDREN_HEAD + GS_COMPARE_FANOUT * CHILD_BYTES];
    size_t length = CHILDREN_HEAD;
    gs_put_be(bytes, children->inner, 2);
    gs_put_be(bytes + 2, children->leaf, 2);
    for (uint32_t i = 0; i < GS_COMPARE_FANOUT; i++) {
        if ((((uint32_t)children->inner | children->leaf) >> i & 1) != 0) {
            memcpy(bytes + length, children->hashes[i].bytes, GS_HASH_SIZE);
            gs_put_be(bytes + length + GS_HASH_SIZE, children->counts[i], 8);
            length += CHILD_BYTES;
        }
    }
    gs_write_bin(out, bytes, length);
}

static int read_nodes(struct gs_reader *reader, struct gs_snapshot *snapshot) {
    uint32_t count = gs_read_array(reader, GS_SNAPSHOT_OPEN_MAX);
    if (count == 0) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    snapshot->children = calloc(count, sizeof *snapshot->children);
    if (snapshot->children == NULL) {
        return GS_ENOMEM;
    }
    snapshot->count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        read_children(reader, &snapshot->children[i]);
    }
    return reader->error;
}

static int read_range(struct gs_reader *reader, struct gs_snapshot *snapshot) {
    gs_read_bin_exact(reader, snapshot->origin.bytes, GS_ORIGIN_SIZE);
    snapshot->after = read_seq(reader);
    if (snapshot->op == GS_SNAPSHOT_RANGE) {
        snapshot->until = read_seq(reader);
        bool empty = snapshot->until != 0 && snapshot->until <= snapshot->after;
        return empty ? gs_reader_fail(reader, GS_EFORMAT) : reader->error;
    }
    uint32_t count = gs_read_array(reader, GS_SNAPSHOT_RECORDS_MAX);
    if (count > (size_t)(reader->end - reader->at) / RECORD_BYTES_MIN) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0 || count == 0) {
        return reader->error;
    }
    snapshot->records = calloc(count, sizeof *snapshot->records);
    if (snapshot->records == NULL) {
        return GS_ENOMEM;
    }
    snapshot->count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        const uint8_t *start = reader->at;
        struct gs_record record;
        if (gs_record_read(reader, &record) == 0) {
            snapshot->records[i] = gs_slice_make(start, (size_t)(reader->at - start));
        }
    }
    return reader->error;
}

static int read_body(struct gs_reader *reader, struct gs_snapshot *snapshot) {
    switch (snapshot->op) {
    case GS_SNAPSHOT_ASK:
        return reader->error;
    case GS_SNAPSHOT_ROOT:
        return read_root(reader, snapshot);
    case GS_SNAPSHOT_OPEN:
        return read_prefixes(reader, snapshot);
    case GS_SNAPSHOT_NODES:
        return read_nodes(reader, snapshot);
    case GS_SNAPSHOT_WANT:
        return read_one_prefix(reader, snapshot);
    case GS_SNAPSHOT_CHUNK:
        return read_chunk(reader, snapshot);
    case GS_SNAPSHOT_PART:
        snapshot->part = gs_read_u32(reader, GS_SNAPSHOT_PARTS_MAX - 1);
        return reader->error;
    case GS_SNAPSHOT_CORE:
        snapshot->part = gs_read_u32(reader, GS_SNAPSHOT_PARTS_MAX - 1);
        snapshot->body = gs_read_bin(reader, GS_SNAPSHOT_BODY_MAX);
        return reader->error;
    case GS_SNAPSHOT_RANGE:
    case GS_SNAPSHOT_RECORDS:
        return read_range(reader, snapshot);
    case GS_SNAPSHOT_END:
        snapshot->end = (enum gs_snapshot_end)gs_read_u32(reader, GS_SNAPSHOT_LARGE);
        return reader->error;
    }
    return gs_reader_fail(reader, GS_EFORMAT);
}

int gs_snapshot_decode(struct gs_slice body, struct gs_snapshot *ret_snapshot) {
    struct gs_snapshot snapshot = {0};
    struct gs_reader reader;
    if (body.length > GS_SNAPSHOT_BODY_MAX) {
        return GS_ETOOBIG;
    }
    gs_reader_init(&reader, body.bytes, body.length);
    reader.nodes_left = (uint32_t)body.length;
    uint32_t elements = gs_read_array(&reader, 9);
    snapshot.op = (enum gs_snapshot_op)gs_read_u32(&reader, GS_SNAPSHOT_END);
    snapshot.session = gs_read_uint(&reader);
    if (reader.error == 0 && elements != elements_of(snapshot.op)) {
        gs_reader_fail(&reader, GS_EFORMAT);
    }
    int error = reader.error != 0 ? reader.error : read_body(&reader, &snapshot);
    if (error == 0) {
        error = gs_reader_finish(&reader);
    }
    if (error != 0) {
        gs_snapshot_close(&snapshot);
        return error;
    }
    *ret_snapshot = snapshot;
    return 0;
}

void gs_snapshot_close(struct gs_snapshot *snapshot) {
    gs_vector_close(&snapshot->vector);
    free(snapshot->prefixes);
    free(snapshot->children);
    free(snapshot->records);
    snapshot->prefixes = NULL;
    snapshot->children = NULL;
    snapshot->records = NULL;
    snapshot->count = 0;
}

static void write_root(const struct gs_snapshot *snapshot, struct gs_buffer *out) {
    gs_body_write_vector(&snapshot->vector, out);
    gs_write_bin(out, snapshot->root.bytes, GS_HASH_SIZE);
    gs_write_uint(out, snapshot->leaves);
    gs_write_uint(out, snapshot->bytes);
    gs_write_uint(out, snapshot->part_count);
    gs_write_bin(out, snapshot->parts.bytes, GS_HASH_SIZE);
    gs_write_bin(out, snapshot->signature, GS_SIGNATURE_SIZE);
}

static void write_list(const struct gs_snapshot *snapshot, struct gs_buffer *out) {
    gs_write_array(out, snapshot->count);
    for (uint32_t i = 0; i < snapshot->count; i++) {
        if (snapshot->op == GS_SNAPSHOT_OPEN) {
            gs_body_write_prefix(&snapshot->prefixes[i], out);
        } else if (snapshot->op == GS_SNAPSHOT_NODES) {
            write_children(&snapshot->children[i], out);
        } else {
            gs_buffer_append(out, snapshot->records[i].bytes, snapshot->records[i].length);
        }
    }
}

void gs_snapshot_write(const struct gs_snapshot *snapshot, struct gs_buffer *out) {
    gs_write_array(out, elements_of(snapshot->op));
    gs_write_uint(out, (uint64_t)snapshot->op);
    gs_write_uint(out, snapshot->session);
    switch (snapshot->op) {
    case GS_SNAPSHOT_ASK:
        break;
    case GS_SNAPSHOT_ROOT:
        write_root(snapshot, out);
        break;
    case GS_SNAPSHOT_OPEN:
    case GS_SNAPSHOT_NODES:
        write_list(snapshot, out);
        break;
    case GS_SNAPSHOT_WANT:
        gs_body_write_prefix(snapshot->prefixes, out);
        break;
    case GS_SNAPSHOT_CHUNK:
        gs_body_write_prefix(snapshot->prefixes, out);
        gs_write_bin(out, snapshot->body.bytes, snapshot->body.length);
        gs_write_bin(out, snapshot->signature, GS_SIGNATURE_SIZE);
        break;
    case GS_SNAPSHOT_PART:
    case GS_SNAPSHOT_CORE:
        gs_write_uint(out, snapshot->part);
        if (snapshot->op == GS_SNAPSHOT_CORE) {
            gs_write_bin(out, snapshot->body.bytes, snapshot->body.length);
        }
        break;
    case GS_SNAPSHOT_RANGE:
    case GS_SNAPSHOT_RECORDS:
        gs_write_bin(out, snapshot->origin.bytes, GS_ORIGIN_SIZE);
        gs_write_uint(out, snapshot->after);
        if (snapshot->op == GS_SNAPSHOT_RANGE) {
            gs_write_uint(out, snapshot->until);
        } else {
            write_list(snapshot, out);
        }
        break;
    case GS_SNAPSHOT_END:
        gs_write_uint(out, (uint64_t)snapshot->end);
        break;
    }
}

void gs_message_write_snapshot(struct gs_slice body, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_uint(out, GS_MESSAGE_SNAPSHOT);
    gs_write_bin(out, body.bytes, body.length);
}

bool gs_message_read_snapshot(struct gs_slice message, struct gs_slice *ret_body) {
    static const uint8_t start[] = {0x92, GS_MESSAGE_SNAPSHOT}; /* an array of two, the first of which is the kind */
    struct gs_reader reader;
    if (message.length < sizeof start || memcmp(message.bytes, start, sizeof start) != 0) {
        return false;
    }
    gs_reader_init(&reader, message.bytes + sizeof start, message.length - sizeof start);
    struct gs_slice body = gs_read_bin(&reader, GS_SNAPSHOT_BODY_MAX);
    *ret_body = gs_reader_finish(&reader) == 0 ? body : (struct gs_slice){0};
    return true;
}
