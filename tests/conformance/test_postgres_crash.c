/* What was answered with 0 is there exactly once, whatever becomes of the connection, the node or the server's past. */
#include "store_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { GROUPS = 400, KILLS = 8 };

static int setup(void **state) {
    *state = store_fixture_new("postgres");
    return 0;
}

static int teardown(void **state) {
    store_fixture_free(*state);
    return 0;
}

static void sql(const struct store_fixture *fixture, const char *text) {
    char answer[64];
    test_sql(fixture->url, text, answer, sizeof answer);
}

/* The next batch of `author`, appended until it is stored. */
static int append_next(struct store_fixture *fixture, struct test_author *author) {
    struct gs_buffer record = {0};
    const struct test_author before = *author;
    test_author_batch(author, 1, 200, &record);
    struct gs_slice slice = gs_slice_make(record.bytes, record.length);
    int error = GS_ESTORE;
    for (int attempt = 0; attempt < 20 && error == GS_ESTORE; attempt++) {
        error = fixture->store->methods->append(fixture->store, slice, 1);
    }
    if (error == 0) {
        expected_log_add(&fixture->log, &before, author, slice);
    }
    gs_buffer_close(&record);
    return error;
}

#define END_SESSIONS                                                                                        \
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND " \
    "pid <> pg_backend_pid()"

static void test_lost_connections(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    test_author_init(&author, 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(append_next(fixture, &author), 0);
        sql(fixture, END_SESSIONS);
    }
    assert_int_equal(store_fixture_replay(fixture), 0);
    sql(fixture, END_SESSIONS);
    struct gs_buffer record = {0};
    assert_int_equal(fixture->store->methods->read_event(fixture->store, &author.origin, 1, &record), 0);
    gs_buffer_close(&record);
}

/* A session that ends inside of the commit (deferred triggers run there): nothing is stored, and the caller hears so.
 */
static void test_session_ends_in_commit(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    struct test_author before;
    test_author_init(&author, 1);
    assert_int_equal(append_next(fixture, &author), 0);
    sql(fixture, "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS "
                 "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
                 "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON global_state.delta_log DEFERRABLE INITIALLY DEFERRED "
                 "FOR EACH ROW EXECUTE FUNCTION public.die()");
    before = author;
    assert_int_equal(append_next(fixture, &author), GS_ESTORE);
    sql(fixture, "DROP TRIGGER die ON global_state.delta_log");
    assert_int_equal(store_fixture_replay(fixture), 0);
    assert_int_equal(append_next(fixture, &before), 0);
    assert_int_equal(store_fixture_replay(fixture), 0);
}

/* A server that refuses the insert for a reason of its own: nothing is written, and the same append succeeds later. */
static void test_refused_by_the_server(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    struct gs_buffer record = {0};
    test_author_init(&author, 1);
    const struct test_author before = author;
    test_author_batch(&author, 1, 200, &record);
    struct gs_slice slice = gs_slice_make(record.bytes, record.length);
    sql(fixture, "ALTER TABLE global_state.delta_log ADD CONSTRAINT no CHECK (position > 1)");
    assert_int_equal(fixture->store->methods->append(fixture->store, slice, 1), GS_ESTORE);
    assert_non_null(strstr(fixture->store->trouble, "\"no\""));
    assert_int_equal(store_fixture_replay(fixture), 0);
    sql(fixture, "ALTER TABLE global_state.delta_log DROP CONSTRAINT no");
    assert_int_equal(fixture->store->methods->append(fixture->store, slice, 1), 0);
    expected_log_add(&fixture->log, &before, &author, slice);
    assert_int_equal(store_fixture_replay(fixture), 0);
    gs_buffer_close(&record);
}

/* The answer to a commit is lost, the commit is not: it is found, not repeated. The other node is this test. */
static void test_commit_found(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    struct gs_buffer record = {0};
    test_author_init(&author, 1);
    assert_int_equal(append_next(fixture, &author), 0);
    const struct test_author before = author;
    test_author_batch(&author, 1, 0, &record);
    struct gs_slice slice = gs_slice_make(record.bytes, record.length);
    /* Stored, and then as if it had never been answered: the session ends, and the engine's account is the old one. */
    struct store_fixture twin = *fixture;
    store_fixture_close(fixture);
    store_fixture_open(&twin);
    assert_int_equal(twin.store->methods->append(twin.store, slice, 1), 0);
    store_fixture_close(&twin);
    sql(fixture, "CREATE TABLE kept AS SELECT * FROM global_state.delta_log WHERE position = 2;"
                 "DELETE FROM global_state.delta_log WHERE position = 2");
    store_fixture_open(fixture);
    sql(fixture, "ALTER TABLE global_state.delta_log ADD CONSTRAINT no CHECK (position <> 2)");
    assert_int_equal(fixture->store->methods->append(fixture->store, slice, 1), GS_ESTORE);
    sql(fixture, "ALTER TABLE global_state.delta_log DROP CONSTRAINT no;"
                 "INSERT INTO global_state.delta_log SELECT * FROM kept");
    sql(fixture, END_SESSIONS);
    assert_int_equal(fixture->store->methods->append(fixture->store, slice, 1), 0);
    expected_log_add(&fixture->log, &before, &author, slice);
    assert_int_equal(append_next(fixture, &author), 0);
    assert_int_equal(store_fixture_replay(fixture), 0);
    gs_buffer_close(&record);
}

