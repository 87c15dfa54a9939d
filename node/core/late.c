/* Batches that overtake what they build on. Origins push to everybody at once, so what a batch lacks is as a rule a few
 * milliseconds behind on its own link, and asking for it brings it twice. It is asked for where its origin has no link
 * to us, or when it has not come within what any push takes: links lose nothing, but full queues do. */
#include "node/core/core_impl.h"

#include <string.h>

enum { AGAIN_MS = 50, WALK_MAX = 64 };

/* The link on which the origin pushes to us, or NULL. */
static const struct gs_peer_state *link_of(const struct gs_core *core, const gs_origin *origin) {
    const struct gs_origin_state *state = gs_registry_find(core, origin);
    for (uint32_t i = 0; state != NULL && state->is_latest && i < core->peer_count; i++) {
        if (memcmp(&core->peers[i].key, &state->key, sizeof state->key) == 0) {
            return &core->peers[i];
        }
    }
    return NULL;
}

static bool has_come(const struct gs_core *core, const struct gs_late *late) {
    return gs_vector_seq(&core->applied, &late->origin) >= late->seq;
}

/* True if all between what is applied and the batch waits in the queue, too: then the first of that lacks something,
 * and has said so when it came. */
static bool follows_waiting(const struct gs_core *core, const struct gs_batch_head *head) {
    const struct gs_origin_state *state = gs_registry_find(core, &head->origin);
    uint64_t next = gs_vector_seq(&core->applied, &head->origin) + 1;
    const struct gs_waiting *waiting = state != NULL ? state->waiting : NULL;
    uint32_t steps = 0;
    while (waiting != NULL && waiting->first_seq <= next && next < head->first_seq && steps++ < WALK_MAX) {
        next = waiting->last_seq + 1;
        waiting = waiting->next;
    }
    return steps > 0 && (next >= head->first_seq || steps >= WALK_MAX);
}

int gs_late_wait(struct gs_core *core, struct gs_peer_state *peer, const struct gs_batch_head *head,
                 struct gs_update *update) {
    struct gs_late late = {.origin = head->origin, .seq = head->first_seq - 1};
    struct gs_head blocker;
    if (follows_waiting(core, head)) {
        return 0;
    }
    if (has_come(core, &late) && !gs_causal_unblocked(core, head, &blocker)) {
        late = (struct gs_late){.origin = blocker.origin, .seq = blocker.seq};
    }
    const struct gs_peer_state *link = link_of(core, &late.origin);
    if (link == NULL || link == peer) {
        return gs_sync_pull(core, peer, true, update);
    }
    if (peer->late.due_mono_ms == 0 || has_come(core, &peer->late)) {
        peer->late = late;
        peer->late.due_mono_ms = core->mono_ms + core->config.sync_interval_ms / 2 + 2 * link->round_trip_ms;
    }
    return 0;
}

int gs_late_tick(struct gs_core *core, struct gs_update *update) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->peer_count; i++) {
        struct gs_late *late = &core->peers[i].late;
        if (late->due_mono_ms == 0 || late->due_mono_ms > core->mono_ms) {
            continue;
        }
        if (!has_come(core, late) && core->peers[i].pulling) {
            late->due_mono_ms = core->mono_ms + AGAIN_MS; /* what was asked before is not answered yet */
            continue;
        }
        late->due_mono_ms = 0;
        error = has_come(core, late) ? 0 : gs_sync_pull(core, &core->peers[i], true, update);
    }
    return error;
}

uint64_t gs_late_deadline(const struct gs_core *core) {
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        uint64_t due = core->peers[i].late.due_mono_ms;
        next = due != 0 && due < next ? due : next;
    }
    return next;
}
