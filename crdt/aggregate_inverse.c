/* Back to an earlier state, by new operations: what rollback uses.
 *
 * The past state says which fields were there, of which types and with which values. Where a field of the type is still
 * there, its type's diff leads back; where it is not, it is made again. What the past did not show goes last, so that
 * no map vanishes before its members are back. */
#include "crdt/aggregate_impl.h"
#include "crdt/bounded_counter.h"
#include "crdt/kind.h"
#include "crdt/path.h"
#include "crdt/type.h"

struct inverting {
    struct gs_op_list list;
    struct gs_op_list surplus;
    struct gs_problem *problem;
};

static int fail(struct inverting *inverting, int code, const struct gs_path *path, const char *message) {
    struct gs_buffer text = {0};
    gs_path_write(path, &text);
    gs_buffer_byte(&text, 0);
    gs_problem_set(inverting->problem, code, text.failed ? "" : (const char *)text.bytes, "%s", message);
    gs_buffer_close(&text);
    return code;
}

static int push_unset(struct inverting *inverting, const struct gs_path *path) {
    return gs_op_list_push(&inverting->list, GS_OP_UNSET, path, (struct gs_slice){0});
}

static int push_create(struct inverting *inverting, const struct gs_path *path, int type) {
    return gs_op_list_append(&inverting->list,
                             &(struct gs_op){.kind = GS_OP_CREATE, .path = *path, .type = (enum gs_type)type});
}

/* The value that a past store shows, in the arena. */
static int past_value(const struct gs_field *past, struct gs_arena *arena, struct gs_slice *ret_value) {
    struct gs_buffer value = {.memory = arena->memory};
    gs_field_ops(past)->write_value(&past->store, &value);
    const uint8_t *bytes = value.failed ? NULL : gs_arena_copy(arena, value.bytes, value.length);
    *ret_value = gs_slice_make(bytes, value.length);
    gs_buffer_close(&value);
    return bytes ? 0 : GS_ENOMEM;
}

/* A field that is there, of the type that it had. */
static int lead_back(struct inverting *inverting, const struct gs_field *now, const struct gs_field *past,
                     const struct gs_path *path) {
    const struct gs_type_ops *ops = gs_field_ops(past);
    struct gs_slice value;
    int error = 0;
    bool unset = false;
    if (!ops->is_alive(&past->store)) { /* it was there by its presence alone */
        unset = ops->is_alive(&now->store);
        error = unset ? push_unset(inverting, path) : 0;
    } else if (ops->invert) {
        error = ops->invert(&now->store, &past->store, path, &inverting->list);
    } else {
        error = past_value(past, inverting->list.arena, &value);
        error = error != 0 ? error : ops->diff(&now->store, path, value, &inverting->list);
    }
    bool may_vanish = past->presence && (unset || !now->presence);
    return error == 0 && may_vanish ? push_create(inverting, path, past->type) : error;
}

/* A field that is not there any more. Its first op makes it, if that op implies the type. */
static int make_again(struct inverting *inverting, const struct gs_field *past, const struct gs_path *path) {
    const struct gs_type_ops *ops = gs_field_ops(past);
    struct gs_op_list made = {.arena = inverting->list.arena};
    union gs_store empty;
    struct gs_dot_map empty_map = {0};
    memset(&empty, 0, sizeof(empty));
    if (ops->open) {
        empty.map = &empty_map;
    }
    struct gs_slice value;
    int error = 0;
    if (ops->invert) {
        error = ops->invert(NULL, &past->store, path, &made);
    } else if (ops->is_alive(&past->store)) {
        error = past_value(past, made.arena, &value);
        error = error != 0 ? error : ops->diff(&empty, path, value, &made);
    }
    bool implied =
        made.count > 0 && (made.ops[0].kind == GS_OP_CREATE || gs_type_of_kind((int)made.ops[0].kind) == past->type);
    if (error == 0 && (!implied || past->presence)) {
        error = push_create(inverting, path, past->type);
    }
    for (uint32_t i = 0; i < made.count && error == 0; i++) {
        error = gs_op_list_append(&inverting->list, &made.ops[i]);
    }
    return error;
}

/* A bounded counter, whose bound cannot rise again: its value comes back by increments, or with the `create` that makes
 * it again. `held`: what is left of it, alive or not, or NULL. */
static int invert_bounded(struct inverting *inverting, const struct gs_field *held, bool alive,
                          const struct gs_field *past, const struct gs_path *path) {
    int64_t wanted = gs_wide_clamp(gs_bounded_counter_value(past->store.bounded));
    if (alive) {
        struct gs_slice value;
        int error = past_value(past, inverting->list.arena, &value);
        return error != 0 ? error : gs_field_ops(past)->diff(&held->store, path, value, &inverting->list);
    }
    int64_t bound = held ? held->store.bounded->bound : past->store.bounded->bound;
    struct gs_op create = {.kind = GS_OP_CREATE, .path = *path, .type = GS_TYPE_BOUNDED_COUNTER, .bound = bound};
    create.initial = wanted > bound ? wanted : bound; /* below it only where deltas are missing */
    return gs_op_list_append(&inverting->list, &create);
}

