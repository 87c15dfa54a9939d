#include "node/store/failpoint.h"
#include "node/store/sqlite_impl.h"

#include <stdio.h>

int gs_sqlite_wal_grew(void *context, sqlite3 *db, const char *name, int pages) {
    struct gs_sqlite *sqlite = context;
    (void)db;
    (void)name;
    sqlite->wal_pages = pages;
    return SQLITE_OK;
}

/* From now on what is on disk is not known, so nothing more is written. Closing must not checkpoint either: a failed
 * fsync may have dropped pages of the WAL that this process still sees. The next open starts from what is there. */
static int fail_stop(struct gs_sqlite *sqlite) {
    sqlite->failed = true;
    (void)sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return GS_EIO;
}

/* Errors after which it is certain that nothing was written, once the transaction is rolled back. While committing,
 * these are only the ones that come before the commit's last frame is written: running out of memory may come after.
 */
static bool is_harmless(int result, bool committing) {
    switch (result & 0xff) {
    case SQLITE_FULL:
    case SQLITE_BUSY:
        return true;
    case SQLITE_NOMEM:
    case SQLITE_LOCKED:
        return !committing;
    default:
        return false;
    }
}

int gs_sqlite_undo(struct gs_sqlite *sqlite, int result, bool committing) {
    if (!sqlite3_get_autocommit(sqlite->db)) {
        (void)gs_sqlite_run(sqlite, GS_SQLITE_ROLLBACK); /* whether it worked is asked below */
    }
    bool rolled_back = sqlite3_get_autocommit(sqlite->db) != 0;
    (void)snprintf(sqlite->base.trouble, sizeof sqlite->base.trouble, "%s", sqlite3_errstr(result));
    return rolled_back && is_harmless(result, committing) ? GS_ESTORE : fail_stop(sqlite);
}

int gs_sqlite_settle(struct gs_sqlite *sqlite) {
    int result = sqlite3_wal_checkpoint_v2(sqlite->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite->unsettled = result != SQLITE_OK;
    return (result & 0xff) == SQLITE_FULL ? SQLITE_OK : result;
}

/* Moves the WAL into the database. Without room the WAL just goes on growing; an error of the disk is final. */
static int checkpoint_if_due(struct gs_sqlite *sqlite) {
    int result = SQLITE_OK;
    if (sqlite->unsettled) {
        result = gs_sqlite_settle(sqlite);
    } else if (sqlite->wal_pages > GS_SQLITE_WAL_PAGES) {
        result = sqlite3_wal_checkpoint_v2(sqlite->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    if (result != SQLITE_OK && !is_harmless(result, false)) {
        return fail_stop(sqlite);
    }
    if (sqlite->unsettled) {
        (void)snprintf(sqlite->base.trouble, sizeof sqlite->base.trouble,
                       "there is no room to write what an earlier process left in the log");
        return GS_ESTORE;
    }
    return 0;
}

int gs_sqlite_insert(struct gs_sqlite *sqlite, const struct gs_log_row *row) {
    uint8_t checksum[GS_LOG_CHECKSUM_SIZE];
    gs_log_row_checksum(row, checksum);
    sqlite3_stmt *statement = sqlite->statements[GS_SQLITE_INSERT];
    const int results[] = {
        sqlite3_bind_int64(statement, 1, (int64_t)row->position),
        sqlite3_bind_blob(statement, 2, row->origin.bytes, GS_ORIGIN_SIZE, SQLITE_STATIC),
        sqlite3_bind_int64(statement, 3, (int64_t)row->first_seq),
        sqlite3_bind_int64(statement, 4, (int64_t)row->last_seq),
        sqlite3_bind_blob(statement, 5, checksum, sizeof checksum, SQLITE_STATIC),
        sqlite3_bind_blob(statement, 6, row->record.bytes, (int)row->record.length, SQLITE_STATIC),
    };
    int result = SQLITE_OK;
    for (size_t i = 0; i < sizeof results / sizeof results[0] && result == SQLITE_OK; i++) {
        result = results[i];
    }
    if (result == SQLITE_OK) {
        result = gs_sqlite_run(sqlite, GS_SQLITE_INSERT);
    }
    (void)sqlite3_clear_bindings(statement); /* always SQLITE_OK; the bound bytes end here */
    return result;
}

int gs_sqlite_insert_link(struct gs_sqlite *sqlite, const struct gs_chain_link *link, uint64_t position) {
    const struct gs_log_row row = {
        .position = position,
        .origin = link->origin,
        .first_seq = link->first_seq,
        .last_seq = link->last_seq,
        .record = link->record,
    };
    return gs_sqlite_insert(sqlite, &row);
}

static int write_links(struct gs_sqlite *sqlite) {
    int result = gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_WRITE);
    for (uint32_t i = 0; i < sqlite->chain.link_count && result == SQLITE_OK; i++) {
        result = gs_sqlite_insert_link(sqlite, &sqlite->chain.links[i], sqlite->next_position + i);
    }
    if (result != SQLITE_OK) {
        return gs_sqlite_undo(sqlite, result, false);
    }
    GS_FAILPOINT("commit.before");
    result = gs_sqlite_run(sqlite, GS_SQLITE_COMMIT);
    GS_FAILPOINT("commit.after");
    return result == SQLITE_OK ? 0 : gs_sqlite_undo(sqlite, result, true);
}

int gs_sqlite_append(struct gs_store *store, struct gs_slice records, uint32_t count) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    if (sqlite->failed || store->damaged) {
        return sqlite->failed ? GS_EIO : GS_ECORRUPT;
    }
    int error = gs_chain_check(&sqlite->chain, records, count);
    if (error != 0) {
        return error == GS_ENOMEM ? GS_ESTORE : error;
    }
    error = checkpoint_if_due(sqlite);
    if (error == 0) {
        error = write_links(sqlite);
    }
    if (error == 0) {
        sqlite->next_position += sqlite->chain.link_count;
        gs_chain_accept(&sqlite->chain);
        store->stored = sqlite->next_position - 1;
    }
    return error;
}
