/* What every engine promises about the past: the index that is written behind, and readers of it. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { AUTHORS = 3, AGGREGATES = 7, RECORDS = 60, EVENTS_MAX = 2000 };

/* What must be found. */
struct expected {
    struct gs_history_entry entries[AGGREGATES][EVENTS_MAX];
    uint64_t vectors[AGGREGATES][EVENTS_MAX][AUTHORS]; /* of each version: the last seq of each author */
    uint32_t list_index[AGGREGATES][EVENTS_MAX];
    uint64_t counts[AGGREGATES];
    uint32_t number; /* of records */
    struct test_author authors[AUTHORS];
};

static int setup(void **state, const char *engine) {
    *state = store_fixture_new(engine);
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

static struct gs_slice text(const char *string) {
    return gs_slice_make(string, strlen(string));
}

static struct gs_slice id_of(uint32_t aggregate, char buffer[8]) {
    snprintf(buffer, 8, "a%u", (unsigned)aggregate);
    return text(buffer);
}

/* One event of `author` on one or two aggregates. */
static void expect_change(struct expected *expected, uint32_t author, uint32_t aggregate, uint64_t seq, gs_hlc clock,
                          uint32_t event, uint32_t list_index) {
    uint64_t at = expected->counts[aggregate]++;
    TEST_REQUIRE(at < EVENTS_MAX);
    if (at > 0) {
        memcpy(expected->vectors[aggregate][at], expected->vectors[aggregate][at - 1],
               sizeof expected->vectors[aggregate][at]);
    }
    expected->vectors[aggregate][at][author] = seq;
    expected->list_index[aggregate][at] = list_index;
    expected->entries[aggregate][at] =
        (struct gs_history_entry){.version = at + 1, .position = expected->number, .event = event, .clock = clock};
}

static void append_record(struct store_fixture *fixture, struct expected *expected, uint32_t number) {
    uint32_t author = number * 5 % AUTHORS;
    struct test_author *writer = &expected->authors[author];
    struct test_author before = *writer;
    uint32_t count = 1 + number % 9;
    struct gs_event events[9] = {0};
    struct gs_event_change changes[9][2] = {0};
    char ids[9][2][8];
    uint32_t list_index = 0;
    expected->number++;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t aggregates = 1 + (number + i) % 2;
        events[i] = (struct gs_event){.event_type = text("test.event"),
                                      .actor = text("tester"),
                                      .change_count = aggregates,
                                      .changes = changes[i]};
        events[i].clock = writer->clock + i + 1;
        events[i].seq = writer->next_seq + i;
        for (uint32_t j = 0; j < aggregates; j++) {
            uint32_t aggregate = (number * 3 + i + 2 * j) % AGGREGATES;
            changes[i][j] = (struct gs_event_change){
                .aggregate_type = text("player"),
                .aggregate_id = id_of(aggregate, ids[i][j]),
                .delta = {.origin = writer->origin, .seq = events[i].seq, .clock = events[i].clock}};
            expect_change(expected, author, aggregate, events[i].seq, events[i].clock, i, list_index++);
        }
    }
    struct gs_buffer record = {0};
    test_author_seal(writer, events, count, NULL, 0, &record);
    assert_int_equal(fixture->store->methods->append(fixture->store, gs_slice_make(record.bytes, record.length), 1), 0);
    expected_log_add(&fixture->log, &before, writer, gs_slice_make(record.bytes, record.length));
    gs_buffer_close(&record);
}

static struct expected *expected_new(void) {
    struct expected *expected = calloc(1, sizeof *expected);
    TEST_REQUIRE(expected != NULL);
    for (uint32_t i = 0; i < AUTHORS; i++) {
        test_author_init(&expected->authors[i], i + 1);
    }
    return expected;
}

