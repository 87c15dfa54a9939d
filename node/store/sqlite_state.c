/* Kept states: a row's hash covers all of its columns, so that one that was damaged, or put into another's place, is
 * noticed and never served. */
#include "node/store/kept_hash.h"
#include "node/store/sqlite_impl.h"

#include <string.h>

int gs_sqlite_state_load(sqlite3_stmt *statement, struct gs_slice type, struct gs_slice id,
                         struct gs_kept_state *ret_state) {
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    const void *stored = sqlite3_column_blob(statement, 3);
    if (stored == NULL || sqlite3_column_bytes(statement, 3) != sizeof hash || type.length > GS_ID_BYTES_MAX ||
        id.length > GS_ID_BYTES_MAX) {
        return GS_ECORRUPT;
    }
    ret_state->version = (uint64_t)sqlite3_column_int64(statement, 0);
    ret_state->position = (uint64_t)sqlite3_column_int64(statement, 1);
    ret_state->updated = (uint64_t)sqlite3_column_int64(statement, 2);
    ret_state->state.length = 0;
    gs_buffer_append(&ret_state->state, sqlite3_column_blob(statement, 4), (size_t)sqlite3_column_bytes(statement, 4));
    if (ret_state->state.failed != 0) {
        return ret_state->state.failed;
    }
    gs_kept_state_hash(type, id, ret_state, hash);
    return memcmp(hash, stored, sizeof hash) == 0 ? 0 : GS_ECORRUPT;
}
