/* The memory engine: what its files share. Private to them. One mutex guards all but the references: a reader of the
 * past holds it from begin to end, so an append may wait for a reader here, as it never does on disk. The store and its
 * readers share the data; the last one frees it. */
#ifndef GS_NODE_STORE_MEMORY_IMPL_H
#define GS_NODE_STORE_MEMORY_IMPL_H

#include "node/core/table.h"
#include "node/store/chain.h"
#include "node/store/projection.h"
#include "node/store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct gs_memory_row {
    gs_origin origin;
    uint64_t first_seq;
    uint64_t last_seq;
    uint8_t *bytes; /* owned; NULL: the record is gone, and not in the index */
    size_t length;
    struct gs_buffer versions; /* its version list, once it is indexed */
};

/* One aggregate's past. */
struct gs_memory_aggregate {
    struct gs_table_entry entry; /* key: "type/id" */
    uint64_t number;             /* 1, 2, 3 … */
    uint64_t version;
    uint64_t dropped; /* entries that are gone: entry i made version dropped + i + 1 */
    struct gs_version_vector vector;
    struct gs_history_entry *entries;
    uint64_t count, capacity;
    uint8_t key[];
};

struct gs_memory_data {
    pthread_mutex_t lock; /* held for as long as a history reader has a cut: what takes no cut must not need it */
    atomic_uint references;
    struct gs_chain chain;
    struct gs_memory_row *rows; /* position − 1 */
    size_t *index;              /* into rows, sorted by origin and last_seq */
    size_t index_count;
    size_t count;
    size_t capacity; /* of both */
    size_t indexed;  /* rows whose events are in the aggregates' entries */
    struct gs_table aggregates;
    struct gs_memory_aggregate **numbered; /* by number − 1; owned */
    uint64_t aggregate_count, aggregate_capacity;
    gs_origin *origins; /* by number − 1; owned */
    uint32_t origin_count, origin_capacity;
    struct gs_memory_kept *kept; /* owned; memory_keep.c */
    struct gs_base base;
};

struct gs_memory_store {
    struct gs_store base;
    struct gs_memory_data *data;
};

/* memory.c */
/* The first record of `origin` that ends after `seq`, or NULL. */
const struct gs_memory_row *gs_memory_find_row(const struct gs_memory_data *data, const gs_origin *origin,
                                               uint64_t seq);
void gs_memory_release(struct gs_memory_data *data);

/* memory_base.c */
int gs_memory_install(struct gs_store *store, const struct gs_base *base, gs_store_part_fn next, void *context);

/* memory_truncate.c */
int gs_memory_truncate(struct gs_store *store, const struct gs_truncation *truncation,
                       struct gs_truncated *ret_truncated);

/* memory_index.c */
/* An aggregate whose events are gone, by its kept state. With the lock held. */
int gs_memory_index_state(struct gs_memory_data *data, const struct gs_keep_state *state);
int gs_memory_project(struct gs_store *store, uint32_t events_max, bool *ret_more);
/* NULL if it has no events. */
struct gs_memory_aggregate *gs_memory_find(const struct gs_memory_data *data, struct gs_slice type, struct gs_slice id);
void gs_memory_index_close(struct gs_memory_data *data);

/* memory_keep.c */
/* A copy of the keep becomes the newest; with the lock held. GS_ENOMEM. */
int gs_memory_put_keep(struct gs_memory_data *data, const struct gs_keep *keep);
int gs_memory_keep(struct gs_store *store, const struct gs_keep *keep);
int gs_memory_visit_kept(struct gs_store *store, const struct gs_kept_visitor *visitor, struct gs_problem *problem);
int gs_memory_forget_kept(struct gs_store *store);
/* Forgets states of an aggregate that are older than the oldest with all of its first `version` events. GS_ECORRUPT:
 * there is none. With the lock held. */
int gs_memory_drop_states(struct gs_memory_data *data, struct gs_slice type, struct gs_slice id, uint64_t version);
/* The newest state of an aggregate up to `version`, or NULL. */
const struct gs_keep_state *gs_memory_state(const struct gs_memory_data *data, struct gs_slice type, struct gs_slice id,
                                            uint64_t version);
void gs_memory_kept_close(struct gs_memory_data *data);

/* memory_history.c */
int gs_memory_open_history(struct gs_store *store, struct gs_history_reader **ret_reader);

#endif
