#include "gossip/batch_impl.h"

static void read_idempotency(struct gs_reader *reader, struct gs_idempotency *ret_idempotency) {
    if (gs_peek_kind(reader) == GS_KIND_NIL) {
        gs_read_nil(reader);
        return;
    }
    ret_idempotency->present = true;
    gs_read_array_exact(reader, 3);
    gs_read_bin_exact(reader, ret_idempotency->key, sizeof ret_idempotency->key);
    ret_idempotency->item = gs_read_u32(reader, UINT32_MAX);
    gs_read_bin_exact(reader, ret_idempotency->request, sizeof ret_idempotency->request);
}

static void read_detached_hash(struct gs_reader *reader, struct gs_event *event) {
    if (gs_peek_kind(reader) == GS_KIND_NIL) {
        gs_read_nil(reader);
        return;
    }
    event->has_detached = true;
    gs_read_bin_exact(reader, event->detached_hash.bytes, sizeof event->detached_hash.bytes);
}

static int read_changes(struct gs_reader *reader, const struct gs_batch_head *head, const struct gs_origin_table *table,
                        struct gs_arena *arena, struct gs_event *event) {
    uint32_t count = gs_read_array(reader, GS_EVENT_AGGREGATES_MAX);
    if (reader->error != 0 || count == 0) {
        return reader->error;
    }
    struct gs_event_change *changes = gs_arena_alloc(arena, count * sizeof *changes);
    if (changes == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        changes[i] = (struct gs_event_change){0};
        gs_read_array_exact(reader, 3);
        changes[i].aggregate_type = gs_read_str(reader, GS_ID_BYTES_MAX);
        changes[i].aggregate_id = gs_read_str(reader, GS_ID_BYTES_MAX);
        if (reader->error != 0) {
            return reader->error;
        }
        changes[i].delta.origin = head->origin;
        changes[i].delta.seq = event->seq;
        changes[i].delta.clock = event->clock;
        int error = gs_delta_decode(reader, table, arena, &changes[i].delta);
        if (error != 0) {
            return error;
        }
    }
    event->changes = changes;
    event->change_count = count;
    return 0;
}

static int read_event(struct gs_reader *reader, const struct gs_batch_head *head, uint64_t seq,
                      const struct gs_origin_table *table, struct gs_arena *arena, struct gs_event *ret_event) {
    struct gs_event event = {.seq = seq};
    gs_read_array_exact(reader, 6);
    uint64_t after = gs_read_uint(reader);
    if (after > UINT64_MAX - head->clock_first) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    event.clock = head->clock_first + after;
    event.event_type = gs_read_str(reader, GS_ID_BYTES_MAX);
    event.actor = gs_read_str(reader, GS_ACTOR_BYTES_MAX);
    read_idempotency(reader, &event.idempotency);
    read_detached_hash(reader, &event);
    int error = read_changes(reader, head, table, arena, &event);
    if (error == 0) {
        error = gs_event_check(&event, &head->origin);
    }
    if (error != 0) {
        return error;
    }
    *ret_event = event;
    return 0;
}

int gs_event_decode(struct gs_reader *reader, const struct gs_batch_head *head, uint64_t seq,
                    const struct gs_origin_table *table, struct gs_arena *arena, struct gs_event *ret_event) {
    /* No count in an event may promise more than an event holds, however long the rest of the batch is. */
    const uint8_t *end = reader->end;
    if (end - reader->at > GS_EVENT_BYTES_MAX) {
        reader->end = reader->at + GS_EVENT_BYTES_MAX;
    }
    int error = read_event(reader, head, seq, table, arena, ret_event);
    reader->end = end;
    return error;
}
