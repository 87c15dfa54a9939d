/* Leaderboard: members with scores. A score is the last `to` and the increments that it did not see. A `to` supersedes
 * the `to`s and cancels the increments of the member that its writer saw; `to`s side by side are all kept, the last
 * writer wins, the others are reported as a conflict (last_writer_wins). Increments add up and survive a concurrent
 * `to` or remove, on top of what it leaves; a remove takes away what its writer saw. (Compare Redis Active-Active
 * sorted sets, where ZINCRBY beside ZREM leaves the increment alone.) Store: a DotMap with a register and a counter for
 * each member. */
#include "crdt/leaderboard.h"
#include "crdt/number.h"
#include "crdt/path.h"

#include <globalstate/json.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool holds(int type) {
    return type == GS_TYPE_REGISTER || type == GS_TYPE_COUNTER;
}

/* All members in order, in memory of `out`; NULL if there are none or `out` failed. */
static struct gs_leader *list_leaders(const struct gs_dot_map *board, struct gs_buffer *out, uint32_t *ret_count) {
    uint32_t count = gs_board_count(board);
    struct gs_leader *leaders = count > 0 ? gs_memory_alloc(out->memory, count * sizeof(*leaders)) : NULL;
    if (count > 0 && !leaders) {
        out->failed = out->failed ? out->failed : GS_ENOMEM;
        count = 0;
    }
    *ret_count = gs_board_top(board, count, leaders);
    return leaders;
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    uint32_t count = 0;
    struct gs_leader *leaders = list_leaders(store->map, out, &count);
    gs_write_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        gs_write_map(out, 2);
        gs_write_str(out, "member", 6);
        gs_write_str(out, leaders[i].member.bytes, leaders[i].member.length);
        gs_write_str(out, "score", 5);
        gs_write_int(out, leaders[i].score);
    }
    gs_memory_free(out->memory, leaders, count * sizeof(*leaders));
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    uint32_t count = 0;
    struct gs_leader *leaders = list_leaders(store->map, out, &count);
    gs_buffer_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        gs_buffer_text(out, i > 0 ? ",{\"member\":" : "{\"member\":");
        gs_json_write_string(leaders[i].member.bytes, leaders[i].member.length, out);
        gs_buffer_printf(out, ",\"score\":%" PRId64 "}", leaders[i].score);
    }
    gs_buffer_byte(out, ']');
    gs_memory_free(out->memory, leaders, count * sizeof(*leaders));
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_store_map_decode(store, decoding, holds);
    struct gs_ordered_cursor cursor = {.ordered = &store->map->fields};
    const struct gs_field *field = NULL;
    while ((field = gs_ordered_next(&cursor))) {
        for (uint32_t i = 0; field->type == GS_TYPE_REGISTER && i < field->store.fun.count; i++) {
            if (gs_value_kind(gs_entry_value(gs_dot_fun_at(&field->store.fun, i))) != GS_KIND_INT) {
                gs_reader_fail(decoding->reader, GS_EFORMAT);
            }
        }
    }
}

static int count_up(struct gs_dot_map *board, const struct gs_applying *applying) {
    struct gs_field *by = gs_dot_map_obtain(board, applying->memory, applying->change->member, GS_TYPE_COUNTER);
    if (!by) {
        return GS_ENOMEM;
    }
    int error = gs_field_apply(by, applying);
    gs_dot_map_prune(board, applying->memory, by);
    return error;
}

static int add_score(struct gs_dot_map *board, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    if (applying->seen && gs_context_contains(applying->seen, &applying->dot)) {
        return 0;
    }
    struct gs_field *to = gs_dot_map_obtain(board, applying->memory, change->member, GS_TYPE_REGISTER);
    int error = to ? gs_dot_fun_add(&to->store.fun, applying->memory, &applying->dot, applying->clock, change->value)
                   : GS_ENOMEM;
    if (to) {
        gs_dot_map_prune(board, applying->memory, to);
    }
    return error;
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    if (change->kind == GS_OP_SCORE_BY) {
        return count_up(store->map, applying);
    }
    int error = change->kind == GS_OP_SCORE_TO ? add_score(store->map, applying) : 0;
    struct gs_cleared taken[] = {
        {.name = change->member, .type = GS_TYPE_COUNTER, .mark_count = change->mark_count, .marks = change->marks},
        {.name = change->member, .type = GS_TYPE_REGISTER, .dot_count = change->dot_count, .dots = change->dots}};
    struct gs_cleared tree = {.type = GS_TYPE_LEADERBOARD, .child_count = 2, .children = taken};
    return error != 0 ? error : gs_dot_map_clear(store->map, &tree, applying->memory);
}

/* What a `to` and a remove take away: all of the member that the writer sees. 0 or GS_ENOMEM. */
static int see_member(const struct gs_member *member, struct gs_arena *arena, struct gs_change *change) {
    struct gs_cleared marks = {.mark_count = 0};
    struct gs_cleared dots = {.dot_count = 0};
    int error = member->by ? gs_type_counter.collect(&member->by->store, arena, &marks) : 0;
    if (error == 0 && member->to) {
        error = gs_store_fun_collect(&member->to->store, arena, &dots);
    }
    change->marks = marks.marks;
    change->mark_count = marks.mark_count;
    change->dots = dots.dots;
    change->dot_count = dots.dot_count;
    return error;
}

