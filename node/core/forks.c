/* Forks: an origin whose key has signed two histories. Whoever meets a batch that contradicts what it has takes nothing
 * of that origin any more, fetches its own side from the log, and keeps the two as a proof that goes to every peer. The
 * heads of a forked origin stay where they are, at each node; batches of others that build on the side that a node does
 * not have wait. */
#include "node/core/core_impl.h"

#include "gossip/fork.h"

#include <sodium.h>
#include <string.h>

enum { TELL_AGAIN_MS = 5000 };

static const char note_prefix[] = GS_NOTE_FORK;

static void make_note_name(const gs_origin *origin, char ret_name[GS_NOTE_NAME_MAX + 1]) {
    memcpy(ret_name, note_prefix, sizeof note_prefix - 1);
    sodium_bin2hex(ret_name + sizeof note_prefix - 1, 2 * GS_ORIGIN_SIZE + 1, origin->bytes, GS_ORIGIN_SIZE);
}

static int parse(struct gs_slice bytes, struct gs_record *ret_record, struct gs_batch_head *ret_head) {
    int error = gs_record_parse(bytes, ret_record);
    return error != 0 ? error : gs_batch_parse_head(ret_record->batch.bytes, ret_record->batch.length, ret_head);
}

/* The record without what travels beside the batch: it proves nothing. */
void gs_forks_write_bare(const struct gs_record *record, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_bin(out, record->batch.bytes, record->batch.length);
    gs_write_array(out, 0);
}

void gs_forks_freeze(struct gs_core *core, struct gs_origin_state *origin) {
    core->stats.forks += origin->forked ? 0 : 1;
    origin->forked = true;
}

void gs_forks_thaw(struct gs_core *core, struct gs_origin_state *origin) {
    core->stats.forks -= origin->forked ? 1 : 0;
    origin->forked = false;
    gs_buffer_close(&origin->evidence);
}

/* Both batches begin where the histories part. */
static bool stand_at_point(const struct gs_record *a, const struct gs_record *b) {
    struct gs_batch_head first, second;
    return gs_batch_parse_head(a->batch.bytes, a->batch.length, &first) == 0 &&
           gs_batch_parse_head(b->batch.bytes, b->batch.length, &second) == 0 && first.first_seq == second.first_seq &&
           memcmp(first.prev_hash.bytes, second.prev_hash.bytes, GS_HASH_SIZE) == 0;
}

int gs_forks_found(struct gs_core *core, struct gs_origin_state *origin, const struct gs_record *record,
                   struct gs_update *update) {
    if (origin->forked || gs_decision_expects(core, origin, record)) {
        return 0;
    }
    gs_forks_write_bare(record, &origin->evidence);
    gs_forks_freeze(core, origin);
    if (origin->evidence.failed != 0 || update == NULL) {
        return origin->evidence.failed;
    }
    gs_causal_clear(core, origin);
    return gs_forks_read(core, update);
}

/* The seq before the batch of ours that the evidence contradicts. */
static int seq_before(const struct gs_core *core, const struct gs_origin_state *origin, uint64_t *ret_seq) {
    struct gs_record record;
    struct gs_batch_head head;
    if (parse(gs_slice_make(origin->evidence.bytes, origin->evidence.length), &record, &head) != 0) {
        return GS_EFORMAT;
    }
    uint64_t stored = gs_vector_seq(&core->stored, &origin->origin);
    uint64_t applied = gs_vector_seq(&core->applied, &origin->origin);
    uint64_t at = head.first_seq < applied ? head.first_seq : applied;
    *ret_seq = at - 1;
    return at >= 1 && at <= stored ? 0 : GS_EBUSY; /* on its way to the store */
}

