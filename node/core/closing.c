#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { TELL_RETIRED_MS = 10000 }; /* a region that comes back after it was retired has so long to hear of it */

static const char origin_type[] = GS_ORIGIN_TYPE;
static const char member_type[] = GS_MEMBER_TYPE;

static bool is_text(struct gs_slice slice, const char *text) {
    return gs_slice_compare(slice, gs_slice_make(text, strlen(text))) == 0;
}

/* Bytes that an aggregate's id spells in hexadecimal, all of them. */
static bool read_hex(struct gs_slice text, uint8_t *ret_bytes, size_t size) {
    size_t length = 0;
    return text.length == 2 * size &&
           sodium_hex2bin(ret_bytes, size, (const char *)text.bytes, text.length, NULL, &length, NULL) == 0 &&
           length == size;
}

/* The change that sets `name` of the aggregate itself, or NULL. */
static const struct gs_change *find_set(const struct gs_delta *delta, const char *name) {
    for (uint32_t i = 0; i < delta->count; i++) {
        const struct gs_change *change = &delta->changes[i];
        if (change->kind == GS_OP_SET && change->path.depth == 1 && is_text(change->path.names[0], name)) {
            return change;
        }
    }
    return NULL;
}

/* What one change of an event decides. */
struct decision {
    enum { DECIDES_NOTHING, DECIDES_PROPOSAL, DECIDES_CLOSING, DECIDES_RETIREMENT } kind;
    gs_origin of;
    uint64_t final;
    gs_public_key key, heir;
};

static struct decision read_origin(const struct gs_event_change *change) {
    struct decision decision = {0};
    const struct gs_change *closed = find_set(&change->delta, "closed");
    if (!read_hex(change->aggregate_id, decision.of.bytes, GS_ORIGIN_SIZE)) {
        return decision;
    }
    if (closed != NULL) {
        struct gs_reader reader;
        gs_reader_init(&reader, closed->value.bytes, closed->value.length);
        int64_t final = gs_value_kind(closed->value) == GS_KIND_INT ? gs_read_int(&reader) : -1;
        decision.kind = DECIDES_CLOSING;
        decision.final = final > 0 ? (uint64_t) final : 0;
    } else if (find_set(&change->delta, "closing") != NULL) {
        decision.kind = DECIDES_PROPOSAL;
    }
    return decision;
}

static struct decision read_member(const struct gs_event_change *change) {
    struct decision decision = {0};
    const struct gs_change *heir = find_set(&change->delta, "heir");
    if (heir == NULL || gs_value_kind(heir->value) != GS_KIND_STR ||
        !read_hex(change->aggregate_id, decision.key.bytes, sizeof decision.key.bytes)) {
        return decision;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, heir->value.bytes, heir->value.length);
    struct gs_slice text = gs_read_str(&reader, 2 * sizeof decision.heir.bytes);
    if (reader.error == 0 && read_hex(text, decision.heir.bytes, sizeof decision.heir.bytes)) {
        decision.kind = DECIDES_RETIREMENT;
    }
    return decision;
}

static struct decision read_change(const struct gs_event_change *change) {
    if (is_text(change->aggregate_type, origin_type)) {
        return read_origin(change);
    }
    return is_text(change->aggregate_type, member_type) ? read_member(change) : (struct decision){0};
}

const struct gs_closed *gs_closing_find(const struct gs_core *core, const gs_origin *origin) {
    const struct gs_origin_state *state = core->closings.closed_count > 0 ? gs_registry_find(core, origin) : NULL;
    return state != NULL && state->closed > 0 ? &core->closings.closed[state->closed - 1] : NULL;
}

bool gs_closing_begun(const struct gs_core *core, const gs_origin *origin) {
    const struct gs_origin_state *state = gs_registry_find(core, origin);
    return state != NULL && state->closing;
}

/* The proposals of an origin that has been closed: the one that led there needs no more votes. */
static void settle_proposals(struct gs_core *core, const struct gs_closed *closed) {
    for (uint32_t i = 0; i < core->closings.proposal_count; i++) {
        struct gs_proposal *proposal = &core->closings.proposals[i];
        proposal->over = proposal->over ||
                         (gs_origin_equal(&proposal->of, &closed->of) && gs_origin_equal(&proposal->by, &closed->by));
    }
}

void gs_closing_restored(struct gs_core *core) {
    for (uint32_t i = 0; i < core->closings.proposal_count; i++) {
        struct gs_origin_state *of = gs_registry_find(core, &core->closings.proposals[i].of);
        if (of != NULL) {
            of->closing = true;
        }
    }
    for (uint32_t i = 0; i < core->closings.closed_count; i++) {
        struct gs_origin_state *of = gs_registry_find(core, &core->closings.closed[i].of);
        if (of != NULL && of->closed == 0) {
            of->closed = i + 1;
        }
        settle_proposals(core, &core->closings.closed[i]);
    }
    core->closings.look_for_rights = core->closings.closed_count > 0;
}

