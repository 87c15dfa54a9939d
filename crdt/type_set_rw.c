/* Set, remove-wins: an element is in while it has an add and no remove. Adds and removes both leave a dot, and each
 * supersedes the adds and removes of the element that its writer saw; so of an add and a remove that did not see each
 * other the remove wins, even if the remover had never seen the element, and such an element is reported as a conflict
 * (remove_wins). An unset of the field takes away adds and removes alike. (Bieniusa et al. 2012; antidote_crdt_set_rw.)
 *
 * Hidden adds and removes are not in the canonical form. They stay until an unset takes them away: a replica that
 * dropped them by itself, stable or not, could not name them in a later add, and the others would keep it hidden.
 * Store: two collections of elements with DotSets, allocated with the first element. */
#include "crdt/elements.h"

struct gs_set_rw {
    struct gs_ordered adds;
    struct gs_ordered removes;
};

static const struct gs_set_rw nothing;

static const struct gs_set_rw *read_store(const union gs_store *store) {
    return store->set_rw ? store->set_rw : &nothing;
}

/* The collections to write to; NULL when out of memory. */
static struct gs_set_rw *obtain(union gs_store *store, struct gs_memory *memory) {
    if (!store->set_rw) {
        store->set_rw = gs_memory_zalloc(memory, sizeof(*store->set_rw));
    }
    return store->set_rw;
}

static void close_store(union gs_store *store, struct gs_memory *memory) {
    if (store->set_rw) {
        gs_elements_close(&store->set_rw->adds, memory);
        gs_elements_close(&store->set_rw->removes, memory);
        gs_memory_free(memory, store->set_rw, sizeof(*store->set_rw));
        store->set_rw = NULL;
    }
}

static bool is_empty(const union gs_store *store) {
    const struct gs_set_rw *set = read_store(store);
    return gs_elements_is_empty(&set->adds) && gs_elements_is_empty(&set->removes);
}

static bool is_in(const struct gs_set_rw *set, const struct gs_element *added) {
    return !gs_elements_find(&set->removes, gs_element_value(added));
}

static bool is_alive(const union gs_store *store) {
    const struct gs_set_rw *set = read_store(store);
    struct gs_ordered_cursor cursor = {.ordered = &set->adds};
    const struct gs_element *element = gs_ordered_next(&cursor);
    while (element && !is_in(set, element)) {
        element = gs_ordered_next(&cursor);
    }
    return element != NULL;
}

static int join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    if (!store->set_rw && !other->set_rw) {
        return 0;
    }
    struct gs_set_rw *set = obtain(store, joining->memory);
    if (!set) {
        return GS_ENOMEM;
    }
    int error = gs_elements_join(&set->adds, &read_store(other)->adds, joining);
    return error != 0 ? error : gs_elements_join(&set->removes, &read_store(other)->removes, joining);
}

static void retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen) {
    if (store->set_rw) {
        gs_elements_retain(&store->set_rw->adds, memory, seen);
        gs_elements_retain(&store->set_rw->removes, memory, seen);
    }
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    const struct gs_set_rw *set = read_store(store);
    gs_elements_write_value(&set->adds, &set->removes, out);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    const struct gs_set_rw *set = read_store(store);
    gs_elements_write_json(&set->adds, &set->removes, out);
}

/* Canonical: what is in, with its dots. Full: all adds, all removes. */
static void encode(const union gs_store *store, const struct gs_encoding *encoding) {
    const struct gs_set_rw *set = read_store(store);
    struct gs_buffer *out = encoding->out;
    if (encoding->form == GS_ENCODE_FULL) {
        gs_write_array(out, 2);
        gs_elements_encode(&set->adds, encoding);
        gs_elements_encode(&set->removes, encoding);
        return;
    }
    struct gs_ordered_cursor cursor = {.ordered = &set->adds};
    const struct gs_element *element = NULL;
    uint32_t count = 0;
    while ((element = gs_ordered_next(&cursor))) {
        count += is_in(set, element);
    }
    gs_write_array(out, 2 * count);
    cursor = (struct gs_ordered_cursor){.ordered = &set->adds};
    while ((element = gs_ordered_next(&cursor))) {
        if (is_in(set, element)) {
            gs_buffer_append(out, element->bytes, element->length);
            gs_dots_encode(gs_dot_set_dots(&element->dots), element->dots.count, encoding);
        }
    }
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_read_array_exact(decoding->reader, 2);
    struct gs_set_rw *set = decoding->reader->error == 0 ? obtain(store, decoding->memory) : NULL;
    if (!set) {
        gs_reader_fail(decoding->reader, GS_ENOMEM);
        return;
    }
    gs_elements_decode(&set->adds, decoding);
    gs_elements_decode(&set->removes, decoding);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    struct gs_set_rw *set = obtain(store, applying->memory);
    if (!set) {
        return GS_ENOMEM;
    }
    struct gs_ordered *side = change->kind == GS_OP_ADD_RW ? &set->adds : &set->removes;
    int error = gs_elements_add(side, applying, change->value);
    if (error == 0) {
        gs_elements_subtract(&set->adds, applying->memory, change->value, change->dots, change->dot_count);
        gs_elements_subtract(&set->removes, applying->memory, change->value, change->dots, change->dot_count);
    }
    return error;
}

