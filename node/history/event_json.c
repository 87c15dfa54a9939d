#include "node/history/past.h"

#include <globalstate/json.h>

#include <inttypes.h>

static void write_text(const char *name, struct gs_slice text, struct gs_buffer *out) {
    gs_buffer_printf(out, "\"%s\":", name);
    gs_json_write_string(text.bytes, text.length, out);
}

void gs_past_event_id_write(const gs_origin *origin, uint64_t seq, struct gs_buffer *out) {
    gs_buffer_hex(out, origin->bytes, GS_ORIGIN_SIZE);
    gs_buffer_byte(out, '-');
    gs_buffer_number(out, seq);
}

/* The signature covers the whole batch, and through its chain all that the origin wrote before. */
static const char *signature_status(const struct gs_past *past, struct gs_past_record *record) {
    if (record->signature == NULL) {
        const struct gs_origin_name *origin = gs_past_origin(past, &record->head.origin);
        if (origin == NULL) {
            record->signature = "unknown_key";
        } else {
            record->signature = gs_batch_verify(&record->head, &origin->key) == 0 ? "valid" : "invalid";
        }
    }
    return record->signature;
}

/* Where the changes of event `event` begin in the record's version list. */
static uint32_t list_index(const struct gs_past_record *record, uint32_t event) {
    uint32_t index = 0;
    for (uint32_t i = 0; i < event; i++) {
        index += record->events[i].change_count;
    }
    return index;
}

static int write_clock(const struct gs_past *past, const struct gs_version_vector *vector, struct gs_buffer *out) {
    struct gs_namer namer = gs_past_namer(past);
    gs_buffer_text(out, ",\"vectorClock\":{");
    for (uint32_t i = 0; i < vector->count; i++) {
        gs_origin origin;
        int error = past->reader->methods->origin(past->reader, vector->pairs[i].origin, &origin);
        if (error != 0) {
            return error == GS_ENOTFOUND ? GS_ECORRUPT : error;
        }
        gs_buffer_text(out, i > 0 ? ",\"" : "\"");
        namer.write(namer.context, &origin, out);
        gs_buffer_printf(out, "\":%" PRIu64, vector->pairs[i].seq);
    }
    gs_buffer_byte(out, '}');
    return 0;
}

/* Without the braces: what an event did to one aggregate. */
static int write_change(const struct gs_past *past, const struct gs_past_record *record, uint32_t index,
                        const struct gs_event_change *change, struct gs_buffer *out) {
    struct gs_version_vector vector = {0};
    uint64_t version = 0;
    int error =
        gs_version_list_get(gs_slice_make(record->versions.bytes, record->versions.length), index, &version, &vector);
    if (error == 0) {
        write_text("aggregateType", change->aggregate_type, out);
        gs_buffer_byte(out, ',');
        write_text("aggregateId", change->aggregate_id, out);
        gs_buffer_printf(out, ",\"version\":%" PRIu64, version);
        error = write_clock(past, &vector, out);
    }
    if (error == 0) {
        gs_buffer_text(out, ",\"ops\":");
        gs_delta_write_json(&change->delta, out);
    }
    gs_version_vector_close(&vector);
    return error;
}

static bool is_only(const struct gs_past_only *only, const struct gs_event_change *change) {
    return gs_slice_compare(only->type, change->aggregate_type) == 0 &&
           gs_slice_compare(only->id, change->aggregate_id) == 0;
}

static bool shows(const struct gs_past_filter *filter, const struct gs_event_change *change) {
    return filter == NULL || filter->covers(filter->context, change->aggregate_type, change->aggregate_id);
}

static void write_others(const struct gs_event *event, const struct gs_past_only *only,
                         const struct gs_past_filter *filter, struct gs_buffer *out) {
    bool first = true;
    gs_buffer_text(out, ",\"alsoChanged\":[");
    for (uint32_t i = 0; i < event->change_count; i++) {
        const struct gs_event_change *change = &event->changes[i];
        if (is_only(only, change) || !shows(filter, change)) {
            continue;
        }
        gs_buffer_text(out, first ? "{" : ",{");
        write_text("aggregateType", change->aggregate_type, out);
        gs_buffer_byte(out, ',');
        write_text("aggregateId", change->aggregate_id, out);
        gs_buffer_byte(out, '}');
        first = false;
    }
    gs_buffer_byte(out, ']');
}