bool gs_closing_is_retired(const struct gs_core *core, const gs_public_key *key) {
    for (uint32_t i = 0; i < core->closings.retired_count; i++) {
        if (memcmp(&core->closings.retired[i].key, key, sizeof *key) == 0) {
            return true;
        }
    }
    return false;
}

bool gs_closing_is_succeeded(const struct gs_core *core, const gs_public_key *key) {
    const struct gs_trust_entry *successor = gs_trust_find_successor(core->config.trust, key);
    for (uint32_t i = 0; successor != NULL && i < core->origin_count; i++) {
        if (memcmp(&core->origins[i]->key, &successor->key, sizeof successor->key) == 0 &&
            gs_vector_seq(&core->applied, &core->origins[i]->origin) > 0) {
            return true;
        }
    }
    return false;
}

bool gs_closing_is_ended(const struct gs_core *core, const gs_public_key *key) {
    return gs_closing_is_retired(core, key) || gs_closing_is_succeeded(core, key);
}

bool gs_closing_is_handed_on(const struct gs_core *core) {
    for (uint32_t i = 0; i < core->closings.proposal_count; i++) {
        const struct gs_origin_state *of = gs_registry_find(core, &core->closings.proposals[i].of);
        const struct gs_origin_state *by = gs_registry_find(core, &core->closings.proposals[i].by);
        if (of != NULL && by != NULL && memcmp(&of->key, &core->config.keys.public_key, sizeof of->key) == 0 &&
            memcmp(&by->key, &of->key, sizeof by->key) != 0) {
            return true;
        }
    }
    return false;
}

bool gs_closing_is_over(const struct gs_core *core, const gs_public_key *key) {
    bool over = gs_closing_is_ended(core, key);
    for (uint32_t i = 0; over && i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        over = memcmp(&origin->key, key, sizeof *key) != 0 || gs_vector_seq(&core->applied, &origin->origin) == 0 ||
               gs_closing_find(core, &origin->origin) != NULL;
    }
    return over;
}

/* True if the peer has told that it has the decision to retire the key. */
static bool knows_retirement(const struct gs_core *core, const struct gs_peer_state *peer, const gs_public_key *key) {
    for (uint32_t i = 0; i < core->closings.retired_count; i++) {
        const struct gs_retired *retired = &core->closings.retired[i];
        if (memcmp(&retired->key, key, sizeof *key) == 0 && gs_vector_seq(&peer->told, &retired->by) >= retired->seq) {
            return true;
        }
    }
    return false;
}

bool gs_closing_ends_link(const struct gs_core *core, const struct gs_peer_state *peer) {
    const gs_public_key *own = &core->config.keys.public_key;
    if (gs_closing_is_over(core, own)) {
        /* Who decided it may have lost its disk since: then we are who can bring the decision back. */
        return !gs_closing_is_retired(core, own) || knows_retirement(core, peer, own);
    }
    bool told = core->mono_ms - peer->up_mono_ms >= TELL_RETIRED_MS || knows_retirement(core, peer, &peer->key);
    /* Who still runs with a key that was rotated hears of it by the proposal, before all is closed. */
    told = told || !gs_closing_is_retired(core, &peer->key);
    return told && gs_closing_is_over(core, &peer->key);
}

bool gs_closing_inherits(const struct gs_core *core, const gs_origin *origin, const gs_origin *heir) {
    const struct gs_closed *closed = gs_closing_find(core, origin);
    for (uint32_t i = 0; closed != NULL && i < core->closings.closed_count; i++) {
        if (gs_origin_equal(&closed->by, heir)) {
            return true;
        }
        closed = gs_closing_find(core, &closed->by);
    }
    return false;
}

/* The first batch of the origin that waits here, if it is the next one. */
static bool parse_waiting(const struct gs_core *core, const struct gs_origin_state *origin,
                          struct gs_batch_head *ret_head) {
    const struct gs_waiting *first = origin->waiting;
    struct gs_record record;
    return first != NULL && first->first_seq <= gs_vector_seq(&core->applied, &origin->origin) + 1 &&
           gs_record_parse(gs_slice_make(first->record, first->length), &record) == 0 &&
           gs_batch_parse_head(record.batch.bytes, record.batch.length, ret_head) == 0;
}

/* How far batches of other regions that wait here depend on the origin. */
static uint64_t find_limit(const struct gs_core *core, const struct gs_origin_state *of) {
    uint64_t limit = 0;
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *other = core->origins[i];
        struct gs_batch_head head;
        if (memcmp(&other->key, &of->key, sizeof of->key) == 0 || !parse_waiting(core, other, &head)) {
            continue;
        }
        for (uint32_t j = 0; j < head.dep_count; j++) {
            struct gs_head dep;
            gs_batch_dep(&head, j, &dep);
            limit = gs_origin_equal(&dep.origin, &of->origin) && dep.seq > limit ? dep.seq : limit;
        }
    }
    return limit;
}

