/* Whether what a batch depends on bears out that an origin is closed. Everything here is asked of a past, never of what
 * happens to be applied at a node, so that all nodes come to the same. */
#include "node/core/core_impl.h"

#include <string.h>

static bool same_key(const gs_public_key *a, const gs_public_key *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

uint64_t gs_past_seq(const struct gs_core *core, const struct gs_past *past, const gs_origin *origin) {
    if (past->head == NULL) {
        return gs_vector_seq(&core->applied, origin);
    }
    if (gs_origin_equal(origin, &past->head->origin)) {
        return gs_batch_last_seq(past->head);
    }
    return gs_events_witnessed(past->origin, past->head, origin);
}

static bool is_past(const struct gs_core *core, const struct gs_past *past, const gs_origin *by, uint64_t seq) {
    return past->head == NULL || gs_past_seq(core, past, by) >= seq;
}

static bool is_closed(const struct gs_core *core, const struct gs_past *past, const gs_origin *origin) {
    const struct gs_closed *closed = gs_closing_find(core, origin);
    return closed != NULL && is_past(core, past, &closed->by, closed->seq);
}

static const struct gs_retired *find_retired(const struct gs_core *core, const struct gs_past *past,
                                             const gs_public_key *key, const gs_public_key *heir) {
    for (uint32_t i = 0; i < core->closings.retired_count; i++) {
        const struct gs_retired *retired = &core->closings.retired[i];
        if (same_key(&retired->key, key) && (heir == NULL || same_key(&retired->heir, heir)) &&
            is_past(core, past, &retired->by, retired->seq)) {
            return retired;
        }
    }
    return NULL;
}

static bool has_written(const struct gs_core *core, const struct gs_past *past, const gs_public_key *key) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        if (same_key(&origin->key, key) && gs_past_seq(core, past, &origin->origin) > 0) {
            return true;
        }
    }
    return false;
}

/* True if the key has been rotated, and its successor has written. */
static bool is_succeeded(const struct gs_core *core, const struct gs_past *past, const gs_public_key *key) {
    const struct gs_trust_entry *successor = gs_trust_find_successor(core->config.trust, key);
    return successor != NULL && has_written(core, past, &successor->key);
}

static bool is_ended(const struct gs_core *core, const struct gs_past *past, const gs_public_key *key) {
    return find_retired(core, past, key, NULL) != NULL || is_succeeded(core, past, key);
}

/* True if the key has a vote. Who writes a closing asks all that it trusts: one of which it has nothing may have been
 * given some of the origin all the same. Who checks one asks those that its writer had heard of: trust files may differ
 * for a while. */
static bool is_live(const struct gs_core *core, const struct gs_past *past, const struct gs_trust_entry *trusted) {
    return !trusted->revoked && !is_ended(core, past, &trusted->key) &&
           (past->head == NULL || has_written(core, past, &trusted->key));
}

/* True if a batch of `key` in the past depends on the proposal. */
static bool has_voted(const struct gs_core *core, const struct gs_past *past, const struct gs_proposal *proposal,
                      const gs_public_key *key) {
    for (uint32_t i = 0; i < proposal->vote_count; i++) {
        const struct gs_origin_state *voter = gs_registry_find(core, &proposal->votes[i].by);
        if (voter != NULL && same_key(&voter->key, key) &&
            is_past(core, past, &voter->origin, proposal->votes[i].seq)) {
            return true;
        }
    }
    return false;
}

static bool all_voted(const struct gs_core *core, const struct gs_past *past, const struct gs_proposal *proposal) {
    const struct gs_origin_state *by = gs_registry_find(core, &proposal->by);
    for (uint32_t i = 0; by != NULL && i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        if (is_live(core, past, trusted) && !same_key(&trusted->key, &by->key) &&
            !has_voted(core, past, proposal, &trusted->key)) {
            return false;
        }
    }
    return by != NULL;
}

/* True if nothing of the origin can be taken any more that the past does not have. */
static bool is_settled(const struct gs_core *core, const struct gs_past *past, const gs_origin *origin) {
    for (uint32_t i = 0; i < core->closings.proposal_count; i++) {
        const struct gs_proposal *proposal = &core->closings.proposals[i];
        if (gs_origin_equal(&proposal->of, origin) && is_past(core, past, &proposal->by, proposal->seq) &&
            all_voted(core, past, proposal)) {
            return true;
        }
    }
    return false;
}

