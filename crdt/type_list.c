/* List: elements in an order, any JSON values. Inserting and deleting by index. Of elements that are inserted at one
 * place at the same time all stay, each run in one piece, in the order that Fugue gives (list.h); a delete takes away
 * the elements that its writer saw there, so what is inserted beside or between them at the same time stays. An element
 * is never changed, only replaced. Nothing is lost and nothing chosen: there are no conflicts to report.
 *
 * Where deleted elements were is bookkeeping: it is not in the canonical form, and gs_aggregate_compact drops it once
 * everything is causally stable. Store: struct gs_list. */
#include "crdt/list_diff.h"
#include "crdt/list_format.h"

#include <globalstate/json.h>

#include <stdlib.h>

static struct gs_list *obtain(union gs_store *store, struct gs_memory *memory) {
    if (!store->list) {
        store->list = gs_list_new(memory);
    }
    return store->list;
}

static void close_store(union gs_store *store, struct gs_memory *memory) {
    gs_list_free(store->list, memory);
    store->list = NULL;
}

static bool is_empty(const union gs_store *store) {
    return gs_list_is_empty(store->list);
}

static bool is_alive(const union gs_store *store) {
    return gs_list_alive(store->list) > 0;
}

static int join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    if (gs_list_is_empty(store->list) && gs_list_is_empty(other->list)) {
        return 0;
    }
    struct gs_list *list = obtain(store, joining->memory);
    return list ? gs_list_join(list, other->list, joining->memory, joining->mine, joining->theirs) : GS_ENOMEM;
}

static void retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen) {
    if (store->list) {
        gs_list_retain(store->list, memory, seen);
    }
}

static void compact(union gs_store *store, const struct gs_compacting *compacting) {
    if (store->list && compacting->all && !compacting->keep_places) {
        gs_list_drop_deleted(store->list, compacting->memory);
        if (gs_list_is_empty(store->list)) {
            close_store(store, compacting->memory);
        }
    }
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    struct gs_list_cursor cursor = {.list = store->list};
    gs_dot dot;
    struct gs_slice value;
    gs_write_array(out, gs_list_length(store->list));
    while (gs_list_next(&cursor, &dot, &value)) {
        gs_buffer_append(out, value.bytes, value.length);
    }
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    struct gs_list_cursor cursor = {.list = store->list};
    gs_dot dot;
    struct gs_slice value;
    gs_buffer_byte(out, '[');
    for (bool first = true; gs_list_next(&cursor, &dot, &value); first = false) {
        gs_buffer_text(out, first ? "" : ",");
        gs_json_write(value, out);
    }
    gs_buffer_byte(out, ']');
}

static void encode(const union gs_store *store, const struct gs_encoding *encoding) {
    gs_list_encode(store->list, encoding);
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    struct gs_list *list = obtain(store, decoding->memory);
    if (!list) {
        gs_reader_fail(decoding->reader, GS_ENOMEM);
        return;
    }
    gs_list_decode(list, decoding);
}

static int visit_origins(const union gs_store *store, enum gs_encode_form form, gs_origin_visit_fn visit,
                         void *context) {
    return form == GS_ENCODE_FULL ? gs_list_visit_origins(store->list, visit, context) : 0;
}

/* The values of an array, without its head. */
static struct gs_slice read_values(struct gs_slice array, uint32_t *ret_count) {
    struct gs_reader reader;
    gs_reader_init(&reader, array.bytes, array.length);
    *ret_count = gs_read_array(&reader, UINT32_MAX);
    return gs_slice_make(reader.at, (size_t)(reader.end - reader.at));
}

/* True if `b` continues a run of dots that goes on by event, or by index, after `a`. */
static bool goes_on(const gs_dot *a, const gs_dot *b, bool by_event) {
    bool next = by_event ? a->at.seq + 1 == b->at.seq && a->at.index == b->at.index
                         : a->at.seq == b->at.seq && a->at.index + 1 == b->at.index;
    return next && gs_origin_equal(&a->origin, &b->origin);
}

