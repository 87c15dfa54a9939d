/* This node's own part in closing origins: earlier incarnations of its key, and those of regions that it inherits from.
 *
 * A proposal waits until the origin has not moved for a while, so that what is on its way still counts; nothing depends
 * on that wait but how much a closing leaves behind. A closing waits until it is proved by what is applied here. */
#include "node/core/core_impl.h"

#include <sodium.h>
#include <string.h>

enum {
    FOLD_MS = 1000,
    ORPHAN_MS = 2000 /* nobody has it, for so long: what was on its way has arrived */
};

/* Sets /NAME of gs.origin/ORIGIN, as an event of ours. */
static int write_decision(struct gs_core *core, const gs_origin *of, const char *event_type, const char *name,
                          uint64_t value) {
    char id[2 * GS_ORIGIN_SIZE + 1];
    struct gs_buffer number = {0};
    gs_write_uint(&number, value);
    if (number.failed != 0) {
        return GS_ENOMEM;
    }
    sodium_bin2hex(id, sizeof id, of->bytes, GS_ORIGIN_SIZE);
    struct gs_slice path = gs_slice_make(name, strlen(name));
    struct gs_op op = {.kind = GS_OP_SET, .path = {.depth = 1, .names = &path}};
    op.value = gs_slice_make(number.bytes, number.length);
    struct gs_write_change change = {
        .aggregate_type = gs_slice_make(GS_ORIGIN_TYPE, strlen(GS_ORIGIN_TYPE)),
        .aggregate_id = gs_slice_make(id, sizeof id - 1),
        .kind = GS_WRITE_OPS,
        .ops = &op,
        .op_count = 1,
    };
    struct gs_write write = {
        .event_type = gs_slice_make(event_type, strlen(event_type)),
        .internal = true,
        .change_count = 1,
        .changes = &change,
    };
    int error = gs_write_own(core, &write);
    gs_buffer_close(&number);
    return error == GS_EBUSY || error == GS_EINVAL ? 0 : error; /* another time */
}

static const struct gs_proposal *find_own(const struct gs_core *core, const gs_origin *of) {
    for (uint32_t i = 0; i < core->closings.proposal_count; i++) {
        const struct gs_proposal *proposal = &core->closings.proposals[i];
        if (gs_origin_equal(&proposal->of, of) && gs_origin_equal(&proposal->by, &core->self->origin)) {
            return proposal;
        }
    }
    return NULL;
}

/* Every other member is linked, and tells of nothing of the origin beyond `seq`. One whose own disk was lost since it
 * voted may have taken more. */
static bool nobody_has(const struct gs_core *core, const gs_origin *origin, uint64_t seq) {
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        const struct gs_peer_state *peer = gs_members_link(core, &trusted->key);
        if (gs_stable_counts(core, trusted) &&
            (peer == NULL || !peer->heard || gs_vector_seq(&peer->told, origin) > seq ||
             gs_vector_seq(&peer->known, origin) > seq)) {
            return false;
        }
    }
    return true;
}

/* What waits may go on waiting for batches that were on a disk which is lost: then nobody tells of them. */
static bool may_still_move(const struct gs_core *core, const struct gs_origin_state *of) {
    uint64_t seq = gs_vector_seq(&core->applied, &of->origin);
    return of->forked || core->mono_ms - of->moved_mono_ms < core->config.close_after_ms ||
           (of->waiting != NULL && !nobody_has(core, &of->origin, seq));
}

/* Each step goes into a batch of its own, so that the next one's depends on it. */
static int drive(struct gs_core *core, const struct gs_origin_state *of) {
    const struct gs_past here = {.origin = core->self};
    uint64_t stored = gs_vector_seq(&core->stored, &core->self->origin);
    uint64_t final = gs_vector_seq(&core->applied, &of->origin);
    if (core->writer.count > 0 || of == core->self || final == 0 || gs_closing_find(core, &of->origin) != NULL) {
        return 0;
    }
    const struct gs_proposal *own = find_own(core, &of->origin);
    if (own == NULL) {
        bool mine = gs_proof_may_propose(core, &here, core->self, of);
        return mine && !may_still_move(core, of)
                   ? write_decision(core, &of->origin, "gs.origin.closing", "closing", final)
                   : 0;
    }
    bool ready = own->seq <= stored && gs_proof_is_complete(core, &here, own);
    return ready ? write_decision(core, &of->origin, "gs.origin.closed", "closed", final) : 0;
}

/* A life of our key that is over and yet later than ours: our clock was behind when ours began, and the log was not
 * there to tell. Only a later one may close it. */
