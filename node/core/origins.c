/* Who has written, and how far the past is final.
 *
 * An origin's clocks rise, so what it may still send is stamped after the last of it that is here. The past is final
 * before the least of these over every region that the cluster trusts; a region that never wrote may still have old
 * events on its way. An earlier incarnation writes no more, but what it wrote may still be missing here: it holds the
 * past open until every region that writes has seen as much of it as we have. */
#include "node/core/core_impl.h"

#include <string.h>

/* Have all origins that go by a region's plain name applied as much of `ended` as we have? */
static bool is_agreed(const struct gs_core *core, const struct gs_origin_state *ended) {
    uint64_t seq = gs_vector_seq(&core->stored, &ended->origin);
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        if (origin->is_latest && origin != core->self && gs_vector_seq(&origin->witnessed, &ended->origin) < seq) {
            return false;
        }
    }
    return true;
}

static bool has_origin(const struct gs_core *core, const gs_public_key *key) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        if (memcmp(&core->origins[i]->key, key, sizeof *key) == 0) {
            return true;
        }
    }
    return false;
}

static uint64_t final_ms(const struct gs_core *core) {
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        if (!trusted->revoked && !has_origin(core, &trusted->key)) {
            return 0;
        }
    }
    /* Ours: the next event is stamped now at the earliest, and after all that was seen. */
    uint64_t least = gs_hlc_ms(core->clock) > core->now_ms ? gs_hlc_ms(core->clock) : core->now_ms;
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        const struct gs_trust_entry *trusted = gs_trust_find_key(core->config.trust, &origin->key);
        bool over = trusted == NULL || trusted->revoked || (!origin->is_latest && is_agreed(core, origin));
        uint64_t last = gs_hlc_ms(origin->clock_last);
        if (origin != core->self && !over && last < least) {
            least = last;
        }
    }
    return least;
}

static int copy_origin(const struct gs_core *core, const struct gs_origin_state *state, struct gs_origin_name *ret) {
    struct gs_buffer name = {0};
    gs_registry_write_name(core, &state->origin, &name);
    *ret = (struct gs_origin_name){.origin = state->origin, .key = state->key, .is_latest = state->is_latest};
    memcpy(ret->region, state->region, sizeof ret->region);
    int error = name.failed;
    if (error == 0 && name.length < sizeof ret->name) {
        memcpy(ret->name, name.bytes, name.length);
    }
    gs_buffer_close(&name);
    return error;
}

int gs_origins_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    struct gs_origin_name *origins = gs_arena_alloc(&command->arena, core->origin_count * sizeof *origins + 1);
    command->error = origins == NULL ? GS_ENOMEM : 0;
    for (uint32_t i = 0; command->error == 0 && i < core->origin_count; i++) {
        command->error = copy_origin(core, core->origins[i], &origins[i]);
    }
    command->origins = origins;
    command->origin_count = command->error == 0 ? core->origin_count : 0;
    command->final_ms = final_ms(core);
    return gs_update_answer(update, command);
}
