/* Counters: every interleaving of increments, unsets and merges on three replicas, against a history of operations in
 * which an unset cancels exactly the increments that its writer had seen; and the bounds of 64-bit integers. */
#include "tests/unit/replica_fixture.h"

#include <stdio.h>

enum { REPLICAS = 3, STEPS = 6 };

/* What a replica knows: increments by bit; increment i adds 2^i, so that a sum names its set. */
struct history {
    unsigned seen;
    unsigned cancelled;
};

struct world {
    struct replica replicas[REPLICAS];
    struct history histories[REPLICAS];
    unsigned increments;
    const struct gs_delta *deltas[STEPS];
    unsigned delta_count;
};

static unsigned long checked;

static void assert_shows(const struct gs_aggregate *state, const struct history *history) {
    unsigned sum = history->seen & ~history->cancelled;
    char expected[32];
    snprintf(expected, sizeof(expected), sum != 0 ? "{'c':%u}" : "{}", sum);
    assert_json(state, expected);
    assert_int_equal(gs_aggregate_exists(state), sum != 0);
}

static void write_op(struct world *world, int r, enum gs_op_kind kind, struct gs_arena *arena) {
    struct replica *replica = &world->replicas[r];
    struct history *history = &world->histories[r];
    static const struct gs_slice name = {(const uint8_t *)"c", 1}; /* the delta borrows it */
    struct gs_op op = {.kind = kind, .path = {1, &name}};
    uint8_t by = 0;
    if (kind == GS_OP_INCREMENT) {
        by = (uint8_t)(1U << world->increments);
        history->seen |= 1U << world->increments++;
        op.value = gs_slice_make(&by, 1); /* a positive fixint is its own encoding */
    } else {
        history->cancelled |= history->seen;
    }
    struct gs_stamp stamp = {.origin = replica->origin, .seq = ++replica->seq, .clock = 1};
    struct gs_delta *delta = gs_arena_alloc(arena, sizeof(*delta));
    assert_int_equal(gs_aggregate_prepare(replica->state, &op, 1, &stamp, "", arena, delta, NULL), 0);
    assert_int_equal(gs_aggregate_apply(replica->state, delta), 0);
    world->deltas[world->delta_count++] = delta;
}

static void merge(struct world *world, int into, int from) {
    assert_int_equal(gs_aggregate_join(world->replicas[into].state, world->replicas[from].state), 0);
    world->histories[into].seen |= world->histories[from].seen;
    world->histories[into].cancelled |= world->histories[from].cancelled;
}

