#include "node/core/retention.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint64_t period(const struct gs_retention *retention, const char *type) {
    return gs_retention_ms(retention, gs_slice_make(type, strlen(type)));
}

static void test_rules(void **state) {
    struct gs_retention retention = {0};
    (void)state;
    assert_false(gs_retention_is_bounded(&retention));
    assert_int_equal(period(&retention, "player"), GS_RETENTION_FOREVER);
    assert_int_equal(gs_retention_parse("combat=30d,*=365d,player=forever", &retention, NULL), 0);
    assert_true(gs_retention_is_bounded(&retention));
    assert_int_equal(period(&retention, "combat"), UINT64_C(30) * 86400000);
    assert_int_equal(period(&retention, "combat2"), UINT64_C(365) * 86400000);
    assert_int_equal(period(&retention, "player"), GS_RETENTION_FOREVER);
    assert_int_equal(gs_retention_parse("forever", &retention, NULL), 0);
    assert_false(gs_retention_is_bounded(&retention));
    assert_int_equal(gs_retention_parse("90m", &retention, NULL), 0);
    assert_int_equal(period(&retention, "combat"), 5400000);
    assert_int_equal(gs_retention_parse("a.b-c_d:e=1s", &retention, NULL), 0);
    assert_int_equal(period(&retention, "a.b-c_d:e"), 1000);
    assert_int_equal(period(&retention, "other"), GS_RETENTION_FOREVER);
    assert_int_equal(gs_retention_parse("999999999d", &retention, NULL), 0);
    assert_int_equal(period(&retention, "other"), UINT64_C(999999999) * 86400000);
    assert_int_equal(gs_retention_parse("2h", &retention, NULL), 0);
    assert_int_equal(period(&retention, "other"), 7200000);
}

/* Each names the rule at fault, and leaves the outcome as it was. */
static void test_refused(void **state) {
    static const struct {
        const char *text, *named;
    } cases[] = {
        {"", "\"\""},
        {"combat", "\"combat\""},
        {"combat=", "\"combat=\""},
        {"combat=30", "\"combat=30\""},
        {"combat=d", "\"combat=d\""},
        {"combat=0d", "\"combat=0d\""},
        {"combat=-1d", "\"combat=-1d\""},
        {"combat=30D", "\"combat=30D\""},
        {"combat=1 d", "\"combat=1 d\""},
        {"combat=1dd", "\"combat=1dd\""},
        {"combat=1000000000d", "\"combat=1000000000d\""},
        {"=30d", "\"=30d\""},
        {"com bat=30d", "\"com bat=30d\""},
        {"*=1d,combat=1d,", "\"\""},
        {"*=1d,2d", "\"2d\""},
        {"a=1d,b=2d,a=3d", "\"a=3d\""},
        {"a=b=1d", "\"a=b=1d\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gs_retention retention = {.count = 77};
        struct gs_problem problem = {0};
        assert_int_equal(gs_retention_parse(cases[i].text, &retention, &problem), GS_EINVAL);
        assert_int_equal(retention.count, 77);
        assert_non_null(strstr(problem.detail, cases[i].named));
    }
}

static void test_bounded(void **state) {
    struct gs_retention retention = {0};
    struct gs_problem problem = {0};
    struct gs_buffer text = {0};
    (void)state;
    for (int i = 0; i < GS_RETENTION_RULES_MAX; i++) {
        gs_buffer_printf(&text, "%st%d=1d", i > 0 ? "," : "", i);
    }
    gs_buffer_byte(&text, '\0');
    assert_int_equal(gs_retention_parse((const char *)text.bytes, &retention, &problem), 0);
    assert_int_equal(retention.count, GS_RETENTION_RULES_MAX);
    text.length--;
    gs_buffer_text(&text, ",one-more=1d");
    gs_buffer_byte(&text, '\0');
    assert_int_equal(gs_retention_parse((const char *)text.bytes, &retention, &problem), GS_EINVAL);
    gs_buffer_close(&text);
    gs_buffer_text(&text, "t");
    for (int i = 0; i < GS_ID_BYTES_MAX; i++) {
        gs_buffer_text(&text, "t");
    }
    gs_buffer_text(&text, "=1d");
    gs_buffer_byte(&text, '\0');
    assert_int_equal(gs_retention_parse((const char *)text.bytes, &retention, &problem), GS_EINVAL);
    gs_buffer_close(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
