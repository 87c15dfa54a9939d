/* The checkpoint of keep.h, written and read back.
 *
 *   checkpoint := [5, cluster, clock, [origin, …], nil | [key, root, aggregates, signature], closings]
 *                  (closings: closing_keep.c)
 *   origin     := [origin id, incarnation, key, clock_last, seq, hash, signature, [id, seq, hash, …], known_from,
 *                  [first_seq, number of the origin, seq, …],     what it had witnessed; how that grew (witness.c)
 *                  end_count, [seq, hash, …]]                    where its newest batches ended, oldest first
 *   idempotency entry := [name, request, origin, seq, clock, [version, …]]
 *   ledger entry      := [fingerprint, bytes of the type, bytes of the id, bytes]
 *
 * Whoever reads one takes its heads for the log's: START verifies the signature of each. Where records may be gone, the
 * states are the only copy: then the checkpoint has the attestation (gossip/attestation.h) of what they make at its
 * heads, and a start believes them only if they do. Version 3 had none. */
#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

enum { CHECKPOINT_VERSION = 5, CHECKPOINT_VERSION_OPEN = 4, CHECKPOINT_VERSION_BARE = 3 };

static void write_bin(struct gs_buffer *out, const void *bytes, size_t size) {
    gs_write_bin(out, bytes, size);
}

static void write_origin(const struct gs_core *core, const struct gs_origin_state *origin, struct gs_buffer *out) {
    static const struct gs_head none;
    const struct gs_head *found = gs_vector_find(&core->applied, &origin->origin);
    const struct gs_head *head = found != NULL ? found : &none;
    gs_write_array(out, 12);
    write_bin(out, origin->origin.bytes, GS_ORIGIN_SIZE);
    write_bin(out, origin->incarnation.bytes, GS_INCARNATION_SIZE);
    write_bin(out, origin->key.bytes, sizeof origin->key.bytes);
    gs_write_uint(out, origin->clock_last);
    gs_write_uint(out, head->seq);
    write_bin(out, head->hash.bytes, GS_HASH_SIZE);
    write_bin(out, origin->tail_signature, GS_SIGNATURE_SIZE);
    gs_write_array(out, 3 * origin->witnessed.count);
    for (uint32_t i = 0; i < origin->witnessed.count; i++) {
        const struct gs_head *seen = &origin->witnessed.heads[i];
        write_bin(out, seen->origin.bytes, GS_ORIGIN_SIZE);
        gs_write_uint(out, seen->seq);
        write_bin(out, seen->hash.bytes, GS_HASH_SIZE);
    }
    gs_witness_write(&origin->witness, out);
    uint64_t kept = origin->end_count < ENDS_KEPT ? origin->end_count : ENDS_KEPT;
    gs_write_uint(out, origin->end_count);
    gs_write_array(out, (uint32_t)(2 * kept));
    for (uint64_t i = origin->end_count - kept; i < origin->end_count; i++) {
        gs_write_uint(out, origin->ends[i % ENDS_KEPT].seq);
        write_bin(out, origin->ends[i % ENDS_KEPT].hash.bytes, GS_HASH_SIZE);
    }
}

static void write_idempotency(struct gs_core *core, struct gs_keep_entries *journal) {
    struct gs_buffer *out = &journal->entries;
    journal->first = core->kept_idempotency + 1;
    journal->oldest =
        core->idempotency_oldest != NULL ? core->idempotency_oldest->number : core->idempotency_number + 1;
    const struct gs_idempotency_entry *entry = core->idempotency_unkept;
    if (entry != NULL && entry->number > journal->first) {
        journal->first = entry->number; /* some were forgotten before they were kept */
    }
    for (; entry != NULL; entry = entry->newer) {
        gs_write_array(out, 6);
        write_bin(out, entry->name, sizeof entry->name);
        write_bin(out, entry->request, sizeof entry->request);
        write_bin(out, entry->origin.bytes, GS_ORIGIN_SIZE);
        gs_write_uint(out, entry->seq);
        gs_write_uint(out, entry->clock);
        gs_write_array(out, entry->version_count);
        for (uint32_t i = 0; i < entry->version_count; i++) {
            gs_write_uint(out, entry->versions[i]);
        }
    }
    journal->last = core->idempotency_number;
    core->kept_idempotency = core->idempotency_number;
    core->idempotency_unkept = NULL;
}

