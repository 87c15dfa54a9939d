#include "crdt/dot_map.h"

#include "crdt/type.h"

#include <stddef.h>

struct field_key {
    struct gs_slice name;
    int type;
};

static int compare_field(const void *key, const void *item) {
    const struct field_key *wanted = key;
    const struct gs_field *field = item;
    int order = gs_slice_compare(wanted->name, gs_field_name(field));
    return order != 0 ? order : wanted->type - field->type;
}

static struct field_key key_of(const struct gs_field *field) {
    return (struct field_key){.name = gs_field_name(field), .type = field->type};
}

void gs_dot_map_close(struct gs_dot_map *map, struct gs_memory *memory) {
    struct gs_ordered_cursor cursor = {.ordered = &map->fields};
    struct gs_field *field = NULL;
    while ((field = gs_ordered_next(&cursor))) {
        gs_field_free(field, memory);
    }
    gs_ordered_close(&map->fields, memory);
    gs_dot_set_close(&map->presence, memory);
}

struct gs_field *gs_dot_map_find(const struct gs_dot_map *map, struct gs_slice name, int type) {
    return gs_ordered_find(&map->fields, compare_field, &(struct field_key){.name = name, .type = type});
}

struct gs_field *gs_dot_map_find_alive(const struct gs_dot_map *map, struct gs_slice name, int type) {
    struct gs_field *field = gs_dot_map_find(map, name, type);
    return field && gs_field_is_alive(field) ? field : NULL;
}

struct gs_field *gs_dot_map_obtain(struct gs_dot_map *map, struct gs_memory *memory, struct gs_slice name, int type) {
    struct gs_field *field = gs_dot_map_find(map, name, type);
    if (field) {
        return field;
    }
    field = gs_memory_alloc(memory, offsetof(struct gs_field, name) + name.length);
    if (!field) {
        return NULL;
    }
    memset(&field->store, 0, sizeof(field->store));
    field->presence = NULL;
    field->type = (uint8_t)type;
    field->name_length = (uint16_t)name.length;
    if (name.length > 0) {
        memcpy(field->name, name.bytes, name.length);
    }
    const struct gs_type_ops *ops = gs_field_ops(field);
    struct field_key key = key_of(field);
    if (ops->open && ops->open(&field->store, memory) != 0) {
        gs_memory_free(memory, field, offsetof(struct gs_field, name) + field->name_length);
        return NULL;
    }
    if (gs_ordered_insert(&map->fields, memory, compare_field, &key, field) != 0) {
        gs_field_free(field, memory);
        return NULL;
    }
    return field;
}

void gs_dot_map_prune(struct gs_dot_map *map, struct gs_memory *memory, struct gs_field *field) {
    if (gs_field_is_empty(field)) {
        struct field_key key = key_of(field);
        gs_ordered_remove(&map->fields, memory, compare_field, &key);
        gs_field_free(field, memory);
    }
}

struct gs_field *gs_dot_map_next(const struct gs_dot_map *map, const struct gs_field *field) {
    struct field_key key = field ? key_of(field) : (struct field_key){.type = -1};
    return gs_ordered_after(&map->fields, compare_field, &key);
}

/* The least field after `key` that is alive. */
static struct gs_field *next_alive(const struct gs_dot_map *map, struct field_key key) {
    struct gs_field *field = gs_ordered_after(&map->fields, compare_field, &key);
    while (field && !gs_field_is_alive(field)) {
        key = key_of(field);
        field = gs_ordered_after(&map->fields, compare_field, &key);
    }
    return field;
}

struct gs_field *gs_dot_map_next_alive(const struct gs_dot_map *map, const struct gs_field *field) {
    return next_alive(map, field ? key_of(field) : (struct field_key){.type = -1});
}

static struct gs_field *if_named(struct gs_field *field, struct gs_slice name) {
    return field && gs_slice_compare(gs_field_name(field), name) == 0 ? field : NULL;
}

struct gs_field *gs_dot_map_next_named(const struct gs_dot_map *map, struct gs_slice name,
                                       const struct gs_field *field) {
    struct field_key key = {.name = name, .type = field ? field->type : -1};
    return if_named(gs_ordered_after(&map->fields, compare_field, &key), name);
}

struct gs_field *gs_dot_map_shown(const struct gs_dot_map *map, struct gs_slice name) {
    return if_named(next_alive(map, (struct field_key){.name = name, .type = -1}), name);
}

struct gs_field *gs_dot_map_next_type(const struct gs_dot_map *map, const struct gs_field *field) {
    return if_named(next_alive(map, key_of(field)), gs_field_name(field));
}

struct gs_field *gs_dot_map_next_shown(const struct gs_dot_map *map, const struct gs_field *field) {
    return next_alive(map, field ? (struct field_key){.name = gs_field_name(field), .type = 256}
                                 : (struct field_key){.type = -1});
}

bool gs_dot_map_is_empty(const struct gs_dot_map *map) {
    return map->presence.count == 0 && gs_ordered_count(&map->fields) == 0;
}

bool gs_dot_map_is_alive(const struct gs_dot_map *map) {
    return map->presence.count > 0 || gs_dot_map_next_alive(map, NULL);
}

int gs_dot_map_join(struct gs_dot_map *map, const struct gs_dot_map *other, const struct gs_joining *joining) {
    if (gs_dot_set_join(&map->presence, &other->presence, joining) != 0) {
        return GS_ENOMEM;
    }
    /* Fields of ours that the other lacks are joined with the empty store: what the other has seen goes. */
    struct gs_field *next = gs_dot_map_next(map, NULL);
    while (next) {
        struct gs_field *field = next;
        struct field_key key = key_of(field);
        next = gs_dot_map_next(map, field);
        if (!gs_ordered_find(&other->fields, compare_field, &key)) {
            int error = gs_field_join_with(field, NULL, joining);
            gs_dot_map_prune(map, joining->memory, field);
            if (error != 0) {
                return error;
            }
        }
    }
    struct gs_ordered_cursor cursor = {.ordered = &other->fields};
    struct gs_field *theirs = NULL;
    while ((theirs = gs_ordered_next(&cursor))) {
        struct gs_field *mine = gs_dot_map_obtain(map, joining->memory, gs_field_name(theirs), theirs->type);
        if (!mine) {
            return GS_ENOMEM;
        }
        int error = gs_field_join_with(mine, theirs, joining);
        gs_dot_map_prune(map, joining->memory, mine);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

void gs_dot_map_retain(struct gs_dot_map *map, struct gs_memory *memory, const struct gs_context *seen) {
    gs_dot_set_retain(&map->presence, memory, seen);
    struct gs_field *next = gs_dot_map_next(map, NULL);
    while (next) {
        struct gs_field *field = next;
        next = gs_dot_map_next(map, field);
        gs_field_retain(field, memory, seen);
        gs_dot_map_prune(map, memory, field);
    }
}
