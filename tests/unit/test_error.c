/* The error table, and problems that stay short and valid UTF-8 whatever is put into them. */
#include <globalstate/codec.h>
#include <globalstate/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state) {
    (void)state;
    assert_string_equal(gs_error_name(0), "ok");
    assert_string_equal(gs_error_name(GS_EDUPKEY), "duplicate_key");
    assert_string_equal(gs_error_name(GS_EFORK), "forked_origin");
    assert_string_equal(gs_error_name(7), "unknown_error");
    assert_string_equal(gs_error_name(-1000), "unknown_error");
    for (int code = 0; code >= GS_EFORK; code--) {
        assert_true(strlen(gs_error_message(code)) > 0);
        assert_true(strcmp(gs_error_name(code), "unknown_error") != 0);
        for (int other = 0; other > code; other--) {
            assert_string_not_equal(gs_error_name(code), gs_error_name(other));
        }
    }
}

static void test_problem(void **state) {
    (void)state;
    struct gs_problem problem;
    memset(&problem, 0x55, sizeof problem);
    assert_int_equal(gs_problem_set(&problem, GS_EPATH, "/a", "%d of %s", 3, "x"), GS_EPATH);
    assert_int_equal(problem.code, GS_EPATH);
    assert_string_equal(problem.field, "/a");
    assert_string_equal(problem.detail, "3 of x");
    gs_problem_set(&problem, GS_EPATH, NULL, "y");
    assert_string_equal(problem.field, "");
    assert_int_equal(gs_problem_set(NULL, GS_ETYPE, "/a", "y"), GS_ETYPE);
}

static void test_problem_is_cut_at_characters(void **state) {
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        char text[600];
        memset(text, 'a', shift);
        size_t length = shift;
        for (; length < 500; length += 4) {
            memcpy(text + length, "\xF0\x9F\x98\x80", 4);
        }
        text[length] = '\0';
        struct gs_problem problem;
        gs_problem_set(&problem, GS_EPATH, text, "%s", text);
        size_t field = strlen(problem.field);
        size_t detail = strlen(problem.detail);
        assert_true(field > GS_PROBLEM_FIELD_MAX - 5 && field < GS_PROBLEM_FIELD_MAX);
        assert_true(detail > GS_PROBLEM_DETAIL_MAX - 5 && detail < GS_PROBLEM_DETAIL_MAX);
        assert_true(gs_utf8_valid(problem.field, field));
        assert_true(gs_utf8_valid(problem.detail, detail));
        assert_null(strchr(problem.field, '?'));
    }
}

static void test_problem_mends_utf8(void **state) {
    (void)state;
    struct gs_problem problem;
    gs_problem_set(&problem, GS_EUTF8, "/\xff\xc3\xa9\xed\xa0\x80", "bad %s", "\xc3");
    assert_string_equal(problem.field, "/?\xc3\xa9???");
    assert_string_equal(problem.detail, "bad ?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_problem),
        cmocka_unit_test(test_problem_is_cut_at_characters),
        cmocka_unit_test(test_problem_mends_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
