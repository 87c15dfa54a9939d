#include "crdt/aggregate_impl.h"
#include "crdt/residue.h"
#include "crdt/state_format.h"

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
    bool residue; /* cancelled marks too */
};

static int collect_origin(struct collecting *collecting, const gs_origin *origin) {
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

static int collect_counter(void *context, const struct gs_path *path, const struct gs_counter *counter) {
    (void)path;
    struct collecting *collecting = context;
    int error = 0;
    for (uint32_t i = 0; i < counter->count && error == 0; i++) {
        if (collecting->residue || gs_tally_alive(&counter->tallies[i])) {
            error = collect_origin(collecting, &counter->tallies[i].origin);
        }
    }
    return error;
}

/* The origins of all dots are those of the context; marks may name others. */
static int collect_origins(const struct gs_aggregate *aggregate, struct collecting *collecting) {
    int error = 0;
    for (uint32_t i = 0; i < aggregate->context.count && error == 0; i++) {
        error = collect_origin(collecting, &aggregate->context.entries[i].origin);
    }
    return error != 0 ? error : gs_counters_visit(&aggregate->root, collect_counter, collecting);
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

void gs_dots_encode(const gs_dot *dots, uint32_t count, const struct gs_origins *origins, struct gs_buffer *out) {
    gs_write_array(out, 3 * count);
    for (uint32_t i = 0; i < count; i++) {
        gs_write_uint(out, gs_origins_number(origins, &dots[i].origin));
        gs_write_uint(out, dots[i].at.seq);
        gs_write_uint(out, dots[i].at.index);
    }
}

void gs_tally_encode(const struct gs_tally *tally, const struct gs_origins *origins, struct gs_buffer *out) {
    gs_write_array(out, 7);
    gs_write_uint(out, gs_origins_number(origins, &tally->origin));
    const struct gs_mark *marks[] = {&tally->last, &tally->reset};
    for (int i = 0; i < 2; i++) {
        gs_write_uint(out, marks[i]->at.seq);
        gs_write_uint(out, marks[i]->at.index);
        gs_write_int(out, marks[i]->total);
    }
}

int gs_aggregate_encode(const struct gs_aggregate *aggregate, enum gs_encode_form form, struct gs_buffer *out) {
    bool full = form == GS_ENCODE_FULL;
    struct gs_memory memory = gs_memory_like(&aggregate->memory);
    struct gs_origins origins = {0};
    struct collecting collecting = {.origins = &origins, .memory = &memory, .residue = full};
    int error = collect_origins(aggregate, &collecting);
    if (error == 0) {
        gs_write_array(out, full ? 5 : 4);
        gs_write_uint(out, GS_STATE_VERSION);
        gs_write_array(out, origins.count);
        for (uint32_t i = 0; i < origins.count; i++) {
            gs_write_bin(out, origins.list[i].bytes, GS_ORIGIN_SIZE);
        }
        encode_context(&aggregate->context, &origins, out);
        union gs_store root = {.map = (struct gs_dot_map *)&aggregate->root};
        gs_type_map.encode(&root, &origins, out);
        if (full) {
            gs_residue_encode(&aggregate->root, &origins, out);
        }
        error = out->failed;
    }
    gs_memory_free(&memory, origins.list, origins.capacity * sizeof(*origins.list));
    return error;
}
