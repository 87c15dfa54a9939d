/* Parts of the log that a peer asks for by origin and numbers (gossip/snapshot.h, RANGE): to put them in the place of
 * damaged ones, or to verify what lies behind a snapshot. The answer is what our log has, as records; they speak for
 * themselves. One question a peer at a time; one that comes too early is dropped, and asked again. */
#include "gossip/snapshot.h"
#include "node/core/core_impl.h"
#include "node/core/giving.h"

#include <stdlib.h>
#include <string.h>

int gs_snapshot_send(gs_peer peer, const struct gs_snapshot *snapshot, struct gs_update *update) {
    struct gs_buffer body = {0};
    struct gs_buffer message = {0};
    gs_snapshot_write(snapshot, &body);
    if (body.failed != 0) {
        gs_buffer_close(&body);
        return body.failed;
    }
    gs_message_write_snapshot(gs_slice_make(body.bytes, body.length), &message);
    gs_buffer_close(&body);
    bool bulk = snapshot->op == GS_SNAPSHOT_RECORDS || snapshot->op == GS_SNAPSHOT_CHUNK ||
                snapshot->op == GS_SNAPSHOT_CORE; /* one answer at a time: no other lane may overtake it */
    return gs_update_send_in(update, peer, bulk ? GS_LANE_BULK : GS_LANE_CONTROL, &message);
}

static int send_records(const struct gs_peer_state *peer, struct gs_slice *records, uint32_t count,
                        struct gs_update *update) {
    const struct gs_snapshot answer = {.op = GS_SNAPSHOT_RECORDS,
                                       .session = peer->range.session,
                                       .origin = peer->range.origin,
                                       .after = peer->range.after,
                                       .count = count,
                                       .records = records};
    return gs_snapshot_send(peer->id, &answer, update);
}

/* All of ours but what comes after `after` of one origin. */
static int all_but(const struct gs_core *core, const gs_origin *origin, uint64_t after, struct gs_vector *ret_have) {
    const struct gs_head head = {.origin = *origin, .seq = after};
    int error = gs_vector_copy(ret_have, &core->stored);
    if (error == 0 && after > 0) {
        error = gs_vector_set(ret_have, &head);
    } else if (error == 0) {
        gs_vector_remove(ret_have, origin);
    }
    return error;
}

int gs_ranges_ask(struct gs_core *core, struct gs_peer_state *peer, const struct gs_snapshot *ask,
                  struct gs_update *update) {
    struct gs_vector have = {0};
    if (peer->range.reading) {
        return 0;
    }
    peer->range.session = ask->session;
    peer->range.origin = ask->origin;
    peer->range.after = ask->after;
    peer->range.until = ask->until != 0 ? ask->until : UINT64_MAX;
    if (gs_vector_seq(&core->stored, &ask->origin) <= ask->after) {
        return send_records(peer, NULL, 0, update);
    }
    int error = all_but(core, &ask->origin, ask->after, &have);
    if (error == 0) {
        peer->range.reading = true;
        error = gs_update_log_read(update, peer->id | GS_CORE_RANGE_READ, &have);
    }
    gs_vector_close(&have);
    return error;
}

/* Records of the origin that lie within the range and follow each other from its beginning. */
static uint32_t collect(const struct gs_peer_state *peer, const struct gs_core_event *event, struct gs_slice *records) {
    struct gs_reader reader;
    uint64_t seq = peer->range.after;
    uint32_t count = 0;
    gs_reader_init(&reader, event->log_read.records.bytes, event->log_read.records.length);
    reader.nodes_left = UINT32_MAX;
    for (uint32_t i = 0; i < event->log_read.count && count < GS_SNAPSHOT_RECORDS_MAX; i++) {
        const uint8_t *start = reader.at;
        struct gs_record record;
        struct gs_batch_head head;
        if (gs_record_read(&reader, &record) != 0 ||
            gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0 ||
            !gs_origin_equal(&head.origin, &peer->range.origin) || head.first_seq != seq + 1 ||
            gs_batch_last_seq(&head) > peer->range.until) {
            break;
        }
        seq = gs_batch_last_seq(&head);
        records[count++] = gs_slice_make(start, (size_t)(reader.at - start));
    }
    return count;
}

int gs_ranges_log_read(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    struct gs_peer_state *peer = gs_peer_find(core, event->log_read.peer & ~GS_CORE_RANGE_READ);
    if (peer == NULL || !peer->range.reading) {
        return 0;
    }
    peer->range.reading = false;
    struct gs_slice *records = calloc(GS_SNAPSHOT_RECORDS_MAX, sizeof *records);
    if (records == NULL) {
        return GS_ENOMEM;
    }
    uint32_t count = event->log_read.error == 0 ? collect(peer, event, records) : 0;
    int error = send_records(peer, records, count, update);
    free(records);
    return error;
}

int gs_snapshot_message(struct gs_core *core, struct gs_peer_state *peer, struct gs_slice body,
                        struct gs_update *update) {
    struct gs_snapshot snapshot;
    int error = gs_snapshot_decode(body, &snapshot);
    if (error == GS_ENOMEM) {
        return error;
    }
    if (error != 0) {
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    switch (snapshot.op) {
    case GS_SNAPSHOT_ASK:
        error = gs_giving_ask(core, peer, &snapshot, update);
        break;
    case GS_SNAPSHOT_OPEN:
    case GS_SNAPSHOT_WANT:
    case GS_SNAPSHOT_PART:
        error = gs_giving_question(core, peer, &snapshot, update);
        break;
    case GS_SNAPSHOT_END:
        error = gs_giving_question(core, peer, &snapshot, update);
        error = error != 0 ? error : gs_bootstrap_answer(core, peer, &snapshot, update);
        break;
    case GS_SNAPSHOT_RANGE:
        error = gs_ranges_ask(core, peer, &snapshot, update);
        break;
    case GS_SNAPSHOT_ROOT:
    case GS_SNAPSHOT_NODES:
    case GS_SNAPSHOT_CHUNK:
    case GS_SNAPSHOT_CORE:
        core->bootstrap.bytes += core->bootstrap.active ? body.length : 0;
        error = gs_bootstrap_answer(core, peer, &snapshot, update);
        break;
    case GS_SNAPSHOT_RECORDS:
        gs_jobs_records(core, peer, &snapshot);
        break;
    }
    gs_snapshot_close(&snapshot);
    return error;
}
