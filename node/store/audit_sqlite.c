/* The audit log in a SQLite database of its own. */
#include "node/store/audit_engine.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { TRIM_ROWS = 10000 };

static const char *const schema =
    "CREATE TABLE IF NOT EXISTS audit_log ("
    "number INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, last INTEGER NOT NULL, kind INTEGER NOT NULL, "
    "subject TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, status INTEGER NOT "
    "NULL, "
    "code TEXT NOT NULL, request_id TEXT NOT NULL, count INTEGER NOT NULL, minute INTEGER) STRICT;"
    /* Summed entries have a minute, and only they. */
    "CREATE UNIQUE INDEX IF NOT EXISTS audit_log_sums ON audit_log (minute, subject, kind, action, status, code) "
    "WHERE minute IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS audit_log_by_subject ON audit_log (subject, number);"
    "CREATE INDEX IF NOT EXISTS audit_log_by_time ON audit_log (time);";

static const char *const insert_text =
    "INSERT INTO audit_log (time, last, kind, subject, address, action, target, status, code, request_id, count, "
    "minute) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (minute, subject, kind, action, status, "
    "code) WHERE minute IS NOT NULL DO UPDATE SET count = count + excluded.count, last = excluded.last, address = "
    "excluded.address";

struct sqlite_engine {
    struct gs_audit_engine base;
    sqlite3 *db;
    sqlite3_stmt *insert;
};

static struct sqlite_engine *engine_of(struct gs_audit_engine *engine) {
    return (struct sqlite_engine *)engine;
}

static void bind_text(sqlite3_stmt *statement, int at, struct gs_slice text) {
    const char *bytes = text.length > 0 ? (const char *)text.bytes : "";
    (void)sqlite3_bind_text(statement, at, bytes, (int)text.length, SQLITE_STATIC); /* a failure shows at the step */
}

