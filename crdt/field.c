/* A field: the store of its type, and the presence that any type may have. Presence is a DotSet: `create` leaves a dot
 * in it, an unset takes away the dots that its writer saw. */
#include "crdt/kind.h"
#include "crdt/type.h"

#include <stddef.h>

bool gs_field_is_alive(const struct gs_field *field) {
    return field->presence || gs_field_ops(field)->is_alive(&field->store);
}

bool gs_field_is_empty(const struct gs_field *field) {
    return !field->presence && gs_field_ops(field)->is_empty(&field->store);
}

static void drop_presence(struct gs_field *field, struct gs_memory *memory) {
    if (field->presence) {
        gs_dot_set_close(field->presence, memory);
        gs_memory_free(memory, field->presence, sizeof(*field->presence));
        field->presence = NULL;
    }
}

/* An empty set would be a second way to say NULL. */
static void prune_presence(struct gs_field *field, struct gs_memory *memory) {
    if (field->presence && field->presence->count == 0) {
        drop_presence(field, memory);
    }
}

struct gs_dot_set *gs_field_obtain_presence(struct gs_field *field, struct gs_memory *memory) {
    if (!field->presence) {
        field->presence = gs_memory_zalloc(memory, sizeof(*field->presence));
    }
    return field->presence;
}

void gs_field_free(struct gs_field *field, struct gs_memory *memory) {
    drop_presence(field, memory);
    gs_field_ops(field)->close(&field->store, memory);
    gs_memory_free(memory, field, offsetof(struct gs_field, name) + field->name_length);
}

static int join_presence(struct gs_field *field, const struct gs_field *other, const struct gs_joining *joining) {
    static const struct gs_dot_set empty;
    const struct gs_dot_set *theirs = other && other->presence ? other->presence : &empty;
    if (!field->presence && theirs->count == 0) {
        return 0;
    }
    if (!gs_field_obtain_presence(field, joining->memory)) {
        return GS_ENOMEM;
    }
    int error = gs_dot_set_join(field->presence, theirs, joining);
    prune_presence(field, joining->memory);
    return error;
}

int gs_field_join_with(struct gs_field *field, const struct gs_field *other, const struct gs_joining *joining) {
    int error = join_presence(field, other, joining);
    if (error != 0) {
        return error;
    }
    union gs_store empty;
    struct gs_dot_map empty_map = {0};
    memset(&empty, 0, sizeof(empty));
    if (gs_field_ops(field)->open) {
        empty.map = &empty_map;
    }
    return gs_field_ops(field)->join(&field->store, other ? &other->store : &empty, joining);
}

void gs_field_retain(struct gs_field *field, struct gs_memory *memory, const struct gs_context *seen) {
    if (field->presence) {
        gs_dot_set_retain(field->presence, memory, seen);
        prune_presence(field, memory);
    }
    if (gs_field_ops(field)->retain) {
        gs_field_ops(field)->retain(&field->store, memory, seen);
    }
}

static int apply_presence(struct gs_field *field, const struct gs_applying *applying) {
    bool seen = applying->seen && gs_context_contains(applying->seen, &applying->dot);
    if (!seen) {
        struct gs_dot_set *presence = gs_field_obtain_presence(field, applying->memory);
        if (!presence || gs_dot_set_add(presence, applying->memory, &applying->dot) != 0) {
            prune_presence(field, applying->memory);
            return GS_ENOMEM;
        }
    }
    if (field->presence) {
        const struct gs_change *change = applying->change;
        gs_dot_set_subtract(field->presence, applying->memory, change->dots, change->dot_count);
        prune_presence(field, applying->memory);
    }
    return 0;
}

int gs_field_apply(struct gs_field *field, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    if (gs_kind_find((int)change->kind)->traits & GS_KIND_PRESENT) {
        int error = apply_presence(field, applying);
        if (error != 0 || change->kind == GS_OP_CREATE) {
            return error;
        }
    }
    return gs_field_ops(field)->apply(&field->store, applying);
}

bool gs_cleared_is_empty(const struct gs_cleared *cleared) {
    return cleared->presence_count == 0 && cleared->dot_count == 0 && cleared->mark_count == 0 &&
           cleared->child_count == 0;
}

int gs_field_collect(const struct gs_field *field, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    const uint8_t *name = gs_arena_copy(arena, field->name, field->name_length);
    struct gs_cleared cleared = {.type = (enum gs_type)field->type, .name = {name, field->name_length}};
    if (!name) {
        return GS_ENOMEM;
    }
    if (field->presence) {
        cleared.presence_count = field->presence->count;
        cleared.presence =
            gs_arena_copy(arena, gs_dot_set_dots(field->presence), field->presence->count * sizeof(*cleared.presence));
        if (!cleared.presence) {
            return GS_ENOMEM;
        }
    }
    int error = gs_field_ops(field)->collect(&field->store, arena, &cleared);
    if (error == 0) {
        *ret_cleared = cleared;
    }
    return error;
}

int gs_field_clear(struct gs_field *field, const struct gs_cleared *cleared, struct gs_memory *memory) {
    if (field->presence) {
        gs_dot_set_subtract(field->presence, memory, cleared->presence, cleared->presence_count);
        prune_presence(field, memory);
    }
    return gs_field_ops(field)->clear(&field->store, cleared, memory);
}
