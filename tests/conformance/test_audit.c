/* The audit log, whichever engine keeps it: entries, sums, questions, retention, hostile text. */
#include "node/store/audit.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define MINUTE UINT64_C(60000)
#define T0 UINT64_C(1767225600000) /* 2026-01-01 */

struct log {
    struct store_fixture *store; /* of PostgreSQL: it makes the schema */
    char path[128];
    struct gs_audit *audit;
    struct gs_buffer page;
    uint64_t next;
};

static void open_log(struct log *log, const char *engine, uint64_t retention_ms) {
    struct gs_problem problem = {0};
    int error = 0;
    if (strcmp(engine, "postgres") == 0) {
        log->store = log->store != NULL ? log->store : store_fixture_new(engine);
        error = gs_audit_open_postgres(log->store->url, retention_ms, &log->audit, &problem);
    } else if (strcmp(engine, "sqlite") == 0) {
        log->store = log->store != NULL ? log->store : store_fixture_new(engine);
        (void)snprintf(log->path, sizeof log->path, "%s/audit.db", log->store->directory);
        error = gs_audit_open(log->path, retention_ms, &log->audit, &problem);
    } else {
        error = gs_audit_open(NULL, retention_ms, &log->audit, &problem);
    }
    TEST_REQUIRE(error == 0);
}

static void close_log(struct log *log) {
    gs_audit_close(log->audit);
    gs_buffer_close(&log->page);
    if (log->store != NULL) {
        store_fixture_free(log->store);
    }
}

static struct gs_slice text(const char *string) {
    return gs_slice_make(string, strlen(string));
}

static void add(struct log *log, enum gs_audit_kind kind, uint64_t ms, const char *subject, const char *target) {
    gs_audit_add(log->audit, &(struct gs_audit_entry){.kind = kind,
                                                      .time_ms = ms,
                                                      .subject = text(subject),
                                                      .address = text("10.0.0.1"),
                                                      .action = text("PATCH /state/{}/{}"),
                                                      .target = text(target),
                                                      .status = 200,
                                                      .request_id = text("r1")});
}

/* How many entries the page has that the question is answered with. */
static uint32_t ask(struct log *log, struct gs_audit_query query) {
    uint32_t count = 0;
    query.limit = query.limit != 0 ? query.limit : 1000;
    query.until_ms = query.until_ms != 0 ? query.until_ms : UINT64_MAX;
    log->page.length = 0;
    assert_int_equal(gs_audit_query(log->audit, &query, &log->page, &log->next), 0);
    gs_buffer_byte(&log->page, 0);
    for (const char *at = (const char *)log->page.bytes; (at = strstr(at, "{\"number\":")) != NULL; at++) {
        count++;
    }
    return count;
}

static bool shows(const struct log *log, const char *what) {
    return strstr((const char *)log->page.bytes, what) != NULL;
}

static void test_entries(void **state) {
    struct log log = {0};
    open_log(&log, *state, 0);
    for (uint64_t i = 0; i < 10; i++) {
        add(&log, i % 2 == 0 ? GS_AUDIT_WRITE : GS_AUDIT_ADMIN, T0 + i, i < 5 ? "ada" : "bob", i == 3 ? "/x/3" : "/y");
    }
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1}), 10);
    assert_int_equal(log.next, 0);
    assert_true(shows(&log, "\"time\":\"2026-01-01T00:00:00.009Z\",\"lastTime\":\"2026-01-01T00:00:00.009Z\","
                            "\"kind\":\"admin\",\"subject\":\"bob\",\"address\":\"10.0.0.1\","
                            "\"action\":\"PATCH /state/{}/{}\",\"target\":\"/y\",\"status\":200,\"requestId\":\"r1\","
                            "\"count\":1}"));
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = GS_AUDIT_WRITE}), 5);
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = GS_AUDIT_WRITE, .subject = text("ada")}), 3);
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1, .target = text("/x")}), 1);
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1, .since_ms = T0 + 4, .until_ms = T0 + 6}), 3);
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1, .subject = text("\xff\xfe")}), 0);
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1, .limit = 4}), 4);
    assert_true(shows(&log, "00.006Z") && log.next != 0);
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1, .limit = 6, .before = log.next}), 6);
    assert_true(shows(&log, "00.005Z") && shows(&log, "00.000Z") && log.next == 0);
    close_log(&log);
}

