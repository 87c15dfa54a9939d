/* What every engine promises about appending, replaying and finding single events. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup_memory(void **state) {
    *state = store_fixture_new("memory");
    return 0;
}

static int setup_sqlite(void **state) {
    *state = store_fixture_new("sqlite");
    return 0;
}

static int setup_postgres(void **state) {
    *state = store_fixture_new("postgres");
    return 0;
}

static int teardown(void **state) {
    store_fixture_free(*state);
    return 0;
}

static int append(struct store_fixture *fixture, const struct gs_buffer *records, uint32_t count) {
    return fixture->store->methods->append(fixture->store, gs_slice_make(records->bytes, records->length), count);
}

static void test_append_and_replay_in_order(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author authors[3];
    assert_int_equal(store_fixture_replay(fixture), 0);
    for (uint32_t i = 0; i < 3; i++) {
        test_author_init(&authors[i], i);
    }
    for (uint32_t i = 0; i < 60; i++) {
        store_fixture_append(fixture, &authors[i * 7 % 3], 1 + i % 5, i % 4 * 1000);
        assert_int_equal(store_fixture_replay(fixture), 0);
    }
}

static void test_many_records_at_once(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_buffer records = {0};
    struct test_author authors[2];
    test_author_init(&authors[0], 1);
    test_author_init(&authors[1], 2);
    for (uint32_t i = 0; i < 200; i++) {
        const struct test_author before = authors[i % 2];
        size_t start = records.length;
        test_author_batch(&authors[i % 2], 2, 10, &records);
        expected_log_add(&fixture->log, &before, &authors[i % 2],
                         gs_slice_make(records.bytes + start, records.length - start));
    }
    assert_int_equal(append(fixture, &records, 200), 0);
    assert_int_equal(store_fixture_replay(fixture), 0);
    gs_buffer_close(&records);
}

static int stop_at_three(void *context, uint64_t position, struct gs_slice record) {
    (void)record;
    *(uint64_t *)context = position;
    return position == 3 ? 77 : 0;
}

static void test_visitor_stops_the_walk(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    uint64_t position = 0;
    test_author_init(&author, 1);
    for (int i = 0; i < 5; i++) {
        store_fixture_append(fixture, &author, 1, 0);
    }
    assert_int_equal(fixture->store->methods->replay(fixture->store, stop_at_three, &position), 77);
    assert_int_equal(position, 3);
    assert_int_equal(store_fixture_replay(fixture), 0);
}

/* Appends three records of which the one at `place` is `bad`, and expects `error` and nothing written. */
static void expect_refused(struct store_fixture *fixture, struct test_author author, const struct gs_buffer *bad,
                           uint32_t place, int error) {
    struct gs_buffer records = {0};
    for (uint32_t i = 0; i < 3; i++) {
        if (i == place) {
            gs_buffer_append(&records, bad->bytes, bad->length);
        } else {
            test_author_batch(&author, 1, 100, &records);
        }
    }
    assert_int_equal(append(fixture, &records, 3), error);
    assert_int_equal(store_fixture_replay(fixture), 0);
    gs_buffer_close(&records);
}

