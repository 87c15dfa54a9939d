/* Elements as people see them: in order of their encoding, as values and as JSON, and the ops that lead to an array. */
#include "crdt/elements.h"

#include <globalstate/json.h>

#include <stdlib.h>

static bool is_shown(const struct gs_element *element, const struct gs_ordered *hidden) {
    return !hidden || !gs_elements_find(hidden, gs_element_value(element));
}

static const struct gs_element *next_shown(struct gs_ordered_cursor *cursor, const struct gs_ordered *hidden) {
    const struct gs_element *element = gs_ordered_next(cursor);
    while (element && !is_shown(element, hidden)) {
        element = gs_ordered_next(cursor);
    }
    return element;
}

void gs_elements_write_value(const struct gs_ordered *elements, const struct gs_ordered *hidden,
                             struct gs_buffer *out) {
    struct gs_ordered_cursor cursor = {.ordered = elements};
    uint32_t count = 0;
    while (next_shown(&cursor, hidden)) {
        count++;
    }
    gs_write_array(out, count);
    cursor = (struct gs_ordered_cursor){.ordered = elements};
    const struct gs_element *element = NULL;
    while ((element = next_shown(&cursor, hidden))) {
        gs_buffer_append(out, element->bytes, element->length);
    }
}

void gs_elements_write_json(const struct gs_ordered *elements, const struct gs_ordered *hidden, struct gs_buffer *out) {
    struct gs_ordered_cursor cursor = {.ordered = elements};
    const struct gs_element *element = NULL;
    gs_buffer_byte(out, '[');
    for (bool first = true; (element = next_shown(&cursor, hidden)); first = false) {
        gs_buffer_text(out, first ? "" : ",");
        gs_json_write(gs_element_value(element), out);
    }
    gs_buffer_byte(out, ']');
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
    reader.nodes_left = UINT32_MAX; /* what a past state shows may be larger than what one op brings */
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

static int remove_surplus(const struct gs_ordered *elements, const struct gs_ordered *hidden,
                          const struct gs_path *path, const struct gs_slice *wanted, uint32_t count,
                          struct gs_op_list *list) {
    struct gs_ordered_cursor cursor = {.ordered = elements};
    const struct gs_element *element = NULL;
    int error = 0;
    while (error == 0 && (element = next_shown(&cursor, hidden))) {
        struct gs_slice here = gs_element_value(element);
        if (!bsearch(&here, wanted, count, sizeof(here), compare_slices)) {
            /* Copied: the op must outlive the element. */
            const uint8_t *bytes = gs_arena_copy(list->arena, here.bytes, here.length);
            error = bytes ? gs_op_list_push(list, GS_OP_REMOVE, path, gs_slice_make(bytes, here.length)) : GS_ENOMEM;
        }
    }
    return error;
}

int gs_elements_diff(const struct gs_ordered *elements, const struct gs_ordered *hidden, const struct gs_path *path,
                     struct gs_slice value, struct gs_op_list *list) {
    struct gs_slice *wanted = NULL;
    uint32_t count = 0;
    int error = read_scalars(value, list->arena, &wanted, &count);
    error = error != 0 ? error : remove_surplus(elements, hidden, path, wanted, count, list);
    for (uint32_t i = 0; i < count && error == 0; i++) {
        bool again = i > 0 && gs_slice_compare(wanted[i - 1], wanted[i]) == 0;
        const struct gs_element *element = again ? NULL : gs_elements_find(elements, wanted[i]);
        if (!again && (!element || !is_shown(element, hidden))) {
            error = gs_op_list_push(list, GS_OP_ADD, path, wanted[i]);
        }
    }
    return error;
}
