/* Max: the greatest number that anyone put in. An entry supersedes those that its writer saw; concurrent entries are
 * all kept, the greatest is shown (integers and floats compare as numbers, and of equal ones the integer is shown), and
 * none of this is a conflict. Store: DotFun of numbers, clock 0. */
#include "crdt/extremum.h"

static const struct gs_entry *winner(const struct gs_dot_fun *fun) {
    return gs_extremum_winner(fun, GS_GREATEST);
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_extremum_write_value(store, GS_GREATEST, out);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_extremum_write_json(store, GS_GREATEST, out);
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)writer;
    return gs_extremum_resolve(store, GS_GREATEST, op, arena, change);
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    return gs_extremum_diff(store, GS_GREATEST, GS_OP_MAX, path, value, list);
}

const struct gs_type_ops gs_type_max = {
    .name = "max",
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
