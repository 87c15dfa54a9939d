/* Rights of bounded counters that closed origins hold pass to their heir: an event of the heir for each aggregate that
 * has any. All that a closed origin ever wrote is here; what others give it later is noticed, and taken over as well.
 *
 * To look for rights is to walk all aggregates: when an origin was closed, at a start after that, and when somebody has
 * given rights to a closed origin. */
#include "node/core/core_impl.h"

#include <globalstate/rights.h>

#include <string.h>

struct taking {
    struct gs_core *core;
    struct gs_arena arena;
    struct gs_op *ops;
    uint32_t count;
};

void gs_takeover_notice(struct gs_core *core, const struct gs_delta *delta) {
    for (uint32_t i = 0; core->closings.closed_count > 0 && i < delta->count; i++) {
        const struct gs_change *change = &delta->changes[i];
        if (change->kind == GS_OP_TRANSFER && gs_closing_find(core, &change->target) != NULL) {
            core->closings.look_for_rights = true;
        }
    }
}

static int copy_path(struct gs_arena *arena, const struct gs_path *path, struct gs_path *ret_path) {
    struct gs_slice *names = gs_arena_copy(arena, path->names, path->depth * sizeof *names);
    for (uint32_t i = 0; names != NULL && i < path->depth; i++) {
        names[i].bytes = gs_arena_copy(arena, path->names[i].bytes, path->names[i].length);
        if (names[i].bytes == NULL) {
            return GS_ENOMEM;
        }
    }
    *ret_path = (struct gs_path){.depth = path->depth, .names = names};
    return names != NULL ? 0 : GS_ENOMEM;
}

static int add_op(struct taking *taking, const struct gs_path *path, const struct gs_rights_holder *holder) {
    struct gs_buffer number = {0};
    struct gs_op *op = &taking->ops[taking->count++];
    *op = (struct gs_op){.kind = GS_OP_TAKEOVER, .target = holder->origin, .has_target = true};
    gs_write_int(&number, holder->rights);
    void *value = number.failed == 0 ? gs_arena_copy(&taking->arena, number.bytes, number.length) : NULL;
    op->value = gs_slice_make(value, number.length);
    gs_buffer_close(&number);
    return value != NULL ? copy_path(&taking->arena, path, &op->path) : GS_ENOMEM;
}

static int look_at_counter(void *context, const struct gs_rights *rights) {
    struct taking *taking = context;
    const gs_origin *self = &taking->core->self->origin;
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < rights->count; i++) {
        const struct gs_rights_holder *holder = &rights->holders[i];
        if (holder->rights <= 0 || !gs_closing_inherits(taking->core, &holder->origin, self)) {
            continue;
        }
        if (taking->ops == NULL) {
            taking->ops = gs_arena_alloc(&taking->arena, GS_OPS_PER_EVENT_MAX * sizeof *taking->ops);
        }
        if (taking->ops == NULL || taking->count == GS_OPS_PER_EVENT_MAX) {
            taking->core->closings.look_for_rights = true; /* the rest another time */
            return taking->ops == NULL ? GS_ENOMEM : 0;
        }
        error = add_op(taking, &rights->path, holder);
    }
    return error;
}

static int take_from(struct gs_core *core, const struct gs_cell *cell) {
    static const char type[] = "gs.rights.takeover";
    struct taking taking = {.core = core};
    int error = gs_aggregate_visit_rights(cell->aggregate, look_at_counter, &taking);
    if (error == 0 && taking.count > 0) {
        struct gs_write_change change = {.aggregate_type = cell->type,
                                         .aggregate_id = cell->id,
                                         .kind = GS_WRITE_OPS,
                                         .ops = taking.ops,
                                         .op_count = taking.count};
        struct gs_write write = {.event_type = gs_slice_make(type, sizeof type - 1),
                                 .internal = true,
                                 .change_count = 1,
                                 .changes = &change};
        error = gs_write_own(core, &write);
    }
    gs_arena_close(&taking.arena);
    return error;
}

/* The events that take over stand behind the batch with the closing. */
static bool are_closings_stored(const struct gs_core *core) {
    uint64_t stored = gs_vector_seq(&core->stored, &core->self->origin);
    for (uint32_t i = 0; i < core->closings.closed_count; i++) {
        const struct gs_closed *closed = &core->closings.closed[i];
        if (gs_origin_equal(&closed->by, &core->self->origin) && closed->seq > stored) {
            return false;
        }
    }
    return true;
}

int gs_takeover_tick(struct gs_core *core) {
    if (!core->closings.look_for_rights || !are_closings_stored(core)) {
        return 0;
    }
    core->closings.look_for_rights = false;
    int error = 0;
    for (struct gs_table_entry *entry = gs_table_next(&core->cells, NULL); entry != NULL && error != GS_ENOMEM;
         entry = gs_table_next(&core->cells, entry)) {
        error = take_from(core, (struct gs_cell *)entry);
        core->closings.look_for_rights = core->closings.look_for_rights || error == GS_EBUSY;
    }
    return error == GS_ENOMEM ? error : 0;
}
