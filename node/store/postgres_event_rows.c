#include "node/store/postgres_copy.h"
#include "node/store/postgres_project.h"
#include "node/store/projection.h"

#include <globalstate/json.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENT_COLUMNS = 17, KEY_BYTES_MAX = 2 * GS_ID_BYTES_MAX + 1, MS_PER_SECOND = 1000 };

/* What the projection said of one change of the record under way. */
struct change {
    uint64_t aggregate;
    struct gs_history_entry entry;
};

struct known {
    struct gs_table_entry entry; /* key: "type/id" */
    uint64_t number;
    uint64_t version;
    size_t key_length;
    size_t vector_length;
    uint8_t bytes[]; /* key, vector */
};

static struct gs_slice key_of(struct gs_slice type, struct gs_slice id, uint8_t bytes[KEY_BYTES_MAX]) {
    memcpy(bytes, type.bytes, type.length);
    bytes[type.length] = '/';
    memcpy(bytes + type.length + 1, id.bytes, id.length);
    return gs_slice_make(bytes, type.length + 1 + id.length);
}

int gs_pg_slice_know(struct gs_pg_slice *slice, struct gs_slice type, struct gs_slice id, uint64_t number,
                     uint64_t version, struct gs_slice vector) {
    uint8_t bytes[KEY_BYTES_MAX];
    if (type.length > GS_ID_BYTES_MAX || id.length > GS_ID_BYTES_MAX) {
        return GS_ECORRUPT;
    }
    struct gs_slice key = key_of(type, id, bytes);
    struct known *known = malloc(sizeof *known + key.length + vector.length);
    if (known == NULL) {
        return GS_ENOMEM;
    }
    *known =
        (struct known){.number = number, .version = version, .key_length = key.length, .vector_length = vector.length};
    memcpy(known->bytes, key.bytes, key.length);
    memcpy(known->bytes + key.length, vector.bytes, vector.length);
    known->entry.key = gs_slice_make(known->bytes, key.length);
    if (gs_table_insert(&slice->aggregates, &known->entry) != 0) {
        free(known);
        return GS_ENOMEM;
    }
    return 0;
}

static int load(void *context, struct gs_slice type, struct gs_slice id, uint64_t *ret_number, uint64_t *ret_version,
                struct gs_version_vector *ret_vector) {
    struct gs_pg_slice *slice = context;
    uint8_t bytes[KEY_BYTES_MAX];
    const struct known *known = (struct known *)gs_table_find(&slice->aggregates, key_of(type, id, bytes));
    if (known != NULL) {
        struct gs_slice vector = gs_slice_make(known->bytes + known->key_length, known->vector_length);
        *ret_number = known->number;
        *ret_version = known->version;
        return gs_version_vector_read(&vector, ret_vector);
    }
    *ret_number = slice->projector->next_aggregate++;
    struct gs_buffer *rows = &slice->new_aggregates;
    struct gs_buffer vector = {0};
    gs_version_vector_write(ret_vector, &vector); /* empty, as yet */
    gs_pg_copy_row(rows, 5);
    gs_pg_put_int8(rows, *ret_number);
    gs_pg_put_text(rows, type);
    gs_pg_put_text(rows, id);
    gs_pg_put_int8(rows, 0);
    gs_pg_put_bytes(rows, gs_slice_make(vector.bytes, vector.length));
    int error = vector.failed != 0 ? vector.failed : rows->failed;
    gs_buffer_close(&vector);
    return error;
}

static int store(void *context, uint64_t number, uint64_t version, const struct gs_version_vector *vector) {
    struct gs_pg_slice *slice = context;
    struct gs_buffer bytes = {0};
    gs_version_vector_write(vector, &bytes);
    gs_pg_put_int8(&slice->numbers, number);
    gs_pg_put_int8(&slice->new_versions, version);
    gs_pg_put_bytes(&slice->vectors, gs_slice_make(bytes.bytes, bytes.length));
    slice->changed++;
    int error = bytes.failed != 0 ? bytes.failed : slice->vectors.failed;
    gs_buffer_close(&bytes);
    return error != 0 ? error : slice->numbers.failed != 0 ? slice->numbers.failed : slice->new_versions.failed;
}

static int origin(void *context, const gs_origin *wanted, uint32_t *ret_number) {
    struct gs_pg_slice *slice = context;
    struct gs_pg_projector *projector = slice->projector;
    for (uint32_t i = 0; i < projector->origin_count; i++) {
        if (gs_origin_equal(&projector->origins[i], wanted)) {
            *ret_number = i + 1;
            return 0;
        }
    }
    gs_origin *origins = realloc(projector->origins, (projector->origin_count + 1) * sizeof *origins);
    if (origins == NULL) {
        return GS_ENOMEM;
    }
    projector->origins = origins;
    origins[projector->origin_count++] = *wanted;
    *ret_number = projector->origin_count;
    gs_pg_copy_row(&slice->new_origins, 2);
    gs_pg_put_int4(&slice->new_origins, *ret_number);
    gs_pg_put_bytes(&slice->new_origins, gs_slice_make(wanted->bytes, GS_ORIGIN_SIZE));
    return slice->new_origins.failed;
}

static int event(void *context, uint64_t number, const struct gs_history_entry *entry) {
    struct gs_pg_slice *slice = context;
    struct change change = {.aggregate = number, .entry = *entry};
    gs_buffer_append(&slice->changes, &change, sizeof change);
    return slice->changes.failed;
}

bool gs_pg_has_month(const struct gs_buffer *months, int month) {
    for (size_t at = 0; at < months->length; at += sizeof month) {
        if (memcmp(months->bytes + at, &month, sizeof month) == 0) {
            return true;
        }
    }
    return false;
}

