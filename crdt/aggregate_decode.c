/* Reading states from hostile bytes. The context comes first, so that each dot can be checked against it. */
#include "crdt/aggregate_impl.h"
#include "crdt/state_format.h"
#include "crdt/type.h"

bool gs_origin_decode(struct gs_decoding *decoding, gs_origin *ret_origin) {
    struct gs_reader *reader = decoding->reader;
    uint32_t number = gs_read_u32(reader, UINT32_MAX);
    if (reader->error == 0 && number >= decoding->origin_count) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0) {
        return false;
    }
    decoding->used[number] = true;
    *ret_origin = decoding->origins[number];
    return true;
}

gs_point gs_point_decode(struct gs_reader *reader) {
    gs_point point;
    point.seq = gs_read_uint(reader);
    point.index = gs_read_u32(reader, UINT32_MAX);
    return point;
}

bool gs_dot_decode(struct gs_decoding *decoding, gs_dot *ret_dot) {
    gs_dot dot;
    if (!gs_origin_decode(decoding, &dot.origin)) {
        return false;
    }
    dot.at = gs_point_decode(decoding->reader);
    if (decoding->reader->error == 0 && !gs_context_contains(decoding->context, &dot)) {
        gs_reader_fail(decoding->reader, GS_EFORMAT);
    }
    if (decoding->reader->error != 0) {
        return false;
    }
    *ret_dot = dot;
    return true;
}

void gs_dot_set_decode(struct gs_dot_set *set, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % 3 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    gs_dot previous;
    gs_dot dot;
    for (uint32_t i = 0; i < count / 3 && gs_dot_decode(decoding, &dot); i++) {
        if (i > 0 && gs_dot_compare(&previous, &dot) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        } else if (gs_dot_set_add(set, decoding->memory, &dot) != 0) {
            gs_reader_fail(reader, GS_ENOMEM);
        }
        previous = dot;
    }
}

static void decode_origins(struct gs_reader *reader, gs_origin *origins, uint32_t count) {
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        gs_read_bin_exact(reader, origins[i].bytes, GS_ORIGIN_SIZE);
        if (reader->error == 0 && i > 0 && gs_origin_compare(&origins[i - 1], &origins[i]) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
}

/* Intervals in order, disjoint, not adjacent; not the one that is written as a number. */
static void decode_intervals(struct gs_reader *reader, struct gs_interval *intervals, uint32_t count) {
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        struct gs_interval *interval = &intervals[i];
        interval->first = gs_point_decode(reader);
        interval->last = gs_point_decode(reader);
        bool good = interval->first.seq > 0 && gs_point_compare(interval->first, interval->last) <= 0 &&
                    (i == 0 || gs_point_compare(intervals[i - 1].last, gs_point_before(interval->first)) < 0);
        if (!good) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    if (count == 1 && gs_interval_is_events(&intervals[0])) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

/* One origin's part of the context: a number, or intervals. */
static void decode_context_entry(struct gs_context *context, struct gs_memory *memory, struct gs_reader *reader,
                                 const gs_origin *origin) {
    struct gs_context_entry entry = {.origin = *origin, .count = 1};
    if (gs_peek_kind(reader) == GS_KIND_INT) {
        uint64_t seq = gs_read_uint(reader);
        entry.one = (struct gs_interval){.first = {1, 0}, .last = gs_point_end(seq)};
        if (seq == 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    } else {
        uint32_t count = gs_read_array(reader, UINT32_MAX);
        if (count == 0 || count % 4 != 0) {
            gs_reader_fail(reader, GS_EFORMAT);
            return;
        }
        entry.count = entry.capacity = count / 4;
        entry.intervals = gs_memory_alloc(memory, entry.capacity * sizeof(*entry.intervals));
        if (!entry.intervals) {
            gs_reader_fail(reader, GS_ENOMEM);
            return;
        }
        decode_intervals(reader, entry.intervals, entry.count);
    }
    struct gs_context one = {.entries = &entry, .count = 1};
    if (reader->error == 0 && gs_context_join(context, memory, &one) != 0) {
        gs_reader_fail(reader, GS_ENOMEM);
    }
    gs_memory_free(memory, entry.intervals, entry.capacity * sizeof(*entry.intervals));
}

static void decode_context(struct gs_context *context, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % 2 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    gs_origin previous;
    gs_origin origin;
    for (uint32_t i = 0; i < count / 2 && gs_origin_decode(decoding, &origin); i++) {
        if (i > 0 && gs_origin_compare(&previous, &origin) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
            return;
        }
        decode_context_entry(context, decoding->memory, reader, &origin);
        previous = origin;
    }
}

static void decode_body(struct gs_aggregate *aggregate, struct gs_decoding *decoding, bool context_only) {
    struct gs_reader *reader = decoding->reader;
    decode_context(&aggregate->context, decoding);
    if (context_only) {
        return;
    }
    if (reader->error == 0) {
        union gs_store root = {.map = &aggregate->root};
        gs_type_map.decode(&root, decoding);
    }
    for (uint32_t i = 0; i < decoding->origin_count && reader->error == 0; i++) {
        if (!decoding->used[i]) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
}

/* The origin table lives for the decoding only, but in the aggregate's memory: an attacker's bytes pay for it. */
static void decode_state(struct gs_aggregate *aggregate, struct gs_reader *reader, bool context_only) {
    gs_read_array_exact(reader, 4);
    uint32_t version = gs_read_u32(reader, UINT32_MAX);
    if (reader->error == 0 && version != GS_STATE_VERSION_FULL) {
        gs_reader_fail(reader, GS_EVERSION);
    }
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (reader->error != 0) {
        return;
    }
    size_t size = ((size_t)count + 1) * (sizeof(gs_origin) + sizeof(bool));
    gs_origin *origins = gs_memory_zalloc(&aggregate->memory, size);
    if (!origins) {
        gs_reader_fail(reader, GS_ENOMEM);
        return;
    }
    struct gs_decoding decoding = {.reader = reader,
                                   .memory = &aggregate->memory,
                                   .origins = origins,
                                   .used = (bool *)(origins + count + 1),
                                   .origin_count = count,
                                   .context = &aggregate->context};
    decode_origins(reader, origins, count);
    if (reader->error == 0) {
        decode_body(aggregate, &decoding, context_only);
    }
    gs_memory_free(&aggregate->memory, origins, size);
}

static int decode(const void *bytes, size_t length, const struct gs_memory *memory, bool context_only,
                  struct gs_aggregate **ret_aggregate) {
    struct gs_aggregate *aggregate = gs_aggregate_new(memory);
    if (!aggregate) {
        return GS_ENOMEM;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, bytes, length);
    reader.nodes_left = UINT32_MAX; /* a state may be larger than a value; its length bounds it */
    decode_state(aggregate, &reader, context_only);
    int error = context_only ? reader.error : gs_reader_finish(&reader);
    if (error != 0) {
        gs_aggregate_free(aggregate);
        return error;
    }
    *ret_aggregate = aggregate;
    return 0;
}

int gs_aggregate_decode(const void *bytes, size_t length, const struct gs_memory *memory,
                        struct gs_aggregate **ret_aggregate) {
    return decode(bytes, length, memory, false, ret_aggregate);
}

int gs_aggregate_decode_context(const void *bytes, size_t length, const struct gs_memory *memory,
                                struct gs_aggregate **ret_aggregate) {
    return decode(bytes, length, memory, true, ret_aggregate);
}
