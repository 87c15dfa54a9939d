/* Dissemination, pull-shaped: a peer's version vector says what it lacks, and the log is the buffer. Our own new
 * batches are pushed at once to every peer that has what comes before them; everything else (third-party origins, gaps,
 * long absence) is pulled. A peer that is slow or gone costs no memory. */
#include "gossip/snapshot.h"
#include "node/core/core_impl.h"

#include "gossip/compress.h"

#include <stdlib.h>
#include <string.h>

struct gs_peer_state *gs_peer_find(struct gs_core *core, gs_peer id) {
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].id == id) {
            return &core->peers[i];
        }
    }
    return NULL;
}

static bool is_spared(const struct gs_core *core, const struct gs_origin_state *origin) {
    return origin != NULL && (origin->forked || gs_held_find(core, &origin->origin) != NULL ||
                              (core->closings.proposal_count > 0 && !gs_closing_wants(core, &origin->origin)));
}

/* Origins of which we take nothing for now. `ret_spared` is NULL if there are none, else the caller's to free. */
static int list_spared(const struct gs_core *core, struct gs_spared **ret_spared, uint32_t *ret_count) {
    if (core->stats.held == 0 && core->stats.forks == 0 && core->closings.proposal_count == 0) {
        return 0;
    }
    struct gs_spared *spared = calloc(core->origin_count + 1, sizeof *spared);
    if (spared == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < core->origin_count; i++) { /* sorted, as the message wants them */
        const struct gs_origin_state *origin = core->origins[i];
        if (is_spared(core, origin)) {
            spared[(*ret_count)++] = (struct gs_spared){.origin = origin->origin, .forked = origin->forked};
        }
    }
    *ret_spared = spared;
    return 0;
}

static int send_vector(struct gs_core *core, struct gs_peer_state *peer, enum gs_vector_want want,
                       struct gs_update *update) {
    struct gs_buffer message = {0};
    struct gs_spared *spared = NULL;
    uint32_t spared_count = 0;
    if (list_spared(core, &spared, &spared_count) != 0) {
        return GS_ENOMEM;
    }
    gs_message_write_vector_sparing(&core->stored, want, spared, spared_count, &message);
    free(spared);
    peer->vector_group = core->stored_group;
    if (want != GS_VECTOR_TELL) {
        peer->pulling = true;
        peer->owed = 0;
        peer->pull_mono_ms = core->mono_ms;
    }
    return gs_update_send(update, peer->id, &message);
}

bool gs_sync_is_paced(const struct gs_core *core) {
    return core->jobs.rate > 0 && core->mono_ms < core->pull_not_before_mono_ms;
}

int gs_sync_pull(struct gs_core *core, struct gs_peer_state *peer, bool urgent, struct gs_update *update) {
    if (core->bootstrap.active) {
        return 0; /* the log comes after the snapshot */
    }
    if (gs_sync_is_paced(core)) {
        return 0; /* a sync job asks again */
    }
    uint64_t pause = peer->pulling ? PULL_TIMEOUT_MS : peer->has_lost ? GONE_PAUSE_MS : 0;
    if (core->mono_ms - peer->pull_mono_ms < pause) {
        return 0;
    }
    return send_vector(core, peer, urgent ? GS_VECTOR_URGENT : GS_VECTOR_WANT, update);
}

int gs_sync_peer_up(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    const struct gs_trust_entry *trusted = gs_trust_find_key(core->config.trust, &event->peer.key);
    if (trusted == NULL || core->peer_count == GS_CORE_PEERS_MAX) {
        return gs_update_drop(update, event->peer.peer);
    }
    struct gs_peer_state *peer = &core->peers[core->peer_count++];
    *peer = (struct gs_peer_state){
        .up_mono_ms = core->mono_ms,
        .id = event->peer.peer,
        .key = event->peer.key,
        .heard_mono_ms = core->mono_ms,
        .ping_mono_ms = core->mono_ms,
        .acked_mono_ms = core->mono_ms,
    };
    memcpy(peer->region, trusted->region, sizeof peer->region);
    size_t length = event->peer.address.length;
    length = length < sizeof peer->address ? length : sizeof peer->address - 1;
    if (length > 0) {
        memcpy(peer->address, event->peer.address.bytes, length);
    }
    int error = gs_instances_tell(core, peer, update);
    error = error != 0 ? error : gs_members_peer_up(core, peer, update);
    return error != 0 ? error : send_vector(core, peer, GS_VECTOR_URGENT, update);
}

