#include "node/core/core_impl.h"

#include <string.h>

/* A batch that its origin's key does not vouch for, or that does not continue the chain: the link that brought it loses
 * its good name, and the batch is fetched elsewhere. */
static int refuse(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update) {
    core->stats.batches_refused++;
    return gs_update_drop(update, peer->id);
}

/* The batch as far as our own log goes: 0 to go on, GS_EBUSY if it is there already, GS_EGAP, GS_ECHAIN: it contradicts
 * what is there. */
static int place_in_chain(const struct gs_core *core, const struct gs_origin_state *origin,
                          const struct gs_batch_head *head) {
    static const gs_hash none;
    if (gs_decision_forbids(core, head)) {
        return GS_EBUSY;
    }
    const struct gs_head *last = gs_vector_find(&core->applied, &head->origin);
    uint64_t seq = last != NULL ? last->seq : 0;
    if (gs_batch_last_seq(head) <= seq) {
        return gs_registry_check_end(origin, gs_batch_last_seq(head), &head->hash) == 0 ? GS_EBUSY : GS_ECHAIN;
    }
    if (head->first_seq > seq + 1) {
        return GS_EGAP;
    }
    const gs_hash *expected = last != NULL ? &last->hash : &none;
    bool continues = head->first_seq == seq + 1 && memcmp(expected->bytes, head->prev_hash.bytes, GS_HASH_SIZE) == 0;
    return continues ? 0 : GS_ECHAIN;
}

/* Decodes, checks and applies a batch whose signature, chain and deps are in order. GS_EOVERCLAIM and GS_EFORMAT: it
 * must not be applied. GS_ESIGNATURE: what travels beside it is not what its origin signed. `checked`: its own
 * signature was. */
static int apply_record(struct gs_core *core, struct gs_origin_state *origin, const struct gs_batch_head *head,
                        const struct gs_record *record, struct gs_slice bytes, bool checked) {
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    int error = gs_batch_decode(head, &arena, &events);
    if (error == 0) {
        error = gs_record_attach(record, events, head->count);
        error = error != 0 ? GS_ESIGNATURE : 0; /* what the origin signed is whole: the list is the sender's work */
    }
    if (error == 0) {
        error = gs_events_admit(core, origin, head, events);
    }
    if (error == 0) {
        error = gs_group_keep_order(core, events, head->count) == 0 ? gs_events_apply(core, head, events) : GS_ENOMEM;
        error = error == 0 ? gs_registry_advance(core, origin, head) : GS_ENOMEM;
        error = error == 0 ? gs_group_add_remote(core, bytes) : error;
        gs_vouch_applied(core, origin, checked);
        error = error == 0 ? gs_decisions_note(core, head, events) : error;
        core->stats.events_remote += head->count;
        bool only_ack = head->count == 1 && events[0].change_count == 0;
        if (!only_ack && !core->ack_due) {
            core->ack_due = true;
            core->ack_mono_ms = core->mono_ms + core->config.ack_interval_ms;
        }
    }
    gs_arena_close(&arena);
    return error;
}

/* Our own origin's batches come back when our store has lost them: a new incarnation goes on, the old one's batches are
 * taken like anyone's. `place` GS_ECHAIN: their numbers were given out again meanwhile. */
static int meet_own_past(struct gs_core *core, const struct gs_batch_head *head, int place) {
    bool ours = gs_origin_equal(&head->origin, &core->self->origin);
    bool unknown = place == GS_ECHAIN || gs_batch_last_seq(head) > gs_vector_seq(&core->applied, &head->origin);
    return ours && unknown ? gs_core_reincarnate(core) : 0;
}

static int check_skew(const struct gs_core *core, const struct gs_batch_head *head) {
    bool ahead = gs_hlc_ms(head->clock_last) > core->now_ms + core->config.max_skew_ms;
    return ahead && !gs_held_is_released(core, &head->hash) ? GS_ESKEW : 0;
}

/* Everything that can be said of a batch before its turn has come. */
static int inspect(struct gs_core *core, const struct gs_arrival *arrival, struct gs_origin_state **ret_origin) {
    const struct gs_batch_head *head = &arrival->head;
    if (arrival->error != 0 && arrival->error != GS_EBUSY) {
        return arrival->error;
    }
    int error = gs_registry_resolve(core, head, ret_origin);
    if (error != 0) {
        return error;
    }
    int place = place_in_chain(core, *ret_origin, head);
    if (place != GS_EBUSY && arrival->error == GS_EBUSY) {
        error = gs_batch_verify(head, &(*ret_origin)->key); /* what is there already goes without a check */
    }
    return error != 0 ? error : place;
}

static int parse(struct gs_slice bytes, struct gs_record *ret_record, struct gs_batch_head *ret_head) {
    int error = gs_record_parse(bytes, ret_record);
    return error != 0 ? error : gs_batch_parse_head(ret_record->batch.bytes, ret_record->batch.length, ret_head);
}

/* A verified batch whose signature's bytes are whole, and what travels beside it too: who sends garbage there is blamed
 * at once, and it takes nobody's place in the queue. */
static int check_detached(const struct gs_batch_head *head, const struct gs_record *record) {
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    int error = gs_batch_decode(head, &arena, &events);
    if (error == 0) {
        error = gs_record_attach(record, events, head->count) != 0 ? GS_ESIGNATURE : 0;
    } else if (error != GS_ENOMEM) {
        error = 0; /* its origin's fault: it is held when its turn comes */
    }
    gs_arena_close(&arena);
    return error;
}