/* Its month's partition is needed. */
static int note_month(struct gs_pg_slice *slice, uint64_t ms) {
    time_t seconds = (time_t)(ms / MS_PER_SECOND);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL) {
        return GS_ECORRUPT;
    }
    int month = (utc.tm_year + 1900) * 12 + utc.tm_mon;
    if (!gs_pg_has_month(&slice->months, month)) {
        gs_buffer_append(&slice->months, &month, sizeof month);
    }
    return slice->months.failed;
}

static void put_vector(struct gs_buffer *out, const struct gs_version_vector *vector) {
    uint32_t last = 0;
    struct gs_buffer array = {0};
    for (uint32_t i = 0; i < vector->count; i++) {
        last = vector->pairs[i].origin > last ? vector->pairs[i].origin : last;
    }
    gs_pg_put_array(&array, last, GS_PG_OID_INT8);
    for (uint32_t number = 1; number <= last; number++) {
        uint64_t seq = 0;
        for (uint32_t i = 0; i < vector->count; i++) {
            seq = vector->pairs[i].origin == number ? vector->pairs[i].seq : seq;
        }
        gs_pg_put_int8(&array, seq);
    }
    gs_pg_put_bytes(out, gs_slice_make(array.bytes, array.length));
    out->failed = array.failed != 0 ? array.failed : out->failed;
    gs_buffer_close(&array);
}

static void put_member(struct gs_pg_slice *slice, struct gs_slice detached, const char *name) {
    struct gs_slice value = detached.length > 0 ? gs_map_get(detached, name) : detached;
    if (value.length == 0) {
        gs_pg_put_null(&slice->events);
        return;
    }
    slice->json.length = 0;
    gs_json_write(value, &slice->json);
    gs_pg_put_json(&slice->events, gs_slice_make(slice->json.bytes, slice->json.length));
}

static int put_event(struct gs_pg_slice *slice, const struct change *change, uint32_t index,
                     const struct gs_version_vector *vector) {
    const struct gs_event *batch_event = &slice->batch[change->entry.event];
    const struct gs_event_change *what = &batch_event->changes[index];
    struct gs_buffer *rows = &slice->events;
    uint32_t number = 0;
    int error = origin(slice, &slice->head->origin, &number);
    if (error == 0) {
        error = note_month(slice, gs_hlc_ms(batch_event->clock));
    }
    if (error != 0) {
        return error;
    }
    gs_pg_copy_row(rows, EVENT_COLUMNS);
    gs_pg_put_time(rows, gs_hlc_ms(batch_event->clock));
    gs_pg_put_int8(rows, change->entry.position);
    gs_pg_put_int4(rows, change->entry.event);
    gs_pg_put_int4(rows, index);
    gs_pg_put_int4(rows, number);
    gs_pg_put_int8(rows, batch_event->seq);
    gs_pg_put_int8(rows, change->aggregate);
    gs_pg_put_text(rows, what->aggregate_type);
    gs_pg_put_text(rows, what->aggregate_id);
    gs_pg_put_int8(rows, change->entry.version);
    gs_pg_put_text(rows, batch_event->event_type);
    gs_pg_put_text(rows, batch_event->actor);
    gs_pg_put_int8(rows, batch_event->clock);
    put_vector(rows, vector);
    slice->json.length = 0;
    gs_delta_write_json(&what->delta, &slice->json);
    gs_pg_put_json(rows, gs_slice_make(slice->json.bytes, slice->json.length));
    put_member(slice, batch_event->detached, "data");
    put_member(slice, batch_event->detached, "metadata");
    return slice->json.failed != 0 ? slice->json.failed : rows->failed;
}

/* The record is complete: its changes, in order, with the vectors that the list tells. */
static int versions(void *context, uint64_t position, struct gs_slice list) {
    struct gs_pg_slice *slice = context;
    const struct change *changes = (const struct change *)(void *)slice->changes.bytes;
    const size_t count = slice->changes.length / sizeof *changes;
    struct gs_version_vector vector = {0};
    struct gs_slice rest = list;
    uint32_t index = 0;
    int error = 0;
    gs_pg_copy_row(&slice->versions, 2);
    gs_pg_put_int8(&slice->versions, position);
    gs_pg_put_bytes(&slice->versions, list);
    for (size_t i = 0; i < count && error == 0; i++) {
        uint64_t version = 0;
        index = i > 0 && changes[i].entry.event == changes[i - 1].entry.event ? index + 1 : 0;
        vector.count = 0;
        error = gs_version_number_read(&rest, &version);
        if (error == 0) {
            error = gs_version_vector_read(&rest, &vector);
        }
        if (error == 0) {
            error = put_event(slice, &changes[i], index, &vector);
        }
    }
    gs_version_vector_close(&vector);
    slice->changes.length = 0;
    return error != 0 ? error : slice->versions.failed;
}

struct gs_projection_sink gs_pg_slice_sink(struct gs_pg_slice *slice) {
    return (struct gs_projection_sink){
        .context = slice, .load = load, .store = store, .origin = origin, .event = event, .versions = versions};
}

void gs_pg_slice_close(struct gs_pg_slice *slice) {
    struct gs_table_entry *entry = gs_table_next(&slice->aggregates, NULL);
    while (entry != NULL) {
        struct gs_table_entry *next = gs_table_next(&slice->aggregates, entry);
        free(entry);
        entry = next;
    }
    gs_table_close(&slice->aggregates);
    struct gs_buffer *buffers[] = {&slice->new_origins, &slice->new_aggregates, &slice->events,  &slice->versions,
                                   &slice->numbers,     &slice->new_versions,   &slice->vectors, &slice->changes,
                                   &slice->json,        &slice->months};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        gs_buffer_close(buffers[i]);
    }
}