static void test_bad_record_writes_nothing(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    struct test_author other;
    test_author_init(&author, 1);
    test_author_init(&other, 2);
    store_fixture_append(fixture, &author, 2, 10);
    store_fixture_append(fixture, &other, 2, 10);

    struct test_author ahead = other;
    struct gs_buffer skipped = {0};
    struct gs_buffer gap = {0};
    test_author_batch(&ahead, 1, 0, &skipped);
    test_author_batch(&ahead, 1, 0, &gap);

    struct test_author liar = other;
    struct gs_buffer fork = {0};
    liar.last_hash.bytes[31] ^= 1;
    test_author_batch(&liar, 1, 0, &fork);

    struct gs_buffer broken = {0};
    gs_buffer_append(&broken, skipped.bytes, skipped.length);
    assert_int_equal(broken.bytes[1], 0xc4); /* [bin8 of one byte of length, … */
    broken.bytes[3] = 9;                     /* the batch's version */
    for (uint32_t place = 0; place < 3; place++) {
        expect_refused(fixture, author, &gap, place, GS_ECHAIN);
        expect_refused(fixture, author, &fork, place, GS_ECHAIN);
        expect_refused(fixture, author, &fixture->log.records[1].bytes, place, GS_ECHAIN); /* stored already */
        expect_refused(fixture, author, &broken, place, GS_EVERSION);
    }
    /* And the right ones still go. */
    store_fixture_append(fixture, &other, 1, 0);
    store_fixture_append(fixture, &author, 1, 0);
    assert_int_equal(store_fixture_replay(fixture), 0);
    gs_buffer_close(&skipped);
    gs_buffer_close(&gap);
    gs_buffer_close(&fork);
    gs_buffer_close(&broken);
}

/* A chain that breaks within one append, not only against what is stored. */
static void test_chain_within_one_append(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    struct gs_buffer once = {0};
    struct gs_buffer twice = {0};
    test_author_init(&author, 1);
    test_author_batch(&author, 1, 0, &once);
    gs_buffer_append(&twice, once.bytes, once.length);
    gs_buffer_append(&twice, once.bytes, once.length);
    assert_int_equal(append(fixture, &twice, 2), GS_ECHAIN);
    assert_int_equal(store_fixture_replay(fixture), 0);
    assert_int_equal(append(fixture, &once, 1), 0);
    gs_buffer_close(&once);
    gs_buffer_close(&twice);
}

static void test_count_must_match(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    struct gs_buffer records = {0};
    test_author_init(&author, 1);
    test_author_batch(&author, 1, 2000, &records);
    test_author_batch(&author, 1, 2000, &records);
    assert_int_equal(append(fixture, &records, 0), GS_EINVAL);
    assert_int_equal(append(fixture, &records, 1), GS_EINVAL);
    assert_int_not_equal(append(fixture, &records, 3), 0);
    assert_int_equal(append(fixture, &records, UINT32_MAX), GS_EINVAL);
    records.length--;
    assert_int_equal(append(fixture, &records, 2), GS_EFORMAT);
    records.length = 0;
    assert_int_equal(append(fixture, &records, 1), GS_EINVAL);
    assert_int_equal(store_fixture_replay(fixture), 0);
    gs_buffer_close(&records);
}

static void expect_event(struct store_fixture *fixture, const gs_origin *origin, uint64_t seq,
                         const struct expected_record *expected) {
    struct gs_buffer found = {0};
    gs_buffer_byte(&found, 'x'); /* what is there stays */
    int error = fixture->store->methods->read_event(fixture->store, origin, seq, &found);
    if (expected == NULL) {
        assert_int_equal(error, GS_ENOTFOUND);
        assert_int_equal(found.length, 1);
    } else {
        assert_int_equal(error, 0);
        assert_int_equal(found.length, expected->bytes.length + 1);
        assert_int_equal(found.bytes[0], 'x');
        assert_memory_equal(found.bytes + 1, expected->bytes.bytes, expected->bytes.length);
    }
    gs_buffer_close(&found);
}

static void test_read_event(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author authors[3];
    for (uint32_t i = 0; i < 3; i++) {
        test_author_init(&authors[i], i);
    }
    /* The third author never writes. */
    for (uint32_t i = 0; i < 20; i++) {
        store_fixture_append(fixture, &authors[i % 2], 1 + i % 4, 100);
    }
    for (uint32_t i = 0; i < fixture->log.count; i++) {
        const struct expected_record *record = &fixture->log.records[i];
        for (uint64_t seq = record->first_seq; seq <= record->last_seq; seq++) {
            expect_event(fixture, &record->origin, seq, record);
        }
    }
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t absent[] = {0, authors[i].next_seq, authors[i].next_seq + 1, INT64_MAX, UINT64_MAX};
        for (size_t k = 0; k < sizeof absent / sizeof absent[0]; k++) {
            expect_event(fixture, &authors[i].origin, absent[k], NULL);
        }
    }
    expect_event(fixture, &authors[2].origin, 1, NULL);
}

