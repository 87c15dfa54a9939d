/* Changes against a tree of maps: walking the path, clearing, and what an unset has to name. */
#include "crdt/dot_map.h"
#include "crdt/kind.h"
#include "crdt/type.h"

static bool has_marks(const struct gs_cleared *cleared) {
    bool found = cleared->mark_count > 0;
    for (uint32_t i = 0; i < cleared->child_count && !found; i++) {
        found = has_marks(&cleared->children[i]);
    }
    return found;
}

/* Clears one field. Cancelled marks must stay even if the increments have not arrived: they make the field. */
static int clear_field(struct gs_dot_map *map, struct gs_slice name, const struct gs_cleared *cleared,
                       struct gs_memory *memory) {
    struct gs_field *field = has_marks(cleared) ? gs_dot_map_obtain(map, memory, name, (int)cleared->type)
                                                : gs_dot_map_find(map, name, (int)cleared->type);
    if (!field) {
        return has_marks(cleared) ? GS_ENOMEM : 0;
    }
    int error = gs_field_clear(field, cleared, memory);
    gs_dot_map_prune(map, memory, field);
    return error;
}

int gs_dot_map_clear(struct gs_dot_map *map, const struct gs_cleared *cleared, struct gs_memory *memory) {
    gs_dot_set_subtract(&map->presence, memory, cleared->dots, cleared->dot_count);
    for (uint32_t i = 0; i < cleared->child_count; i++) {
        const struct gs_cleared *child = &cleared->children[i];
        int error = clear_field(map, child->name, child, memory);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* The change's effect on the map itself: the last name of the path led here. */
static int apply_here(struct gs_dot_map *map, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    if (change->kind == GS_OP_UNSET) {
        return change->cleared_count > 0 ? gs_dot_map_clear(map, change->cleared, applying->memory) : 0;
    }
    union gs_store store = {.map = map};
    return gs_type_map.apply(&store, applying);
}

/* True if the change must leave something behind, so that the fields on its path have to be there. */
static bool brings_something(const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    uint32_t traits = gs_kind_find((int)change->kind)->traits;
    if ((traits & GS_KIND_MARKS) || change->mark_count > 0) {
        return true;
    }
    for (uint32_t i = 0; i < change->cleared_count; i++) {
        if (has_marks(&change->cleared[i])) {
            return true;
        }
    }
    bool takes = (traits & GS_KIND_TAKES) || change->kind == GS_OP_UNSET;
    return !takes && (!applying->seen || !gs_context_contains(applying->seen, &applying->dot));
}

static int apply_below(struct gs_dot_map *map, const struct gs_applying *applying, uint32_t level, bool create) {
    const struct gs_change *change = applying->change;
    if (level == change->path.depth) {
        return apply_here(map, applying);
    }
    bool at_end = level + 1 == change->path.depth;
    struct gs_slice name = change->path.names[level];
    if (at_end && change->kind == GS_OP_UNSET) {
        int error = 0;
        for (uint32_t i = 0; i < change->cleared_count && error == 0; i++) {
            error = clear_field(map, name, &change->cleared[i], applying->memory);
        }
        return error;
    }
    int type = !at_end                        ? GS_TYPE_MAP
               : change->kind == GS_OP_CREATE ? (int)change->type
                                              : gs_type_of_kind((int)change->kind);
    struct gs_field *field =
        create ? gs_dot_map_obtain(map, applying->memory, name, type) : gs_dot_map_find(map, name, type);
    if (!field) {
        return create ? GS_ENOMEM : 0;
    }
    int error = type == GS_TYPE_MAP ? apply_below(field->store.map, applying, level + 1, create)
                                    : gs_field_apply(field, applying);
    gs_dot_map_prune(map, applying->memory, field);
    return error;
}

int gs_dot_map_apply(struct gs_dot_map *root, const struct gs_applying *applying) {
    return apply_below(root, applying, 0, brings_something(applying));
}

/* The next field that has something to take away, collected; NULL at the end. Fields that are not shown may: hidden
 * elements of remove-wins sets. */
static const struct gs_field *collect_next(const struct gs_dot_map *map, const struct gs_field *after,
                                           struct gs_arena *arena, struct gs_cleared *ret_cleared, int *ret_error) {
    const struct gs_field *field = after;
    while ((field = gs_dot_map_next(map, field))) {
        *ret_error = gs_field_collect(field, arena, ret_cleared);
        if (*ret_error != 0 || !gs_cleared_is_empty(ret_cleared)) {
            break;
        }
    }
    return field;
}

int gs_dot_map_collect(const struct gs_dot_map *map, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    uint32_t dot_count = map->presence.count;
    size_t room = (size_t)gs_ordered_count(&map->fields) + 1;
    struct gs_cleared *children = gs_arena_alloc(arena, room * sizeof(*children));
    gs_dot *dots =
        dot_count > 0 ? gs_arena_copy(arena, gs_dot_set_dots(&map->presence), dot_count * sizeof(*dots)) : NULL;
    if (!children || (dot_count > 0 && !dots)) {
        return GS_ENOMEM;
    }
    uint32_t count = 0;
    int error = 0;
    const struct gs_field *field = NULL;
    while ((field = collect_next(map, field, arena, &children[count], &error)) && error == 0) {
        count++;
    }
    if (error != 0) {
        return error;
    }
    ret_cleared->dots = dots;
    ret_cleared->dot_count = dot_count;
    ret_cleared->children = children;
    ret_cleared->child_count = count;
    return 0;
}
