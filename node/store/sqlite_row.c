#include "node/store/sqlite_impl.h"

#include <string.h>

static bool load_blob(sqlite3_stmt *statement, int column, size_t size, void *ret) {
    const void *bytes = sqlite3_column_blob(statement, column);
    if (bytes == NULL || (size_t)sqlite3_column_bytes(statement, column) != size) {
        return false;
    }
    memcpy(ret, bytes, size);
    return true;
}

int gs_sqlite_row_load(sqlite3_stmt *statement, struct gs_log_row *ret_row) {
    struct gs_log_row row = {
        .position = (uint64_t)sqlite3_column_int64(statement, 0),
        .first_seq = (uint64_t)sqlite3_column_int64(statement, 2),
        .last_seq = (uint64_t)sqlite3_column_int64(statement, 3),
    };
    uint8_t stored[GS_LOG_CHECKSUM_SIZE];
    uint8_t computed[GS_LOG_CHECKSUM_SIZE];
    if (!load_blob(statement, 1, sizeof row.origin.bytes, row.origin.bytes) ||
        !load_blob(statement, 4, sizeof stored, stored)) {
        return GS_ECORRUPT;
    }
    const void *record = sqlite3_column_blob(statement, 5);
    row.record = gs_slice_make(record, (size_t)sqlite3_column_bytes(statement, 5));
    if (record == NULL) {
        return GS_ECORRUPT;
    }
    gs_log_row_checksum(&row, computed);
    if (memcmp(stored, computed, sizeof stored) != 0) {
        return GS_ECORRUPT;
    }
    *ret_row = row;
    return 0;
}