static void write_ledger(struct gs_core *core, struct gs_keep_entries *journal) {
    struct gs_buffer *out = &journal->entries;
    const struct gs_ledger_entry *entry = core->ledger.newest;
    while (entry != NULL && entry->older != NULL && entry->older->number > core->kept_ledger) {
        entry = entry->older;
    }
    bool any = entry != NULL && entry->number > core->kept_ledger;
    journal->first = any ? entry->number : core->ledger.recorded + 1;
    journal->last = core->ledger.recorded;
    journal->oldest = core->ledger.oldest != NULL ? core->ledger.oldest->number : core->ledger.recorded + 1;
    for (; any && entry != NULL; entry = entry->newer) {
        gs_write_array(out, 4);
        gs_write_uint(out, entry->fingerprint);
        gs_write_uint(out, entry->type.length);
        gs_write_uint(out, entry->id.length);
        write_bin(out, entry->bytes, entry->length);
    }
    core->kept_ledger = core->ledger.recorded;
}

int gs_checkpoint_write(struct gs_core *core, struct gs_keep *keep) {
    struct gs_buffer *out = &keep->core;
    gs_write_array(out, 6);
    gs_write_uint(out, CHECKPOINT_VERSION);
    write_bin(out, core->config.cluster.bytes, GS_CLUSTER_SIZE);
    gs_write_uint(out, core->clock);
    gs_write_array(out, gs_witness_number(core)); /* those without a batch are not in the log yet */
    for (uint32_t i = 0; i < core->origin_count; i++) {
        if (gs_vector_seq(&core->applied, &core->origins[i]->origin) > 0) {
            write_origin(core, core->origins[i], out);
        }
    }
    int error = gs_base_write_attestation(core, out);
    gs_closing_write(&core->closings, out);
    write_idempotency(core, &keep->journals[GS_KEEP_IDEMPOTENCY]);
    write_ledger(core, &keep->journals[GS_KEEP_LEDGER]);
    int failed = error != 0 ? error : out->failed;
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        failed = failed != 0 ? failed : keep->journals[i].entries.failed;
    }
    return failed;
}

static int read_witnessed(struct gs_reader *reader, struct gs_origin_state *state) {
    int error = 0;
    for (uint32_t left = gs_read_array(reader, 3 * GS_VECTOR_MAX); left >= 3 && error == 0 && reader->error == 0;
         left -= 3) {
        struct gs_head head;
        gs_read_bin_exact(reader, head.origin.bytes, GS_ORIGIN_SIZE);
        head.seq = gs_read_uint(reader);
        gs_read_bin_exact(reader, head.hash.bytes, GS_HASH_SIZE);
        error = reader->error == 0 ? gs_vector_set(&state->witnessed, &head) : 0;
    }
    return error;
}

static void read_ends(struct gs_reader *reader, struct gs_origin_state *state) {
    state->end_count = gs_read_uint(reader);
    uint64_t kept = state->end_count < ENDS_KEPT ? state->end_count : ENDS_KEPT;
    gs_read_array_exact(reader, (uint32_t)(2 * kept));
    for (uint64_t i = state->end_count - kept; i < state->end_count && reader->error == 0; i++) {
        state->ends[i % ENDS_KEPT].seq = gs_read_uint(reader);
        gs_read_bin_exact(reader, state->ends[i % ENDS_KEPT].hash.bytes, GS_HASH_SIZE);
    }
}

