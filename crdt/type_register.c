/* Register: any value but an object. A write supersedes the writes that its writer saw; writes that did not see each
 * other are all kept, and the last writer wins: the greatest (clock, origin, seq, index) is shown, the others are
 * reported as a conflict. Store: DotFun of (clock, value). */
#include "crdt/type.h"

#include <globalstate/json.h>

/* A register that is there was made by its first write. */
static struct gs_slice shown(const union gs_store *store) {
    return gs_entry_value(gs_store_fun_latest(&store->fun));
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_buffer_append(out, shown(store).bytes, shown(store).length);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_json_write(shown(store), out);
}

static bool accept(gs_hlc clock, struct gs_slice value) {
    (void)clock;
    return gs_value_kind(value) != GS_KIND_MAP;
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_store_fun_decode(store, decoding, accept);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    return gs_store_fun_apply(store, applying, applying->clock, applying->change->value);
}

/* Writing the value that is there already is a write: it says "this is the value, now". */
static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)op;
    (void)writer;
    return gs_store_fun_resolve(store, arena, change);
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    bool same = store->fun.count > 0 && gs_slice_compare(shown(store), value) == 0;
    return same ? 0 : gs_op_list_push(list, GS_OP_SET, path, value);
}

const struct gs_type_ops gs_type_register = {
    .name = "register",
    .winner = gs_store_fun_latest,
    .rule = "last_writer_wins",
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
