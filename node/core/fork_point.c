/* Where the histories of a forked origin part. Two nodes that hold different ones compare the batches that hold the
 * same event, one after another: equal batches have equal pasts, so the first difference lies behind; different ones
 * have it in them or before. Each step reads one record at both ends, and halves what is left. What a peer says steers
 * the search alone: what it ends with is checked like every proof (gossip/fork.h). */
#include "node/core/core_impl.h"

#include "gossip/fork.h"

#include <string.h>

enum { ANSWER_TIMEOUT_MS = 3000 };

static int parse(struct gs_slice bytes, struct gs_record *ret_record, struct gs_batch_head *ret_head) {
    int error = gs_record_parse(bytes, ret_record);
    return error != 0 ? error : gs_batch_parse_head(ret_record->batch.bytes, ret_record->batch.length, ret_head);
}

static bool holds(const struct gs_batch_head *head, const gs_origin *origin, uint64_t seq) {
    return gs_origin_equal(&head->origin, origin) && head->first_seq <= seq && seq <= gs_batch_last_seq(head);
}

int gs_fork_read_begin(struct gs_core *core, enum gs_fork_reader reader, const gs_origin *origin, uint64_t seq,
                       gs_peer peer, struct gs_update *update) {
    struct gs_fork_read *read = &core->fork_log_read;
    bool busy = read->reader != GS_FORK_READS_NOT && core->mono_ms < read->until_mono_ms;
    if (busy || seq < 1 || seq > gs_vector_seq(&core->stored, origin)) {
        return GS_EBUSY;
    }
    struct gs_vector have = {0};
    struct gs_head before = {.origin = *origin, .seq = seq - 1};
    int error = gs_vector_copy(&have, &core->stored);
    if (error == 0 && before.seq > 0) {
        error = gs_vector_set(&have, &before);
    } else if (error == 0) {
        gs_vector_remove(&have, origin);
    }
    if (error == 0) {
        error = gs_update_log_read(update, GS_CORE_FORK_READ, &have);
    }
    gs_vector_close(&have);
    if (error == 0) {
        *read = (struct gs_fork_read){.reader = reader,
                                      .origin = *origin,
                                      .seq = seq,
                                      .peer = peer,
                                      .until_mono_ms = core->mono_ms + ANSWER_TIMEOUT_MS};
    }
    return error;
}

static void end_search(struct gs_core *core) {
    gs_buffer_close(&core->fork_search.theirs);
    core->fork_search.active = false;
}

static int ask(struct gs_core *core, uint64_t seq, struct gs_update *update) {
    struct gs_fork_search *search = &core->fork_search;
    struct gs_buffer message = {0};
    gs_buffer_close(&search->theirs);
    search->asked = seq;
    search->until_mono_ms = core->mono_ms + ANSWER_TIMEOUT_MS;
    gs_message_write_fork_ask(&search->origin, seq, &message);
    return gs_update_send(update, search->peer, &message);
}

/* Half of what is left. Nothing left: the peer has the history that we have, as far as both go. */
static int ask_next(struct gs_core *core, struct gs_update *update) {
    struct gs_fork_search *search = &core->fork_search;
    if (search->low >= search->high) {
        end_search(core);
        return 0;
    }
    return ask(core, search->low + (search->high - search->low + 1) / 2, update);
}

static int found(struct gs_core *core, const struct gs_record *ours, const struct gs_record *theirs,
                 struct gs_update *update) {
    struct gs_origin_state *origin = gs_registry_find(core, &core->fork_search.origin);
    const struct gs_peer_state *peer = gs_peer_find(core, core->fork_search.peer);
    struct gs_batch_head a, b;
    bool proves = origin != NULL && gs_batch_parse_head(ours->batch.bytes, ours->batch.length, &a) == 0 &&
                  gs_batch_parse_head(theirs->batch.bytes, theirs->batch.length, &b) == 0 &&
                  gs_fork_check(&a, &b, &origin->key) == 0;
    if (proves && peer != NULL) {
        memcpy(origin->other_holder, peer->region, sizeof origin->other_holder);
    }
    int error = proves ? gs_forks_prove(core, origin, ours, theirs, update) : 0;
    end_search(core);
    return error;
}

