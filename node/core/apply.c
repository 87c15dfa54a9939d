#include "node/core/core_impl.h"

struct claims {
    const struct gs_core *core;
    const struct gs_origin_state *origin;
    const struct gs_batch_head *head;
    const struct gs_context *seen; /* of the aggregate */
};

/* What the batch's origin had applied of `origin` when it sealed the batch: a function of its own log, the same at
 * every node. Comparing with what *we* have applied instead would let nodes disagree. */
uint64_t gs_events_witnessed(const struct gs_origin_state *origin, const struct gs_batch_head *head,
                             const gs_origin *of) {
    uint64_t seq = gs_vector_seq(&origin->witnessed, of);
    uint32_t low = 0;
    uint32_t high = head->dep_count;
    while (low < high) { /* deps are sorted, and there may be as many of them as claims */
        uint32_t middle = low + (high - low) / 2;
        struct gs_head dep;
        gs_batch_dep(head, middle, &dep);
        int order = gs_origin_compare(&dep.origin, of);
        if (order == 0) {
            return dep.seq > seq ? dep.seq : seq;
        }
        low = order < 0 ? middle + 1 : low;
        high = order > 0 ? middle : high;
    }
    return seq;
}

/* A dot that an origin has seen in an aggregate is here too, since its deps are. One that is not was never in this
 * aggregate (or not yet: then the batch waits): in the context it would pass for an event of its origin here, and the
 * `previous` of that origin's next one would be refused. */
static int check_claim(void *context, const gs_origin *origin, gs_point at) {
    const struct claims *claims = context;
    if (gs_origin_equal(origin, &claims->head->origin)) {
        return 0; /* the decoder has checked that it lies in its own past */
    }
    if (!gs_context_contains(claims->seen, &(gs_dot){.origin = *origin, .at = at})) {
        return GS_EOVERCLAIM;
    }
    return at.seq <= gs_events_witnessed(claims->origin, claims->head, origin) ? 0 : GS_EOVERCLAIM;
}

static int check_change(struct gs_core *core, struct claims *claims, const struct gs_event_change *change,
                        uint64_t seq) {
    struct gs_cell *cell = gs_cell_get(core, change->aggregate_type, change->aggregate_id);
    if (cell == NULL) {
        return GS_ENOMEM;
    }
    if (cell->check_round != core->check_round) {
        cell->check_round = core->check_round;
        cell->check_seq = gs_context_seq(gs_aggregate_context(cell->aggregate), &claims->head->origin);
    }
    if (change->delta.previous != cell->check_seq) {
        return GS_EOVERCLAIM;
    }
    cell->check_seq = seq;
    claims->seen = gs_aggregate_context(cell->aggregate);
    return gs_delta_visit_claims(&change->delta, check_claim, claims);
}

/* A batch that is not applied leaves no aggregates behind. */
static void discard_new(struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *events) {
    for (uint32_t i = 0; i < head->count; i++) {
        for (uint32_t j = 0; j < events[i].change_count; j++) {
            const struct gs_event_change *change = &events[i].changes[j];
            struct gs_cell *cell = gs_cell_find(core, change->aggregate_type, change->aggregate_id);
            if (cell != NULL && cell->version == 0) {
                gs_cell_discard(core, cell);
            }
        }
    }
}

int gs_events_check(struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head,
                    const struct gs_event *events) {
    struct claims claims = {.core = core, .origin = origin, .head = head};
    if (head->clock_first <= origin->clock_last) {
        return GS_EFORMAT; /* last writers win by clock: an origin must not write before what it wrote */
    }
    core->check_round++;
    for (uint32_t i = 0; i < head->count; i++) {
        for (uint32_t j = 0; j < events[i].change_count; j++) {
            int error = check_change(core, &claims, &events[i].changes[j], events[i].seq);
            if (error != 0) {
                discard_new(core, head, events);
                return error;
            }
        }
    }
    int error = gs_rights_check(core, head, events);
    error = error != 0 ? error : gs_closing_check(core, origin, head, events);
    if (error == GS_ECLOSING) {
        gs_closing_overtaken(core, origin, head, events);
    }
    if (error != 0) {
        discard_new(core, head, events);
    }
    return error;
}

int gs_events_admit(struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head,
                    const struct gs_event *events) {
    int error = gs_events_check(core, origin, head, events);
    bool may_pass = error != 0 && error != GS_ENOMEM && gs_held_releasable(error);
    return may_pass && gs_held_is_released(core, &head->hash) ? 0 : error;
}

static int apply_event(struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *event) {
    uint64_t versions[GS_EVENT_AGGREGATES_MAX];
    for (uint32_t i = 0; i < event->change_count; i++) {
        const struct gs_event_change *change = &event->changes[i];
        struct gs_cell *cell = gs_cell_get(core, change->aggregate_type, change->aggregate_id);
        if (cell == NULL) {
            return GS_ENOMEM;
        }
        int error = gs_cell_apply(core, cell, &change->delta);
        if (error != 0) {
            return error;
        }
        error = gs_ledger_meet(core, cell, &change->delta);
        if (error != 0) {
            return error;
        }
        versions[i] = cell->version;
    }
    if (gs_closing_apply(core, &head->origin, event) != 0) {
        return GS_ENOMEM;
    }
    if (!event->idempotency.present) {
        return 0;
    }
    const struct gs_idempotency_entry *first = gs_idempotency_find(core, &event->idempotency);
    if (first != NULL) {
        return gs_ledger_duplicate(core, &head->origin, event, first);
    }
    return gs_idempotency_add(core, event, &head->origin, versions);
}

int gs_events_apply(struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *events) {
    if (gs_witness_note(core, gs_registry_find(core, &head->origin), head) != 0) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < head->count; i++) {
        int error = apply_event(core, head, &events[i]);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}