static int read_origin(struct gs_core *core, struct gs_reader *reader) {
    struct gs_head head;
    gs_incarnation incarnation;
    gs_public_key key;
    gs_read_array_exact(reader, 12);
    gs_read_bin_exact(reader, head.origin.bytes, GS_ORIGIN_SIZE);
    gs_read_bin_exact(reader, incarnation.bytes, GS_INCARNATION_SIZE);
    gs_read_bin_exact(reader, key.bytes, sizeof key.bytes);
    if (reader->error != 0) {
        return reader->error;
    }
    const struct gs_trust_entry *trusted = gs_trust_find_key(core->config.trust, &key);
    gs_origin derived = gs_origin_derive(&key, &incarnation);
    if (trusted == NULL || !gs_origin_equal(&derived, &head.origin)) {
        return trusted == NULL ? GS_EUNTRUSTED : GS_ECORRUPT;
    }
    struct gs_origin_state *state = gs_registry_find(core, &head.origin); /* a note may have told of it */
    state = state != NULL ? state : gs_registry_add(core, &head.origin, &incarnation, trusted);
    if (state == NULL) {
        return GS_ENOMEM;
    }
    state->clock_last = gs_read_uint(reader);
    head.seq = gs_read_uint(reader);
    gs_read_bin_exact(reader, head.hash.bytes, GS_HASH_SIZE);
    gs_read_bin_exact(reader, state->tail_signature, GS_SIGNATURE_SIZE);
    state->anchor_hash = head.hash;
    memcpy(state->anchor_signature, state->tail_signature, GS_SIGNATURE_SIZE);
    int error = read_witnessed(reader, state);
    if (error == 0) {
        error = gs_witness_read(reader, &state->witness);
    }
    if (error == 0) {
        read_ends(reader, state);
    }
    if (error == 0 && reader->error == 0) {
        error = gs_vector_set(&core->applied, &head);
    }
    return error != 0 ? error : reader->error;
}

int gs_checkpoint_read(struct gs_core *core, uint64_t low, uint64_t position, struct gs_slice bytes) {
    struct gs_reader reader;
    uint8_t cluster[GS_CLUSTER_SIZE];
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    reader.nodes_left = UINT32_MAX;
    uint32_t parts = gs_read_array(&reader, 6);
    uint64_t version = gs_read_uint(&reader);
    if (version > CHECKPOINT_VERSION || version < CHECKPOINT_VERSION_BARE) {
        return GS_EVERSION;
    }
    if (parts != version + 1) {
        return GS_ECORRUPT;
    }
    gs_read_bin_exact(&reader, cluster, sizeof cluster);
    core->clock = gs_read_uint(&reader);
    if (reader.error == 0 && memcmp(cluster, core->config.cluster.bytes, sizeof cluster) != 0) {
        return GS_ECORRUPT;
    }
    int error = 0;
    for (uint32_t left = gs_read_array(&reader, GS_VECTOR_MAX); left > 0 && error == 0; left--) {
        error = reader.error != 0 ? reader.error : read_origin(core, &reader);
    }
    if (error == 0 && version >= CHECKPOINT_VERSION_OPEN) {
        error = gs_base_read_attestation(core, &reader);
    }
    if (error == 0 && version == CHECKPOINT_VERSION) {
        error = gs_closing_read(&reader, &core->closings);
        gs_closing_restored(core);
    }
    error = error != 0 ? error : gs_reader_finish(&reader);
    if (error == 0) {
        error = gs_witness_resolve(core);
    }
    if (error == 0) { /* which batch changed what is not remembered */
        error = gs_vector_copy(&core->digest.forgot, &core->applied);
    }
    core->position = low;
    core->checkpoint_position = position;
    core->truncate_low = core->attested ? low : 0;
    if (error == 0 && low < core->base_position) {
        error = GS_ECORRUPT; /* what lies between is gone */
    }
    return error == 0 || error == GS_ENOMEM || error == GS_EUNTRUSTED ? error : GS_ECORRUPT;
}

