/* Adding runs: what is known is left alone, what others wait for takes its place, the rest becomes spans. */
#include "crdt/list_impl.h"

#include <globalstate/codec.h>

enum {
    AUTHORS_MIN = 1,
    BYTES_MIN = 16,
};

static int reserve_author(struct gs_list *list, struct gs_memory *memory) {
    if (list->author_count < list->author_capacity) {
        return 0;
    }
    uint32_t old = list->author_capacity;
    uint32_t capacity = old > 0 ? old * 2 : AUTHORS_MIN;
    struct gs_list_author *authors =
        gs_memory_resize(memory, list->authors, old * sizeof(*authors), (size_t)capacity * sizeof(*authors));
    if (!authors) {
        return GS_ENOMEM;
    }
    list->authors = authors;
    list->author_capacity = capacity;
    return 0;
}

/* The author's number, GS_SPAN_NONE when out of memory. */
static uint32_t obtain_author(struct gs_list *list, struct gs_memory *memory, const gs_origin *origin) {
    uint32_t author = gs_list_author_find(list, origin);
    if (author != GS_SPAN_NONE || reserve_author(list, memory) != 0) {
        return author;
    }
    author = list->author_count++;
    list->authors[author] = (struct gs_list_author){.origin = *origin};
    uint32_t at = author;
    while (at > 0 && gs_origin_compare(&list->authors[list->authors[at - 1].ranked].origin, origin) > 0) {
        list->authors[at].ranked = list->authors[at - 1].ranked;
        at--;
    }
    list->authors[at].ranked = author;
    return author;
}

static int reserve_bytes(struct gs_list *list, struct gs_memory *memory, size_t count) {
    if (count <= list->byte_capacity - list->byte_count) {
        return 0;
    }
    if (count > UINT32_MAX / 2 - list->byte_count) {
        return GS_ENOMEM;
    }
    uint32_t wanted = list->byte_count + (uint32_t)count;
    uint32_t capacity = list->byte_capacity + list->byte_capacity / 2;
    capacity = capacity < wanted ? wanted : capacity;
    capacity = capacity < BYTES_MIN ? BYTES_MIN : capacity;
    uint8_t *bytes = gs_memory_resize(memory, list->bytes, list->byte_capacity, capacity);
    if (!bytes) {
        return GS_ENOMEM;
    }
    list->bytes = bytes;
    list->byte_capacity = capacity;
    return 0;
}

static void append_bytes(struct gs_list *list, struct gs_slice bytes) {
    if (bytes.length > 0) {
        memcpy(list->bytes + list->byte_count, bytes.bytes, bytes.length);
        list->byte_count += (uint32_t)bytes.length;
    }
}

/* A span that would keep the dot from having an interval of its own is split there. */
static int part_intervals(struct gs_list *list, struct gs_memory *memory, uint32_t span, gs_point point) {
    if (span == GS_SPAN_NONE || !(list->spans[span].flags & GS_SPAN_BY_EVENT) ||
        gs_point_compare(gs_span_point(&list->spans[span], list->spans[span].length - 1), point) < 0) {
        return 0;
    }
    const struct gs_span *at = &list->spans[span];
    uint32_t before = (uint32_t)(point.seq - at->first.seq) + (point.index > at->first.index);
    uint32_t later = 0;
    return gs_list_split(list, memory, span, before, &later);
}

static int add_phantom(struct gs_list *list, struct gs_memory *memory, uint32_t author, gs_point point,
                       uint32_t *ret_span) {
    struct gs_point_index *index = &list->authors[author].index;
    if (part_intervals(list, memory, gs_point_index_floor(index, point), point) != 0 ||
        gs_list_reserve(list, memory, 1) != 0 ||
        gs_point_index_insert(index, memory, point, gs_list_new_number(list)) != 0) {
        return GS_ENOMEM;
    }
    uint32_t number = gs_list_add_span(list);
    struct gs_span *span = &list->spans[number];
    span->author = author;
    span->first = point;
    span->length = 1;
    span->flags = GS_SPAN_PHANTOM;
    *ret_span = number;
    return 0;
}

