/* From the log to a running core; incarnations. */
#include "node/core/core_impl.h"

#include "gossip/run.h"

#include <sodium.h>
#include <string.h>

static int apply_recovered(struct gs_core *core, struct gs_origin_state *origin, const struct gs_batch_head *head) {
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    int error = gs_batch_decode(head, &arena, &events);
    if (error == 0) {
        error = gs_events_admit(core, origin, head, events);
    }
    if (error == 0) {
        error = gs_events_apply(core, head, events);
    }
    if (error == 0) {
        error = gs_registry_advance(core, origin, head);
    }
    if (error == 0 && gs_run_is_anchor(head)) {
        origin->anchor_hash = head->hash;
        memcpy(origin->anchor_signature, head->signature, GS_SIGNATURE_SIZE);
    }
    if (error == 0) {
        error = gs_decisions_note(core, head, events);
    }
    gs_arena_close(&arena);
    return error;
}

/* A record that the checkpoint knows already: only the aggregates whose kept state does not have it learn of it. */
static int recover_states(struct gs_core *core, const struct gs_batch_head *head) {
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    const struct gs_head *last = gs_vector_find(&core->applied, &head->origin);
    uint64_t seq = gs_batch_last_seq(head);
    if (last == NULL || seq > last->seq || (seq == last->seq && memcmp(&last->hash, &head->hash, GS_HASH_SIZE) != 0)) {
        return GS_ECORRUPT;
    }
    int error = gs_batch_decode(head, &arena, &events);
    for (uint32_t i = 0; error == 0 && i < head->count; i++) {
        for (uint32_t j = 0; error == 0 && j < events[i].change_count; j++) {
            const struct gs_event_change *change = &events[i].changes[j];
            struct gs_cell *cell = gs_cell_get(core, change->aggregate_type, change->aggregate_id);
            error = cell == NULL                                ? GS_ENOMEM
                    : cell->kept_position >= core->position + 1 ? 0
                                                                : gs_cell_apply(core, cell, &change->delta);
        }
    }
    gs_arena_close(&arena);
    core->digest.changes_batch = core->digest.changes_own = core->digest.changes;
    return error == 0 || error == GS_ENOMEM ? error : GS_ECORRUPT;
}

static int recover_record(struct gs_core *core, struct gs_slice bytes) {
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_origin_state *origin = NULL;
    if (gs_record_parse(bytes, &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0 ||
        memcmp(head.cluster.bytes, core->config.cluster.bytes, GS_CLUSTER_SIZE) != 0) {
        return GS_ECORRUPT;
    }
    if (core->position < core->checkpoint_position) {
        return recover_states(core, &head);
    }
    int error = gs_registry_resolve(core, &head, &origin);
    if (error != 0) {
        return error == GS_ESIGNATURE ? GS_ECORRUPT : error;
    }
    static const gs_hash none;
    const struct gs_head *last = gs_vector_find(&core->applied, &head.origin);
    const gs_hash *expected = last != NULL ? &last->hash : &none;
    uint64_t seq = last != NULL ? last->seq : 0;
    if (head.first_seq != seq + 1 || memcmp(expected->bytes, head.prev_hash.bytes, GS_HASH_SIZE) != 0 ||
        !gs_causal_ready(core, &head)) {
        return GS_ECORRUPT;
    }
    error = apply_recovered(core, origin, &head);
    return error == 0 || error == GS_ENOMEM ? error : GS_ECORRUPT;
}

int gs_core_recover(struct gs_core *core, struct gs_slice bytes) {
    int error = core->checkpoint_position < core->base_position ? GS_ECORRUPT : 0; /* nothing to go on from */
    if (error == 0 && core->position == core->checkpoint_position) {
        error = gs_base_check_root(core);
    }
    error = error == 0 ? recover_record(core, bytes) : error;
    core->position += error == 0 ? 1 : 0;
    return error;
}

/* The newest signature of each origin vouches for its whole chain. Where a relay had spoilt it, the newest anchor's
 * does: what came after it was vouched for by a batch that was not applied. */
static int verify_tails(struct gs_core *core) {
    for (uint32_t i = 0; i < core->applied.count; i++) {
        const struct gs_head *head = &core->applied.heads[i];
        struct gs_origin_state *origin = gs_registry_find(core, &head->origin);
        origin->tail_spoilt = gs_batch_verify_hash(&origin->key, &head->hash, origin->tail_signature) != 0;
        if (origin->tail_spoilt &&
            gs_batch_verify_hash(&origin->key, &origin->anchor_hash, origin->anchor_signature) != 0) {
            return GS_ECORRUPT;
        }
    }
    return 0;
}

/* The newest incarnation of our own key that the log knows, or NULL. */
static struct gs_origin_state *find_self(const struct gs_core *core) {
    struct gs_origin_state *self = NULL;
    for (uint32_t i = 0; i < core->origin_count; i++) {
        struct gs_origin_state *origin = core->origins[i];
        bool ours = memcmp(&origin->key, &core->config.keys.public_key, sizeof origin->key) == 0;
        if (ours &&
            (self == NULL || memcmp(origin->incarnation.bytes, self->incarnation.bytes, GS_INCARNATION_SIZE) > 0)) {
            self = origin;
        }
    }
    return self;
}

static uint64_t incarnation_ms(const gs_incarnation *incarnation) {
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | incarnation->bytes[i];
    }
    return ms;
}