static bool lies_beyond(const struct gs_core *core, const gs_origin *origin, uint64_t seq) {
    const struct gs_closed *closed = core->closings.closed_count > 0 ? gs_closing_find(core, origin) : NULL;
    return closed != NULL && seq > closed->final;
}

int gs_closing_takes(const struct gs_core *core, const struct gs_batch_head *head) {
    if (core->closings.proposal_count == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < head->dep_count && core->closings.closed_count > 0; i++) {
        struct gs_head dep;
        gs_batch_dep(head, i, &dep);
        if (lies_beyond(core, &dep.origin, dep.seq)) {
            return GS_EENDED;
        }
    }
    if (gs_closing_find(core, &head->origin) != NULL) {
        return lies_beyond(core, &head->origin, gs_batch_last_seq(head)) ? GS_EENDED : 0;
    }
    const struct gs_origin_state *origin = gs_registry_find(core, &head->origin);
    bool begun = origin != NULL && gs_closing_begun(core, &head->origin);
    return begun && gs_batch_last_seq(head) > find_limit(core, origin) ? GS_EBUSY : 0;
}

bool gs_closing_wants(const struct gs_core *core, const gs_origin *origin) {
    const struct gs_closed *closed = gs_closing_find(core, origin);
    uint64_t seq = gs_vector_seq(&core->applied, origin);
    if (closed != NULL) {
        return seq < closed->final;
    }
    const struct gs_origin_state *state = gs_registry_find(core, origin);
    return state == NULL || !gs_closing_begun(core, origin) || seq < find_limit(core, state);
}

static bool waits_beyond(const struct gs_core *core, const struct gs_origin_state *origin) {
    struct gs_batch_head head;
    return parse_waiting(core, origin, &head) && gs_closing_takes(core, &head) == GS_EENDED;
}

/* The proposal of `by` to close `of`, or NULL. */
static const struct gs_proposal *find_proposal(const struct gs_core *core, const gs_origin *of, const gs_origin *by) {
    for (uint32_t i = 0; i < core->closings.proposal_count; i++) {
        const struct gs_proposal *proposal = &core->closings.proposals[i];
        if (gs_origin_equal(&proposal->of, of) && gs_origin_equal(&proposal->by, by)) {
            return proposal;
        }
    }
    return NULL;
}

/* True if the closing follows from its batch's past, whatever is here. */
static bool is_proved(const struct gs_core *core, const struct gs_past *past, const struct decision *decision) {
    const struct gs_proposal *proposal = find_proposal(core, &decision->of, &past->origin->origin);
    return proposal != NULL && decision->final == gs_past_seq(core, past, &decision->of) &&
           gs_proof_is_complete(core, past, proposal);
}

static bool is_borne_out(const struct gs_core *core, const struct gs_past *past, const struct decision *decision) {
    const struct gs_origin_state *of = gs_registry_find(core, &decision->of);
    if (decision->kind == DECIDES_PROPOSAL) {
        return of != NULL && of != past->origin && gs_past_seq(core, past, &of->origin) > 0 &&
               gs_proof_may_propose(core, past, past->origin, of);
    }
    if (decision->kind != DECIDES_CLOSING) {
        return true;
    }
    return is_proved(core, past, decision) && gs_vector_seq(&core->applied, &decision->of) <= decision->final;
}

int gs_closing_check(const struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head,
                     const struct gs_event *events) {
    struct gs_past past = {.origin = origin, .head = head};
    for (uint32_t i = 0; i < head->count && !core->recovering; i++) { /* what the log has was found in order */
        for (uint32_t j = 0; j < events[i].change_count; j++) {
            struct decision decision = read_change(&events[i].changes[j]);
            if (decision.kind != DECIDES_NOTHING && !is_borne_out(core, &past, &decision)) {
                return GS_ECLOSING;
            }
        }
    }
    return 0;
}

void gs_closing_abandon(struct gs_core *core, const gs_origin *origin, uint64_t seq) {
    if (core->base_position > 0) {
        return; /* a log that does not begin at its beginning cannot be cut: the region stays as it is, for people */
    }
    core->must_cut = true;
    core->cut = (struct gs_cut){.origin = *origin, .seq = seq, .found = true};
    memcpy(core->cut.importer, core->self->region, sizeof core->cut.importer);
}

