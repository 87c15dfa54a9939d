/* A region that was away for so long that it was taken out of the trust file, and is back: events that it lacks are in
 * nobody's log any more (truncate.c waits only for those who are trusted). No exchange will ever make it whole; a
 * snapshot would, but takes the place of a log.
 *
 * So, where the others have all of ours, the shell puts the log aside, whole, and the region begins anew: empty, and
 * with a new incarnation, as after the loss of its disk, and an empty region is given a snapshot (bootstrap.h). Nothing
 * is lost by it that anybody has acknowledged. Where one of them lacks some of ours, writes might go that are nowhere
 * else: that is an operator's to decide. */
#include "node/core/core_impl.h"

#include <string.h>

enum { LEFT_BEHIND_MS = 15000 /* others may be linked meanwhile that can still help */ };

/* Under the same number it may have something else: a fork that nobody has found yet. */
static bool has_all_of_ours(const struct gs_core *core, const struct gs_peer_state *peer) {
    if (!gs_vector_covers(&peer->told, &core->stored)) {
        return false;
    }
    for (uint32_t i = 0; i < core->stored.count; i++) {
        const struct gs_head *ours = &core->stored.heads[i];
        const struct gs_head *told = gs_vector_find(&peer->told, &ours->origin);
        if (told->seq == ours->seq && memcmp(&told->hash, &ours->hash, sizeof ours->hash) != 0) {
            return false;
        }
    }
    return true;
}

/* Somebody has more than we do, nobody who has more can give it, and all who are linked have all that we have: one that
 * only says so would not be believed by itself. */
static bool is_left_behind(const struct gs_core *core) {
    bool found = false;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct gs_peer_state *peer = &core->peers[i];
        bool has_more = gs_vector_lacking(&core->stored, &peer->told) > 0;
        if (!peer->heard) {
            continue;
        }
        if (!has_all_of_ours(core, peer) || (has_more && !peer->has_lost)) {
            return false;
        }
        found = found || has_more;
    }
    return found;
}

/* Nothing is under way that somebody waits for, or that may change what this is about. */
static bool is_at_rest(const struct gs_core *core) {
    return !core->in_flight && gs_group_is_empty(core) && core->writer.count == 0 && core->backlog_count == 0 &&
           core->stats.forks == 0 && core->stats.held == 0;
}

void gs_left_behind_consider(struct gs_core *core) {
    bool possible = core->config.sets_log_aside && core->stored.count > 0 && !core->recovering && !core->store_away &&
                    !core->waiting_for_peers && !core->bootstrap.active && !core->retired && !core->must_cut;
    if (!possible || !is_left_behind(core)) {
        core->left_behind_mono_ms = 0;
    } else if (core->left_behind_mono_ms == 0) {
        core->left_behind_mono_ms = core->mono_ms;
    } else if (core->mono_ms - core->left_behind_mono_ms >= LEFT_BEHIND_MS && is_at_rest(core)) {
        core->must_set_aside = true;
    }
}
