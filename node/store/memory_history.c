#include "node/store/memory_impl.h"

#include <stdlib.h>

struct reader {
    struct gs_history_reader base;
    struct gs_memory_data *data; /* a reference */
    bool inside;
};

static struct gs_memory_data *data_of(struct gs_history_reader *base) {
    return ((struct reader *)base)->data;
}

static int begin(struct gs_history_reader *base) {
    pthread_mutex_lock(&data_of(base)->lock);
    ((struct reader *)base)->inside = true;
    return 0;
}

static void end(struct gs_history_reader *base) {
    if (((struct reader *)base)->inside) {
        ((struct reader *)base)->inside = false;
        pthread_mutex_unlock(&data_of(base)->lock);
    }
}

static int extent(struct gs_history_reader *base, uint64_t *ret_last, uint64_t *ret_indexed) {
    *ret_last = data_of(base)->count;
    *ret_indexed = data_of(base)->indexed;
    return 0;
}

static int log_base(struct gs_history_reader *base, struct gs_base *ret_base) {
    return gs_base_copy(ret_base, &data_of(base)->base);
}

static int append(const void *bytes, size_t length, struct gs_buffer *out) {
    gs_buffer_append(out, bytes, length);
    return out->failed;
}

static int record(struct gs_history_reader *base, uint64_t position, struct gs_buffer *ret_record) {
    const struct gs_memory_data *data = data_of(base);
    if (position == 0 || position > data->count) {
        return GS_ENOTFOUND;
    }
    const struct gs_memory_row *row = &data->rows[position - 1];
    return row->bytes != NULL ? append(row->bytes, row->length, ret_record) : GS_ENOTFOUND;
}

static int versions(struct gs_history_reader *base, uint64_t position, struct gs_buffer *ret_list) {
    const struct gs_memory_data *data = data_of(base);
    if (position == 0 || position > data->indexed || data->rows[position - 1].bytes == NULL) {
        return GS_ENOTFOUND;
    }
    const struct gs_buffer *list = &data->rows[position - 1].versions;
    return append(list->bytes, list->length, ret_list);
}

static int origin(struct gs_history_reader *base, uint32_t number, gs_origin *ret_origin) {
    const struct gs_memory_data *data = data_of(base);
    if (number == 0 || number > data->origin_count) {
        return GS_ENOTFOUND;
    }
    *ret_origin = data->origins[number - 1];
    return 0;
}

static int version(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id, uint64_t *ret_version) {
    const struct gs_memory_aggregate *aggregate = gs_memory_find(data_of(base), type, id);
    *ret_version = aggregate != NULL ? aggregate->version : 0;
    return 0;
}

static int entries(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id,
                   const struct gs_history_range *range, struct gs_history_entry *ret_entries, uint32_t max,
                   uint32_t *ret_count) {
    const struct gs_memory_aggregate *aggregate = gs_memory_find(data_of(base), type, id);
    uint64_t dropped = aggregate != NULL ? aggregate->dropped : 0;
    uint64_t count = aggregate != NULL ? dropped + aggregate->count : 0;
    uint64_t first = range->first > dropped ? range->first : dropped + 1;
    uint64_t last = range->last < count ? range->last : count;
    uint32_t taken = 0;
    for (uint64_t i = 0; taken < max && first <= last && i <= last - first; i++) {
        ret_entries[taken++] = aggregate->entries[(range->descending ? last - i : first + i) - 1 - dropped];
    }
    *ret_count = taken;
    return 0;
}

static int origin_record(struct gs_history_reader *base, const gs_origin *wanted, uint64_t seq,
                         struct gs_buffer *ret_record) {
    const struct gs_memory_row *row = seq > 0 ? gs_memory_find_row(data_of(base), wanted, seq - 1) : NULL;
    return row != NULL ? append(row->bytes, row->length, ret_record) : GS_ENOTFOUND;
}

static int state(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id, uint64_t version_max,
                 struct gs_kept_state *ret_state) {
    const struct gs_keep_state *found = gs_memory_state(data_of(base), type, id, version_max);
    if (found == NULL) {
        return GS_ENOTFOUND;
    }
    ret_state->version = found->version;
    ret_state->position = found->position;
    ret_state->updated = found->updated;
    ret_state->state.length = 0;
    return append(found->state.bytes, found->state.length, &ret_state->state);
}

static void close_reader(struct gs_history_reader *base) {
    end(base);
    gs_memory_release(data_of(base));
    free(base);
}

static const struct gs_history_methods methods = {
    .begin = begin,
    .end = end,
    .extent = extent,
    .base = log_base,
    .record = record,
    .versions = versions,
    .origin = origin,
    .version = version,
    .entries = entries,
    .origin_record = origin_record,
    .state = state,
    .close = close_reader,
};

int gs_memory_open_history(struct gs_store *store, struct gs_history_reader **ret_reader) {
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return GS_ENOMEM;
    }
    reader->base.methods = &methods;
    reader->data = ((struct gs_memory_store *)store)->data;
    atomic_fetch_add(&reader->data->references, 1);
    *ret_reader = &reader->base;
    return 0;
}
