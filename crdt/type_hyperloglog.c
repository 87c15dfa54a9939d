/* HyperLogLog: about how many distinct values were observed. 2,048 registers, each kept as a `max` is: an observation
 * that raises its register supersedes the entries that its writer saw there, one that does not changes nothing and
 * leaves no trace; entries side by side are all kept, the greatest counts, and none of this is a conflict. An unset
 * takes away the entries that its writer saw. The value itself is in the change only, so that history can be read; what
 * is observed cannot be told from the state. Store: struct gs_sketch, allocated with the first entry. */
#include "crdt/number.h"
#include "crdt/sketch.h"
#include "crdt/type.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct gs_sketch nothing;

static const struct gs_sketch *read_store(const union gs_store *store) {
    return store && store->sketch ? store->sketch : &nothing;
}

/* The sketch to write to; NULL when out of memory. */
static struct gs_sketch *obtain(union gs_store *store, struct gs_memory *memory) {
    if (!store->sketch) {
        store->sketch = gs_memory_zalloc(memory, sizeof(*store->sketch));
    }
    return store->sketch;
}

static void close_store(union gs_store *store, struct gs_memory *memory) {
    if (store->sketch) {
        gs_sketch_close(store->sketch, memory);
        gs_memory_free(memory, store->sketch, sizeof(*store->sketch));
        store->sketch = NULL;
    }
}

static void prune(union gs_store *store, struct gs_memory *memory) {
    if (store->sketch && store->sketch->count == 0) {
        close_store(store, memory);
    }
}

static bool is_empty(const union gs_store *store) {
    return read_store(store)->count == 0;
}

static bool is_alive(const union gs_store *store) {
    return read_store(store)->count > 0;
}

static int join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    if (!store->sketch && !other->sketch) {
        return 0;
    }
    struct gs_sketch *sketch = obtain(store, joining->memory);
    int error = sketch ? gs_sketch_join(sketch, read_store(other), joining) : GS_ENOMEM;
    prune(store, joining->memory);
    return error;
}

static bool is_seen(const void *context, const struct gs_sketch_entry *entry, const gs_dot *dot) {
    (void)entry;
    return gs_context_contains(context, dot);
}

static void retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen) {
    if (store->sketch) {
        gs_sketch_filter(store->sketch, is_seen, seen);
        prune(store, memory);
    }
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_write_int(out, gs_sketch_estimate(read_store(store)));
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_buffer_printf(out, "%" PRId64, gs_sketch_estimate(read_store(store)));
}

static void encode(const union gs_store *store, const struct gs_encoding *encoding) {
    const struct gs_sketch *sketch = read_store(store);
    gs_write_array(encoding->out, 5 * sketch->count);
    for (uint32_t i = 0; i < sketch->count; i++) {
        const struct gs_sketch_entry *entry = &sketch->entries[i];
        gs_write_uint(encoding->out, entry->cell);
        gs_write_uint(encoding->out, entry->rank);
        gs_origin_encode(&sketch->origins[entry->slot], encoding);
        gs_write_uint(encoding->out, entry->seq);
        gs_write_uint(encoding->out, entry->index);
    }
}

static void decode_entries(struct gs_sketch *sketch, uint32_t count, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t cell_before = 0;
    gs_dot before = {0};
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        gs_dot dot = {0};
        struct gs_observation observation = {.cell = gs_read_u32(reader, GS_SKETCH_REGISTERS - 1),
                                             .rank = gs_read_u32(reader, GS_SKETCH_RANK_MAX)};
        if (!gs_dot_decode(decoding, &dot)) {
            return;
        }
        bool in_order = i == 0 || observation.cell > cell_before ||
                        (observation.cell == cell_before && gs_dot_compare(&before, &dot) < 0);
        if (observation.rank == 0 || !in_order) {
            gs_reader_fail(reader, GS_EFORMAT);
        } else if (gs_sketch_add(sketch, decoding->memory, &observation, &dot) != 0) {
            gs_reader_fail(reader, GS_ENOMEM);
        }
        cell_before = observation.cell;
        before = dot;
    }
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % 5 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0 || count == 0) {
        return;
    }
    struct gs_sketch *sketch = obtain(store, decoding->memory);
    if (!sketch) {
        gs_reader_fail(reader, GS_ENOMEM);
        return;
    }
    decode_entries(sketch, count / 5, decoding);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    struct gs_observation observation = gs_observation_read(change->value);
    int error = 0;
    if (store->sketch) { /* first, so that the register's new entry takes the room of the old one */
        gs_sketch_subtract(store->sketch, observation.cell, change->dots, change->dot_count);
    }
    if (!applying->seen || !gs_context_contains(applying->seen, &applying->dot)) {
        struct gs_sketch *sketch = obtain(store, applying->memory);
        error = sketch ? gs_sketch_add(sketch, applying->memory, &observation, &applying->dot) : GS_ENOMEM;
    }
    prune(store, applying->memory);
    return error;
}