void gs_closing_overtaken(struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head,
                          const struct gs_event *events) {
    struct gs_past past = {.origin = origin, .head = head};
    for (uint32_t i = 0; i < head->count && !core->must_cut; i++) {
        for (uint32_t j = 0; j < events[i].change_count && !core->must_cut; j++) {
            struct decision decision = read_change(&events[i].changes[j]);
            if (decision.kind == DECIDES_CLOSING && is_proved(core, &past, &decision) &&
                gs_vector_seq(&core->applied, &decision.of) > decision.final) {
                gs_closing_abandon(core, &decision.of, decision.final);
            }
        }
    }
}

static int add_proposal(struct gs_core *core, const gs_origin *by, const struct gs_event *event, const gs_origin *of) {
    struct gs_closings *closings = &core->closings;
    struct gs_origin_state *origin = gs_registry_find(core, of);
    if (find_proposal(core, of, by) != NULL) {
        return 0;
    }
    if (gs_array_reserve((void **)&closings->proposals, &closings->proposal_capacity, closings->proposal_count,
                         sizeof *closings->proposals) != 0) {
        return GS_ENOMEM;
    }
    closings->proposals[closings->proposal_count++] =
        (struct gs_proposal){.of = *of, .by = *by, .seq = event->seq, .clock = event->clock};
    if (origin != NULL) {
        origin->closing = true;
        gs_causal_clear(core, origin); /* from now on only what others depend on */
    }
    closings->self_ended = closings->self_ended || (origin != NULL && origin == core->self);
    return 0;
}

static int add_closed(struct gs_core *core, const gs_origin *by, const struct gs_event *event,
                      const struct decision *decision) {
    struct gs_closings *closings = &core->closings;
    if (gs_closing_find(core, &decision->of) != NULL) {
        return 0;
    }
    if (gs_array_reserve((void **)&closings->closed, &closings->closed_capacity, closings->closed_count,
                         sizeof *closings->closed) != 0) {
        return GS_ENOMEM;
    }
    closings->closed[closings->closed_count++] =
        (struct gs_closed){.of = decision->of, .by = *by, .seq = event->seq, .final = decision->final};
    closings->look_for_rights = true;
    struct gs_origin_state *of = gs_registry_find(core, &decision->of);
    if (of != NULL) {
        of->closed = closings->closed_count;
    }
    settle_proposals(core, &closings->closed[closings->closed_count - 1]);
    for (uint32_t i = 0; i < core->origin_count; i++) {
        if (waits_beyond(core, core->origins[i])) {
            gs_causal_clear(core, core->origins[i]); /* it is held when it comes again */
        }
    }
    return 0;
}

static int add_retired(struct gs_core *core, const gs_origin *by, const struct gs_event *event,
                       const struct decision *decision) {
    struct gs_closings *closings = &core->closings;
    if (gs_array_reserve((void **)&closings->retired, &closings->retired_capacity, closings->retired_count,
                         sizeof *closings->retired) != 0) {
        return GS_ENOMEM;
    }
    closings->retired[closings->retired_count++] =
        (struct gs_retired){.key = decision->key, .heir = decision->heir, .by = *by, .seq = event->seq};
    return 0;
}

int gs_closing_apply(struct gs_core *core, const gs_origin *by, const struct gs_event *event) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < event->change_count; i++) {
        struct decision decision = read_change(&event->changes[i]);
        switch (decision.kind) {
        case DECIDES_NOTHING:
            break;
        case DECIDES_PROPOSAL:
            error = add_proposal(core, by, event, &decision.of);
            break;
        case DECIDES_CLOSING:
            error = add_closed(core, by, event, &decision);
            break;
        case DECIDES_RETIREMENT:
            error = add_retired(core, by, event, &decision);
            break;
        }
    }
    return error;
}

static int add_vote(struct gs_proposal *proposal, const gs_origin *by, uint64_t seq) {
    for (uint32_t i = 0; i < proposal->vote_count; i++) {
        if (gs_origin_equal(&proposal->votes[i].by, by)) {
            return 0;
        }
    }
    if (gs_array_reserve((void **)&proposal->votes, &proposal->vote_capacity, proposal->vote_count,
                         sizeof *proposal->votes) != 0) {
        return GS_ENOMEM;
    }
    proposal->votes[proposal->vote_count++] = (struct gs_vote){.by = *by, .seq = seq};
    return 0;
}

int gs_closing_vote(struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->closings.proposal_count; i++) {
        struct gs_proposal *proposal = &core->closings.proposals[i];
        if (!proposal->over && gs_vector_seq(&origin->witnessed, &proposal->by) >= proposal->seq) {
            error = add_vote(proposal, &origin->origin, gs_batch_last_seq(head));
        }
    }
    return error;
}

void gs_closing_close(struct gs_closings *closings) {
    for (uint32_t i = 0; i < closings->proposal_count; i++) {
        free(closings->proposals[i].votes);
    }
    free(closings->proposals);
    free(closings->closed);
    free(closings->retired);
    *closings = (struct gs_closings){0};
}