/* The span whose last element (first, if `before`) is the parent; a phantom, if that has not arrived. */
static int obtain_parent(struct gs_list *list, struct gs_memory *memory, const gs_dot *dot, bool before,
                         uint32_t *ret_span) {
    uint32_t offset = 0;
    uint32_t span = gs_list_locate(list, dot, &offset);
    if (span == GS_SPAN_NONE) {
        uint32_t author = obtain_author(list, memory, &dot->origin);
        return author == GS_SPAN_NONE ? GS_ENOMEM : add_phantom(list, memory, author, dot->at, ret_span);
    }
    uint32_t later = span;
    uint32_t at = before ? offset : offset + 1;
    if (at > 0 && at < list->spans[span].length && gs_list_split(list, memory, span, at, &later) != 0) {
        return GS_ENOMEM;
    }
    *ret_span = before ? later : span;
    return 0;
}

/* Elements of a run that become a span, or part of one. */
struct piece {
    uint32_t author;
    gs_point first;
    uint32_t count;
    uint32_t flags; /* GS_SPAN_BY_EVENT, GS_SPAN_DELETED */
    uint32_t width;
    struct gs_slice bytes;
    bool last; /* of its run */
};

static int obtain_parent_of(struct gs_list *list, struct gs_memory *memory, const struct gs_list_anchor *anchor,
                            uint32_t *ret_parent) {
    if (anchor->side == GS_LIST_START) {
        *ret_parent = GS_SPAN_NONE;
        return 0;
    }
    return obtain_parent(list, memory, &anchor->dot, anchor->side == GS_LIST_BEFORE, ret_parent);
}

/* Appends to the span in front, which is how lists are typed. The rest of the run must be in the piece, so that nothing
 * hangs on it before the change is done (invariant 5). */
static bool append(struct gs_list *list, const struct piece *piece, uint32_t parent, enum gs_list_side side) {
    if (side != GS_LIST_AFTER || !piece->last) {
        return false;
    }
    struct gs_span *span = &list->spans[parent];
    struct gs_span added = {
        .author = piece->author, .first = piece->first, .length = piece->count, .flags = piece->flags};
    bool deleted = piece->flags & GS_SPAN_DELETED;
    int step = 0;
    if ((span->flags & GS_SPAN_PHANTOM) || span->left != GS_SPAN_NONE || span->right != GS_SPAN_NONE ||
        deleted != (bool)(span->flags & GS_SPAN_DELETED) || !gs_spans_continue(list, parent, &added, &step)) {
        return false;
    }
    if (!deleted) {
        if (span->width != piece->width || span->offset + span->length * span->width != list->byte_count) {
            return false;
        }
        append_bytes(list, piece->bytes);
    }
    list->recent = parent;
    span->length += piece->count;
    span->flags = (span->flags & ~(uint32_t)GS_SPAN_BY_EVENT) | (uint32_t)step;
    if (!deleted && (span->flags & GS_SPAN_ATTACHED)) {
        gs_sequence_set_weight(&list->sequence, parent, span->length);
    } else if (!deleted) {
        list->hidden += piece->count;
    }
    return true;
}

static void fill(struct gs_list *list, uint32_t number, const struct piece *piece, uint32_t parent,
                 enum gs_list_side side) {
    struct gs_span *span = &list->spans[number];
    list->recent = number;
    span->author = piece->author;
    span->first = piece->first;
    span->length = piece->count;
    span->parent = parent;
    span->offset = list->byte_count;
    span->width = piece->width;
    span->flags = piece->flags | (side == GS_LIST_BEFORE ? GS_SPAN_BEFORE : 0U);
    append_bytes(list, piece->bytes);
    list->hidden += gs_span_is_alive(span) ? span->length : 0;
    uint32_t front = gs_list_link(list, number);
    if (gs_list_is_attached(list, parent)) {
        gs_list_attach(list, number, front);
    }
}

