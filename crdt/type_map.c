/* Map: fields by (name, type), and dots of its own that keep it visible when it is empty. Concurrent changes of
 * different fields never meet; an unset takes away what its writer saw, and whatever was changed concurrently survives
 * with the path to it. One name with two types is a conflict (type_precedence): both are kept, the least type number is
 * shown. Store: struct gs_dot_map. */
#include "crdt/type.h"

#include <globalstate/json.h>

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    const struct gs_dot_map *map = store->map;
    uint32_t count = 0;
    for (struct gs_field *f = gs_dot_map_next_shown(map, NULL); f; f = gs_dot_map_next_shown(map, f)) {
        count++;
    }
    gs_write_map(out, count);
    for (struct gs_field *f = gs_dot_map_next_shown(map, NULL); f; f = gs_dot_map_next_shown(map, f)) {
        gs_write_str(out, f->name, f->name_length);
        gs_field_ops(f)->write_value(&f->store, out);
    }
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    const struct gs_dot_map *map = store->map;
    const char *separator = "{";
    for (struct gs_field *f = gs_dot_map_next_shown(map, NULL); f; f = gs_dot_map_next_shown(map, f)) {
        gs_buffer_text(out, separator);
        gs_json_write_string(f->name, f->name_length, out);
        gs_buffer_byte(out, ':');
        gs_field_ops(f)->write_json(&f->store, out);
        separator = ",";
    }
    gs_buffer_text(out, *separator == '{' ? "{}" : "}");
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    gs_store_map_decode(store, decoding, NULL);
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    struct gs_dot_set *presence = &store->map->presence;
    bool seen = applying->seen && gs_context_contains(applying->seen, &applying->dot);
    if (!seen && gs_dot_set_add(presence, applying->memory, &applying->dot) != 0) {
        return GS_ENOMEM;
    }
    gs_dot_set_subtract(presence, applying->memory, applying->change->dots, applying->change->dot_count);
    return 0;
}

/* Make map: gives presence to a map that has none. */
static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *ret_change) {
    (void)op;
    (void)writer;
    (void)arena;
    (void)ret_change;
    return !store || store->map->presence.count == 0;
}

const struct gs_type_ops gs_type_map = {
    .name = "map",
    .clears = GS_CLEARS_TREE,
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
};
