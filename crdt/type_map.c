/* Map: fields by (name, type), and dots of its own that keep it visible when it is empty. Concurrent changes of
 * different fields never meet; an unset takes away what its writer saw, and whatever was changed concurrently survives
 * with the path to it. One name with two types is a conflict (type_precedence): both are kept, the least type number is
 * shown. Store: struct gs_dot_map. */
#include "crdt/path.h"
#include "crdt/type.h"

#include <globalstate/json.h>

static int open_store(union gs_store *store, struct gs_memory *memory) {
    store->map = gs_memory_zalloc(memory, sizeof(*store->map));
    return store->map ? 0 : GS_ENOMEM;
}

static void close_store(union gs_store *store, struct gs_memory *memory) {
    if (store->map) {
        gs_dot_map_close(store->map, memory);
        gs_memory_free(memory, store->map, sizeof(*store->map));
    }
}

static bool is_empty(const union gs_store *store) {
    return gs_dot_map_is_empty(store->map);
}

static bool is_alive(const union gs_store *store) {
    return gs_dot_map_is_alive(store->map);
}

static int join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    return gs_dot_map_join(store->map, other->map, joining);
}

static void retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen) {
    gs_dot_map_retain(store->map, memory, seen);
}

static void compact(union gs_store *store, const struct gs_compacting *compacting) {
    struct gs_dot_map *map = store->map;
    struct gs_field *next = gs_dot_map_next(map, NULL);
    while (next) {
        struct gs_field *field = next;
        next = gs_dot_map_next(map, field);
        if (gs_field_ops(field)->compact) {
            gs_field_ops(field)->compact(&field->store, compacting);
        }
        gs_dot_map_prune(map, compacting->memory, field);
    }
}

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

/* The next field that the form shows: all, or those that are alive. */
static const struct gs_field *next_encoded(struct gs_ordered_cursor *cursor, enum gs_encode_form form) {
    const struct gs_field *field = gs_ordered_next(cursor);
    while (field && form == GS_ENCODE_CANONICAL && !gs_field_is_alive(field)) {
        field = gs_ordered_next(cursor);
    }
    return field;
}

static void encode_field(const struct gs_field *field, const struct gs_encoding *encoding) {
    struct gs_buffer *out = encoding->out;
    gs_write_array(out, field->presence ? 4 : 3);
    gs_write_str(out, field->name, field->name_length);
    gs_write_uint(out, field->type);
    gs_field_ops(field)->encode(&field->store, encoding);
    if (field->presence) {
        gs_dots_encode(gs_dot_set_dots(field->presence), field->presence->count, encoding);
    }
}

static void encode(const union gs_store *store, const struct gs_encoding *encoding) {
    const struct gs_dot_map *map = store->map;
    uint32_t count = 0;
    struct gs_ordered_cursor cursor = {.ordered = &map->fields};
    while (next_encoded(&cursor, encoding->form)) {
        count++;
    }
    gs_write_array(encoding->out, 2);
    gs_dots_encode(gs_dot_set_dots(&map->presence), map->presence.count, encoding);
    gs_write_array(encoding->out, count);
    cursor = (struct gs_ordered_cursor){.ordered = &map->fields};
    const struct gs_field *field = NULL;
    while ((field = next_encoded(&cursor, encoding->form))) {
        encode_field(field, encoding);
    }
}

static int visit_origins(const union gs_store *store, enum gs_encode_form form, gs_origin_visit_fn visit,
                         void *context) {
    struct gs_ordered_cursor cursor = {.ordered = &store->map->fields};
    const struct gs_field *field = NULL;
    int error = 0;
    while (error == 0 && (field = next_encoded(&cursor, form))) {
        const struct gs_type_ops *ops = gs_field_ops(field);
        error = ops->visit_origins ? ops->visit_origins(&field->store, form, visit, context) : 0;
    }
    return error;
}

/* True if (name, type) comes after the field before it, or is the first. */
static bool in_order(const struct gs_field *before, struct gs_slice name, int type) {
    int order = before ? gs_slice_compare(gs_field_name(before), name) : -1;
    return order < 0 || (order == 0 && before->type < type);
}

static void decode_presence(struct gs_field *field, struct gs_decoding *decoding) {
    struct gs_dot_set *presence = gs_field_obtain_presence(field, decoding->memory);
    if (!presence) {
        gs_reader_fail(decoding->reader, GS_ENOMEM);
        return;
    }
    gs_dot_set_decode(presence, decoding);
    if (presence->count == 0 || field->type == GS_TYPE_MAP) {
        gs_reader_fail(decoding->reader, GS_EFORMAT);
    }
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    gs_read_array_exact(reader, 2);
    gs_dot_set_decode(&store->map->presence, decoding);
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count > 0 && decoding->depth == GS_PATH_DEPTH_MAX) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    const struct gs_field *before = NULL;
    decoding->depth++;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        uint32_t length = gs_read_array(reader, UINT32_MAX);
        struct gs_slice name = gs_read_str(reader, GS_NAME_BYTES_MAX);
        int type = (int)gs_read_u32(reader, UINT8_MAX);
        if (reader->error != 0) {
            break;
        }
        if (length < 3 || length > 4 || !gs_type_find(type) || !gs_name_valid(name) || !in_order(before, name, type)) {
            gs_reader_fail(reader, GS_EFORMAT);
            break;
        }
        struct gs_field *field = gs_dot_map_obtain(store->map, decoding->memory, name, type);
        if (!field) {
            gs_reader_fail(reader, GS_ENOMEM);
            break;
        }
        gs_field_ops(field)->decode(&field->store, decoding);
        if (length > 3) {
            decode_presence(field, decoding);
        }
        if (gs_field_is_empty(field)) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
        before = field;
    }
    decoding->depth--;
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

static int collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    return gs_dot_map_collect(store->map, arena, ret_cleared);
}

static int clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    return gs_dot_map_clear(store->map, cleared, memory);
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
    .open = open_store,
    .close = close_store,
    .is_empty = is_empty,
    .is_alive = is_alive,
    .join = join,
    .retain = retain,
    .compact = compact,
    .write_value = write_value,
    .write_json = write_json,
    .encode = encode,
    .decode = decode,
    .visit_origins = visit_origins,
    .apply = apply,
    .collect = collect,
    .clear = clear,
    .resolve = resolve,
};