static int add_piece(struct gs_list *list, struct gs_memory *memory, const struct piece *piece,
                     const struct gs_list_anchor *anchor) {
    uint32_t parent = GS_SPAN_NONE;
    if (obtain_parent_of(list, memory, anchor, &parent) != 0 || reserve_bytes(list, memory, piece->bytes.length) != 0) {
        return GS_ENOMEM;
    }
    if (append(list, piece, parent, anchor->side)) {
        return 0;
    }
    if (gs_list_reserve(list, memory, 1) != 0 || gs_point_index_insert(&list->authors[piece->author].index, memory,
                                                                       piece->first, gs_list_new_number(list)) != 0) {
        return GS_ENOMEM;
    }
    fill(list, gs_list_add_span(list), piece, parent, anchor->side);
    return 0;
}

/* The one element of `piece` is what the phantom has stood for. */
static int arrive(struct gs_list *list, struct gs_memory *memory, uint32_t phantom, const struct piece *piece,
                  const struct gs_list_anchor *anchor) {
    uint32_t parent = GS_SPAN_NONE;
    if (obtain_parent_of(list, memory, anchor, &parent) != 0 || reserve_bytes(list, memory, piece->bytes.length) != 0) {
        return GS_ENOMEM;
    }
    if (gs_list_is_attached(list, parent) && gs_list_reserve(list, memory, gs_list_subtree(list, phantom)) != 0) {
        return GS_ENOMEM;
    }
    fill(list, phantom, piece, parent, anchor->side);
    return 0;
}

/* A run on its way in. */
struct inserting {
    struct gs_list *list;
    struct gs_memory *memory;
    const struct gs_list_run *run;
    const struct gs_context *seen; /* NULL if it has none of the run's dots */
    struct gs_reader values;
    uint32_t author;
    uint32_t at; /* the next element */
};

static gs_point point_at(const struct gs_list_run *run, uint32_t at) {
    gs_point point = run->first.at;
    point.seq += run->by_event ? at : 0;
    point.index += run->by_event ? 0 : at;
    return point;
}

static bool comes_deleted(const struct inserting *inserting, uint32_t at) {
    const gs_dot dot = {.origin = inserting->run->first.origin, .at = point_at(inserting->run, at)};
    return !inserting->run->values.bytes || (inserting->seen && gs_context_contains(inserting->seen, &dot));
}

/* Elements of the run from the current one on whose dots lie before `key`. */
static uint32_t count_before(const struct inserting *inserting, gs_point key) {
    gs_point point = point_at(inserting->run, inserting->at);
    uint64_t count = inserting->run->count - inserting->at;
    uint64_t before = count;
    if (inserting->run->by_event) {
        before = key.seq - point.seq + (key.index > point.index);
    } else if (key.seq == point.seq) {
        before = key.index - point.index;
    }
    return (uint32_t)(before < count ? before : count);
}

/* The next elements, at most `count`, as one piece: all alive and of one size, or all deleted. */
static struct piece next_piece(struct inserting *inserting, uint32_t count) {
    struct piece piece = {.author = inserting->author, .first = point_at(inserting->run, inserting->at)};
    bool deleted = comes_deleted(inserting, inserting->at);
    bool uniform = !inserting->seen || !inserting->run->values.bytes;
    const uint8_t *start = inserting->values.at;
    while (piece.count < count) {
        if (!uniform && comes_deleted(inserting, inserting->at + piece.count) != deleted) {
            break;
        }
        if (inserting->run->values.bytes) {
            struct gs_reader before = inserting->values;
            size_t width = gs_skip_value(&inserting->values).length;
            if (!deleted && piece.count > 0 && width != piece.width) {
                inserting->values = before;
                break;
            }
            piece.width = deleted ? 0 : (uint32_t)width;
        } else {
            piece.count = count - 1;
        }
        piece.count++;
    }
    piece.flags = (inserting->run->by_event ? GS_SPAN_BY_EVENT : 0U) | (deleted ? GS_SPAN_DELETED : 0U);
    piece.bytes = deleted ? (struct gs_slice){0} : gs_slice_make(start, (size_t)(inserting->values.at - start));
    piece.last = inserting->at + piece.count == inserting->run->count;
    return piece;
}

