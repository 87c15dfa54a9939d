#include "gossip/batch.h"

#include <string.h>

enum { PAIRS_MAX = 2 * GS_BATCH_EVENTS_MAX };

void gs_detached_hash(struct gs_slice detached, gs_hash *ret_hash) {
    gs_hash_bytes("gs-data-v1", detached.bytes, detached.length, ret_hash);
}

/* Members come sorted, so each name can occur once and only in this order. */
int gs_detached_check(struct gs_slice detached) {
    struct gs_reader reader;
    if (detached.length > GS_DETACHED_BYTES_MAX) {
        return GS_ETOOBIG;
    }
    gs_reader_init(&reader, detached.bytes, detached.length);
    reader.nodes_left = (uint32_t)detached.length;
    const struct gs_slice names[] = {gs_slice_make("data", 4), gs_slice_make("metadata", 8)};
    size_t next = 0;
    uint32_t count = gs_read_map(&reader, 2);
    for (uint32_t i = 0; i < count && reader.error == 0; i++) {
        struct gs_slice name = gs_read_str(&reader, names[1].length);
        while (next < 2 && gs_slice_compare(name, names[next]) != 0) {
            next++;
        }
        if (next++ >= 2) {
            return GS_EFORMAT;
        }
        (void)gs_read_value(&reader);
    }
    int error = gs_reader_finish(&reader);
    return error != 0 || count == 0 ? GS_EFORMAT : 0;
}

int gs_record_read(struct gs_reader *reader, struct gs_record *ret_record) {
    struct gs_record record = {0};
    const uint8_t *start = reader->at;
    gs_read_array_exact(reader, 2);
    record.batch = gs_read_bin(reader, GS_BATCH_BYTES_MAX);
    record.detached.bytes = reader->at;
    uint32_t count = gs_read_array(reader, PAIRS_MAX);
    if (count % 2 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    for (uint32_t i = 0; i < count && reader->error == 0; i += 2) {
        (void)gs_read_u32(reader, GS_BATCH_EVENTS_MAX - 1);
        (void)gs_read_bin(reader, GS_DETACHED_BYTES_MAX);
    }
    if (reader->error != 0) {
        return reader->error;
    }
    if ((size_t)(reader->at - start) > GS_RECORD_BYTES_MAX) {
        return gs_reader_fail(reader, GS_ETOOBIG);
    }
    record.detached.length = (size_t)(reader->at - record.detached.bytes);
    *ret_record = record;
    return 0;
}

int gs_record_parse(struct gs_slice bytes, struct gs_record *ret_record) {
    struct gs_reader reader;
    struct gs_record record;
    if (bytes.length > GS_RECORD_BYTES_MAX) {
        return GS_ETOOBIG;
    }
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    int error = gs_record_read(&reader, &record);
    if (error == 0) {
        error = gs_reader_finish(&reader);
    }
    if (error != 0) {
        return error;
    }
    *ret_record = record;
    return 0;
}

/* One [index, bin] pair; `*next` is the least index that it may have. */
static int attach_one(struct gs_reader *reader, struct gs_event *events, uint32_t count, uint32_t *next) {
    uint32_t index = gs_read_u32(reader, GS_BATCH_EVENTS_MAX - 1);
    struct gs_slice detached = gs_read_bin(reader, GS_DETACHED_BYTES_MAX);
    if (reader->error != 0) {
        return reader->error;
    }
    if (index < *next || index >= count || !events[index].has_detached) {
        return GS_EFORMAT;
    }
    gs_hash hash;
    gs_detached_hash(detached, &hash);
    if (memcmp(hash.bytes, events[index].detached_hash.bytes, GS_HASH_SIZE) != 0) {
        return GS_ESIGNATURE;
    }
    /* The origin itself signed the hash of something else: as good as erased, so that everybody applies the event, with
     * these bytes or without. */
    if (gs_detached_check(detached) == 0) {
        events[index].detached = detached;
    }
    *next = index + 1;
    return 0;
}

int gs_record_attach(const struct gs_record *record, struct gs_event *events, uint32_t count) {
    struct gs_reader reader;
    uint32_t next = 0;
    gs_reader_init(&reader, record->detached.bytes, record->detached.length);
    uint32_t pairs = gs_read_array(&reader, PAIRS_MAX);
    if (pairs % 2 != 0) {
        return GS_EFORMAT;
    }
    for (uint32_t i = 0; i < pairs; i += 2) {
        int error = attach_one(&reader, events, count, &next);
        if (error != 0) {
            return error;
        }
    }
    return gs_reader_finish(&reader);
}
