#include "node/store/sqlite_impl.h"

#include <string.h>

static int load_row(struct gs_sqlite *sqlite, uint64_t position, struct gs_slice record, struct gs_log_row *ret_row) {
    sqlite3_stmt *row = sqlite->statements[GS_SQLITE_ROW];
    int result = sqlite3_bind_int64(row, 1, (int64_t)position);
    if (result == SQLITE_OK) {
        result = sqlite3_step(row);
    }
    int error = result == SQLITE_ROW ? 0 : result == SQLITE_DONE ? GS_ENOTFOUND : gs_sqlite_error(result);
    if (error == 0) {
        error = gs_sqlite_row_load(row, ret_row);
    }
    if (error == 0 && !gs_log_may_replace(ret_row->record, record)) {
        error = GS_EINVAL;
    }
    (void)sqlite3_reset(row); /* repeats the error of the step */
    return error;
}

static int update(struct gs_sqlite *sqlite, const struct gs_log_row *row) {
    sqlite3_stmt *statement = NULL;
    uint8_t checksum[GS_LOG_CHECKSUM_SIZE];
    gs_log_row_checksum(row, checksum);
    int result = sqlite3_prepare_v2(sqlite->db, "UPDATE delta_log SET checksum = ?2, record = ?3 WHERE position = ?1",
                                    -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(statement, 1, (int64_t)row->position);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_blob(statement, 2, checksum, sizeof checksum, SQLITE_STATIC);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_blob64(statement, 3, row->record.bytes, row->record.length, SQLITE_STATIC);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    return result;
}

/* What is taken out must be gone from the file, too: freed pages are overwritten. */
int gs_sqlite_rewrite(struct gs_store *store, uint64_t position, struct gs_slice record) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    struct gs_log_row row;
    int error = sqlite->failed ? GS_EIO : load_row(sqlite, position, record, &row);
    if (error != 0) {
        return error;
    }
    row.record = record;
    int result = sqlite3_exec(sqlite->db, "PRAGMA secure_delete = ON", NULL, NULL, NULL);
    if (result == SQLITE_OK) {
        result = update(sqlite, &row);
    }
    return result == SQLITE_OK ? 0 : gs_sqlite_undo(sqlite, result, true);
}

/* The WAL has the pages as they were: it is emptied. A reader that stands before its end keeps it. */
int gs_sqlite_scrub(struct gs_store *store) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    if (sqlite->failed) {
        return GS_EIO;
    }
    int result = sqlite3_wal_checkpoint_v2(sqlite->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if ((result & 0xff) == SQLITE_BUSY) {
        return GS_EBUSY;
    }
    return result == SQLITE_OK ? 0 : gs_sqlite_undo(sqlite, result, false);
}