/* A batch that contradicts what is there. Our own key's: another disk has gone on with our numbers. It proves that to
 * others by its own signature only; where a relay has spoilt that, another batch of the branch will. */
static int meet_fork(struct gs_core *core, struct gs_origin_state *origin, const struct gs_arrival *arrival,
                     struct gs_update *update) {
    bool proves = arrival->checked || gs_batch_verify(&arrival->head, &origin->key) == 0;
    return core->must_reload || !proves ? 0 : gs_forks_found(core, origin, &arrival->record, update);
}

/* A batch that is not next: it waits, and what is missing is asked for. */
static int wait_for_turn(struct gs_core *core, struct gs_peer_state *peer, struct gs_origin_state *origin,
                         const struct gs_arrival *arrival, struct gs_update *update) {
    int error = check_detached(&arrival->head, &arrival->record);
    if (error == GS_ESIGNATURE) {
        return refuse(core, peer, update);
    }
    error = error != 0 ? error : gs_causal_put(core, origin, &arrival->head, arrival->bytes);
    return error != 0 ? error : gs_late_wait(core, peer, &arrival->head, update);
}

/* A verified batch whose turn has come. */
static int take(struct gs_core *core, struct gs_peer_state *peer, struct gs_origin_state *origin,
                const struct gs_arrival *arrival, struct gs_update *update) {
    int error = check_skew(core, &arrival->head);
    if (error == 0) {
        error = apply_record(core, origin, &arrival->head, &arrival->record, arrival->bytes, arrival->checked);
    }
    if (error == GS_ENOMEM) {
        return error;
    }
    if (error == GS_ESIGNATURE) {
        return refuse(core, peer, update); /* the detached data is not the one that was signed */
    }
    return error != 0 ? gs_held_put(core, &arrival->head, arrival->bytes, error) : gs_causal_drain(core);
}

/* True if nothing of the origin is taken for now: it has forked, or an earlier batch of it is held. */
static bool is_closed(const struct gs_core *core, const struct gs_origin_state *origin,
                      const struct gs_batch_head *head) {
    const struct gs_held *held = gs_held_find(core, &head->origin);
    return origin->forked || (held != NULL && head->first_seq > held->first_seq);
}

int gs_remote_record(struct gs_core *core, struct gs_peer_state *peer, const struct gs_arrival *arrival,
                     struct gs_update *update) {
    struct gs_origin_state *origin = NULL;
    int error = inspect(core, arrival, &origin);
    if (error == GS_EBUSY) {
        core->stats.batches_duplicate++;
        return 0;
    }
    if (error == GS_EUNTRUSTED) {
        core->stats
            .batches_refused++; /* our trust file and the peer's may differ for a while: no reason to drop the link */
        return 0;
    }
    if (error == GS_ENOMEM) {
        return error;
    }
    if (error != 0 && error != GS_EGAP && error != GS_ECHAIN) {
        return refuse(core, peer, update);
    }
    int failed = meet_own_past(core, &arrival->head, error);
    if (failed != 0) {
        return failed;
    }
    if (error == GS_ECHAIN) {
        return meet_fork(core, origin, arrival, update);
    }
    if (is_closed(core, origin, &arrival->head)) {
        return 0;
    }
    int closing = gs_closing_takes(core, &arrival->head);
    if (closing != 0) {
        return closing == GS_EENDED && error == 0 ? gs_held_put(core, &arrival->head, arrival->bytes, closing) : 0;
    }
    if (core->open.records.length > OPEN_BYTES_MAX) {
        return 0; /* as if it were still on its way */
    }
    if (error == GS_EGAP || !gs_causal_ready(core, &arrival->head)) {
        return wait_for_turn(core, peer, origin, arrival, update);
    }
    return take(core, peer, origin, arrival, update);
}

int gs_remote_apply_waiting(struct gs_core *core, struct gs_origin_state *origin, struct gs_slice bytes) {
    struct gs_record record;
    struct gs_batch_head head;
    int error = parse(bytes, &record, &head);
    if (error == 0) {
        error = place_in_chain(core, origin, &head);
    }
    if (error == GS_EBUSY) {
        return 0;
    }
    if (error == GS_ECHAIN) {
        error = gs_forks_found(core, origin, &record, NULL);
        return error != 0 ? error : GS_ECHAIN;
    }
    if (error == 0) {
        error = gs_closing_takes(core, &head);
    }
    if (error == GS_EBUSY) {
        return GS_ECHAIN; /* its origin is being closed since it came */
    }
    if (error == 0) {
        error = check_skew(core, &head);
    }
    if (error == 0) {
        error = apply_record(core, origin, &head, &record, bytes, false);
    }
    if (error == GS_ENOMEM || error == 0) {
        return error;
    }
    if (error == GS_ESIGNATURE) {
        core->stats.batches_refused++;
        return GS_ECHAIN;
    }
    return gs_held_put(core, &head, bytes, error);
}

int gs_remote_apply_held(struct gs_core *core, struct gs_origin_state *origin, const struct gs_held *held) {
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_slice bytes = gs_slice_make(held->record, held->length);
    int error = parse(bytes, &record, &head);
    if (error == 0) {
        error = place_in_chain(core, origin, &head);
    }
    if (error == 0) {
        error = gs_closing_takes(core, &head);
    }
    if (error == 0) {
        error = gs_causal_ready(core, &head) ? check_skew(core, &head) : GS_EGAP;
    }
    return error != 0 ? error : apply_record(core, origin, &head, &record, bytes, false);
}
