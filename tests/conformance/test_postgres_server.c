/* What a PostgreSQL database must be before a node uses it, and what the engine makes of damage and strangers. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

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

/* Opening is refused with `error`, and the line says `word`. */
static void expect_refused(const struct store_fixture *fixture, int error, const char *word) {
    struct gs_store *store = NULL;
    struct gs_problem problem = {0};
    assert_int_equal(gs_store_open(fixture->url, &store, &problem), error);
    assert_null(store);
    if (strstr(problem.detail, word) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", problem.detail, word);
    }
    assert_null(strchr(problem.detail, '\n'));
}

static void test_settings_that_lose_writes(void **state) {
    struct store_fixture *fixture = *state;
    char text[128];
    char name[32];
    test_sql(fixture->url, "SELECT current_database()", name, sizeof name);
    store_fixture_close(fixture);
    (void)snprintf(text, sizeof text, "ALTER DATABASE %s SET synchronous_commit = off", name);
    sql(fixture, text);
    expect_refused(fixture, GS_EINVAL, "synchronous_commit is off");
    (void)snprintf(text, sizeof text, "ALTER DATABASE %s SET synchronous_commit = local", name);
    sql(fixture, text);
    store_fixture_open(fixture);
    store_fixture_close(fixture);
    (void)snprintf(text, sizeof text, "ALTER DATABASE %s SET default_transaction_read_only = on", name);
    sql(fixture, text);
    expect_refused(fixture, GS_ESTORE, "read-only");
}

static void test_encoding(void **state) {
    struct store_fixture *fixture = *state;
    struct store_fixture other = *fixture;
    store_fixture_close(fixture);
    sql(fixture, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    char *at = strstr(other.url, "///store_");
    TEST_REQUIRE(at != NULL);
    (void)snprintf(at, sizeof other.url - (size_t)(at - other.url), "///latin%s", strchr(fixture->url, '?'));
    expect_refused(&other, GS_EINVAL, "LATIN1");
}

static void test_one_node_a_database(void **state) {
    struct store_fixture *fixture = *state;
    char name[64];
    (void)snprintf(name, sizeof name, "in use by process %ld on host", (long)getpid());
    expect_refused(fixture, GS_EBUSY, name);
    store_fixture_close(fixture);
    store_fixture_open(fixture);
}

static void test_strangers_schema(void **state) {
    struct store_fixture *fixture = *state;
    store_fixture_close(fixture);
    sql(fixture, "DROP SCHEMA global_state CASCADE; CREATE SCHEMA global_state; CREATE TABLE global_state.x ()");
    expect_refused(fixture, GS_EINVAL, "another program");
    sql(fixture, "DROP TABLE global_state.x");
    store_fixture_open(fixture); /* an empty one may have been made for us */
}

static void test_newer_schema(void **state) {
    struct store_fixture *fixture = *state;
    store_fixture_close(fixture);
    sql(fixture, "INSERT INTO global_state.schema_migrations VALUES (9999, 'later')");
    expect_refused(fixture, GS_EVERSION, "newer program");
}

static void test_nobody_there(void **state) {
    (void)state;
    struct gs_store *store = NULL;
    struct gs_problem problem = {0};
    assert_int_equal(gs_store_open("postgres://u:secret@127.0.0.1:1/x", &store, &problem), GS_ESTORE);
    assert_non_null(strstr(problem.detail, "127.0.0.1"));
    assert_null(strstr(problem.detail, "secret"));
    assert_int_equal(gs_store_open("postgres://u@h/x?nonsense=1", &store, &problem), GS_EINVAL);
    assert_non_null(strstr(problem.detail, "nonsense"));
}

static void test_shown_url(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"postgres://u:p@h:5432/db?password=x", "postgres://h:5432/db"},
        {"postgresql://u:p@ss@h/db", "postgres://h/db"},
        {"postgres:///db?host=/run", "postgres:///db"},
        {"sqlite:/var/x@y", "sqlite:/var/x@y"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char shown[GS_STORE_URL_SHOWN_MAX];
        gs_store_url_shown(pairs[i][0], shown);
        assert_string_equal(shown, pairs[i][1]);
    }
}

static int read_all(struct store_fixture *fixture) {
    int error = store_fixture_replay(fixture);
    return error != 1 ? error : 0;
}

/* Each kind of damage is noticed wherever the row is read, and never handed out. */
static void test_damage(void **state) {
    struct store_fixture *fixture = *state;
    static const char *const damages[] = {
        "UPDATE global_state.delta_log SET record = set_byte(record, 40, get_byte(record, 40) # 1) WHERE position = 2",
        "UPDATE global_state.delta_log SET checksum = set_byte(checksum, 0, get_byte(checksum, 0) # 1) "
        "WHERE position = 2",
        "UPDATE global_state.delta_log SET first_seq = first_seq - 1 WHERE position = 2",
        "UPDATE global_state.delta_log SET record = ''::bytea WHERE position = 2",
        "DELETE FROM global_state.delta_log WHERE position = 2",
    };
    struct test_author author;
    struct gs_vector nothing = {0};
    test_author_init(&author, 1);
    for (int i = 0; i < 4; i++) {
        store_fixture_append(fixture, &author, 2, 100);
    }
    sql(fixture, "CREATE TABLE copy AS SELECT * FROM global_state.delta_log");
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct gs_buffer record = {0};
        uint32_t count = 0;
        bool more = false;
        sql(fixture, damages[i]);
        assert_int_equal(read_all(fixture), GS_ECORRUPT);
        bool gone = i == 4;
        if (!gone) {
            const struct gs_store_methods *methods = fixture->store->methods;
            assert_int_equal(methods->read_event(fixture->store, &author.origin, 4, &record), GS_ECORRUPT);
            assert_int_equal(methods->read_lacking(fixture->store, &nothing, SIZE_MAX, &record, &count, &more),
                             GS_ECORRUPT);
        }
        assert_int_equal(record.length, 0);
        sql(fixture, "DELETE FROM global_state.delta_log; INSERT INTO global_state.delta_log SELECT * FROM copy");
        assert_int_equal(store_fixture_replay(fixture), 0);
        gs_buffer_close(&record);
    }
    sql(fixture, "UPDATE global_state.delta_log SET record = set_byte(record, 40, get_byte(record, 40) # 1) "
                 "WHERE position = 4");
    store_fixture_close(fixture);
    store_fixture_open(fixture); /* to be healed, and for nothing else */
    assert_true(fixture->store->damaged);
    assert_int_equal(read_all(fixture), GS_ECORRUPT);
    gs_vector_close(&nothing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_settings_that_lose_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_encoding, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_node_a_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strangers_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_shown_url),
    };
    return cmocka_run_group_tests_name("postgres_server", tests, NULL, NULL);
}