/* Both records hold the event that was asked for. */
static int compare(struct gs_core *core, struct gs_slice bytes, struct gs_update *update) {
    struct gs_fork_search *search = &core->fork_search;
    struct gs_record ours, theirs;
    struct gs_batch_head a, b;
    if (parse(bytes, &ours, &a) != 0 || !holds(&a, &search->origin, search->asked) ||
        parse(gs_slice_make(search->theirs.bytes, search->theirs.length), &theirs, &b) != 0) {
        end_search(core);
        return 0;
    }
    if (memcmp(a.hash.bytes, b.hash.bytes, GS_HASH_SIZE) == 0) {
        search->low = gs_batch_last_seq(&a);
        return ask_next(core, update);
    }
    if (a.first_seq == b.first_seq && memcmp(a.prev_hash.bytes, b.prev_hash.bytes, GS_HASH_SIZE) == 0) {
        return found(core, &ours, &theirs, update);
    }
    if (a.first_seq == b.first_seq) {
        search->high = a.first_seq - 1;
        return ask_next(core, update);
    }
    /* They begin apart: somewhere at or before the earlier one's first event. */
    search->high = a.first_seq < b.first_seq ? a.first_seq : b.first_seq;
    if (search->high <= search->low) {
        end_search(core);
        return 0;
    }
    return ask(core, search->high, update);
}

static int answer_peer(struct gs_core *core, const struct gs_fork_read *read, struct gs_slice bytes,
                       struct gs_update *update) {
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_buffer bare = {0};
    struct gs_buffer message = {0};
    if (gs_peer_find(core, read->peer) == NULL) {
        return 0;
    }
    if (bytes.length > 0 && parse(bytes, &record, &head) == 0 && holds(&head, &read->origin, read->seq)) {
        gs_forks_write_bare(&record, &bare);
    }
    gs_message_write_fork_say(&read->origin, read->seq, gs_slice_make(bare.bytes, bare.length), &message);
    gs_buffer_close(&bare);
    return gs_update_send(update, read->peer, &message);
}

/* Which branch is ours: its first batch. */
static void note_branch(struct gs_core *core, const struct gs_fork_read *read, struct gs_slice bytes) {
    struct gs_origin_state *origin = gs_registry_find(core, &read->origin);
    struct gs_record record;
    struct gs_batch_head head;
    if (origin != NULL && bytes.length > 0 && parse(bytes, &record, &head) == 0 &&
        holds(&head, &read->origin, read->seq)) {
        origin->has_here = true;
        origin->here = head.hash;
    }
}

/* The event after the point of a fork that is located; 0: it is not. */
static uint64_t first_apart(const struct gs_origin_state *origin) {
    struct gs_message message = {0};
    struct gs_record record;
    struct gs_batch_head head;
    uint64_t seq = 0;
    if (origin->located && gs_message_decode(origin->proof.bytes, origin->proof.length, &message) == 0) {
        bool parsed = parse(message.records[0], &record, &head) == 0;
        seq = parsed ? head.first_seq : 0;
        gs_message_close(&message);
    }
    return seq;
}

static int learn_branches(struct gs_core *core, struct gs_update *update) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        if (!origin->located || origin->has_here || !origin->forked) {
            continue;
        }
        uint64_t seq = first_apart(origin);
        int error = seq > 0 ? gs_fork_read_begin(core, GS_FORK_READS_FOR_BRANCH, &origin->origin, seq, 0, update) : 0;
        if (error != 0 && error != GS_EBUSY) {
            return error;
        }
    }
    return 0;
}

int gs_fork_read_done(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    struct gs_fork_read read = core->fork_log_read;
    struct gs_reader reader;
    struct gs_record record;
    struct gs_slice bytes = {0};
    core->fork_log_read.reader = GS_FORK_READS_NOT;
    gs_reader_init(&reader, event->log_read.records.bytes, event->log_read.records.length);
    const uint8_t *start = reader.at;
    if (event->log_read.error == 0 && event->log_read.count > 0 && gs_record_read(&reader, &record) == 0) {
        bytes = gs_slice_make(start, (size_t)(reader.at - start));
    }
    switch (read.reader) {
    case GS_FORK_READS_FOR_PEER:
        return answer_peer(core, &read, bytes, update);
    case GS_FORK_READS_FOR_SEARCH:
        return core->fork_search.active && gs_origin_equal(&core->fork_search.origin, &read.origin) &&
                       core->fork_search.asked == read.seq && core->fork_search.theirs.length > 0
                   ? compare(core, bytes, update)
                   : 0;
    case GS_FORK_READS_FOR_BRANCH:
        note_branch(core, &read, bytes);
        return 0;
    case GS_FORK_READS_FOR_DECISION:
        return gs_decision_read(core, &read.origin, read.seq, bytes);
    case GS_FORK_READS_NOT:
        break;
    }
    return 0;
}