void gs_sync_peer_down(struct gs_core *core, gs_peer id, bool replaced) {
    struct gs_peer_state *peer = gs_peer_find(core, id);
    gs_instances_link_down(core, id, replaced);
    gs_compares_peer_down(core, id);
    gs_bootstrap_peer_down(core, id);
    if (peer != NULL) {
        gs_vector_close(&peer->known);
        gs_vector_close(&peer->told);
        gs_vector_close(&peer->base_told);
        gs_vector_close(&peer->base_stored);
        free(peer->spared);
        core->members.look_mono_ms = 0;
        core->peer_count--;
        *peer = core->peers[core->peer_count];
    }
}

/* Time enough for anything that was on its way to have arrived. */
static bool base_is_old(const struct gs_core *core, const struct gs_peer_state *peer) {
    uint64_t age = core->mono_ms - peer->base_mono_ms;
    return peer->heard && age >= core->config.sync_interval_ms / 2 && age >= 2 * peer->round_trip_ms;
}

/* What the peer says it has, merged with what is on its way to it. What was on its way when the base was taken and has
 * not moved is lost. */
static int update_known(const struct gs_core *core, struct gs_peer_state *peer, const struct gs_vector *told) {
    struct gs_vector known = {0};
    bool old = base_is_old(core, peer);
    int error = gs_vector_copy(&known, told);
    for (uint32_t i = 0; error == 0 && i < peer->known.count; i++) {
        const struct gs_head *head = &peer->known.heads[i];
        uint64_t now = gs_vector_seq(told, &head->origin);
        bool stalled = old && now == gs_vector_seq(&peer->base_told, &head->origin);
        if (head->seq > now && !stalled) {
            error = gs_vector_set(&known, head);
        }
    }
    if (error == 0) {
        error = gs_vector_copy(&peer->told, told);
    }
    if (error != 0) {
        gs_vector_close(&known);
        return error;
    }
    gs_vector_close(&peer->known);
    peer->known = known;
    return 0;
}

static int renew_base(const struct gs_core *core, struct gs_peer_state *peer) {
    if (peer->heard && !base_is_old(core, peer)) {
        return 0;
    }
    peer->heard = true;
    peer->base_mono_ms = core->mono_ms;
    int error = gs_vector_copy(&peer->base_told, &peer->told);
    return error != 0 ? error : gs_vector_copy(&peer->base_stored, &core->stored);
}

/* What to leave out of an answer: what the peer has, what is on its way to it, and, in a routine answer, third-party
 * batches that have not been missing for long: their origins push them. */
static int leave_out(const struct gs_core *core, const struct gs_peer_state *peer, bool urgent,
                     struct gs_vector *ret_have) {
    uint64_t interval = core->config.sync_interval_ms;
    int error = gs_vector_copy(ret_have, &peer->known);
    for (uint32_t i = 0; error == 0 && i < peer->spared_count; i++) {
        const struct gs_head *head = gs_vector_find(&core->stored, &peer->spared[i].origin);
        error = head != NULL ? gs_vector_set(ret_have, head) : 0;
    }
    for (uint32_t i = 0; error == 0 && !urgent && i < core->stored.count; i++) {
        const struct gs_head *head = &core->stored.heads[i];
        uint64_t told = gs_vector_seq(&peer->told, &head->origin);
        bool long_missing =
            (told < gs_vector_seq(&core->aged, &head->origin) && 2 * peer->round_trip_ms < interval / 2) ||
            (told < gs_vector_seq(&peer->base_stored, &head->origin) && base_is_old(core, peer));
        if (!long_missing && !gs_origin_equal(&head->origin, &core->self->origin)) {
            error = gs_vector_set(ret_have, head);
        }
    }
    return error;
}