/* The member that an op names. False if it is no text. */
static bool read_member(const struct gs_op *op, struct gs_slice *ret_name) {
    if (op->kind == GS_OP_SCORE_TO || op->kind == GS_OP_SCORE_BY || op->kind == GS_OP_REMOVE_MEMBER) {
        *ret_name = op->member;
        return true;
    }
    struct gs_reader reader; /* the `remove` that sets share */
    gs_reader_init(&reader, op->value.bytes, op->value.length);
    *ret_name = gs_read_str(&reader, SIZE_MAX);
    return gs_reader_finish(&reader) == 0;
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    struct gs_member member = {.to = NULL};
    struct gs_slice name;
    if (!read_member(op, &name)) {
        return GS_ETYPE;
    }
    bool is_there = store && gs_member_find(store->map, name, &member);
    change->member = name;
    if (change->kind != GS_OP_SCORE_BY) {
        int error = is_there ? see_member(&member, arena, change) : 0;
        return error != 0 ? error : is_there || change->kind == GS_OP_SCORE_TO;
    }
    int64_t by = 0;
    if (!gs_integer_read(op->value, &by)) {
        return GS_EINVAL;
    }
    /* A counter that is dead may still have marks, which a new frame passes over. */
    const struct gs_counter *counter = member.by ? &member.by->store.counter : NULL;
    return gs_counter_continue(counter, writer, gs_member_score(&member), by, change);
}

/* An entry of a board that is to be. */
struct wanted {
    struct gs_slice member;
    struct gs_slice score; /* canonical */
    uint32_t number;
};

static int compare_wanted(const void *a, const void *b) {
    return gs_slice_compare(((const struct wanted *)a)->member, ((const struct wanted *)b)->member);
}

/* {"member": text, "score": integer}, and nothing else. */
static bool read_wanted(struct gs_reader *reader, struct wanted *ret_wanted) {
    static const uint8_t member[] = "member", score[] = "score";
    if (gs_peek_kind(reader) != GS_KIND_MAP || gs_read_map(reader, UINT32_MAX) != 2 ||
        gs_slice_compare(gs_read_str(reader, SIZE_MAX), gs_slice_make(member, sizeof(member) - 1)) != 0 ||
        gs_peek_kind(reader) != GS_KIND_STR) {
        return false;
    }
    ret_wanted->member = gs_read_str(reader, SIZE_MAX);
    if (gs_slice_compare(gs_read_str(reader, SIZE_MAX), gs_slice_make(score, sizeof(score) - 1)) != 0 ||
        gs_peek_kind(reader) != GS_KIND_INT) {
        return false;
    }
    ret_wanted->score = gs_read_value(reader);
    return reader->error == 0 && gs_name_valid(ret_wanted->member);
}

/* The board that a value describes, sorted by member. GS_ETYPE, with a reason, or GS_ENOMEM. */
static int read_board(struct gs_slice value, struct gs_op_list *list, struct wanted **ret_wanted, uint32_t *ret_count) {
    if (gs_value_kind(value) != GS_KIND_ARRAY) {
        return GS_ETYPE;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    reader.nodes_left = UINT32_MAX; /* what a past state shows may be larger than what one op brings */
    uint32_t count = gs_read_array(&reader, UINT32_MAX);
    struct wanted *wanted = gs_arena_alloc(list->arena, ((size_t)count + 1) * sizeof(*wanted));
    if (!wanted) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        wanted[i].number = i;
        if (!read_wanted(&reader, &wanted[i])) {
            snprintf(list->reason, sizeof(list->reason),
                     "cannot take entry %" PRIu32 ": not {member: text, score: int64}", i);
            return GS_ETYPE;
        }
    }
    qsort(wanted, count, sizeof(*wanted), compare_wanted);
    for (uint32_t i = 1; i < count; i++) {
        if (gs_slice_compare(wanted[i - 1].member, wanted[i].member) == 0) {
            snprintf(list->reason, sizeof(list->reason), "cannot take entries %" PRIu32 " and %" PRIu32 ": one member",
                     wanted[i - 1].number, wanted[i].number);
            return GS_ETYPE;
        }
    }
    *ret_wanted = wanted;
    *ret_count = count;
    return 0;
}

static int push(struct gs_op_list *list, enum gs_op_kind kind, const struct gs_path *path, struct gs_slice member,
                struct gs_slice value) {
    return gs_op_list_append(list, &(struct gs_op){.kind = kind, .path = *path, .member = member, .value = value});
}