int gs_forks_read(struct gs_core *core, struct gs_update *update) {
    for (uint32_t i = 0; i < core->origin_count && !core->reading_fork; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        uint64_t before = 0;
        if (origin->evidence.length == 0 || seq_before(core, origin, &before) != 0) {
            continue;
        }
        struct gs_vector have = {0};
        struct gs_head head = {.origin = origin->origin, .seq = before > 0 ? before : 1};
        int error = gs_vector_copy(&have, &core->stored);
        if (error == 0 && before > 0) {
            error = gs_vector_set(&have, &head);
        } else if (error == 0) {
            gs_vector_remove(&have, &origin->origin);
        }
        if (error == 0) {
            error = gs_update_log_read(update, GS_CORE_OWN_READ, &have);
        }
        gs_vector_close(&have);
        if (error != 0) {
            return error;
        }
        core->reading_fork = true;
        core->fork_read = origin->origin;
    }
    return 0;
}

static int send_proof(const struct gs_origin_state *origin, gs_peer peer, struct gs_update *update) {
    if (origin->proof.length > GS_MESSAGE_BYTES_MAX) {
        return 0; /* two batches of the greatest size: everybody finds that fork for itself */
    }
    struct gs_buffer message = {0};
    gs_buffer_append(&message, origin->proof.bytes, origin->proof.length);
    return gs_update_send_in(update, peer, GS_LANE_FRESH, &message);
}

/* Keeps the proof and passes it on. */
static int keep_proof(struct gs_core *core, struct gs_origin_state *origin, const struct gs_record *a,
                      const struct gs_record *b, gs_peer source, struct gs_update *update) {
    struct gs_buffer records[2] = {{0}, {0}};
    gs_buffer_close(&origin->proof);
    origin->located = stand_at_point(a, b);
    gs_forks_write_bare(a, &records[0]);
    gs_forks_write_bare(b, &records[1]);
    gs_message_write_fork(gs_slice_make(records[0].bytes, records[0].length),
                          gs_slice_make(records[1].bytes, records[1].length), &origin->proof);
    int error = records[0].failed != 0 || records[1].failed != 0 || origin->proof.failed != 0 ? GS_ENOMEM : 0;
    gs_buffer_close(&records[0]);
    gs_buffer_close(&records[1]);
    gs_buffer_close(&origin->evidence);
    if (gs_decision_find(core, &origin->origin) == NULL) {
        gs_forks_freeze(core, origin);
        gs_causal_clear(core, origin);
    }
    if (error == 0 && !core->recovering) {
        char name[GS_NOTE_NAME_MAX + 1];
        struct gs_buffer note = {0};
        make_note_name(&origin->origin, name);
        gs_buffer_append(&note, origin->proof.bytes, origin->proof.length);
        error = gs_update_note(&core->later, name, &note);
    }
    for (uint32_t i = 0; error == 0 && update != NULL && i < core->peer_count; i++) {
        if (core->peers[i].id != source) {
            error = send_proof(origin, core->peers[i].id, update);
        }
    }
    return error;
}

int gs_forks_prove(struct gs_core *core, struct gs_origin_state *origin, const struct gs_record *a,
                   const struct gs_record *b, struct gs_update *update) {
    return keep_proof(core, origin, a, b, 0, update);
}

int gs_forks_log_read(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    struct gs_origin_state *origin = gs_registry_find(core, &core->fork_read);
    struct gs_record ours, theirs;
    struct gs_batch_head a, b;
    struct gs_reader reader;
    core->reading_fork = false;
    if (event->log_read.error != 0 || origin == NULL || origin->evidence.length == 0) {
        return 0;
    }
    gs_reader_init(&reader, event->log_read.records.bytes, event->log_read.records.length);
    struct gs_buffer evidence = origin->evidence;
    origin->evidence = (struct gs_buffer){0};
    int error = event->log_read.count == 0 || gs_record_read(&reader, &ours) != 0 ||
                        gs_batch_parse_head(ours.batch.bytes, ours.batch.length, &a) != 0 ||
                        parse(gs_slice_make(evidence.bytes, evidence.length), &theirs, &b) != 0
                    ? GS_EFORMAT
                    : gs_fork_check(&a, &b, &origin->key);
    if (error == 0) {
        error = keep_proof(core, origin, &ours, &theirs, 0, update);
    } else {
        core->stats.forks--;
        origin->forked = false; /* no contradiction after all: what there is of it will be met again */
        error = 0;
    }
    gs_buffer_close(&evidence);
    return error != 0 ? error : gs_forks_read(core, update);
}

