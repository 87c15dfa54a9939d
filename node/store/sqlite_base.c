#include "node/store/kept_hash.h"
#include "node/store/sqlite_impl.h"

#include <string.h>

static void hash_base(uint64_t position, struct gs_slice bytes, uint8_t ret_hash[GS_LOG_CHECKSUM_SIZE]) {
    gs_kept_row_hash("gs-log-base-v1", &position, 1, bytes, ret_hash);
}

static int load_row(sqlite3_stmt *statement, struct gs_base *ret_base) {
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    uint64_t position = (uint64_t)sqlite3_column_int64(statement, 0);
    const void *stored = sqlite3_column_blob(statement, 1);
    const void *bytes = sqlite3_column_blob(statement, 2);
    struct gs_slice body = gs_slice_make(bytes, (size_t)sqlite3_column_bytes(statement, 2));
    struct gs_base base = {0};
    if (stored == NULL || bytes == NULL || sqlite3_column_bytes(statement, 1) != GS_LOG_CHECKSUM_SIZE) {
        return GS_ECORRUPT;
    }
    hash_base(position, body, hash);
    int error = memcmp(hash, stored, sizeof hash) == 0 ? gs_base_read(body, &base) : GS_ECORRUPT;
    if (error == 0 && (base.position != position || position == 0)) {
        error = GS_ECORRUPT;
    }
    if (error == 0) {
        gs_base_close(ret_base);
        *ret_base = base;
    } else {
        gs_base_close(&base);
    }
    return error;
}

int gs_sqlite_read_base(sqlite3 *db, struct gs_base *ret_base) {
    sqlite3_stmt *statement = NULL;
    int result =
        sqlite3_prepare_v2(db, "SELECT position, hash, base FROM log_base WHERE number = 1", -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
    }
    int error = result == SQLITE_ROW    ? load_row(statement, ret_base)
                : result == SQLITE_DONE ? 0
                                        : gs_sqlite_error(result);
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    return error;
}

int gs_sqlite_write_base(struct gs_sqlite *sqlite, const struct gs_base *base) {
    sqlite3_stmt *statement = NULL;
    struct gs_buffer bytes = {0};
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    int result = gs_base_write(base, &bytes) == 0 ? SQLITE_OK : SQLITE_NOMEM;
    if (result == SQLITE_OK) {
        hash_base(base->position, gs_slice_make(bytes.bytes, bytes.length), hash);
        result = sqlite3_prepare_v2(sqlite->db, "INSERT OR REPLACE INTO log_base VALUES (1, ?1, ?2, ?3)", -1,
                                    &statement, NULL);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(statement, 1, (int64_t)base->position);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_blob(statement, 2, hash, sizeof hash, SQLITE_STATIC);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_blob64(statement, 3, bytes.bytes, bytes.length, SQLITE_STATIC);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    gs_buffer_close(&bytes);
    return result;
}

/* Writes the parts; `ret_result` is SQLite's, the return value that of `next`. */
static int write_parts(struct gs_sqlite *sqlite, uint64_t position, gs_store_part_fn next, void *context,
                       int *ret_result) {
    const struct gs_keep *keep = NULL;
    bool complete = false;
    int error = next(context, &keep);
    for (; error == 0 && *ret_result == SQLITE_OK && keep != NULL; error = next(context, &keep)) {
        *ret_result = gs_sqlite_write_keep(sqlite, keep, true);
        complete = keep->core.length > 0 ? keep->low == position && keep->position == position : complete;
    }
    return error == 0 && *ret_result == SQLITE_OK && !complete ? GS_EINVAL : error;
}

static int write_all(struct gs_sqlite *sqlite, const struct gs_base *base, gs_store_part_fn next, void *context) {
    int result = gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_WRITE);
    if (result == SQLITE_OK) {
        result =
            sqlite3_exec(sqlite->db,
                         "DELETE FROM checkpoints; DELETE FROM kept_entries; DELETE FROM aggregate_states; DELETE FROM "
                         "aggregates",
                         NULL, NULL, NULL);
    }
    int error = result == SQLITE_OK ? write_parts(sqlite, base->position, next, context, &result) : 0;
    if (result == SQLITE_OK && error == 0) {
        result = gs_sqlite_write_base(sqlite, base);
    }
    if (result != SQLITE_OK || error != 0) {
        int undone = gs_sqlite_undo(sqlite, result != SQLITE_OK ? result : SQLITE_FULL, false);
        return undone == GS_EIO || error == 0 ? undone : error;
    }
    result = gs_sqlite_run(sqlite, GS_SQLITE_COMMIT);
    return result == SQLITE_OK ? 0 : gs_sqlite_undo(sqlite, result, true);
}

int gs_sqlite_install(struct gs_store *store, const struct gs_base *base, gs_store_part_fn next, void *context) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    struct gs_base copy = {0};
    struct gs_vector heads = {0};
    if (sqlite->failed) {
        return GS_EIO;
    }
    if (sqlite->next_position != 1 || base->position == 0) {
        return GS_EINVAL;
    }
    int error = gs_base_copy(&copy, base);
    error = error == 0 ? gs_vector_copy(&heads, &base->heads) : error;
    error = error == 0 ? write_all(sqlite, base, next, context) : error;
    if (error != 0) {
        gs_base_close(&copy);
        gs_vector_close(&heads);
        return error;
    }
    store->log_base = copy;
    sqlite->chain.heads = heads;
    sqlite->next_position = base->position + 1;
    sqlite->indexed = base->position;
    sqlite->indexed_known = true;
    store->stored = store->projected = base->position;
    return 0;
}
