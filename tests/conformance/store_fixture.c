#include "store_fixture.h"

#include <ftw.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void test_sql(const char *url, const char *sql, char *ret_answer, size_t size) {
    PGconn *conn = PQconnectdb(url);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        (void)fprintf(stderr, "%s: %s", sql, PQerrorMessage(conn));
        TEST_REQUIRE(false);
    }
    (void)snprintf(ret_answer, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
}

/* A database of its own on the server that tests/support/postgres.py has started. */
static void make_database(struct store_fixture *fixture) {
    static int number;
    static const char name[] = "///postgres?";
    const char *url = getenv("TEST_POSTGRES_URL");
    if (url == NULL) {
        (void)fprintf(stderr, "run this through tests/support/postgres.py, which starts a server\n");
    }
    TEST_REQUIRE(url != NULL);
    const char *at = strstr(url, name);
    TEST_REQUIRE(at != NULL);
    char sql[64];
    char answer[8];
    number++;
    (void)snprintf(sql, sizeof sql, "CREATE DATABASE store_%d", number);
    (void)snprintf(fixture->url, sizeof fixture->url, "%.*s///store_%d?%s", (int)(at - url), url, number,
                   at + sizeof name - 1);
    test_sql(url, sql, answer, sizeof answer);
}

struct store_fixture *store_fixture_new(const char *engine) {
    struct store_fixture *fixture = calloc(1, sizeof *fixture);
    TEST_REQUIRE(fixture != NULL);
    fixture->engine = engine;
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/gs-store-XXXXXX");
    TEST_REQUIRE(mkdtemp(fixture->directory) != NULL);
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/log.db", fixture->directory);
    if (store_fixture_is_memory(fixture)) {
        (void)snprintf(fixture->url, sizeof fixture->url, "memory:");
    } else if (strcmp(engine, "postgres") == 0) {
        make_database(fixture);
    } else {
        (void)snprintf(fixture->url, sizeof fixture->url, "sqlite:%s", fixture->path);
    }
    store_fixture_open(fixture);
    return fixture;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void store_fixture_free(struct store_fixture *fixture) {
    store_fixture_close(fixture);
    expected_log_close(&fixture->log);
    (void)nftw(fixture->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
}

bool store_fixture_is_memory(const struct store_fixture *fixture) {
    return strcmp(fixture->engine, "memory") == 0;
}

void store_fixture_open(struct store_fixture *fixture) {
    struct gs_problem problem = {0};
    if (gs_store_open(fixture->url, &fixture->store, &problem) != 0) {
        (void)fprintf(stderr, "%s\n", problem.detail);
        TEST_REQUIRE(false);
    }
    TEST_REQUIRE(strcmp(fixture->store->methods->name, fixture->engine) == 0);
}

void store_fixture_close(struct store_fixture *fixture) {
    if (fixture->store != NULL) {
        fixture->store->methods->close(fixture->store);
        fixture->store = NULL;
    }
}

void expected_log_add(struct expected_log *log, const struct test_author *before, const struct test_author *after,
                      struct gs_slice record) {
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : log->capacity * 2;
        log->records = realloc(log->records, log->capacity * sizeof *log->records);
        TEST_REQUIRE(log->records != NULL);
    }
    struct expected_record *added = &log->records[log->count++];
    *added = (struct expected_record){
        .origin = after->origin,
        .first_seq = before->next_seq,
        .last_seq = after->next_seq - 1,
    };
    gs_buffer_append(&added->bytes, record.bytes, record.length);
    TEST_REQUIRE(added->bytes.failed == 0);
}

void expected_log_close(struct expected_log *log) {
    for (uint32_t i = 0; i < log->count; i++) {
        gs_buffer_close(&log->records[i].bytes);
    }
    free(log->records);
    *log = (struct expected_log){0};
}

void store_fixture_append(struct store_fixture *fixture, struct test_author *author, uint32_t events, size_t data) {
    struct gs_buffer record = {0};
    const struct test_author before = *author;
    test_author_batch(author, events, data, &record);
    struct gs_slice slice = gs_slice_make(record.bytes, record.length);
    TEST_REQUIRE(fixture->store->methods->append(fixture->store, slice, 1) == 0);
    expected_log_add(&fixture->log, &before, author, slice);
    gs_buffer_close(&record);
}

struct replay {
    const struct expected_log *log;
    uint32_t seen;
};

static int compare_record(void *context, uint64_t position, struct gs_slice record) {
    struct replay *replay = context;
    if (replay->seen >= replay->log->count || position != replay->seen + 1) {
        return 1;
    }
    const struct gs_buffer *bytes = &replay->log->records[replay->seen++].bytes;
    return gs_slice_compare(record, gs_slice_make(bytes->bytes, bytes->length)) == 0 ? 0 : 1;
}

int expected_log_replay(const struct expected_log *log, struct gs_store *store, uint32_t count) {
    struct replay replay = {.log = log};
    int result = store->methods->replay(store, compare_record, &replay);
    return result != 0 ? result : replay.seen != count;
}

int store_fixture_replay(struct store_fixture *fixture) {
    return expected_log_replay(&fixture->log, fixture->store, fixture->log.count);
}