/* Takes over a proof: 0, also if it is known already; GS_EFORMAT, GS_ESIGNATURE, GS_EUNTRUSTED, GS_ENOMEM. */
static int take_proof(struct gs_core *core, struct gs_slice first, struct gs_slice second, gs_peer source,
                      struct gs_update *update) {
    struct gs_record records[2];
    struct gs_batch_head a, b;
    struct gs_origin_state *origin = NULL;
    if (parse(first, &records[0], &a) != 0 || parse(second, &records[1], &b) != 0) {
        return GS_EFORMAT;
    }
    if (memcmp(a.cluster.bytes, core->config.cluster.bytes, GS_CLUSTER_SIZE) != 0) {
        return GS_ECLUSTER;
    }
    origin = gs_registry_find(core, &a.origin);
    if (origin != NULL && origin->proof.length > 0 && (origin->located || !stand_at_point(&records[0], &records[1]))) {
        return 0;
    }
    int error = gs_registry_resolve(core, &a, &origin);
    if (error == 0) {
        error = gs_fork_check(&a, &b, &origin->key);
    }
    return error != 0 ? error : keep_proof(core, origin, &records[0], &records[1], source, update);
}

int gs_forks_message(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                     struct gs_update *update) {
    int error = take_proof(core, message->records[0], message->records[1], peer->id, update);
    if (error == GS_ENOMEM || error == GS_EUNTRUSTED) {
        return error == GS_ENOMEM ? error : 0; /* our trust file and the peer's may differ for a while */
    }
    if (error != 0) {
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    return core->self->forked ? gs_core_reincarnate(core) : 0;
}

int gs_forks_recover(struct gs_core *core, const char *name, struct gs_slice bytes) {
    struct gs_message message = {0};
    if (strncmp(name, note_prefix, sizeof note_prefix - 1) != 0 ||
        gs_message_decode(bytes.bytes, bytes.length, &message) != 0) {
        return 0;
    }
    int error = 0;
    if (message.kind == GS_MESSAGE_FORK) {
        error = take_proof(core, message.records[0], message.records[1], 0, NULL);
    }
    gs_message_close(&message);
    return error == GS_ENOMEM ? error : 0;
}

bool gs_forks_known_by(const struct gs_peer_state *peer, const gs_origin *origin) {
    for (uint32_t i = 0; i < peer->spared_count; i++) {
        if (peer->spared[i].forked && gs_origin_equal(&peer->spared[i].origin, origin)) {
            return true;
        }
    }
    return false;
}

bool gs_forks_part(const struct gs_core *core, const struct gs_vector *vector) {
    for (uint32_t i = 0; i < vector->count; i++) {
        const struct gs_head *theirs = &vector->heads[i];
        const struct gs_origin_state *origin = gs_registry_find(core, &theirs->origin);
        uint64_t ours = gs_vector_seq(&core->applied, &theirs->origin);
        if (origin != NULL &&
            ((origin->forked && theirs->seq > ours) ||
             (theirs->seq <= ours && gs_registry_check_end(origin, theirs->seq, &theirs->hash) != 0))) {
            return true;
        }
    }
    return false;
}

int gs_forks_tell(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update) {
    int told = gs_decisions_tell(core, peer, update);
    if (told != 0 || core->stats.forks == 0 ||
        (peer->forks_mono_ms != 0 && core->mono_ms - peer->forks_mono_ms < TELL_AGAIN_MS)) {
        return told;
    }
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        if (origin->forked && origin->proof.length > 0 && !gs_forks_known_by(peer, &origin->origin)) {
            int error = send_proof(origin, peer->id, update);
            if (error != 0) {
                return error;
            }
            peer->forks_mono_ms = core->mono_ms;
        }
    }
    return 0;
}