static void test_reopen(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author authors[2];
    if (store_fixture_is_memory(fixture)) {
        skip();
    }
    test_author_init(&authors[0], 1);
    test_author_init(&authors[1], 2);
    for (uint32_t i = 0; i < 30; i++) {
        if (i % 3 == 0) {
            store_fixture_close(fixture);
            store_fixture_open(fixture);
        }
        assert_int_equal(store_fixture_replay(fixture), 0);
        /* The heads are known again: the chain is checked, and goes on. */
        struct test_author liar = authors[i % 2];
        struct gs_buffer fork = {0};
        liar.last_hash.bytes[0] ^= 1;
        if (liar.next_seq > 1) {
            test_author_batch(&liar, 1, 0, &fork);
            assert_int_equal(append(fixture, &fork, 1), GS_ECHAIN);
        }
        gs_buffer_close(&fork);
        store_fixture_append(fixture, &authors[i % 2], 1 + i % 3, 5000);
    }
}

static void test_largest_record(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    test_author_init(&author, 1);
    store_fixture_append(fixture, &author, 5, 1000 * 1000);
    assert_true(fixture->log.records[0].bytes.length > 5 * 1000 * 1000);
    assert_int_equal(store_fixture_replay(fixture), 0);
    expect_event(fixture, &author.origin, 3, &fixture->log.records[0]);
}

static void test_more_origins_than_a_vector_holds(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_buffer records = {0};
    struct test_author author;
    for (uint32_t i = 0; i < GS_VECTOR_MAX; i++) {
        test_author_init(&author, i);
        const struct test_author before = author;
        size_t start = records.length;
        test_author_batch(&author, 1, 0, &records);
        expected_log_add(&fixture->log, &before, &author, gs_slice_make(records.bytes + start, records.length - start));
    }
    assert_int_equal(append(fixture, &records, GS_VECTOR_MAX), 0);
    test_author_init(&author, GS_VECTOR_MAX);
    records.length = 0;
    test_author_batch(&author, 1, 0, &records);
    assert_int_equal(append(fixture, &records, 1), GS_ETOOBIG);
    if (!store_fixture_is_memory(fixture)) {
        store_fixture_close(fixture);
        store_fixture_open(fixture);
        assert_int_equal(append(fixture, &records, 1), GS_ETOOBIG);
    }
    assert_int_equal(store_fixture_replay(fixture), 0);
    gs_buffer_close(&records);
}

static void project_all(struct store_fixture *fixture) {
    bool more = true;
    while (more) {
        assert_int_equal(fixture->store->methods->project(fixture->store, 1000, &more), 0);
    }
}

/* The records after the tenth that are of `origin` stay; the others are gone from what is expected. */
static uint32_t expect_cut(struct expected_log *log, const gs_origin *origin, struct gs_buffer *kept) {
    uint32_t count = 0;
    uint32_t left = 10;
    for (uint32_t i = left; i < log->count; i++) {
        struct expected_record *record = &log->records[i];
        if (gs_origin_equal(&record->origin, origin)) {
            gs_buffer_append(kept, record->bytes.bytes, record->bytes.length);
            log->records[left++] = *record;
            count++;
        } else {
            gs_buffer_close(&record->bytes);
        }
    }
    log->count = left;
    return count;
}

