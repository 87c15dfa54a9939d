/* The core's side of keep.h: which aggregates are ahead of their kept state, and what goes into the next keep. */
#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

void gs_keep_policy_fill(struct gs_keep_policy *policy) {
    policy->spacing = policy->spacing != 0 ? policy->spacing : GS_KEEP_SPACING;
    policy->behind_events = policy->behind_events != 0 ? policy->behind_events : GS_KEEP_BEHIND_EVENTS;
    policy->behind_ms = policy->behind_ms != 0 ? policy->behind_ms : GS_KEEP_BEHIND_MS;
    policy->interval_ms = policy->interval_ms != 0 ? policy->interval_ms : GS_KEEP_INTERVAL_MS;
}

void gs_keep_free(struct gs_keep *keep) {
    if (keep == NULL) {
        return;
    }
    for (uint32_t i = 0; i < keep->count; i++) {
        gs_buffer_close(&keep->states[i].state);
    }
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        gs_buffer_close(&keep->journals[i].entries);
    }
    gs_buffer_close(&keep->core);
    gs_arena_close(&keep->arena);
    free(keep);
}

static void unlink_cell(struct gs_core *core, struct gs_cell *cell) {
    if (!cell->behind) {
        return;
    }
    *(cell->behind_older != NULL ? &cell->behind_older->behind_newer : &core->behind_oldest) = cell->behind_newer;
    *(cell->behind_newer != NULL ? &cell->behind_newer->behind_older : &core->behind_newest) = cell->behind_older;
    cell->behind = false;
}

void gs_keep_touch(struct gs_core *core, struct gs_cell *cell) {
    core->changes++;
    if (cell->behind) {
        return;
    }
    cell->behind = true;
    cell->behind_position = core->position;
    cell->behind_changes = core->changes;
    cell->behind_mono_ms = core->mono_ms;
    cell->behind_older = core->behind_newest;
    cell->behind_newer = NULL;
    *(core->behind_newest != NULL ? &core->behind_newest->behind_newer : &core->behind_oldest) = cell;
    core->behind_newest = cell;
}

/* Would looking back from here take long? */
static bool is_far(const struct gs_core *core, const struct gs_cell *cell) {
    uint64_t events = cell->version - cell->kept_version;
    return (events >= core->config.keep.spacing && events * GS_KEEP_BYTES_AN_EVENT >= cell->kept_bytes) ||
           events >= GS_KEEP_SPACING_MAX;
}

static bool is_late(const struct gs_core *core) {
    const struct gs_cell *oldest = core->behind_oldest;
    return oldest != NULL && (core->changes - oldest->behind_changes >= core->config.keep.behind_events ||
                              core->mono_ms - oldest->behind_mono_ms >= core->config.keep.behind_ms);
}

static int add_state(struct gs_core *core, struct gs_keep *keep, struct gs_cell *cell, size_t *bytes) {
    struct gs_keep_state *state = &keep->states[keep->count];
    *state = (struct gs_keep_state){
        .type = gs_slice_make(gs_arena_copy(&keep->arena, cell->type.bytes, cell->type.length), cell->type.length),
        .id = gs_slice_make(gs_arena_copy(&keep->arena, cell->id.bytes, cell->id.length), cell->id.length),
        .version = cell->version,
        .position = core->position,
        .updated = cell->updated,
    };
    if (state->type.bytes == NULL || state->id.bytes == NULL) {
        return GS_ENOMEM;
    }
    keep->count++;
    int error = gs_aggregate_encode(cell->aggregate, GS_ENCODE_FULL, &state->state);
    if (error != 0) {
        return error;
    }
    *bytes += state->state.length;
    cell->kept_version = cell->version;
    cell->kept_position = core->position;
    cell->kept_bytes = (uint32_t)state->state.length;
    unlink_cell(core, cell);
    return 0;
}

static int add_states(struct gs_core *core, struct gs_keep *keep) {
    size_t bytes = 0;
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->far_count && keep->count < GS_KEEP_STATES_MAX; i++) {
        if (is_far(core, core->far[i])) {
            error = add_state(core, keep, core->far[i], &bytes);
        }
    }
    core->far_count = 0;
    while (error == 0 && is_late(core) && keep->count < GS_KEEP_STATES_MAX && bytes < GS_KEEP_BYTES_MAX) {
        error = add_state(core, keep, core->behind_oldest, &bytes);
    }
    return error;
}

void gs_keep_note_far(struct gs_core *core, struct gs_cell *cell) {
    if (is_far(core, cell) && core->far_count < GS_KEEP_STATES_MAX) {
        for (uint32_t i = core->far_count; i-- > 0;) {
            if (core->far[i] == cell) {
                return;
            }
        }
        core->far[core->far_count++] = cell;
    }
}

/* Something to keep, and neither an earlier keep under way nor one a moment ago? */
static bool is_due(const struct gs_core *core) {
    return !core->keeping && !core->keep_failed && !core->waiting_for_peers && core->mono_ms >= core->keep_mono_ms &&
           (core->far_count > 0 || is_late(core));
}

uint64_t gs_keep_deadline(const struct gs_core *core) {
    if (core->keeping || core->keep_failed || core->behind_oldest == NULL) {
        return UINT64_MAX;
    }
    uint64_t late = core->behind_oldest->behind_mono_ms + core->config.keep.behind_ms;
    bool now = core->far_count > 0 || is_late(core);
    return now || late < core->keep_mono_ms ? core->keep_mono_ms : late;
}

int gs_keep_consider(struct gs_core *core, struct gs_update *update) {
    if (!is_due(core) || !gs_group_is_empty(core) || core->recovering || !gs_vouch_whole(core)) {
        return 0;
    }
    struct gs_keep *keep = calloc(1, sizeof *keep);
    if (keep == NULL) {
        return GS_ENOMEM;
    }
    keep->states = gs_arena_alloc(&keep->arena, GS_KEEP_STATES_MAX * sizeof *keep->states);
    int error = keep->states == NULL ? GS_ENOMEM : add_states(core, keep);
    keep->position = core->position;
    keep->low = core->behind_oldest != NULL ? core->behind_oldest->behind_position : core->position;
    if (error == 0) {
        error = gs_checkpoint_write(core, keep);
    }
    if (error != 0) {
        gs_keep_free(keep);
        return error;
    }
    core->keeping = true;
    core->keeping_low = gs_base_matters(core) ? keep->low : 0;
    core->keep_mono_ms = core->mono_ms + core->config.keep.interval_ms;
    update->keep = keep;
    return 0;
}

/* What was not kept is still in the log: this core keeps no more, its successor begins from the last good keep. */
void gs_keep_done(struct gs_core *core, int error) {
    core->keeping = false;
    core->keep_failed = error != 0;
    core->truncate_low = error == 0 && core->keeping_low > 0 ? core->keeping_low : core->truncate_low;
}
