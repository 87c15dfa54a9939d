/* Token buckets: what they let through, what they say, and that their memory is bounded. */
#include "node/http/rate_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t secret[16] = {1, 2, 3};

static struct gs_slice slice(const char *text) {
    return gs_slice_make(text, strlen(text));
}

static void test_burst_and_rate(void **state) {
    (void)state;
    struct gs_rate_limit *limit = gs_rate_limit_new(10, secret);
    for (uint32_t i = 0; i < 10; i++) {
        struct gs_rate_answer answer = gs_rate_limit_take(limit, slice("a"), 1000);
        assert_true(answer.allowed);
        assert_int_equal(answer.limit, 10);
        assert_int_equal(answer.remaining, 9 - i);
        assert_int_equal(answer.reset_s, 1);
    }
    struct gs_rate_answer refused = gs_rate_limit_take(limit, slice("a"), 1000);
    assert_false(refused.allowed);
    assert_int_equal(refused.retry_s, 1);
    assert_true(gs_rate_limit_take(limit, slice("b"), 1000).allowed);  /* another's bucket */
    assert_false(gs_rate_limit_take(limit, slice("a"), 1099).allowed); /* a tenth of a second gives one */
    assert_true(gs_rate_limit_take(limit, slice("a"), 1100).allowed);
    assert_false(gs_rate_limit_take(limit, slice("a"), 1101).allowed);
    assert_false(gs_rate_limit_take(limit, slice("a"), 500).allowed); /* a clock that goes back gives nothing */
    uint32_t allowed = 0;
    for (int i = 0; i < 100; i++) { /* a long rest fills it once, not more */
        allowed += gs_rate_limit_take(limit, slice("a"), 1000000).allowed ? 1 : 0;
    }
    assert_int_equal(allowed, 10);
    gs_rate_limit_free(limit);
}

static void test_over_time(void **state) {
    (void)state;
    static const uint32_t rates[] = {1, 7, 1000, GS_RATE_MAX};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct gs_rate_limit *limit = gs_rate_limit_new(rates[i], secret);
        uint64_t allowed = 0;
        for (int64_t ms = 0; ms < 60000; ms++) { /* one request each millisecond, a minute long */
            allowed += gs_rate_limit_take(limit, slice("a"), ms).allowed ? 1 : 0;
        }
        uint64_t most = (uint64_t)rates[i] * 60 + rates[i];
        assert_true(allowed <= most && (allowed + 1 >= most - rates[i] || allowed == 60000));
        gs_rate_limit_free(limit);
    }
}

/* Many others cannot take an empty bucket's place: it is the fullest that goes. */
static void test_others_do_not_help(void **state) {
    (void)state;
    struct gs_rate_limit *limit = gs_rate_limit_new(5, secret);
    for (int i = 0; i < 5; i++) {
        assert_true(gs_rate_limit_take(limit, slice("greedy"), 0).allowed);
    }
    for (int i = 0; i < 4 * GS_RATE_BUCKETS; i++) {
        char name[32];
        snprintf(name, sizeof name, "other-%d", i);
        assert_true(gs_rate_limit_take(limit, slice(name), 0).allowed);
    }
    assert_false(gs_rate_limit_take(limit, slice("greedy"), 0).allowed);
    gs_rate_limit_free(limit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_and_rate),
        cmocka_unit_test(test_over_time),
        cmocka_unit_test(test_others_do_not_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
