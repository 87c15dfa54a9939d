/* A store in a directory of its own, and the log that should be in it. */
#ifndef GS_TESTS_STORE_FIXTURE_H
#define GS_TESTS_STORE_FIXTURE_H

#include "node/store/store.h"
#include "tests/support/batches.h"

/* What a test knows of one record that it appended. */
struct expected_record {
    gs_origin origin;
    uint64_t first_seq;
    uint64_t last_seq;
    struct gs_buffer bytes;
};

struct expected_log {
    struct expected_record *records;
    uint32_t count;
    uint32_t capacity;
};

struct store_fixture {
    const char *engine; /* "memory", "sqlite" or "postgres" */
    char directory[64];
    char path[96]; /* of the database */
    char url[256];
    struct gs_store *store; /* NULL while closed */
    struct expected_log log;
};

/* Runs SQL on a connection of its own; the first column of the first row, "" if there is none. */
void test_sql(const char *url, const char *sql, char *ret_answer, size_t size);

/* A fixture with an open, empty store. */
struct store_fixture *store_fixture_new(const char *engine);
void store_fixture_free(struct store_fixture *fixture);

bool store_fixture_is_memory(const struct store_fixture *fixture);
void store_fixture_open(struct store_fixture *fixture);
void store_fixture_close(struct store_fixture *fixture);

/* Makes a batch, appends it alone and expects success. */
void store_fixture_append(struct store_fixture *fixture, struct test_author *author, uint32_t events, size_t data);

/* Adds to what is expected, without appending. */
void expected_log_add(struct expected_log *log, const struct test_author *before, const struct test_author *after,
                      struct gs_slice record);
void expected_log_close(struct expected_log *log);

/* Walks the log: 0 if it holds exactly what is expected; otherwise what replay returned, or 1 if something differs. */
int store_fixture_replay(struct store_fixture *fixture);
/* The same for the first `count` records of a store. */
int expected_log_replay(const struct expected_log *log, struct gs_store *store, uint32_t count);

#endif