static int invert_map(struct inverting *inverting, const struct gs_dot_map *now, const struct gs_dot_map *left,
                      const struct gs_dot_map *past, const struct gs_path *path);

/* One name that the past showed; `map` is what is there now, or NULL, `left` that or what is left of it. */
static int invert_field(struct inverting *inverting, const struct gs_dot_map *map, const struct gs_dot_map *left,
                        const struct gs_field *past, const struct gs_path *path) {
    const struct gs_field *shown = map ? gs_dot_map_shown(map, gs_field_name(past)) : NULL;
    /* A name with two types is made anew: what is hidden would come up while the other is led back. */
    bool same_type = shown && shown->type == past->type && !gs_dot_map_next_type(map, shown);
    int error = shown && !same_type ? push_unset(inverting, path) : 0;
    if (error != 0) {
        return error;
    }
    const struct gs_field *held = left ? gs_dot_map_find(left, gs_field_name(past), past->type) : NULL;
    if (past->type == GS_TYPE_MAP) {
        return invert_map(inverting, same_type ? shown->store.map : NULL, held ? held->store.map : NULL,
                          past->store.map, path);
    }
    if (past->type == GS_TYPE_BOUNDED_COUNTER) {
        error = invert_bounded(inverting, held, same_type, past, path);
        return error == GS_EOVERFLOW ? fail(inverting, error, path, "cannot be brought back by one operation") : error;
    }
    error = same_type ? lead_back(inverting, shown, past, path) : make_again(inverting, past, path);
    return error == GS_EOVERFLOW || error == GS_ETYPE
               ? fail(inverting, error, path, "cannot be brought back by one operation")
               : error;
}

static int append_name(struct inverting *inverting, const struct gs_path *path, const struct gs_field *field,
                       struct gs_path *ret_path) {
    struct gs_slice name = gs_field_name(field);
    name.bytes = gs_arena_copy(inverting->list.arena, name.bytes, name.length); /* ops outlive the states */
    return name.bytes ? gs_path_append(path, name, inverting->list.arena, ret_path) : GS_ENOMEM;
}

/* `now`: the map that is there, or NULL. `left`: the same, or one that is not shown any more, in which bounded counters
 * may have left what binds those to come; or NULL. */
static int invert_map(struct inverting *inverting, const struct gs_dot_map *now, const struct gs_dot_map *left,
                      const struct gs_dot_map *past, const struct gs_path *path) {
    struct gs_path below;
    int error = 0;
    if (past->presence.count > 0 && (!now || now->presence.count == 0)) {
        error = gs_op_list_push(&inverting->list, GS_OP_MAKE_MAP, path, (struct gs_slice){0});
    }
    for (struct gs_field *f = gs_dot_map_next_shown(past, NULL); f && error == 0; f = gs_dot_map_next_shown(past, f)) {
        error = append_name(inverting, path, f, &below);
        error = error != 0 ? error : invert_field(inverting, now, left, f, &below);
    }
    struct gs_field *f = now ? gs_dot_map_next_shown(now, NULL) : NULL;
    for (; f && error == 0; f = gs_dot_map_next_shown(now, f)) {
        if (!gs_dot_map_shown(past, gs_field_name(f))) {
            error = append_name(inverting, path, f, &below);
            error =
                error != 0 ? error : gs_op_list_push(&inverting->surplus, GS_OP_UNSET, &below, (struct gs_slice){0});
        }
    }
    return error;
}

int gs_aggregate_inverse(const struct gs_aggregate *now, const struct gs_aggregate *past, struct gs_arena *arena,
                         struct gs_op **ret_ops, uint32_t *ret_count, struct gs_problem *problem) {
    struct inverting inverting = {.list = {.arena = arena}, .surplus = {.arena = arena}, .problem = problem};
    const struct gs_path root = {0};
    const struct gs_dot_map *there = gs_aggregate_exists(now) ? &now->root : NULL;
    int error = 0;
    if (gs_aggregate_exists(past)) {
        error = invert_map(&inverting, there, &now->root, &past->root, &root);
    } else if (there) {
        error = gs_op_list_push(&inverting.list, GS_OP_UNSET, &root, (struct gs_slice){0});
    }
    for (uint32_t i = 0; i < inverting.surplus.count && error == 0; i++) {
        error = gs_op_list_append(&inverting.list, &inverting.surplus.ops[i]);
    }
    if (error == GS_ENOMEM) {
        gs_problem_set(problem, error, NULL, "%s", gs_error_message(error));
    }
    if (error == 0) {
        *ret_ops = inverting.list.ops;
        *ret_count = inverting.list.count;
    }
    return error;
}
