/* Canonical values to JSON, and looking into them. */
#include "random.h"

#include <globalstate/json.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_write_bin(void **state) {
    (void)state;
    static const char *const expected[] = {"\"\"", "\"Zg==\"", "\"Zm8=\"", "\"Zm9v\"", "\"Zm9vYg==\"", "\"Zm9v/v8=\""};
    static const char *const bytes[] = {"", "f", "fo", "foo", "foob", "foo\xFE\xFF"};
    for (size_t i = 0; i < 6; i++) {
        struct gs_buffer value = {0};
        struct gs_buffer json = {0};
        gs_write_bin(&value, bytes[i], strlen(bytes[i]));
        gs_json_write(gs_slice_make(value.bytes, value.length), &json);
        assert_int_equal(json.length, strlen(expected[i]));
        assert_memory_equal(json.bytes, expected[i], json.length);
        gs_buffer_close(&value);
        gs_buffer_close(&json);
    }
}

static void test_write_refuses(void **state) {
    (void)state;
    struct gs_buffer json = {0};
    gs_json_write_double(NAN, &json);
    assert_int_equal(json.failed, GS_EINVAL);
    gs_buffer_close(&json);
    gs_json_write(gs_slice_make("\x92\x01", 2), &json);
    assert_int_equal(json.failed, GS_EINVAL);
    gs_buffer_close(&json);
    gs_json_write((struct gs_slice){0}, &json);
    assert_int_equal(json.failed, GS_EINVAL);
    gs_buffer_close(&json);
    uint8_t deep[65];
    memset(deep, 0x91, sizeof deep);
    deep[64] = 0x01;
    gs_json_write(gs_slice_make(deep, 65), &json); /* deeper than values, as deep as the writer goes */
    assert_int_equal(json.failed, 0);
    assert_int_equal(json.length, 129);
    gs_buffer_close(&json);
}

/* Digits of a number's text, without zeros at either end. */
static int significant_digits(const char *text) {
    int digits = 0;
    int significant = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (digits > 0 || *text != '0')) {
            digits++;
            significant = *text != '0' ? digits : significant;
        }
    }
    return significant;
}

static int least_digits(double value) {
    for (int digits = 1; digits < 17; digits++) {
        char text[400];
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            return digits;
        }
    }
    return 17;
}

static void test_doubles_are_shortest(void **state) {
    (void)state;
    struct random random = {11};
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_next(&random);
        bits >>= i % 3 == 0 ? 12 + random_below(&random, 40) : 0; /* subnormal numbers too */
        double value;
        memcpy(&value, &bits, sizeof value);
        value = isfinite(value) ? value : (double)bits;
        value = i % 5 == 0 ? (double)(int64_t)bits / 100 : value;
        struct gs_buffer json = {0};
        gs_json_write_double(value, &json);
        gs_buffer_byte(&json, '\0');
        const char *text = (const char *)json.bytes;
        assert_true(strtod(text, NULL) == value);
        assert_non_null(strpbrk(text, ".e"));
        assert_int_equal(significant_digits(text), value == 0 ? 0 : least_digits(value));
        gs_buffer_close(&json);
    }
}

static void test_map_get(void **state) {
    (void)state;
    struct gs_buffer value = {0};
    static const char text[] = "{\"op\":\"set\",\"path\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]],\"by\":null,\"o\":5}";
    assert_int_equal(gs_json_parse(text, sizeof text - 1, 24, &value, NULL), 0);
    struct gs_slice map = gs_slice_make(value.bytes, value.length);
    assert_int_equal(gs_value_kind(map), GS_KIND_MAP);
    assert_int_equal(gs_slice_compare(gs_map_get(map, "op"), gs_slice_make("\xA3set", 4)), 0);
    assert_int_equal(gs_slice_compare(gs_map_get(map, "o"), gs_slice_make("\x05", 1)), 0);
    assert_int_equal(gs_slice_compare(gs_map_get(map, "by"), gs_slice_make("\xC0", 1)), 0);
    assert_int_equal(gs_map_get(map, "path").length, 18); /* deeper than gs_read_value goes */
    assert_int_equal(gs_value_kind(gs_map_get(map, "path")), GS_KIND_ARRAY);
    assert_null(gs_map_get(map, "opx").bytes);
    assert_null(gs_map_get(map, "").bytes);
    assert_null(gs_map_get(gs_slice_make("\x05", 1), "op").bytes);
    assert_null(gs_map_get((struct gs_slice){0}, "op").bytes);
    assert_int_equal(gs_value_kind((struct gs_slice){0}), GS_KIND_NIL);
    gs_buffer_close(&value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_bin),
        cmocka_unit_test(test_write_refuses),
        cmocka_unit_test(test_doubles_are_shortest),
        cmocka_unit_test(test_map_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
