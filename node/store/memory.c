/* The log in memory: for tests and the simulator. It keeps copies of what it is given and has the shape of the SQL
 * schema (sql/sqlite/0001_log.sql): rows in log order, and an index over (origin, last_seq). */
#include "node/store/engines.h"
#include "node/store/lacking.h"
#include "node/store/log_row.h"
#include "node/store/memory_impl.h"

#include <stdlib.h>
#include <string.h>

static struct gs_memory_data *data_of(struct gs_store *store) {
    return ((struct gs_memory_store *)store)->data;
}

/* Where in the index the first record of `origin`, or of a greater one, is that ends after `seq`. */
static size_t upper_bound(const struct gs_memory_data *memory, const gs_origin *origin, uint64_t seq) {
    size_t low = 0;
    size_t high = memory->index_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct gs_memory_row *row = &memory->rows[memory->index[middle]];
        int order = gs_origin_compare(&row->origin, origin);
        if (order < 0 || (order == 0 && row->last_seq <= seq)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct gs_memory_row *gs_memory_find_row(const struct gs_memory_data *memory, const gs_origin *origin,
                                               uint64_t seq) {
    size_t at = upper_bound(memory, origin, seq);
    if (at >= memory->index_count) {
        return NULL;
    }
    const struct gs_memory_row *row = &memory->rows[memory->index[at]];
    return gs_origin_equal(&row->origin, origin) ? row : NULL;
}

static int reserve_rows(struct gs_memory_data *memory, size_t count) {
    size_t needed = memory->count + count;
    if (needed <= memory->capacity) {
        return 0;
    }
    size_t capacity = needed > memory->capacity * 2 ? needed : memory->capacity * 2;
    struct gs_memory_row *rows = realloc(memory->rows, capacity * sizeof *rows);
    if (rows == NULL) {
        return GS_ENOMEM;
    }
    memory->rows = rows;
    size_t *index = realloc(memory->index, capacity * sizeof *index);
    if (index == NULL) {
        return GS_ENOMEM;
    }
    memory->index = index;
    memory->capacity = capacity;
    return 0;
}

static int copy_link(const struct gs_chain_link *link, struct gs_memory_row *ret_row) {
    uint8_t *bytes = malloc(link->record.length);
    if (bytes == NULL) {
        return GS_ENOMEM;
    }
    memcpy(bytes, link->record.bytes, link->record.length);
    *ret_row = (struct gs_memory_row){
        .origin = link->origin,
        .first_seq = link->first_seq,
        .last_seq = link->last_seq,
        .bytes = bytes,
        .length = link->record.length,
    };
    return 0;
}

static void index_row(struct gs_memory_data *memory) {
    const struct gs_memory_row *row = &memory->rows[memory->count];
    size_t at = upper_bound(memory, &row->origin, row->last_seq);
    memmove(&memory->index[at + 1], &memory->index[at], (memory->index_count - at) * sizeof *memory->index);
    memory->index[at] = memory->count;
    memory->index_count++;
    memory->count++;
}

static int append_locked(struct gs_memory_data *memory, struct gs_slice records, uint32_t count) {
    int error = gs_chain_check(&memory->chain, records, count);
    if (error != 0) {
        return error == GS_ENOMEM ? GS_ESTORE : error;
    }
    if (reserve_rows(memory, count) != 0) {
        return GS_ESTORE;
    }
    struct gs_memory_row *rows = &memory->rows[memory->count];
    for (uint32_t i = 0; i < count; i++) {
        if (copy_link(&memory->chain.links[i], &rows[i]) != 0) {
            while (i-- > 0) {
                free(rows[i].bytes);
            }
            return GS_ESTORE;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        index_row(memory);
    }
    gs_chain_accept(&memory->chain);
    return 0;
}

static int memory_append(struct gs_store *store, struct gs_slice records, uint32_t count) {
    struct gs_memory_data *memory = data_of(store);
    pthread_mutex_lock(&memory->lock);
    int error = append_locked(memory, records, count);
    pthread_mutex_unlock(&memory->lock);
    return error;
}

static void forget_after(struct gs_memory_data *memory, uint64_t after) {
    size_t kept = 0;
    for (size_t i = 0; i < memory->index_count; i++) {
        if (memory->index[i] < after) {
            memory->index[kept++] = memory->index[i];
        }
    }
    memory->index_count = kept;
    for (size_t i = 0; i < memory->count; i++) {
        gs_buffer_close(&memory->rows[i].versions);
        if (i >= after) {
            free(memory->rows[i].bytes);
        }
    }
    memory->count = after;
    memory->indexed = 0;
    gs_memory_index_close(memory);
    memory->aggregates = (struct gs_table){0};
    memory->numbered = NULL;
    memory->origins = NULL;
    memory->aggregate_count = memory->aggregate_capacity = 0;
    memory->origin_count = memory->origin_capacity = 0;
    gs_memory_kept_close(memory);
}

static int load_heads(struct gs_memory_data *memory) {
    int error = 0;
    gs_vector_close(&memory->chain.heads);
    for (size_t i = 0; error == 0 && i < memory->count; i++) {
        struct gs_record record;
        struct gs_batch_head batch;
        error = gs_record_parse(gs_slice_make(memory->rows[i].bytes, memory->rows[i].length), &record);
        error = error != 0 ? error : gs_batch_parse_head(record.batch.bytes, record.batch.length, &batch);
        struct gs_head head = {.origin = batch.origin, .seq = gs_batch_last_seq(&batch), .hash = batch.hash};
        error = error != 0 ? error : gs_vector_set(&memory->chain.heads, &head);
    }
    return error;
}

static int memory_cut(struct gs_store *store, uint64_t after, struct gs_slice kept, uint32_t count) {
    struct gs_memory_data *memory = data_of(store);
    if (store->log_base.position > 0 || after > memory->count) {
        return GS_EINVAL;
    }
    pthread_mutex_lock(&memory->lock);
    forget_after(memory, after);
    int error = load_heads(memory);
    error = error == 0 && count > 0 ? append_locked(memory, kept, count) : error;
    pthread_mutex_unlock(&memory->lock);
    return error;
}

/* Only the store's own thread appends, so what it reads needs no lock. */
static int memory_replay_after(struct gs_store *store, uint64_t after, gs_store_record_fn visit, void *context) {
    const struct gs_memory_data *memory = data_of(store);
    for (size_t i = after; i < memory->count; i++) {
        if (memory->rows[i].bytes == NULL) {
            continue;
        }
        int result = visit(context, i + 1, gs_slice_make(memory->rows[i].bytes, memory->rows[i].length));
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static int memory_replay(struct gs_store *store, gs_store_record_fn visit, void *context) {
    return memory_replay_after(store, 0, visit, context);
}

static int append_bytes(const struct gs_memory_row *row, struct gs_buffer *ret_record) {
    gs_buffer_append(ret_record, row->bytes, row->length);
    return ret_record->failed;
}

static int lacking_find(void *context, const gs_origin *origin, uint64_t seq, struct gs_lacking_place *ret_place) {
    const struct gs_memory_data *memory = context;
    const struct gs_memory_row *row = gs_memory_find_row(memory, origin, seq);
    if (row == NULL) {
        return GS_ENOTFOUND;
    }
    *ret_place = (struct gs_lacking_place){
        .position = (uint64_t)(row - memory->rows) + 1,
        .last_seq = row->last_seq,
    };
    return 0;
}

static int lacking_read(void *context, const gs_origin *origin, const struct gs_lacking_place *place,
                        struct gs_buffer *ret_record) {
    const struct gs_memory_data *memory = context;
    (void)origin;
    return append_bytes(&memory->rows[place->position - 1], ret_record);
}

static int memory_read_lacking(struct gs_store *store, const struct gs_vector *have, size_t bytes_max,
                               struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more) {
    struct gs_memory_data *memory = data_of(store);
    if (gs_base_is_behind(&memory->base, have)) {
        return GS_EGONE;
    }
    const struct gs_lacking_source source = {.context = memory, .find = lacking_find, .read = lacking_read};
    return gs_lacking_read(&source, &memory->chain.heads, have, bytes_max, ret_records, ret_count, ret_more);
}

static int memory_read_event(struct gs_store *store, const gs_origin *origin, uint64_t seq,
                             struct gs_buffer *ret_record) {
    const struct gs_memory_row *row = seq > 0 ? gs_memory_find_row(data_of(store), origin, seq - 1) : NULL;
    return row != NULL && row->first_seq <= seq ? append_bytes(row, ret_record) : GS_ENOTFOUND;
}

static int memory_rewrite(struct gs_store *store, uint64_t position, struct gs_slice record) {
    struct gs_memory_data *memory = data_of(store);
    if (position == 0 || position > memory->count) {
        return GS_ENOTFOUND;
    }
    struct gs_memory_row *row = &memory->rows[position - 1];
    if (row->bytes == NULL) {
        return GS_ENOTFOUND;
    }
    if (!gs_log_may_replace(gs_slice_make(row->bytes, row->length), record)) {
        return GS_EINVAL;
    }
    uint8_t *bytes = malloc(record.length);
    if (bytes == NULL) {
        return GS_ESTORE;
    }
    memcpy(bytes, record.bytes, record.length);
    pthread_mutex_lock(&memory->lock);
    free(row->bytes);
    row->bytes = bytes;
    row->length = record.length;
    pthread_mutex_unlock(&memory->lock);
    return 0;
}

static int memory_scrub(struct gs_store *store) {
    (void)store;
    return 0;
}

void gs_memory_release(struct gs_memory_data *memory) {
    if (atomic_fetch_sub(&memory->references, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < memory->count; i++) {
        free(memory->rows[i].bytes);
        gs_buffer_close(&memory->rows[i].versions);
    }
    gs_memory_index_close(memory);
    gs_memory_kept_close(memory);
    gs_chain_close(&memory->chain);
    gs_base_close(&memory->base);
    free(memory->rows);
    free(memory->index);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

static void memory_close(struct gs_store *store) {
    gs_memory_release(data_of(store));
    gs_base_close(&store->log_base);
    free(store);
}

static const struct gs_store_methods memory_methods = {
    .name = "memory",
    .append = memory_append,
    .cut = memory_cut,
    .replay = memory_replay,
    .read_lacking = memory_read_lacking,
    .read_event = memory_read_event,
    .project = gs_memory_project,
    .open_history = gs_memory_open_history,
    .replay_after = memory_replay_after,
    .keep = gs_memory_keep,
    .visit_kept = gs_memory_visit_kept,
    .forget_kept = gs_memory_forget_kept,
    .install = gs_memory_install,
    .rewrite = memory_rewrite,
    .scrub = memory_scrub,
    .truncate = gs_memory_truncate,
    .close = memory_close,
};

int gs_memory_open(struct gs_store **ret_store, struct gs_problem *problem) {
    struct gs_memory_store *store = calloc(1, sizeof *store);
    struct gs_memory_data *memory = calloc(1, sizeof *memory);
    if (store == NULL || memory == NULL) {
        free(store);
        free(memory);
        return gs_problem_set(problem, GS_ENOMEM, NULL, "memory: no memory for a store");
    }
    pthread_mutex_init(&memory->lock, NULL);
    atomic_init(&memory->references, 1);
    store->base.methods = &memory_methods;
    store->data = memory;
    *ret_store = &store->base;
    return 0;
}
