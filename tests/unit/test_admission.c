/* Admission by queue time. */
#include "node/serve/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_who_waits_long_keeps_others_out(void **state) {
    (void)state;
    struct gs_admission admission = {0};
    struct gs_admission_call calls[GS_ADMISSION_ALWAYS + 3];
    gs_admission_init(&admission);
    for (int i = 0; i < GS_ADMISSION_ALWAYS; i++) { /* few: however long they wait */
        assert_true(gs_admission_enter(&admission, &calls[i], false, 1000 + (i > 0 ? 5000 : 0)));
    }
    assert_false(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS], false, 6000));
    assert_int_equal(admission.refused, 1);
    assert_int_equal(gs_admission_oldest_ms(&admission, 6000), 5000);
    assert_true(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS], true, 6000)); /* an operator */
    gs_admission_leave(&admission, &calls[0]);
    int64_t now_ms = 6000 + GS_ADMISSION_TARGET_MS; /* the others came at 6000 */
    assert_true(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS + 1], false, now_ms));
    assert_false(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS + 2], false, now_ms + 1));
    for (int i = 1; i <= GS_ADMISSION_ALWAYS + 1; i++) {
        gs_admission_leave(&admission, &calls[i]);
    }
    assert_int_equal(admission.waiting, 0);
    assert_int_equal(gs_admission_oldest_ms(&admission, 99999), 0);
    assert_true(gs_admission_enter(&admission, &calls[0], false, 99999));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_waits_long_keeps_others_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
