#include "node/store/lacking.h"
#include "node/store/sqlite_impl.h"

/* A read inside of a transaction that could not be ended might see what was never committed. */
static int check_readable(struct gs_sqlite *sqlite) {
    return sqlite3_get_autocommit(sqlite->db) ? 0 : GS_EIO;
}

/* Visits the row on which REPLAY stands. Positions go up by one; up to the base some may be missing. */
static int visit_row(struct gs_sqlite *sqlite, uint64_t *position, gs_store_record_fn visit, void *context) {
    struct gs_log_row row;
    uint64_t base = sqlite->base.log_base.position;
    int error = gs_sqlite_row_load(sqlite->statements[GS_SQLITE_REPLAY], &row);
    if (error == 0 && row.position <= base && row.position > *position) {
        *position = row.position;
    } else if (error == 0 && *position <= base && row.position > base) {
        *position = base + 1;
    }
    if (error == 0 && row.position != *position) {
        error = GS_ECORRUPT;
    }
    return error != 0 ? error : visit(context, row.position, row.record);
}

int gs_sqlite_replay(struct gs_store *store, gs_store_record_fn visit, void *context) {
    return gs_sqlite_replay_after(store, 0, visit, context);
}

int gs_sqlite_replay_after(struct gs_store *store, uint64_t after, gs_store_record_fn visit, void *context) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    sqlite3_stmt *replay = sqlite->statements[GS_SQLITE_REPLAY];
    int error = check_readable(sqlite);
    uint64_t position = after + 1;
    if (error == 0) {
        error = sqlite3_bind_int64(replay, 1, (int64_t)after) == SQLITE_OK ? 0 : GS_EIO;
    }
    while (error == 0) {
        int result = sqlite3_step(replay);
        if (result != SQLITE_ROW) {
            position = position <= store->log_base.position ? store->log_base.position + 1 : position;
            error = result != SQLITE_DONE               ? gs_sqlite_error(result)
                    : position != sqlite->next_position ? GS_ECORRUPT
                                                        : 0;
            break;
        }
        error = visit_row(sqlite, &position, visit, context);
        position++;
    }
    (void)sqlite3_reset(replay); /* repeats the error of the step */
    return error;
}

/* Binds origin and seq and steps: 0 on a row, GS_ENOTFOUND, or an error. The caller resets. */
static int step_origin(sqlite3_stmt *statement, const gs_origin *origin, uint64_t seq) {
    if (seq > GS_SEQ_MAX) {
        return GS_ENOTFOUND;
    }
    int result = sqlite3_bind_blob(statement, 1, origin->bytes, GS_ORIGIN_SIZE, SQLITE_STATIC);
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(statement, 2, (int64_t)seq);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
    }
    return result == SQLITE_ROW ? 0 : result == SQLITE_DONE ? GS_ENOTFOUND : gs_sqlite_error(result);
}

static int lacking_find(void *context, const gs_origin *origin, uint64_t seq, struct gs_lacking_place *ret_place) {
    struct gs_sqlite *sqlite = context;
    sqlite3_stmt *find = sqlite->statements[GS_SQLITE_FIND];
    int error = step_origin(find, origin, seq);
    if (error == 0) {
        *ret_place = (struct gs_lacking_place){
            .position = (uint64_t)sqlite3_column_int64(find, 0),
            .last_seq = (uint64_t)sqlite3_column_int64(find, 1),
        };
    }
    (void)sqlite3_reset(find); /* repeats the error of the step */
    return error;
}

static int lacking_read(void *context, const gs_origin *origin, const struct gs_lacking_place *place,
                        struct gs_buffer *ret_record) {
    struct gs_sqlite *sqlite = context;
    sqlite3_stmt *statement = sqlite->statements[GS_SQLITE_ROW];
    struct gs_log_row row;
    int result = sqlite3_bind_int64(statement, 1, (int64_t)place->position);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
    }
    int error = result == SQLITE_ROW ? 0 : result == SQLITE_DONE ? GS_ECORRUPT : gs_sqlite_error(result);
    if (error == 0) {
        error = gs_sqlite_row_load(statement, &row);
    }
    /* The index is not covered by checksums, but the row that it led to is. */
    if (error == 0 && (row.last_seq != place->last_seq || !gs_origin_equal(&row.origin, origin))) {
        error = GS_ECORRUPT;
    }
    if (error == 0) {
        gs_buffer_append(ret_record, row.record.bytes, row.record.length);
        error = ret_record->failed;
    }
    (void)sqlite3_reset(statement); /* repeats the error of the step */
    return error;
}

int gs_sqlite_read_lacking(struct gs_store *store, const struct gs_vector *have, size_t bytes_max,
                           struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    const struct gs_lacking_source source = {.context = sqlite, .find = lacking_find, .read = lacking_read};
    int error = gs_base_is_behind(&store->log_base, have) ? GS_EGONE : check_readable(sqlite);
    if (error != 0) {
        return error;
    }
    /* One transaction for all the small reads: each would take and drop file locks by itself. */
    int result = gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_READ);
    if (result != SQLITE_OK) {
        return gs_sqlite_error(result);
    }
    error = gs_lacking_read(&source, &sqlite->chain.heads, have, bytes_max, ret_records, ret_count, ret_more);
    /* Some errors end a transaction by themselves. One that stays open fails every later read and append. */
    if (!sqlite3_get_autocommit(sqlite->db)) {
        (void)gs_sqlite_run(sqlite, GS_SQLITE_ROLLBACK);
    }
    return error;
}

int gs_sqlite_read_event(struct gs_store *store, const gs_origin *origin, uint64_t seq, struct gs_buffer *ret_record) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    sqlite3_stmt *event = sqlite->statements[GS_SQLITE_EVENT];
    struct gs_log_row row;
    int error = seq == 0 ? GS_ENOTFOUND : check_readable(sqlite);
    if (error == 0) {
        error = step_origin(event, origin, seq - 1);
    }
    if (error == 0) {
        error = gs_sqlite_row_load(event, &row);
    }
    if (error == 0 && (!gs_origin_equal(&row.origin, origin) || row.last_seq < seq)) {
        error = GS_ECORRUPT;
    }
    if (error == 0 && row.first_seq > seq) {
        error = GS_ENOTFOUND;
    }
    if (error == 0) {
        gs_buffer_append(ret_record, row.record.bytes, row.record.length);
        error = ret_record->failed;
    }
    (void)sqlite3_reset(event); /* repeats the error of the step */
    return error;
}
