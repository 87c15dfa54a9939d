/* The index over the log, written behind: sql/sqlite/0002_history.sql.
 *
 * Not in the transaction of the append: that writes one row and the commit's latency stays that of one page or two,
 * where an index row for every event would touch pages all over the tree. Behind, a slice of some thousand events
 * sorts them by aggregate. A slice is not synced: it can be rebuilt, and whatever is appended after it is synced with
 * it, as the WAL is one file. */
#include "node/store/failpoint.h"
#include "node/store/projection.h"
#include "node/store/sqlite_impl.h"

#include <string.h>

enum { COLUMN_ERROR = SQLITE_CORRUPT };

/* Steps a statement whose parameters are bound: SQLITE_ROW, SQLITE_DONE or an error. The caller resets. */
static int bind_names(sqlite3_stmt *statement, struct gs_slice type, struct gs_slice id) {
    int result = sqlite3_bind_text(statement, 1, (const char *)type.bytes, (int)type.length, SQLITE_STATIC);
    return result != SQLITE_OK ? result
                               : sqlite3_bind_text(statement, 2, (const char *)id.bytes, (int)id.length, SQLITE_STATIC);
}

static void release(sqlite3_stmt *statement) {
    (void)sqlite3_reset(statement);          /* repeats the error of the step */
    (void)sqlite3_clear_bindings(statement); /* always SQLITE_OK; the bound bytes end here */
}

/* Errors of this file travel as SQLite's, so that the end of the slice can tell a full disk from a broken one. */
struct slice {
    struct gs_sqlite *sqlite;
    int result;             /* SQLITE_OK, or the first error */
    uint64_t position;      /* of the record that is indexed */
    gs_origin origin;       /* found last … */
    uint32_t origin_number; /* … 0: none */
};

static int fail(struct slice *slice, int result) {
    if (result == SQLITE_OK) {
        return 0;
    }
    slice->result = result;
    return gs_sqlite_error(result);
}

