#include "crdt/sketch.h"

#include "crdt/kind.h"
#include "crdt/number.h"

#include <globalstate/json.h>

#include <sodium.h>

enum { HASH_BYTES = crypto_generichash_BYTES_MIN };

/* [register, rank]. */
static bool read_pair(struct gs_slice value, struct gs_observation *ret_pair) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    gs_read_array_exact(&reader, 2);
    ret_pair->cell = gs_read_u32(&reader, GS_SKETCH_REGISTERS - 1);
    ret_pair->rank = gs_read_u32(&reader, GS_SKETCH_RANK_MAX);
    return gs_reader_finish(&reader) == 0 && ret_pair->rank > 0;
}

bool gs_is_observation(struct gs_slice value) {
    struct gs_observation pair;
    return gs_is_scalar(value) || (gs_value_kind(value) == GS_KIND_ARRAY && read_pair(value, &pair));
}

struct gs_observation gs_observation_read(struct gs_slice value) {
    struct gs_observation observation;
    if (gs_value_kind(value) == GS_KIND_ARRAY && read_pair(value, &observation)) {
        return observation;
    }
    uint8_t hash[HASH_BYTES];
    crypto_generichash(hash, sizeof(hash), value.bytes, value.length, NULL, 0);
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) {
        bits = bits << 8 | hash[i];
    }
    /* The bit behind the last one stops the count where all are zero. */
    uint64_t rest = bits << GS_SKETCH_PRECISION | 1ULL << (GS_SKETCH_PRECISION - 1);
    observation.cell = (uint32_t)(bits >> (64 - GS_SKETCH_PRECISION));
    observation.rank = (uint32_t)__builtin_clzll(rest) + 1;
    return observation;
}

void gs_sketch_close(struct gs_sketch *sketch, struct gs_memory *memory) {
    gs_memory_free(memory, sketch->entries, sketch->capacity * sizeof(*sketch->entries));
    gs_memory_free(memory, sketch->origins, sketch->origin_capacity * sizeof(*sketch->origins));
    gs_memory_free(memory, sketch->order, sketch->origin_capacity * sizeof(*sketch->order));
    *sketch = (struct gs_sketch){0};
}

gs_dot gs_sketch_dot(const struct gs_sketch *sketch, const struct gs_sketch_entry *entry) {
    return (gs_dot){.origin = sketch->origins[entry->slot], .at = {entry->seq, entry->index}};
}

/* Index of the first entry of the register or of one behind. */
static uint32_t lower_bound(const struct gs_sketch *sketch, uint32_t cell) {
    uint32_t low = 0;
    uint32_t high = sketch->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sketch->entries[middle].cell < cell) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t gs_sketch_find(const struct gs_sketch *sketch, uint32_t cell, uint32_t *ret_count) {
    uint32_t first = lower_bound(sketch, cell);
    *ret_count = lower_bound(sketch, cell + 1) - first;
    return first;
}