/* A peer asks for our batch: read from the log, one at a time; who gets no answer asks again. */
int gs_fork_asked(struct gs_core *core, const struct gs_peer_state *peer, const struct gs_message *message,
                  struct gs_update *update) {
    uint64_t stored = gs_vector_seq(&core->stored, &message->origin);
    if (message->seq > stored) {
        struct gs_buffer none = {0};
        gs_message_write_fork_say(&message->origin, message->seq, (struct gs_slice){0}, &none);
        return gs_update_send(update, peer->id, &none);
    }
    int error = gs_fork_read_begin(core, GS_FORK_READS_FOR_PEER, &message->origin, message->seq, peer->id, update);
    return error == GS_EBUSY ? 0 : error;
}

int gs_fork_told(struct gs_core *core, const struct gs_peer_state *peer, const struct gs_message *message,
                 struct gs_update *update) {
    struct gs_fork_search *search = &core->fork_search;
    struct gs_record record;
    struct gs_batch_head head;
    if (!search->active || search->peer != peer->id || !gs_origin_equal(&search->origin, &message->origin) ||
        search->asked != message->seq || search->theirs.length > 0) {
        return 0;
    }
    if (message->record_count == 0) { /* its history ends before that */
        search->high = search->asked - 1;
        return ask_next(core, update);
    }
    if (parse(message->records[0], &record, &head) != 0 || !holds(&head, &search->origin, search->asked)) {
        end_search(core);
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    gs_forks_write_bare(&record, &search->theirs);
    if (search->theirs.failed != 0) {
        return GS_ENOMEM;
    }
    int error = gs_fork_read_begin(core, GS_FORK_READS_FOR_SEARCH, &search->origin, search->asked, peer->id, update);
    if (error == GS_EBUSY) {
        end_search(core); /* begun again with the next tick */
    }
    return error == GS_EBUSY ? 0 : error;
}

/* The next peer that has told of the origin, and does not say that it has what we have. */
static const struct gs_peer_state *choose_peer(struct gs_core *core, const struct gs_head *ours) {
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct gs_peer_state *peer = &core->peers[core->fork_search.turn++ % core->peer_count];
        const struct gs_head *told = gs_vector_find(&peer->told, &ours->origin);
        bool same = told != NULL && told->seq == ours->seq && memcmp(&told->hash, &ours->hash, GS_HASH_SIZE) == 0;
        if (told != NULL && !same) {
            return peer;
        }
    }
    return NULL;
}

int gs_fork_search_tick(struct gs_core *core, struct gs_update *update) {
    struct gs_fork_search *search = &core->fork_search;
    int learnt = learn_branches(core, update);
    if (learnt != 0) {
        return learnt;
    }
    if (search->active && core->mono_ms >= search->until_mono_ms) {
        end_search(core);
    }
    for (uint32_t i = 0; i < core->origin_count && !search->active; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        const struct gs_head *ours = gs_vector_find(&core->stored, &origin->origin);
        if (!origin->forked || origin->located || origin->evidence.length > 0 || ours == NULL ||
            gs_decision_find(core, &origin->origin) != NULL) {
            continue;
        }
        const struct gs_peer_state *peer = choose_peer(core, ours);
        if (peer == NULL) {
            continue;
        }
        uint64_t theirs = gs_vector_seq(&peer->told, &ours->origin);
        uint32_t turn = search->turn;
        *search = (struct gs_fork_search){.active = true,
                                          .origin = ours->origin,
                                          .peer = peer->id,
                                          .high = ours->seq < theirs ? ours->seq : theirs,
                                          .turn = turn};
        int error = ask(core, search->high, update);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

void gs_fork_search_close(struct gs_core *core) {
    end_search(core);
}
