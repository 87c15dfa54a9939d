/* read_lacking against the definition of it: the records whose last event `have` does not cover, in log order. */
#include "node/store/lacking.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { AUTHORS = 5 };

static int setup(void **state, const char *engine) {
    struct test_author authors[AUTHORS];
    struct gs_buffer records = {0};
    struct store_fixture *fixture = store_fixture_new(engine);
    for (uint32_t i = 0; i < AUTHORS; i++) {
        test_author_init(&authors[i], i);
    }
    /* The last author stops early, so that a tail of it is far behind everything else. */
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t who = (i * 7 + i / 11) % (i < 40 ? AUTHORS : AUTHORS - 1);
        const struct test_author before = authors[who];
        size_t start = records.length;
        test_author_batch(&authors[who], 1 + i % 3, i % 7 * 300, &records);
        expected_log_add(&fixture->log, &before, &authors[who],
                         gs_slice_make(records.bytes + start, records.length - start));
    }
    struct gs_slice all = gs_slice_make(records.bytes, records.length);
    TEST_REQUIRE(fixture->store->methods->append(fixture->store, all, fixture->log.count) == 0);
    gs_buffer_close(&records);
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

static void set_seq(struct gs_vector *have, const gs_origin *origin, uint64_t seq) {
    struct gs_head head = {.origin = *origin, .seq = seq};
    assert_int_equal(gs_vector_set(have, &head), 0);
}

static bool lacks(const struct gs_vector *have, const struct expected_record *record) {
    return record->last_seq > gs_vector_seq(have, &record->origin);
}

/* One call, compared with the definition; `have` moves on. Returns whether there are more. */
static bool read_and_compare(struct store_fixture *fixture, struct gs_vector *have, size_t bytes_max) {
    struct gs_buffer found = {0};
    struct gs_buffer expected = {0};
    struct gs_vector after = {0};
    uint32_t count = 0;
    uint32_t expected_count = 0;
    bool more = false;
    bool expected_more = false;
    gs_buffer_byte(&found, 'x');
    gs_buffer_byte(&expected, 'x');
    assert_int_equal(gs_vector_copy(&after, have), 0);
    for (uint32_t i = 0; i < fixture->log.count && !expected_more; i++) {
        const struct expected_record *record = &fixture->log.records[i];
        if (!lacks(have, record)) {
            continue;
        }
        if (expected_count > 0 && expected.length - 1 >= bytes_max) {
            expected_more = true;
        } else {
            gs_buffer_append(&expected, record->bytes.bytes, record->bytes.length);
            expected_count++;
            set_seq(&after, &record->origin, record->last_seq);
        }
    }
    int error = fixture->store->methods->read_lacking(fixture->store, have, bytes_max, &found, &count, &more);
    assert_int_equal(error, 0);
    assert_int_equal(count, expected_count);
    assert_int_equal(more, expected_more);
    assert_int_equal(found.length, expected.length);
    assert_memory_equal(found.bytes, expected.bytes, expected.length);
    gs_vector_close(have);
    *have = after;
    gs_buffer_close(&found);
    gs_buffer_close(&expected);
    return more;
}

/* Reads on until nothing is lacking; each call must bring something. */
static void read_all(struct store_fixture *fixture, struct gs_vector *have, size_t bytes_max) {
    uint32_t calls = 0;
    while (read_and_compare(fixture, have, bytes_max)) {
        assert_true(++calls <= fixture->log.count);
    }
    assert_false(read_and_compare(fixture, have, bytes_max));
    for (uint32_t i = 0; i < fixture->log.count; i++) {
        assert_false(lacks(have, &fixture->log.records[i]));
    }
}

static void test_empty_have(void **state) {
    static const size_t sizes[] = {0, 1, 100, 5000, 100 * 1000, 1024 * 1024, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct gs_vector have = {0};
        read_all(*state, &have, sizes[i]);
        gs_vector_close(&have);
    }
}

/* All cuts of the log, as a replica that applied a prefix of it would ask. */
static void test_prefixes(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_vector have = {0};
    for (uint32_t i = 0; i < fixture->log.count; i++) {
        struct gs_vector from = {0};
        assert_int_equal(gs_vector_copy(&from, &have), 0);
        read_and_compare(fixture, &from, 3000);
        gs_vector_close(&from);
        set_seq(&have, &fixture->log.records[i].origin, fixture->log.records[i].last_seq);
    }
    gs_vector_close(&have);
}

