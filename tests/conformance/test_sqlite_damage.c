/* Damage to what is stored is noticed and never handed out as a record (fault 22 of the list: flipped bits, misdirected
 * writes, zeroed blocks). */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { RECORDS = 12 };

/* A closed store with RECORDS records of two authors in turn. */
static int setup(void **state) {
    struct store_fixture *fixture = store_fixture_new("sqlite");
    struct test_author authors[2];
    test_author_init(&authors[0], 1);
    test_author_init(&authors[1], 2);
    for (uint32_t i = 0; i < RECORDS; i++) {
        store_fixture_append(fixture, &authors[i % 2], 2, 700);
    }
    store_fixture_close(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    store_fixture_free(*state);
    return 0;
}

static void execute(const struct store_fixture *fixture, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void flip_record_byte(const struct store_fixture *fixture, int64_t position, int offset) {
    sqlite3 *db = NULL;
    sqlite3_blob *blob = NULL;
    uint8_t byte;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_blob_open(db, "main", "delta_log", "record", position, 1, &blob), SQLITE_OK);
    assert_int_equal(sqlite3_blob_read(blob, &byte, 1, offset), SQLITE_OK);
    byte ^= 0x10;
    assert_int_equal(sqlite3_blob_write(blob, &byte, 1, offset), SQLITE_OK);
    assert_int_equal(sqlite3_blob_close(blob), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_flipped_byte_is_noticed(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_vector have = {0};
    struct gs_buffer found = {0};
    uint32_t count = 99;
    bool more = true;
    flip_record_byte(fixture, 5, 300);
    store_fixture_open(fixture);
    const struct gs_store_methods *methods = fixture->store->methods;
    assert_int_equal(store_fixture_replay(fixture), GS_ECORRUPT);
    gs_buffer_byte(&found, 'x');
    assert_int_equal(methods->read_lacking(fixture->store, &have, SIZE_MAX, &found, &count, &more), GS_ECORRUPT);
    assert_int_equal(found.length, 1);
    assert_int_equal(count, 99);
    const struct expected_record *bad = &fixture->log.records[4];
    const struct expected_record *good = &fixture->log.records[5];
    assert_int_equal(methods->read_event(fixture->store, &bad->origin, bad->first_seq, &found), GS_ECORRUPT);
    assert_int_equal(found.length, 1);
    /* The others can still be read, and the log still grows. */
    assert_int_equal(methods->read_event(fixture->store, &good->origin, good->first_seq, &found), 0);
    struct test_author author;
    test_author_init(&author, 3);
    store_fixture_append(fixture, &author, 1, 0);
    gs_buffer_close(&found);
}

static int open_and_replay(struct store_fixture *fixture) {
    int error = gs_store_open(fixture->url, &fixture->store, NULL);
    if (error == 0) {
        error = store_fixture_replay(fixture);
    }
    store_fixture_close(fixture);
    return error;
}

static void test_flipped_head_is_noticed_at_open(void **state) {
    struct store_fixture *fixture = *state;
    flip_record_byte(fixture, RECORDS, 1);
    assert_int_equal(gs_store_open(fixture->url, &fixture->store, NULL), 0); /* to be healed, and for nothing else */
    assert_true(fixture->store->damaged);
    assert_int_equal(store_fixture_replay(fixture), GS_ECORRUPT);
}

static void test_changed_rows_are_noticed(void **state) {
    struct store_fixture *fixture = *state;
    static const char *const damages[] = {
        /* Misdirected: two rows of one origin change places with all that is in them. */
        "UPDATE delta_log SET position = 100 WHERE position = 3; UPDATE delta_log SET position = 3 WHERE position = 5;"
        "UPDATE delta_log SET position = 5 WHERE position = 100",
        "DELETE FROM delta_log WHERE position = 4",
        "UPDATE delta_log SET first_seq = first_seq + 1 WHERE position = 2",
        "UPDATE delta_log SET checksum = zeroblob(16) WHERE position = 2",
        "UPDATE delta_log SET checksum = x'' WHERE position = 2",
        "UPDATE delta_log SET record = zeroblob(length(record)) WHERE position = 2",
        "UPDATE delta_log SET record = x'' WHERE position = 2",
        "UPDATE delta_log SET origin = x'00' WHERE position = 2",
    };
    char saved[128];
    char text[256];
    (void)snprintf(saved, sizeof saved, "%s/saved.db", fixture->directory);
    (void)snprintf(text, sizeof text, "VACUUM INTO '%s'", saved);
    execute(fixture, text);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        assert_int_equal(open_and_replay(fixture), 0);
        execute(fixture, damages[i]);
        assert_int_equal(open_and_replay(fixture), GS_ECORRUPT);
        (void)snprintf(text, sizeof text, "cp %s %s", saved, fixture->path);
        assert_int_equal(system(text), 0);
    }
}

/* Another program removes the newest record of an open store: the log is shorter than what was appended. */
static void test_missing_tail_is_noticed(void **state) {
    struct store_fixture *fixture = *state;
    store_fixture_open(fixture);
    assert_int_equal(store_fixture_replay(fixture), 0);
    execute(fixture, "DELETE FROM delta_log WHERE position = 12");
    assert_int_equal(store_fixture_replay(fixture), GS_ECORRUPT);
}

/* Any byte of the file may change: either it does not matter, or somebody notices. */
static void test_any_flipped_byte_of_the_file(void **state) {
    struct store_fixture *fixture = *state;
    uint32_t random = 4711;
    uint32_t noticed = 0;
    FILE *file = fopen(fixture->path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    for (int round = 0; round < 300; round++) {
        random = random * 1664525 + 1013904223;
        long at = (long)(random >> 4) % size;
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        int byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(byte ^ (1 << (random & 7)), file), byte ^ (1 << (random & 7)));
        assert_int_equal(fflush(file), 0);
        int error = open_and_replay(fixture);
        assert_true(error <= 0); /* 1 would be a wrong record */
        noticed += error != 0;
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(byte, file), byte);
        assert_int_equal(fflush(file), 0);
        char text[256];
        (void)snprintf(text, sizeof text, "%s-wal", fixture->path);
        (void)remove(text);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(noticed > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_flipped_byte_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flipped_head_is_noticed_at_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_rows_are_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_tail_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_flipped_byte_of_the_file, setup, teardown),
    };
    return cmocka_run_group_tests_name("sqlite_damage", tests, NULL, NULL);
}
