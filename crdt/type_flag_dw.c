/* Flag, disable-wins: off while there is a disable that no later enable or disable saw; otherwise like the enable-wins
 * flag. Store: DotFun of booleans. (antidote_crdt_flag_dw.) */
#include "crdt/flag.h"

static const struct gs_entry *winner(const struct gs_dot_fun *fun) {
    return gs_flag_winner(fun, false);
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_flag_write_value(winner(&store->fun), out);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_flag_write_json(winner(&store->fun), out);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    return gs_flag_apply(store, applying, applying->change->kind == GS_OP_ENABLE_DW);
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    return gs_flag_diff(winner(&store->fun), path, value, list);
}

const struct gs_type_ops gs_type_flag_dw = {
    .name = "flag_dw",
    .winner = winner,
    .rule = "disable_wins",
    .are_rivals = gs_flag_are_rivals,
    .close = gs_store_fun_close,
    .is_empty = gs_store_fun_is_empty,
    .is_alive = gs_store_fun_is_alive,
    .join = gs_store_fun_join,
    .retain = gs_store_fun_retain,
    .write_value = write_value,
    .write_json = write_json,
    .encode = gs_store_fun_encode,
    .decode = gs_flag_decode,
    .apply = apply,
    .collect = gs_store_fun_collect,
    .clear = gs_store_fun_clear,
    .resolve = gs_flag_resolve,
    .diff = diff,
};
