#include "crdt/elements.h"
#include "crdt/kind.h"

#include <stddef.h>
#include <stdlib.h>

static int compare_element(const void *key, const void *item) {
    return gs_slice_compare(*(const struct gs_slice *)key, gs_element_value(item));
}

static void element_free(struct gs_element *element, struct gs_memory *memory) {
    gs_dot_set_close(&element->dots, memory);
    gs_memory_free(memory, element, offsetof(struct gs_element, bytes) + element->length);
}

struct gs_element *gs_elements_find(const struct gs_ordered *elements, struct gs_slice value) {
    return gs_ordered_find(elements, compare_element, &value);
}

/* The element, created without dots if need be; NULL when out of memory. */
static struct gs_element *obtain(struct gs_ordered *elements, struct gs_memory *memory, struct gs_slice value) {
    struct gs_element *element = gs_elements_find(elements, value);
    if (element) {
        return element;
    }
    size_t size = offsetof(struct gs_element, bytes) + value.length;
    element = gs_memory_alloc(memory, size);
    if (!element) {
        return NULL;
    }
    element->dots = (struct gs_dot_set){0};
    element->length = (uint32_t)value.length;
    memcpy(element->bytes, value.bytes, value.length);
    if (gs_ordered_insert(elements, memory, compare_element, &value, element) != 0) {
        gs_memory_free(memory, element, size);
        return NULL;
    }
    return element;
}

void gs_elements_drop(struct gs_ordered *elements, struct gs_memory *memory, struct gs_element *element) {
    struct gs_slice value = gs_element_value(element);
    gs_ordered_remove(elements, memory, compare_element, &value);
    element_free(element, memory);
}

static void prune(struct gs_ordered *elements, struct gs_memory *memory, struct gs_element *element) {
    if (element->dots.count == 0) {
        gs_elements_drop(elements, memory, element);
    }
}

struct gs_element *gs_elements_next(const struct gs_ordered *elements, const struct gs_element *element) {
    struct gs_slice key = element ? gs_element_value(element) : (struct gs_slice){0};
    return gs_ordered_after(elements, compare_element, &key);
}

void gs_elements_close(struct gs_ordered *elements, struct gs_memory *memory) {
    struct gs_ordered_cursor cursor = {.ordered = elements};
    struct gs_element *element = NULL;
    while ((element = gs_ordered_next(&cursor))) {
        element_free(element, memory);
    }
    gs_ordered_close(elements, memory);
}

bool gs_elements_is_empty(const struct gs_ordered *elements) {
    struct gs_ordered_cursor cursor = {.ordered = elements};
    return !gs_ordered_next(&cursor);
}

int gs_elements_add(struct gs_ordered *elements, const struct gs_applying *applying, struct gs_slice value) {
    if (applying->seen && gs_context_contains(applying->seen, &applying->dot)) {
        return 0;
    }
    struct gs_element *element = obtain(elements, applying->memory, value);
    if (!element) {
        return GS_ENOMEM;
    }
    int error = gs_dot_set_add(&element->dots, applying->memory, &applying->dot);
    prune(elements, applying->memory, element);
    return error;
}

void gs_elements_subtract(struct gs_ordered *elements, struct gs_memory *memory, struct gs_slice value,
                          const gs_dot *dots, uint32_t count) {
    struct gs_element *element = gs_elements_find(elements, value);
    if (element) {
        gs_dot_set_subtract(&element->dots, memory, dots, count);
        prune(elements, memory, element);
    }
}

void gs_elements_subtract_all(struct gs_ordered *elements, struct gs_memory *memory, const gs_dot *dots,
                              uint32_t count) {
    struct gs_element *next = gs_elements_next(elements, NULL);
    while (next) {
        struct gs_element *element = next;
        next = gs_elements_next(elements, element);
        gs_dot_set_subtract(&element->dots, memory, dots, count);
        prune(elements, memory, element);
    }
}

