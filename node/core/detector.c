/* Who lives. See members.h for whose ideas these are.
 *
 *             silent, and nobody brings an answer            the suspicion ends without a sign of life
 *     ALIVE ─────────────────────────────────────▶ SUSPECT ─────────────────────────────────────────▶ DEAD
 *       ▲ ◀────────────────────────────────────────── │                                                │
 *       └─────────── heard, or answered through others ─────────────────────────────────────────────── ┘
 *     any ── its record says `leaving` ──▶ LEFT ── heard again, or a newer record ──▶ ALIVE, SUSPECT
 */
#include "node/core/core_impl.h"

#include <string.h>

enum {
    QUIET_MS = 1500,         /* nothing heard for so long: others are asked */
    SUSPECT_MS = 3000,       /* no sign of life for so long, and the way that one through others takes */
    SUSPICION_MIN_MS = 2000, /* how long a suspicion lasts when all confirm it … */
    SUSPICION_MAX_MS = 8000, /* … and when nobody does: perhaps it is us */
    LEAVE_GRACE_MS = 2000,   /* what is heard of a member that leaves, until its link is gone */
    WAKE_LAG_MS = 500,       /* a step that comes so late: we did not run */
    LAG_PER_DISTRESS_MS = 2000,
    UNANSWERED_DISTRESS_MAX = 2, /* of this alone: they may be gone all the same */
    EXAMINE_MS = 1000,
    ACK_LATE_MS = 2000,
    ROUND_TRIP_MAX_MS = 2000, /* longer ones are queues, or pauses */
    ONE_WAY_MS = 4000         /* heartbeats unanswered for so long, on a link that brings the other's */
};

uint64_t gs_detector_patience(const struct gs_core *core, uint64_t ms) {
    return ms * (4 + core->members.distress) / 4; /* three times as long at most */
}

uint64_t gs_detector_detour(const struct gs_core *core) {
    uint64_t longest = 0;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        longest = core->peers[i].round_trip_ms > longest ? core->peers[i].round_trip_ms : longest;
    }
    return longest < ROUND_TRIP_MAX_MS ? 2 * longest : 2 * ROUND_TRIP_MAX_MS;
}

void gs_detector_distress(struct gs_core *core, uint32_t by) {
    struct gs_members *members = &core->members;
    members->distress = members->distress + by < GS_DISTRESS_MAX ? members->distress + by : GS_DISTRESS_MAX;
}

static void postpone(uint64_t *mono_ms, uint64_t by, uint64_t now) {
    if (*mono_ms != 0) {
        *mono_ms = *mono_ms + by < now ? *mono_ms + by : now;
    }
}

/* We did not run, so we could not hear: the time does not count against anybody. */
void gs_detector_wake(struct gs_core *core) {
    struct gs_members *members = &core->members;
    if (members->due_mono_ms == 0 || core->mono_ms < members->due_mono_ms + WAKE_LAG_MS) {
        return;
    }
    uint64_t lag = core->mono_ms - members->due_mono_ms;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        postpone(&core->peers[i].heard_mono_ms, lag, core->mono_ms);
        postpone(&core->peers[i].acked_mono_ms, lag, core->mono_ms);
    }
    for (uint32_t i = 0; i < members->count; i++) {
        struct gs_member_entry *entry = members->entries[i];
        postpone(&entry->news_mono_ms, lag, core->mono_ms);
        postpone(&entry->vouched_mono_ms, lag, core->mono_ms);
        postpone(&entry->since_mono_ms, lag, core->mono_ms);
        postpone(&entry->left_mono_ms, lag, core->mono_ms);
        entry->round.open = false; /* its answers may have come and gone: ask anew */
    }
    gs_detector_distress(core, 1 + (uint32_t)(lag / LAG_PER_DISTRESS_MS < 3 ? lag / LAG_PER_DISTRESS_MS : 3));
}

bool gs_detector_hears(const struct gs_core *core, const struct gs_peer_state *peer) {
    return peer != NULL && core->mono_ms - peer->heard_mono_ms < gs_detector_patience(core, QUIET_MS);
}

/* Once a second: when most peers are late with their answers to heartbeats, it is rather us. */
void gs_detector_examine(struct gs_core *core) {
    struct gs_members *members = &core->members;
    uint32_t late = 0;
    if (core->mono_ms < members->health_mono_ms) {
        return;
    }
    members->health_mono_ms = core->mono_ms + EXAMINE_MS;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct gs_peer_state *peer = &core->peers[i];
        late += core->mono_ms - peer->acked_mono_ms > ACK_LATE_MS + 2 * peer->round_trip_ms ? 1 : 0;
    }
    if (late > 1 && 2 * late > core->peer_count && members->distress < UNANSWERED_DISTRESS_MAX) {
        gs_detector_distress(core, 1);
    } else if (late == 0 && members->distress > 0) {
        members->distress--;
    }
}

static void become(struct gs_core *core, struct gs_member_entry *entry, enum gs_peer_life life) {
    if (entry->life == life) {
        return;
    }
    core->stats.suspicions += life == GS_PEER_SUSPECT ? 1 : 0;
    entry->life = life;
    entry->since_mono_ms = core->mono_ms;
    if (life != GS_PEER_SUSPECT && life != GS_PEER_DEAD) {
        entry->confirmers = 0;
        entry->unanswered = false;
    }
}

void gs_detector_vouched(struct gs_core *core, struct gs_member_entry *entry, const gs_public_key *via) {
    entry->news_mono_ms = entry->vouched_mono_ms = core->mono_ms;
    entry->via = *via;
    entry->unanswered = false;
    core->members.look_mono_ms = 0;
}

