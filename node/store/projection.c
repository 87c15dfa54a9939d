#include "node/store/projection.h"

#include <globalstate/aggregate.h>

#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 2 * GS_ID_BYTES_MAX + 1 };

struct aggregate {
    struct gs_table_entry entry; /* key: "type/id" */
    uint64_t number;
    uint64_t version;
    struct gs_version_vector vector;
    uint8_t key[];
};

static struct aggregate *load(struct gs_projection *projection, const struct gs_event_change *change, int *ret_error) {
    uint8_t bytes[KEY_BYTES_MAX];
    size_t length = change->aggregate_type.length + 1 + change->aggregate_id.length;
    memcpy(bytes, change->aggregate_type.bytes, change->aggregate_type.length);
    bytes[change->aggregate_type.length] = '/';
    memcpy(bytes + change->aggregate_type.length + 1, change->aggregate_id.bytes, change->aggregate_id.length);
    struct aggregate *found = (struct aggregate *)gs_table_find(&projection->aggregates, gs_slice_make(bytes, length));
    if (found != NULL) {
        return found;
    }
    struct aggregate *aggregate = calloc(1, sizeof *aggregate + length);
    if (aggregate == NULL) {
        *ret_error = GS_ENOMEM;
        return NULL;
    }
    memcpy(aggregate->key, bytes, length);
    aggregate->entry.key = gs_slice_make(aggregate->key, length);
    int error = projection->sink.load(projection->sink.context, change->aggregate_type, change->aggregate_id,
                                      &aggregate->number, &aggregate->version, &aggregate->vector);
    if (error == 0) {
        error = gs_table_insert(&projection->aggregates, &aggregate->entry);
    }
    if (error != 0) {
        gs_version_vector_close(&aggregate->vector);
        free(aggregate);
        *ret_error = error;
        return NULL;
    }
    return aggregate;
}

static int index_change(struct gs_projection *projection, const struct gs_event_change *change, uint32_t origin,
                        struct gs_history_entry *entry, struct gs_buffer *list) {
    int error = 0;
    struct aggregate *aggregate = load(projection, change, &error);
    if (aggregate == NULL) {
        return error;
    }
    error = gs_version_vector_set(&aggregate->vector, origin, change->delta.seq);
    if (error != 0) {
        return error;
    }
    entry->version = ++aggregate->version;
    gs_version_number_write(aggregate->version, list);
    gs_version_vector_write(&aggregate->vector, list);
    projection->events++;
    return projection->sink.event(projection->sink.context, aggregate->number, entry);
}

static int index_events(struct gs_projection *projection, uint64_t position, const struct gs_batch_head *head,
                        const struct gs_event *events, struct gs_buffer *list) {
    uint32_t origin = 0;
    int error = projection->sink.origin(projection->sink.context, &head->origin, &origin);
    for (uint32_t i = 0; error == 0 && i < head->count; i++) {
        struct gs_history_entry entry = {.position = position, .event = i, .clock = events[i].clock};
        for (uint32_t j = 0; error == 0 && j < events[i].change_count; j++) {
            error = index_change(projection, &events[i].changes[j], origin, &entry, list);
        }
    }
    return error != 0 ? error : list->failed;
}

int gs_projection_record(struct gs_projection *projection, uint64_t position, struct gs_slice bytes) {
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    struct gs_buffer list = {0};
    int error = gs_record_parse(bytes, &record);
    if (error == 0) {
        error = gs_batch_parse_head(record.batch.bytes, record.batch.length, &head);
    }
    if (error == 0) {
        error = gs_batch_decode(&head, &arena, &events);
    }
    if (error != 0 && error != GS_ENOMEM) {
        error = GS_ECORRUPT;
    }
    if (error == 0) {
        error = index_events(projection, position, &head, events, &list);
    }
    if (error == 0) {
        error = projection->sink.versions(projection->sink.context, position, gs_slice_make(list.bytes, list.length));
    }
    projection->events++; /* records without events cost something, too */
    gs_buffer_close(&list);
    gs_arena_close(&arena);
    return error;
}

int gs_projection_vector(const struct gs_projection_sink *sink, struct gs_slice state,
                         struct gs_version_vector *vector) {
    struct gs_aggregate *aggregate = NULL;
    int error = gs_aggregate_decode_context(state.bytes, state.length, NULL, &aggregate);
    if (error != 0) {
        return error == GS_ENOMEM ? error : GS_ECORRUPT;
    }
    const struct gs_context *context = gs_aggregate_context(aggregate);
    for (uint32_t i = 0; error == 0 && i < context->count; i++) {
        uint32_t origin = 0;
        error = sink->origin(sink->context, &context->entries[i].origin, &origin);
        if (error == 0) {
            error = gs_version_vector_set(vector, origin, gs_context_seq(context, &context->entries[i].origin));
        }
    }
    gs_aggregate_free(aggregate);
    return error;
}

int gs_projection_state(const struct gs_projection_sink *sink, const struct gs_keep_state *state) {
    struct gs_version_vector vector = {0};
    uint64_t number = 0;
    uint64_t version = 0;
    int error = sink->load(sink->context, state->type, state->id, &number, &version, &vector);
    if (error == 0) {
        error = gs_projection_vector(sink, gs_slice_make(state->state.bytes, state->state.length), &vector);
    }
    if (error == 0) {
        error = sink->store(sink->context, number, state->version, &vector);
    }
    gs_version_vector_close(&vector);
    return error;
}

int gs_projection_finish(struct gs_projection *projection) {
    int error = 0;
    for (struct gs_table_entry *entry = gs_table_next(&projection->aggregates, NULL); error == 0 && entry != NULL;
         entry = gs_table_next(&projection->aggregates, entry)) {
        const struct aggregate *aggregate = (const struct aggregate *)entry;
        error =
            projection->sink.store(projection->sink.context, aggregate->number, aggregate->version, &aggregate->vector);
    }
    return error;
}

void gs_projection_reset(struct gs_projection *projection) {
    struct gs_table_entry *entry = gs_table_next(&projection->aggregates, NULL);
    while (entry != NULL) {
        struct aggregate *aggregate = (struct aggregate *)entry;
        entry = gs_table_next(&projection->aggregates, entry);
        gs_version_vector_close(&aggregate->vector);
        free(aggregate);
    }
    gs_table_close(&projection->aggregates);
    projection->events = 0;
}
