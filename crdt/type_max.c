/* Max: the greatest number that anyone put in. An entry supersedes those that its writer saw; concurrent entries are
 * all kept, the greatest is shown (integers and floats compare as numbers, and of equal ones the integer is shown), and
 * none of this is a conflict. Store: DotFun of numbers, clock 0. */
#include "crdt/number.h"
#include "crdt/type.h"

#include <globalstate/json.h>

static bool is_greater(const struct gs_entry *a, const struct gs_entry *b) {
    int order = gs_number_compare(gs_entry_value(a), gs_entry_value(b));
    return order > 0 || (order == 0 && gs_value_kind(gs_entry_value(a)) == GS_KIND_INT &&
                         gs_value_kind(gs_entry_value(b)) != GS_KIND_INT);
}

const struct gs_entry *gs_max_winner(const struct gs_dot_fun *fun) {
    const struct gs_entry *winner = gs_dot_fun_at(fun, 0);
    for (uint32_t i = 1; i < fun->count; i++) {
        const struct gs_entry *entry = gs_dot_fun_at(fun, i);
        winner = is_greater(entry, winner) ? entry : winner;
    }
    return winner;
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    const struct gs_entry *winner = gs_max_winner(&store->fun);
    gs_buffer_append(out, winner->bytes, winner->length);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_json_write(gs_entry_value(gs_max_winner(&store->fun)), out);
}

static bool accept(gs_hlc clock, struct gs_slice value) {
    return clock == 0 && gs_is_number(value);
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_store_fun_decode(store, decoding, accept);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    return gs_store_fun_apply(store, applying, 0);
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *ret_change) {
    (void)writer;
    if (!store) {
        return 1;
    }
    if (gs_number_compare(op->value, gs_entry_value(gs_max_winner(&store->fun))) <= 0) {
        return 0;
    }
    gs_dot *dots = gs_store_fun_dots(store, arena);
    if (!dots) {
        return GS_ENOMEM;
    }
    ret_change->dots = dots;
    ret_change->dot_count = store->fun.count;
    return 1;
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    if (!gs_is_number(value)) {
        return GS_ETYPE;
    }
    int order = gs_number_compare(value, gs_entry_value(gs_max_winner(&store->fun)));
    if (order == 0) {
        return 0;
    }
    int error = order < 0 ? gs_op_list_push(list, GS_OP_UNSET, path, (struct gs_slice){0}) : 0;
    return error != 0 ? error : gs_op_list_push(list, GS_OP_MAX, path, value);
}

const struct gs_type_ops gs_type_max = {
    .name = "max",
    .close = gs_store_fun_close,
    .is_empty = gs_store_fun_is_empty,
    .is_alive = gs_store_fun_is_alive,
    .join = gs_store_fun_join,
    .retain = gs_store_fun_retain,
    .write_value = write_value,
    .write_json = write_json,
    .encode = gs_store_fun_encode,
    .decode = decode,
    .apply = apply,
    .collect = gs_store_fun_collect,
    .clear = gs_store_fun_clear,
    .resolve = resolve,
    .diff = diff,
};
