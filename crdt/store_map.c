/* The functions that maps and leaderboards share: a DotMap as a store. */
#include "crdt/path.h"
#include "crdt/type.h"

int gs_store_map_open(union gs_store *store, struct gs_memory *memory) {
    store->map = gs_memory_zalloc(memory, sizeof(*store->map));
    return store->map ? 0 : GS_ENOMEM;
}

void gs_store_map_close(union gs_store *store, struct gs_memory *memory) {
    if (store->map) {
        gs_dot_map_close(store->map, memory);
        gs_memory_free(memory, store->map, sizeof(*store->map));
    }
}

bool gs_store_map_is_empty(const union gs_store *store) {
    return gs_dot_map_is_empty(store->map);
}

bool gs_store_map_is_alive(const union gs_store *store) {
    return gs_dot_map_is_alive(store->map);
}

int gs_store_map_join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    return gs_dot_map_join(store->map, other->map, joining);
}

void gs_store_map_retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen) {
    gs_dot_map_retain(store->map, memory, seen);
}

void gs_store_map_compact(union gs_store *store, const struct gs_compacting *compacting) {
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

void gs_store_map_encode(const union gs_store *store, const struct gs_encoding *encoding) {
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

int gs_store_map_visit_origins(const union gs_store *store, enum gs_encode_form form, gs_origin_visit_fn visit,
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
    if (presence->count == 0 || !gs_type_has_presence(field->type)) {
        gs_reader_fail(decoding->reader, GS_EFORMAT);
    }
}

void gs_store_map_decode(union gs_store *store, struct gs_decoding *decoding, bool (*holds)(int type)) {
    struct gs_reader *reader = decoding->reader;
    gs_read_array_exact(reader, 2);
    gs_dot_set_decode(&store->map->presence, decoding);
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    bool too_deep = !holds && count > 0 && decoding->depth == GS_PATH_DEPTH_MAX;
    if (too_deep || (holds && store->map->presence.count > 0)) {
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
        bool fits = holds ? length == 3 && holds(type) : (length == 3 || length == 4) && gs_type_find(type);
        if (!fits || !gs_name_valid(name) || !in_order(before, name, type)) {
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

int gs_store_map_collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    return gs_dot_map_collect(store->map, arena, ret_cleared);
}

int gs_store_map_clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    return gs_dot_map_clear(store->map, cleared, memory);
}