static int compare_dots(const void *a, const void *b) {
    return gs_dot_compare(a, b);
}

static int collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    const struct gs_sketch *sketch = read_store(store);
    gs_dot *dots = gs_arena_alloc(arena, ((size_t)sketch->count + 1) * sizeof(*dots));
    if (!dots) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < sketch->count; i++) {
        dots[i] = gs_sketch_dot(sketch, &sketch->entries[i]);
    }
    qsort(dots, sketch->count, sizeof(*dots), compare_dots);
    ret_cleared->dots = dots;
    ret_cleared->dot_count = sketch->count;
    return 0;
}

static bool is_not_cleared(const void *context, const struct gs_sketch_entry *entry, const gs_dot *dot) {
    const struct gs_cleared *cleared = context;
    (void)entry;
    return !bsearch(dot, cleared->dots, cleared->dot_count, sizeof(*dot), compare_dots);
}

static int clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    if (store->sketch && cleared->dot_count > 0) {
        gs_sketch_filter(store->sketch, is_not_cleared, cleared);
        prune(store, memory);
    }
    return 0;
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)writer;
    const struct gs_sketch *sketch = read_store(store);
    struct gs_observation observation = gs_observation_read(op->value);
    uint32_t count = 0;
    uint32_t first = gs_sketch_find(sketch, observation.cell, &count);
    gs_dot *dots = count > 0 ? gs_arena_alloc(arena, count * sizeof(*dots)) : NULL;
    if (count > 0 && !dots) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct gs_sketch_entry *entry = &sketch->entries[first + i];
        if (entry->rank >= observation.rank) {
            return 0;
        }
        dots[i] = gs_sketch_dot(sketch, entry);
    }
    change->dots = dots;
    change->dot_count = count;
    return 1;
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    (void)path;
    int64_t wanted = 0;
    if (gs_integer_read(value, &wanted) && wanted == gs_sketch_estimate(read_store(store))) {
        return 0;
    }
    snprintf(list->reason, sizeof(list->reason), "is an estimate and cannot be set to another value");
    return GS_ETYPE;
}

static int push_register(struct gs_op_list *list, const struct gs_path *path, uint32_t cell, uint8_t rank) {
    struct gs_buffer value = {.memory = list->arena->memory};
    gs_write_array(&value, 2);
    gs_write_uint(&value, cell);
    gs_write_uint(&value, rank);
    const uint8_t *bytes = value.failed ? NULL : gs_arena_copy(list->arena, value.bytes, value.length);
    size_t length = value.length;
    gs_buffer_close(&value);
    return bytes ? gs_op_list_push(list, GS_OP_OBSERVE, path, gs_slice_make(bytes, length)) : GS_ENOMEM;
}

/* Observations bring back what went down; if a register went up, everything is taken away first. One op for each
 * register: a dot that named several could not be superseded in one of them alone. */
static int invert(const union gs_store *now, const union gs_store *past, const struct gs_path *path,
                  struct gs_op_list *list) {
    uint8_t here[GS_SKETCH_REGISTERS];
    uint8_t wanted[GS_SKETCH_REGISTERS];
    bool is_beyond = false;
    gs_sketch_ranks(read_store(now), here);
    gs_sketch_ranks(read_store(past), wanted);
    for (uint32_t cell = 0; cell < GS_SKETCH_REGISTERS; cell++) {
        is_beyond = is_beyond || here[cell] > wanted[cell];
    }
    int error = is_beyond ? gs_op_list_push(list, GS_OP_UNSET, path, (struct gs_slice){0}) : 0;
    for (uint32_t cell = 0; cell < GS_SKETCH_REGISTERS && error == 0; cell++) {
        if (wanted[cell] > 0 && (is_beyond || wanted[cell] > here[cell])) {
            error = push_register(list, path, cell, wanted[cell]);
        }
    }
    return error;
}

const struct gs_type_ops gs_type_hyperloglog = {
    .name = "hyperloglog",
    .creatable = true,
    .close = close_store,
    .is_empty = is_empty,
    .is_alive = is_alive,
    .join = join,
    .retain = retain,
    .write_value = write_value,
    .write_json = write_json,
    .encode = encode,
    .decode = decode,
    .apply = apply,
    .collect = collect,
    .clear = clear,
    .resolve = resolve,
    .diff = diff,
    .invert = invert,
};
