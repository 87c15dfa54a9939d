#include "gossip/batch_impl.h"

static void write_idempotency(const struct gs_idempotency *idempotency, struct gs_buffer *out) {
    if (!idempotency->present) {
        gs_write_nil(out);
        return;
    }
    gs_write_array(out, 3);
    gs_write_bin(out, idempotency->key, sizeof idempotency->key);
    gs_write_uint(out, idempotency->item);
    gs_write_bin(out, idempotency->request, sizeof idempotency->request);
}

int gs_event_encode(const struct gs_event *event, gs_hlc clock_first, const gs_hash *detached_hash,
                    struct gs_origin_table *table, struct gs_buffer *out) {
    gs_write_array(out, 6);
    gs_write_uint(out, event->clock - clock_first);
    gs_write_str(out, event->event_type.bytes, event->event_type.length);
    gs_write_str(out, event->actor.bytes, event->actor.length);
    write_idempotency(&event->idempotency, out);
    if (detached_hash != NULL) {
        gs_write_bin(out, detached_hash->bytes, sizeof detached_hash->bytes);
    } else {
        gs_write_nil(out);
    }
    gs_write_array(out, event->change_count);
    for (uint32_t i = 0; i < event->change_count; i++) {
        const struct gs_event_change *change = &event->changes[i];
        gs_write_array(out, 3);
        gs_write_str(out, change->aggregate_type.bytes, change->aggregate_type.length);
        gs_write_str(out, change->aggregate_id.bytes, change->aggregate_id.length);
        int error = gs_delta_encode(&change->delta, table, out);
        if (error != 0) {
            return error;
        }
    }
    return out->failed;
}