/* Who does not vote any more may have written something, before it ended, that somebody takes late and that depends on
 * more of the closed origin: what ended must be settled too. */
static bool others_settled(const struct gs_core *core, const struct gs_past *past, const struct gs_proposal *proposal) {
    const struct gs_origin_state *of = gs_registry_find(core, &proposal->of);
    const struct gs_origin_state *by = gs_registry_find(core, &proposal->by);
    for (uint32_t i = 0; of != NULL && by != NULL && i < core->origin_count; i++) {
        const struct gs_origin_state *other = core->origins[i];
        bool concerned = !same_key(&other->key, &of->key) && !same_key(&other->key, &by->key) &&
                         is_ended(core, past, &other->key) && gs_past_seq(core, past, &other->origin) > 0 &&
                         !has_voted(core, past, proposal, &other->key);
        if (concerned && !is_settled(core, past, &other->origin)) {
            return false;
        }
    }
    return of != NULL && by != NULL;
}

/* How far a vote of our own key, by an earlier life maybe, had the origin. */
static bool own_vote(const struct gs_core *core, const struct gs_proposal *proposal, uint64_t *ret_seq) {
    *ret_seq = 0;
    for (uint32_t i = 0; i < proposal->vote_count; i++) {
        const struct gs_origin_state *voter = gs_registry_find(core, &proposal->votes[i].by);
        uint64_t seq = 0;
        if (voter == NULL || !same_key(&voter->key, &core->self->key)) {
            continue;
        }
        if (!gs_witness_at(core, voter, proposal->votes[i].seq, &proposal->of, &seq)) {
            return false;
        }
        *ret_seq = seq > *ret_seq ? seq : *ret_seq;
    }
    return true;
}

bool gs_proof_is_orphaned(const struct gs_core *core, const struct gs_proposal *proposal, uint64_t *ret_seq) {
    const struct gs_past here = {.origin = core->self};
    const struct gs_origin_state *by = gs_registry_find(core, &proposal->by);
    uint64_t known = 0;
    if (by == NULL || by == core->self || !all_voted(core, &here, proposal) || !others_settled(core, &here, proposal)) {
        return false;
    }
    if (!same_key(&by->key, &core->self->key) && !own_vote(core, proposal, &known)) {
        return false;
    }
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *other = core->origins[i];
        uint64_t seq = same_key(&other->key, &core->self->key) ? 0 : gs_vector_seq(&other->witnessed, &proposal->of);
        known = seq > known ? seq : known;
    }
    *ret_seq = known;
    return known > 0 && known < gs_vector_seq(&core->applied, &proposal->of);
}

/* True if `other`, which wants to close the same origin, can not end in a closing any more, or gives way. */
static bool gives_way(const struct gs_core *core, const struct gs_past *past, const struct gs_proposal *other,
                      const struct gs_proposal *proposal) {
    if (is_closed(core, past, &other->by)) {
        return true;
    }
    bool later = other->clock > proposal->clock ||
                 (other->clock == proposal->clock && gs_origin_compare(&other->by, &proposal->by) > 0);
    for (uint32_t i = 0; later && i < proposal->vote_count; i++) {
        if (gs_origin_equal(&proposal->votes[i].by, &other->by)) {
            return is_past(core, past, &other->by, proposal->votes[i].seq);
        }
    }
    return false;
}

bool gs_proof_may_propose(const struct gs_core *core, const struct gs_past *past, const struct gs_origin_state *by,
                          const struct gs_origin_state *of) {
    if (same_key(&by->key, &of->key)) {
        return memcmp(by->incarnation.bytes, of->incarnation.bytes, GS_INCARNATION_SIZE) > 0;
    }
    return gs_trust_follows(core->config.trust, &by->key, &of->key) ||
           find_retired(core, past, &of->key, &by->key) != NULL;
}

bool gs_proof_is_complete(const struct gs_core *core, const struct gs_past *past, const struct gs_proposal *proposal) {
    if (is_closed(core, past, &proposal->of)) {
        return false;
    }
    for (uint32_t i = 0; i < core->closings.proposal_count; i++) {
        const struct gs_proposal *other = &core->closings.proposals[i];
        if (other != proposal && gs_origin_equal(&other->of, &proposal->of) &&
            !gs_origin_equal(&other->by, &proposal->by) && is_past(core, past, &other->by, other->seq) &&
            !gives_way(core, past, other, proposal)) {
            return false;
        }
    }
    return all_voted(core, past, proposal) && others_settled(core, past, proposal);
}