static int write_one(const struct gs_past *past, const struct gs_past_record *record, uint32_t number,
                     const struct gs_past_only *only, const struct gs_past_filter *filter, struct gs_buffer *out) {
    const struct gs_event *event = &record->events[number];
    uint32_t index = list_index(record, number);
    for (uint32_t i = 0; i < event->change_count; i++) {
        if (is_only(only, &event->changes[i])) {
            int error = write_change(past, record, index + i, &event->changes[i], out);
            if (error == 0 && event->change_count > 1) {
                write_others(event, only, filter, out);
            }
            return error;
        }
    }
    return GS_ECORRUPT; /* the index led to an event that did not change the aggregate */
}

static int write_several(const struct gs_past *past, const struct gs_past_record *record, uint32_t number,
                         const struct gs_past_filter *filter, struct gs_buffer *out) {
    const struct gs_event *event = &record->events[number];
    uint32_t index = list_index(record, number);
    bool first = true;
    int error = 0;
    gs_buffer_text(out, "\"changes\":[");
    for (uint32_t i = 0; error == 0 && i < event->change_count; i++) {
        if (shows(filter, &event->changes[i])) {
            gs_buffer_text(out, first ? "{" : ",{");
            error = write_change(past, record, index + i, &event->changes[i], out);
            gs_buffer_byte(out, '}');
            first = false;
        }
    }
    gs_buffer_byte(out, ']');
    return error;
}

static void write_member(const char *name, struct gs_slice map, struct gs_buffer *out) {
    struct gs_slice value = gs_map_get(map, name);
    if (value.bytes != NULL) {
        gs_buffer_printf(out, ",\"%s\":", name);
        gs_json_write(value, out);
    }
}

static void write_data(const struct gs_event *event, struct gs_buffer *out) {
    bool erased = event->has_detached && event->detached.length == 0;
    if (event->detached.length == 0 || gs_map_get(event->detached, "data").bytes == NULL) {
        gs_buffer_text(out, ",\"data\":{}");
    }
    if (event->detached.length > 0) {
        write_member("data", event->detached, out);
        write_member("metadata", event->detached, out);
    }
    gs_buffer_text(out, erased ? ",\"dataErased\":true" : "");
}

static uint32_t count_shown(const struct gs_event *event, const struct gs_past_filter *filter) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < event->change_count; i++) {
        count += shows(filter, &event->changes[i]) ? 1 : 0;
    }
    return count;
}

int gs_past_event_write(const struct gs_past *past, struct gs_past_record *record, uint32_t number,
                        const struct gs_past_only *only, const struct gs_past_filter *filter, struct gs_buffer *out,
                        bool *ret_shown) {
    if (number >= record->head.count) {
        return GS_ECORRUPT;
    }
    const struct gs_event *event = &record->events[number];
    *ret_shown = only != NULL || count_shown(event, filter) > 0;
    if (!*ret_shown) {
        return 0;
    }
    char time[25];
    gs_hlc_format(event->clock, time);
    gs_buffer_text(out, "{\"eventId\":\"");
    gs_past_event_id_write(&record->head.origin, event->seq, out);
    gs_buffer_text(out, "\",");
    write_text("eventType", event->event_type, out);
    gs_buffer_byte(out, ',');
    const struct gs_past_only first = {.type = event->changes[0].aggregate_type, .id = event->changes[0].aggregate_id};
    int error = only != NULL               ? write_one(past, record, number, only, filter, out)
                : event->change_count == 1 ? write_one(past, record, number, &first, filter, out)
                                           : write_several(past, record, number, filter, out);
    if (error != 0) {
        return error;
    }
    struct gs_namer namer = gs_past_namer(past);
    gs_buffer_text(out, ",\"region\":\"");
    namer.write(namer.context, &record->head.origin, out);
    gs_buffer_printf(out, "\",\"seq\":%" PRIu64 ",\"timestamp\":\"%s\",", event->seq, time);
    write_text("actor", event->actor, out);
    write_data(event, out);
    gs_buffer_printf(out, ",\"signature\":\"%s\",\"position\":%" PRIu64 "}", signature_status(past, record),
                     record->position);
    return out->failed;
}
