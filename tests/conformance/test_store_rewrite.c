/* Erasing data beside a batch (gs_store_methods.rewrite): the record is another one, everything else is as before. */
#include "node/store/store_rewrite.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS = 5, EVENTS = 3, DATA = 40, ERASED = 3 /* the position */ };

static int setup(void **state, const char *engine) {
    struct store_fixture *fixture = store_fixture_new(engine);
    struct test_author author;
    test_author_init(&author, 1);
    for (uint32_t i = 0; i < RECORDS; i++) {
        store_fixture_append(fixture, &author, EVENTS, DATA);
    }
    *state = fixture;
    return 0;
}

static int setup_memory(void **state) {
    return setup(state, "memory");
}

static int setup_sqlite(void **state) {
    return setup(state, "sqlite");
}

static int setup_postgres(void **state) {
    return setup(state, "postgres");
}

static int teardown(void **state) {
    store_fixture_free(*state);
    return 0;
}

static void project_all(struct store_fixture *fixture) {
    bool more = true;
    while (more) {
        TEST_REQUIRE(fixture->store->methods->project(fixture->store, 1000, &more) == 0);
    }
}

/* The record at `position` with the data of one event only, or of none. */
static struct gs_buffer without(const struct store_fixture *fixture, uint64_t position, int kept) {
    const struct gs_buffer *bytes = &fixture->log.records[position - 1].bytes;
    struct gs_record record;
    struct gs_reader reader;
    struct gs_buffer out = {0};
    TEST_REQUIRE(gs_record_parse(gs_slice_make(bytes->bytes, bytes->length), &record) == 0);
    gs_reader_init(&reader, record.detached.bytes, record.detached.length);
    gs_write_array(&out, 2);
    gs_write_bin(&out, record.batch.bytes, record.batch.length);
    gs_write_array(&out, kept >= 0 ? 2 : 0);
    uint32_t count = gs_read_array(&reader, UINT32_MAX) / 2;
    TEST_REQUIRE(count == EVENTS);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t index = gs_read_uint(&reader);
        struct gs_slice data = gs_read_bin(&reader, SIZE_MAX);
        if ((int)i == kept) {
            gs_write_uint(&out, index);
            gs_write_bin(&out, data.bytes, data.length);
        }
    }
    TEST_REQUIRE(out.failed == 0 && reader.error == 0);
    return out;
}

static struct gs_slice slice_of(const struct gs_buffer *buffer) {
    return gs_slice_make(buffer->bytes, buffer->length);
}

static int rewrite(struct store_fixture *fixture, uint64_t position, const struct gs_buffer *record) {
    return fixture->store->methods->rewrite(fixture->store, position, slice_of(record));
}

/* What is expected of the log from now on. */
static void expect(struct store_fixture *fixture, uint64_t position, struct gs_buffer *record) {
    gs_buffer_close(&fixture->log.records[position - 1].bytes);
    fixture->log.records[position - 1].bytes = *record;
    *record = (struct gs_buffer){0};
}

static void assert_as_expected(struct store_fixture *fixture) {
    struct gs_buffer found = {0};
    const struct expected_record *erased = &fixture->log.records[ERASED - 1];
    assert_int_equal(store_fixture_replay(fixture), 0);
    assert_int_equal(fixture->store->methods->read_event(fixture->store, &erased->origin, erased->first_seq, &found),
                     0);
    assert_int_equal(gs_slice_compare(slice_of(&found), slice_of(&erased->bytes)), 0);
    gs_buffer_close(&found);
}

static void test_erased_and_kept(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_buffer one = without(fixture, ERASED, 1);
    project_all(fixture);
    assert_int_equal(rewrite(fixture, ERASED, &one), 0);
    assert_int_equal(fixture->store->methods->scrub(fixture->store), 0);
    expect(fixture, ERASED, &one);
    assert_as_expected(fixture);
    struct gs_buffer none = without(fixture, 1, -1);
    assert_int_equal(rewrite(fixture, 1, &none), 0);
    expect(fixture, 1, &none);
    if (!store_fixture_is_memory(fixture)) {
        store_fixture_close(fixture);
        store_fixture_open(fixture);
    }
    assert_as_expected(fixture);
    struct test_author author; /* the chain goes on over it */
    test_author_init(&author, 2);
    store_fixture_append(fixture, &author, 1, DATA);
    assert_as_expected(fixture);
}

