/* The tree that spans form, and the sequence that follows from it. */
#include "crdt/list_impl.h"

enum { SPANS_MIN = 2 };

int gs_list_reserve(struct gs_list *list, struct gs_memory *memory, uint32_t count) {
    uint32_t wanted = list->span_count + 1;
    if (wanted > list->span_capacity) {
        uint32_t capacity = list->span_capacity + list->span_capacity / 2 + 1;
        capacity = capacity < SPANS_MIN ? SPANS_MIN : capacity;
        struct gs_span *spans = gs_memory_resize(memory, list->spans, list->span_capacity * sizeof(*spans),
                                                 (size_t)capacity * sizeof(*spans));
        if (!spans) {
            return GS_ENOMEM;
        }
        list->spans = spans;
        list->span_capacity = capacity;
    }
    return gs_sequence_reserve(&list->sequence, memory, wanted, count);
}

uint32_t gs_list_new_number(const struct gs_list *list) {
    return list->free > 0 ? list->free - 1 : list->span_count;
}

uint32_t gs_list_add_span(struct gs_list *list) {
    uint32_t number = gs_list_new_number(list);
    if (list->free > 0) {
        list->free = list->spans[number].next;
    } else {
        list->span_count++;
    }
    list->spans[number] =
        (struct gs_span){.parent = GS_SPAN_NONE, .next = GS_SPAN_NONE, .left = GS_SPAN_NONE, .right = GS_SPAN_NONE};
    list->live++;
    return number;
}

void gs_list_release_span(struct gs_list *list, uint32_t span) {
    list->spans[span] = (struct gs_span){.next = list->free, .flags = GS_SPAN_FREE};
    list->free = span + 1;
    list->live--;
}

bool gs_list_is_attached(const struct gs_list *list, uint32_t parent) {
    return parent == GS_SPAN_NONE || (list->spans[parent].flags & GS_SPAN_ATTACHED);
}

static uint32_t weight_of(const struct gs_span *span) {
    return gs_span_is_alive(span) ? span->length : 0;
}

int gs_list_split(struct gs_list *list, struct gs_memory *memory, uint32_t span, uint32_t at, uint32_t *ret_span) {
    uint32_t number = gs_list_new_number(list);
    struct gs_point_index *index = &list->authors[list->spans[span].author].index;
    if (gs_list_reserve(list, memory, 1) != 0 ||
        gs_point_index_insert(index, memory, gs_span_point(&list->spans[span], at), number) != 0) {
        return GS_ENOMEM;
    }
    gs_list_add_span(list);
    struct gs_span *from = &list->spans[span];
    struct gs_span *to = &list->spans[number];
    *to = *from;
    to->first = gs_span_point(from, at);
    to->length = from->length - at;
    to->offset = from->offset + at * from->width;
    to->flags &= ~(uint32_t)GS_SPAN_BEFORE;
    to->parent = span;
    to->next = number;
    to->left = GS_SPAN_NONE;
    from->length = at;
    from->right = number;
    uint32_t child = to->right;
    if (child != GS_SPAN_NONE) {
        do {
            list->spans[child].parent = number;
            child = list->spans[child].next;
        } while (child != to->right);
    }
    if (from->flags & GS_SPAN_ATTACHED) {
        gs_sequence_set_weight(&list->sequence, span, weight_of(from));
        gs_sequence_insert_after(&list->sequence, span, number, weight_of(to));
    }
    *ret_span = number;
    return 0;
}

/* The last of the span and its siblings on the same side. */
static uint32_t *siblings_of(struct gs_list *list, uint32_t span) {
    uint32_t parent = list->spans[span].parent;
    if (parent == GS_SPAN_NONE) {
        return &list->roots;
    }
    return list->spans[span].flags & GS_SPAN_BEFORE ? &list->spans[parent].left : &list->spans[parent].right;
}

static int compare(const struct gs_list *list, uint32_t a, uint32_t b) {
    gs_dot first = gs_span_dot(list, a, 0);
    gs_dot second = gs_span_dot(list, b, 0);
    return gs_dot_compare(&first, &second);
}

uint32_t gs_list_link(struct gs_list *list, uint32_t span) {
    uint32_t *last = siblings_of(list, span);
    if (*last == GS_SPAN_NONE) {
        list->spans[span].next = span;
        *last = span;
        return GS_SPAN_NONE;
    }
    uint32_t before = *last;
    bool at_end = compare(list, span, *last) > 0;
    while (!at_end && compare(list, list->spans[before].next, span) < 0) {
        before = list->spans[before].next;
    }
    list->spans[span].next = list->spans[before].next;
    list->spans[before].next = span;
    uint32_t front = before == *last && !at_end ? GS_SPAN_NONE : before;
    *last = at_end ? span : *last;
    return front;
}

