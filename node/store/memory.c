/* The log in memory: for tests and the simulator. It keeps copies of what it is given and has the shape of the SQL
 * schema (sql/sqlite/0001_log.sql): rows in log order, and an index over (origin, last_seq). */
#include "node/store/chain.h"
#include "node/store/engines.h"
#include "node/store/lacking.h"

#include <stdlib.h>
#include <string.h>

struct row {
    gs_origin origin;
    uint64_t first_seq;
    uint64_t last_seq;
    uint8_t *bytes; /* owned */
    size_t length;
};

struct memory_store {
    struct gs_store base;
    struct gs_chain chain;
    struct row *rows; /* position − 1 */
    size_t *index;    /* into rows, sorted by origin and last_seq */
    size_t count;
    size_t capacity; /* of both */
};

static struct memory_store *memory_of(struct gs_store *store) {
    return (struct memory_store *)store;
}

/* Where in the index the first record of `origin`, or of a greater one, is that ends after `seq`. */
static size_t upper_bound(const struct memory_store *memory, const gs_origin *origin, uint64_t seq) {
    size_t low = 0;
    size_t high = memory->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct row *row = &memory->rows[memory->index[middle]];
        int order = gs_origin_compare(&row->origin, origin);
        if (order < 0 || (order == 0 && row->last_seq <= seq)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first record of `origin` that ends after `seq`, or NULL. */
static const struct row *find_row(const struct memory_store *memory, const gs_origin *origin, uint64_t seq) {
    size_t at = upper_bound(memory, origin, seq);
    if (at >= memory->count) {
        return NULL;
    }
    const struct row *row = &memory->rows[memory->index[at]];
    return gs_origin_equal(&row->origin, origin) ? row : NULL;
}

static int reserve_rows(struct memory_store *memory, size_t count) {
    size_t needed = memory->count + count;
    if (needed <= memory->capacity) {
        return 0;
    }
    size_t capacity = needed > memory->capacity * 2 ? needed : memory->capacity * 2;
    struct row *rows = realloc(memory->rows, capacity * sizeof *rows);
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

static int copy_link(const struct gs_chain_link *link, struct row *ret_row) {
    uint8_t *bytes = malloc(link->record.length);
    if (bytes == NULL) {
        return GS_ENOMEM;
    }
    memcpy(bytes, link->record.bytes, link->record.length);
    *ret_row = (struct row){
        .origin = link->origin,
        .first_seq = link->first_seq,
        .last_seq = link->last_seq,
        .bytes = bytes,
        .length = link->record.length,
    };
    return 0;
}

static void index_row(struct memory_store *memory) {
    const struct row *row = &memory->rows[memory->count];
    size_t at = upper_bound(memory, &row->origin, row->last_seq);
    memmove(&memory->index[at + 1], &memory->index[at], (memory->count - at) * sizeof *memory->index);
    memory->index[at] = memory->count;
    memory->count++;
}

static int memory_append(struct gs_store *store, struct gs_slice records, uint32_t count) {
    struct memory_store *memory = memory_of(store);
    int error = gs_chain_check(&memory->chain, records, count);
    if (error != 0) {
        return error == GS_ENOMEM ? GS_ESTORE : error;
    }
    if (reserve_rows(memory, count) != 0) {
        return GS_ESTORE;
    }
    struct row *rows = &memory->rows[memory->count];
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

static int memory_replay(struct gs_store *store, gs_store_record_fn visit, void *context) {
    const struct memory_store *memory = memory_of(store);
    for (size_t i = 0; i < memory->count; i++) {
        int result = visit(context, i + 1, gs_slice_make(memory->rows[i].bytes, memory->rows[i].length));
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static int append_bytes(const struct row *row, struct gs_buffer *ret_record) {
    gs_buffer_append(ret_record, row->bytes, row->length);
    return ret_record->failed;
}

static int lacking_find(void *context, const gs_origin *origin, uint64_t seq, struct gs_lacking_place *ret_place) {
    const struct memory_store *memory = context;
    const struct row *row = find_row(memory, origin, seq);
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
    const struct memory_store *memory = context;
    (void)origin;
    return append_bytes(&memory->rows[place->position - 1], ret_record);
}

static int memory_read_lacking(struct gs_store *store, const struct gs_vector *have, size_t bytes_max,
                               struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more) {
    struct memory_store *memory = memory_of(store);
    const struct gs_lacking_source source = {.context = memory, .find = lacking_find, .read = lacking_read};
    return gs_lacking_read(&source, &memory->chain.heads, have, bytes_max, ret_records, ret_count, ret_more);
}

static int memory_read_event(struct gs_store *store, const gs_origin *origin, uint64_t seq,
                             struct gs_buffer *ret_record) {
    const struct row *row = seq > 0 ? find_row(memory_of(store), origin, seq - 1) : NULL;
    return row != NULL && row->first_seq <= seq ? append_bytes(row, ret_record) : GS_ENOTFOUND;
}

static void memory_close(struct gs_store *store) {
    struct memory_store *memory = memory_of(store);
    for (size_t i = 0; i < memory->count; i++) {
        free(memory->rows[i].bytes);
    }
    gs_chain_close(&memory->chain);
    free(memory->rows);
    free(memory->index);
    free(memory);
}

static const struct gs_store_methods memory_methods = {
    .name = "memory",
    .append = memory_append,
    .replay = memory_replay,
    .read_lacking = memory_read_lacking,
    .read_event = memory_read_event,
    .close = memory_close,
};

int gs_memory_open(struct gs_store **ret_store, struct gs_problem *problem) {
    struct memory_store *memory = calloc(1, sizeof *memory);
    if (memory == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "memory: no memory for a store");
    }
    memory->base.methods = &memory_methods;
    *ret_store = &memory->base;
    return 0;
}