/* Everything meets: by merging states, and by applying the deltas in either order. */
static void check_end(const struct world *world) {
    struct gs_aggregate *ends[3];
    struct history history = {0, 0};
    for (int i = 0; i < 3; i++) {
        ends[i] = gs_aggregate_new(NULL);
    }
    for (int r = 0; r < REPLICAS; r++) {
        assert_int_equal(gs_aggregate_join(ends[0], world->replicas[r].state), 0);
        history.seen |= world->histories[r].seen;
        history.cancelled |= world->histories[r].cancelled;
    }
    for (unsigned i = 0; i < world->delta_count; i++) {
        assert_int_equal(gs_aggregate_apply(ends[1], world->deltas[i]), 0);
        assert_int_equal(gs_aggregate_apply(ends[2], world->deltas[world->delta_count - 1 - i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_shows(ends[i], &history);
    }
    assert_same(ends[0], ends[1]);
    assert_same(ends[0], ends[2]);
    for (int i = 0; i < 3; i++) {
        gs_aggregate_free(ends[i]);
    }
    checked++;
}

static void explore(const struct world *before, int steps_left) {
    if (steps_left == 0) {
        check_end(before);
        return;
    }
    /* 0..2 increment, 3..5 unset, 6..11 merge; unsets that have seen nothing and first steps by symmetry are left out.
     */
    for (int action = steps_left == STEPS ? 0 : 11; action >= 0; action--) {
        struct gs_arena arena = {0};
        struct world world = *before;
        int r = action < 6 ? action % REPLICAS : (action - 6) % REPLICAS;
        int from = (r + 1 + (action - 6) / REPLICAS) % REPLICAS;
        bool idle = action < 3   ? false
                    : action < 6 ? world.histories[r].seen == 0
                                 : (world.histories[from].seen | world.histories[from].cancelled) == 0;
        if (idle) {
            continue;
        }
        world.replicas[r].state = gs_aggregate_clone(before->replicas[r].state, NULL);
        if (action < 6) {
            write_op(&world, r, action < 3 ? GS_OP_INCREMENT : GS_OP_UNSET, &arena);
        } else {
            merge(&world, r, from);
        }
        assert_shows(world.replicas[r].state, &world.histories[r]);
        explore(&world, steps_left - 1);
        gs_aggregate_free(world.replicas[r].state);
        gs_arena_close(&arena);
    }
}

static void every_interleaving(void **state) {
    (void)state;
    struct world world = {.increments = 0};
    for (int r = 0; r < REPLICAS; r++) {
        world.replicas[r] = replica_new(r + 1);
    }
    explore(&world, STEPS);
    assert_true(checked > 10000);
    for (int r = 0; r < REPLICAS; r++) {
        gs_aggregate_free(world.replicas[r].state);
    }
}

static void sums_stay_in_range(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct gs_delta delta;
    struct gs_problem problem;
    struct gs_delta x = replica_write(&a, 1, "[{'op':'increment','path':'/c','by':9223372036854775807}]", &arena);
    assert_int_equal(replica_prepare(&a, 2, "[{'op':'increment','path':'/c','by':1}]", &arena, &delta, &problem),
                     GS_EOVERFLOW);
    assert_string_equal(problem.field, "/ops/0/by");
    struct gs_delta y = replica_write(&b, 1, "[{'op':'increment','path':'/c','by':9223372036854775807}]", &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &y), 0);
    assert_int_equal(gs_aggregate_apply(b.state, &x), 0);
    assert_json(a.state, "{'c':9223372036854775807}");
    assert_same(a.state, b.state);
    /* Past the end by merging: no further up, but back. */
    assert_int_equal(replica_prepare(&a, 2, "[{'op':'increment','path':'/c','by':1}]", &arena, &delta, &problem),
                     GS_EOVERFLOW);
    replica_write(&a, 3, "[{'op':'increment','path':'/c','by':-9223372036854775807}]", &arena);
    assert_json(a.state, "{'c':9223372036854775807}");
    replica_write(&a, 4, "[{'op':'set','path':'/c','value':5}]", &arena);
    assert_json(a.state, "{'c':5}");
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static void the_own_total_stays_in_range(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct gs_delta delta;
    struct gs_problem problem;
    struct gs_delta x = replica_write(&a, 1, "[{'op':'increment','path':'/c','by':9223372036854775807}]", &arena);
    assert_int_equal(gs_aggregate_apply(b.state, &x), 0);
    struct gs_delta y = replica_write(&b, 1, "[{'op':'increment','path':'/c','by':-100}]", &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &y), 0);
    /* The sum has room for 100, the origin's own total has none. */
    assert_int_equal(replica_prepare(&a, 2, "[{'op':'increment','path':'/c','by':1}]", &arena, &delta, &problem),
                     GS_EOVERFLOW);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

/* After an unset an origin's own total starts anew, also while another origin keeps the counter alive. */
static void an_unset_starts_a_new_frame(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct gs_delta y = replica_write(&b, 1, "[{'op':'increment','path':'/c','by':-9}]", &arena);
    replica_write(&a, 1, "[{'op':'increment','path':'/c','by':9223372036854775807}]", &arena);
    struct gs_delta more =
        replica_write(&a, 2, "[{'op':'increment','path':'/c','by':-1},{'op':'unset','path':'/c'}]", &arena);
    assert_false(more.changes[0].fresh);
    assert_int_equal(gs_aggregate_apply(a.state, &y), 0);
    assert_json(a.state, "{'c':-9}");
    struct gs_delta again = replica_write(&a, 3, "[{'op':'increment','path':'/c','by':9223372036854775807}]", &arena);
    assert_true(again.changes[0].fresh);
    assert_json(a.state, "{'c':9223372036854775798}");
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_interleaving),
        cmocka_unit_test(sums_stay_in_range),
        cmocka_unit_test(the_own_total_stays_in_range),
        cmocka_unit_test(an_unset_starts_a_new_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
