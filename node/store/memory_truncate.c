#include "node/store/memory_impl.h"
#include "node/store/truncate.h"

#include <stdlib.h>
#include <string.h>

static int read_rows(void *context, uint64_t after, uint32_t max, gs_store_record_fn visit, void *visit_context) {
    const struct gs_memory_data *data = context;
    int result = 0;
    for (size_t i = after; result == 0 && max > 0 && i < data->count; i++) {
        if (data->rows[i].bytes != NULL) {
            result = visit(visit_context, i + 1, gs_slice_make(data->rows[i].bytes, data->rows[i].length));
            max--;
        }
    }
    return result;
}

static int cut(void *context, struct gs_slice type, struct gs_slice id, uint64_t floor) {
    struct gs_memory_data *data = context;
    struct gs_memory_aggregate *aggregate = gs_memory_find(data, type, id);
    uint64_t gone = 0;
    if (aggregate == NULL) {
        return GS_ECORRUPT;
    }
    while (gone < aggregate->count && aggregate->entries[gone].position <= floor) {
        gone++;
    }
    int error = gs_memory_drop_states(data, type, id, aggregate->dropped + gone);
    if (error == 0) {
        aggregate->dropped += gone;
        aggregate->count -= gone;
        memmove(aggregate->entries, aggregate->entries + gone, aggregate->count * sizeof *aggregate->entries);
    }
    return error;
}

static int drop(void *context, uint64_t position) {
    struct gs_memory_data *data = context;
    struct gs_memory_row *row = &data->rows[position - 1];
    size_t at = 0;
    while (at < data->index_count && data->index[at] != position - 1) {
        at++;
    }
    if (at == data->index_count) {
        return GS_ECORRUPT;
    }
    data->index_count--;
    memmove(&data->index[at], &data->index[at + 1], (data->index_count - at) * sizeof *data->index);
    free(row->bytes);
    row->bytes = NULL;
    gs_buffer_close(&row->versions);
    return 0;
}

static int set_base(void *context, const struct gs_base *base) {
    struct gs_memory_data *data = context;
    return gs_base_copy(&data->base, base);
}

/* Not all or nothing when memory runs out half way: a log in memory is lost with its process anyway. */
int gs_memory_truncate(struct gs_store *store, const struct gs_truncation *truncation,
                       struct gs_truncated *ret_truncated) {
    struct gs_memory_data *data = ((struct gs_memory_store *)store)->data;
    const struct gs_truncate_engine engine = {
        .context = data,
        .base = &store->log_base,
        .indexed = data->indexed,
        .read = read_rows,
        .cut = cut,
        .drop = drop,
        .set_base = set_base,
    };
    struct gs_base base = {0};
    pthread_mutex_lock(&data->lock);
    int error = gs_truncate_step(&engine, truncation, &base, ret_truncated);
    pthread_mutex_unlock(&data->lock);
    if (error == 0 && base.position > 0) {
        gs_base_close(&store->log_base);
        store->log_base = base;
    }
    return error == 0 ? gs_truncated_describe(&store->log_base, ret_truncated) : error;
}
