#include "crdt/aggregate_impl.h"
#include "crdt/number.h"
#include "crdt/path.h"
#include "crdt/preparing.h"

#include <globalstate/json.h>

#include <stdio.h>

int gs_preparing_fail(struct gs_preparing *preparing, int code, const char *member, const struct gs_path *path,
                      const char *message) {
    if (!preparing->problem) {
        return code;
    }
    char field[GS_PROBLEM_FIELD_MAX];
    snprintf(field, sizeof(field), "%s/%u%s", preparing->prefix ? preparing->prefix : "", (unsigned)preparing->number,
             member);
    struct gs_memory memory = {0};
    struct gs_buffer text = {.memory = &memory};
    gs_path_write(path, &text);
    int length = text.length < GS_PROBLEM_DETAIL_MAX / 2 ? (int)text.length : GS_PROBLEM_DETAIL_MAX / 2;
    gs_problem_set(preparing->problem, code, field, "\"%.*s\" %s", length, text.bytes ? (char *)text.bytes : "",
                   message);
    gs_buffer_close(&text);
    return code;
}

int gs_preparing_find(struct gs_preparing *preparing, const struct gs_path *path, struct gs_place *ret_place) {
    const struct gs_dot_map *map = preparing->view;
    for (uint32_t i = 0; i + 1 < path->depth && map; i++) {
        const struct gs_field *below = gs_dot_map_find_alive(map, path->names[i], GS_TYPE_MAP);
        if (!below && gs_dot_map_shown(map, path->names[i])) {
            struct gs_path prefix = {.depth = i + 1, .names = path->names};
            return gs_preparing_fail(preparing, GS_ETYPE, "/path", &prefix, "is not a map");
        }
        map = below ? below->store.map : NULL;
    }
    struct gs_slice name = path->names[path->depth - 1];
    *ret_place = (struct gs_place){.parent = map, .name = name, .shown = map ? gs_dot_map_shown(map, name) : NULL};
    return 0;
}

int gs_preparing_emit(struct gs_preparing *preparing, struct gs_change *change) {
    if (preparing->count == GS_CHANGES_PER_DELTA_MAX || preparing->count > UINT32_MAX - preparing->stamp->first_index) {
        return gs_preparing_fail(preparing, GS_ETOOBIG, "", &change->path, "makes too many changes for one event");
    }
    if (preparing->count == preparing->capacity) {
        uint32_t capacity = preparing->capacity > 0 ? preparing->capacity * 2 : 4;
        struct gs_change *changes = gs_arena_alloc(preparing->arena, capacity * sizeof(*changes));
        if (!changes) {
            return GS_ENOMEM;
        }
        if (preparing->count > 0) {
            memcpy(changes, preparing->changes, preparing->count * sizeof(*changes));
        }
        preparing->changes = changes;
        preparing->capacity = capacity;
    }
    change->index = preparing->stamp->first_index + preparing->count;
    preparing->changes[preparing->count++] = *change;
    if (!preparing->scratch) {
        return 0;
    }
    struct gs_applying applying = {
        .memory = preparing->memory,
        .dot = {.origin = preparing->stamp->origin, .at = {preparing->stamp->seq, change->index}},
        .clock = preparing->stamp->clock,
        .change = change,
    };
    return gs_dot_map_apply(preparing->scratch, &applying);
}

int gs_preparing_resolve_field(struct gs_preparing *preparing, const struct gs_op *op, int type,
                               const struct gs_field *field) {
    struct gs_change change = {.kind = op->kind, .path = op->path, .value = op->value};
    if (op->kind == GS_OP_INCREMENT || op->kind == GS_OP_MAKE_MAP) {
        change.value = (struct gs_slice){0};
    }
    int result = gs_type_find(type)->resolve(field ? &field->store : NULL, op, &preparing->stamp->origin,
                                             preparing->arena, &change);
    if (result == GS_EOVERFLOW) {
        return gs_preparing_fail(preparing, GS_EOVERFLOW, "/by", &op->path, "would leave the range of 64-bit integers");
    }
    return result > 0 ? gs_preparing_emit(preparing, &change) : result;
}