/* Reads the log for a peer, unless a read is under way or there is nothing to send. */
static int read_log_for(struct gs_core *core, struct gs_peer_state *peer, bool urgent, bool *ret_reading,
                        struct gs_update *update) {
    struct gs_vector have = {0};
    int error = leave_out(core, peer, urgent, &have);
    if (error == 0 && !peer->reading && !gs_vector_covers(&have, &core->stored)) {
        peer->reading = true;
        peer->reading_urgent = urgent;
        error = gs_update_log_read(update, peer->id, &have);
    }
    gs_vector_close(&have);
    *ret_reading = peer->reading;
    return error;
}

/* Does the peer lack what is gone here? Of origins that it spares it would take nothing anyway. */
static int lacks_what_is_gone(const struct gs_core *core, const struct gs_peer_state *peer, bool *ret_lacks) {
    struct gs_vector have = {0};
    int error = core->base_position > 0 ? leave_out(core, peer, true, &have) : 0;
    *ret_lacks = core->base_position > 0 && error == 0 && !gs_vector_covers(&have, &core->base);
    gs_vector_close(&have);
    return error;
}

static int answer_pull(struct gs_core *core, struct gs_peer_state *peer, bool urgent, struct gs_update *update) {
    bool reading = false;
    bool lacks = false;
    int error = lacks_what_is_gone(core, peer, &lacks);
    if (error == 0 && !lacks) {
        error = read_log_for(core, peer, urgent, &reading, update);
    }
    if (error != 0 || reading) {
        return error;
    }
    struct gs_buffer message = {0};
    gs_message_write_batches(lacks ? GS_BATCHES_GONE : GS_BATCHES_LAST, 0, (struct gs_slice){0}, &message);
    return gs_update_send_in(update, peer->id, GS_LANE_BULK, &message);
}

/* True if a peer has something that we would take. */
static bool has_news(const struct gs_core *core, const struct gs_vector *told) {
    for (uint32_t i = 0; i < told->count; i++) {
        if (told->heads[i].seq > gs_vector_seq(&core->applied, &told->heads[i].origin) &&
            !is_spared(core, gs_registry_find(core, &told->heads[i].origin))) {
            return true;
        }
    }
    return false;
}

/* As many events, but another hash: one of the two has not yet met the batch that proves it. Ours goes to the peer. */
static int show_other_end(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update) {
    for (uint32_t i = 0; i < peer->told.count && !peer->reading; i++) {
        const struct gs_head *told = &peer->told.heads[i];
        const struct gs_head *ours = gs_vector_find(&core->stored, &told->origin);
        const struct gs_origin_state *origin = gs_registry_find(core, &told->origin);
        if (ours == NULL || origin->forked || ours->seq != told->seq ||
            memcmp(&ours->hash, &told->hash, sizeof ours->hash) == 0) {
            continue;
        }
        struct gs_vector have = {0};
        struct gs_head before = {.origin = told->origin, .seq = told->seq - 1};
        int error = gs_vector_copy(&have, &core->stored);
        if (error == 0 && before.seq > 0) {
            error = gs_vector_set(&have, &before);
        } else if (error == 0) {
            gs_vector_remove(&have, &told->origin);
        }
        if (error == 0) {
            peer->reading = true;
            peer->reading_urgent = false;
            error = gs_update_log_read(update, peer->id, &have);
        }
        gs_vector_close(&have);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int receive_vector(struct gs_core *core, struct gs_peer_state *peer, struct gs_message *message,
                          struct gs_update *update) {
    free(peer->spared);
    peer->spared = message->spared;
    peer->spared_count = message->spared_count;
    message->spared = NULL;
    int error = update_known(core, peer, &message->vector);
    if (error == 0) {
        error = gs_bootstrap_consider(core, peer, update);
    }
    if (error == 0 && message->want != GS_VECTOR_TELL) {
        gs_credit_begin(peer);
        error = answer_pull(core, peer, message->want == GS_VECTOR_URGENT, update);
    }
    if (error == 0) {
        error = renew_base(core, peer);
    }
    if (error == 0) {
        error = show_other_end(core, peer, update);
    }
    if (error == 0) {
        error = gs_forks_tell(core, peer, update);
    }
    if (error == 0 && has_news(core, &message->vector)) {
        error = gs_sync_pull(core, peer, false, update);
    }
    return error;
}

void gs_sync_count_sends(struct gs_core *core, const struct gs_update *update) {
    for (uint32_t i = 0; i < update->send_count; i++) {
        struct gs_peer_state *peer = gs_peer_find(core, update->sends[i].peer);
        if (peer != NULL) {
            peer->traffic.bytes_out += update->sends[i].message.length;
        }
    }
}

/* Whoever sends a batch has it. `*events` counts those in it. */
static int note_sender(struct gs_peer_state *peer, const struct gs_batch_head *head, uint64_t *events) {
    struct gs_head has = {.origin = head->origin, .seq = gs_batch_last_seq(head), .hash = head->hash};
    *events += head->count;
    return gs_vector_seq(&peer->known, &has.origin) < has.seq ? gs_vector_set(&peer->known, &has) : 0;
}

/* With a rate cap, what an answer has taken is paid for in time before the next question, or the next credit. */
static void pace(struct gs_core *core, const struct gs_message *message) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < message->record_count; i++) {
        bytes += message->records[i].length;
    }
    if (core->jobs.rate > 0) {
        uint64_t from = core->pull_not_before_mono_ms > core->mono_ms ? core->pull_not_before_mono_ms : core->mono_ms;
        core->pull_not_before_mono_ms = from + bytes * 1000 / core->jobs.rate;
    }
}