int gs_core_reincarnate(struct gs_core *core) {
    if (core->self != NULL && (core->writer.count > 0 || core->flight.own_count > 0 || core->open.own_count > 0)) {
        core->must_reload = true; /* events numbered by the old life are on their way: start over without them */
        return 0;
    }
    uint64_t ms = core->now_ms;
    for (uint32_t i = 0; i < core->origin_count; i++) { /* later than all of ours, under this key or those before it */
        const struct gs_origin_state *other = core->origins[i];
        bool ours = memcmp(&other->key, &core->config.keys.public_key, sizeof other->key) == 0 ||
                    gs_trust_follows(core->config.trust, &core->config.keys.public_key, &other->key);
        if (ours && ms <= incarnation_ms(&other->incarnation)) {
            ms = incarnation_ms(&other->incarnation) + 1;
        }
    }
    if (ms <= incarnation_ms(&core->latest_told)) {
        ms = incarnation_ms(&core->latest_told) + 1;
    }
    uint8_t random[6];
    gs_rng_bytes(&core->rng, random, sizeof random);
    gs_incarnation incarnation = gs_incarnation_make(ms, random);
    gs_origin origin = gs_origin_derive(&core->config.keys.public_key, &incarnation);
    const struct gs_trust_entry *trusted = gs_trust_find_key(core->config.trust, &core->config.keys.public_key);
    if (trusted == NULL) {
        return GS_EUNTRUSTED;
    }
    struct gs_origin_state *self = gs_registry_add(core, &origin, &incarnation, trusted);
    if (self == NULL) {
        return GS_ENOMEM;
    }
    core->self = self;
    core->note_self = true;
    core->commit_count = 0; /* what is remembered has the old life's numbers */
    core->stats.incarnations++;
    gs_batch_writer_begin(&core->writer, &self->origin, 1);
    return 0;
}

int gs_core_note(struct gs_core *core, const char *name, struct gs_slice bytes) {
    if (strcmp(name, GS_NOTE_SELF) == 0 && bytes.length == GS_INCARNATION_SIZE) {
        memcpy(core->noted_self.bytes, bytes.bytes, GS_INCARNATION_SIZE);
        core->has_noted_self = true;
    }
    if (strcmp(name, GS_NOTE_MEMBERS) == 0) {
        return gs_members_note(core, bytes);
    }
    int error = gs_forks_recover(core, name, bytes);
    error = error != 0 ? error : gs_decision_recover(core, name, bytes);
    error = error != 0 ? error : gs_import_recover(core, name, bytes);
    error = error != 0 ? error : gs_jobs_note(core, name, bytes);
    return error != 0 ? error : gs_held_recover(core, name, bytes);
}

/* The newest incarnation of our key is only ours to go on with if this disk remembers that it began it: else it is the
 * life of a clone, or of a disk that was lost, and numbers of it may be where we cannot look. */
static bool may_go_on(const struct gs_core *core) {
    return core->self != NULL && !core->self->forked && core->has_noted_self &&
           gs_decision_find(core, &core->self->origin) == NULL && !gs_closing_begun(core, &core->self->origin) &&
           memcmp(&core->noted_self, &core->self->incarnation, sizeof core->noted_self) == 0;
}

int gs_core_start(struct gs_core *core) {
    core->recovering = false;
    int error = core->position < core->checkpoint_position ? GS_ECORRUPT : verify_tails(core);
    if (error == 0 && core->position == core->checkpoint_position) {
        error = gs_base_check_root(core);
    }
    error = error == 0 ? gs_base_check_heads(core) : error;
    if (error == 0) {
        error = gs_vector_copy(&core->stored, &core->applied);
    }
    if (error == 0) {
        error = gs_digest_flush(core, UINT64_MAX); /* now rather than while somebody waits */
    }
    error = error != 0 ? error : gs_members_start(core);
    if (error != 0) {
        return error;
    }
    error = gs_decisions_start(core);
    if (error != 0) {
        return error;
    }
    core->self = find_self(core);
    core->retired = gs_closing_is_retired(core, &core->config.keys.public_key) || gs_closing_is_handed_on(core);
    for (uint32_t i = 0; i < core->origin_count; i++) {
        core->origins[i]->moved_mono_ms = core->mono_ms;
    }
    bool lost = core->config.lost.seq > 0;
    if (lost || !may_go_on(core)) {
        core->self = NULL;
        core->stats.started = !lost;
        core->waiting_for_peers = lost;
        core->start_deadline_mono_ms = core->mono_ms + GS_CORE_LOST_WAIT_MS;
        return gs_core_reincarnate(core);
    }
    uint64_t seq = gs_vector_seq(&core->applied, &core->self->origin);
    gs_batch_writer_begin(&core->writer, &core->self->origin, seq + 1);
    gs_start_begin(core);
    return 0;
}
