/* How a `set` becomes changes: of a scalar or array, of an object member by member, and on fields of other types. */
#include "crdt/path.h"
#include "crdt/preparing.h"

#include <globalstate/json.h>

static int unset(struct gs_preparing *preparing, const struct gs_path *path) {
    return gs_preparing_resolve(preparing, &(struct gs_op){.kind = GS_OP_UNSET, .path = *path});
}

static int make_map(struct gs_preparing *preparing, const struct gs_path *path) {
    struct gs_change change = {.kind = GS_OP_MAKE_MAP, .path = *path};
    return gs_preparing_emit(preparing, &change);
}

/* Names that the map shows and the object lacks, copied: unsetting them frees the fields. */
static int list_surplus(struct gs_preparing *preparing, const struct gs_dot_map *map, struct gs_slice object,
                        struct gs_slice **ret_names, uint32_t *ret_count) {
    uint32_t count = gs_ordered_count(&map->fields);
    struct gs_slice *names = gs_arena_alloc(preparing->arena, ((size_t)count + 1) * sizeof(*names));
    if (!names) {
        return GS_ENOMEM;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, object.bytes, object.length);
    reader.nodes_left = UINT32_MAX;
    uint32_t keys_left = gs_read_map(&reader, UINT32_MAX);
    struct gs_slice key = {0};
    bool has_key = false;
    uint32_t surplus = 0;
    for (struct gs_field *f = gs_dot_map_next_shown(map, NULL); f; f = gs_dot_map_next_shown(map, f)) {
        struct gs_slice name = gs_field_name(f);
        while ((!has_key || gs_slice_compare(key, name) < 0) && keys_left > 0) {
            key = gs_read_str(&reader, SIZE_MAX);
            gs_read_nested(&reader);
            has_key = true;
            keys_left--;
        }
        if (!has_key || gs_slice_compare(key, name) != 0) {
            const uint8_t *copy = gs_arena_copy(preparing->arena, name.bytes, name.length);
            if (!copy) {
                return GS_ENOMEM;
            }
            names[surplus++] = gs_slice_make(copy, name.length);
        }
    }
    *ret_names = names;
    *ret_count = surplus;
    return 0;
}

static int unset_names(struct gs_preparing *preparing, const struct gs_path *path, const struct gs_slice *names,
                       uint32_t count) {
    int error = 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        struct gs_path below;
        error = gs_path_append(path, names[i], preparing->arena, &below);
        error = error != 0 ? error : unset(preparing, &below);
    }
    return error;
}

/* Sets a map's members; `map` is what is there, NULL if nothing is. What the object lacks goes last: a map without
 * presence would vanish in between, and a field of another type under its name would then be in the way. */
static int set_members(struct gs_preparing *preparing, const struct gs_path *path, const struct gs_dot_map *map,
                       struct gs_slice object) {
    struct gs_reader reader;
    gs_reader_init(&reader, object.bytes, object.length);
    reader.nodes_left = UINT32_MAX;
    uint32_t count = gs_read_map(&reader, UINT32_MAX);
    if (count > 0 && path->depth == GS_PATH_DEPTH_MAX) {
        return gs_preparing_fail(preparing, GS_EDEPTH, "/value", path, "would hold maps nested deeper than allowed");
    }
    int error = 0;
    if (!map || (count == 0 && map->presence.count == 0)) {
        error = make_map(preparing, path);
    }
    struct gs_slice *surplus = NULL;
    uint32_t surplus_count = 0;
    if (error == 0 && map) {
        error = list_surplus(preparing, map, object, &surplus, &surplus_count);
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        struct gs_path below;
        struct gs_slice name = gs_read_str(&reader, SIZE_MAX);
        struct gs_slice value = gs_read_nested(&reader);
        if (reader.error != 0) {
            return gs_preparing_fail(preparing, GS_EINVAL, "/value", path, "is set to what is not a canonical value");
        }
        error = gs_path_append(path, name, preparing->arena, &below);
        if (error == 0 && (error = gs_path_check(&below)) != 0) {
            gs_preparing_fail(preparing, error, "/value", path, gs_error_message(error));
        }
        error = error != 0 ? error : gs_preparing_set(preparing, &below, value, true);
    }
    return error != 0 ? error : unset_names(preparing, path, surplus, surplus_count);
}

static int set_map(struct gs_preparing *preparing, const struct gs_path *path, const struct gs_place *place,
                   struct gs_slice object) {
    const struct gs_field *map = place->parent ? gs_dot_map_find_alive(place->parent, place->name, GS_TYPE_MAP) : NULL;
    if (!map && place->shown && place->shown->type != GS_TYPE_REGISTER) {
        return gs_preparing_fail(preparing, GS_ETYPE, "/value", path, "cannot be set to an object");
    }
    const struct gs_schema_field *wanted = place->shown ? NULL : gs_schema_find(preparing->stamp->schema, path);
    if (wanted && wanted->type != GS_TYPE_MAP) {
        return gs_preparing_fail(preparing, GS_ETYPE, "/value", path, "is to be of a type that no object fits");
    }
    int error = !map && place->shown ? unset(preparing, path) : 0;
    return error != 0 ? error : set_members(preparing, path, map ? map->store.map : NULL, object);
}