static int resolve_unset(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_place *place) {
    uint32_t count = 0;
    for (const struct gs_field *f = place->shown; f; f = gs_dot_map_next_type(place->parent, f)) {
        count++;
    }
    if (count == 0) {
        return 0;
    }
    struct gs_cleared *cleared = gs_arena_alloc(preparing->arena, count * sizeof(*cleared));
    if (!cleared) {
        return GS_ENOMEM;
    }
    uint32_t i = 0;
    for (const struct gs_field *f = place->shown; f; f = gs_dot_map_next_type(place->parent, f)) {
        if (gs_field_collect(f, preparing->arena, &cleared[i]) != 0) {
            return GS_ENOMEM;
        }
        cleared[i++].name = (struct gs_slice){0};
    }
    struct gs_change change = {.kind = GS_OP_UNSET, .path = op->path, .cleared_count = count, .cleared = cleared};
    return gs_preparing_emit(preparing, &change);
}

/* DELETE: everything seen goes, the root's presence included. */
static int resolve_unset_root(struct gs_preparing *preparing, const struct gs_op *op) {
    if (!gs_dot_map_is_alive(preparing->view)) {
        return 0;
    }
    struct gs_cleared *cleared = gs_arena_alloc(preparing->arena, sizeof(*cleared));
    if (!cleared) {
        return GS_ENOMEM;
    }
    *cleared = (struct gs_cleared){.type = GS_TYPE_MAP};
    if (gs_dot_map_collect(preparing->view, preparing->arena, cleared) != 0) {
        return GS_ENOMEM;
    }
    struct gs_change change = {.kind = GS_OP_UNSET, .path = op->path, .cleared_count = 1, .cleared = cleared};
    return gs_preparing_emit(preparing, &change);
}

static int resolve_root(struct gs_preparing *preparing, const struct gs_op *op) {
    switch (op->kind) {
    case GS_OP_UNSET:
        return resolve_unset_root(preparing, op);
    case GS_OP_SET:
        return gs_preparing_set(preparing, &op->path, op->value);
    case GS_OP_MAKE_MAP: {
        struct gs_change change = {.kind = GS_OP_MAKE_MAP, .path = op->path};
        return preparing->view->presence.count > 0 ? 0 : gs_preparing_emit(preparing, &change);
    }
    default:
        return gs_preparing_fail(preparing, GS_ETYPE, "", &op->path, "is the aggregate itself, which is a map");
    }
}

/* What clients send has been checked by gs_ops_parse; other callers get the same answers. */
static int check_op(struct gs_preparing *preparing, const struct gs_op *op) {
    int error = gs_path_check(&op->path);
    if (error != 0) {
        return gs_preparing_fail(preparing, error, "/path", &op->path, gs_error_message(error));
    }
    enum gs_kind kind = gs_value_kind(op->value);
    bool fits = true;
    switch (op->kind) {
    case GS_OP_SET:
        fits = op->value.length > 0;
        break;
    case GS_OP_INCREMENT:
        fits = kind == GS_KIND_INT;
        break;
    case GS_OP_MAX:
        fits = gs_is_number(op->value);
        break;
    case GS_OP_ADD:
    case GS_OP_REMOVE:
        fits = op->value.length > 0 && kind != GS_KIND_ARRAY && kind != GS_KIND_MAP;
        break;
    case GS_OP_UNSET:
    case GS_OP_MAKE_MAP:
        break;
    default:
        return gs_preparing_fail(preparing, GS_EINVAL, "/op", &op->path, "is addressed by an unknown op");
    }
    const char *member = op->kind == GS_OP_INCREMENT || op->kind == GS_OP_MAX ? "/by" : "/value";
    return fits ? 0 : gs_preparing_fail(preparing, GS_ETYPE, member, &op->path, "cannot take this kind of value");
}