static int receive_batches(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                           struct gs_update *update) {
    struct gs_arrival *arrivals = NULL;
    if (message->answer != GS_BATCHES_PUSH) {
        peer->has_lost = message->answer == GS_BATCHES_GONE;
        peer->pulling = message->answer == GS_BATCHES_MORE;
        peer->owed += peer->pulling && peer->owed < GS_CREDIT_PARTS ? 1 : 0;
        peer->pull_mono_ms = core->mono_ms;
    }
    if (peer->has_lost) {
        int error = gs_bootstrap_consider(core, peer, update);
        if (error != 0) {
            return error;
        }
    }
    if (core->bootstrap.active) {
        return 0; /* they come with the log, after the snapshot */
    }
    pace(core, message);
    int error = gs_vouch(core, message->records, message->record_count, &arrivals);
    for (uint32_t i = 0; error == 0 && update->drop_count == 0 && i < message->record_count; i++) {
        error = gs_remote_record(core, peer, &arrivals[i], update);
        if (error == 0 && update->drop_count == 0) {
            error = note_sender(peer, &arrivals[i].head, &peer->traffic.events_in);
        }
    }
    free(arrivals);
    bool stored = gs_group_is_empty(core) && !core->in_flight; /* there was nothing new in it */
    return error == 0 && stored ? gs_credit_pay(core, update) : error;
}

static int receive_ping(struct gs_peer_state *peer, const struct gs_message *message, struct gs_update *update) {
    struct gs_buffer answer = {0};
    gs_message_write_ping(true, message->time_ms, &answer);
    return gs_update_send(update, peer->id, &answer);
}

static int take(struct gs_core *core, struct gs_peer_state *peer, struct gs_message *message,
                struct gs_update *update) {
    switch (message->kind) {
    case GS_MESSAGE_VECTOR:
        return receive_vector(core, peer, message, update);
    case GS_MESSAGE_BATCHES:
        return receive_batches(core, peer, message, update);
    case GS_MESSAGE_PING:
        return receive_ping(peer, message, update);
    case GS_MESSAGE_STATEMENT:
        return gs_instances_statement(core, peer, &message->statement, update);
    case GS_MESSAGE_FORK:
        return gs_forks_message(core, peer, message, update);
    case GS_MESSAGE_FORK_ASK:
        return gs_fork_asked(core, peer, message, update);
    case GS_MESSAGE_FORK_SAY:
        return gs_fork_told(core, peer, message, update);
    case GS_MESSAGE_DECISION:
        return gs_decision_message(core, peer, message, update);
    case GS_MESSAGE_COMPARE:
        return gs_compares_message(core, peer, message, update);
    case GS_MESSAGE_HOLDINGS:
        return gs_start_holdings(core, peer, message, update);
    case GS_MESSAGE_MEMBERS:
        return gs_members_message(core, peer, message, update);
    case GS_MESSAGE_PROBE:
        return gs_probes_asked(core, peer, message, update);
    case GS_MESSAGE_PACKED: /* decoded as batches */
        break;
    case GS_MESSAGE_CREDIT:
        return gs_credit_granted(peer, message->credit) ? answer_pull(core, peer, true, update) : 0;
    case GS_MESSAGE_PROBE_ANSWER:
        return gs_probes_answered(core, peer, message, update);
    case GS_MESSAGE_PONG:
        peer->acked_mono_ms = core->mono_ms;
        peer->round_trip_ms = core->mono_ms >= message->time_ms ? core->mono_ms - message->time_ms : 0;
        break;
    }
    return 0;
}

