#include "node/http/event_item.h"

#include "node/http/text.h"

#include <globalstate/hlc.h>
#include <globalstate/json.h>

static void write_text(const char *name, struct gs_slice text, struct gs_buffer *out) {
    gs_buffer_byte(out, '"');
    gs_buffer_text(out, name);
    gs_buffer_text(out, "\":");
    gs_json_write_string(text.bytes, text.length, out);
}

static void write_aggregate(const struct gs_write_change *change, struct gs_buffer *out) {
    write_text("aggregateType", change->aggregate_type, out);
    gs_buffer_byte(out, ',');
    write_text("aggregateId", change->aggregate_id, out);
}

/* Without the braces: version, vector and ops of one aggregate. */
static void write_change(const struct gs_change_result *result, struct gs_slice ops, struct gs_buffer *out) {
    gs_buffer_text(out, "\"version\":");
    gs_buffer_number(out, result->version);
    gs_buffer_text(out, ",\"vectorClock\":");
    gs_buffer_text(out, result->vector_json != NULL ? result->vector_json : "{}");
    gs_buffer_text(out, ",\"ops\":");
    if (ops.bytes != NULL) {
        gs_json_write(ops, out);
    } else {
        gs_buffer_text(out, "[]");
    }
}

static void write_changes(const struct gs_event_item *item, const struct gs_write *write,
                          const struct gs_write_result *result, struct gs_buffer *out) {
    gs_buffer_text(out, ",\"changes\":[");
    for (uint32_t i = 0; i < write->change_count; i++) {
        gs_buffer_text(out, i > 0 ? ",{" : "{");
        write_aggregate(&write->changes[i], out);
        gs_buffer_byte(out, ',');
        write_change(&result->changes[i], item->ops[i], out);
        gs_buffer_byte(out, '}');
    }
    gs_buffer_byte(out, ']');
}

/* Opaque to clients; unique, because an origin numbers its events. */
static void write_id(const struct gs_write_result *result, struct gs_buffer *out) {
    gs_buffer_text(out, "\"eventId\":\"");
    gs_buffer_hex(out, result->origin.bytes, GS_ORIGIN_SIZE);
    gs_buffer_byte(out, '-');
    gs_buffer_number(out, result->seq);
    gs_buffer_byte(out, '"');
}

void gs_event_item_write(const struct gs_http_request *request, const struct gs_event_item *item,
                         const struct gs_write *write, const struct gs_write_result *result, struct gs_buffer *out) {
    char time[25];
    gs_hlc_format(result->clock, time);
    gs_buffer_byte(out, '{');
    write_id(result, out);
    gs_buffer_byte(out, ',');
    write_text("eventType", write->event_type, out);
    if (item->several) {
        write_changes(item, write, result, out);
    } else {
        gs_buffer_byte(out, ',');
        write_aggregate(&write->changes[0], out);
        gs_buffer_byte(out, ',');
        write_change(&result->changes[0], item->ops[0], out);
    }
    gs_buffer_byte(out, ',');
    write_text("region", gs_text_slice(result->region != NULL ? result->region : request->context->region), out);
    gs_buffer_text(out, ",\"seq\":");
    gs_buffer_number(out, result->seq);
    gs_buffer_text(out, ",\"timestamp\":\"");
    gs_buffer_text(out, time);
    gs_buffer_text(out, "\",");
    write_text("actor", write->actor, out);
    gs_buffer_text(out, ",\"data\":");
    if (item->data.bytes != NULL) {
        gs_json_write(item->data, out);
    } else {
        gs_buffer_text(out, "{}");
    }
    if (item->metadata.bytes != NULL) {
        gs_buffer_text(out, ",\"metadata\":");
        gs_json_write(item->metadata, out);
    }
    if (result->unchanged) {
        gs_buffer_text(out, ",\"unchanged\":true");
    }
    gs_buffer_byte(out, '}');
}
