#include "node/store/migration.h"
#include "node/store/sqlite_impl.h"

/* The first column of the first row of `sql`. SQLITE_OK or an SQLite error. */
static int query_int(sqlite3 *db, const char *sql, int64_t *ret_value) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
    }
    if (result == SQLITE_ROW) {
        *ret_value = sqlite3_column_int64(statement, 0);
        result = SQLITE_OK;
    } else if (result == SQLITE_DONE) {
        result = SQLITE_ERROR;
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    return result;
}

/* The version of the schema, 0 for an empty database, −1 for one that is not ours. SQLITE_OK or an SQLite error. */
static int schema_version(sqlite3 *db, int64_t *ret_version) {
    int64_t tables = 0;
    int64_t ours = 0;
    int result = query_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (result == SQLITE_OK) {
        result = query_int(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
                           &ours);
    }
    if (result != SQLITE_OK) {
        return result;
    }
    if (ours == 0) {
        *ret_version = tables == 0 ? 0 : -1;
        return SQLITE_OK;
    }
    return query_int(db, "SELECT coalesce(max(version), 0) FROM schema_migrations", ret_version);
}

int gs_sqlite_check_schema(sqlite3 *db, const char *path, struct gs_problem *problem) {
    int64_t version = 0;
    int result = schema_version(db, &version);
    if (result != SQLITE_OK) {
        return gs_sqlite_problem(problem, db, path, result);
    }
    if (version < 0) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "%s is a database of another program", path);
    }
    if (version > (int64_t)gs_sqlite_migration_count) {
        return gs_problem_set(problem, GS_EVERSION, NULL,
                              "%s was made by a newer program: its schema is version %lld, this program knows %zu",
                              path, (long long)version, gs_sqlite_migration_count);
    }
    return 0;
}

static int record_migration(sqlite3 *db, const struct gs_migration *migration) {
    sqlite3_stmt *statement = NULL;
    int result =
        sqlite3_prepare_v2(db, "INSERT INTO schema_migrations (version, name) VALUES (?1, ?2)", -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int(statement, 1, migration->version);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_text(statement, 2, migration->name, -1, SQLITE_STATIC);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    return result;
}

/* In one transaction; an open one that is left by a failure ends with the connection. */
static int run_migration(sqlite3 *db, const struct gs_migration *migration) {
    int result = sqlite3_exec(db,
                              "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS schema_migrations ("
                              "version INTEGER PRIMARY KEY, name TEXT NOT NULL, "
                              "applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) STRICT",
                              NULL, NULL, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_exec(db, migration->sql, NULL, NULL, NULL);
    }
    if (result == SQLITE_OK) {
        result = record_migration(db, migration);
    }
    return result == SQLITE_OK ? sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) : result;
}

int gs_sqlite_migrate(sqlite3 *db, const char *path, struct gs_problem *problem) {
    int64_t version = 0;
    int result = schema_version(db, &version);
    for (size_t i = version > 0 ? (size_t)version : 0; result == SQLITE_OK && i < gs_sqlite_migration_count; i++) {
        result = run_migration(db, &gs_sqlite_migrations[i]);
    }
    return result == SQLITE_OK ? 0 : gs_sqlite_problem(problem, db, path, result);
}