static void skip_values(struct inserting *inserting, uint32_t count) {
    for (uint32_t i = 0; i < count && inserting->run->values.bytes; i++) {
        gs_skip_value(&inserting->values);
    }
}

static struct gs_list_anchor anchor_of(const struct inserting *inserting) {
    if (inserting->at == 0) {
        return inserting->run->anchor;
    }
    return (struct gs_list_anchor){
        .side = GS_LIST_AFTER,
        .dot = {.origin = inserting->run->first.origin, .at = point_at(inserting->run, inserting->at - 1)}};
}

/* Elements of the run from the current one on that the span has, of which the current one is number `offset`. */
static uint32_t count_known(const struct inserting *inserting, const struct gs_span *span, uint32_t offset) {
    uint32_t left = inserting->run->count - inserting->at;
    if (inserting->run->by_event != (bool)(span->flags & GS_SPAN_BY_EVENT)) {
        return 1;
    }
    return left < span->length - offset ? left : span->length - offset;
}

/* Takes the next elements of the run in, as many as go in together. */
static int insert_some(struct inserting *inserting) {
    struct gs_list *list = inserting->list;
    gs_point point = point_at(inserting->run, inserting->at);
    struct gs_list_anchor anchor = anchor_of(inserting);
    const struct gs_point_index *index = &list->authors[inserting->author].index;
    uint32_t span = gs_point_index_floor(index, point);
    uint32_t offset = 0;
    int error = 0;
    if (span != GS_SPAN_NONE && gs_span_contains(&list->spans[span], point, &offset)) {
        if (list->spans[span].flags & GS_SPAN_PHANTOM) {
            struct piece piece = next_piece(inserting, 1);
            error = arrive(list, inserting->memory, span, &piece, &anchor);
            inserting->at++;
            return error;
        }
        uint32_t known = count_known(inserting, &list->spans[span], offset);
        skip_values(inserting, known);
        inserting->at += known;
        return 0;
    }
    if (part_intervals(list, inserting->memory, span, point) != 0) {
        return GS_ENOMEM;
    }
    gs_point key;
    uint32_t next = gs_point_index_after(index, point, &key);
    uint32_t left = inserting->run->count - inserting->at;
    struct piece piece = next_piece(inserting, next == GS_SPAN_NONE ? left : count_before(inserting, key));
    error = add_piece(list, inserting->memory, &piece, &anchor);
    inserting->at += piece.count;
    return error;
}

int gs_list_insert(struct gs_list *list, struct gs_memory *memory, const struct gs_list_run *run,
                   const struct gs_context *seen) {
    struct inserting inserting = {.list = list, .memory = memory, .run = run};
    struct gs_interval range = {.first = run->first.at, .last = point_at(run, run->count - 1)};
    if (seen && gs_context_touches(seen, &run->first.origin, range)) {
        inserting.seen = seen;
    }
    inserting.author = obtain_author(list, memory, &run->first.origin);
    if (inserting.author == GS_SPAN_NONE) {
        return GS_ENOMEM;
    }
    gs_reader_init(&inserting.values, run->values.bytes, run->values.length);
    inserting.values.nodes_left = UINT32_MAX;
    int error = 0;
    while (inserting.at < run->count && error == 0) {
        error = insert_some(&inserting);
    }
    return error;
}
