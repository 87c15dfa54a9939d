/* Origins by number. */
#include <globalstate/delta.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static gs_origin origin_of(uint32_t number) {
    gs_origin origin = {{0}};
    memcpy(origin.bytes + 6, &number, sizeof number);
    return origin;
}

static void test_intern(void **state) {
    (void)state;
    struct gs_origin_table table = {0};
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < GS_ORIGIN_TABLE_MAX; i++) {
            gs_origin origin = origin_of(i);
            assert_int_equal(gs_origin_table_intern(&table, &origin), i);
        }
    }
    gs_origin one_more = origin_of(GS_ORIGIN_TABLE_MAX);
    assert_int_equal(gs_origin_table_intern(&table, &one_more), UINT32_MAX);
    assert_int_equal(table.count, GS_ORIGIN_TABLE_MAX);
    gs_origin_table_close(&table);
    assert_int_equal(table.count, 0);
    assert_int_equal(gs_origin_table_intern(&table, &one_more), 0);
    gs_origin_table_close(&table);
}

static void test_borrowed_is_not_touched(void **state) {
    (void)state;
    gs_origin origins[2] = {origin_of(1), origin_of(2)};
    struct gs_origin_table table = {.origins = origins, .count = 2};
    gs_origin other = origin_of(3);
    assert_int_equal(gs_origin_table_intern(&table, &origins[1]), 1);
    assert_int_equal(gs_origin_table_intern(&table, &other), UINT32_MAX);
    gs_origin_table_close(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intern),
        cmocka_unit_test(test_borrowed_is_not_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