static int collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    const struct gs_set_rw *set = read_store(store);
    return gs_elements_collect(&set->adds, &set->removes, arena, ret_cleared);
}

static int clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    if (store->set_rw) {
        gs_elements_subtract_all(&store->set_rw->adds, memory, cleared->dots, cleared->dot_count);
        gs_elements_subtract_all(&store->set_rw->removes, memory, cleared->dots, cleared->dot_count);
    }
    return 0;
}

/* What of the element the writer sees, adds and removes, sorted. A remove of what is not in says "and it stays out". */
static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)writer;
    const struct gs_set_rw *set = store ? read_store(store) : &nothing;
    const struct gs_element *sides[] = {gs_elements_find(&set->adds, op->value),
                                        gs_elements_find(&set->removes, op->value)};
    struct gs_dot_set seen = {0};
    int error = 0;
    for (int i = 0; i < 2 && error == 0; i++) {
        const gs_dot *dots = sides[i] ? gs_dot_set_dots(&sides[i]->dots) : NULL;
        for (uint32_t j = 0; sides[i] && j < sides[i]->dots.count && error == 0; j++) {
            error = gs_dot_set_add(&seen, arena->memory, &dots[j]);
        }
    }
    if (error == 0 && seen.count > 0) {
        change->dots = gs_arena_copy(arena, gs_dot_set_dots(&seen), seen.count * sizeof(gs_dot));
        change->dot_count = seen.count;
        error = change->dots ? 0 : GS_ENOMEM;
    }
    gs_dot_set_close(&seen, arena->memory);
    return error != 0 ? error : 1;
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    const struct gs_set_rw *set = read_store(store);
    return gs_elements_diff(&set->adds, &set->removes, path, value, list);
}

static void describe(const struct gs_element *element, const char *op, struct gs_conflict_value *values) {
    const gs_dot *dots = gs_dot_set_dots(&element->dots);
    for (uint32_t i = 0; i < element->dots.count; i++) {
        values[i] = (struct gs_conflict_value){
            .op = op, .dot = dots[i], .type = GS_TYPE_SET_RW, .value = gs_element_value(element)};
    }
}

/* An element that is added and removed side by side: the removes, which win, come first. */
static int visit_conflicts(const union gs_store *store, const struct gs_path *path, struct gs_memory *memory,
                           gs_conflict_fn visit, void *context) {
    const struct gs_set_rw *set = read_store(store);
    struct gs_ordered_cursor cursor = {.ordered = &set->adds};
    const struct gs_element *added = NULL;
    int result = 0;
    while (result == 0 && (added = gs_ordered_next(&cursor))) {
        const struct gs_element *removed = gs_elements_find(&set->removes, gs_element_value(added));
        if (!removed) {
            continue;
        }
        uint32_t count = removed->dots.count + added->dots.count;
        struct gs_conflict_value *values = gs_memory_alloc(memory, count * sizeof(*values));
        if (!values) {
            return GS_ENOMEM;
        }
        describe(removed, "remove", values);
        describe(added, "add", values + removed->dots.count);
        struct gs_conflict conflict = {
            .path = *path, .type = GS_TYPE_SET_RW, .rule = "remove_wins", .count = count, .values = values};
        result = visit(context, &conflict);
        gs_memory_free(memory, values, count * sizeof(*values));
    }
    return result;
}

const struct gs_type_ops gs_type_set_rw = {
    .name = "set_rw",
    .visit_conflicts = visit_conflicts,
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
