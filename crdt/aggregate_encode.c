#include "crdt/aggregate_impl.h"
#include "crdt/state_format.h"
#include "crdt/type.h"

static uint32_t origin_position(const struct gs_origins *origins, const gs_origin *origin) {
    uint32_t low = 0;
    uint32_t high = origins->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_origin_compare(&origins->list[middle], origin) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Everything that is encoded has been collected: the position is the number. */
uint32_t gs_origins_number(const struct gs_origins *origins, const gs_origin *origin) {
    return origin_position(origins, origin);
}

struct collecting {
    struct gs_origins *origins;
    struct gs_memory *memory;
};

static int collect_origin(void *context, const gs_origin *origin) {
    struct collecting *collecting = context;
    struct gs_origins *origins = collecting->origins;
    uint32_t at = origin_position(origins, origin);
    if (at < origins->count && gs_origin_equal(&origins->list[at], origin)) {
        return 0;
    }
    if (origins->count == origins->capacity) {
        uint32_t capacity = origins->capacity > 0 ? origins->capacity * 2 : 16;
        gs_origin *list = gs_memory_resize(collecting->memory, origins->list, origins->capacity * sizeof(*list),
                                           capacity * sizeof(*list));
        if (!list) {
            return GS_ENOMEM;
        }
        origins->list = list;
        origins->capacity = capacity;
    }
    memmove(&origins->list[at + 1], &origins->list[at], (origins->count - at) * sizeof(*origin));
    origins->list[at] = *origin;
    origins->count++;
    return 0;
}

/* The origins of all dots are those of the context; marks may name others. */
int gs_origins_collect(struct gs_origins *origins, struct gs_memory *memory, const struct gs_aggregate *aggregate,
                       enum gs_encode_form form) {
    struct collecting collecting = {.origins = origins, .memory = memory};
    int error = 0;
    for (uint32_t i = 0; i < aggregate->context.count && error == 0; i++) {
        error = collect_origin(&collecting, &aggregate->context.entries[i].origin);
    }
    const union gs_store root = {.map = (struct gs_dot_map *)&aggregate->root};
    return error != 0 ? error : gs_type_map.visit_origins(&root, form, collect_origin, &collecting);
}

void gs_origins_close(struct gs_origins *origins, struct gs_memory *memory) {
    gs_memory_free(memory, origins->list, origins->capacity * sizeof(*origins->list));
}

static void encode_context(const struct gs_context *context, const struct gs_origins *origins, struct gs_buffer *out) {
    gs_write_array(out, 2 * context->count);
    for (uint32_t i = 0; i < context->count; i++) {
        const struct gs_context_entry *entry = &context->entries[i];
        const struct gs_interval *intervals = gs_context_intervals(entry);
        gs_write_uint(out, gs_origins_number(origins, &entry->origin));
        if (entry->count == 1 && gs_interval_is_events(&intervals[0])) {
            gs_write_uint(out, intervals[0].last.seq);
            continue;
        }
        gs_write_array(out, 4 * entry->count);
        for (uint32_t j = 0; j < entry->count; j++) {
            gs_write_uint(out, intervals[j].first.seq);
            gs_write_uint(out, intervals[j].first.index);
            gs_write_uint(out, intervals[j].last.seq);
            gs_write_uint(out, intervals[j].last.index);
        }
    }
}

void gs_origin_encode(const gs_origin *origin, const struct gs_encoding *encoding) {
    uint32_t number = gs_origins_number(encoding->origins, origin);
    if (encoding->used) {
        encoding->used[number] = true;
    }
    gs_write_uint(encoding->out, number);
}

void gs_dots_encode(const gs_dot *dots, uint32_t count, const struct gs_encoding *encoding) {
    gs_write_array(encoding->out, 3 * count);
    for (uint32_t i = 0; i < count; i++) {
        gs_origin_encode(&dots[i].origin, encoding);
        gs_write_uint(encoding->out, dots[i].at.seq);
        gs_write_uint(encoding->out, dots[i].at.index);
    }
}

int gs_aggregate_encode(const struct gs_aggregate *aggregate, enum gs_encode_form form, struct gs_buffer *out) {
    struct gs_memory memory = gs_memory_like(&aggregate->memory);
    struct gs_origins origins = {0};
    int error = gs_origins_collect(&origins, &memory, aggregate, form);
    if (error == 0) {
        gs_write_array(out, 4);
        gs_write_uint(out, form == GS_ENCODE_FULL ? GS_STATE_VERSION_FULL : GS_STATE_VERSION_CANONICAL);
        gs_write_array(out, origins.count);
        for (uint32_t i = 0; i < origins.count; i++) {
            gs_write_bin(out, origins.list[i].bytes, GS_ORIGIN_SIZE);
        }
        encode_context(&aggregate->context, &origins, out);
        const union gs_store root = {.map = (struct gs_dot_map *)&aggregate->root};
        gs_type_map.encode(&root, &(struct gs_encoding){.origins = &origins, .form = form, .out = out});
        error = out->failed;
    }
    gs_origins_close(&origins, &memory);
    return error;
}