int gs_elements_join(struct gs_ordered *elements, const struct gs_ordered *other, const struct gs_joining *joining) {
    static const struct gs_dot_set none;
    int error = 0;
    struct gs_element *next = gs_elements_next(elements, NULL);
    while (next && error == 0) {
        struct gs_element *element = next;
        next = gs_elements_next(elements, element);
        if (!gs_elements_find(other, gs_element_value(element))) {
            error = gs_dot_set_join(&element->dots, &none, joining);
            prune(elements, joining->memory, element);
        }
    }
    struct gs_ordered_cursor cursor = {.ordered = other};
    struct gs_element *theirs = NULL;
    while (error == 0 && (theirs = gs_ordered_next(&cursor))) {
        struct gs_element *mine = obtain(elements, joining->memory, gs_element_value(theirs));
        if (!mine) {
            return GS_ENOMEM;
        }
        error = gs_dot_set_join(&mine->dots, &theirs->dots, joining);
        prune(elements, joining->memory, mine);
    }
    return error;
}

void gs_elements_retain(struct gs_ordered *elements, struct gs_memory *memory, const struct gs_context *seen) {
    struct gs_element *next = gs_elements_next(elements, NULL);
    while (next) {
        struct gs_element *element = next;
        next = gs_elements_next(elements, element);
        gs_dot_set_retain(&element->dots, memory, seen);
        prune(elements, memory, element);
    }
}

void gs_elements_encode(const struct gs_ordered *elements, const struct gs_encoding *encoding) {
    struct gs_ordered_cursor cursor = {.ordered = elements};
    const struct gs_element *element = NULL;
    gs_write_array(encoding->out, 2 * gs_ordered_count(elements));
    while ((element = gs_ordered_next(&cursor))) {
        gs_buffer_append(encoding->out, element->bytes, element->length);
        gs_dots_encode(gs_dot_set_dots(&element->dots), element->dots.count, encoding);
    }
}

void gs_elements_decode(struct gs_ordered *elements, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % 2 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    struct gs_slice previous = {0};
    for (uint32_t i = 0; i < count / 2 && reader->error == 0; i++) {
        struct gs_slice value = gs_read_value(reader);
        if (reader->error != 0) {
            return;
        }
        if (!gs_is_scalar(value) || gs_slice_compare(previous, value) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
            return;
        }
        previous = value;
        struct gs_element *element = obtain(elements, decoding->memory, value);
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

static uint32_t count_dots(const struct gs_ordered *elements) {
    struct gs_ordered_cursor cursor = {.ordered = elements};
    const struct gs_element *element = NULL;
    uint32_t count = 0;
    while ((element = gs_ordered_next(&cursor))) {
        count += element->dots.count;
    }
    return count;
}

static gs_dot *copy_dots(const struct gs_ordered *elements, gs_dot *to) {
    struct gs_ordered_cursor cursor = {.ordered = elements};
    const struct gs_element *element = NULL;
    while ((element = gs_ordered_next(&cursor))) {
        memcpy(to, gs_dot_set_dots(&element->dots), element->dots.count * sizeof(*to));
        to += element->dots.count;
    }
    return to;
}

static int compare_dots(const void *a, const void *b) {
    return gs_dot_compare(a, b);
}

int gs_elements_collect(const struct gs_ordered *first, const struct gs_ordered *second, struct gs_arena *arena,
                        struct gs_cleared *ret_cleared) {
    uint32_t count = count_dots(first) + (second ? count_dots(second) : 0);
    gs_dot *dots = gs_arena_alloc(arena, ((size_t)count + 1) * sizeof(*dots));
    if (!dots) {
        return GS_ENOMEM;
    }
    gs_dot *end = copy_dots(first, dots);
    if (second) {
        copy_dots(second, end);
    }
    qsort(dots, count, sizeof(*dots), compare_dots);
    ret_cleared->dots = dots;
    ret_cleared->dot_count = count;
    return 0;
}