int gs_sync_message(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    struct gs_peer_state *peer = gs_peer_find(core, event->peer.peer);
    if (peer == NULL) {
        return 0;
    }
    struct gs_slice body;
    if (gs_message_read_snapshot(event->peer.message, &body)) {
        peer->heard_mono_ms = core->mono_ms;
        peer->traffic.bytes_in += event->peer.message.length;
        return gs_snapshot_message(core, peer, body, update);
    }
    struct gs_message message = {0};
    int error = gs_message_decode(event->peer.message.bytes, event->peer.message.length, &message);
    if (error == GS_ENOMEM) {
        return error;
    }
    if (error != 0) {
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    peer->heard_mono_ms = core->mono_ms;
    core->members.look_mono_ms = peer->doubted ? 0 : core->members.look_mono_ms;
    peer->traffic.bytes_in += event->peer.message.length;
    error = take(core, peer, &message, update);
    gs_message_close(&message);
    return error;
}

int gs_sync_log_read(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    if (event->log_read.peer == GS_CORE_OWN_READ) {
        return gs_forks_log_read(core, event, update);
    }
    if (event->log_read.peer == GS_CORE_FORK_READ) {
        return gs_fork_read_done(core, event, update);
    }
    if ((event->log_read.peer & GS_CORE_RANGE_READ) != 0) {
        return gs_ranges_log_read(core, event, update);
    }
    struct gs_peer_state *peer = gs_peer_find(core, event->log_read.peer);
    if (peer == NULL) {
        return 0;
    }
    peer->reading = false;
    if (event->log_read.error != 0) {
        return 0; /* it will ask again */
    }
    struct gs_buffer records = {0};
    struct gs_buffer message = {0};
    struct gs_arrival *sent = NULL;
    uint32_t count = 0;
    uint64_t own = 0;
    int error = gs_vouch_cut(core, event->log_read.records, event->log_read.count, &records, &sent, &count);
    bool more = event->log_read.more && count > 0; /* what may not be sent is no reason to ask again */
    gs_message_write_batches(more ? GS_BATCHES_MORE : GS_BATCHES_LAST, count,
                             gs_slice_make(records.bytes, records.length), &message);
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        error = note_sender(peer, &sent[i].head, &peer->traffic.events_out);
        own = gs_origin_equal(&sent[i].head.origin, &core->self->origin) ? gs_batch_last_seq(&sent[i].head) : own;
    }
    free(sent);
    gs_buffer_close(&records);
    gs_compress(&message);
    core->stats.pull_bytes += message.length;
    if (error != 0) {
        gs_buffer_close(&message);
        return error;
    }
    error = gs_update_send_in(update, peer->id, GS_LANE_BULK, &message);
    peer->bulk_own_seq = own > peer->bulk_own_seq ? own : peer->bulk_own_seq;
    /* What was committed meanwhile follows at once, until pushes can take over where the log ends. */
    bool behind = gs_vector_seq(&peer->known, &core->self->origin) < gs_vector_seq(&core->stored, &core->self->origin);
    if (error == 0 && more) {
        return gs_credit_spend(peer) ? answer_pull(core, peer, true, update) : 0;
    }
    if (error == 0 && !event->log_read.more && behind) {
        bool reading = false;
        error = read_log_for(core, peer, peer->reading_urgent, &reading, update);
    }
    return error;
}