static void project_all(struct store_fixture *fixture, uint32_t slice) {
    bool more = true;
    for (uint32_t i = 0; more; i++) {
        TEST_REQUIRE(i < 10000);
        assert_int_equal(fixture->store->methods->project(fixture->store, slice, &more), 0);
    }
}

static struct gs_history_reader *open_reader(struct store_fixture *fixture) {
    struct gs_history_reader *reader = NULL;
    assert_int_equal(fixture->store->methods->open_history(fixture->store, &reader), 0);
    assert_int_equal(reader->methods->begin(reader), 0);
    return reader;
}

static void check_list(struct gs_history_reader *reader, const struct expected *expected, uint32_t aggregate,
                       uint64_t at) {
    const struct gs_history_entry *entry = &expected->entries[aggregate][at];
    struct gs_buffer list = {0};
    struct gs_version_vector vector = {0};
    uint64_t version = 0;
    uint64_t seqs[AUTHORS] = {0};
    assert_int_equal(reader->methods->versions(reader, entry->position, &list), 0);
    assert_int_equal(gs_version_list_get(gs_slice_make(list.bytes, list.length), expected->list_index[aggregate][at],
                                         &version, &vector),
                     0);
    assert_int_equal(version, at + 1);
    for (uint32_t i = 0; i < vector.count; i++) {
        gs_origin origin;
        assert_int_equal(reader->methods->origin(reader, vector.pairs[i].origin, &origin), 0);
        for (uint32_t author = 0; author < AUTHORS; author++) {
            if (gs_origin_equal(&origin, &expected->authors[author].origin)) {
                seqs[author] = vector.pairs[i].seq;
            }
        }
    }
    assert_memory_equal(seqs, expected->vectors[aggregate][at], sizeof seqs);
    gs_version_vector_close(&vector);
    gs_buffer_close(&list);
}

static void check_aggregate(struct gs_history_reader *reader, const struct expected *expected, uint32_t aggregate) {
    struct gs_history_entry found[EVENTS_MAX];
    struct gs_history_range range = {.first = 0, .last = UINT64_MAX};
    char buffer[8];
    struct gs_slice id = id_of(aggregate, buffer);
    uint64_t count = expected->counts[aggregate];
    uint64_t version = 0;
    uint32_t got = 0;
    assert_int_equal(reader->methods->version(reader, text("player"), id, &version), 0);
    assert_int_equal(version, count);
    assert_int_equal(reader->methods->entries(reader, text("player"), id, &range, found, EVENTS_MAX, &got), 0);
    assert_int_equal(got, count);
    for (uint32_t i = 0; i < got; i++) {
        assert_int_equal(found[i].version, i + 1);
        assert_int_equal(found[i].position, expected->entries[aggregate][i].position);
        assert_int_equal(found[i].event, expected->entries[aggregate][i].event);
        assert_true(found[i].clock == expected->entries[aggregate][i].clock);
        check_list(reader, expected, aggregate, i);
    }
    range = (struct gs_history_range){.first = 3, .last = count - 1, .descending = true};
    assert_int_equal(reader->methods->entries(reader, text("player"), id, &range, found, 4, &got), 0);
    assert_int_equal(got, 4);
    for (uint32_t i = 0; i < got; i++) {
        assert_int_equal(found[i].version, count - 1 - i);
    }
}

static void check_records(struct store_fixture *fixture, struct gs_history_reader *reader) {
    for (uint32_t i = 0; i < fixture->log.count; i++) {
        const struct expected_record *expected = &fixture->log.records[i];
        struct gs_buffer record = {0};
        assert_int_equal(reader->methods->record(reader, i + 1, &record), 0);
        assert_int_equal(reader->methods->origin_record(reader, &expected->origin, expected->last_seq, &record), 0);
        assert_int_equal(record.length, 2 * expected->bytes.length);
        assert_memory_equal(record.bytes, expected->bytes.bytes, expected->bytes.length);
        assert_memory_equal(record.bytes + expected->bytes.length, expected->bytes.bytes, expected->bytes.length);
        gs_buffer_close(&record);
    }
    struct gs_buffer none = {0};
    assert_int_equal(reader->methods->record(reader, 0, &none), GS_ENOTFOUND);
    assert_int_equal(reader->methods->record(reader, fixture->log.count + 1, &none), GS_ENOTFOUND);
    assert_int_equal(reader->methods->versions(reader, fixture->log.count + 1, &none), GS_ENOTFOUND);
    gs_origin origin;
    assert_int_equal(reader->methods->origin(reader, 0, &origin), GS_ENOTFOUND);
    assert_int_equal(reader->methods->origin(reader, 1000, &origin), GS_ENOTFOUND);
}

