/* Whole states: joining, copying, and taking back what a failure left. */
#include "crdt/list_impl.h"

/* True if the other side has seen the element and deleted it. */
static bool is_gone(const struct gs_list *other, const struct gs_context *theirs, const gs_dot *dot) {
    uint32_t offset = 0;
    if (!gs_context_contains(theirs, dot)) {
        return false;
    }
    uint32_t span = other ? gs_list_locate(other, dot, &offset) : GS_SPAN_NONE;
    return span == GS_SPAN_NONE || !gs_span_is_alive(&other->spans[span]);
}

static struct gs_interval range_of(const struct gs_span *span) {
    return (struct gs_interval){.first = span->first, .last = gs_span_point(span, span->length - 1)};
}

/* Deletes what the other side has deleted of one span. What a cut leaves behind it becomes a span that is looked at
 * later. */
static int delete_gone(struct gs_list *list, struct gs_memory *memory, uint32_t number, const struct gs_list *other,
                       const struct gs_context *theirs) {
    uint32_t at = 0;
    while (gs_span_is_alive(&list->spans[number]) && at < list->spans[number].length) {
        uint32_t length = list->spans[number].length;
        uint32_t to = at;
        gs_dot dot = gs_span_dot(list, number, to);
        while (to < length && is_gone(other, theirs, &dot)) {
            to++;
            dot = gs_span_dot(list, number, to);
        }
        if (to == at) {
            at++;
            continue;
        }
        if (gs_list_kill(list, memory, number, at, to, true) != 0) {
            return GS_ENOMEM;
        }
    }
    return 0;
}

static int insert_all(struct gs_list *list, const struct gs_list *other, struct gs_memory *memory,
                      const struct gs_context *mine) {
    int error = 0;
    for (uint32_t i = 0; i < other->author_count && error == 0; i++) {
        struct gs_point_cursor cursor = {.index = &other->authors[i].index};
        const struct gs_point_entry *entry = NULL;
        while (error == 0 && (entry = gs_point_index_next(&cursor))) {
            const struct gs_span *span = &other->spans[entry->number];
            if (span->flags & GS_SPAN_PHANTOM) {
                continue;
            }
            struct gs_list_run run = {.first = gs_span_dot(other, entry->number, 0),
                                      .by_event = span->length > 1 && (span->flags & GS_SPAN_BY_EVENT),
                                      .count = span->length,
                                      .anchor = gs_span_anchor(other, span)};
            if (gs_span_is_alive(span)) {
                run.values = gs_span_value(other, span, 0);
                run.values.length *= span->length;
            }
            error = gs_list_insert(list, memory, &run, mine);
        }
    }
    return error;
}

/* `list` is new. */
static int copy(struct gs_list *list, const struct gs_list *other, struct gs_memory *memory) {
    list->spans = gs_memory_alloc(memory, (other->span_count + 1) * sizeof(*list->spans));
    list->authors = gs_memory_zalloc(memory, (other->author_count + 1) * sizeof(*list->authors));
    list->bytes = gs_memory_alloc(memory, (size_t)other->byte_count + 1);
    list->span_capacity = list->spans ? other->span_count + 1 : 0;
    list->author_capacity = list->authors ? other->author_count + 1 : 0;
    list->byte_capacity = list->bytes ? other->byte_count + 1 : 0;
    bool failed = !list->spans || !list->authors || !list->bytes ||
                  gs_sequence_copy(&list->sequence, &other->sequence, memory) != 0;
    for (uint32_t i = 0; i < other->author_count && !failed; i++) {
        list->authors[i].origin = other->authors[i].origin;
        list->authors[i].ranked = other->authors[i].ranked;
        list->author_count++;
        failed = gs_point_index_copy(&list->authors[i].index, &other->authors[i].index, memory) != 0;
    }
    if (failed) {
        return GS_ENOMEM;
    }
    if (other->span_count > 0) {
        memcpy(list->spans, other->spans, other->span_count * sizeof(*list->spans));
    }
    if (other->byte_count > 0) {
        memcpy(list->bytes, other->bytes, other->byte_count);
    }
    list->span_count = other->span_count;
    list->free = other->free;
    list->live = other->live;
    list->byte_count = other->byte_count;
    list->garbage = other->garbage;
    list->hidden = other->hidden;
    list->roots = other->roots;
    return 0;
}

/* Copies, or leaves the list as it is: empty. */
static int copy_into_empty(struct gs_list *list, const struct gs_list *other, struct gs_memory *memory) {
    struct gs_list *copied = gs_list_new(memory);
    if (!copied || copy(copied, other, memory) != 0) {
        gs_list_free(copied, memory);
        return GS_ENOMEM;
    }
    struct gs_list before = *list;
    *list = *copied;
    *copied = before;
    gs_list_free(copied, memory);
    return 0;
}

