/* The hybrid clock: order, saturation, and dates compared with libc's calendar. */
#include <globalstate/hlc.h>

#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_next(void **state) {
    (void)state;
    assert_true(gs_hlc_next(0, 5) == gs_hlc_from_ms(5));
    assert_true(gs_hlc_next(gs_hlc_from_ms(5), 5) == gs_hlc_from_ms(5) + 1);
    assert_true(gs_hlc_next(gs_hlc_from_ms(9), 5) == gs_hlc_from_ms(9) + 1); /* wall time went back */
    gs_hlc full = gs_hlc_from_ms(5) | 0xFFFF;
    assert_true(gs_hlc_next(full, 5) == gs_hlc_from_ms(6)); /* borrows a millisecond */
    assert_true(gs_hlc_next(UINT64_MAX, 5) == UINT64_MAX);
    assert_true(gs_hlc_next(UINT64_MAX - 1, UINT64_MAX) == UINT64_MAX);
    assert_true(gs_hlc_next(0, UINT64_MAX) == GS_HLC_MS_MAX << 16);
    assert_true(gs_hlc_ms(gs_hlc_next(0, 1234567)) == 1234567);
}

static void test_observe(void **state) {
    (void)state;
    assert_true(gs_hlc_observe(7, 9) == 9);
    assert_true(gs_hlc_observe(9, 7) == 9);
    assert_true(gs_hlc_next(gs_hlc_observe(7, gs_hlc_from_ms(100)), 3) > gs_hlc_from_ms(100));
}

static void check_format(uint64_t ms, const char *expected) {
    char text[26];
    text[25] = '#'; /* behind what the function may write */
    gs_hlc_format(gs_hlc_from_ms(ms) | 0xABC, text);
    assert_string_equal(text, expected);
    assert_int_equal(text[25], '#');
}

static void test_format(void **state) {
    (void)state;
    check_format(0, "1970-01-01T00:00:00.000Z");
    check_format(951827696789, "2000-02-29T12:34:56.789Z");
    check_format(1769860800123, "2026-01-31T12:00:00.123Z");
    check_format(UINT64_C(4107542400000), "2100-03-01T00:00:00.000Z");
    check_format(UINT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
    check_format(UINT64_C(253402300800000), "9999-12-31T23:59:59.999Z");
    check_format(UINT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void compare_with_libc(uint64_t ms) {
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    assert_non_null(gmtime_r(&seconds, &tm));
    char expected[64];
    size_t length = strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(expected + length, sizeof expected - length, ".%03dZ", (int)(ms % 1000));
    check_format(ms, expected);
}

static void test_format_agrees_with_libc(void **state) {
    (void)state;
    const uint64_t day = 86400000;
    for (uint64_t d = 0; d < 2932896; d += 1) {
        if (d % 50 < 2 || d < 60000) {
            compare_with_libc(d * day);
        }
    }
    struct random random = {1};
    for (int i = 0; i < 20000; i++) {
        compare_with_libc(random_next(&random) % UINT64_C(253402300800000));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_observe),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_agrees_with_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
