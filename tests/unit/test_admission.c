/* Admission by queue time. */
#include "node/serve/admission.h"
#include "node/serve/pulse.h"

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
        assert_true(gs_admission_enter(&admission, &calls[i], false, 0, 1000 + (i > 0 ? 5000 : 0)));
    }
    assert_false(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS], false, 0, 6000));
    assert_int_equal(admission.refused, 1);
    assert_int_equal(gs_admission_oldest_ms(&admission, 6000), 5000);
    assert_true(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS], true, 0, 6000)); /* an operator */
    gs_admission_leave(&admission, &calls[0]);
    int64_t now_ms = 6000 + GS_ADMISSION_TARGET_MS; /* the others came at 6000 */
    assert_true(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS + 1], false, 0, now_ms));
    assert_false(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS + 2], false, 0, now_ms + 1));
    for (int i = 1; i <= GS_ADMISSION_ALWAYS + 1; i++) {
        gs_admission_leave(&admission, &calls[i]);
    }
    assert_int_equal(admission.waiting, 0);
    assert_int_equal(gs_admission_oldest_ms(&admission, 99999), 0);
    assert_true(gs_admission_enter(&admission, &calls[0], false, 0, 99999));
}

/* What is not in our queue yet waits for a processor: it counts like what is. */
static void test_a_wait_for_a_processor_counts(void **state) {
    (void)state;
    struct gs_admission admission = {0};
    struct gs_admission_call calls[GS_ADMISSION_ALWAYS + 1];
    gs_admission_init(&admission);
    for (int i = 0; i < GS_ADMISSION_ALWAYS; i++) {
        assert_true(gs_admission_enter(&admission, &calls[i], false, 10 * GS_ADMISSION_TARGET_MS, 1000));
    }
    assert_false(gs_admission_is_full(&admission, GS_ADMISSION_TARGET_MS, 1000));
    assert_true(gs_admission_is_full(&admission, GS_ADMISSION_TARGET_MS + 1, 1000));
    assert_false(gs_admission_enter(&admission, &calls[GS_ADMISSION_ALWAYS], false, GS_ADMISSION_TARGET_MS + 1, 1000));
    assert_int_equal(admission.refused, 1);
}

/* A store may be slow; that it is asked for much does not make it slower in our eyes. */
static void test_what_the_store_needs_is_granted(void **state) {
    (void)state;
    struct gs_admission admission = {0};
    gs_admission_init(&admission);
    assert_int_equal(gs_admission_limit_ms(&admission), GS_ADMISSION_TARGET_MS);
    gs_admission_committed(&admission, 100, 40, 1000);
    gs_admission_committed(&admission, GS_ADMISSION_SMALL_BYTES, 50, 2000);
    gs_admission_committed(&admission, GS_ADMISSION_SMALL_BYTES + 1, 2, 2000); /* a large one says nothing */
    assert_int_equal(gs_admission_limit_ms(&admission), GS_ADMISSION_TARGET_MS + 40 * GS_ADMISSION_COMMITS);
    gs_admission_committed(&admission, 100, 60, 1000 + GS_ADMISSION_WINDOW_MS + 1000); /* slower now: not at once … */
    assert_int_equal(gs_admission_limit_ms(&admission), GS_ADMISSION_TARGET_MS + 40 * GS_ADMISSION_COMMITS);
    gs_admission_committed(&admission, 100, 70, 1000 + 3 * GS_ADMISSION_WINDOW_MS); /* … but in the end */
    assert_int_equal(gs_admission_limit_ms(&admission), GS_ADMISSION_TARGET_MS + 60 * GS_ADMISSION_COMMITS);
    struct gs_admission_call calls[GS_ADMISSION_ALWAYS];
    for (int i = 0; i < GS_ADMISSION_ALWAYS; i++) {
        assert_true(gs_admission_enter(&admission, &calls[i], false, 0, 1000));
    }
    uint64_t limit_ms = gs_admission_limit_ms(&admission);
    assert_false(gs_admission_is_full(&admission, 0, 1000 + (int64_t)limit_ms));
    assert_true(gs_admission_is_full(&admission, 0, 1001 + (int64_t)limit_ms));
    assert_true(gs_admission_is_full(&admission, GS_ADMISSION_TARGET_MS + 1, 1000)); /* a processor is not the store */
    admission.target_ms = 0;
    assert_false(gs_admission_is_full(&admission, 0, 99999));
}

static void test_the_pulse_says_how_late_it_is(void **state) {
    (void)state;
    struct gs_pulse pulse = {0};
    assert_int_equal(gs_pulse_delay_ms(&pulse, 5000), 0); /* it does not run */
    gs_pulse_beat(&pulse, 1000);
    assert_int_equal(gs_pulse_delay_ms(&pulse, 1000 + GS_PULSE_BEAT_MS), 0);
    assert_int_equal(gs_pulse_delay_ms(&pulse, 1300 + GS_PULSE_BEAT_MS), 300); /* before the late beat has come */
    gs_pulse_beat(&pulse, 1300 + GS_PULSE_BEAT_MS);
    assert_int_equal(gs_pulse_delay_ms(&pulse, 1300 + GS_PULSE_BEAT_MS), 300);
    gs_pulse_beat(&pulse, 1300 + 2 * GS_PULSE_BEAT_MS); /* one that is in time is no proof yet … */
    assert_int_equal(gs_pulse_delay_ms(&pulse, 1300 + 2 * GS_PULSE_BEAT_MS), 300);
    gs_pulse_beat(&pulse, 1300 + 3 * GS_PULSE_BEAT_MS); /* … two are */
    assert_int_equal(gs_pulse_delay_ms(&pulse, 1300 + 3 * GS_PULSE_BEAT_MS), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_waits_long_keeps_others_out),
        cmocka_unit_test(test_a_wait_for_a_processor_counts),
        cmocka_unit_test(test_what_the_store_needs_is_granted),
        cmocka_unit_test(test_the_pulse_says_how_late_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