/* Where in `order` the origin is, or would be. */
static uint32_t origin_position(const struct gs_sketch *sketch, const gs_origin *origin) {
    uint32_t low = 0;
    uint32_t high = sketch->origin_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_origin_compare(&sketch->origins[sketch->order[middle]], origin) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int grow_origins(struct gs_sketch *sketch, struct gs_memory *memory, uint32_t capacity) {
    gs_origin *origins = gs_memory_alloc(memory, capacity * sizeof(*origins));
    uint16_t *order = gs_memory_alloc(memory, capacity * sizeof(*order));
    if (!origins || !order) {
        gs_memory_free(memory, origins, capacity * sizeof(*origins));
        gs_memory_free(memory, order, capacity * sizeof(*order));
        return GS_ENOMEM;
    }
    if (sketch->origin_count > 0) {
        memcpy(origins, sketch->origins, sketch->origin_count * sizeof(*origins));
        memcpy(order, sketch->order, sketch->origin_count * sizeof(*order));
    }
    gs_memory_free(memory, sketch->origins, sketch->origin_capacity * sizeof(*origins));
    gs_memory_free(memory, sketch->order, sketch->origin_capacity * sizeof(*order));
    sketch->origins = origins;
    sketch->order = order;
    sketch->origin_capacity = capacity;
    return 0;
}

static int add_origin(struct gs_sketch *sketch, struct gs_memory *memory, const gs_origin *origin, uint32_t at);

/* Numbers the origins anew, leaving out those that no entry uses: built beside, so that a failure changes nothing. */
static int renumber(struct gs_sketch *sketch, struct gs_memory *memory) {
    struct gs_sketch anew = {0};
    int error = 0;
    for (int write = 0; write < 2 && error == 0; write++) { /* entries are written when nothing can fail any more */
        for (uint32_t i = 0; i < sketch->count && error == 0; i++) {
            const gs_origin *origin = &sketch->origins[sketch->entries[i].slot];
            uint32_t at = origin_position(&anew, origin);
            bool known = at < anew.origin_count && gs_origin_equal(&anew.origins[anew.order[at]], origin);
            error = known ? 0 : add_origin(&anew, memory, origin, at);
            if (write) {
                sketch->entries[i].slot = (uint32_t)anew.order[at] & (GS_SKETCH_ORIGINS_MAX - 1);
            }
        }
    }
    if (error == 0) {
        gs_memory_free(memory, sketch->origins, sketch->origin_capacity * sizeof(*sketch->origins));
        gs_memory_free(memory, sketch->order, sketch->origin_capacity * sizeof(*sketch->order));
        sketch->origins = anew.origins;
        sketch->order = anew.order;
        sketch->origin_count = anew.origin_count;
        sketch->origin_capacity = anew.origin_capacity;
        return 0;
    }
    gs_sketch_close(&anew, memory);
    return error;
}

/* Puts the origin at `at` of `order`. */
static int add_origin(struct gs_sketch *sketch, struct gs_memory *memory, const gs_origin *origin, uint32_t at) {
    if (sketch->origin_count == sketch->origin_capacity) {
        uint32_t capacity = sketch->origin_capacity > 0 ? sketch->origin_capacity * 2 : 2;
        int error = capacity > GS_SKETCH_ORIGINS_MAX ? GS_ENOMEM : grow_origins(sketch, memory, capacity);
        if (error != 0) {
            return error;
        }
    }
    memmove(&sketch->order[at + 1], &sketch->order[at], (sketch->origin_count - at) * sizeof(*sketch->order));
    sketch->order[at] = (uint16_t)sketch->origin_count;
    sketch->origins[sketch->origin_count++] = *origin;
    return 0;
}

/* The slot of an origin, new if need be. Slots of origins that are gone are taken back before there are more. */
static int obtain_slot(struct gs_sketch *sketch, struct gs_memory *memory, const gs_origin *origin,
                       uint32_t *ret_slot) {
    uint32_t at = origin_position(sketch, origin);
    if (at == sketch->origin_count || !gs_origin_equal(&sketch->origins[sketch->order[at]], origin)) {
        int error = 0;
        if (sketch->origin_count == sketch->origin_capacity && sketch->origin_count > 0) {
            error = renumber(sketch, memory);
            at = origin_position(sketch, origin);
        }
        error = error != 0 ? error : add_origin(sketch, memory, origin, at);
        if (error != 0) {
            return error;
        }
    }
    *ret_slot = sketch->order[at];
    return 0;
}

static int reserve(struct gs_sketch *sketch, struct gs_memory *memory, uint32_t more) {
    if (sketch->capacity - sketch->count >= more) {
        return 0;
    }
    uint32_t capacity = sketch->capacity + sketch->capacity / 4;
    if (sketch->capacity < GS_SKETCH_REGISTERS && capacity > GS_SKETCH_REGISTERS) {
        capacity = GS_SKETCH_REGISTERS; /* what one writer at a time needs in the end */
    }
    capacity = capacity - sketch->count >= more && capacity > sketch->count ? capacity : sketch->count + more;
    struct gs_sketch_entry *entries =
        gs_memory_resize(memory, sketch->entries, sketch->capacity * sizeof(*entries), capacity * sizeof(*entries));
    if (!entries) {
        return GS_ENOMEM;
    }
    sketch->entries = entries;
    sketch->capacity = capacity;
    return 0;
}

uint32_t gs_sketch_locate(const struct gs_sketch *sketch, uint32_t cell, const gs_dot *dot, bool *ret_found) {
    uint32_t count = 0;
    uint32_t low = gs_sketch_find(sketch, cell, &count);
    uint32_t high = low + count;
    *ret_found = false;
    while (low < high && !*ret_found) {
        uint32_t middle = low + (high - low) / 2;
        gs_dot here = gs_sketch_dot(sketch, &sketch->entries[middle]);
        int order = gs_dot_compare(&here, dot);
        *ret_found = order == 0;
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return *ret_found ? high : low;
}

int gs_sketch_add(struct gs_sketch *sketch, struct gs_memory *memory, const struct gs_observation *observation,
                  const gs_dot *dot) {
    bool found = false;
    uint32_t at = gs_sketch_locate(sketch, observation->cell, dot, &found);
    uint32_t slot = 0;
    if (found) {
        return 0;
    }
    if (reserve(sketch, memory, 1) != 0 || obtain_slot(sketch, memory, &dot->origin, &slot) != 0) {
        return GS_ENOMEM;
    }
    memmove(&sketch->entries[at + 1], &sketch->entries[at], (sketch->count - at) * sizeof(*sketch->entries));
    sketch->entries[at] = (struct gs_sketch_entry){.seq = dot->at.seq,
                                                   .index = dot->at.index,
                                                   .slot = slot & (GS_SKETCH_ORIGINS_MAX - 1),
                                                   .cell = observation->cell & (GS_SKETCH_REGISTERS - 1),
                                                   .rank = observation->rank & 63};
    sketch->count++;
    return 0;
}

void gs_sketch_ranks(const struct gs_sketch *sketch, uint8_t ret_ranks[GS_SKETCH_REGISTERS]) {
    memset(ret_ranks, 0, GS_SKETCH_REGISTERS);
    for (uint32_t i = 0; i < sketch->count; i++) {
        uint8_t *rank = &ret_ranks[sketch->entries[i].cell];
        *rank = sketch->entries[i].rank > *rank ? (uint8_t)sketch->entries[i].rank : *rank;
    }
}
