/* Stores that earlier programs have left: for every earlier version of each schema a database that its own migrations
 * make, with everything in it that it has room for. Opened, it has the newest schema and all that it had. */
#include "node/store/migration.h"
#include "store_fixture.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS = 30, KEPT_AT = 20, STATES_SINCE = 3 /* the version that first keeps states */, SQL_MAX = 16384 };

static void fill(struct store_fixture *fixture) {
    struct test_author author;
    struct gs_keep_state state = {.type = gs_slice_make("player", 6),
                                  .id = gs_slice_make("ada", 3),
                                  .version = 7,
                                  .position = KEPT_AT,
                                  .updated = 9};
    struct gs_keep keep = {.low = KEPT_AT, .position = KEPT_AT, .states = &state, .count = 1};
    bool more = true;
    test_author_init(&author, 1);
    for (uint32_t i = 0; i < RECORDS; i++) {
        store_fixture_append(fixture, &author, 1 + i % 3, i % 2 * 50);
    }
    while (more) {
        TEST_REQUIRE(fixture->store->methods->project(fixture->store, 1000, &more) == 0);
    }
    gs_buffer_text(&state.state, "state");
    gs_buffer_text(&keep.core, "core");
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        keep.journals[i] = (struct gs_keep_entries){.first = 1, .last = 1, .oldest = 1};
        gs_buffer_text(&keep.journals[i].entries, "entry");
    }
    TEST_REQUIRE(fixture->store->methods->keep(fixture->store, &keep) == 0);
    gs_buffer_close(&state.state);
    gs_buffer_close(&keep.core);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        gs_buffer_close(&keep.journals[i].entries);
    }
}

struct kept {
    int checkpoints, states;
};

static int on_checkpoint(void *context, uint64_t low, uint64_t position, struct gs_slice core) {
    ((struct kept *)context)->checkpoints++;
    return low == KEPT_AT && position == KEPT_AT && core.length == 4 ? 0 : 1;
}

static int on_entries(void *context, enum gs_keep_journal journal, uint64_t first, uint64_t last,
                      struct gs_slice entries) {
    (void)context;
    (void)journal;
    return first == 1 && last == 1 && entries.length == 5 ? 0 : 1;
}

static int on_state(void *context, const struct gs_keep_state *state) {
    ((struct kept *)context)->states++;
    return state->version == 7 && state->state.length == 5 ? 0 : 1;
}

/* The store, which was just opened, has what it had, and everything of it works. */
static void check(struct store_fixture *fixture, int version) {
    struct kept kept = {0};
    struct gs_problem problem = {0};
    struct test_author author;
    bool more = true;
    const struct gs_kept_visitor visitor = {
        .context = &kept, .checkpoint = on_checkpoint, .entries = on_entries, .state = on_state};
    assert_int_equal(store_fixture_replay(fixture), 0);
    int error = fixture->store->methods->visit_kept(fixture->store, &visitor, &problem);
    assert_int_equal(error, version >= STATES_SINCE ? 0 : GS_ENOTFOUND);
    assert_int_equal(kept.states, version >= STATES_SINCE ? 1 : 0);
    while (more) {
        assert_int_equal(fixture->store->methods->project(fixture->store, 1000, &more), 0);
    }
    test_author_init(&author, 2);
    store_fixture_append(fixture, &author, 2, 10);
    assert_int_equal(store_fixture_replay(fixture), 0);
}

/* SQLite: what the newest program has stored, in the tables and columns that the old schema has. */
static int copy_table(void *context, int columns, char **values, char **names) {
    char sql[1024];
    (void)columns;
    (void)names;
    (void)snprintf(sql, sizeof sql, "INSERT INTO main.%s (%s) SELECT %s FROM filled.%s", values[0], values[1],
                   values[1], values[0]);
    return sqlite3_exec(context, sql, NULL, NULL, NULL);
}

