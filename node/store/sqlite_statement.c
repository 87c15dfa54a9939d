#include "node/store/sqlite_impl.h"

#define ROW_COLUMNS "position, origin, first_seq, last_seq, checksum, record"

static const char *const texts[GS_SQLITE_STATEMENT_COUNT] = {
    [GS_SQLITE_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [GS_SQLITE_BEGIN_READ] = "BEGIN",
    [GS_SQLITE_COMMIT] = "COMMIT",
    [GS_SQLITE_ROLLBACK] = "ROLLBACK",
    [GS_SQLITE_INSERT] = "INSERT INTO delta_log (" ROW_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [GS_SQLITE_REPLAY] = "SELECT " ROW_COLUMNS " FROM delta_log WHERE position > ?1 ORDER BY position",
    [GS_SQLITE_ROW] = "SELECT " ROW_COLUMNS " FROM delta_log WHERE position = ?1",
    [GS_SQLITE_FIND] =
        "SELECT position, last_seq FROM delta_log WHERE origin = ?1 AND last_seq > ?2 ORDER BY last_seq LIMIT 1",
    [GS_SQLITE_EVENT] =
        "SELECT " ROW_COLUMNS " FROM delta_log WHERE origin = ?1 AND last_seq > ?2 ORDER BY last_seq LIMIT 1",
    [GS_SQLITE_LAST] = "SELECT " ROW_COLUMNS " FROM delta_log WHERE origin = ?1 ORDER BY last_seq DESC LIMIT 1",
    [GS_SQLITE_NEXT_ORIGIN] = "SELECT origin FROM delta_log WHERE origin > ?1 ORDER BY origin LIMIT 1",
    [GS_SQLITE_LAST_POSITION] = "SELECT coalesce(max(position), 0) FROM delta_log",
    [GS_SQLITE_INDEXED] = "SELECT coalesce(max(position), 0) FROM event_versions",
    [GS_SQLITE_AGGREGATE_FIND] = "SELECT number, version, vector FROM aggregates WHERE type = ?1 AND id = ?2",
    [GS_SQLITE_AGGREGATE_ADD] = "INSERT INTO aggregates (type, id, version, vector) VALUES (?1, ?2, 0, x'00')",
    [GS_SQLITE_AGGREGATE_SET] = "UPDATE aggregates SET version = ?2, vector = ?3 WHERE number = ?1",
    [GS_SQLITE_ORIGIN_FIND] = "SELECT number FROM origins WHERE origin = ?1",
    [GS_SQLITE_ORIGIN_ADD] = "INSERT INTO origins (origin) VALUES (?1)",
    [GS_SQLITE_EVENT_ADD] = "INSERT INTO aggregate_events VALUES (?1, ?2, ?3, ?4, ?5)",
    [GS_SQLITE_VERSIONS_ADD] = "INSERT INTO event_versions VALUES (?1, ?2)",
    [GS_SQLITE_STATE_ADD] = "INSERT OR REPLACE INTO aggregate_states VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [GS_SQLITE_STATE_BEFORE] = "SELECT version, position, updated, hash, state FROM aggregate_states WHERE type = ?1 "
                               "AND id = ?2 AND position < ?3 ORDER BY version DESC LIMIT 1",
    [GS_SQLITE_STATES_BEFORE] = "SELECT version FROM aggregate_states WHERE type = ?1 AND id = ?2 AND version < ?3 "
                                "ORDER BY version DESC LIMIT 2",
    [GS_SQLITE_STATE_DROP] = "DELETE FROM aggregate_states WHERE type = ?1 AND id = ?2 AND version = ?3",
    [GS_SQLITE_CHECKPOINT_SET] = "INSERT OR REPLACE INTO checkpoints VALUES (1, ?1, ?2, ?3, ?4)",
    [GS_SQLITE_ENTRIES_ADD] = "INSERT INTO kept_entries VALUES (?1, ?2, ?3, ?4, ?5)",
    [GS_SQLITE_AGGREGATE_VERSION] = "SELECT version FROM aggregates WHERE type = ?1 AND id = ?2",
    [GS_SQLITE_EVENT_AFTER] =
        "SELECT version FROM aggregate_events WHERE aggregate = ?1 AND position > ?2 ORDER BY version LIMIT 1",
    [GS_SQLITE_EVENTS_DROP] = "DELETE FROM aggregate_events WHERE aggregate = ?1 AND version <= ?2",
    [GS_SQLITE_STATE_FROM] = "SELECT min(version) FROM aggregate_states WHERE type = ?1 AND id = ?2 AND version >= ?3",
    [GS_SQLITE_STATES_DROP] = "DELETE FROM aggregate_states WHERE type = ?1 AND id = ?2 AND version < ?3",
    [GS_SQLITE_RECORD_DROP] = "DELETE FROM delta_log WHERE position = ?1",
    [GS_SQLITE_VERSIONS_DROP] = "DELETE FROM event_versions WHERE position = ?1",
    [GS_SQLITE_ENTRIES_DROP] = "DELETE FROM kept_entries WHERE journal = ?1 AND last < ?2",
};

int gs_sqlite_prepare(struct gs_sqlite *sqlite) {
    for (int i = 0; i < GS_SQLITE_STATEMENT_COUNT; i++) {
        int result =
            sqlite3_prepare_v3(sqlite->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &sqlite->statements[i], NULL);
        if (result != SQLITE_OK) {
            return result;
        }
    }
    return SQLITE_OK;
}

void gs_sqlite_finalize(struct gs_sqlite *sqlite) {
    for (int i = 0; i < GS_SQLITE_STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(sqlite->statements[i]); /* repeats the error of the last step */
        sqlite->statements[i] = NULL;
    }
}

int gs_sqlite_run(struct gs_sqlite *sqlite, enum gs_sqlite_statement statement) {
    int result = sqlite3_step(sqlite->statements[statement]);
    (void)sqlite3_reset(sqlite->statements[statement]); /* repeats the error of the step */
    return result == SQLITE_DONE ? SQLITE_OK : result == SQLITE_ROW ? SQLITE_MISUSE : result;
}

int gs_sqlite_error(int result) {
    switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return GS_ECORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return GS_EBUSY;
    case SQLITE_NOMEM:
        return GS_ENOMEM;
    default:
        return GS_EIO;
    }
}

int gs_sqlite_problem(struct gs_problem *problem, sqlite3 *db, const char *path, int result) {
    const char *message = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(result);
    return gs_problem_set(problem, gs_sqlite_error(result), NULL, "%s: %s (SQLite error %d)", path, message, result);
}