/* Members that the board has and the value lacks; their names are copied: the ops must outlive them. */
static int remove_surplus(const struct gs_dot_map *board, const struct gs_path *path, const struct wanted *wanted,
                          uint32_t count, struct gs_op_list *list) {
    struct gs_member_cursor cursor = {.fields = {.ordered = &board->fields}};
    struct gs_member member;
    int error = 0;
    while (error == 0 && gs_member_next(&cursor, &member)) {
        struct wanted key = {.member = member.name};
        if (!bsearch(&key, wanted, count, sizeof(key), compare_wanted)) {
            const uint8_t *name = gs_arena_copy(list->arena, member.name.bytes, member.name.length);
            error = name ? push(list, GS_OP_REMOVE_MEMBER, path, gs_slice_make(name, member.name.length),
                                (struct gs_slice){0})
                         : GS_ENOMEM;
        }
    }
    return error;
}

/* Scores first, so that the board does not vanish in between. */
static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    struct wanted *wanted = NULL;
    uint32_t count = 0;
    int error = read_board(value, list, &wanted, &count);
    for (uint32_t i = 0; i < count && error == 0; i++) {
        struct gs_member member;
        int64_t score = 0;
        gs_integer_read(wanted[i].score, &score);
        if (!gs_member_find(store->map, wanted[i].member, &member) || gs_member_score(&member) != score) {
            error = push(list, GS_OP_SCORE_TO, path, wanted[i].member, wanted[i].score);
        }
    }
    return error != 0 ? error : remove_surplus(store->map, path, wanted, count, list);
}

static int compare_entries(const void *a, const void *b) {
    const struct gs_entry *const *x = a;
    const struct gs_entry *const *y = b;
    return (*x)->clock != (*y)->clock ? ((*x)->clock < (*y)->clock ? 1 : -1) : -gs_dot_compare(&(*x)->dot, &(*y)->dot);
}

/* Reports the `to`s of one member, the winner first; each value is {"member": …, "to": …}. */
static int visit_member(const struct gs_member *member, const struct gs_path *path, struct gs_memory *memory,
                        gs_conflict_fn visit, void *context) {
    const struct gs_dot_fun *fun = &member->to->store.fun;
    struct gs_arena arena = {.memory = memory};
    const struct gs_entry **entries = gs_arena_alloc(&arena, fun->count * sizeof(*entries));
    struct gs_conflict_value *values = gs_arena_alloc(&arena, fun->count * sizeof(*values));
    int error = entries && values ? 0 : GS_ENOMEM;
    for (uint32_t i = 0; i < fun->count && error == 0; i++) {
        entries[i] = gs_dot_fun_at(fun, i);
    }
    if (error == 0) {
        qsort(entries, fun->count, sizeof(struct gs_entry *), compare_entries);
    }
    for (uint32_t i = 0; i < fun->count && error == 0; i++) {
        struct gs_buffer value = {.memory = memory};
        gs_write_map(&value, 2);
        gs_write_str(&value, "member", 6);
        gs_write_str(&value, member->name.bytes, member->name.length);
        gs_write_str(&value, "to", 2);
        gs_buffer_append(&value, entries[i]->bytes, entries[i]->length);
        const uint8_t *bytes = value.failed ? NULL : gs_arena_copy(&arena, value.bytes, value.length);
        values[i] = (struct gs_conflict_value){.op = "score",
                                               .dot = entries[i]->dot,
                                               .clock = entries[i]->clock,
                                               .type = GS_TYPE_LEADERBOARD,
                                               .value = gs_slice_make(bytes, value.length)};
        error = bytes ? 0 : GS_ENOMEM;
        gs_buffer_close(&value);
    }
    struct gs_conflict conflict = {
        .path = *path, .type = GS_TYPE_LEADERBOARD, .rule = "last_writer_wins", .count = fun->count, .values = values};
    int result = error != 0 ? error : visit(context, &conflict);
    gs_arena_close(&arena);
    return result;
}

static int visit_conflicts(const union gs_store *store, const struct gs_path *path, struct gs_memory *memory,
                           gs_conflict_fn visit, void *context) {
    struct gs_member_cursor cursor = {.fields = {.ordered = &store->map->fields}};
    struct gs_member member;
    int result = 0;
    while (result == 0 && gs_member_next(&cursor, &member)) {
        if (member.to && member.to->store.fun.count > 1) {
            result = visit_member(&member, path, memory, visit, context);
        }
    }
    return result;
}

const struct gs_type_ops gs_type_leaderboard = {
    .name = "leaderboard",
    .creatable = true,
    .clears = GS_CLEARS_TREE,
    .holds = holds,
    .visit_conflicts = visit_conflicts,
    .open = gs_store_map_open,
    .close = gs_store_map_close,
    .is_empty = gs_store_map_is_empty,
    .is_alive = gs_store_map_is_alive,
    .join = gs_store_map_join,
    .retain = gs_store_map_retain,
    .compact = gs_store_map_compact,
    .write_value = write_value,
    .write_json = write_json,
    .encode = gs_store_map_encode,
    .decode = decode,
    .visit_origins = gs_store_map_visit_origins,
    .apply = apply,
    .collect = gs_store_map_collect,
    .clear = gs_store_map_clear,
    .resolve = resolve,
    .diff = diff,
};