static void make_old_sqlite(const char *path, const char *filled, int version) {
    sqlite3 *db = NULL;
    char sql[256];
    TEST_REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
    TEST_REQUIRE(sqlite3_exec(db,
                              "PRAGMA journal_mode = WAL; CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, "
                              "name TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT "
                              "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) STRICT",
                              NULL, NULL, NULL) == SQLITE_OK);
    for (int i = 0; i < version; i++) {
        TEST_REQUIRE(sqlite3_exec(db, gs_sqlite_migrations[i].sql, NULL, NULL, NULL) == SQLITE_OK);
        (void)snprintf(sql, sizeof sql, "INSERT INTO schema_migrations (version, name) VALUES (%d, '%s')",
                       gs_sqlite_migrations[i].version, gs_sqlite_migrations[i].name);
        TEST_REQUIRE(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    }
    (void)snprintf(sql, sizeof sql, "ATTACH '%s' AS filled", filled);
    TEST_REQUIRE(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    TEST_REQUIRE(
        sqlite3_exec(db,
                     "SELECT t.name, group_concat(c.name) FROM main.sqlite_schema t, pragma_table_info(t.name) "
                     "c WHERE t.type = 'table' AND t.name NOT IN ('schema_migrations') AND t.name NOT LIKE "
                     "'sqlite_%' GROUP BY t.name",
                     copy_table, db, NULL) == SQLITE_OK);
    TEST_REQUIRE(sqlite3_close(db) == SQLITE_OK);
}

static int keep_text(void *context, int columns, char **values, char **names) {
    (void)columns;
    (void)names;
    (void)snprintf(context, SQL_MAX, "%s", values[0]);
    return 0;
}

static void schema_of(const char *path, char ret_text[SQL_MAX]) {
    sqlite3 *db = NULL;
    TEST_REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
    TEST_REQUIRE(sqlite3_exec(db,
                              "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL "
                              "AND name <> 'schema_migrations' ORDER BY name)",
                              keep_text, ret_text, NULL) == SQLITE_OK);
    TEST_REQUIRE(sqlite3_close(db) == SQLITE_OK);
}

static void test_sqlite(void **state) {
    struct store_fixture *fixture = store_fixture_new("sqlite");
    static char fresh[SQL_MAX];
    static char migrated[SQL_MAX];
    char filled[sizeof fixture->path];
    (void)state;
    fill(fixture);
    store_fixture_close(fixture);
    memcpy(filled, fixture->path, sizeof filled);
    schema_of(filled, fresh);
    for (int version = 1; version <= (int)gs_sqlite_migration_count; version++) {
        uint32_t count = fixture->log.count;
        (void)snprintf(fixture->path, sizeof fixture->path, "%s/old-%d.db", fixture->directory, version);
        (void)snprintf(fixture->url, sizeof fixture->url, "sqlite:%s", fixture->path);
        make_old_sqlite(fixture->path, filled, version);
        store_fixture_open(fixture);
        check(fixture, version);
        store_fixture_close(fixture);
        schema_of(fixture->path, migrated);
        assert_string_equal(migrated, fresh);
        gs_buffer_close(&fixture->log.records[--fixture->log.count].bytes);
        assert_int_equal(fixture->log.count, count);
    }
    store_fixture_free(fixture);
}

static void run(PGconn *conn, const char *sql) {
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        (void)fprintf(stderr, "%s: %s", sql, PQerrorMessage(conn));
        TEST_REQUIRE(false);
    }
    PQclear(result);
}

/* The same for PostgreSQL, in the same database: what is there is put aside and is what old schemas are filled from. */
static void make_old_postgres(const char *url, int version) {
    PGconn *conn = PQconnectdb(url);
    char sql[512];
    TEST_REQUIRE(PQstatus(conn) == CONNECTION_OK);
    run(conn,
        "SET client_min_messages = error; DROP SCHEMA IF EXISTS global_state CASCADE; CREATE SCHEMA global_state; "
        "SET search_path = global_state; CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text "
        "NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())");
    for (int i = 0; i < version; i++) {
        run(conn, gs_postgresql_migrations[i].sql);
        (void)snprintf(sql, sizeof sql, "INSERT INTO schema_migrations (version, name) VALUES (%d, '%s')",
                       gs_postgresql_migrations[i].version, gs_postgresql_migrations[i].name);
        run(conn, sql);
    }
    run(conn,
        "DO $$ DECLARE t record; BEGIN FOR t IN SELECT c.relname, (SELECT string_agg(a.attname, ', ') FROM "
        "pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns FROM pg_class "
        "c WHERE c.relnamespace = 'global_state'::regnamespace AND c.relkind = 'r' AND c.relname <> "
        "'schema_migrations' AND NOT c.relispartition LOOP EXECUTE format('DELETE FROM global_state.%I', "
        "t.relname); EXECUTE format('INSERT INTO global_state.%I (%s) SELECT %s FROM filled.%I', t.relname, "
        "t.columns, t.columns, t.relname); END LOOP; END $$");
    PQfinish(conn);
}

static const char schema_sql[] =
    "SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (SELECT table_name || column_name || data_type || "
    "is_nullable "
    "|| coalesce(column_default, '') AS line FROM information_schema.columns WHERE table_schema = 'global_state' AND "
    "table_name NOT LIKE 'event_store_2%' UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'global_state' "
    "AND tablename NOT LIKE 'event_store_2%') AS lines";

static void test_postgres(void **state) {
    struct store_fixture *fixture = store_fixture_new("postgres");
    char fresh[64];
    char migrated[64];
    char answer[8];
    (void)state;
    fill(fixture);
    store_fixture_close(fixture);
    test_sql(fixture->url, schema_sql, fresh, sizeof fresh);
    test_sql(fixture->url, "ALTER SCHEMA global_state RENAME TO filled", answer, sizeof answer);
    for (int version = 1; version <= (int)gs_postgresql_migration_count; version++) {
        make_old_postgres(fixture->url, version);
        store_fixture_open(fixture);
        check(fixture, version);
        store_fixture_close(fixture);
        test_sql(fixture->url, schema_sql, migrated, sizeof migrated);
        assert_string_equal(migrated, fresh);
        gs_buffer_close(&fixture->log.records[--fixture->log.count].bytes);
    }
    store_fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sqlite),
        cmocka_unit_test(test_postgres),
    };
    return cmocka_run_group_tests_name("migrations", tests, NULL, NULL);
}