static bool is_overtaken(const struct gs_core *core) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *other = core->origins[i];
        if (memcmp(&other->key, &core->self->key, sizeof other->key) == 0 &&
            memcmp(other->incarnation.bytes, core->self->incarnation.bytes, GS_INCARNATION_SIZE) > 0 &&
            !may_still_move(core, other)) {
            return true;
        }
    }
    return false;
}

/* True if somebody waits for our vote. An acknowledgement brings it; a node that has restarted may have forgotten that
 * it owes one. */
static bool owes_vote(const struct gs_core *core) {
    for (uint32_t i = 0; i < core->closings.proposal_count; i++) {
        const struct gs_proposal *proposal = &core->closings.proposals[i];
        const struct gs_origin_state *by = gs_registry_find(core, &proposal->by);
        bool voted = proposal->over || by == NULL || memcmp(&by->key, &core->self->key, sizeof by->key) == 0 ||
                     gs_closing_find(core, &proposal->of) != NULL;
        for (uint32_t j = 0; !voted && j < proposal->vote_count; j++) {
            const struct gs_origin_state *voter = gs_registry_find(core, &proposal->votes[j].by);
            voted = voter != NULL && memcmp(&voter->key, &core->self->key, sizeof voter->key) == 0;
        }
        if (!voted) {
            return true;
        }
    }
    return false;
}

/* A closed origin leaves the vectors that people see once every live member has applied the closing: whoever has that
 * has all of the origin, so its number says nothing any more. */
static int fold(struct gs_core *core) {
    struct gs_closings *closings = &core->closings;
    struct gs_vector stable = {0};
    if (closings->folded_count == closings->closed_count || core->mono_ms - closings->fold_mono_ms < FOLD_MS) {
        return 0;
    }
    closings->fold_mono_ms = core->mono_ms;
    int error = gs_stable_vector(core, &stable);
    for (uint32_t i = 0; error == 0 && i < closings->closed_count; i++) {
        const struct gs_closed *closed = &closings->closed[i];
        struct gs_origin_state *of = gs_registry_find(core, &closed->of);
        if (of != NULL && !of->folded && gs_vector_seq(&stable, &closed->by) >= closed->seq) {
            of->folded = true;
            closings->folded_count++;
        }
    }
    gs_vector_close(&stable);
    return error;
}

/* Our disk was thought lost, and others are closing, or would close, a life of ours below what is here. */
static void abandon_orphans(struct gs_core *core) {
    uint64_t since = core->closings.orphan_mono_ms;
    core->closings.orphan_mono_ms = 0;
    for (uint32_t i = 0; i < core->closings.proposal_count && !core->must_cut; i++) {
        const struct gs_proposal *proposal = &core->closings.proposals[i];
        uint64_t seq = 0;
        if (gs_closing_find(core, &proposal->of) != NULL || !gs_proof_is_orphaned(core, proposal, &seq) ||
            !nobody_has(core, &proposal->of, seq)) {
            continue;
        }
        core->closings.orphan_mono_ms = since != 0 ? since : core->mono_ms;
        if (core->mono_ms - core->closings.orphan_mono_ms >= ORPHAN_MS) {
            gs_closing_abandon(core, &proposal->of, seq);
        }
    }
}

int gs_closing_tick(struct gs_core *core) {
    if (core->waiting_for_peers || core->store_away || core->closings.self_ended || core->retired ||
        core->must_reload || core->halted) {
        return 0;
    }
    if (fold(core) != 0) {
        return GS_ENOMEM;
    }
    if (!core->ack_due && owes_vote(core)) {
        core->ack_due = true;
        core->ack_mono_ms = core->mono_ms + core->config.ack_interval_ms;
    }
    if (core->config.close_after_ms == 0) {
        return 0;
    }
    abandon_orphans(core);
    int error = is_overtaken(core) ? gs_core_reincarnate(core) : 0;
    for (uint32_t i = 0; error == 0 && !core->must_reload && i < core->origin_count; i++) {
        error = drive(core, core->origins[i]);
    }
    return error != 0 || core->must_reload ? error : gs_takeover_tick(core);
}

int gs_closing_end_self(struct gs_core *core) {
    if (core->self == NULL || core->recovering) {
        return 0;
    }
    core->retired = core->retired || gs_closing_is_retired(core, &core->config.keys.public_key) ||
                    (core->closings.self_ended && gs_closing_is_handed_on(core));
    if (!core->closings.self_ended) {
        return 0;
    }
    core->closings.self_ended = false;
    return core->retired ? 0 : gs_core_reincarnate(core);
}
