#include "crdt/extremum.h"

#include "crdt/number.h"

#include <globalstate/json.h>

static bool beats(const struct gs_entry *a, const struct gs_entry *b, enum gs_direction direction) {
    int order = gs_number_compare(gs_entry_value(a), gs_entry_value(b)) * (int)direction;
    return order > 0 || (order == 0 && gs_value_kind(gs_entry_value(a)) == GS_KIND_INT &&
                         gs_value_kind(gs_entry_value(b)) != GS_KIND_INT);
}

const struct gs_entry *gs_extremum_winner(const struct gs_dot_fun *fun, enum gs_direction direction) {
    const struct gs_entry *winner = NULL;
    for (uint32_t i = 0; i < fun->count; i++) {
        const struct gs_entry *entry = gs_dot_fun_at(fun, i);
        winner = !winner || beats(entry, winner, direction) ? entry : winner;
    }
    return winner;
}

void gs_extremum_write_value(const union gs_store *store, enum gs_direction direction, struct gs_buffer *out) {
    const struct gs_entry *winner = gs_extremum_winner(&store->fun, direction);
    if (winner) {
        gs_buffer_append(out, winner->bytes, winner->length);
    } else {
        gs_write_nil(out);
    }
}

void gs_extremum_write_json(const union gs_store *store, enum gs_direction direction, struct gs_buffer *out) {
    const struct gs_entry *winner = gs_extremum_winner(&store->fun, direction);
    if (winner) {
        gs_json_write(gs_entry_value(winner), out);
    } else {
        gs_buffer_text(out, "null");
    }
}

int gs_extremum_resolve(const union gs_store *store, enum gs_direction direction, const struct gs_op *op,
                        struct gs_arena *arena, struct gs_change *change) {
    const struct gs_entry *winner = store ? gs_extremum_winner(&store->fun, direction) : NULL;
    if (!winner) {
        return 1;
    }
    if (gs_number_compare(op->value, gs_entry_value(winner)) * (int)direction <= 0) {
        return 0;
    }
    gs_dot *dots = gs_store_fun_dots(store, arena);
    if (!dots) {
        return GS_ENOMEM;
    }
    change->dots = dots;
    change->dot_count = store->fun.count;
    return 1;
}

int gs_extremum_diff(const union gs_store *store, enum gs_direction direction, enum gs_op_kind kind,
                     const struct gs_path *path, struct gs_slice value, struct gs_op_list *list) {
    const struct gs_entry *winner = gs_extremum_winner(&store->fun, direction);
    if (!winner && gs_value_kind(value) == GS_KIND_NIL) {
        return 0;
    }
    if (!gs_is_number(value)) {
        return GS_ETYPE;
    }
    int order = winner ? gs_number_compare(value, gs_entry_value(winner)) * (int)direction : 1;
    if (order == 0) {
        return 0;
    }
    int error = order < 0 ? gs_op_list_push(list, GS_OP_UNSET, path, (struct gs_slice){0}) : 0;
    return error != 0 ? error : gs_op_list_push(list, kind, path, value);
}

static bool accept(gs_hlc clock, struct gs_slice value) {
    return clock == 0 && gs_is_number(value);
}

void gs_extremum_decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_store_fun_decode(store, decoding, accept);
}

int gs_extremum_apply(union gs_store *store, const struct gs_applying *applying) {
    return gs_store_fun_apply(store, applying, 0, applying->change->value);
}