static void check_all(struct store_fixture *fixture, const struct expected *expected) {
    struct gs_history_reader *reader = open_reader(fixture);
    uint64_t last = 0;
    uint64_t indexed = 0;
    assert_int_equal(reader->methods->extent(reader, &last, &indexed), 0);
    assert_int_equal(last, expected->number);
    assert_int_equal(indexed, expected->number);
    for (uint32_t i = 0; i < AGGREGATES; i++) {
        check_aggregate(reader, expected, i);
    }
    check_records(fixture, reader);
    uint64_t version = 1;
    assert_int_equal(reader->methods->version(reader, text("player"), text("nobody"), &version), 0);
    assert_int_equal(version, 0);
    reader->methods->end(reader);
    reader->methods->close(reader);
}

static void test_index_in_slices(void **state) {
    struct store_fixture *fixture = *state;
    struct expected *expected = expected_new();
    for (uint32_t i = 0; i < RECORDS; i++) {
        append_record(fixture, expected, i);
        if (i % 13 == 7) {
            project_all(fixture, 1 + i % 5);
            check_all(fixture, expected);
        }
    }
    project_all(fixture, 100000);
    check_all(fixture, expected);
    if (!store_fixture_is_memory(fixture)) {
        store_fixture_close(fixture);
        store_fixture_open(fixture);
        check_all(fixture, expected);
        append_record(fixture, expected, RECORDS);
        project_all(fixture, 10);
        check_all(fixture, expected);
    }
    free(expected);
}

static void test_reader_stands_still(void **state) {
    struct store_fixture *fixture = *state;
    struct expected *expected = expected_new();
    append_record(fixture, expected, 0);
    struct gs_history_reader *reader = open_reader(fixture);
    uint64_t last = 0;
    uint64_t indexed = 0;
    assert_int_equal(reader->methods->extent(reader, &last, &indexed), 0);
    assert_int_equal(last, 1);
    assert_int_equal(indexed, 0);
    if (!store_fixture_is_memory(fixture)) { /* there a reader keeps writers out instead */
        append_record(fixture, expected, 1);
        project_all(fixture, 100);
        assert_int_equal(reader->methods->extent(reader, &last, &indexed), 0);
        assert_int_equal(last, 1);
        assert_int_equal(indexed, 0);
    }
    reader->methods->end(reader);
    project_all(fixture, 100);
    assert_int_equal(reader->methods->begin(reader), 0);
    assert_int_equal(reader->methods->extent(reader, &last, &indexed), 0);
    assert_int_equal(last, expected->number);
    assert_int_equal(indexed, expected->number);
    reader->methods->end(reader);
    reader->methods->close(reader);
    free(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_index_in_slices, setup_memory, teardown),
        cmocka_unit_test_setup_teardown(test_index_in_slices, setup_sqlite, teardown),
        cmocka_unit_test_setup_teardown(test_index_in_slices, setup_postgres, teardown),
        cmocka_unit_test_setup_teardown(test_reader_stands_still, setup_memory, teardown),
        cmocka_unit_test_setup_teardown(test_reader_stands_still, setup_sqlite, teardown),
        cmocka_unit_test_setup_teardown(test_reader_stands_still, setup_postgres, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
