/* The store's thread: completions in order on the loop, the cap of its queue, stopping with work queued. */
#include "node/store/store_thread.h"
#include "tests/support/batches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    uint64_t tags[1000];
    uint32_t count;
    int error;             /* the last one that was not 0 */
    uint32_t records_read; /* by the last read */
    bool more;
    uint32_t stop_after; /* completions; then stop from within one */
    uint32_t closed;
    uint32_t away_count; /* how often it was told */
    uint32_t opened;     /* … that the breaker is open */
    bool away, open;
    char reason[64];
    uv_thread_t loop_thread;
    struct gs_store_thread *thread;
};

static void on_closed(void *context) {
    struct seen *seen = context;
    uv_thread_t self = uv_thread_self();
    assert_true(uv_thread_equal(&self, &seen->loop_thread));
    seen->closed++;
}

static void note(struct seen *seen, uint64_t tag, int error) {
    uv_thread_t self = uv_thread_self();
    assert_true(uv_thread_equal(&self, &seen->loop_thread));
    assert_true(seen->count < 1000);
    assert_int_equal(seen->closed, 0);
    seen->tags[seen->count++] = tag;
    seen->error = error != 0 ? error : seen->error;
    if (seen->count == seen->stop_after) {
        gs_store_thread_stop(seen->thread, on_closed, seen);
    }
}

static void on_appended(void *context, uint64_t tag, int error) {
    note(context, tag, error);
}

static void on_log_read(void *context, uint64_t tag, int error, struct gs_slice records, uint32_t count, bool more) {
    struct seen *seen = context;
    assert_true((records.length > 0) == (count > 0));
    seen->records_read = count;
    seen->more = more;
    note(seen, tag, error);
}

static void on_away(void *context, bool away, bool open, const char *reason) {
    struct seen *seen = context;
    seen->away_count += away != seen->away ? 1 : 0;
    seen->opened += open && !seen->open ? 1 : 0;
    seen->away = away;
    seen->open = open;
    (void)snprintf(seen->reason, sizeof seen->reason, "%s", reason);
}

/* A loop and a store thread on it. */
struct running {
    uv_loop_t loop;
    struct seen seen;
    struct test_author author;
};

static struct running *start_with(struct gs_store *store, uint32_t breaker_threshold) {
    struct running *running = calloc(1, sizeof *running);
    TEST_REQUIRE(running != NULL);
    assert_int_equal(uv_loop_init(&running->loop), 0);
    running->seen.loop_thread = uv_thread_self();
    const struct gs_store_callbacks callbacks = {.context = &running->seen,
                                                 .appended = on_appended,
                                                 .log_read = on_log_read,
                                                 .away = on_away,
                                                 .breaker_threshold = breaker_threshold};
    assert_int_equal(gs_store_thread_start(&running->loop, store, &callbacks, &running->seen.thread), 0);
    test_author_init(&running->author, 1);
    return running;
}

static struct running *start(struct gs_store *store) {
    return start_with(store, 0);
}

static struct running *start_url(const char *url) {
    struct gs_store *store = NULL;
    assert_int_equal(gs_store_open(url, &store, NULL), 0);
    return start(store);
}

