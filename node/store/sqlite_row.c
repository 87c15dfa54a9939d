#include "node/store/sqlite_impl.h"

#include <string.h>

static void put_be64(uint8_t *to, uint64_t value) {
    for (int i = 7; i >= 0; i--) {
        to[i] = (uint8_t)(value & 0xff);
        value >>= 8;
    }
}

/* All columns are covered, so that a row that was written to another row's place is noticed as well as a flipped bit.
 */
void gs_sqlite_row_checksum(const struct gs_sqlite_row *row, uint8_t ret_checksum[GS_SQLITE_CHECKSUM_SIZE]) {
    uint8_t numbers[GS_ORIGIN_SIZE + 3 * 8];
    memcpy(numbers, row->origin.bytes, GS_ORIGIN_SIZE);
    put_be64(numbers + GS_ORIGIN_SIZE, row->position);
    put_be64(numbers + GS_ORIGIN_SIZE + 8, row->first_seq);
    put_be64(numbers + GS_ORIGIN_SIZE + 16, row->last_seq);
    gs_hash16("gs-log-row-v1", numbers, sizeof numbers, row->record.bytes, row->record.length, ret_checksum);
}

static bool load_blob(sqlite3_stmt *statement, int column, size_t size, void *ret) {
    const void *bytes = sqlite3_column_blob(statement, column);
    if (bytes == NULL || (size_t)sqlite3_column_bytes(statement, column) != size) {
        return false;
    }
    memcpy(ret, bytes, size);
    return true;
}

int gs_sqlite_row_load(sqlite3_stmt *statement, struct gs_sqlite_row *ret_row) {
    struct gs_sqlite_row row = {
        .position = (uint64_t)sqlite3_column_int64(statement, 0),
        .first_seq = (uint64_t)sqlite3_column_int64(statement, 2),
        .last_seq = (uint64_t)sqlite3_column_int64(statement, 3),
    };
    uint8_t stored[GS_SQLITE_CHECKSUM_SIZE];
    uint8_t computed[GS_SQLITE_CHECKSUM_SIZE];
    if (!load_blob(statement, 1, sizeof row.origin.bytes, row.origin.bytes) ||
        !load_blob(statement, 4, sizeof stored, stored)) {
        return GS_ECORRUPT;
    }
    const void *record = sqlite3_column_blob(statement, 5);
    row.record = gs_slice_make(record, (size_t)sqlite3_column_bytes(statement, 5));
    if (record == NULL) {
        return GS_ECORRUPT;
    }
    gs_sqlite_row_checksum(&row, computed);
    if (memcmp(stored, computed, sizeof stored) != 0) {
        return GS_ECORRUPT;
    }
    *ret_row = row;
    return 0;
}
