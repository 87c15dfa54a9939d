#include "node/store/memory_impl.h"

#include <stdlib.h>
#include <string.h>

/* The records up to the base, none of which is here. */
static int make_rows(struct gs_memory_data *data, uint64_t position) {
    struct gs_memory_row *rows = calloc(position, sizeof *rows);
    size_t *index = calloc(position, sizeof *index);
    if (rows == NULL || index == NULL) {
        free(rows);
        free(index);
        return GS_ENOMEM;
    }
    free(data->rows);
    free(data->index);
    data->rows = rows;
    data->index = index;
    data->capacity = position;
    data->count = data->indexed = position;
    return 0;
}

static int take_parts(struct gs_memory_data *data, uint64_t position, gs_store_part_fn next, void *context) {
    const struct gs_keep *keep = NULL;
    bool complete = false;
    int error = next(context, &keep);
    for (; error == 0 && keep != NULL; error = next(context, &keep)) {
        error = gs_memory_put_keep(data, keep);
        for (uint32_t i = 0; error == 0 && i < keep->count; i++) {
            error = gs_memory_index_state(data, &keep->states[i]);
        }
        if (error != 0) {
            break;
        }
        complete = keep->core.length > 0 ? keep->low == position && keep->position == position : complete;
    }
    return error == 0 && !complete ? GS_EINVAL : error;
}

static void undo(struct gs_memory_data *data) {
    gs_memory_kept_close(data);
    gs_memory_index_close(data);
    data->aggregates = (struct gs_table){0};
    data->numbered = NULL;
    data->origins = NULL;
    data->aggregate_count = data->aggregate_capacity = 0;
    data->origin_count = data->origin_capacity = 0;
}

int gs_memory_install(struct gs_store *store, const struct gs_base *base, gs_store_part_fn next, void *context) {
    struct gs_memory_data *data = ((struct gs_memory_store *)store)->data;
    struct gs_base copy = {0};
    struct gs_base shown = {0};
    struct gs_vector heads = {0};
    if (data->count > 0 || base->position == 0) {
        return GS_EINVAL;
    }
    pthread_mutex_lock(&data->lock);
    gs_memory_kept_close(data);
    int error = gs_base_copy(&copy, base);
    error = error == 0 ? gs_base_copy(&shown, base) : error;
    error = error == 0 ? gs_vector_copy(&heads, &base->heads) : error;
    error = error == 0 ? take_parts(data, base->position, next, context) : error;
    error = error == 0 ? make_rows(data, base->position) : error;
    if (error == 0) {
        data->base = copy;
        store->log_base = shown;
        data->chain.heads = heads;
        store->stored = store->projected = base->position;
    } else {
        undo(data);
        gs_base_close(&copy);
        gs_base_close(&shown);
        gs_vector_close(&heads);
    }
    pthread_mutex_unlock(&data->lock);
    return error;
}
