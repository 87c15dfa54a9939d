/* Min: the least number that anyone put in; otherwise like max. Store: DotFun of numbers, clock 0. */
#include "crdt/extremum.h"

static const struct gs_entry *winner(const struct gs_dot_fun *fun) {
    return gs_extremum_winner(fun, GS_LEAST);
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_extremum_write_value(store, GS_LEAST, out);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_extremum_write_json(store, GS_LEAST, out);
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)writer;
    return gs_extremum_resolve(store, GS_LEAST, op, arena, change);
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    return gs_extremum_diff(store, GS_LEAST, GS_OP_MIN, path, value, list);
}

const struct gs_type_ops gs_type_min = {
    .name = "min",
    .creatable = true,
    .winner = winner,
    .close = gs_store_fun_close,
    .is_empty = gs_store_fun_is_empty,
    .is_alive = gs_store_fun_is_alive,
    .join = gs_store_fun_join,
    .retain = gs_store_fun_retain,
    .write_value = write_value,
    .write_json = write_json,
    .encode = gs_store_fun_encode,
    .decode = gs_extremum_decode,
    .apply = gs_extremum_apply,
    .collect = gs_store_fun_collect,
    .clear = gs_store_fun_clear,
    .resolve = resolve,
    .diff = diff,
};
