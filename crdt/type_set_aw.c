/* Set, add-wins: scalars, each kept alive by the dots of its adds. A remove takes away the adds that its writer saw, an
 * add supersedes them and brings its own dot; so an add wins over a concurrent remove, and nothing is ever a conflict.
 * Store: ordered elements, each with a DotSet. (Optimized observed-remove set, Bieniusa et al. 2012.) */
#include "crdt/type.h"

#include <globalstate/json.h>

#include <stddef.h>
#include <stdlib.h>

struct element {
    struct gs_dot_set dots;
    uint32_t length;
    uint8_t bytes[]; /* the canonical value */
};

static struct gs_slice element_value(const struct element *element) {
    return gs_slice_make(element->bytes, element->length);
}

static int compare_element(const void *key, const void *item) {
    return gs_slice_compare(*(const struct gs_slice *)key, element_value(item));
}

static void element_free(struct element *element, struct gs_memory *memory) {
    gs_dot_set_close(&element->dots, memory);
    gs_memory_free(memory, element, offsetof(struct element, bytes) + element->length);
}

static struct element *find(const union gs_store *store, struct gs_slice value) {
    return gs_ordered_find(&store->elements, compare_element, &value);
}

/* The element, created without dots if need be; NULL when out of memory. */
static struct element *obtain(union gs_store *store, struct gs_memory *memory, struct gs_slice value) {
    struct element *element = find(store, value);
    if (element) {
        return element;
    }
    size_t size = offsetof(struct element, bytes) + value.length;
    element = gs_memory_alloc(memory, size);
    if (!element) {
        return NULL;
    }
    element->dots = (struct gs_dot_set){0};
    element->length = (uint32_t)value.length;
    memcpy(element->bytes, value.bytes, value.length);
    if (gs_ordered_insert(&store->elements, memory, compare_element, &value, element) != 0) {
        gs_memory_free(memory, element, size);
        return NULL;
    }
    return element;
}

static void prune(union gs_store *store, struct gs_memory *memory, struct element *element) {
    if (element->dots.count == 0) {
        struct gs_slice value = element_value(element);
        gs_ordered_remove(&store->elements, memory, compare_element, &value);
        element_free(element, memory);
    }
}

/* Steps over elements while they may be pruned. */
static struct element *next_element(const union gs_store *store, const struct element *element) {
    struct gs_slice key = element ? element_value(element) : (struct gs_slice){0};
    return gs_ordered_after(&store->elements, compare_element, &key);
}

static void close_store(union gs_store *store, struct gs_memory *memory) {
    struct gs_ordered_cursor cursor = {.ordered = &store->elements};
    struct element *element = NULL;
    while ((element = gs_ordered_next(&cursor))) {
        element_free(element, memory);
    }
    gs_ordered_close(&store->elements, memory);
}

static bool is_alive(const union gs_store *store) {
    struct gs_ordered_cursor cursor = {.ordered = &store->elements};
    return gs_ordered_next(&cursor);
}

static bool is_empty(const union gs_store *store) {
    return !is_alive(store);
}

static int join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    static const struct gs_dot_set none;
    int error = 0;
    struct element *next = next_element(store, NULL);
    while (next && error == 0) {
        struct element *element = next;
        next = next_element(store, element);
        if (!find(other, element_value(element))) {
            error = gs_dot_set_join(&element->dots, &none, joining);
            prune(store, joining->memory, element);
        }
    }
    struct gs_ordered_cursor cursor = {.ordered = &other->elements};
    struct element *theirs = NULL;
    while (error == 0 && (theirs = gs_ordered_next(&cursor))) {
        struct element *mine = obtain(store, joining->memory, element_value(theirs));
        if (!mine) {
            return GS_ENOMEM;
        }
        error = gs_dot_set_join(&mine->dots, &theirs->dots, joining);
        prune(store, joining->memory, mine);
    }
    return error;
}

static void retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen) {
    struct element *next = next_element(store, NULL);
    while (next) {
        struct element *element = next;
        next = next_element(store, element);
        gs_dot_set_retain(&element->dots, memory, seen);
        prune(store, memory, element);
    }
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_write_array(out, gs_ordered_count(&store->elements));
    struct gs_ordered_cursor cursor = {.ordered = &store->elements};
    struct element *element = NULL;
    while ((element = gs_ordered_next(&cursor))) {
        gs_buffer_append(out, element->bytes, element->length);
    }
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_buffer_byte(out, '[');
    struct gs_ordered_cursor cursor = {.ordered = &store->elements};
    struct element *element = NULL;
    for (bool first = true; (element = gs_ordered_next(&cursor)); first = false) {
        gs_buffer_text(out, first ? "" : ",");
        gs_json_write(element_value(element), out);
    }
    gs_buffer_byte(out, ']');
}

