#include "gossip/batch_impl.h"

#include <assert.h>

/* What surrounds events and detached data at its largest, so that whatever was added can be sealed with any deps. */
enum {
    ARRAY_HEAD_MAX = 5,
    ORIGIN_BYTES = 2 + GS_ORIGIN_SIZE,
    BATCH_FRAME = GS_BATCH_HEAD_SIZE + GS_BATCH_DEPS_MAX * GS_BATCH_DEP_SIZE + 3 * ARRAY_HEAD_MAX + GS_SIGNATURE_SIZE,
    RECORD_FRAME = 3 * ARRAY_HEAD_MAX,
    DETACHED_FRAME = 2 * ARRAY_HEAD_MAX
};

static_assert(BATCH_FRAME + GS_ORIGIN_TABLE_MAX * ORIGIN_BYTES + GS_EVENT_BYTES_MAX <= GS_BATCH_BYTES_MAX,
              "any event fits an empty batch");
static_assert(GS_BATCH_BYTES_MAX + RECORD_FRAME + DETACHED_FRAME + GS_DETACHED_BYTES_MAX <= GS_RECORD_BYTES_MAX,
              "any event fits an empty record with its data");

void gs_batch_writer_begin(struct gs_batch_writer *writer, const gs_origin *origin, uint64_t first_seq) {
    writer->origin = *origin;
    writer->first_seq = first_seq;
    writer->events.length = 0;
    writer->detached.length = 0;
    writer->origins.count = 0;
    writer->count = 0;
    writer->detached_count = 0;
    writer->clock_first = 0;
    writer->clock_last = 0;
}

void gs_batch_writer_close(struct gs_batch_writer *writer) {
    if (writer == NULL) {
        return;
    }
    gs_buffer_close(&writer->events);
    gs_buffer_close(&writer->detached);
    gs_origin_table_close(&writer->origins);
    *writer = (struct gs_batch_writer){0};
}

/* What peers would refuse is not signed in the first place. */
static int check_input(const struct gs_batch_writer *writer, const struct gs_event *event) {
    if (event->seq != writer->first_seq + writer->count || event->seq < 1 || event->seq > GS_SEQ_MAX ||
        (writer->count > 0 && event->clock <= writer->clock_last)) {
        return GS_EINVAL;
    }
    int error = gs_event_check(event, &writer->origin);
    if (error == 0 && event->has_detached && event->detached.length > 0) {
        error = gs_detached_check(event->detached);
    }
    return error == GS_EFORMAT || error == GS_EOVERCLAIM ? GS_EINVAL : error;
}

static int append_event(struct gs_batch_writer *writer, const struct gs_event *event) {
    gs_hash hash = event->detached_hash;
    bool carries = event->has_detached && event->detached.length > 0;
    if (carries) {
        gs_detached_hash(event->detached, &hash);
        gs_write_uint(&writer->detached, writer->count);
        gs_write_bin(&writer->detached, event->detached.bytes, event->detached.length);
    }
    gs_hlc clock_first = writer->count == 0 ? event->clock : writer->clock_first;
    int error =
        gs_event_encode(event, clock_first, event->has_detached ? &hash : NULL, &writer->origins, &writer->events);
    return error != 0 ? error : writer->detached.failed;
}

static bool has_room(const struct gs_batch_writer *writer) {
    size_t batch = BATCH_FRAME + (size_t)writer->origins.count * ORIGIN_BYTES + writer->events.length;
    size_t record = batch + RECORD_FRAME + writer->detached.length;
    return batch <= GS_BATCH_BYTES_MAX && record <= GS_RECORD_BYTES_MAX;
}

static void roll_back(struct gs_buffer *buffer, size_t length) {
    buffer->length = length;
    buffer->failed = 0;
}

int gs_batch_writer_add(struct gs_batch_writer *writer, const struct gs_event *event) {
    int error = check_input(writer, event);
    if (error != 0) {
        return error;
    }
    if (writer->count >= GS_BATCH_EVENTS_MAX) {
        return GS_EBUSY;
    }
    const size_t events_length = writer->events.length;
    const size_t detached_length = writer->detached.length;
    const uint32_t origin_count = writer->origins.count;
    error = append_event(writer, event);
    if (error == GS_ETOOBIG && origin_count > 1 && writer->origins.count >= GS_ORIGIN_TABLE_MAX) {
        error = GS_EBUSY; /* the table was filled by other events: an empty batch may have room for this one */
    }
    if (error == 0 && writer->events.length - events_length > GS_EVENT_BYTES_MAX) {
        error = GS_ETOOBIG;
    }
    if (error == 0 && !has_room(writer)) {
        error = GS_EBUSY;
    }
    if (error != 0) {
        roll_back(&writer->events, events_length);
        roll_back(&writer->detached, detached_length);
        writer->origins.count = origin_count;
        return error;
    }
    writer->clock_first = writer->count == 0 ? event->clock : writer->clock_first;
    writer->clock_last = event->clock;
    writer->count++;
    writer->detached_count += event->has_detached && event->detached.length > 0;
    return 0;
}