int gs_list_join(struct gs_list *list, const struct gs_list *other, struct gs_memory *memory,
                 const struct gs_context *mine, const struct gs_context *theirs) {
    if (gs_list_is_empty(list) && mine->count == 0) {
        return gs_list_is_empty(other) ? 0 : copy_into_empty(list, other, memory);
    }
    /* First what goes, then what comes: so nothing old lies behind something new in a span (invariant 5). */
    for (uint32_t i = 0; i < list->span_count; i++) {
        const struct gs_span *span = &list->spans[i];
        if (gs_span_is_alive(span) && gs_context_touches(theirs, &list->authors[span->author].origin, range_of(span)) &&
            delete_gone(list, memory, i, other, theirs) != 0) {
            return GS_ENOMEM;
        }
    }
    gs_list_compact(list, memory);
    return gs_list_is_empty(other) ? 0 : insert_all(list, other, memory, mine);
}

/* How many elements at the beginning of a span have been seen. */
static uint32_t count_seen(const struct gs_list *list, uint32_t number, const struct gs_context *seen) {
    const struct gs_span *span = &list->spans[number];
    if (gs_context_contains_range(seen, &list->authors[span->author].origin, range_of(span))) {
        return span->length;
    }
    uint32_t count = 0;
    gs_dot dot = gs_span_dot(list, number, 0);
    while (count < span->length && gs_context_contains(seen, &dot)) {
        dot = gs_span_dot(list, number, ++count);
    }
    return count;
}

static void drop_values(struct gs_list *list, struct gs_span *span, uint32_t count) {
    list->garbage += gs_span_is_alive(span) ? count * span->width : 0;
}

/* What nobody waits for goes; what others hang on becomes a phantom (again). */
static void forget(struct gs_list *list, struct gs_memory *memory, uint32_t number) {
    struct gs_span *span = &list->spans[number];
    struct gs_point_index *index = &list->authors[span->author].index;
    if (!(span->flags & GS_SPAN_PHANTOM)) {
        drop_values(list, span, span->length);
    }
    if (span->left == GS_SPAN_NONE && span->right == GS_SPAN_NONE) {
        gs_point_index_remove(index, memory, span->first);
        gs_list_release_span(list, number);
    } else if (!(span->flags & GS_SPAN_PHANTOM)) {
        gs_point point = gs_span_point(span, span->left == GS_SPAN_NONE ? span->length - 1 : 0);
        gs_point_index_rekey(index, span->first, point);
        span->first = point;
        span->length = 1;
        span->width = 0;
        span->parent = GS_SPAN_NONE;
        span->flags = GS_SPAN_PHANTOM;
    }
}

/* The unseen spans are unlinked first, wherever they hang: what hangs on one of them after that has been seen. */
void gs_list_retain(struct gs_list *list, struct gs_memory *memory, const struct gs_context *seen) {
    bool changed = false;
    for (uint32_t i = 0; i < list->span_count; i++) {
        struct gs_span *span = &list->spans[i];
        if (span->flags & (GS_SPAN_FREE | GS_SPAN_PHANTOM)) {
            continue;
        }
        uint32_t count = count_seen(list, i, seen);
        if (count == span->length) {
            continue;
        }
        changed = true;
        if (count == 0) {
            gs_list_unlink(list, i);
            span->flags |= GS_SPAN_UNSEEN;
        } else {
            drop_values(list, span, span->length - count);
            span->length = count;
        }
    }
    for (uint32_t i = 0; i < list->span_count; i++) {
        uint32_t flags = list->spans[i].flags;
        bool unseen = flags & GS_SPAN_UNSEEN;
        if (unseen || (flags & GS_SPAN_PHANTOM)) {
            forget(list, memory, i);
        }
    }
    if (changed) {
        gs_list_attach_all(list);
    }
}

/* True if nothing is lost with the span: it is deleted or waited for, and nothing hangs on it. */
static bool is_useless(const struct gs_span *span) {
    return (span->flags & (GS_SPAN_DELETED | GS_SPAN_PHANTOM)) && !(span->flags & GS_SPAN_FREE) &&
           span->left == GS_SPAN_NONE && span->right == GS_SPAN_NONE;
}

void gs_list_drop_deleted(struct gs_list *list, struct gs_memory *memory) {
    bool changed = false;
    for (uint32_t i = 0; i < list->span_count; i++) {
        uint32_t at = i;
        while (at != GS_SPAN_NONE && is_useless(&list->spans[at])) {
            struct gs_span *span = &list->spans[at];
            uint32_t parent = span->parent;
            if (!(span->flags & GS_SPAN_PHANTOM)) {
                gs_list_unlink(list, at);
            }
            gs_point_index_remove(&list->authors[span->author].index, memory, span->first);
            gs_list_release_span(list, at);
            at = parent;
            changed = true;
        }
    }
    if (changed) {
        gs_list_attach_all(list);
    }
}