static bool spares(const struct gs_peer_state *peer, const gs_origin *origin) {
    for (uint32_t i = 0; i < peer->spared_count; i++) {
        if (gs_origin_equal(&peer->spared[i].origin, origin)) {
            return true;
        }
    }
    return false;
}

/* A fresh batch passes the history that waits on the link, but not our own: it would come before what it continues. */
static enum gs_lane push_lane(const struct gs_core *core, struct gs_peer_state *peer, uint64_t seq) {
    if (gs_vector_seq(&peer->told, &core->self->origin) >= peer->bulk_own_seq) {
        return GS_LANE_FRESH;
    }
    peer->bulk_own_seq = seq;
    return GS_LANE_BULK;
}

int gs_sync_push(struct gs_core *core, const struct gs_group *group, struct gs_update *update) {
    const struct gs_head *head = gs_vector_find(&group->heads, &core->self->origin);
    if (group->own_records.length > GS_RECORD_BYTES_MAX) {
        return 0; /* several batches, more than a message holds: peers ask for them */
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct gs_peer_state *peer = &core->peers[i];
        if (!peer->heard || spares(peer, &core->self->origin) ||
            gs_vector_seq(&peer->known, &core->self->origin) + 1 != group->own_first_seq) {
            continue;
        }
        struct gs_buffer message = {0};
        gs_message_write_batches(GS_BATCHES_PUSH, group->own_count,
                                 gs_slice_make(group->own_records.bytes, group->own_records.length), &message);
        core->stats.push_bytes += message.length;
        peer->traffic.events_out += group->own_last_seq - group->own_first_seq + 1;
        int error = gs_update_send_in(update, peer->id, push_lane(core, peer, head->seq), &message);
        if (error == 0) {
            error = gs_vector_set(&peer->known, head);
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int tick_peer(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update) {
    if (core->mono_ms - peer->heard_mono_ms >= PEER_SILENCE_MS || gs_closing_ends_link(core, peer)) {
        return gs_update_drop(update, peer->id);
    }
    if (core->mono_ms - peer->ping_mono_ms < PING_INTERVAL_MS) {
        return 0;
    }
    peer->ping_mono_ms = core->mono_ms;
    int error = core->waiting_for_peers && !peer->vouched ? gs_instances_tell(core, peer, update) : 0;
    if (error != 0) {
        return error;
    }
    struct gs_buffer message = {0};
    gs_message_write_ping(false, core->mono_ms, &message);
    return gs_update_send(update, peer->id, &message);
}

static int age_vectors(struct gs_core *core) {
    struct gs_vector oldest = core->aged;
    core->aged = core->young;
    core->young = oldest;
    return gs_vector_copy(&core->young, &core->stored);
}

int gs_sync_tick(struct gs_core *core, struct gs_update *update) {
    int error = 0;
    core->ping_mono_ms = core->mono_ms + PING_INTERVAL_MS;
    for (uint32_t i = 0; error == 0 && i < core->peer_count; i++) {
        error = tick_peer(core, &core->peers[i], update);
    }
    error = error != 0 ? error : gs_late_tick(core, update);
    if (error != 0 || core->mono_ms < core->sync_mono_ms) {
        return error;
    }
    /* Jitter, so that nodes started together do not keep in step. */
    uint64_t interval = core->config.sync_interval_ms;
    core->sync_mono_ms = core->mono_ms + interval - interval / 4 + gs_rng_below(&core->rng, interval / 2 + 1);
    if (core->peer_count == 0) {
        return 0;
    }
    error = age_vectors(core);
    /* The more peers there are, the more of them are asked: any two meet every few intervals. */
    for (uint32_t i = 0; error == 0 && i <= core->peer_count / PEERS_PER_EXCHANGE; i++) {
        error = gs_sync_pull(core, &core->peers[gs_rng_below(&core->rng, core->peer_count)], false, update);
    }
    /* The others hear what we have, if it is news: that is what their view of our lag rests on. */
    for (uint32_t i = 0; error == 0 && i < core->peer_count && core->peer_count <= TELL_PEERS_MAX; i++) {
        if (core->peers[i].vector_group != core->stored_group) {
            error = send_vector(core, &core->peers[i], GS_VECTOR_TELL, update);
        }
    }
    return error;
}
