/* Who is meant by a transfer's `to`: people name regions, rights are held by origins. */
#include "node/core/core_impl.h"

#include <stdio.h>
#include <string.h>

/* The origin under which the region of this name writes now, or NULL. */
static const struct gs_origin_state *find_region(const struct gs_core *core, struct gs_slice name) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *state = core->origins[i];
        if (state->is_latest && strlen(state->region) == name.length &&
            memcmp(state->region, name.bytes, name.length) == 0) {
            return state;
        }
    }
    return NULL;
}

/* NULL if the region may get the rights; else why not. */
static const char *why_not(const struct gs_core *core, const struct gs_origin_state *state) {
    if (state == NULL) {
        return "is no region that has written anything here yet";
    }
    if (!state->is_latest) {
        return "is an origin that its region has given up: nobody could spend the rights";
    }
    if (state->forked) {
        return "is a region that has signed two histories and is not taken any further";
    }
    if (gs_closing_is_retired(core, &state->key)) {
        return "is a region that has been retired";
    }
    const struct gs_trust_entry *trusted = gs_trust_find_key(core->config.trust, &state->key);
    return trusted == NULL || trusted->revoked ? "is a region that is not trusted any more" : NULL;
}

static int resolve_target(const struct gs_core *core, struct gs_op *op, const char *prefix, uint32_t number,
                          struct gs_problem *problem) {
    const struct gs_origin_state *state = find_region(core, op->target_name);
    if (state == NULL && op->has_target) {
        state = gs_registry_find(core, &op->target);
    }
    const char *reason = why_not(core, state);
    if (reason != NULL) {
        char field[GS_PROBLEM_FIELD_MAX];
        int length = op->target_name.length < 64 ? (int)op->target_name.length : 64;
        snprintf(field, sizeof field, "%s/%u/to", prefix, (unsigned)number);
        return gs_problem_set(problem, GS_EINVAL, field, "\"%.*s\" %s", length, (const char *)op->target_name.bytes,
                              reason);
    }
    op->target = state->origin;
    op->has_target = true;
    return 0;
}

int gs_transfers_resolve(const struct gs_core *core, const struct gs_write_change *change, struct gs_arena *arena,
                         const struct gs_op **ret_ops, struct gs_problem *problem) {
    struct gs_op *copies = NULL;
    for (uint32_t i = 0; i < change->op_count; i++) {
        if (change->ops[i].kind != GS_OP_TRANSFER) {
            continue;
        }
        if (copies == NULL) {
            copies = gs_arena_copy(arena, change->ops, change->op_count * sizeof *copies);
        }
        if (copies == NULL) {
            return GS_ENOMEM;
        }
        int error = resolve_target(core, &copies[i], change->prefix != NULL ? change->prefix : "", i, problem);
        if (error != 0) {
            return error;
        }
    }
    *ret_ops = copies != NULL ? copies : change->ops;
    return 0;
}
