/* The lag of a peer: never less than the truth, and close to it, however many commits there were. */
#include "node/core/core_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COMMITS = 50000, EVENTS_EACH = 3, BYTES_EACH = 100, MS_EACH = 7, FEW = 30 };

/* A core of which only the memory of commits is used. */
static struct gs_core *with_commits(uint32_t count) {
    struct gs_core *core = calloc(1, sizeof *core);
    assert_non_null(core);
    for (uint32_t i = 0; i < count; i++) {
        core->now_ms = 1000 + (uint64_t)i * MS_EACH;
        gs_lag_remember(core, (uint64_t)(i + 1) * EVENTS_EACH, BYTES_EACH);
    }
    return core;
}

static void check(const struct gs_core *core, uint32_t commits, uint64_t seq) {
    uint64_t bytes = 0;
    uint64_t age_ms = 0;
    gs_lag_own(core, seq, &bytes, &age_ms);
    uint64_t has = seq / EVENTS_EACH; /* whole commits that the peer has */
    uint64_t lacks = commits - has;
    uint64_t slack = lacks <= FEW ? 0 : lacks / 30;
    assert_in_range(bytes, lacks * BYTES_EACH, (lacks + slack) * BYTES_EACH);
    assert_in_range(age_ms, (lacks - 1) * MS_EACH, (lacks - 1 + slack) * MS_EACH);
}

static void test_never_too_little(void **state) {
    (void)state;
    for (uint32_t commits = 1; commits <= COMMITS; commits = commits * 3 + 1) {
        struct gs_core *core = with_commits(commits);
        assert_true(core->commit_count < COMMITS_KEPT / 2);
        for (uint64_t seq = 0; seq < (uint64_t)commits * EVENTS_EACH; seq++) {
            check(core, commits, seq);
        }
        free(core);
    }
}

static void test_nothing_lacking(void **state) {
    (void)state;
    uint64_t bytes = 1;
    uint64_t age_ms = 1;
    struct gs_core *core = with_commits(COMMITS);
    gs_lag_own(core, (uint64_t)COMMITS * EVENTS_EACH, &bytes, &age_ms);
    assert_int_equal(bytes, 0);
    assert_int_equal(age_ms, 0);
    free(core);
    core = with_commits(0);
    gs_lag_own(core, 0, &bytes, &age_ms);
    assert_int_equal(bytes, 0);
    free(core);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_too_little),
        cmocka_unit_test(test_nothing_lacking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