/* Any seq of any origin, also in the middle of a batch, past the head, and of origins that are not stored here. */
static void test_random_vectors(void **state) {
    struct store_fixture *fixture = *state;
    uint32_t random = 12345;
    for (int round = 0; round < 300; round++) {
        struct gs_vector have = {0};
        for (uint32_t i = 0; i < AUTHORS + 2; i++) {
            struct test_author author;
            test_author_init(&author, i);
            random = random * 1664525 + 1013904223;
            uint64_t seq = (random >> 8) % 200;
            if (random >> 30 != 0) {
                set_seq(&have, &author.origin, seq > 190 ? UINT64_MAX : seq + 1);
            }
        }
        read_all(fixture, &have, random % 50000);
        gs_vector_close(&have);
    }
}

static void test_one_origin_far_behind(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_vector have = {0};
    struct test_author last;
    test_author_init(&last, AUTHORS - 1);
    for (uint32_t i = 0; i < fixture->log.count; i++) {
        const struct expected_record *record = &fixture->log.records[i];
        if (!gs_origin_equal(&record->origin, &last.origin)) {
            set_seq(&have, &record->origin, record->last_seq);
        }
    }
    assert_true(read_and_compare(fixture, &have, 1));
    read_all(fixture, &have, 1000);
    gs_vector_close(&have);
}

static void test_nothing_stored(void **state) {
    struct store_fixture *filled = *state;
    struct store_fixture *fixture = store_fixture_new(filled->engine);
    struct gs_vector have = {0};
    assert_false(read_and_compare(fixture, &have, 1000));
    store_fixture_free(fixture);
}

/* A log of millions of records, of which all but one origin's few are covered; it counts what is asked. */
struct counted_log {
    gs_origin late;
    uint64_t asked;
};

enum { LATE_RECORDS = 10, LATE_STRIDE = 1000 * 1000 };

static int counted_find(void *context, const gs_origin *origin, uint64_t seq, struct gs_lacking_place *ret_place) {
    struct counted_log *log = context;
    log->asked++;
    assert_true(gs_origin_equal(origin, &log->late));
    *ret_place = (struct gs_lacking_place){.position = (seq + 1) * LATE_STRIDE, .last_seq = seq + 1};
    return 0;
}

static int counted_read(void *context, const gs_origin *origin, const struct gs_lacking_place *place,
                        struct gs_buffer *ret_record) {
    struct counted_log *log = context;
    (void)origin;
    log->asked++;
    gs_buffer_byte(ret_record, (uint8_t)place->last_seq);
    return 0;
}

static void test_covered_records_cost_nothing(void **state) {
    (void)state;
    struct gs_vector heads = {0};
    struct gs_vector have = {0};
    struct gs_buffer records = {0};
    struct counted_log log = {.asked = 0};
    const struct gs_lacking_source source = {.context = &log, .find = counted_find, .read = counted_read};
    for (uint8_t i = 0; i < 100; i++) {
        gs_origin origin = {.bytes = {i}};
        set_seq(&heads, &origin, i == 50 ? LATE_RECORDS : LATE_STRIDE);
        set_seq(&have, &origin, i == 50 ? 1 : LATE_STRIDE);
    }
    log.late = heads.heads[50].origin;
    for (uint8_t call = 2; call <= LATE_RECORDS; call++) {
        uint32_t count = 0;
        bool more = false;
        log.asked = 0;
        assert_int_equal(gs_lacking_read(&source, &heads, &have, 1, &records, &count, &more), 0);
        assert_int_equal(count, 1);
        assert_int_equal(more, call < LATE_RECORDS);
        assert_int_equal(records.bytes[records.length - 1], call);
        assert_true(log.asked <= 3);
        set_seq(&have, &log.late, call);
    }
    gs_vector_close(&heads);
    gs_vector_close(&have);
    gs_buffer_close(&records);
}

#define ON_ALL(test)                                                                                                \
    {"memory " #test, test, setup_memory, teardown, NULL}, {"sqlite " #test, test, setup_sqlite, teardown, NULL}, { \
        "postgres " #test, test, setup_postgres, teardown, NULL                                                     \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_ALL(test_empty_have),     ON_ALL(test_prefixes),
        ON_ALL(test_random_vectors), ON_ALL(test_one_origin_far_behind),
        ON_ALL(test_nothing_stored), cmocka_unit_test(test_covered_records_cost_nothing),
    };
    return cmocka_run_group_tests_name("store_lacking", tests, NULL, NULL);
}
