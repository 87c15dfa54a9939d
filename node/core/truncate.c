/* Which records may go, and when the store is asked to remove some: truncation.h. */
#include "node/core/core_impl.h"
#include "node/core/truncation.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 1000,     /* between two looks, if there is nothing to do */
    STEP_MS = 5,        /* between two steps, if there is; longer if the last one took longer */
    TROUBLE_MS = 60000, /* after one that failed */
};

void gs_truncation_free(struct gs_truncation *truncation) {
    if (truncation != NULL) {
        gs_vector_close(&truncation->stable);
        free(truncation);
    }
}

static bool is_wanted(const struct gs_core *core) {
    return core->config.retention != NULL && gs_retention_is_bounded(core->config.retention);
}

static bool is_due(const struct gs_core *core) {
    return is_wanted(core) && !core->truncating && core->stats.started && core->stats.forks == 0 &&
           core->truncate_low > 0 && core->mono_ms >= core->truncate_mono_ms;
}

uint64_t gs_truncate_deadline(const struct gs_core *core) {
    return is_wanted(core) && !core->truncating && core->truncate_low > 0 ? core->truncate_mono_ms : UINT64_MAX;
}

/* Peers that are linked, whether they are members yet or not, get what they lack. */
static void meet_peers(const struct gs_core *core, struct gs_vector *stable) {
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct gs_peer_state *peer = &core->peers[i];
        if (peer->heard && gs_vector_covers(&peer->told, &core->base)) { /* others are lost to the log already */
            gs_vector_meet(stable, &peer->told);
        }
    }
}

/* A key that has written nothing that arrived here may be a region that writes all the while: it would need the log
 * from its beginning, and so would we need its. */
static bool all_are_known(const struct gs_core *core) {
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        if (gs_stable_counts(core, trusted) && !gs_stable_is_heard(core, trusted)) {
            return false;
        }
    }
    return true;
}

int gs_truncate_consider(struct gs_core *core, struct gs_update *update) {
    if (!is_due(core)) {
        return 0;
    }
    if (!all_are_known(core)) {
        core->truncate_mono_ms = core->mono_ms + LOOK_MS;
        return 0;
    }
    struct gs_truncation *truncation = calloc(1, sizeof *truncation);
    if (truncation == NULL) {
        return GS_ENOMEM;
    }
    int error = gs_stable_vector(core, &truncation->stable);
    if (error != 0) {
        gs_truncation_free(truncation);
        return error;
    }
    meet_peers(core, &truncation->stable);
    truncation->retention = core->config.retention;
    truncation->low = core->truncate_low;
    truncation->now_ms = core->now_ms;
    truncation->turn = core->truncate_turn++;
    core->truncating = true;
    core->truncate_mono_ms = core->mono_ms; /* until it is done: when it began */
    update->truncation = truncation;
    return 0;
}

int gs_truncate_done(struct gs_core *core, int error, const struct gs_truncated *truncated) {
    core->truncating = false;
    if (error != 0) {
        core->stats.truncations_failed++;
        core->truncate_mono_ms = core->mono_ms + TROUBLE_MS;
        return 0;
    }
    /* Half of the store's time, at most: commits get the other half, however slow it is. */
    uint64_t took_ms = core->mono_ms - core->truncate_mono_ms;
    core->truncate_mono_ms = core->mono_ms + (!truncated->more ? LOOK_MS : took_ms > STEP_MS ? took_ms : STEP_MS);
    core->stats.truncated += truncated->records;
    if (truncated->position <= core->base_position) {
        return 0;
    }
    core->base_position = truncated->position;
    core->base_clock = truncated->clock;
    return gs_vector_copy(&core->base, &truncated->heads);
}
