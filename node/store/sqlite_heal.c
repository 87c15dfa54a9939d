/* Looking at damaged rows, and putting sound records in their place. */
#include "node/store/sqlite_impl.h"

#include <string.h>

static void load_any(sqlite3_stmt *statement, struct gs_stored_row *ret_row) {
    struct gs_log_row row;
    ret_row->position = (uint64_t)sqlite3_column_int64(statement, 0);
    ret_row->intact = gs_sqlite_row_load(statement, &row) == 0;
    const void *origin = sqlite3_column_blob(statement, 1);
    if (origin != NULL && sqlite3_column_bytes(statement, 1) == GS_ORIGIN_SIZE) {
        memcpy(ret_row->origin.bytes, origin, GS_ORIGIN_SIZE);
    }
    ret_row->first_seq = (uint64_t)sqlite3_column_int64(statement, 2);
    ret_row->last_seq = (uint64_t)sqlite3_column_int64(statement, 3);
    const void *record = sqlite3_column_blob(statement, 5);
    ret_row->record = gs_slice_make(record, record != NULL ? (size_t)sqlite3_column_bytes(statement, 5) : 0);
}

int gs_sqlite_inspect(struct gs_store *store, uint64_t after, uint32_t rows_max, gs_store_row_fn visit, void *context,
                      uint64_t *ret_last) {
    sqlite3_stmt *replay = gs_sqlite_of(store)->statements[GS_SQLITE_REPLAY];
    int error = sqlite3_bind_int64(replay, 1, (int64_t)after) == SQLITE_OK ? 0 : GS_EIO;
    *ret_last = after;
    for (uint32_t i = 0; error == 0 && i < rows_max; i++) {
        struct gs_stored_row row = {.position = 0};
        int result = sqlite3_step(replay);
        if (result != SQLITE_ROW) {
            error = result == SQLITE_DONE ? 0 : gs_sqlite_error(result);
            break;
        }
        load_any(replay, &row);
        *ret_last = row.position;
        error = visit(context, &row);
    }
    (void)sqlite3_reset(replay); /* repeats the error of the step */
    return error;
}

static int take_out(struct gs_sqlite *sqlite, const uint64_t *positions, uint32_t count) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(sqlite->db, "DELETE FROM delta_log WHERE position = ?1", -1, &statement, NULL);
    for (uint32_t i = 0; i < count && result == SQLITE_OK; i++) {
        result = sqlite3_bind_int64(statement, 1, (int64_t)positions[i]);
        if (result == SQLITE_OK) {
            result = sqlite3_step(statement);
            result = result == SQLITE_DONE ? SQLITE_OK : result;
        }
        (void)sqlite3_reset(statement); /* repeats the error of the step */
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the last step */
    return result;
}

static int put_all(struct gs_sqlite *sqlite, const uint64_t *positions, const struct gs_slice *records,
                   uint32_t count) {
    int result = gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_WRITE);
    if (result == SQLITE_OK) {
        result = take_out(sqlite, positions, count);
    }
    for (uint32_t i = 0; i < count && result == SQLITE_OK; i++) {
        struct gs_log_row row;
        result = gs_log_row_of(positions[i], records[i], &row) == 0 ? gs_sqlite_insert(sqlite, &row) : SQLITE_MISMATCH;
    }
    return result;
}

/* Heads, once they can be read again. */
static int reload(struct gs_sqlite *sqlite) {
    gs_vector_close(&sqlite->chain.heads);
    sqlite->base.damaged = false;
    return gs_sqlite_load_heads(sqlite);
}

int gs_sqlite_heal(struct gs_store *store, const uint64_t *positions, const struct gs_slice *records, uint32_t count) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    if (sqlite->failed) {
        return GS_EIO;
    }
    int result = put_all(sqlite, positions, records, count);
    const int primary = result & 0xff;
    if (primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH) {
        result = gs_sqlite_run(sqlite, GS_SQLITE_ROLLBACK);
        return result != SQLITE_OK ? gs_sqlite_undo(sqlite, result, false)
                                   : (primary == SQLITE_CONSTRAINT ? GS_ECORRUPT : GS_EFORMAT);
    }
    if (result != SQLITE_OK) {
        return gs_sqlite_undo(sqlite, result, false);
    }
    result = gs_sqlite_run(sqlite, GS_SQLITE_COMMIT);
    if (result != SQLITE_OK) {
        return gs_sqlite_undo(sqlite, result, true);
    }
    return reload(sqlite);
}
