/* The ceiling: how many rows a second a store takes durably when nothing else is done with them.
 *
 * usage: raw_store postgres URL | sqlite PATH   [SECONDS]
 *
 * An event table with an index, rows of about the size of an event. One line a way of writing: its name, rows a second,
 * and the median of one commit in milliseconds. PostgreSQL: one row a commit on one and on 16 connections, `unnest` of
 * 100, binary COPY of 100 and of 1,000. SQLite (WAL, synchronous=FULL): transactions of 1, 100 and 1,000 rows. */
#include <globalstate/memory.h>

#include <libpq-fe.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DATA_BYTES = 160, CONNECTIONS = 16, COMMITS_MAX = 1000000, ROWS_MAX = 1000 };

static const char table_sql[] = "CREATE TABLE raw_events (id bigint PRIMARY KEY, aggregate text NOT NULL, version "
                                "bigint NOT NULL, data %s NOT NULL)";
static const char index_sql[] = "CREATE INDEX raw_events_by_aggregate ON raw_events (aggregate, version)";

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void require(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "raw_store: %s\n", what);
        exit(1);
    }
}

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One writer: `commit` writes `rows` rows from `first` on, durably. */
struct writer {
    void (*commit)(struct writer *writer, uint64_t first, uint32_t rows);
    void *connection;
    uint32_t rows;
    double seconds;
    uint64_t first; /* id of its first row */
    uint64_t commits;
    double *times;
};

static void *write_for_a_while(void *argument) {
    struct writer *writer = argument;
    double end = now_s() + writer->seconds;
    for (double begun = now_s(); begun < end && writer->commits < COMMITS_MAX; begun = now_s()) {
        writer->commit(writer, writer->first + writer->commits * writer->rows, writer->rows);
        writer->times[writer->commits++] = now_s() - begun;
    }
    return NULL;
}

static void report(const char *name, struct writer *writers, int count, double seconds) {
    uint64_t rows = 0;
    for (int i = 0; i < count; i++) {
        rows += writers[i].commits * writers[i].rows;
    }
    qsort(writers[0].times, writers[0].commits, sizeof(double), compare_double);
    printf("%s %.0f %.3f\n", name, (double)rows / seconds, writers[0].times[writers[0].commits / 2] * 1e3);
    fflush(stdout);
}

static uint64_t next_id = 1;

static void measure(const char *name, void (*commit)(struct writer *writer, uint64_t first, uint32_t rows),
                    void **connections, int count, uint32_t rows, double seconds) {
    struct writer writers[CONNECTIONS] = {0};
    pthread_t threads[CONNECTIONS];
    double begun = now_s();
    for (int i = 0; i < count; i++) {
        writers[i] = (struct writer){.commit = commit,
                                     .connection = connections[i],
                                     .rows = rows,
                                     .seconds = seconds,
                                     .first = next_id + (uint64_t)i * 100000000};
        writers[i].times = malloc(COMMITS_MAX * sizeof(double));
        require(writers[i].times != NULL, "no memory");
        require(pthread_create(&threads[i], NULL, write_for_a_while, &writers[i]) == 0, "no thread");
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    next_id += (uint64_t)count * 100000000;
    report(name, writers, count, now_s() - begun);
    for (int i = 0; i < count; i++) {
        free(writers[i].times);
    }
}

static void check(PGconn *conn, PGresult *result, ExecStatusType wanted) {
    require(PQresultStatus(result) == wanted, PQerrorMessage(conn));
    PQclear(result);
}

static const char data[DATA_BYTES + 1] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    "0123456789abcdef0123456789abcdef0123456789abcdef";

static void insert_one(struct writer *writer, uint64_t first, uint32_t rows) {
    char id[24];
    char aggregate[24];
    (void)rows;
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)first);
    (void)snprintf(aggregate, sizeof aggregate, "player-%llu", (unsigned long long)(first * 7919 % 1000));
    const char *const values[] = {id, aggregate, id, data};
    check(writer->connection, PQexecPrepared(writer->connection, "one", 4, values, NULL, NULL, 0), PGRES_COMMAND_OK);
}

static void end_array(struct gs_buffer *array) {
    gs_buffer_byte(array, '}');
    gs_buffer_byte(array, '\0');
    require(array->failed == 0, "no memory");
}

static void insert_unnest(struct writer *writer, uint64_t first, uint32_t rows) {
    static struct gs_buffer arrays[3];
    for (int i = 0; i < 3; i++) {
        arrays[i].length = 0;
    }
    for (uint32_t i = 0; i < rows; i++) {
        const char separator = i == 0 ? '{' : ',';
        gs_buffer_printf(&arrays[0], "%c%llu", separator, (unsigned long long)(first + i));
        gs_buffer_printf(&arrays[1], "%cplayer-%llu", separator, (unsigned long long)((first + i) * 7919 % 1000));
        gs_buffer_printf(&arrays[2], "%c%s", separator, data);
    }
    for (int i = 0; i < 3; i++) {
        end_array(&arrays[i]);
    }
    const char *const values[] = {(char *)arrays[0].bytes, (char *)arrays[1].bytes, (char *)arrays[0].bytes,
                                  (char *)arrays[2].bytes};
    check(writer->connection, PQexecPrepared(writer->connection, "many", 4, values, NULL, NULL, 0), PGRES_COMMAND_OK);
}

static char *put_be(char *to, uint64_t number, int size) {
    for (int i = size - 1; i >= 0; i--) {
        *to++ = (char)(number >> (8 * i) & 0xff);
    }
    return to;
}

static char *put_field(char *to, const void *bytes, size_t length) {
    to = put_be(to, length, 4);
    memcpy(to, bytes, length);
    return to + length;
}

