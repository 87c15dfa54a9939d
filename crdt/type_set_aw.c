/* Set, add-wins: scalars, each kept alive by the dots of its adds. A remove takes away the adds that its writer saw, an
 * add supersedes them and brings its own dot; so an add wins over a concurrent remove, and nothing is ever a conflict.
 * Store: elements, each with a DotSet. (Optimized observed-remove set, Bieniusa et al. 2012.) */
#include "crdt/elements.h"

static void close_store(union gs_store *store, struct gs_memory *memory) {
    gs_elements_close(&store->elements, memory);
}

static bool is_empty(const union gs_store *store) {
    return gs_elements_is_empty(&store->elements);
}

static bool is_alive(const union gs_store *store) {
    return !is_empty(store);
}

static int join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    return gs_elements_join(&store->elements, &other->elements, joining);
}

static void retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen) {
    gs_elements_retain(&store->elements, memory, seen);
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_elements_write_value(&store->elements, NULL, out);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_elements_write_json(&store->elements, NULL, out);
}

static void encode(const union gs_store *store, const struct gs_encoding *encoding) {
    gs_elements_encode(&store->elements, encoding);
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_elements_decode(&store->elements, decoding);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    int error = change->kind == GS_OP_ADD ? gs_elements_add(&store->elements, applying, change->value) : 0;
    if (error == 0) {
        gs_elements_subtract(&store->elements, applying->memory, change->value, change->dots, change->dot_count);
    }
    return error;
}

static int collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    return gs_elements_collect(&store->elements, NULL, arena, ret_cleared);
}

/* The dots do not say which element they belong to, but the field is not larger than what the writer saw, or little. */
static int clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    gs_elements_subtract_all(&store->elements, memory, cleared->dots, cleared->dot_count);
    return 0;
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)writer;
    const struct gs_element *element = store ? gs_elements_find(&store->elements, op->value) : NULL;
    if (!element) {
        return change->kind == GS_OP_ADD;
    }
    gs_dot *dots = gs_arena_copy(arena, gs_dot_set_dots(&element->dots), element->dots.count * sizeof(*dots));
    if (!dots) {
        return GS_ENOMEM;
    }
    change->dots = dots;
    change->dot_count = element->dots.count;
    return 1;
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    return gs_elements_diff(&store->elements, NULL, path, value, list);
}

const struct gs_type_ops gs_type_set_aw = {
    .name = "set",
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
};