/* The end of the log is taken out, but for what stays of it: all or nothing, and everything goes on from there. */
static void test_cut(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author authors[2];
    struct test_author at_ten = {0};
    struct gs_buffer kept = {0};
    test_author_init(&authors[0], 1);
    test_author_init(&authors[1], 2);
    for (uint32_t i = 0; i < 30; i++) {
        at_ten = i == 10 ? authors[1] : at_ten;
        store_fixture_append(fixture, &authors[i % 2], 1 + i % 3, 500);
    }
    project_all(fixture);
    assert_int_equal(fixture->store->methods->cut(fixture->store, 31, (struct gs_slice){0}, 0), GS_EINVAL);
    uint32_t count = expect_cut(&fixture->log, &authors[0].origin, &kept);
    assert_int_equal(count, 10);
    assert_int_equal(fixture->store->methods->cut(fixture->store, 10, gs_slice_make(kept.bytes, kept.length), count),
                     0);
    assert_int_equal(store_fixture_replay(fixture), 0);
    expect_event(fixture, &authors[1].origin, at_ten.next_seq, NULL);
    expect_event(fixture, &authors[1].origin, at_ten.next_seq - 1, &fixture->log.records[9]);
    for (int turn = 0; turn < 2; turn++) {
        struct gs_buffer gone = {0}; /* what was taken out is not what it continues */
        struct test_author author = authors[1];
        test_author_batch(&author, 1, 0, &gone);
        assert_int_equal(append(fixture, &gone, 1), GS_ECHAIN);
        gs_buffer_close(&gone);
        store_fixture_append(fixture, &at_ten, 2, 100);
        store_fixture_append(fixture, &authors[0], 2, 100);
        project_all(fixture);
        assert_int_equal(store_fixture_replay(fixture), 0);
        if (!store_fixture_is_memory(fixture)) {
            store_fixture_close(fixture);
            store_fixture_open(fixture);
            assert_int_equal(store_fixture_replay(fixture), 0);
        }
    }
    gs_buffer_close(&kept);
}

/* What is to stay does not continue what is left: nothing is done. */
static void test_a_cut_that_does_not_fit(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    test_author_init(&author, 1);
    for (uint32_t i = 0; i < 12; i++) {
        store_fixture_append(fixture, &author, 1, 100);
    }
    const struct gs_buffer *last = &fixture->log.records[11].bytes;
    if (store_fixture_is_memory(fixture)) {
        skip(); /* it can only be closed, and is gone then */
    }
    assert_int_equal(fixture->store->methods->cut(fixture->store, 10, gs_slice_make(last->bytes, last->length), 1),
                     GS_ECHAIN);
    store_fixture_close(fixture);
    store_fixture_open(fixture);
    assert_int_equal(store_fixture_replay(fixture), 0);
    store_fixture_append(fixture, &author, 1, 100);
}

static void test_urls(void **state) {
    (void)state;
    static const char *const wrong[] = {"",         "sqlite",     "sqlite:",   "memory", "memory:x",
                                        "/tmp/log", "postgres:x", "redis:abc", "file:x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct gs_store *store = NULL;
        struct gs_problem problem = {0};
        assert_int_equal(gs_store_open(wrong[i], &store, &problem), GS_EINVAL);
        assert_null(store);
        assert_true(problem.detail[0] != '\0');
    }
}

#define ON_ALL(test)                                                                                                \
    {"memory " #test, test, setup_memory, teardown, NULL}, {"sqlite " #test, test, setup_sqlite, teardown, NULL}, { \
        "postgres " #test, test, setup_postgres, teardown, NULL                                                     \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_ALL(test_append_and_replay_in_order),
        ON_ALL(test_many_records_at_once),
        ON_ALL(test_visitor_stops_the_walk),
        ON_ALL(test_bad_record_writes_nothing),
        ON_ALL(test_chain_within_one_append),
        ON_ALL(test_count_must_match),
        ON_ALL(test_read_event),
        ON_ALL(test_reopen),
        ON_ALL(test_cut),
        ON_ALL(test_a_cut_that_does_not_fit),
        ON_ALL(test_largest_record),
        ON_ALL(test_more_origins_than_a_vector_holds),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