static void finish(struct running *running) {
    assert_int_equal(uv_run(&running->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(running->seen.closed, 1);
    assert_int_equal(uv_loop_close(&running->loop), 0);
    free(running);
}

static int append(struct running *running, uint64_t tag) {
    struct gs_buffer records = {0};
    const struct test_author before = running->author;
    test_author_batch(&running->author, 1, 500, &records);
    int error = gs_store_thread_append(running->seen.thread, tag, &records, 1);
    if (error == 0) {
        assert_null(records.bytes);
        assert_int_equal(records.length, 0);
    } else {
        assert_non_null(records.bytes);
        running->author = before;
    }
    gs_buffer_close(&records);
    return error;
}

static int read_log(struct running *running, uint64_t tag, size_t bytes_max) {
    struct gs_vector have = {0};
    struct gs_head head = {.seq = 7};
    assert_int_equal(gs_vector_set(&have, &head), 0);
    int error = gs_store_thread_read(running->seen.thread, tag, &have, bytes_max);
    assert_true((error == 0) == (have.heads == NULL));
    gs_vector_close(&have);
    return error;
}

static void run_until(struct running *running, uint32_t count) {
    while (running->seen.count < count) {
        (void)uv_run(&running->loop, UV_RUN_ONCE);
    }
}

static void test_completions_in_order(void **state) {
    (void)state;
    struct running *running = start_url("memory:");
    uint64_t tag = 0;
    for (uint32_t round = 1; round <= 5; round++) {
        for (uint32_t i = 0; i < 40; i++) {
            assert_int_equal(append(running, tag++), 0);
            assert_int_equal(read_log(running, tag++, SIZE_MAX), 0);
        }
        run_until(running, round * 80);
        /* The last read came after all the appends before it. */
        assert_int_equal(running->seen.records_read, round * 40);
        assert_false(running->seen.more);
    }
    assert_int_equal(read_log(running, tag++, 1), 0);
    run_until(running, 401);
    assert_int_equal(running->seen.records_read, 1);
    assert_true(running->seen.more);
    assert_int_equal(running->seen.error, 0);
    for (uint32_t i = 0; i < running->seen.count; i++) {
        assert_int_equal(running->seen.tags[i], i);
    }
    gs_store_thread_stop(running->seen.thread, on_closed, &running->seen);
    finish(running);
}

static void test_errors_come_back(void **state) {
    (void)state;
    struct running *running = start_url("memory:");
    running->author.next_seq = 5;
    running->author.last_hash.bytes[0] = 1;
    assert_int_equal(append(running, 1), 0);
    run_until(running, 1);
    assert_int_equal(running->seen.error, GS_ECHAIN);
    gs_store_thread_stop(running->seen.thread, on_closed, &running->seen);
    finish(running);
}

static int count_record(void *context, uint64_t position, struct gs_slice record) {
    (void)position;
    (void)record;
    ++*(uint32_t *)context;
    return 0;
}

static void test_stop_with_queued_work(void **state) {
    (void)state;
    char directory[] = "/tmp/gs-thread-XXXXXX";
    char url[128];
    char path[128];
    uint32_t count = 0;
    struct gs_store *store = NULL;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(url, sizeof url, "sqlite:%s/log.db", directory);
    struct running *running = start_url(url);
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(append(running, i), 0);
        assert_int_equal(read_log(running, i, SIZE_MAX), 0);
    }
    gs_store_thread_stop(running->seen.thread, on_closed, &running->seen);
    assert_int_equal(append(running, 99), GS_ESHUTDOWN);
    assert_int_equal(running->seen.closed, 0);
    (void)uv_run(&running->loop, UV_RUN_DEFAULT);
    assert_int_equal(running->seen.count, 0); /* no completion after stop */
    finish(running);
    assert_int_equal(gs_store_open(url, &store, NULL), 0);
    assert_int_equal(store->methods->replay(store, count_record, &count), 0);
    assert_int_equal(count, 50);
    store->methods->close(store);
    static const char *const names[] = {"log.db", "log.db.lock"};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void test_stop_within_a_completion(void **state) {
    (void)state;
    struct running *running = start_url("memory:");
    running->seen.stop_after = 10;
    for (uint64_t i = 0; i < 30; i++) {
        assert_int_equal(append(running, i), 0);
    }
    (void)uv_run(&running->loop, UV_RUN_DEFAULT);
    assert_int_equal(running->seen.count, 10);
    finish(running);
}

/* A store that is as slow as the test wants. */
struct slow_store {
    struct gs_store base;
    uv_sem_t go;
};

static int slow_append(struct gs_store *store, struct gs_slice records, uint32_t count) {
    (void)records;
    (void)count;
    uv_sem_wait(&((struct slow_store *)store)->go);
    return 0;
}

static void slow_close(struct gs_store *store) {
    uv_sem_destroy(&((struct slow_store *)store)->go);
    free(store);
}

static void test_queue_is_bounded(void **state) {
    (void)state;
    static const struct gs_store_methods methods = {.name = "slow", .append = slow_append, .close = slow_close};
    struct slow_store *slow = calloc(1, sizeof *slow);
    TEST_REQUIRE(slow != NULL && uv_sem_init(&slow->go, 0) == 0);
    slow->base.methods = &methods;
    struct running *running = start(&slow->base);
    for (uint64_t i = 0; i < GS_STORE_JOBS_MAX; i++) {
        assert_int_equal(append(running, i), 0);
    }
    assert_int_equal(append(running, 0), GS_EOVERLOADED);
    assert_int_equal(read_log(running, 0, 1), GS_EOVERLOADED);
    uv_sem_post(&slow->go);
    run_until(running, 1);
    assert_int_equal(append(running, GS_STORE_JOBS_MAX), 0);
    assert_int_equal(append(running, 0), GS_EOVERLOADED);
    for (int i = 0; i < GS_STORE_JOBS_MAX; i++) {
        uv_sem_post(&slow->go);
    }
    run_until(running, GS_STORE_JOBS_MAX + 1);
    gs_store_thread_stop(running->seen.thread, on_closed, &running->seen);
    finish(running);
}

/* A store that is away for its first `failures` appends, and then fails as told. */
struct leaving_store {
    struct gs_store base;
    int failures;
    int final;
    int tried;
};

static int leaving_append(struct gs_store *store, struct gs_slice records, uint32_t count) {
    struct leaving_store *leaving = (struct leaving_store *)store;
    assert_int_equal(count, 1);
    assert_true(records.length > 0);
    leaving->tried++;
    (void)snprintf(store->trouble, sizeof store->trouble, "attempt %d", leaving->tried);
    return leaving->tried <= leaving->failures ? GS_ESTORE : leaving->final;
}

static void leaving_close(struct gs_store *store) {
    free(store);
}

static struct running *start_leaving_with(int failures, int final, uint32_t breaker_threshold,
                                          struct leaving_store **ret_store) {
    static const struct gs_store_methods methods = {
        .name = "leaving", .append = leaving_append, .close = leaving_close};
    struct leaving_store *leaving = calloc(1, sizeof *leaving);
    TEST_REQUIRE(leaving != NULL);
    *leaving = (struct leaving_store){.base.methods = &methods, .failures = failures, .final = final};
    *ret_store = leaving;
    return start_with(&leaving->base, breaker_threshold);
}

static struct running *start_leaving(int failures, int final, struct leaving_store **ret_store) {
    return start_leaving_with(failures, final, 0, ret_store);
}

static void test_tries_again_until_it_is_back(void **state) {
    (void)state;
    struct leaving_store *leaving;
    struct running *running = start_leaving(3, 0, &leaving);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(append(running, i), 0);
    }
    while (running->seen.away_count == 0) {
        (void)uv_run(&running->loop, UV_RUN_ONCE);
    }
    assert_true(running->seen.away);
    assert_string_equal(running->seen.reason, "attempt 1");
    assert_int_equal(running->seen.count, 0);
    run_until(running, 5);
    assert_false(running->seen.away);
    assert_int_equal(running->seen.away_count, 2);
    assert_int_equal(running->seen.opened, 0); /* three are not five */
    assert_int_equal(running->seen.error, 0);
    assert_int_equal(leaving->tried, 8);
    gs_store_thread_stop(running->seen.thread, on_closed, &running->seen);
    finish(running);
}

static void test_the_breaker_opens(void **state) {
    (void)state;
    struct leaving_store *leaving;
    struct gs_breaker breaker;
    struct running *running = start_leaving_with(4, 0, 2, &leaving);
    assert_int_equal(append(running, 1), 0);
    while (running->seen.opened == 0) {
        (void)uv_run(&running->loop, UV_RUN_ONCE);
    }
    assert_int_equal(leaving->tried, 2); /* read while the thread pauses */
    gs_store_thread_breaker(running->seen.thread, &breaker);
    assert_int_equal(breaker.state, GS_BREAKER_OPEN);
    assert_int_equal(breaker.failures, 2);
    run_until(running, 1);
    assert_false(running->seen.open);
    assert_int_equal(running->seen.opened, 1);
    assert_int_equal(running->seen.error, 0);
    gs_store_thread_breaker(running->seen.thread, &breaker);
    assert_int_equal(breaker.state, GS_BREAKER_CLOSED);
    assert_int_equal(breaker.opened, 1);
    gs_store_thread_stop(running->seen.thread, on_closed, &running->seen);
    finish(running);
}

static void test_away_and_then_lost(void **state) {
    (void)state;
    struct leaving_store *leaving;
    struct running *running = start_leaving(1, GS_EWENTBACK, &leaving);
    assert_int_equal(append(running, 1), 0);
    run_until(running, 1);
    assert_int_equal(running->seen.error, GS_EWENTBACK);
    gs_store_thread_stop(running->seen.thread, on_closed, &running->seen);
    finish(running);
}

static void test_stop_while_it_is_away(void **state) {
    (void)state;
    struct leaving_store *leaving;
    struct running *running = start_leaving(INT32_MAX, 0, &leaving);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(append(running, i), 0);
    }
    while (running->seen.away_count == 0) {
        (void)uv_run(&running->loop, UV_RUN_ONCE);
    }
    gs_store_thread_stop(running->seen.thread, on_closed, &running->seen);
    (void)uv_run(&running->loop, UV_RUN_DEFAULT);
    assert_int_equal(running->seen.count, 0);
    finish(running);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_completions_in_order),  cmocka_unit_test(test_errors_come_back),
        cmocka_unit_test(test_stop_with_queued_work), cmocka_unit_test(test_stop_within_a_completion),
        cmocka_unit_test(test_queue_is_bounded),      cmocka_unit_test(test_tries_again_until_it_is_back),
        cmocka_unit_test(test_the_breaker_opens),     cmocka_unit_test(test_away_and_then_lost),
        cmocka_unit_test(test_stop_while_it_is_away),
    };
    return cmocka_run_group_tests_name("store_thread", tests, NULL, NULL);
}