static int read_idempotency(struct gs_core *core, struct gs_reader *reader) {
    struct gs_event event = {.idempotency = {.present = true}};
    uint64_t versions[GS_EVENT_AGGREGATES_MAX];
    uint8_t name[20];
    gs_origin origin;
    gs_read_array_exact(reader, 6);
    gs_read_bin_exact(reader, name, sizeof name);
    gs_read_bin_exact(reader, event.idempotency.request, sizeof event.idempotency.request);
    gs_read_bin_exact(reader, origin.bytes, GS_ORIGIN_SIZE);
    event.seq = gs_read_uint(reader);
    event.clock = gs_read_uint(reader);
    event.change_count = gs_read_array(reader, GS_EVENT_AGGREGATES_MAX);
    for (uint32_t i = 0; reader->error == 0 && i < event.change_count; i++) {
        versions[i] = gs_read_uint(reader);
    }
    if (reader->error != 0) {
        return reader->error;
    }
    memcpy(event.idempotency.key, name, sizeof event.idempotency.key);
    event.idempotency.item =
        (uint32_t)name[16] << 24 | (uint32_t)name[17] << 16 | (uint32_t)name[18] << 8 | (uint32_t)name[19];
    return gs_idempotency_add(core, &event, &origin, versions);
}

static int read_ledger(struct gs_core *core, struct gs_reader *reader, uint64_t number) {
    gs_read_array_exact(reader, 4);
    uint64_t fingerprint = gs_read_uint(reader);
    uint32_t type_length = gs_read_u32(reader, GS_ID_BYTES_MAX);
    uint32_t id_length = gs_read_u32(reader, GS_ID_BYTES_MAX);
    struct gs_slice bytes = gs_read_bin(reader, SIZE_MAX);
    if (reader->error != 0 || bytes.length < type_length + id_length) {
        return reader->error != 0 ? reader->error : GS_ECORRUPT;
    }
    core->ledger.recorded = number - 1;
    return gs_ledger_restore(&core->ledger, fingerprint, type_length, id_length, bytes);
}

int gs_checkpoint_read_journal(struct gs_core *core, enum gs_keep_journal journal, uint64_t first, uint64_t last,
                               struct gs_slice entries) {
    struct gs_reader reader;
    gs_reader_init(&reader, entries.bytes, entries.length);
    reader.nodes_left = UINT32_MAX;
    int error = 0;
    for (uint64_t number = first; error == 0 && number <= last; number++) {
        if (journal == GS_KEEP_IDEMPOTENCY) {
            core->idempotency_number = number - 1;
            error = read_idempotency(core, &reader);
            core->idempotency_number = number;
        } else {
            error = read_ledger(core, &reader, number);
        }
    }
    if (error == 0 && journal == GS_KEEP_IDEMPOTENCY) {
        core->kept_idempotency = last;
        core->idempotency_unkept = NULL;
    } else if (error == 0) {
        core->kept_ledger = last;
    }
    error = error != 0 ? error : gs_reader_finish(&reader);
    return error == 0 || error == GS_ENOMEM ? error : GS_ECORRUPT;
}

int gs_checkpoint_read_state(struct gs_core *core, const struct gs_keep_state *state) {
    struct gs_cell *cell = gs_cell_get(core, state->type, state->id);
    struct gs_aggregate *aggregate = NULL;
    if (cell == NULL) {
        return gs_id_valid(state->type) && gs_id_valid(state->id) ? GS_ENOMEM : GS_ECORRUPT;
    }
    int error = gs_aggregate_decode(state->state.bytes, state->state.length, NULL, &aggregate);
    if (error != 0) {
        return error == GS_ENOMEM ? error : GS_ECORRUPT;
    }
    core->stats.aggregate_bytes -= gs_aggregate_bytes(cell->aggregate);
    gs_aggregate_free(cell->aggregate);
    cell->aggregate = aggregate;
    core->stats.aggregate_bytes += gs_aggregate_bytes(aggregate);
    cell->version = cell->kept_version = state->version;
    cell->updated = state->updated;
    cell->kept_position = state->position;
    cell->kept_bytes = (uint32_t)state->state.length;
    gs_digest_changed(core, cell);
    gs_compact_changed(core, cell);
    core->digest.changes_batch = core->digest.changes_own = core->digest.changes;
    return 0;
}