static void test_store_went_back(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    test_author_init(&author, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append_next(fixture, &author), 0);
    }
    sql(fixture, "DELETE FROM global_state.delta_log WHERE position = 3");
    sql(fixture, END_SESSIONS);
    assert_int_equal(append_next(fixture, &author), GS_EWENTBACK);
    assert_non_null(strstr(fixture->store->trouble, "acknowledged 3 records and holds 2"));
    assert_int_equal(append_next(fixture, &author), GS_EIO);
}

/* While this node's session was gone, another one took the store; also when it has left again after writing. */
static void test_taken_over(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    struct test_author other;
    test_author_init(&author, 1);
    test_author_init(&other, 2);
    assert_int_equal(append_next(fixture, &author), 0);
    struct store_fixture twin = *fixture;
    twin.store = NULL;
    sql(fixture, END_SESSIONS);
    store_fixture_open(&twin);
    assert_int_equal(append_next(fixture, &author), GS_EBUSY);
    assert_int_equal(append_next(fixture, &author), GS_EIO);
    store_fixture_close(fixture);
    store_fixture_append(&twin, &other, 1, 0);
    assert_int_equal(store_fixture_replay(&twin), 0);

    struct store_fixture third = twin;
    third.store = NULL;
    sql(fixture, END_SESSIONS);
    store_fixture_open(&third);
    store_fixture_append(&third, &other, 1, 0);
    store_fixture_close(&third);
    struct gs_buffer record = {0};
    test_author_init(&author, 3);
    test_author_batch(&author, 1, 0, &record);
    assert_int_equal(twin.store->methods->append(twin.store, gs_slice_make(record.bytes, record.length), 1), GS_EBUSY);
    assert_non_null(strstr(twin.store->trouble, "another node"));
    gs_buffer_close(&record);
    store_fixture_close(&twin);
    fixture->log = third.log;
}

/* In a child: appends from record `first` on and reports each that is stored. */
static void append_and_report(const struct expected_log *log, const char *url, uint32_t first, int pipe_end) {
    struct gs_store *store = NULL;
    TEST_REQUIRE(gs_store_open(url, &store, NULL) == 0);
    for (uint32_t i = first; i < log->count; i++) {
        const struct gs_buffer *bytes = &log->records[i].bytes;
        TEST_REQUIRE(store->methods->append(store, gs_slice_make(bytes->bytes, bytes->length), 1) == 0);
        TEST_REQUIRE(write(pipe_end, &i, sizeof i) == (ssize_t)sizeof i);
    }
    (void)pause();
}

static int count_record(void *context, uint64_t position, struct gs_slice record) {
    (void)record;
    *(uint64_t *)context = position;
    return 0;
}

static void test_kill_in_the_middle(void **state) {
    struct store_fixture *fixture = *state;
    struct test_author author;
    struct gs_buffer record = {0};
    uint32_t stored = 0;
    test_author_init(&author, 1);
    for (int i = 0; i < GROUPS; i++) {
        const struct test_author before = author;
        record.length = 0;
        test_author_batch(&author, 1, 1000, &record);
        expected_log_add(&fixture->log, &before, &author, gs_slice_make(record.bytes, record.length));
    }
    gs_buffer_close(&record);
    store_fixture_close(fixture);
    for (long round = 0; round < KILLS && stored + 50 < GROUPS; round++) {
        int ends[2];
        uint32_t reported = stored;
        uint32_t last = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            append_and_report(&fixture->log, fixture->url, stored, ends[1]);
        }
        close(ends[1]);
        if (read(ends[0], &last, sizeof last) == (ssize_t)sizeof last) {
            const struct timespec delay = {.tv_nsec = 500 * 1000 + round * 1733 * 1000};
            reported = last + 1;
            (void)nanosleep(&delay, NULL);
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(ends[0], &last, sizeof last) == (ssize_t)sizeof last) {
            reported = last + 1;
        }
        close(ends[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        uint64_t found = 0;
        store_fixture_open(fixture);
        assert_int_equal(fixture->store->methods->replay(fixture->store, count_record, &found), 0);
        assert_true(found == reported || found == reported + 1);
        assert_int_equal(expected_log_replay(&fixture->log, fixture->store, (uint32_t)found), 0);
        store_fixture_close(fixture);
        stored = (uint32_t)found;
    }
    assert_true(stored > KILLS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lost_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_ends_in_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_by_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commit_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_went_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kill_in_the_middle, setup, teardown),
    };
    return cmocka_run_group_tests_name("postgres_crash", tests, NULL, NULL);
}