int gs_preparing_resolve(struct gs_preparing *preparing, const struct gs_op *op) {
    if (op->path.depth == 0) {
        return resolve_root(preparing, op);
    }
    if (op->kind == GS_OP_SET) {
        return gs_preparing_set(preparing, &op->path, op->value);
    }
    struct gs_place place;
    int error = gs_preparing_find(preparing, &op->path, &place);
    if (error != 0) {
        return error;
    }
    if (op->kind == GS_OP_UNSET) {
        return resolve_unset(preparing, op, &place);
    }
    int type = gs_type_of_kind((int)op->kind);
    const struct gs_field *field = place.parent ? gs_dot_map_find_alive(place.parent, place.name, type) : NULL;
    if (!field && place.shown) {
        char message[64];
        snprintf(message, sizeof(message), "is a %s; %s needs a %s", gs_type_name(place.shown->type),
                 gs_op_name((int)op->kind), gs_type_name(type));
        return gs_preparing_fail(preparing, GS_ETYPE, "", &op->path, message);
    }
    return gs_preparing_resolve_field(preparing, op, type, field);
}

/* True if resolving the op may take several changes of which a later one has to see an earlier one. */
static bool expands(const struct gs_dot_map *root, const struct gs_op *op) {
    if (op->kind != GS_OP_SET) {
        return false;
    }
    if (gs_value_kind(op->value) == GS_KIND_MAP || op->path.depth == 0) {
        return true;
    }
    struct gs_preparing quiet = {.view = root};
    struct gs_place place;
    return gs_preparing_find(&quiet, &op->path, &place) == 0 && place.shown && place.shown->type != GS_TYPE_REGISTER;
}

/* Copies into the scratch what the ops may look at: the root fields that they name, or everything. */
static int fill_scratch(struct gs_dot_map *scratch, struct gs_memory *memory, const struct gs_dot_map *root,
                        const struct gs_op *ops, uint32_t count) {
    static const struct gs_context nothing;
    struct gs_joining joining = {.memory = memory, .mine = &nothing, .theirs = &nothing};
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].path.depth == 0) {
            return gs_dot_map_join(scratch, root, &joining);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct gs_slice name = ops[i].path.names[0];
        if (gs_dot_map_shown(scratch, name)) {
            continue;
        }
        for (const struct gs_field *f = gs_dot_map_shown(root, name); f; f = gs_dot_map_next_type(root, f)) {
            struct gs_field *copy = gs_dot_map_obtain(scratch, memory, name, f->type);
            if (!copy || gs_field_ops(f)->join(&copy->store, &f->store, &joining) != 0) {
                return GS_ENOMEM;
            }
        }
    }
    return 0;
}

int gs_aggregate_prepare(const struct gs_aggregate *aggregate, const struct gs_op *ops, uint32_t count,
                         const struct gs_stamp *stamp, const char *prefix, struct gs_arena *arena,
                         struct gs_delta *ret_delta, struct gs_problem *problem) {
    uint64_t previous = gs_context_seq(&aggregate->context, &stamp->origin);
    if (stamp->seq <= previous) {
        return gs_problem_set(problem, GS_EINVAL, prefix, "the event's number has been applied already");
    }
    struct gs_memory memory = gs_memory_like(&aggregate->memory);
    struct gs_dot_map scratch = {0};
    struct gs_preparing preparing = {.view = &aggregate->root,
                                     .memory = &memory,
                                     .stamp = stamp,
                                     .arena = arena,
                                     .prefix = prefix,
                                     .problem = problem};
    int error = 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        preparing.number = i;
        error = check_op(&preparing, &ops[i]);
    }
    if (error == 0 && (count > 1 || (count == 1 && expands(&aggregate->root, &ops[0])))) {
        error = fill_scratch(&scratch, &memory, &aggregate->root, ops, count);
        preparing.view = &scratch;
        preparing.scratch = &scratch;
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        preparing.number = i;
        error = gs_preparing_resolve(&preparing, &ops[i]);
    }
    gs_dot_map_close(&scratch, &memory);
    if (error == GS_ENOMEM) {
        gs_problem_set(problem, GS_ENOMEM, prefix, "%s", gs_error_message(GS_ENOMEM));
    }
    if (error == 0) {
        *ret_delta = (struct gs_delta){.origin = stamp->origin,
                                       .seq = stamp->seq,
                                       .previous = previous,
                                       .clock = stamp->clock,
                                       .count = preparing.count,
                                       .changes = preparing.changes};
    }
    return error;
}
