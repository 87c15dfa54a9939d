#include "node/store/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct gs_breaker broken(uint32_t threshold, uint32_t failures) {
    struct gs_breaker breaker = {0};
    gs_breaker_set(&breaker, threshold);
    for (uint32_t i = 0; i < failures; i++) {
        assert_true(gs_breaker_try(&breaker, 100));
        gs_breaker_failed(&breaker, 100);
    }
    return breaker;
}

static void test_opens_at_the_threshold(void **state) {
    (void)state;
    struct gs_breaker breaker = broken(3, 2);
    assert_int_equal(breaker.state, GS_BREAKER_CLOSED);
    assert_false(gs_breaker_refuses(&breaker, 100));
    assert_true(gs_breaker_try(&breaker, 100));
    gs_breaker_failed(&breaker, 100);
    assert_int_equal(breaker.state, GS_BREAKER_OPEN);
    assert_int_equal(breaker.opened, 1);
    assert_true(gs_breaker_refuses(&breaker, 100));
    assert_false(gs_breaker_try(&breaker, 100 + GS_BREAKER_PAUSE_MS - 1));
    assert_int_equal(broken(0, GS_BREAKER_THRESHOLD - 1).state, GS_BREAKER_CLOSED);
    assert_int_equal(broken(0, GS_BREAKER_THRESHOLD).state, GS_BREAKER_OPEN);
    assert_int_equal(broken(1, 1).state, GS_BREAKER_OPEN);
}

static void test_only_failures_in_a_row_count(void **state) {
    (void)state;
    struct gs_breaker breaker = broken(3, 2);
    gs_breaker_succeeded(&breaker);
    gs_breaker_failed(&breaker, 100);
    gs_breaker_failed(&breaker, 100);
    assert_int_equal(breaker.state, GS_BREAKER_CLOSED);
}

static void test_one_attempt_finds_out(void **state) {
    (void)state;
    struct gs_breaker breaker = broken(2, 2);
    uint64_t later = 100 + GS_BREAKER_PAUSE_MS;
    assert_false(gs_breaker_refuses(&breaker, later));
    assert_true(gs_breaker_try(&breaker, later));
    assert_int_equal(breaker.state, GS_BREAKER_HALF_OPEN);
    assert_false(gs_breaker_try(&breaker, later + 10 * GS_BREAKER_PAUSE_MS));
    gs_breaker_failed(&breaker, later);
    assert_int_equal(breaker.state, GS_BREAKER_OPEN);
    assert_int_equal(breaker.opened, 1); /* it is still the same outage */
    assert_false(gs_breaker_try(&breaker, later + GS_BREAKER_PAUSE_MS - 1));
    assert_true(gs_breaker_try(&breaker, later + GS_BREAKER_PAUSE_MS));
    gs_breaker_succeeded(&breaker);
    assert_int_equal(breaker.state, GS_BREAKER_CLOSED);
    assert_int_equal(breaker.failures, 0);
    assert_true(gs_breaker_try(&breaker, later));
}

/* Others had begun before it opened. */
static void test_late_answers(void **state) {
    (void)state;
    struct gs_breaker breaker = broken(2, 2);
    gs_breaker_failed(&breaker, 600);
    assert_int_equal(breaker.state, GS_BREAKER_OPEN);
    assert_false(gs_breaker_try(&breaker, 600 + GS_BREAKER_PAUSE_MS - 1));
    gs_breaker_succeeded(&breaker);
    assert_int_equal(breaker.state, GS_BREAKER_CLOSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_at_the_threshold),
        cmocka_unit_test(test_only_failures_in_a_row_count),
        cmocka_unit_test(test_one_attempt_finds_out),
        cmocka_unit_test(test_late_answers),
    };
    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