/* Nothing else may take the place of a record, and nothing that was erased comes back. */
static void test_refused(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_buffer whole = {0};
    struct gs_buffer other = without(fixture, ERASED + 1, 1);
    struct gs_buffer one = without(fixture, ERASED, 1);
    struct gs_buffer two = without(fixture, ERASED, 2);
    gs_buffer_append(&whole, fixture->log.records[ERASED - 1].bytes.bytes,
                     fixture->log.records[ERASED - 1].bytes.length);
    project_all(fixture);
    assert_int_equal(rewrite(fixture, ERASED, &other), GS_EINVAL);
    assert_int_equal(rewrite(fixture, RECORDS + 1, &one), GS_ENOTFOUND);
    assert_int_equal(store_fixture_replay(fixture), 0);
    assert_int_equal(rewrite(fixture, ERASED, &one), 0);
    assert_int_equal(rewrite(fixture, ERASED, &whole), GS_EINVAL);
    assert_int_equal(rewrite(fixture, ERASED, &two), GS_EINVAL);
    assert_int_equal(rewrite(fixture, ERASED, &one), 0);
    expect(fixture, ERASED, &one);
    assert_as_expected(fixture);
    gs_buffer_close(&whole);
    gs_buffer_close(&other);
    gs_buffer_close(&two);
}

static void test_lists(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_buffer list = {0};
    project_all(fixture);
    for (uint64_t position = 1; position <= RECORDS; position++) {
        struct gs_buffer none = without(fixture, position, -1);
        gs_store_rewrite_add(&list, position, slice_of(&none));
        expect(fixture, position, &none);
    }
    assert_int_equal(gs_store_rewrite_all(fixture->store, slice_of(&list), true), 0);
    assert_as_expected(fixture);
    list.length--;
    assert_int_not_equal(gs_store_rewrite_all(fixture->store, slice_of(&list), true), 0);
    assert_as_expected(fixture);
    gs_buffer_close(&list);
}

/* A reader stands in a cut of its own; it keeps nothing that is erased for longer. */
static void test_readers(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_history_reader *reader = NULL;
    struct gs_buffer one = without(fixture, ERASED, 1);
    struct gs_buffer seen = {0};
    project_all(fixture);
    if (store_fixture_is_memory(fixture)) {
        gs_buffer_close(&one);
        return; /* its readers stand in the way of writers */
    }
    assert_int_equal(fixture->store->methods->open_history(fixture->store, &reader), 0);
    assert_int_equal(reader->methods->begin(reader), 0);
    assert_int_equal(reader->methods->record(reader, ERASED, &seen), 0);
    assert_int_equal(rewrite(fixture, ERASED, &one), 0);
    int scrubbed = fixture->store->methods->scrub(fixture->store);
    assert_true(scrubbed == 0 || scrubbed == GS_EBUSY);
    reader->methods->end(reader);
    assert_int_equal(fixture->store->methods->scrub(fixture->store), 0);
    seen.length = 0;
    assert_int_equal(reader->methods->begin(reader), 0);
    assert_int_equal(reader->methods->record(reader, ERASED, &seen), 0);
    reader->methods->end(reader);
    assert_int_equal(gs_slice_compare(slice_of(&seen), slice_of(&one)), 0);
    reader->methods->close(reader);
    expect(fixture, ERASED, &one);
    gs_buffer_close(&seen);
}

#define ON_ALL(test)                                                                                                \
    {"memory " #test, test, setup_memory, teardown, NULL}, {"sqlite " #test, test, setup_sqlite, teardown, NULL}, { \
        "postgres " #test, test, setup_postgres, teardown, NULL                                                     \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_ALL(test_erased_and_kept),
        ON_ALL(test_refused),
        ON_ALL(test_lists),
        ON_ALL(test_readers),
    };
    return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
