#include "crdt/flag.h"

#include <globalstate/json.h>

static const uint8_t says_false = 0xc2; /* msgpack: false, true */
static const uint8_t says_true = 0xc3;

bool gs_flag_says(const struct gs_entry *entry) {
    return entry && entry->bytes[0] == says_true;
}

const struct gs_entry *gs_flag_winner(const struct gs_dot_fun *fun, bool winner) {
    const struct gs_entry *best = NULL;
    for (uint32_t i = 0; i < fun->count; i++) {
        const struct gs_entry *entry = gs_dot_fun_at(fun, i);
        bool better = !best || (gs_flag_says(entry) == gs_flag_says(best) ? entry->clock >= best->clock
                                                                          : gs_flag_says(entry) == winner);
        best = better ? entry : best;
    }
    return best;
}

bool gs_flag_are_rivals(const struct gs_dot_fun *fun) {
    bool said[2] = {false, false};
    for (uint32_t i = 0; i < fun->count; i++) {
        said[gs_flag_says(gs_dot_fun_at(fun, i))] = true;
    }
    return said[0] && said[1];
}

void gs_flag_write_value(const struct gs_entry *entry, struct gs_buffer *out) {
    gs_write_bool(out, gs_flag_says(entry));
}

void gs_flag_write_json(const struct gs_entry *entry, struct gs_buffer *out) {
    gs_buffer_text(out, gs_flag_says(entry) ? "true" : "false");
}

static bool accept(gs_hlc clock, struct gs_slice value) {
    (void)clock;
    return gs_value_kind(value) == GS_KIND_BOOL;
}

void gs_flag_decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_store_fun_decode(store, decoding, accept);
}

int gs_flag_apply(union gs_store *store, const struct gs_applying *applying, bool on) {
    return gs_store_fun_apply(store, applying, applying->clock, gs_slice_make(on ? &says_true : &says_false, 1));
}

int gs_flag_resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer,
                    struct gs_arena *arena, struct gs_change *change) {
    (void)op;
    (void)writer;
    return gs_store_fun_resolve(store, arena, change);
}

int gs_flag_diff(const struct gs_entry *shown, const struct gs_path *path, struct gs_slice value,
                 struct gs_op_list *list) {
    if (gs_value_kind(value) != GS_KIND_BOOL) {
        return GS_ETYPE;
    }
    bool wanted = value.bytes[0] == says_true;
    if (wanted == gs_flag_says(shown)) {
        return 0;
    }
    return gs_op_list_push(list, wanted ? GS_OP_ENABLE : GS_OP_DISABLE, path, (struct gs_slice){0});
}
