/* A region that others' logs no longer reach begins anew, if what it has is elsewhere, and not otherwise. */
#include "tests/unit/core_fixture.h"

enum { LOOKS = 80, LOOK_MS = 250, LACKED = 5 };

static int setup(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    fixture->config.sets_log_aside = true;
    core_restart(fixture);
    core_link(fixture, 0, NULL, 0);
    core_link(fixture, 1, NULL, 0);
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':1}]");
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

static struct gs_head our_head(const struct core_fixture *fixture) {
    gs_origin origin = gs_core_origin(fixture->core);
    return *gs_vector_find(gs_core_stored(fixture->core), &origin);
}

static struct gs_head lacked(const struct core_fixture *fixture) {
    return (struct gs_head){.origin = fixture->authors[0].origin, .seq = LACKED, .hash = {{7}}};
}

/* For a while author 0 says that it has these, and that its log no longer has what we lack; author 1 that it has the
 * first `other` of them. True: our log is to be put aside. */
static bool begins_anew(struct core_fixture *fixture, const struct gs_head *heads, uint32_t count, uint32_t other) {
    for (int i = 0; i < LOOKS; i++) {
        core_tell(fixture, 0, GS_VECTOR_TELL, heads, count);
        core_deliver(fixture, 0, GS_BATCHES_GONE, NULL, 0);
        core_tell(fixture, 1, GS_VECTOR_TELL, heads, other);
        core_deliver(fixture, 1, GS_BATCHES_LAST, NULL, 0);
        core_tick(fixture, LOOK_MS);
        if (fixture->update.set_aside) {
            assert_true(fixture->update.reload);
            assert_true(i * LOOK_MS >= 10000); /* others had the time to help */
            return true;
        }
        core_settle(fixture);
    }
    return false;
}

static void test_all_is_elsewhere(void **state) {
    struct core_fixture *fixture = *state;
    const struct gs_head heads[] = {our_head(fixture), lacked(fixture)};
    assert_true(begins_anew(fixture, heads, 2, 1));
}

static void test_one_alone_says_so(void **state) {
    struct core_fixture *fixture = *state;
    const struct gs_head heads[] = {our_head(fixture), lacked(fixture)};
    assert_false(begins_anew(fixture, heads, 2, 0));
}

static void test_something_is_nowhere_else(void **state) {
    struct core_fixture *fixture = *state;
    const struct gs_head heads[] = {lacked(fixture)};
    assert_false(begins_anew(fixture, heads, 1, 1));
}

static void test_something_else_is_elsewhere(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_head heads[] = {our_head(fixture), lacked(fixture)};
    heads[0].hash.bytes[0] ^= 1;
    assert_false(begins_anew(fixture, heads, 2, 1));
}

static void test_somebody_still_has_it(void **state) {
    struct core_fixture *fixture = *state;
    const struct gs_head heads[] = {our_head(fixture), lacked(fixture)};
    assert_false(begins_anew(fixture, heads, 2, 2));
}

static void test_nothing_is_lacked(void **state) {
    struct core_fixture *fixture = *state;
    const struct gs_head heads[] = {our_head(fixture)};
    assert_false(begins_anew(fixture, heads, 1, 1));
}

static void test_a_shell_that_cannot(void **state) {
    struct core_fixture *fixture = *state;
    fixture->config.sets_log_aside = false;
    core_restart(fixture);
    core_link(fixture, 0, NULL, 0);
    core_link(fixture, 1, NULL, 0);
    const struct gs_head heads[] = {our_head(fixture), lacked(fixture)};
    assert_false(begins_anew(fixture, heads, 2, 1));
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_all_is_elsewhere),          CASE(test_one_alone_says_so),
        CASE(test_something_is_nowhere_else), CASE(test_something_else_is_elsewhere),
        CASE(test_somebody_still_has_it),     CASE(test_nothing_is_lacked),
        CASE(test_a_shell_that_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
