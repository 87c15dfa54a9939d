/* Bookkeeping goes once it is causally stable; values and canonical bytes stay. */
#include "tests/unit/failing_memory.h"
#include "tests/unit/replica_fixture.h"

/* All that the state has applied is stable. */
static int compact_all(struct gs_aggregate *state, const gs_origin *retired, uint32_t retired_count) {
    struct gs_context stable = {0};
    assert_int_equal(gs_context_join(&stable, NULL, gs_aggregate_context(state)), 0);
    struct gs_stability stability = {.stable = &stable, .retired = retired, .retired_count = retired_count};
    int error = gs_aggregate_compact(state, &stability);
    gs_context_close(&stable, NULL);
    return error;
}

static void a_deleted_aggregate_shrinks_to_its_context(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    size_t empty = gs_aggregate_bytes(a.state);
    replica_write(&a, 1,
                  "[{'op':'increment','path':'/c','by':5},{'op':'set','path':'/m','value':{'x':{'y':[1]}}},"
                  "{'op':'create','path':'/rw','type':'set_rw'},{'op':'add','path':'/rw','value':1},"
                  "{'op':'remove','path':'/rw','value':1},{'op':'increment','path':'/m/n','by':1},"
                  "{'op':'score','path':'/b','member':'x','to':1},{'op':'score','path':'/b','member':'x','by':1},"
                  "{'op':'observe','path':'/u','value':1}]",
                  &arena);
    assert_int_equal(gs_aggregate_join(b.state, a.state), 0);
    struct gs_delta deletion = replica_write(&b, 2, "[{'op':'unset','path':''}]", &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &deletion), 0);
    assert_false(gs_aggregate_exists(a.state));
    struct gs_buffer before = encode_of(a.state, GS_ENCODE_CANONICAL);
    assert_int_equal(compact_all(a.state, NULL, 0), 0);
    struct gs_buffer after = encode_of(a.state, GS_ENCODE_CANONICAL);
    assert_int_equal(before.length, after.length);
    assert_memory_equal(before.bytes, after.bytes, before.length);
    assert_int_equal(gs_aggregate_context(a.state)->count, 2);
    assert_true(gs_aggregate_bytes(a.state) <= empty + 4 * sizeof(struct gs_context_entry));
    gs_buffer_close(&before);
    gs_buffer_close(&after);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static void nothing_goes_before_it_is_stable(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'increment','path':'/c','by':5},{'op':'unset','path':'/c'}]", &arena);
    struct gs_aggregate *copy = gs_aggregate_clone(a.state, NULL);
    struct gs_context stable = {0};
    struct gs_stability stability = {.stable = &stable, .retired = &a.origin, .retired_count = 1};
    assert_int_equal(gs_aggregate_compact(a.state, &stability), 0);
    assert_same(a.state, copy);
    gs_aggregate_free(copy);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* A state from before, joined in later, does not bring the increments back. */
static void what_was_cancelled_stays_cancelled(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'increment','path':'/c','by':5},{'op':'set','path':'/r','value':1}]", &arena);
    struct gs_aggregate *old = gs_aggregate_clone(a.state, NULL);
    replica_write(&a, 2, "[{'op':'unset','path':'/c'}]", &arena);
    assert_int_equal(compact_all(a.state, NULL, 0), 0);
    struct gs_aggregate *other_way = gs_aggregate_clone(old, NULL);
    assert_int_equal(gs_aggregate_join(other_way, a.state), 0);
    assert_int_equal(gs_aggregate_join(a.state, old), 0);
    assert_json(a.state, "{'r':1}");
    assert_json(other_way, "{'r':1}");
    gs_aggregate_free(old);
    gs_aggregate_free(other_way);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void retired_origins_fold_when_nothing_is_left_of_them(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct replica c = replica_new(3);
    replica_write(&a, 1, "[{'op':'set','path':'/r','value':1}]", &arena);
    replica_write(&b, 1, "[{'op':'set','path':'/kept','value':1}]", &arena);
    replica_write(&c, 1, "[{'op':'increment','path':'/c','by':2}]", &arena);
    assert_int_equal(gs_aggregate_join(a.state, b.state), 0);
    assert_int_equal(gs_aggregate_join(a.state, c.state), 0);
    assert_int_equal(gs_aggregate_context(a.state)->count, 3);
    replica_write(&a, 2, "[{'op':'unset','path':'/c'}]", &arena);
    gs_origin retired[] = {b.origin, c.origin};
    assert_int_equal(compact_all(a.state, retired, 2), 0);
    assert_int_equal(gs_aggregate_context(a.state)->count, 2);
    assert_int_equal(gs_context_seq(gs_aggregate_context(a.state), &c.origin), 0);
    assert_int_equal(gs_context_seq(gs_aggregate_context(a.state), &b.origin), 1);
    assert_json(a.state, "{'kept':1,'r':1}");
    assert_round_trip(a.state);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_aggregate_free(c.state);
    gs_arena_close(&arena);
}

static void every_failing_allocation_leaves_the_state_valid(void **state) {
    (void)state;
    int error = GS_ENOMEM;
    for (uint64_t k = 1; error == GS_ENOMEM; k++) {
        struct failing_memory failing = {0};
        struct gs_memory memory = failing_memory(&failing);
        struct gs_arena arena = {0};
        struct replica a = {.state = gs_aggregate_new(&memory), .origin = origin_of(1)};
        replica_write(&a, 1, "[{'op':'increment','path':'/c','by':5},{'op':'unset','path':'/c'}]", &arena);
        failing.fail_at = failing.count + k;
        error = compact_all(a.state, &a.origin, 1);
        failing.fail_at = 0;
        assert_true(error == 0 || error == GS_ENOMEM);
        assert_round_trip(a.state);
        gs_aggregate_free(a.state);
        gs_arena_close(&arena);
        assert_int_equal(failing.live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deleted_aggregate_shrinks_to_its_context),
        cmocka_unit_test(nothing_goes_before_it_is_stable),
        cmocka_unit_test(what_was_cancelled_stays_cancelled),
        cmocka_unit_test(retired_origins_fold_when_nothing_is_left_of_them),
        cmocka_unit_test(every_failing_allocation_leaves_the_state_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