/* A value on any type but map and register: the ops that lead there. */
static int list_diff(struct gs_preparing *preparing, const struct gs_path *path, int type, const union gs_store *store,
                     struct gs_slice value, struct gs_op_list *list) {
    int error = gs_type_find(type)->diff(store, path, value, list);
    if (error == GS_ETYPE || error == GS_EOVERFLOW) {
        const char *misfit = list->reason[0] ? list->reason : "is of a type that this value does not fit";
        return gs_preparing_fail(preparing, error, "/value", path,
                                 error == GS_ETYPE ? misfit : "cannot get there by one 64-bit increment");
    }
    return error;
}

static int set_by_diff(struct gs_preparing *preparing, const struct gs_path *path, const struct gs_field *field,
                       struct gs_slice value) {
    struct gs_op_list list = {.arena = preparing->arena};
    int error = list_diff(preparing, path, field->type, &field->store, value, &list);
    return error != 0 ? error : gs_preparing_resolve_list(preparing, &list);
}

/* A value where nothing is yet, and the schema says what is to be: made, then led to the value. */
static int set_new(struct gs_preparing *preparing, const struct gs_path *path, const struct gs_place *place,
                   const struct gs_schema_field *wanted, struct gs_slice value) {
    struct gs_op create = {
        .kind = GS_OP_CREATE, .path = *path, .type = wanted->type, .bound = wanted->bound, .initial = wanted->initial};
    struct gs_op_list list = {.arena = preparing->arena};
    union gs_store empty;
    struct gs_dot_map empty_map = {0};
    memset(&empty, 0, sizeof(empty));
    if (gs_type_find((int)wanted->type)->open) {
        empty.map = &empty_map;
    }
    int error = wanted->type != GS_TYPE_BOUNDED_COUNTER
                    ? list_diff(preparing, path, (int)wanted->type, &empty, value, &list)
                    : 0;
    if (error == 0 && list.count == 0) {
        error = gs_preparing_create(preparing, &create, place);
    }
    error = error != 0 ? error : gs_preparing_resolve_list(preparing, &list);
    return error != 0 || wanted->type != GS_TYPE_BOUNDED_COUNTER ? error
                                                                 : gs_preparing_set(preparing, path, value, true);
}

/* A register's value travels to peers that read it with gs_read_value. */
static bool fits_register(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    gs_read_value(&reader);
    return gs_reader_finish(&reader) == 0;
}

int gs_preparing_set(struct gs_preparing *preparing, const struct gs_path *path, struct gs_slice value,
                     bool in_document) {
    bool is_map = gs_value_kind(value) == GS_KIND_MAP;
    if (path->depth == 0) {
        const struct gs_dot_map *root = gs_dot_map_is_alive(preparing->view) ? preparing->view : NULL;
        return is_map ? set_members(preparing, path, root, value)
                      : gs_preparing_fail(preparing, GS_ETYPE, "/value", path, "is the aggregate: only an object fits");
    }
    struct gs_place place;
    int error = gs_preparing_find(preparing, path, &place);
    if (error != 0) {
        return error;
    }
    if (is_map) {
        return set_map(preparing, path, &place, value);
    }
    if (!fits_register(value)) {
        return gs_preparing_fail(preparing, GS_EDEPTH, "/value", path, "is set to a value nested deeper than allowed");
    }
    struct gs_op op = {.kind = GS_OP_SET, .path = *path, .value = value};
    const struct gs_schema_field *wanted = place.shown ? NULL : gs_schema_find(preparing->stamp->schema, path);
    int type = place.shown ? place.shown->type : wanted ? (int)wanted->type : GS_TYPE_REGISTER;
    if (type == GS_TYPE_MVREGISTER && !in_document) {
        return gs_preparing_resolve_field(preparing, &op, GS_OP_WRITE, place.shown);
    }
    if (type == GS_TYPE_MAP && wanted) {
        return gs_preparing_fail(preparing, GS_ETYPE, "/value", path, "is to be a map: only an object fits");
    }
    if (type == GS_TYPE_MAP) {
        error = unset(preparing, path);
        return error != 0 ? error : gs_preparing_resolve_field(preparing, &op, GS_OP_SET, NULL);
    }
    if (type == GS_TYPE_REGISTER) {
        return gs_preparing_resolve_field(preparing, &op, GS_OP_SET, place.shown);
    }
    if (wanted) {
        return set_new(preparing, path, &place, wanted, value);
    }
    return set_by_diff(preparing, path, place.shown, value);
}
