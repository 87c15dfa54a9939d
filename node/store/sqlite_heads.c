#include "node/store/sqlite_impl.h"

#include <stdio.h>
#include <string.h>

/* The head that the last record of `origin` makes. */
static int load_head(struct gs_sqlite *sqlite, const gs_origin *origin) {
    sqlite3_stmt *last = sqlite->statements[GS_SQLITE_LAST];
    int result = sqlite3_bind_blob(last, 1, origin->bytes, GS_ORIGIN_SIZE, SQLITE_STATIC);
    if (result == SQLITE_OK) {
        result = sqlite3_step(last);
    }
    if (result != SQLITE_ROW) {
        return result == SQLITE_DONE ? GS_ECORRUPT : gs_sqlite_error(result);
    }
    struct gs_log_row row;
    struct gs_head head;
    int error = gs_sqlite_row_load(last, &row);
    if (error == 0) {
        error = gs_log_row_head(&row, &head);
    }
    if (error == 0 && !gs_origin_equal(&head.origin, origin)) {
        error = GS_ECORRUPT;
    }
    if (error == GS_ECORRUPT) {
        sqlite->base.damaged = true; /* the database is sound, a row of it is not: it can be put right */
        return 0;
    }
    return error != 0 ? error : gs_vector_set(&sqlite->chain.heads, &head);
}

/* The least origin after `*origin` (any, if it is NULL): 0, GS_ENOTFOUND or an error. */
static int next_origin(struct gs_sqlite *sqlite, const gs_origin *origin, gs_origin *ret_origin) {
    sqlite3_stmt *next = sqlite->statements[GS_SQLITE_NEXT_ORIGIN];
    int result = origin != NULL ? sqlite3_bind_blob(next, 1, origin->bytes, GS_ORIGIN_SIZE, SQLITE_TRANSIENT)
                                : sqlite3_bind_zeroblob(next, 1, 0);
    int error = 0;
    if (result == SQLITE_OK) {
        result = sqlite3_step(next);
    }
    if (result == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(next, 0);
        if (bytes != NULL && sqlite3_column_bytes(next, 0) == GS_ORIGIN_SIZE) {
            memcpy(ret_origin->bytes, bytes, GS_ORIGIN_SIZE);
        } else {
            error = GS_ECORRUPT;
        }
    } else {
        error = result == SQLITE_DONE ? GS_ENOTFOUND : gs_sqlite_error(result);
    }
    (void)sqlite3_reset(next); /* repeats the error of the step */
    return error;
}

static int load_next_position(struct gs_sqlite *sqlite) {
    sqlite3_stmt *last = sqlite->statements[GS_SQLITE_LAST_POSITION];
    int error = 0;
    int result = sqlite3_step(last);
    if (result == SQLITE_ROW) {
        uint64_t newest = (uint64_t)sqlite3_column_int64(last, 0);
        uint64_t base = sqlite->base.log_base.position;
        sqlite->next_position = (newest > base ? newest : base) + 1;
    } else {
        error = gs_sqlite_error(result);
    }
    (void)sqlite3_reset(last); /* repeats the error of the step */
    return error;
}

/* Jumps from origin to origin in the index: the cost does not grow with the log. */
int gs_sqlite_load_heads(struct gs_sqlite *sqlite) {
    gs_origin origin;
    int error = gs_sqlite_read_base(sqlite->db, &sqlite->base.log_base);
    if (error == GS_ECORRUPT) {
        (void)snprintf(sqlite->base.trouble, sizeof sqlite->base.trouble, "%s", GS_BASE_DAMAGED);
    }
    error = error == 0 ? load_next_position(sqlite) : error;
    if (error != 0) {
        return error;
    }
    error = next_origin(sqlite, NULL, &origin);
    while (error == 0) {
        error = load_head(sqlite, &origin);
        (void)sqlite3_reset(sqlite->statements[GS_SQLITE_LAST]); /* repeats the error of the step */
        if (error == 0) {
            error = next_origin(sqlite, &origin, &origin);
        }
    }
    return error == GS_ENOTFOUND ? gs_base_complete(&sqlite->base.log_base, &sqlite->chain.heads) : error;
}
