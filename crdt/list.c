/* Elements by dot, by index, and one after the other. */
#include "crdt/list_impl.h"

#include <globalstate/codec.h>

struct gs_list *gs_list_new(struct gs_memory *memory) {
    struct gs_list *list = gs_memory_zalloc(memory, sizeof(*list));
    if (list) {
        list->roots = GS_SPAN_NONE;
    }
    return list;
}

void gs_list_free(struct gs_list *list, struct gs_memory *memory) {
    if (!list) {
        return;
    }
    for (uint32_t i = 0; i < list->author_count; i++) {
        gs_point_index_close(&list->authors[i].index, memory);
    }
    gs_memory_free(memory, list->authors, list->author_capacity * sizeof(*list->authors));
    gs_memory_free(memory, list->spans, list->span_capacity * sizeof(*list->spans));
    gs_memory_free(memory, list->bytes, list->byte_capacity);
    gs_sequence_close(&list->sequence, memory);
    gs_memory_free(memory, list, sizeof(*list));
}

bool gs_list_is_empty(const struct gs_list *list) {
    return !list || list->live == 0;
}

uint32_t gs_list_length(const struct gs_list *list) {
    return list ? list->sequence.total : 0;
}

uint32_t gs_list_alive(const struct gs_list *list) {
    return list ? list->sequence.total + list->hidden : 0;
}

gs_point gs_span_point(const struct gs_span *span, uint32_t offset) {
    gs_point point = span->first;
    if (span->flags & GS_SPAN_BY_EVENT) {
        point.seq += offset;
    } else {
        point.index += offset;
    }
    return point;
}

bool gs_span_contains(const struct gs_span *span, gs_point point, uint32_t *ret_offset) {
    bool by_event = span->flags & GS_SPAN_BY_EVENT;
    uint64_t offset = by_event ? point.seq - span->first.seq : (uint64_t)point.index - span->first.index;
    bool in_line = by_event ? point.index == span->first.index : point.seq == span->first.seq;
    *ret_offset = (uint32_t)offset;
    return in_line && offset < span->length; /* what lies before has wrapped around */
}

bool gs_span_is_alive(const struct gs_span *span) {
    return !(span->flags & (GS_SPAN_DELETED | GS_SPAN_PHANTOM | GS_SPAN_FREE));
}

gs_dot gs_span_dot(const struct gs_list *list, uint32_t span, uint32_t offset) {
    const struct gs_span *at = &list->spans[span];
    return (gs_dot){.origin = list->authors[at->author].origin, .at = gs_span_point(at, offset)};
}

struct gs_slice gs_span_value(const struct gs_list *list, const struct gs_span *span, uint32_t offset) {
    return gs_slice_make(list->bytes + span->offset + (size_t)offset * span->width, span->width);
}

struct gs_list_anchor gs_span_anchor(const struct gs_list *list, const struct gs_span *span) {
    struct gs_list_anchor anchor = {.side = GS_LIST_START};
    if (span->parent != GS_SPAN_NONE) {
        bool before = span->flags & GS_SPAN_BEFORE;
        anchor.side = before ? GS_LIST_BEFORE : GS_LIST_AFTER;
        anchor.dot = gs_span_dot(list, span->parent, before ? 0 : list->spans[span->parent].length - 1);
    }
    return anchor;
}