static int write_one(sqlite3_stmt *insert, const struct gs_audit_row *row) {
    const struct gs_audit_entry *entry = &row->kept;
    (void)sqlite3_bind_int64(insert, 1, (int64_t)entry->time_ms);
    (void)sqlite3_bind_int64(insert, 2, (int64_t)row->last_ms);
    (void)sqlite3_bind_int(insert, 3, (int)entry->kind);
    bind_text(insert, 4, entry->subject);
    bind_text(insert, 5, entry->address);
    bind_text(insert, 6, entry->action);
    bind_text(insert, 7, entry->target);
    (void)sqlite3_bind_int(insert, 8, entry->status);
    bind_text(insert, 9, entry->code);
    bind_text(insert, 10, entry->request_id);
    (void)sqlite3_bind_int64(insert, 11, (int64_t)row->count);
    if (row->summed) {
        (void)sqlite3_bind_int64(insert, 12, (int64_t)(entry->time_ms / GS_AUDIT_MINUTE_MS));
    } else {
        (void)sqlite3_bind_null(insert, 12);
    }
    int result = sqlite3_step(insert);
    (void)sqlite3_reset(insert); /* repeats the error of the step */
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* A full disk is waited for by the region's log, not here. */
static int write_rows(struct gs_audit_engine *base, const struct gs_audit_row *first, uint64_t batch) {
    struct sqlite_engine *engine = engine_of(base);
    int result = sqlite3_exec(engine->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    (void)batch;
    for (const struct gs_audit_row *row = first; row != NULL; row = row->next) {
        result = result == SQLITE_OK ? write_one(engine->insert, row) : result;
    }
    result = result == SQLITE_OK ? sqlite3_exec(engine->db, "COMMIT", NULL, NULL, NULL) : result;
    if (result != SQLITE_OK && !sqlite3_get_autocommit(engine->db)) {
        (void)sqlite3_exec(engine->db, "ROLLBACK", NULL, NULL, NULL); /* the next BEGIN tells if it failed */
    }
    return result == SQLITE_OK ? 0 : GS_EIO;
}

/* A bounded bite, so that who adds an entry does not wait long. */
static void trim(struct gs_audit_engine *engine, uint64_t before_ms) {
    char sql[160];
    sqlite3_snprintf(sizeof sql, sql,
                     "DELETE FROM audit_log WHERE number IN (SELECT number FROM audit_log WHERE time < %lld LIMIT %d)",
                     (long long)before_ms, TRIM_ROWS);
    (void)sqlite3_exec(engine_of(engine)->db, sql, NULL, NULL, NULL); /* the next turn tries again */
}

static struct gs_slice column(sqlite3_stmt *statement, int index) {
    const void *text = sqlite3_column_text(statement, index);
    return gs_slice_make(text, (size_t)sqlite3_column_bytes(statement, index));
}

static void show(sqlite3_stmt *statement, bool first, struct gs_buffer *out) {
    int kind = sqlite3_column_int(statement, 3);
    const char *name = kind >= 0 && kind < GS_AUDIT_KINDS ? gs_audit_kind_name((enum gs_audit_kind)kind) : "?";
    const struct gs_audit_shown row = {
        .number = (uint64_t)sqlite3_column_int64(statement, 0),
        .time_ms = (uint64_t)sqlite3_column_int64(statement, 1),
        .last_ms = (uint64_t)sqlite3_column_int64(statement, 2),
        .kind = gs_slice_make(name, strlen(name)),
        .subject = column(statement, 4),
        .address = column(statement, 5),
        .action = column(statement, 6),
        .target = column(statement, 7),
        .status = sqlite3_column_int(statement, 8),
        .code = column(statement, 9),
        .request_id = column(statement, 10),
        .count = (uint64_t)sqlite3_column_int64(statement, 11),
    };
    gs_audit_show(&row, first, out);
}

static int64_t clamp(uint64_t number) {
    return number > INT64_MAX ? INT64_MAX : (int64_t)number;
}

static int prepare_query(sqlite3 *db, const struct gs_audit_query *query, sqlite3_stmt **ret_statement) {
    char sql[640];
    sqlite3_snprintf(sizeof sql, sql,
                     "SELECT number, time, last, kind, subject, address, action, target, status, code, request_id, "
                     "count FROM audit_log WHERE number < ?1 AND last >= ?2 AND time <= ?3%s%s%s "
                     "ORDER BY number DESC LIMIT ?4",
                     query->kind >= 0 ? " AND kind = ?5" : "", query->subject.length > 0 ? " AND subject = ?6" : "",
                     query->target.length > 0 ? " AND substr(target, 1, length(?7)) = ?7" : "");
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        return GS_EIO;
    }
    (void)sqlite3_bind_int64(statement, 1, query->before != 0 ? clamp(query->before) : INT64_MAX);
    (void)sqlite3_bind_int64(statement, 2, clamp(query->since_ms));
    (void)sqlite3_bind_int64(statement, 3, clamp(query->until_ms));
    (void)sqlite3_bind_int64(statement, 4, (int64_t)query->limit + 1);
    if (query->kind >= 0) {
        (void)sqlite3_bind_int(statement, 5, query->kind);
    }
    if (query->subject.length > 0) {
        bind_text(statement, 6, query->subject);
    }
    if (query->target.length > 0) {
        bind_text(statement, 7, query->target);
    }
    *ret_statement = statement;
    return 0;
}

static int query_rows(struct gs_audit_engine *engine, const struct gs_audit_query *query, struct gs_buffer *out,
                      uint64_t *ret_next) {
    sqlite3_stmt *statement = NULL;
    uint64_t next = 0;
    uint64_t last = 0;
    uint32_t count = 0;
    int result = SQLITE_DONE;
    int error = prepare_query(engine_of(engine)->db, query, &statement);
    while (error == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        if (count == query->limit) {
            next = last;
            break;
        }
        last = (uint64_t)sqlite3_column_int64(statement, 0);
        show(statement, count++ == 0, out);
    }
    error = error == 0 && result != SQLITE_ROW && result != SQLITE_DONE ? GS_EIO : error;
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    *ret_next = next;
    return error;
}

static void close_engine(struct gs_audit_engine *base) {
    struct sqlite_engine *engine = engine_of(base);
    (void)sqlite3_finalize(engine->insert); /* repeats the error of the last step */
    (void)sqlite3_close(engine->db);        /* without statements it cannot be busy */
    free(engine);
}

static const struct gs_audit_engine_methods methods = {
    .local = true, .write = write_rows, .trim = trim, .query = query_rows, .close = close_engine};

static int open_database(struct sqlite_engine *engine, const char *path, struct gs_problem *problem) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(path != NULL ? path : ":memory:", &engine->db, flags, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_exec(engine->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_exec(engine->db, schema, NULL, NULL, NULL);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_prepare_v3(engine->db, insert_text, -1, SQLITE_PREPARE_PERSISTENT, &engine->insert, NULL);
    }
    if (result == SQLITE_OK) {
        return 0;
    }
    int error = (result & 0xff) == SQLITE_CORRUPT || (result & 0xff) == SQLITE_NOTADB ? GS_ECORRUPT : GS_EIO;
    return gs_problem_set(problem, error, NULL, "%s: %s", path != NULL ? path : "the audit log",
                          engine->db != NULL ? sqlite3_errmsg(engine->db) : sqlite3_errstr(result));
}

int gs_audit_sqlite_open(const char *path, struct gs_audit_engine **ret_engine, struct gs_problem *problem) {
    struct sqlite_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "%s", gs_error_message(GS_ENOMEM));
    }
    engine->base.methods = &methods;
    int error = open_database(engine, path, problem);
    if (error != 0) {
        close_engine(&engine->base);
        return error;
    }
    *ret_engine = &engine->base;
    return 0;
}