static void copy_binary(struct writer *writer, uint64_t first, uint32_t rows) {
    static char buffer[ROWS_MAX * (DATA_BYTES + 100)];
    char *at = buffer;
    memcpy(at, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    at += 19;
    for (uint32_t i = 0; i < rows; i++) {
        char aggregate[24];
        int length =
            snprintf(aggregate, sizeof aggregate, "player-%llu", (unsigned long long)((first + i) * 7919 % 1000));
        char number[8];
        (void)put_be(number, first + i, 8);
        at = put_be(at, 4, 2);
        at = put_field(at, number, 8);
        at = put_field(at, aggregate, (size_t)length);
        at = put_field(at, number, 8);
        at = put_field(at, data, DATA_BYTES);
    }
    at = put_be(at, 0xffff, 2);
    PGconn *conn = writer->connection;
    check(conn, PQexec(conn, "COPY raw_events FROM STDIN (FORMAT binary)"), PGRES_COPY_IN);
    require(PQputCopyData(conn, buffer, (int)(at - buffer)) == 1 && PQputCopyEnd(conn, NULL) == 1,
            PQerrorMessage(conn));
    check(conn, PQgetResult(conn), PGRES_COMMAND_OK);
    require(PQgetResult(conn) == NULL, "COPY goes on");
}

static PGconn *connect_postgres(const char *url) {
    PGconn *conn = PQconnectdb(url);
    require(PQstatus(conn) == CONNECTION_OK, PQerrorMessage(conn));
    return conn;
}

static void prepare(PGconn *conn) {
    check(conn, PQprepare(conn, "one", "INSERT INTO raw_events VALUES ($1::bigint, $2, $3::bigint, $4)", 0, NULL),
          PGRES_COMMAND_OK);
    check(conn,
          PQprepare(conn, "many",
                    "INSERT INTO raw_events SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[])",
                    0, NULL),
          PGRES_COMMAND_OK);
}

static void run_postgres(const char *url, double seconds) {
    void *connections[CONNECTIONS];
    char sql[256];
    connections[0] = connect_postgres(url);
    (void)snprintf(sql, sizeof sql, table_sql, "text");
    check(connections[0], PQexec(connections[0], sql), PGRES_COMMAND_OK);
    check(connections[0], PQexec(connections[0], index_sql), PGRES_COMMAND_OK);
    prepare(connections[0]);
    for (int i = 1; i < CONNECTIONS; i++) {
        connections[i] = connect_postgres(url);
        prepare(connections[i]);
    }
    measure("insert-1", insert_one, connections, 1, 1, seconds);
    measure("insert-1x16", insert_one, connections, CONNECTIONS, 1, seconds);
    measure("unnest-100", insert_unnest, connections, 1, 100, seconds);
    measure("copy-100", copy_binary, connections, 1, 100, seconds);
    measure("copy-1000", copy_binary, connections, 1, 1000, seconds);
    check(connections[0], PQexec(connections[0], "DROP TABLE raw_events"), PGRES_COMMAND_OK);
    for (int i = 0; i < CONNECTIONS; i++) {
        PQfinish(connections[i]);
    }
}

static sqlite3_stmt *insert_statement;

static void insert_sqlite(struct writer *writer, uint64_t first, uint32_t rows) {
    require(sqlite3_exec(writer->connection, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK, "BEGIN");
    for (uint32_t i = 0; i < rows; i++) {
        char aggregate[24];
        (void)snprintf(aggregate, sizeof aggregate, "player-%llu", (unsigned long long)((first + i) * 7919 % 1000));
        require(sqlite3_bind_int64(insert_statement, 1, (int64_t)(first + i)) == SQLITE_OK &&
                    sqlite3_bind_text(insert_statement, 2, aggregate, -1, SQLITE_STATIC) == SQLITE_OK &&
                    sqlite3_bind_int64(insert_statement, 3, (int64_t)(first + i)) == SQLITE_OK &&
                    sqlite3_bind_text(insert_statement, 4, data, DATA_BYTES, SQLITE_STATIC) == SQLITE_OK &&
                    sqlite3_step(insert_statement) == SQLITE_DONE && sqlite3_reset(insert_statement) == SQLITE_OK,
                "INSERT");
    }
    require(sqlite3_exec(writer->connection, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "COMMIT");
}

static void run_sqlite(const char *path, double seconds) {
    sqlite3 *db = NULL;
    char sql[256];
    require(sqlite3_open(path, &db) == SQLITE_OK, "cannot open the file");
    (void)snprintf(sql, sizeof sql, table_sql, "text");
    require(sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_exec(db, index_sql, NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db, "INSERT INTO raw_events VALUES (?1, ?2, ?3, ?4)", -1, &insert_statement, NULL) ==
                    SQLITE_OK,
            "cannot make the table");
    void *connection = db;
    measure("insert-1", insert_sqlite, &connection, 1, 1, seconds);
    measure("insert-100", insert_sqlite, &connection, 1, 100, seconds);
    measure("insert-1000", insert_sqlite, &connection, 1, 1000, seconds);
    (void)sqlite3_finalize(insert_statement);
    (void)sqlite3_close(db);
}

int main(int argc, char **argv) {
    if (argc < 3 || (strcmp(argv[1], "postgres") != 0 && strcmp(argv[1], "sqlite") != 0)) {
        fprintf(stderr, "usage: raw_store postgres URL | sqlite PATH [SECONDS]\n");
        return 2;
    }
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 2;
    if (strcmp(argv[1], "postgres") == 0) {
        run_postgres(argv[2], seconds);
    } else {
        run_sqlite(argv[2], seconds);
    }
    return 0;
}
