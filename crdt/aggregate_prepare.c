#include "crdt/aggregate_impl.h"
#include "crdt/kind.h"
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
        /* Dead maps too: bookkeeping lies in them. */
        const struct gs_field *below = gs_dot_map_find(map, path->names[i], GS_TYPE_MAP);
        if ((!below || !gs_field_is_alive(below)) && gs_dot_map_shown(map, path->names[i])) {
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
    if (preparing->count == GS_CHANGES_PER_DELTA_MAX || preparing->next_index == UINT32_MAX) {
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
    change->index = preparing->next_index;
    uint32_t more = gs_change_last_index(change) - change->index;
    if (more >= UINT32_MAX - change->index) {
        return gs_preparing_fail(preparing, GS_ETOOBIG, "", &change->path, "makes too many changes for one event");
    }
    preparing->next_index += more + 1;
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

/* A change whose dot keeps the field there takes the place of those that its writer sees. */
static int supersede_presence(struct gs_preparing *preparing, const struct gs_field *field, struct gs_change *change) {
    if (!field || !field->presence) {
        return 0;
    }
    uint32_t count = field->presence->count;
    change->dots = gs_arena_copy(preparing->arena, gs_dot_set_dots(field->presence), count * sizeof(gs_dot));
    change->dot_count = count;
    return change->dots ? 0 : GS_ENOMEM;
}

static int refuse_field(struct gs_preparing *preparing, const struct gs_op *op, int error,
                        const struct gs_field *field) {
    switch (error) {
    case GS_EOVERFLOW:
        return gs_preparing_fail(preparing, error, op->kind == GS_OP_GRANT ? "/initial" : "/by", &op->path,
                                 "would leave the range of 64-bit integers");
    case GS_EDEPTH:
        return gs_preparing_fail(preparing, error, "/value", &op->path, "is set to a value nested too deep");
    case GS_ETYPE:
        return gs_preparing_fail(preparing, error, "/value", &op->path, "holds no values of this kind");
    case GS_ERANGE:
        return gs_preparing_fail(preparing, error, "/index", &op->path, "has no element there");
    case GS_EBOUND:
        return gs_preparing_refuse_spending(preparing, op, field);
    case GS_EINVAL:
        return gs_preparing_fail(preparing, error, op->kind == GS_OP_TRANSFER ? "/to" : "", &op->path,
                                 op->kind == GS_OP_TRANSFER ? "has these rights where they are to go already"
                                                            : gs_error_message(error));
    default:
        return error;
    }
}

int gs_preparing_resolve_field(struct gs_preparing *preparing, const struct gs_op *op, int kind,
                               const struct gs_field *field) {
    const struct gs_kind_info *info = gs_kind_find(kind);
    struct gs_change change = {
        .kind = (enum gs_op_kind)kind, .path = op->path, .member = op->member, .target = op->target};
    if (info->parts & GS_PART_VALUE) {
        change.value = op->value;
    }
    int result = gs_type_find(info->type)
                     ->resolve(field ? &field->store : NULL, op, &preparing->stamp->origin, preparing->arena, &change);
    if (result > 0 && (info->traits & GS_KIND_PRESENT) && supersede_presence(preparing, field, &change) != 0) {
        return GS_ENOMEM;
    }
    return result > 0 ? gs_preparing_emit(preparing, &change) : refuse_field(preparing, op, result, field);
}

int gs_preparing_resolve_list(struct gs_preparing *preparing, const struct gs_op_list *list) {
    int error = 0;
    for (uint32_t i = 0; i < list->count && error == 0; i++) {
        error = gs_preparing_resolve(preparing, &list->ops[i]);
    }
    return error;
}

/* Why a field may not be taken away, for a person. */
static int refuse_unset(struct gs_preparing *preparing, const struct gs_op *op, int error) {
    return error == GS_ENOMEM ? error
                              : gs_preparing_fail(preparing, error, "", &op->path,
                                                  "is or holds a bounded counter above its bound: its rights must be "
                                                  "spent before it can be taken away");
}

static int resolve_unset(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_place *place) {
    if (!place->shown) {
        return 0;
    }
    struct gs_cleared *cleared = gs_arena_alloc(preparing->arena, GS_TYPE_COUNT * sizeof(*cleared));
    if (!cleared) {
        return GS_ENOMEM;
    }
    uint32_t count = 0;
    for (const struct gs_field *f = NULL; (f = gs_dot_map_next_named(place->parent, place->name, f));) {
        int error = gs_field_collect(f, preparing->arena, &cleared[count]);
        if (error != 0) {
            return refuse_unset(preparing, op, error);
        }
        cleared[count].name = (struct gs_slice){0};
        count += !gs_cleared_is_empty(&cleared[count]);
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
    int error = gs_dot_map_collect(preparing->view, preparing->arena, cleared);
    if (error != 0) {
        return refuse_unset(preparing, op, error);
    }
    struct gs_change change = {.kind = GS_OP_UNSET, .path = op->path, .cleared_count = 1, .cleared = cleared};
    return gs_preparing_emit(preparing, &change);
}

static int resolve_root(struct gs_preparing *preparing, const struct gs_op *op) {
    switch (op->kind) {
    case GS_OP_UNSET:
        return resolve_unset_root(preparing, op);
    case GS_OP_SET:
        return gs_preparing_set(preparing, &op->path, op->value, false);
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
    const struct gs_kind_info *info = gs_kind_find((int)op->kind);
    if (!info) {
        return gs_preparing_fail(preparing, GS_EINVAL, "/op", &op->path, "is addressed by an unknown op");
    }
    if (op->kind == GS_OP_TRANSFER || op->kind == GS_OP_TAKEOVER) {
        return gs_preparing_check_transfer(preparing, op);
    }
    bool fits = true;
    char member[16];
    snprintf(member, sizeof(member), "/%s", info->member ? info->member : "by");
    if (op->kind == GS_OP_SET) {
        fits = op->value.length > 0;
    } else if (info->parts & GS_PART_VALUE) {
        fits = !info->fits || info->fits(op->value);
    } else if ((info->parts & (GS_PART_TALLY | GS_PART_SPAN)) && op->kind != GS_OP_GRANT) {
        fits = gs_value_kind(op->value) == GS_KIND_INT;
    }
    if ((info->parts & GS_PART_MEMBER) && !gs_name_valid(op->member)) {
        return gs_preparing_fail(preparing, GS_EINVAL, "/member", &op->path, "cannot have a member of this name");
    }
    return fits ? 0 : gs_preparing_fail(preparing, GS_ETYPE, member, &op->path, "cannot take this kind of value");
}

/* The alive field under the name that ops of this kind work on, and the kind that they are there. */
static const struct gs_field *find_field(const struct gs_op *op, const struct gs_place *place, int *ret_kind) {
    const struct gs_field *field = place->shown;
    while (field && (*ret_kind = gs_kind_on_type((int)op->kind, field->type)) < 0) {
        field = gs_dot_map_next_type(place->parent, field);
    }
    return field;
}

/* An op on a name that nothing is under: it makes a field of the type that the schema says, or that it implies. */
static int resolve_absent(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_place *place) {
    const struct gs_schema_field *wanted = gs_schema_find(preparing->stamp->schema, &op->path);
    int kind = wanted ? gs_kind_on_type((int)op->kind, (int)wanted->type) : (int)op->kind;
    if (kind < 0) {
        char message[80];
        snprintf(message, sizeof(message), "is to be a %s, which takes no %s", gs_type_name((int)wanted->type),
                 gs_op_name((int)op->kind));
        return gs_preparing_fail(preparing, GS_ETYPE, "", &op->path, message);
    }
    if (wanted && wanted->type == GS_TYPE_BOUNDED_COUNTER) {
        struct gs_op create = {.kind = GS_OP_CREATE,
                               .path = op->path,
                               .type = wanted->type,
                               .bound = wanted->bound,
                               .initial = wanted->initial};
        int error = gs_preparing_create(preparing, &create, place);
        return error != 0 ? error : gs_preparing_resolve(preparing, op);
    }
    if (gs_type_of_kind(kind) == GS_TYPE_BOUNDED_COUNTER) {
        return gs_preparing_refuse_absent(preparing, op, kind);
    }
    /* What is dead may still have bookkeeping that the change must build on. */
    const struct gs_field *dead =
        place->parent ? gs_dot_map_find(place->parent, place->name, gs_type_of_kind(kind)) : NULL;
    return gs_preparing_resolve_field(preparing, op, kind, dead);
}

int gs_preparing_resolve(struct gs_preparing *preparing, const struct gs_op *op) {
    if (op->path.depth == 0) {
        return resolve_root(preparing, op);
    }
    if (op->kind == GS_OP_SET) {
        return gs_preparing_set(preparing, &op->path, op->value, false);
    }
    struct gs_place place;
    int error = gs_preparing_find(preparing, &op->path, &place);
    if (error != 0) {
        return error;
    }
    if (op->kind == GS_OP_UNSET) {
        return resolve_unset(preparing, op, &place);
    }
    if (op->kind == GS_OP_CREATE) {
        return gs_preparing_create(preparing, op, &place);
    }
    int kind = -1;
    const struct gs_field *field = find_field(op, &place, &kind);
    if (field) {
        return gs_preparing_resolve_field(preparing, op, kind, field);
    }
    if (place.shown) {
        char message[80];
        snprintf(message, sizeof(message), "is a %s; %s needs a %s", gs_type_name(place.shown->type),
                 gs_op_name((int)op->kind), gs_type_name(gs_type_of_kind((int)op->kind)));
        return gs_preparing_fail(preparing, GS_ETYPE, "", &op->path, message);
    }
    return resolve_absent(preparing, op, &place);
}

/* True if resolving the op may take several changes of which a later one has to see an earlier one. */
static bool expands(const struct gs_dot_map *root, const struct gs_stamp *stamp, const struct gs_op *op) {
    if (op->path.depth == 0) {
        return op->kind == GS_OP_SET;
    }
    struct gs_preparing quiet = {.view = root};
    struct gs_place place;
    if (gs_preparing_find(&quiet, &op->path, &place) != 0) {
        return false;
    }
    const struct gs_schema_field *wanted = place.shown ? NULL : gs_schema_find(stamp->schema, &op->path);
    if (op->kind != GS_OP_SET) {
        return wanted && wanted->type == GS_TYPE_BOUNDED_COUNTER;
    }
    return wanted || gs_value_kind(op->value) == GS_KIND_MAP ||
           (place.shown && place.shown->type != GS_TYPE_REGISTER && place.shown->type != GS_TYPE_MVREGISTER);
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
        if (gs_dot_map_next_named(scratch, name, NULL)) {
            continue;
        }
        for (const struct gs_field *f = NULL; (f = gs_dot_map_next_named(root, name, f));) {
            struct gs_field *copy = gs_dot_map_obtain(scratch, memory, name, f->type);
            if (!copy || gs_field_join_with(copy, f, &joining) != 0) {
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
                                     .next_index = stamp->first_index,
                                     .prefix = prefix,
                                     .problem = problem};
    int error = 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        preparing.number = i;
        error = check_op(&preparing, &ops[i]);
    }
    if (error == 0 && (count > 1 || (count == 1 && expands(&aggregate->root, stamp, &ops[0])))) {
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
