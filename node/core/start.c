/* The question that comes before the first write of a start: does anybody hold more of our key than we do? If so, our
 * store has lost something (an old backup, a cloned or replaced disk), and to number on would give out numbers twice; a
 * new incarnation is safe. The same holds if somebody who might hold more can not be asked, or has just heard from
 * another run of our key. (Riak needed years to close this hole: riak_kv#726, #1094.)
 *
 * A peer's answer covers all that it has seen, what waits in its causal queue included, and names the question: one
 * that was on its way from an earlier life answers nothing. A peer that lies costs us a new incarnation, at most one a
 * start; after the start only batches with our own signature count. */
#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

static bool is_ours(const struct gs_core *core, const gs_public_key *key) {
    return memcmp(key, &core->config.keys.public_key, sizeof *key) == 0;
}

static bool has_vouched(const struct gs_core *core, const gs_public_key *key) {
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].vouched && memcmp(&core->peers[i].key, key, sizeof *key) == 0) {
            return true;
        }
    }
    return false;
}

/* True if every key that may have taken a batch of ours has answered. */
static bool all_vouched(const struct gs_core *core) {
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        const struct gs_trust_entry *entry = &core->config.trust->entries[i];
        if (!entry->revoked && !is_ours(core, &entry->key) && !gs_closing_is_ended(core, &entry->key) &&
            !has_vouched(core, &entry->key)) {
            return false;
        }
    }
    return true;
}

void gs_start_begin(struct gs_core *core) {
    core->waiting_for_peers = core->config.start_wait_ms > 0 && !all_vouched(core);
    core->start_deadline_mono_ms = core->mono_ms + core->config.start_wait_ms;
    core->stats.started = !core->waiting_for_peers;
}

/* All of `origin` that is here: applied, waiting for its turn, or held. */
static struct gs_holding holding_of(const struct gs_core *core, const struct gs_origin_state *origin) {
    struct gs_holding holding = {.incarnation = origin->incarnation};
    const struct gs_head *applied = gs_vector_find(&core->applied, &origin->origin);
    if (applied != NULL) {
        holding.seq = applied->seq;
        holding.hash = applied->hash;
    }
    for (const struct gs_waiting *waiting = origin->waiting; waiting != NULL; waiting = waiting->next) {
        if (waiting->last_seq > holding.seq) {
            holding.seq = waiting->last_seq;
            memset(&holding.hash, 0, sizeof holding.hash);
        }
    }
    const struct gs_held *held = gs_held_find(core, &origin->origin);
    if (held != NULL && held->last_seq > holding.seq) {
        holding.seq = held->last_seq;
        memset(&holding.hash, 0, sizeof holding.hash);
    }
    return holding;
}

int gs_start_answer(struct gs_core *core, struct gs_peer_state *peer, const gs_instance *asker,
                    struct gs_update *update) {
    struct gs_holding *holdings = calloc(core->origin_count + 1, sizeof *holdings);
    if (holdings == NULL) {
        return GS_ENOMEM;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->origin_count; i++) {
        if (memcmp(&core->origins[i]->key, &peer->key, sizeof peer->key) == 0) {
            struct gs_holding holding = holding_of(core, core->origins[i]);
            if (holding.seq > 0) {
                holdings[count++] = holding;
            }
        }
    }
    struct gs_buffer message = {0};
    bool rival = gs_instances_rival_alive(core, &peer->key, asker);
    gs_message_write_holdings(asker, rival, holdings, count, &message);
    free(holdings);
    return gs_update_send(update, peer->id, &message);
}

/* As much, but something else, is more than we have, too. */
static bool is_more(const struct gs_core *core, const struct gs_holding *holding) {
    static const gs_hash unknown;
    gs_origin origin = gs_origin_derive(&core->config.keys.public_key, &holding->incarnation);
    const struct gs_head *ours = gs_vector_find(&core->applied, &origin);
    if (ours == NULL || holding->seq > ours->seq) {
        return true;
    }
    return holding->seq == ours->seq && memcmp(&holding->hash, &unknown, GS_HASH_SIZE) != 0 &&
           memcmp(&holding->hash, &ours->hash, GS_HASH_SIZE) != 0;
}

/* Remembers the latest of our incarnations, so that the next one is later; one of the far future is a lie. */
static void note_incarnation(struct gs_core *core, const gs_incarnation *incarnation) {
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | incarnation->bytes[i];
    }
    if (ms <= core->now_ms + core->config.max_skew_ms &&
        memcmp(incarnation->bytes, core->latest_told.bytes, GS_INCARNATION_SIZE) > 0) {
        core->latest_told = *incarnation;
    }
}

int gs_start_holdings(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                      struct gs_update *update) {
    if (!core->waiting_for_peers || !gs_instance_equal(&message->asker, &core->statement.instance)) {
        return 0;
    }
    peer->vouched = true;
    core->begin_anew = core->begin_anew || message->rival_alive;
    for (uint32_t i = 0; i < message->holding_count; i++) {
        core->begin_anew = core->begin_anew || is_more(core, &message->holdings[i]);
        note_incarnation(core, &message->holdings[i].incarnation);
    }
    return gs_start_consider(core, update);
}

/* The new incarnation has begun; it takes writes when the events that the store has lost are back. */
static int consider_lost(struct gs_core *core, struct gs_update *update) {
    bool back = gs_vector_seq(&core->applied, &core->config.lost.origin) >= core->config.lost.seq;
    if (!back && core->mono_ms < core->start_deadline_mono_ms) {
        return 0;
    }
    core->waiting_for_peers = false;
    core->stats.started = true;
    return gs_backlog_drain(core, update);
}

int gs_start_consider(struct gs_core *core, struct gs_update *update) {
    if (!core->waiting_for_peers || core->bootstrap.active) {
        return 0;
    }
    if (core->config.lost.seq > 0) {
        return consider_lost(core, update);
    }
    bool all = all_vouched(core);
    bool timed_out = core->mono_ms >= core->start_deadline_mono_ms;
    if (!core->begin_anew && !all && !timed_out) {
        return 0;
    }
    core->waiting_for_peers = false;
    core->stats.started = true;
    int error = core->begin_anew || !all ? gs_core_reincarnate(core) : 0;
    return error != 0 ? error : gs_backlog_drain(core, update);
}