static int add_aggregate(struct slice *slice, struct gs_slice type, struct gs_slice id, uint64_t *ret_number) {
    sqlite3_stmt *add = slice->sqlite->statements[GS_SQLITE_AGGREGATE_ADD];
    int result = bind_names(add, type, id);
    if (result == SQLITE_OK) {
        result = sqlite3_step(add);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    release(add);
    *ret_number = (uint64_t)sqlite3_last_insert_rowid(slice->sqlite->db);
    return fail(slice, result);
}

static int store(void *context, uint64_t number, uint64_t version, const struct gs_version_vector *vector) {
    struct slice *slice = context;
    sqlite3_stmt *set = slice->sqlite->statements[GS_SQLITE_AGGREGATE_SET];
    struct gs_buffer bytes = {0};
    gs_version_vector_write(vector, &bytes);
    int result = bytes.failed != 0 ? SQLITE_NOMEM : sqlite3_bind_int64(set, 1, (int64_t)number);
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(set, 2, (int64_t)version);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_blob(set, 3, bytes.bytes, (int)bytes.length, SQLITE_STATIC);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(set);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    release(set);
    gs_buffer_close(&bytes);
    return fail(slice, result);
}

static int add_origin(struct slice *slice, const gs_origin *origin, uint32_t *ret_number) {
    sqlite3_stmt *add = slice->sqlite->statements[GS_SQLITE_ORIGIN_ADD];
    int result = sqlite3_bind_blob(add, 1, origin->bytes, GS_ORIGIN_SIZE, SQLITE_STATIC);
    if (result == SQLITE_OK) {
        result = sqlite3_step(add);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    release(add);
    *ret_number = (uint32_t)sqlite3_last_insert_rowid(slice->sqlite->db);
    return fail(slice, result);
}

static int find_origin(void *context, const gs_origin *origin, uint32_t *ret_number) {
    struct slice *slice = context;
    sqlite3_stmt *find = slice->sqlite->statements[GS_SQLITE_ORIGIN_FIND];
    if (slice->origin_number > 0 && gs_origin_equal(&slice->origin, origin)) {
        *ret_number = slice->origin_number;
        return 0;
    }
    int result = sqlite3_bind_blob(find, 1, origin->bytes, GS_ORIGIN_SIZE, SQLITE_STATIC);
    if (result == SQLITE_OK) {
        result = sqlite3_step(find);
    }
    int64_t number = result == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    release(find);
    slice->origin = *origin;
    slice->origin_number = (uint32_t)number;
    if (result == SQLITE_DONE) {
        return add_origin(slice, origin, ret_number);
    }
    *ret_number = (uint32_t)number;
    return fail(slice, result == SQLITE_ROW ? SQLITE_OK : result);
}

/* An aggregate without a row has had no event since the log's base: what it was there says a state that was kept before
 * this record, if it was there at all. A snapshot of many aggregates thus makes no rows but for those that change. */
static int load_from_state(struct slice *slice, struct gs_slice type, struct gs_slice id, uint64_t *ret_version,
                           struct gs_version_vector *ret_vector) {
    sqlite3_stmt *find = slice->sqlite->statements[GS_SQLITE_STATE_BEFORE];
    const struct gs_projection_sink sink = {.context = slice, .origin = find_origin};
    struct gs_kept_state kept = {0};
    int result = bind_names(find, type, id);
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(find, 3, (int64_t)slice->position);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(find);
    }
    int error = result == SQLITE_ROW    ? gs_sqlite_state_load(find, type, id, &kept)
                : result == SQLITE_DONE ? 0
                                        : fail(slice, result);
    release(find);
    if (error == 0 && result == SQLITE_ROW) {
        error = gs_projection_vector(&sink, gs_slice_make(kept.state.bytes, kept.state.length), ret_vector);
        *ret_version = kept.version;
    }
    gs_buffer_close(&kept.state);
    return error;
}

static int load(void *context, struct gs_slice type, struct gs_slice id, uint64_t *ret_number, uint64_t *ret_version,
                struct gs_version_vector *ret_vector) {
    struct slice *slice = context;
    sqlite3_stmt *find = slice->sqlite->statements[GS_SQLITE_AGGREGATE_FIND];
    int result = bind_names(find, type, id);
    int error = 0;
    if (result == SQLITE_OK) {
        result = sqlite3_step(find);
    }
    if (result == SQLITE_ROW) {
        struct gs_slice vector = gs_slice_make(sqlite3_column_blob(find, 2), (size_t)sqlite3_column_bytes(find, 2));
        *ret_number = (uint64_t)sqlite3_column_int64(find, 0);
        *ret_version = (uint64_t)sqlite3_column_int64(find, 1);
        error = gs_version_vector_read(&vector, ret_vector);
        result = SQLITE_OK;
    } else if (result == SQLITE_DONE) {
        release(find);
        error = load_from_state(slice, type, id, ret_version, ret_vector);
        return error != 0 ? error : add_aggregate(slice, type, id, ret_number);
    }
    release(find);
    return error != 0 ? error : fail(slice, result);
}

static int add_event(void *context, uint64_t number, const struct gs_history_entry *entry) {
    struct slice *slice = context;
    sqlite3_stmt *add = slice->sqlite->statements[GS_SQLITE_EVENT_ADD];
    const uint64_t values[] = {number, entry->version, entry->position, entry->event, entry->clock};
    int result = SQLITE_OK;
    for (int i = 0; i < 5 && result == SQLITE_OK; i++) {
        result = sqlite3_bind_int64(add, i + 1, (int64_t)values[i]);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(add);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    release(add);
    return fail(slice, result);
}

static int add_versions(void *context, uint64_t position, struct gs_slice list) {
    struct slice *slice = context;
    sqlite3_stmt *add = slice->sqlite->statements[GS_SQLITE_VERSIONS_ADD];
    int result = sqlite3_bind_int64(add, 1, (int64_t)position);
    if (result == SQLITE_OK) {
        result = list.length > 0 ? sqlite3_bind_blob(add, 2, list.bytes, (int)list.length, SQLITE_STATIC)
                                 : sqlite3_bind_zeroblob(add, 2, 0);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(add);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    release(add);
    return fail(slice, result);
}

/* Where the index ends: what was removed from the log had been indexed. */
static int load_indexed(struct slice *slice, uint64_t *ret_position) {
    sqlite3_stmt *indexed = slice->sqlite->statements[GS_SQLITE_INDEXED];
    int result = sqlite3_step(indexed);
    uint64_t base = slice->sqlite->base.log_base.position;
    *ret_position = result == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(indexed, 0) : 0;
    *ret_position = *ret_position < base ? base : *ret_position;
    release(indexed);
    return fail(slice, result == SQLITE_ROW ? SQLITE_OK : result);
}

static int project_row(struct slice *slice, struct gs_projection *projection, uint64_t position) {
    sqlite3_stmt *row = slice->sqlite->statements[GS_SQLITE_ROW];
    struct gs_log_row loaded;
    slice->position = position;
    int result = sqlite3_bind_int64(row, 1, (int64_t)position);
    if (result == SQLITE_OK) {
        result = sqlite3_step(row);
    }
    int error = 0;
    if (result == SQLITE_ROW) {
        error = gs_sqlite_row_load(row, &loaded);
        error = error != 0 ? error : gs_projection_record(projection, position, loaded.record);
    } else {
        error = result == SQLITE_DONE ? GS_ECORRUPT : fail(slice, result);
    }
    release(row);
    return error;
}

static int project_rows(struct slice *slice, struct gs_projection *projection, uint32_t events_max, bool *ret_more) {
    struct gs_sqlite *sqlite = slice->sqlite;
    uint64_t position = sqlite->indexed;
    int error = 0;
    while (error == 0 && position + 1 < sqlite->next_position && projection->events < events_max) {
        error = project_row(slice, projection, ++position);
    }
    if (error == 0) {
        error = gs_projection_finish(projection);
    }
    if (error == 0) {
        GS_FAILPOINT("project.commit");
        error = fail(slice, gs_sqlite_run(sqlite, GS_SQLITE_COMMIT));
    }
    if (error == 0) {
        sqlite->indexed = position;
        sqlite->base.projected = position;
        *ret_more = position + 1 < sqlite->next_position;
    }
    return error;
}

int gs_sqlite_sync_lazily(struct gs_sqlite *sqlite, bool lazily) {
    const char *pragma = lazily ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL";
    return sqlite3_exec(sqlite->db, pragma, NULL, NULL, NULL);
}

int gs_sqlite_project(struct gs_store *base, uint32_t events_max, bool *ret_more) {
    struct gs_sqlite *sqlite = gs_sqlite_of(base);
    struct slice slice = {.sqlite = sqlite, .result = SQLITE_OK};
    struct gs_projection projection = {.sink = {.context = &slice,
                                                .load = load,
                                                .store = store,
                                                .origin = find_origin,
                                                .event = add_event,
                                                .versions = add_versions}};
    int error = sqlite->failed ? GS_EIO : 0;
    if (error == 0 && !sqlite->indexed_known) {
        error = load_indexed(&slice, &sqlite->indexed);
        sqlite->indexed_known = error == 0;
        base->stored = sqlite->next_position - 1;
        base->projected = sqlite->indexed;
    }
    *ret_more = false;
    if (error != 0 || sqlite->indexed + 1 >= sqlite->next_position) {
        return error;
    }
    error = fail(&slice, gs_sqlite_sync_lazily(sqlite, true));
    if (error == 0) {
        error = fail(&slice, gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_WRITE));
    }
    if (error == 0) {
        error = project_rows(&slice, &projection, events_max, ret_more);
    }
    gs_projection_reset(&projection);
    if (error != 0) {
        int undone = gs_sqlite_undo(sqlite, slice.result != SQLITE_OK ? slice.result : SQLITE_FULL, false);
        error = undone == GS_EIO ? GS_EIO : error;
    }
    /* Whatever happened, an append must be synced. */
    if (gs_sqlite_sync_lazily(sqlite, false) != SQLITE_OK) {
        error = gs_sqlite_undo(sqlite, SQLITE_IOERR, false);
    }
    return error;
}