uint32_t gs_list_author_find(const struct gs_list *list, const gs_origin *origin) {
    uint32_t low = 0;
    uint32_t high = list->author_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = gs_origin_compare(&list->authors[list->authors[middle].ranked].origin, origin);
        if (order == 0) {
            return list->authors[middle].ranked;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return GS_SPAN_NONE;
}

uint32_t gs_list_locate_point(const struct gs_list *list, uint32_t author, gs_point point, uint32_t *ret_offset) {
    if (list->recent < list->span_count) {
        const struct gs_span *recent = &list->spans[list->recent];
        if (recent->author == author && !(recent->flags & GS_SPAN_FREE) &&
            gs_span_contains(recent, point, ret_offset)) {
            return list->recent;
        }
    }
    uint32_t span = gs_point_index_floor(&list->authors[author].index, point);
    return span != GS_SPAN_NONE && gs_span_contains(&list->spans[span], point, ret_offset) ? span : GS_SPAN_NONE;
}

uint32_t gs_list_locate(const struct gs_list *list, const gs_dot *dot, uint32_t *ret_offset) {
    uint32_t author = gs_list_author_find(list, &dot->origin);
    return author == GS_SPAN_NONE ? GS_SPAN_NONE : gs_list_locate_point(list, author, dot->at, ret_offset);
}

int gs_point_step(gs_point a, gs_point b) {
    if (a.seq == b.seq && a.index != UINT32_MAX && a.index + 1 == b.index) {
        return 0;
    }
    return a.seq != UINT64_MAX && a.seq + 1 == b.seq && a.index == b.index ? GS_SPAN_BY_EVENT : -1;
}

bool gs_spans_continue(const struct gs_list *list, uint32_t a, const struct gs_span *b, int *ret_step) {
    const struct gs_span *before = &list->spans[a];
    if (before->author != b->author || before->length > UINT32_MAX - b->length) {
        return false;
    }
    int step = gs_point_step(gs_span_point(before, before->length - 1), b->first);
    if (step < 0 || (before->length > 1 && (int)(before->flags & GS_SPAN_BY_EVENT) != step) ||
        (b->length > 1 && (int)(b->flags & GS_SPAN_BY_EVENT) != step)) {
        return false;
    }
    *ret_step = step;
    return gs_point_index_floor(&list->authors[b->author].index, gs_point_before(b->first)) == a;
}

/* Fugue, algorithm 1: "if the left origin has no right children, the new element becomes its right child, else a left
 * child of the right origin", but the right origin is the next element that is shown, and not the next one, deleted or
 * not. So nothing ever hangs on an element that its writer knew to be deleted, and those that everyone knows to be
 * deleted can be forgotten. If all that hangs to the right of the left origin is deleted, any place among it will do.
 */
struct gs_list_anchor gs_list_anchor_at(const struct gs_list *list, uint32_t index) {
    struct gs_list_anchor anchor = {.side = GS_LIST_START};
    uint32_t left = GS_SPAN_NONE;
    uint32_t offset = 0;
    if (!list) {
        return anchor;
    }
    if (index > 0) {
        left = gs_sequence_find(&list->sequence, index - 1, &offset);
        if (offset + 1 < list->spans[left].length) {
            return (struct gs_list_anchor){.side = GS_LIST_BEFORE, .dot = gs_span_dot(list, left, offset + 1)};
        }
        anchor = (struct gs_list_anchor){.side = GS_LIST_AFTER, .dot = gs_span_dot(list, left, offset)};
    }
    uint32_t children = left == GS_SPAN_NONE ? list->roots : list->spans[left].right;
    if (children == GS_SPAN_NONE || index == list->sequence.total) {
        return anchor;
    }
    uint32_t next = gs_sequence_next(&list->sequence, left);
    bool below = gs_span_is_alive(&list->spans[next]);
    if (!below) {
        next = gs_sequence_find(&list->sequence, index, &offset);
        below = gs_list_hangs_right_of(list, left, next);
    }
    return below ? (struct gs_list_anchor){.side = GS_LIST_BEFORE, .dot = gs_span_dot(list, next, 0)} : anchor;
}

struct gs_slice gs_list_at(const struct gs_list *list, uint32_t index, gs_dot *ret_dot) {
    uint32_t offset = 0;
    uint32_t span = gs_sequence_find(&list->sequence, index, &offset);
    *ret_dot = gs_span_dot(list, span, offset);
    return gs_span_value(list, &list->spans[span], offset);
}

bool gs_list_find(const struct gs_list *list, const gs_dot *dot, uint32_t *ret_index) {
    uint32_t offset = 0;
    uint32_t span = list ? gs_list_locate(list, dot, &offset) : GS_SPAN_NONE;
    if (span == GS_SPAN_NONE || !gs_span_is_alive(&list->spans[span]) ||
        !(list->spans[span].flags & GS_SPAN_ATTACHED)) {
        return false;
    }
    *ret_index = gs_sequence_position(&list->sequence, span) + offset;
    return true;
}

struct gs_list_cursor gs_list_cursor_at(const struct gs_list *list, uint32_t index) {
    struct gs_list_cursor cursor = {.list = list};
    if (index < gs_list_length(list)) { /* found, not walked to: any number of deleted ones may lie in front */
        cursor.begun = true;
        cursor.span = gs_sequence_find(&list->sequence, index, &cursor.offset);
    } else if (index > 0) {
        cursor.begun = true;
        cursor.span = gs_sequence_find(&list->sequence, index - 1, &cursor.offset);
        cursor.offset++;
    }
    return cursor;
}

uint32_t gs_list_next_by_dot(const struct gs_list *list, uint32_t span) {
    uint32_t rank = 0;
    if (span != GS_SPAN_NONE) {
        const struct gs_span *at = &list->spans[span];
        uint32_t next = gs_point_index_after(&list->authors[at->author].index, at->first, NULL);
        if (next != GS_SPAN_NONE) {
            return next;
        }
        while (list->authors[rank++].ranked != at->author) {
        }
    }
    while (rank < list->author_count) {
        struct gs_point_cursor cursor = {.index = &list->authors[list->authors[rank++].ranked].index};
        const struct gs_point_entry *entry = gs_point_index_next(&cursor);
        if (entry) {
            return entry->number;
        }
    }
    return GS_SPAN_NONE;
}

/* Moves to the next span if this one is done; false at the end. */
static bool settle(struct gs_list_cursor *cursor) {
    const struct gs_list *list = cursor->list;
    uint32_t span = cursor->begun ? cursor->span : GS_SPAN_NONE;
    if (cursor->begun && cursor->offset < list->spans[span].length) {
        return true;
    }
    do {
        span = cursor->hidden ? gs_list_next_by_dot(list, span) : gs_sequence_next(&list->sequence, span);
    } while (span != GS_SPAN_NONE && (!gs_span_is_alive(&list->spans[span]) ||
                                      (cursor->hidden && (list->spans[span].flags & GS_SPAN_ATTACHED))));
    if (span == GS_SPAN_NONE) {
        cursor->list = NULL;
        return false;
    }
    cursor->begun = true;
    cursor->span = span;
    cursor->offset = 0;
    return true;
}

uint32_t gs_list_take_dots(struct gs_list_cursor *cursor, gs_dot *dots, uint32_t count) {
    uint32_t taken = 0;
    while (taken < count && cursor->list && settle(cursor)) {
        const struct gs_span *span = &cursor->list->spans[cursor->span];
        const gs_origin origin = cursor->list->authors[span->author].origin;
        for (; taken < count && cursor->offset < span->length; taken++) {
            dots[taken] = (gs_dot){.origin = origin, .at = gs_span_point(span, cursor->offset++)};
        }
    }
    return taken;
}

bool gs_list_next(struct gs_list_cursor *cursor, gs_dot *ret_dot, struct gs_slice *ret_value) {
    const struct gs_list *list = cursor->list;
    if (!list || !settle(cursor)) {
        return false;
    }
    *ret_dot = gs_span_dot(list, cursor->span, cursor->offset);
    *ret_value = gs_span_value(list, &list->spans[cursor->span], cursor->offset);
    cursor->offset++;
    return true;
}