static void encode(const union gs_store *store, const struct gs_origins *origins, struct gs_buffer *out) {
    gs_write_array(out, 2 * gs_ordered_count(&store->elements));
    struct gs_ordered_cursor cursor = {.ordered = &store->elements};
    struct element *element = NULL;
    while ((element = gs_ordered_next(&cursor))) {
        gs_buffer_append(out, element->bytes, element->length);
        gs_dots_encode(gs_dot_set_dots(&element->dots), element->dots.count, origins, out);
    }
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % 2 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    struct gs_slice previous = {0};
    for (uint32_t i = 0; i < count / 2 && reader->error == 0; i++) {
        struct gs_slice value = gs_read_value(reader);
        enum gs_kind kind = gs_value_kind(value);
        if (reader->error != 0) {
            return;
        }
        if (kind == GS_KIND_ARRAY || kind == GS_KIND_MAP || gs_slice_compare(previous, value) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
            return;
        }
        previous = value;
        struct element *element = obtain(store, decoding->memory, value);
        if (!element) {
            gs_reader_fail(reader, GS_ENOMEM);
            return;
        }
        gs_dot_set_decode(&element->dots, decoding);
        if (element->dots.count == 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    bool adds = change->kind == GS_OP_ADD && !(applying->seen && gs_context_contains(applying->seen, &applying->dot));
    struct element *element = adds ? obtain(store, applying->memory, change->value) : find(store, change->value);
    if (!element) {
        return adds ? GS_ENOMEM : 0;
    }
    int error = adds ? gs_dot_set_add(&element->dots, applying->memory, &applying->dot) : 0;
    if (error == 0) {
        gs_dot_set_subtract(&element->dots, applying->memory, change->dots, change->dot_count);
    }
    prune(store, applying->memory, element);
    return error;
}

static int compare_dots(const void *a, const void *b) {
    return gs_dot_compare(a, b);
}

static int collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    uint32_t count = 0;
    struct gs_ordered_cursor cursor = {.ordered = &store->elements};
    struct element *element = NULL;
    while ((element = gs_ordered_next(&cursor))) {
        count += element->dots.count;
    }
    gs_dot *dots = gs_arena_alloc(arena, count * sizeof(*dots));
    if (!dots) {
        return GS_ENOMEM;
    }
    uint32_t at = 0;
    cursor = (struct gs_ordered_cursor){.ordered = &store->elements};
    while ((element = gs_ordered_next(&cursor))) {
        memcpy(&dots[at], gs_dot_set_dots(&element->dots), element->dots.count * sizeof(*dots));
        at += element->dots.count;
    }
    qsort(dots, count, sizeof(*dots), compare_dots);
    ret_cleared->dots = dots;
    ret_cleared->dot_count = count;
    return 0;
}

/* The dots do not say which element they belong to, but the field is not larger than what the writer saw, or little. */
static int clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    struct element *next = next_element(store, NULL);
    while (next) {
        struct element *element = next;
        next = next_element(store, element);
        gs_dot_set_subtract(&element->dots, memory, cleared->dots, cleared->dot_count);
        prune(store, memory, element);
    }
    return 0;
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *ret_change) {
    (void)writer;
    const struct element *element = store ? find(store, op->value) : NULL;
    if (!element) {
        return op->kind == GS_OP_ADD;
    }
    gs_dot *dots = gs_arena_copy(arena, gs_dot_set_dots(&element->dots), element->dots.count * sizeof(*dots));
    if (!dots) {
        return GS_ENOMEM;
    }
    ret_change->dots = dots;
    ret_change->dot_count = element->dots.count;
    return 1;
}

static int compare_slices(const void *a, const void *b) {
    return gs_slice_compare(*(const struct gs_slice *)a, *(const struct gs_slice *)b);
}

/* The scalars of an array, sorted; GS_ETYPE if `value` is no array of scalars. */
static int read_scalars(struct gs_slice value, struct gs_arena *arena, struct gs_slice **ret_scalars,
                        uint32_t *ret_count) {
    if (gs_value_kind(value) != GS_KIND_ARRAY) {
        return GS_ETYPE;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    uint32_t count = gs_read_array(&reader, UINT32_MAX);
    struct gs_slice *scalars = gs_arena_alloc(arena, ((size_t)count + 1) * sizeof(*scalars));
    if (!scalars) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        enum gs_kind kind = gs_peek_kind(&reader);
        if (kind == GS_KIND_ARRAY || kind == GS_KIND_MAP) {
            return GS_ETYPE;
        }
        scalars[i] = gs_read_value(&reader);
    }
    if (reader.error != 0) {
        return reader.error;
    }
    qsort(scalars, count, sizeof(*scalars), compare_slices);
    *ret_scalars = scalars;
    *ret_count = count;
    return 0;
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    struct gs_slice *wanted = NULL;
    uint32_t count = 0;
    int error = read_scalars(value, list->arena, &wanted, &count);
    struct gs_ordered_cursor cursor = {.ordered = &store->elements};
    struct element *element = NULL;
    while (error == 0 && (element = gs_ordered_next(&cursor))) {
        struct gs_slice here = element_value(element);
        if (bsearch(&here, wanted, count, sizeof(here), compare_slices)) {
            continue;
        }
        /* Copied: the op must outlive the element. */
        const uint8_t *bytes = gs_arena_copy(list->arena, here.bytes, here.length);
        error = bytes ? gs_op_list_push(list, GS_OP_REMOVE, path, gs_slice_make(bytes, here.length)) : GS_ENOMEM;
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        bool again = i > 0 && gs_slice_compare(wanted[i - 1], wanted[i]) == 0;
        if (!again && !find(store, wanted[i])) {
            error = gs_op_list_push(list, GS_OP_ADD, path, wanted[i]);
        }
    }
    return error;
}

const struct gs_type_ops gs_type_set_aw = {
    .name = "set",
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
