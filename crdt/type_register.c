/* Register: any value but an object. A write supersedes the writes that its writer saw; writes that did not see each
 * other are all kept, and the last writer wins: the greatest (clock, origin, seq, index) is shown, the others are
 * reported as a conflict. Store: DotFun of (clock, value). */
#include "crdt/type.h"

#include <globalstate/json.h>

static bool is_later(const struct gs_entry *a, const struct gs_entry *b) {
    return a->clock != b->clock ? a->clock > b->clock : gs_dot_compare(&a->dot, &b->dot) > 0;
}

const struct gs_entry *gs_register_winner(const struct gs_dot_fun *fun) {
    const struct gs_entry *winner = gs_dot_fun_at(fun, 0);
    for (uint32_t i = 1; i < fun->count; i++) {
        const struct gs_entry *entry = gs_dot_fun_at(fun, i);
        winner = is_later(entry, winner) ? entry : winner;
    }
    return winner;
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    const struct gs_entry *winner = gs_register_winner(&store->fun);
    gs_buffer_append(out, winner->bytes, winner->length);
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_json_write(gs_entry_value(gs_register_winner(&store->fun)), out);
}

static bool accept(gs_hlc clock, struct gs_slice value) {
    (void)clock;
    return gs_value_kind(value) != GS_KIND_MAP;
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_store_fun_decode(store, decoding, accept);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    return gs_store_fun_apply(store, applying, applying->clock);
}

/* Writing the value that is there already is a write: it says "this is the value, now". */
static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *ret_change) {
    (void)op;
    (void)writer;
    if (store) {
        gs_dot *dots = gs_store_fun_dots(store, arena);
        if (!dots) {
            return GS_ENOMEM;
        }
        ret_change->dots = dots;
        ret_change->dot_count = store->fun.count;
    }
    return 1;
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    struct gs_slice shown = gs_entry_value(gs_register_winner(&store->fun));
    return gs_slice_compare(shown, value) == 0 ? 0 : gs_op_list_push(list, GS_OP_SET, path, value);
}

const struct gs_type_ops gs_type_register = {
    .name = "register",
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
