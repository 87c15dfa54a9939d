/* Whose database it is: the lock, foreign files, schemas of other programs. */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static int setup(void **state) {
    *state = store_fixture_new("sqlite");
    return 0;
}

static int teardown(void **state) {
    store_fixture_free(*state);
    return 0;
}

/* Whether opening `url` is refused with GS_EBUSY, naming process `pid`. */
static bool is_refused(const char *url, long pid) {
    struct gs_store *store = NULL;
    struct gs_problem problem = {0};
    char text[64];
    (void)snprintf(text, sizeof text, "is in use by process %ld", pid);
    return gs_store_open(url, &store, &problem) == GS_EBUSY && store == NULL && problem.code == GS_EBUSY &&
           strstr(problem.detail, text) != NULL;
}

static void execute(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_second_process_is_refused(void **state) {
    struct store_fixture *fixture = *state;
    long parent = (long)getpid();
    pid_t child = fork();
    if (child == 0) {
        _exit(is_refused(fixture->url, parent) ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_second_open_is_refused(void **state) {
    struct store_fixture *fixture = *state;
    char name[128];
    char url[144];
    assert_true(is_refused(fixture->url, (long)getpid()));
    /* Another name of the same file is the same file. */
    (void)snprintf(name, sizeof name, "%s/alias.db", fixture->directory);
    assert_int_equal(symlink(fixture->path, name), 0);
    (void)snprintf(url, sizeof url, "sqlite:%s", name);
    assert_true(is_refused(url, (long)getpid()));
    /* The refused ones disturbed nothing, and the lock goes with the store. */
    struct test_author author;
    test_author_init(&author, 1);
    store_fixture_append(fixture, &author, 1, 100);
    store_fixture_close(fixture);
    store_fixture_open(fixture);
    assert_int_equal(store_fixture_replay(fixture), 0);
}

static int open_error(const char *url, struct gs_problem *problem) {
    struct gs_store *store = NULL;
    int error = gs_store_open(url, &store, problem);
    assert_int_not_equal(error, 0);
    assert_null(store);
    assert_int_equal(problem->code, error);
    return error;
}

static void test_newer_schema_is_refused(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_problem problem = {0};
    store_fixture_close(fixture);
    execute(fixture->path, "INSERT INTO schema_migrations (version, name) VALUES (999, 'from_the_future')");
    assert_int_equal(open_error(fixture->url, &problem), GS_EVERSION);
    assert_non_null(strstr(problem.detail, "999"));
    /* Refused without a change, and the lock is free again. */
    execute(fixture->path, "DELETE FROM schema_migrations WHERE version = 999");
    store_fixture_open(fixture);
}

static void test_migrations_are_recorded_once(void **state) {
    struct store_fixture *fixture = *state;
    store_fixture_close(fixture);
    store_fixture_open(fixture);
    store_fixture_close(fixture);
    execute(fixture->path, "CREATE TEMP TABLE t (n CHECK (n = 1));"
                           "INSERT INTO t SELECT count(*) FROM schema_migrations WHERE name = '0001_log'");
}

static void test_foreign_database_is_refused(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_problem problem = {0};
    char path[128];
    char url[144];
    (void)snprintf(path, sizeof path, "%s/foreign.db", fixture->directory);
    (void)snprintf(url, sizeof url, "sqlite:%s", path);
    execute(path, "CREATE TABLE customers (name TEXT)");
    assert_int_equal(open_error(url, &problem), GS_EINVAL);
    execute(path, "CREATE TEMP TABLE t (n CHECK (n = 1)); INSERT INTO t SELECT count(*) FROM sqlite_schema");

    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        assert_true(fputs("this is not a database\n", file) >= 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(open_error(url, &problem), GS_ECORRUPT);
}

static void test_paths_that_cannot_be(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_problem problem = {0};
    char url[5000];
    (void)snprintf(url, sizeof url, "sqlite:%s/absent/log.db", fixture->directory);
    assert_int_equal(open_error(url, &problem), GS_EIO);
    assert_non_null(strstr(problem.detail, "No such file"));
    (void)snprintf(url, sizeof url, "sqlite:%s/folder", fixture->directory);
    assert_int_equal(mkdir(url + 7, 0700), 0);
    assert_int_equal(open_error(url, &problem), GS_EIO);
    memset(url + 7, 'a', sizeof url - 8);
    url[sizeof url - 1] = '\0';
    (void)open_error(url, &problem);
}

/* SQLite gives some names a meaning; here they are files. */
static void test_special_names_are_files(void **state) {
    struct store_fixture *fixture = *state;
    struct gs_store *store = NULL;
    assert_int_equal(chdir(fixture->directory), 0);
    assert_int_equal(gs_store_open("sqlite::memory:", &store, NULL), 0);
    store->methods->close(store);
    assert_int_equal(access(":memory:", F_OK), 0);
    assert_int_equal(chdir("/"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_second_process_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_open_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_schema_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migrations_are_recorded_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_database_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_special_names_are_files, setup, teardown),
    };
    return cmocka_run_group_tests_name("sqlite_files", tests, NULL, NULL);
}