void gs_list_unlink(struct gs_list *list, uint32_t span) {
    uint32_t *last = siblings_of(list, span);
    uint32_t before = *last; /* the first one's, in the ring: those that go in order are found at once */
    while (list->spans[before].next != span) {
        before = list->spans[before].next;
    }
    list->spans[before].next = list->spans[span].next;
    if (*last == span) {
        *last = before == span ? GS_SPAN_NONE : before;
    }
}

/* Where the walk begins that visits everything that hangs on the span. */
static uint32_t leftmost(const struct gs_list *list, uint32_t span) {
    while (list->spans[span].left != GS_SPAN_NONE) {
        span = list->spans[list->spans[span].left].next;
    }
    return span;
}

static uint32_t rightmost(const struct gs_list *list, uint32_t span) {
    while (list->spans[span].right != GS_SPAN_NONE) {
        span = list->spans[span].right;
    }
    return span;
}

/* The next span in a depth-first walk over what hangs on `top` (GS_SPAN_NONE: on the root), or GS_SPAN_NONE. */
static uint32_t walk(const struct gs_list *list, uint32_t top, uint32_t span) {
    if (list->spans[span].right != GS_SPAN_NONE) {
        return leftmost(list, list->spans[list->spans[span].right].next);
    }
    while (span != top) {
        const struct gs_span *at = &list->spans[span];
        bool before = at->flags & GS_SPAN_BEFORE;
        uint32_t last = at->parent == GS_SPAN_NONE ? list->roots
                        : before                   ? list->spans[at->parent].left
                                                   : list->spans[at->parent].right;
        if (span != last) {
            return leftmost(list, at->next);
        }
        span = at->parent;
        if (before || span == GS_SPAN_NONE) {
            return span;
        }
    }
    return GS_SPAN_NONE;
}

bool gs_list_hangs_right_of(const struct gs_list *list, uint32_t left, uint32_t span) {
    if (left == GS_SPAN_NONE) {
        return true;
    }
    uint32_t up = span;
    uint32_t down = left;
    for (;;) {
        if (list->spans[up].parent == left) {
            return !(list->spans[up].flags & GS_SPAN_BEFORE);
        }
        up = list->spans[up].parent;
        down = walk(list, left, down);
        if (up == GS_SPAN_NONE || down == GS_SPAN_NONE) {
            return false;
        }
        if (gs_span_is_alive(&list->spans[down])) {
            return true;
        }
    }
}

uint32_t gs_list_subtree(const struct gs_list *list, uint32_t span) {
    uint32_t count = 0;
    for (uint32_t at = leftmost(list, span); at != GS_SPAN_NONE; at = walk(list, span, at)) {
        count++;
    }
    return count;
}

/* The span that is to stand directly before (or after) what hangs on `span`, itself included; GS_SPAN_NONE if there is
 * nothing. All its siblings are attached. */
static uint32_t neighbour_of(struct gs_list *list, uint32_t span, uint32_t front, bool *ret_before) {
    const struct gs_span *at = &list->spans[span];
    *ret_before = true;
    if (span != *siblings_of(list, span)) {
        return leftmost(list, at->next);
    }
    if (at->flags & GS_SPAN_BEFORE) {
        return at->parent;
    }
    *ret_before = false;
    return front == GS_SPAN_NONE ? at->parent : rightmost(list, front);
}

static void attach_after(struct gs_list *list, uint32_t beside, uint32_t span) {
    struct gs_span *at = &list->spans[span];
    gs_sequence_insert_after(&list->sequence, beside, span, weight_of(at));
    list->hidden -= weight_of(at);
    at->flags |= GS_SPAN_ATTACHED;
}

void gs_list_attach(struct gs_list *list, uint32_t span, uint32_t front) {
    bool before = false;
    uint32_t beside = neighbour_of(list, span, front, &before);
    uint32_t at = leftmost(list, span);
    if (before) {
        struct gs_span *first = &list->spans[at];
        gs_sequence_insert_before(&list->sequence, beside, at, weight_of(first));
        list->hidden -= weight_of(first);
        first->flags |= GS_SPAN_ATTACHED;
    } else {
        attach_after(list, beside, at);
    }
    for (uint32_t next = walk(list, span, at); next != GS_SPAN_NONE; next = walk(list, span, at)) {
        attach_after(list, at, next);
        at = next;
    }
}

void gs_list_attach_all(struct gs_list *list) {
    gs_sequence_clear(&list->sequence);
    list->hidden = 0;
    for (uint32_t i = 0; i < list->span_count; i++) {
        list->spans[i].flags &= ~(uint32_t)GS_SPAN_ATTACHED;
        list->hidden += weight_of(&list->spans[i]);
    }
    uint32_t beside = GS_SPAN_NONE;
    uint32_t at = list->roots != GS_SPAN_NONE ? leftmost(list, list->spans[list->roots].next) : GS_SPAN_NONE;
    while (at != GS_SPAN_NONE) {
        attach_after(list, beside, at);
        beside = at;
        at = walk(list, GS_SPAN_NONE, at);
    }
}