static void test_sums(void **state) {
    struct log log = {0};
    open_log(&log, *state, 0);
    for (uint64_t i = 0; i < 3000; i++) {
        add(&log, GS_AUDIT_READ, T0 + i, "ada", "/y");
        add(&log, GS_AUDIT_REFUSAL, T0 + i, "ada", "/y");
    }
    add(&log, GS_AUDIT_READ, T0 + MINUTE, "ada", "/y");
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1}), 3);
    add(&log, GS_AUDIT_READ, T0 + MINUTE - 1, "ada", "/y"); /* to one that is written */
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = GS_AUDIT_READ}), 2);
    assert_true(shows(&log, "\"lastTime\":\"2026-01-01T00:00:59.999Z\"") && shows(&log, "\"count\":3001}"));
    assert_true(!shows(&log, "target") && !shows(&log, "requestId"));
    close_log(&log);
}

static void test_hostile_text(void **state) {
    struct log log = {0};
    char lengthy[2 * GS_AUDIT_TEXT_MAX];
    open_log(&log, *state, 0);
    memset(lengthy, 'x', sizeof lengthy);
    lengthy[GS_AUDIT_TEXT_MAX - 1] = (char)0xc3; /* the cut goes through an é */
    lengthy[GS_AUDIT_TEXT_MAX] = (char)0xa9;
    lengthy[sizeof lengthy - 1] = '\0';
    add(&log, GS_AUDIT_WRITE, T0, "a\xff\xc3)", "/\xe2\x82");
    add(&log, GS_AUDIT_READ, T0, "a\xff\xc3)", "");
    add(&log, GS_AUDIT_READ, T0, "a?\?)", ""); /* the same once it is clean */
    add(&log, GS_AUDIT_WRITE, T0, lengthy, "/");
    const struct gs_audit_entry nul = {
        .kind = GS_AUDIT_WRITE, .time_ms = T0, .subject = gs_slice_make("a\0\xc3\xa9", 4), .status = 1};
    gs_audit_add(log.audit, &nul);
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1}), 4);
    assert_true(shows(&log, "\"subject\":\"a?\xc3\xa9\"") && shows(&log, "\"subject\":\"a?\?)\"") &&
                shows(&log, "\"target\":\"/?\?\"") && shows(&log, "\"count\":2}"));
    close_log(&log);
}

/* More than may wait, without a pause: nothing is lost, or it is said how much. */
static void test_flood(void **state) {
    struct log log = {0};
    struct gs_audit_query query = {.kind = GS_AUDIT_WRITE};
    uint32_t count = 0;
    open_log(&log, *state, 0);
    for (uint64_t i = 0; i < GS_AUDIT_WAITING_MAX * 2 + 10; i++) {
        add(&log, GS_AUDIT_WRITE, T0 + i, "ada", "/");
    }
    do {
        count += ask(&log, query);
        query.before = log.next;
    } while (log.next != 0);
    (void)ask(&log, (struct gs_audit_query){.kind = GS_AUDIT_ADMIN});
    const char *lost = strstr((const char *)log.page.bytes, "audit.lost");
    const char *number = lost != NULL ? strstr(lost, "\"count\":") : NULL;
    count += number != NULL ? (uint32_t)strtoul(number + 8, NULL, 10) : 0;
    assert_int_equal(count, GS_AUDIT_WAITING_MAX * 2 + 10);
    assert_true(lost == NULL || strcmp(*state, "postgres") == 0);
    close_log(&log);
}

static void test_retention(void **state) {
    struct log log = {0};
    open_log(&log, *state, 1000);
    add(&log, GS_AUDIT_WRITE, T0, "ada", "/old"); /* by any clock */
    add(&log, GS_AUDIT_WRITE, UINT64_C(4102444800000), "ada", "/new");
    uint32_t left = 2;
    for (int i = 0; i < 100 && left > 1; i++) { /* the log's thread trims at its first turn, after what waited */
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        left = ask(&log, (struct gs_audit_query){.kind = -1});
    }
    assert_int_equal(left, 1);
    assert_true(shows(&log, "/new"));
    close_log(&log);
}

static void test_kept_over_a_stop(void **state) {
    struct log log = {0};
    if (strcmp(*state, "memory") == 0) {
        return;
    }
    open_log(&log, *state, 0);
    add(&log, GS_AUDIT_WRITE, T0, "ada", "/");
    gs_audit_close(log.audit);
    open_log(&log, *state, 0);
    add(&log, GS_AUDIT_WRITE, T0 + 1, "ada", "/");
    assert_int_equal(ask(&log, (struct gs_audit_query){.kind = -1}), 2);
    close_log(&log);
}

#define ON_ALL(test)                                                                                      \
    {#test " on memory", test, NULL, NULL, "memory"}, {#test " on sqlite", test, NULL, NULL, "sqlite"}, { \
#test " on postgres", test, NULL, NULL, "postgres"                                                \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_ALL(test_entries), ON_ALL(test_sums),      ON_ALL(test_hostile_text),
        ON_ALL(test_flood),   ON_ALL(test_retention), ON_ALL(test_kept_over_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
