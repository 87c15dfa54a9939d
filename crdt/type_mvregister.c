/* Multi-value register: shows every value whose write no other write saw, as an array in the order of encodings;
 * nothing is chosen, and more than one write side by side is reported as a conflict (all_kept). One write may bring
 * several values at once (what a `set` of the whole document does); a client's `set` brings one. Store: DotFun of
 * (clock, array of values). (Shapiro et al. 2011, MV-Register.) */
#include "crdt/type.h"

#include <globalstate/json.h>

#include <stdlib.h>

static int compare_slices(const void *a, const void *b) {
    return gs_slice_compare(*(const struct gs_slice *)a, *(const struct gs_slice *)b);
}

/* Appends the values of one entry's array; the count of `values` so far is returned. */
static uint32_t read_values(struct gs_slice array, struct gs_slice *values, uint32_t at) {
    struct gs_reader reader;
    gs_reader_init(&reader, array.bytes, array.length);
    uint32_t count = gs_read_array(&reader, UINT32_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct gs_slice value = gs_skip_value(&reader);
        if (values) {
            values[at + i] = value;
        }
    }
    return at + count;
}

struct value_list {
    struct gs_slice *values; /* owned, sorted, each once */
    uint32_t count;
    size_t size; /* bytes of `values` */
};

/* The distinct values of arrays. 0 or GS_ENOMEM. */
static int list_values(const struct gs_slice *arrays, uint32_t array_count, struct gs_memory *memory,
                       struct value_list *ret_list) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < array_count; i++) {
        count = read_values(arrays[i], NULL, count);
    }
    size_t size = ((size_t)count + 1) * sizeof(struct gs_slice);
    struct gs_slice *values = gs_memory_alloc(memory, size);
    if (!values) {
        return GS_ENOMEM;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < array_count; i++) {
        at = read_values(arrays[i], values, at);
    }
    qsort(values, count, sizeof(*values), compare_slices);
    uint32_t unique = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (unique == 0 || gs_slice_compare(values[unique - 1], values[i]) != 0) {
            values[unique++] = values[i];
        }
    }
    *ret_list = (struct value_list){.values = values, .count = unique, .size = size};
    return 0;
}

/* The values that are shown. 0 or GS_ENOMEM. */
static int list_shown(const union gs_store *store, struct gs_memory *memory, struct value_list *ret_list) {
    size_t size = ((size_t)store->fun.count + 1) * sizeof(struct gs_slice);
    struct gs_slice *arrays = gs_memory_alloc(memory, size);
    if (!arrays) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < store->fun.count; i++) {
        arrays[i] = gs_entry_value(gs_dot_fun_at(&store->fun, i));
    }
    int error = list_values(arrays, store->fun.count, memory, ret_list);
    gs_memory_free(memory, arrays, size);
    return error;
}

static void fail(struct gs_buffer *out, int error) {
    out->failed = out->failed != 0 ? out->failed : error;
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    struct value_list list;
    int error = list_shown(store, out->memory, &list);
    if (error != 0) {
        fail(out, error);
        return;
    }
    gs_write_array(out, list.count);
    for (uint32_t i = 0; i < list.count; i++) {
        gs_buffer_append(out, list.values[i].bytes, list.values[i].length);
    }
    gs_memory_free(out->memory, list.values, list.size);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    struct value_list list;
    int error = list_shown(store, out->memory, &list);
    if (error != 0) {
        fail(out, error);
        return;
    }
    gs_buffer_byte(out, '[');
    for (uint32_t i = 0; i < list.count; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        gs_json_write(list.values[i], out);
    }
    gs_buffer_byte(out, ']');
    gs_memory_free(out->memory, list.values, list.size);
}

static bool accept(gs_hlc clock, struct gs_slice value) {
    (void)clock;
    return gs_value_kind(value) == GS_KIND_ARRAY;
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_store_fun_decode(store, decoding, accept);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    return gs_store_fun_apply(store, applying, applying->clock, applying->change->value);
}

/* 0, or GS_EDEPTH if peers could not read the value: it nests too deep or has too many nodes. */
static int check_readable(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    gs_read_value(&reader);
    return gs_reader_finish(&reader) != 0 ? GS_EDEPTH : 0;
}

/* A client's value becomes an array of one. */
static int wrap(struct gs_slice value, struct gs_arena *arena, struct gs_slice *ret_array) {
    uint8_t *bytes = gs_arena_alloc(arena, value.length + 1);
    if (!bytes) {
        return GS_ENOMEM;
    }
    bytes[0] = 0x91; /* msgpack: an array of one */
    memcpy(bytes + 1, value.bytes, value.length);
    *ret_array = gs_slice_make(bytes, value.length + 1);
    return 0;
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)writer;
    int error = op->kind != GS_OP_WRITE ? wrap(op->value, arena, &change->value) : 0;
    error = error != 0 ? error : check_readable(change->value);
    return error != 0 ? error : gs_store_fun_resolve(store, arena, change);
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    if (gs_value_kind(value) != GS_KIND_ARRAY) {
        return GS_ETYPE;
    }
    struct gs_memory *memory = list->arena->memory;
    struct value_list shown = {0};
    struct value_list wanted = {0};
    int error = list_shown(store, memory, &shown);
    error = error != 0 ? error : list_values(&value, 1, memory, &wanted);
    bool same = shown.count == wanted.count && (store->fun.count > 0 || wanted.count == 0);
    for (uint32_t i = 0; i < shown.count && same; i++) {
        same = gs_slice_compare(shown.values[i], wanted.values[i]) == 0;
    }
    gs_memory_free(memory, shown.values, shown.size);
    gs_memory_free(memory, wanted.values, wanted.size);
    return error != 0 || same ? error : gs_op_list_push(list, GS_OP_WRITE, path, value);
}

const struct gs_type_ops gs_type_mvregister = {
    .name = "mvregister",
    .winner = gs_store_fun_latest,
    .rule = "all_kept",
    .close = gs_store_fun_close,
    .is_empty = gs_store_fun_is_empty,
    .is_alive = gs_store_fun_is_alive,
    .join = gs_store_fun_join,
    .retain = gs_store_fun_retain,
    .write_value = write_value,
    .write_json = write_json,
    .encode = gs_store_fun_encode,
    .decode = decode,
    .apply = apply,
    .collect = gs_store_fun_collect,
    .clear = gs_store_fun_clear,
    .resolve = resolve,
    .diff = diff,
};
