/* Deleting: spans are cut to what goes and what stays; what goes joins deleted neighbours where it can. */
#include "crdt/list_impl.h"

enum { GARBAGE_MIN = 1024 };

static void weigh(struct gs_list *list, uint32_t number, uint32_t gone) {
    const struct gs_span *span = &list->spans[number];
    list->garbage += gone * span->width;
    if (span->flags & GS_SPAN_ATTACHED) {
        gs_sequence_set_weight(&list->sequence, number, gs_span_is_alive(span) ? span->length : 0);
    } else {
        list->hidden -= gone;
    }
}

static void kill_all(struct gs_list *list, uint32_t number) {
    struct gs_span *span = &list->spans[number];
    span->flags |= GS_SPAN_DELETED;
    weigh(list, number, span->length);
    span->width = 0;
}

static void set_step(struct gs_span *span, int step) {
    span->flags = (span->flags & ~(uint32_t)GS_SPAN_BY_EVENT) | (uint32_t)step;
}

/* Gives the elements from `from` on to the deleted span behind, as when one deletes backward. */
static bool merge_back(struct gs_list *list, uint32_t number, uint32_t from) {
    struct gs_span *span = &list->spans[number];
    uint32_t behind = span->right;
    if (behind == GS_SPAN_NONE || list->spans[behind].next != behind) {
        return false;
    }
    struct gs_span *to = &list->spans[behind];
    int step = 0;
    if (!(to->flags & GS_SPAN_DELETED) || to->left != GS_SPAN_NONE || !gs_spans_continue(list, number, to, &step)) {
        return false;
    }
    gs_point first = gs_span_point(span, from);
    gs_point_index_rekey(&list->authors[to->author].index, to->first, first);
    uint32_t count = span->length - from;
    to->first = first;
    to->length += count;
    set_step(to, step);
    span->length = from;
    weigh(list, number, count);
    return true;
}

/* Gives the elements up to `to` to the deleted span in front, as when one deletes forward. */
static bool merge_forward(struct gs_list *list, uint32_t number, uint32_t to) {
    struct gs_span *span = &list->spans[number];
    uint32_t front = span->parent;
    if (front == GS_SPAN_NONE || (span->flags & GS_SPAN_BEFORE) || span->left != GS_SPAN_NONE) {
        return false;
    }
    struct gs_span *before = &list->spans[front];
    int step = 0;
    if (!(before->flags & GS_SPAN_DELETED) || before->right != number || span->next != number ||
        !gs_spans_continue(list, front, span, &step)) {
        return false;
    }
    gs_point first = gs_span_point(span, to);
    gs_point_index_rekey(&list->authors[span->author].index, span->first, first);
    before->length += to;
    set_step(before, step);
    span->first = first;
    span->offset += to * span->width;
    span->length -= to;
    weigh(list, number, to);
    return true;
}

int gs_list_kill(struct gs_list *list, struct gs_memory *memory, uint32_t span, uint32_t from, uint32_t to,
                 bool merge) {
    uint32_t length = list->spans[span].length;
    list->recent = span;
    bool part = from > 0 || to < length;
    if (part && merge &&
        ((to == length && merge_back(list, span, from)) || (from == 0 && merge_forward(list, span, to)))) {
        return 0;
    }
    uint32_t later = 0;
    if (to < length && gs_list_split(list, memory, span, to, &later) != 0) {
        return GS_ENOMEM;
    }
    if (from > 0 && gs_list_split(list, memory, span, from, &span) != 0) {
        return GS_ENOMEM;
    }
    kill_all(list, span);
    return 0;
}

void gs_list_compact(struct gs_list *list, struct gs_memory *memory) {
    if (list->garbage < GARBAGE_MIN || list->garbage < list->byte_count / 2) {
        return;
    }
    uint32_t capacity = list->byte_count - list->garbage;
    uint8_t *bytes = capacity > 0 ? gs_memory_alloc(memory, capacity) : NULL;
    if (!bytes && capacity > 0) {
        return; /* what is there still serves */
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->span_count; i++) {
        struct gs_span *span = &list->spans[i];
        if (gs_span_is_alive(span)) {
            uint32_t size = span->length * span->width;
            memcpy(bytes + count, list->bytes + span->offset, size);
            span->offset = count;
            count += size;
        }
    }
    gs_memory_free(memory, list->bytes, list->byte_capacity);
    list->bytes = bytes;
    list->byte_count = count;
    list->byte_capacity = capacity;
    list->garbage = 0;
}

/* Points of a run of dots. */
struct dots {
    gs_point first;
    uint32_t count;
    bool by_event;
};

static gs_point point_at(const struct dots *dots, uint32_t at) {
    gs_point point = dots->first;
    point.seq += dots->by_event ? at : 0;
    point.index += dots->by_event ? 0 : at;
    return point;
}

/* The number of the first point from `at` on that is not before `key`. */
static uint32_t skip_to(const struct dots *dots, uint32_t at, gs_point key) {
    gs_point point = point_at(dots, at);
    uint64_t skipped = dots->by_event         ? key.seq - point.seq + (key.index > point.index)
                       : key.seq == point.seq ? key.index - point.index
                                              : UINT32_MAX;
    return skipped < dots->count - at ? at + (uint32_t)skipped : dots->count;
}

static int delete_some(struct gs_list *list, struct gs_memory *memory, uint32_t author, const struct dots *dots,
                       bool merge, uint32_t *at) {
    const struct gs_point_index *index = &list->authors[author].index;
    gs_point point = point_at(dots, *at);
    uint32_t offset = 0;
    uint32_t number = gs_list_locate_point(list, author, point, &offset);
    if (number == GS_SPAN_NONE) {
        gs_point key;
        uint32_t next = gs_point_index_after(index, point, &key);
        *at = next == GS_SPAN_NONE ? dots->count : skip_to(dots, *at, key);
        return 0;
    }
    const struct gs_span *span = &list->spans[number];
    bool in_line = span->length > 1 && dots->by_event == (bool)(span->flags & GS_SPAN_BY_EVENT);
    uint32_t here = in_line ? span->length - offset : 1;
    here = here < dots->count - *at ? here : dots->count - *at;
    *at += here;
    return gs_span_is_alive(span) ? gs_list_kill(list, memory, number, offset, offset + here, merge) : 0;
}

int gs_list_delete(struct gs_list *list, struct gs_memory *memory, const gs_dot *first, uint32_t count, bool by_event,
                   bool own) {
    uint32_t author = gs_list_author_find(list, &first->origin);
    struct dots dots = {.first = first->at, .count = count, .by_event = by_event};
    uint32_t at = 0;
    while (author != GS_SPAN_NONE && at < count) {
        if (delete_some(list, memory, author, &dots, !own, &at) != 0) {
            return GS_ENOMEM;
        }
    }
    gs_list_compact(list, memory);
    return 0;
}