/* Deletes what has these dots, which are sorted, run by run. `own`: see gs_list_delete. */
static int delete_dots(struct gs_list *list, struct gs_memory *memory, const gs_dot *dots, uint32_t count, bool own) {
    int error = 0;
    for (uint32_t at = 0; list && at < count && error == 0;) {
        uint32_t end = at + 1;
        bool by_event = end < count && goes_on(&dots[at], &dots[end], true);
        while (end < count && goes_on(&dots[end - 1], &dots[end], by_event)) {
            end++;
        }
        error = gs_list_delete(list, memory, &dots[at], end - at, by_event, own);
        at = end;
    }
    return error;
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    if (change->kind == GS_OP_INSERT) {
        struct gs_list *list = obtain(store, applying->memory);
        struct gs_list_run run = {.first = applying->dot};
        if (change->anchor) {
            run.anchor = *change->anchor;
        }
        run.values = read_values(change->value, &run.count);
        return list ? gs_list_insert(list, applying->memory, &run, applying->seen) : GS_ENOMEM;
    }
    bool own = false;
    for (uint32_t i = 0; i < change->dot_count && !own; i++) {
        own = gs_origin_equal(&change->dots[i].origin, &applying->dot.origin) &&
              change->dots[i].at.seq == applying->dot.at.seq;
    }
    return delete_dots(store->list, applying->memory, change->dots, change->dot_count, own);
}

static int compare_dots(const void *a, const void *b) {
    return gs_dot_compare(a, b);
}

static bool is_sorted(const gs_dot *dots, uint32_t count) {
    bool sorted = true;
    for (uint32_t i = 1; i < count && sorted; i++) {
        sorted = gs_dot_compare(&dots[i - 1], &dots[i]) < 0;
    }
    return sorted;
}

static void sort_dots(gs_dot *dots, uint32_t count) {
    if (!is_sorted(dots, count)) { /* what was typed from left to right is */
        qsort(dots, count, sizeof(*dots), compare_dots);
    }
}

static int collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    uint32_t count = gs_list_alive(store->list);
    gs_dot *dots = gs_arena_alloc(arena, ((size_t)count + 1) * sizeof(*dots));
    if (!dots) {
        return GS_ENOMEM;
    }
    struct gs_list_cursor shown = {.list = store->list};
    struct gs_list_cursor hidden = {.list = store->list, .hidden = true};
    uint32_t taken = gs_list_take_dots(&shown, dots, count);
    gs_list_take_dots(&hidden, dots + taken, count - taken);
    sort_dots(dots, count);
    ret_cleared->dots = dots;
    ret_cleared->dot_count = count;
    return 0;
}

/* Which event this belongs to is not known here: it is taken for one that brought elements itself. */
static int clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    return delete_dots(store->list, memory, cleared->dots, cleared->dot_count, true);
}

/* True if peers can read the change. */
static bool is_readable(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    gs_read_value(&reader);
    return gs_reader_finish(&reader) == 0;
}

/* 1 or GS_ENOMEM. */
static int find_anchor(const struct gs_list *list, uint32_t index, struct gs_arena *arena,
                       const struct gs_list_anchor **ret_anchor) {
    struct gs_list_anchor anchor = gs_list_anchor_at(list, index);
    *ret_anchor = anchor.side != GS_LIST_START ? gs_arena_copy(arena, &anchor, sizeof(anchor)) : NULL;
    return anchor.side != GS_LIST_START && !*ret_anchor ? GS_ENOMEM : 1;
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)writer;
    const struct gs_list *list = store ? store->list : NULL;
    uint64_t length = gs_list_length(list);
    if (op->kind == GS_OP_INSERT) {
        return op->position > length     ? GS_ERANGE
               : !is_readable(op->value) ? GS_EDEPTH
                                         : find_anchor(list, (uint32_t)op->position, arena, &change->anchor);
    }
    if (op->position > length || op->count > length - op->position || op->count == 0) {
        return GS_ERANGE;
    }
    gs_dot *dots = gs_arena_alloc(arena, op->count * sizeof(*dots));
    if (!dots) {
        return GS_ENOMEM;
    }
    struct gs_list_cursor cursor = gs_list_cursor_at(list, (uint32_t)op->position);
    change->dot_count = gs_list_take_dots(&cursor, dots, (uint32_t)op->count);
    sort_dots(dots, change->dot_count);
    change->dots = dots;
    return 1;
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    return gs_list_diff(store->list, path, value, list);
}

const struct gs_type_ops gs_type_list = {
    .name = "list",
    .creatable = true,
    .clears = GS_CLEARS_DOTS,
    .close = close_store,
    .is_empty = is_empty,
    .is_alive = is_alive,
    .join = join,
    .retain = retain,
    .compact = compact,
    .write_value = write_value,
    .write_json = write_json,
    .encode = encode,
    .decode = decode,
    .visit_origins = visit_origins,
    .apply = apply,
    .collect = collect,
    .clear = clear,
    .resolve = resolve,
    .diff = diff,
};
