#include "node/store/memory_impl.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 2 * GS_ID_BYTES_MAX + 1 };

static struct gs_slice make_key(struct gs_slice type, struct gs_slice id, uint8_t ret_key[KEY_BYTES_MAX]) {
    memcpy(ret_key, type.bytes, type.length);
    ret_key[type.length] = '/';
    memcpy(ret_key + type.length + 1, id.bytes, id.length);
    return gs_slice_make(ret_key, type.length + 1 + id.length);
}

struct gs_memory_aggregate *gs_memory_find(const struct gs_memory_data *data, struct gs_slice type,
                                           struct gs_slice id) {
    uint8_t bytes[KEY_BYTES_MAX];
    if (!gs_id_valid(type) || !gs_id_valid(id)) {
        return NULL;
    }
    return (struct gs_memory_aggregate *)gs_table_find(&data->aggregates, make_key(type, id, bytes));
}

/* Doubles an array of `size`-byte items when it is full. */
static int grow(void **items, uint64_t *capacity, uint64_t count, size_t size) {
    if (count < *capacity) {
        return 0;
    }
    uint64_t grown = *capacity == 0 ? 8 : *capacity * 2;
    void *moved = realloc(*items, grown * size);
    if (moved == NULL) {
        return GS_ENOMEM;
    }
    *items = moved;
    *capacity = grown;
    return 0;
}

static int add_aggregate(struct gs_memory_data *data, struct gs_slice type, struct gs_slice id, uint64_t *ret_number) {
    struct gs_memory_aggregate *aggregate = calloc(1, sizeof *aggregate + KEY_BYTES_MAX);
    int error = aggregate == NULL ? GS_ENOMEM : 0;
    if (error == 0) {
        aggregate->entry.key = make_key(type, id, aggregate->key);
        aggregate->number = data->aggregate_count + 1;
        error = grow((void **)&data->numbered, &data->aggregate_capacity, data->aggregate_count,
                     sizeof(struct gs_memory_aggregate *));
    }
    if (error == 0) {
        error = gs_table_insert(&data->aggregates, &aggregate->entry);
    }
    if (error != 0) {
        free(aggregate);
        return error;
    }
    data->numbered[data->aggregate_count++] = aggregate;
    *ret_number = aggregate->number;
    return 0;
}

static int load(void *context, struct gs_slice type, struct gs_slice id, uint64_t *ret_number, uint64_t *ret_version,
                struct gs_version_vector *ret_vector) {
    struct gs_memory_data *data = context;
    const struct gs_memory_aggregate *aggregate = gs_memory_find(data, type, id);
    if (aggregate == NULL) {
        return add_aggregate(data, type, id, ret_number);
    }
    int error = 0;
    *ret_number = aggregate->number;
    *ret_version = aggregate->version;
    for (uint32_t i = 0; error == 0 && i < aggregate->vector.count; i++) {
        error = gs_version_vector_set(ret_vector, aggregate->vector.pairs[i].origin, aggregate->vector.pairs[i].seq);
    }
    return error;
}

static int store(void *context, uint64_t number, uint64_t version, const struct gs_version_vector *vector) {
    struct gs_memory_data *data = context;
    struct gs_memory_aggregate *aggregate = data->numbered[number - 1];
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < vector->count; i++) {
        error = gs_version_vector_set(&aggregate->vector, vector->pairs[i].origin, vector->pairs[i].seq);
    }
    aggregate->version = version;
    return error;
}

static int find_origin(void *context, const gs_origin *origin, uint32_t *ret_number) {
    struct gs_memory_data *data = context;
    uint32_t at = 0;
    while (at < data->origin_count && !gs_origin_equal(&data->origins[at], origin)) {
        at++;
    }
    if (at == data->origin_count) {
        gs_origin *origins = realloc(data->origins, (at + 1) * sizeof *origins);
        if (origins == NULL) {
            return GS_ENOMEM;
        }
        origins[at] = *origin;
        data->origins = origins;
        data->origin_count++;
    }
    *ret_number = at + 1;
    return 0;
}

static int add_event(void *context, uint64_t number, const struct gs_history_entry *entry) {
    struct gs_memory_data *data = context;
    struct gs_memory_aggregate *aggregate = data->numbered[number - 1];
    int error = grow((void **)&aggregate->entries, &aggregate->capacity, aggregate->count, sizeof *aggregate->entries);
    if (error == 0) {
        aggregate->entries[aggregate->count++] = *entry;
    }
    return error;
}

static int add_versions(void *context, uint64_t position, struct gs_slice list) {
    struct gs_memory_data *data = context;
    struct gs_buffer *versions = &data->rows[position - 1].versions;
    versions->length = 0;
    gs_buffer_append(versions, list.bytes, list.length);
    return versions->failed;
}

/* A slice is one record: what fails leaves the ones before it indexed. A record that was indexed in part before memory
 * ran out is taken back first. */
static int project_row(struct gs_memory_data *data, struct gs_projection *projection) {
    const struct gs_memory_row *row = &data->rows[data->indexed];
    int error = gs_projection_record(projection, data->indexed + 1, gs_slice_make(row->bytes, row->length));
    if (error == 0) {
        error = gs_projection_finish(projection);
    }
    for (uint64_t i = 0; error != 0 && i < data->aggregate_count; i++) {
        struct gs_memory_aggregate *aggregate = data->numbered[i];
        while (aggregate->count > 0 && aggregate->entries[aggregate->count - 1].position > data->indexed) {
            aggregate->count--;
            aggregate->version = aggregate->dropped + aggregate->count;
        }
    }
    data->indexed += error == 0 ? 1 : 0;
    return error;
}

int gs_memory_index_state(struct gs_memory_data *data, const struct gs_keep_state *state) {
    const struct gs_projection_sink sink = {.context = data, .load = load, .store = store, .origin = find_origin};
    int error = gs_projection_state(&sink, state);
    struct gs_memory_aggregate *aggregate = error == 0 ? gs_memory_find(data, state->type, state->id) : NULL;
    if (aggregate != NULL) {
        aggregate->dropped = aggregate->version;
    }
    return error;
}

int gs_memory_project(struct gs_store *base, uint32_t events_max, bool *ret_more) {
    struct gs_memory_data *data = ((struct gs_memory_store *)base)->data;
    struct gs_projection projection = {.sink = {.context = data,
                                                .load = load,
                                                .store = store,
                                                .origin = find_origin,
                                                .event = add_event,
                                                .versions = add_versions}};
    int error = 0;
    uint32_t events = 0;
    pthread_mutex_lock(&data->lock);
    while (error == 0 && data->indexed < data->count && events < events_max) {
        error = project_row(data, &projection);
        events += projection.events;
        gs_projection_reset(&projection);
    }
    *ret_more = error == 0 && data->indexed < data->count;
    pthread_mutex_unlock(&data->lock);
    return error;
}

void gs_memory_index_close(struct gs_memory_data *data) {
    for (uint64_t i = 0; i < data->aggregate_count; i++) {
        struct gs_memory_aggregate *aggregate = data->numbered[i];
        gs_version_vector_close(&aggregate->vector);
        free(aggregate->entries);
        free(aggregate);
    }
    gs_table_close(&data->aggregates);
    free(data->numbered);
    free(data->origins);
}
