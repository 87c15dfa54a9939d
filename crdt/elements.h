/* DotMap from elements to DotSets: scalars, each kept by dots; the store of sets (Almeida, Shoker, Baquero 2018,
 * section 7.2). An element without dots is pruned. */
#ifndef GS_CRDT_ELEMENTS_H
#define GS_CRDT_ELEMENTS_H

#include "crdt/type.h"

struct gs_element {
    struct gs_dot_set dots;
    uint32_t length;
    uint8_t bytes[]; /* the canonical value */
};

static inline struct gs_slice gs_element_value(const struct gs_element *element) {
    return gs_slice_make(element->bytes, element->length);
}

/* All functions take the ordered collection that is the store: of struct gs_element, owned, sorted by encoding. */
void gs_elements_close(struct gs_ordered *elements, struct gs_memory *memory);
bool gs_elements_is_empty(const struct gs_ordered *elements);
/* The element or NULL. */
struct gs_element *gs_elements_find(const struct gs_ordered *elements, struct gs_slice value);
/* The first element after `element` (the first of all if NULL), or NULL. Safe while elements are dropped. */
struct gs_element *gs_elements_next(const struct gs_ordered *elements, const struct gs_element *element);
/* Takes the element out and frees it. */
void gs_elements_drop(struct gs_ordered *elements, struct gs_memory *memory, struct gs_element *element);
/* Adds the dot of `applying`, unless it has been seen, to the element `value`. 0 or GS_ENOMEM (then unchanged). */
int gs_elements_add(struct gs_ordered *elements, const struct gs_applying *applying, struct gs_slice value);
/* Takes `dots`, sorted, from the element `value`, if it is in. */
void gs_elements_subtract(struct gs_ordered *elements, struct gs_memory *memory, struct gs_slice value,
                          const gs_dot *dots, uint32_t count);
/* Takes `dots` from all elements. */
void gs_elements_subtract_all(struct gs_ordered *elements, struct gs_memory *memory, const gs_dot *dots,
                              uint32_t count);
int gs_elements_join(struct gs_ordered *elements, const struct gs_ordered *other, const struct gs_joining *joining);
void gs_elements_retain(struct gs_ordered *elements, struct gs_memory *memory, const struct gs_context *seen);

/* [element, dots, element, dots, …] without the head; the count is the caller's. */
void gs_elements_encode(const struct gs_ordered *elements, const struct gs_encoding *encoding);
/* The whole array. */
void gs_elements_decode(struct gs_ordered *elements, struct gs_decoding *decoding);

/* All dots of one or two stores (`second` may be NULL), sorted, in `arena`. 0 or GS_ENOMEM. */
int gs_elements_collect(const struct gs_ordered *first, const struct gs_ordered *second, struct gs_arena *arena,
                        struct gs_cleared *ret_cleared);

/* Appends the elements that are not in `hidden` (NULL: none is hidden), as a canonical array and as JSON. */
void gs_elements_write_value(const struct gs_ordered *elements, const struct gs_ordered *hidden, struct gs_buffer *out);
void gs_elements_write_json(const struct gs_ordered *elements, const struct gs_ordered *hidden, struct gs_buffer *out);
/* Removes and adds that lead from what is shown to the array `value`. GS_ETYPE if it is no array of scalars. */
int gs_elements_diff(const struct gs_ordered *elements, const struct gs_ordered *hidden, const struct gs_path *path,
                     struct gs_slice value, struct gs_op_list *list);

#endif