void gs_detector_confirm(struct gs_member_entry *entry, const gs_public_key *key) {
    for (uint32_t i = 0; i < entry->confirmers; i++) {
        if (memcmp(&entry->confirmer[i], key, sizeof *key) == 0) {
            return;
        }
    }
    if (entry->confirmers < GS_PROBE_HELPERS) {
        entry->confirmer[entry->confirmers++] = *key;
    }
}

void gs_detector_renewed(struct gs_core *core, struct gs_member_entry *entry) {
    if (entry->life == GS_PEER_DEAD && !entry->round.open) {
        entry->round.id = 0; /* it may be older than its death: asked for at once, it stays dead until it answers */
    }
    core->members.look_mono_ms = 0;
}

/* How many others could confirm a suspicion. */
static uint32_t witnesses(const struct gs_core *core, const struct gs_member_entry *entry) {
    uint32_t others = 0;
    for (uint32_t i = 0; i < core->members.count && others < GS_PROBE_HELPERS; i++) {
        const struct gs_member_entry *other = core->members.entries[i];
        others += other != entry && other->life != GS_PEER_LEFT && other->life != GS_PEER_DEAD ? 1 : 0;
    }
    return others;
}

/* Lifeguard's: from the longest down to the shortest with the logarithm of the confirmations. */
static uint64_t suspicion_ms(const struct gs_core *core, const struct gs_member_entry *entry) {
    static const uint64_t log_of[GS_PROBE_HELPERS + 1] = {0, 693, 1099, 1386}; /* 1000 ln(1 + i) */
    uint32_t wanted = witnesses(core, entry);
    uint32_t have = entry->confirmers < wanted ? entry->confirmers : wanted;
    uint64_t range = SUSPICION_MAX_MS - SUSPICION_MIN_MS;
    uint64_t ms = wanted == 0 ? SUSPICION_MIN_MS : SUSPICION_MAX_MS - range * log_of[have] / log_of[wanted];
    return gs_detector_patience(core, ms);
}

static bool is_gone(const struct gs_member_entry *entry, const struct gs_peer_state *peer) {
    bool leaving = entry->record.length > 0 && entry->member.head.intent == GS_MEMBER_LEAVING;
    return leaving && (peer == NULL || peer->heard_mono_ms <= entry->left_mono_ms + LEAVE_GRACE_MS);
}

/* True if the member is in doubt: others are to be asked. */
static bool judge(struct gs_core *core, struct gs_member_entry *entry) {
    struct gs_peer_state *peer = gs_members_link(core, &entry->key);
    if (is_gone(entry, peer) || gs_closing_is_retired(core, &entry->key)) {
        become(core, entry, GS_PEER_LEFT);
        return false;
    }
    if (peer != NULL && peer->heard_mono_ms > entry->news_mono_ms) {
        entry->news_mono_ms = peer->heard_mono_ms;
    }
    bool never = entry->news_mono_ms == 0;
    uint64_t age = core->mono_ms - entry->news_mono_ms;
    uint64_t patience = gs_detector_patience(core, SUSPECT_MS) + gs_detector_detour(core);
    bool fresh = !never && age < patience && !(peer == NULL && entry->unanswered);
    if (fresh) {
        become(core, entry, GS_PEER_ALIVE);
    } else if (entry->life == GS_PEER_ALIVE || entry->life == GS_PEER_LEFT) {
        become(core, entry, GS_PEER_SUSPECT);
    } else if (entry->life == GS_PEER_SUSPECT && core->mono_ms - entry->since_mono_ms >= suspicion_ms(core, entry)) {
        become(core, entry, GS_PEER_DEAD);
    }
    if (peer != NULL) {
        peer->doubted = entry->life != GS_PEER_ALIVE;
    }
    bool heard = gs_detector_hears(core, peer);
    entry->unanswered = entry->unanswered && !heard;
    return !heard;
}

bool gs_detector_judge(struct gs_core *core) {
    bool doubt = false;
    for (uint32_t i = 0; i < core->members.count; i++) {
        struct gs_member_entry *entry = core->members.entries[i];
        bool silent = judge(core, entry);
        doubt = doubt || (silent && entry->life != GS_PEER_DEAD);
    }
    return doubt;
}

void gs_core_peer_life(const struct gs_core *core, const gs_public_key *key, enum gs_peer_life *ret_life,
                       enum gs_peer_reach *ret_reach) {
    const struct gs_member_entry *entry = gs_members_find(core, key);
    const struct gs_peer_state *peer = gs_members_link(core, key);
    *ret_life = gs_closing_is_retired(core, key) ? GS_PEER_LEFT : entry != NULL ? entry->life : GS_PEER_DEAD;
    *ret_reach = GS_REACH_NONE;
    if (entry == NULL || entry->life == GS_PEER_LEFT) {
        return;
    }
    if (peer != NULL && core->mono_ms - peer->heard_mono_ms < gs_detector_patience(core, SUSPECT_MS)) {
        bool acked = core->mono_ms - peer->acked_mono_ms < ONE_WAY_MS + 2 * peer->round_trip_ms;
        *ret_reach = acked ? GS_REACH_DIRECT : GS_REACH_ONE_WAY;
    } else if (entry->life == GS_PEER_ALIVE && entry->vouched_mono_ms != 0 &&
               entry->vouched_mono_ms == entry->news_mono_ms) {
        *ret_reach = GS_REACH_INDIRECT;
    }
}
