/* HyperLogLogs: how far off the number is, what the store costs, and what is refused. */
#include "tests/unit/failing_memory.h"
#include "tests/unit/replica_fixture.h"

#include "crdt/sketch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Observes the integers [from, from + count) in one event each; the state's own deltas only. */
static void observe(struct replica *replica, int64_t from, int64_t count) {
    static const struct gs_slice name = {(const uint8_t *)"u", 1};
    for (int64_t i = from; i < from + count; i++) {
        struct gs_arena arena = {0};
        struct gs_buffer value = {0};
        struct gs_delta delta;
        gs_write_int(&value, i);
        struct gs_op op = {
            .kind = GS_OP_OBSERVE, .path = {1, &name}, .value = gs_slice_make(value.bytes, value.length)};
        struct gs_stamp stamp = {.origin = replica->origin, .seq = replica->seq + 1, .clock = 1};
        assert_int_equal(gs_aggregate_prepare(replica->state, &op, 1, &stamp, "", &arena, &delta, NULL), 0);
        if (delta.count > 0) {
            assert_int_equal(gs_aggregate_apply(replica->state, &delta), 0);
            replica->seq++;
        }
        gs_arena_close(&arena);
        gs_buffer_close(&value);
    }
}

static int64_t shown(const struct gs_aggregate *state) {
    struct gs_buffer out = {0};
    int64_t number = 0;
    assert_int_equal(gs_aggregate_write_json(state, &out), 0);
    gs_buffer_byte(&out, 0);
    assert_int_equal(sscanf((char *)out.bytes, "{\"u\":%" SCNd64 "}", &number), 1);
    gs_buffer_close(&out);
    return number;
}

/* The relative standard error over `runs` disjoint sets of `count` values; each within `most`. */
static double standard_error(int64_t count, int runs, double most) {
    double squares = 0;
    for (int run = 0; run < runs; run++) {
        struct replica a = replica_new(1);
        observe(&a, (int64_t)run * 10000000, count);
        double error = (double)(shown(a.state) - count) / (double)count;
        assert_true(fabs(error) <= most);
        squares += error * error;
        gs_aggregate_free(a.state);
    }
    return sqrt(squares / runs);
}

/* 1.04 / sqrt(2048) = 2.3 %, less for few values. */
static void the_number_is_about_right(void **state) {
    (void)state;
    double ten = standard_error(10, 200, 0.101);
    double thousand = standard_error(1000, 50, 0.07);
    double many = standard_error(100000, 12, 0.07);
    print_message("standard error: 10 values %.4f, 1000 %.4f, 100000 %.4f\n", ten, thousand, many);
    assert_true(ten < 0.02);
    assert_true(thousand < 0.023);
    assert_true(many < 0.04); /* of twelve runs */
}

static void it_stays_small(void **state) {
    (void)state;
    struct replica a = replica_new(1);
    observe(&a, 0, 1);
    size_t one = gs_aggregate_bytes(a.state);
    observe(&a, 1, 100000);
    size_t full = gs_aggregate_bytes(a.state);
    struct gs_buffer bytes = encode_of(a.state, GS_ENCODE_FULL);
    print_message("one value %zu bytes, 100001 values %zu bytes, encoded %zu; %" PRIu64 " of the events changed it\n",
                  one, full, bytes.length, a.seq);
    assert_true(one < 700);
    assert_true(full < 50 * 1000);
    assert_true(a.seq < 30000); /* most observations raise nothing and leave no trace */
    gs_buffer_close(&bytes);
    assert_round_trip(a.state);
    gs_aggregate_free(a.state);
}

static void what_an_unset_did_not_see_survives(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    observe(&a, 0, 100);
    assert_int_equal(gs_aggregate_join(b.state, a.state), 0);
    struct gs_delta unset = replica_write(&a, 1, "[{'op':'unset','path':'/u'}]", &arena);
    assert_json(a.state, "{}");
    observe(&b, 1000, 1);
    assert_int_equal(gs_aggregate_apply(b.state, &unset), 0);
    assert_int_equal(shown(b.state), 1);
    assert_int_equal(gs_aggregate_join(a.state, b.state), 0);
    assert_same(a.state, b.state);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static void another_number_cannot_be_set(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct gs_delta delta;
    struct gs_problem problem = {0};
    observe(&a, 0, 3);
    assert_int_equal(replica_prepare(&a, 1, "[{'op':'set','path':'/u','value':3}]", &arena, &delta, &problem), 0);
    assert_int_equal(delta.count, 0);
    assert_int_equal(replica_prepare(&a, 1, "[{'op':'set','path':'/u','value':4}]", &arena, &delta, &problem),
                     GS_ETYPE);
    assert_string_equal(problem.field, "/ops/0/value");
    assert_non_null(strstr(problem.detail, "estimate"));
    assert_int_equal(replica_prepare(&a, 1, "[{'op':'observe','path':'/u','value':[1,2]}]", &arena, &delta, &problem),
                     GS_ETYPE);
    assert_string_equal(problem.field, "/ops/0/value");
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* What an inverse writes: [register, rank]. */
static void a_register_can_be_brought_back(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct gs_slice value = value_of(&arena, "[2047,54]");
    assert_true(gs_is_observation(value));
    struct gs_observation observation = gs_observation_read(value);
    assert_int_equal(observation.cell, 2047);
    assert_int_equal(observation.rank, 54);
    static const char *const wrong[] = {"[2048,1]", "[0,55]",  "[0,0]", "[0]", "[0,1,2]",
                                        "[-1,1]",   "[0,1.0]", "{}",    "[]"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(gs_is_observation(value_of(&arena, wrong[i])));
    }
    gs_arena_close(&arena);
}

static void go_back(struct replica *replica, const struct gs_aggregate *past) {
    struct gs_arena arena = {0};
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    struct gs_delta delta;
    struct gs_stamp stamp = {.origin = replica->origin, .seq = ++replica->seq, .clock = 9};
    assert_int_equal(gs_aggregate_inverse(replica->state, past, &arena, &ops, &count, NULL), 0);
    assert_int_equal(gs_aggregate_prepare(replica->state, ops, count, &stamp, "", &arena, &delta, NULL), 0);
    assert_int_equal(gs_aggregate_apply(replica->state, &delta), 0);
    gs_arena_close(&arena);
}

/* Back to fewer and to more values; and every register that an inverse brought back may be superseded by itself. */
static void an_inverse_brings_registers_back(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    observe(&a, 0, 1000);
    struct gs_aggregate *past = gs_aggregate_clone(a.state, NULL);
    int64_t number = shown(past);
    observe(&a, 1000, 4000);
    assert_true(shown(a.state) > number);
    go_back(&a, past);
    assert_int_equal(shown(a.state), number);
    replica_write(&a, 3, "[{'op':'unset','path':'/u'}]", &arena);
    go_back(&a, past);
    assert_int_equal(shown(a.state), number);
    assert_int_equal(gs_aggregate_join(b.state, a.state), 0);
    observe(&a, 1000, 4000);
    observe(&b, 5000, 4000);
    assert_int_equal(gs_aggregate_join(a.state, b.state), 0);
    assert_int_equal(gs_aggregate_join(b.state, a.state), 0);
    assert_same(a.state, b.state);
    assert_true(llabs(shown(a.state) - 9000) < 700);
    gs_aggregate_free(past);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static gs_dot dot_of(uint32_t number) {
    gs_dot dot = {.at = {1 + number, number % 3}};
    dot.origin.bytes[0] = (uint8_t)(number * 37);
    dot.origin.bytes[1] = (uint8_t)(number >> 8);
    return dot;
}

/* Origins come and go: slots are used again, and memory does not grow. */
static void origins_that_are_gone_leave_room(void **state) {
    (void)state;
    struct gs_memory memory = {0};
    struct gs_sketch sketch = {0};
    size_t most = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        gs_dot dot = dot_of(i);
        struct gs_observation observation = {.cell = i % 7, .rank = 1 + i % 50};
        assert_int_equal(gs_sketch_add(&sketch, &memory, &observation, &dot), 0);
        assert_int_equal(gs_sketch_add(&sketch, &memory, &observation, &dot), 0); /* again: nothing */
        if (i >= 7) {
            gs_dot old = dot_of(i - 7);
            gs_sketch_subtract(&sketch, (i - 7) % 7, &old, 1);
        }
        assert_int_equal(sketch.count, i < 7 ? i + 1 : 7);
        for (uint32_t j = 0; j < sketch.count; j++) {
            gs_dot here = gs_sketch_dot(&sketch, &sketch.entries[j]);
            gs_dot wanted = dot_of((uint32_t)here.at.seq - 1);
            assert_int_equal(gs_dot_compare(&here, &wanted), 0);
            assert_int_equal(sketch.entries[j].cell, (here.at.seq - 1) % 7);
        }
        most = memory.used > most ? memory.used : most;
    }
    assert_true(most < 1000);
    gs_sketch_close(&sketch, &memory);
    assert_int_equal(memory.used, 0);
}

static void every_allocation_of_a_sketch_may_fail(void **state) {
    (void)state;
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct failing_memory failing = {0};
        struct gs_memory memory = failing_memory(&failing);
        struct gs_sketch sketch = {0};
        failing.fail_at = k;
        failed = false;
        for (uint32_t i = 0; i < 40; i++) {
            gs_dot dot = dot_of(i);
            struct gs_observation observation = {.cell = i % 3, .rank = 1};
            if (i >= 10) { /* slots become free, so that they are numbered anew */
                gs_dot old = dot_of(i - 10);
                gs_sketch_subtract(&sketch, (i - 10) % 3, &old, 1);
            }
            uint32_t count = sketch.count;
            if (gs_sketch_add(&sketch, &memory, &observation, &dot) != 0) {
                assert_int_equal(sketch.count, count);
                failed = true;
                failing.fail_at = 0;
                assert_int_equal(gs_sketch_add(&sketch, &memory, &observation, &dot), 0);
            }
            assert_int_equal(sketch.count, count + 1);
        }
        gs_sketch_close(&sketch, &memory);
        assert_int_equal(failing.live, 0);
    }
}

/* Every register full, as nobody would see it: shown as the greatest number there is. */
static void a_full_sketch_shows_a_number(void **state) {
    (void)state;
    struct gs_memory memory = {0};
    struct gs_sketch sketch = {0};
    for (uint32_t i = 0; i < GS_SKETCH_REGISTERS; i++) {
        gs_dot dot = dot_of(i);
        assert_int_equal(
            gs_sketch_add(&sketch, &memory, &(struct gs_observation){.cell = i, .rank = GS_SKETCH_RANK_MAX}, &dot), 0);
    }
    assert_int_equal(gs_sketch_estimate(&sketch), INT64_MAX);
    gs_sketch_close(&sketch, &memory);
}

#define DECODE(payload) decode_field(GS_TYPE_HYPERLOGLOG, payload, sizeof(payload) - 1)

static void hostile_states_are_refused(void **state) {
    (void)state;
    assert_int_equal(DECODE("\x95\x05\x01\x00\x01\x00"), 0);
    assert_int_equal(DECODE("\x9a\x05\x01\x00\x01\x00\x05\x02\x00\x01\x01"), 0);
    assert_int_equal(DECODE("\x90"), GS_EFORMAT);                                         /* an empty field */
    assert_int_equal(DECODE("\x94\x05\x01\x00\x01"), GS_EFORMAT);                         /* four of five */
    assert_int_equal(DECODE("\x95\x05\x00\x00\x01\x00"), GS_EFORMAT);                     /* rank 0 */
    assert_int_equal(DECODE("\x95\x05\x37\x00\x01\x00"), GS_EFORMAT);                     /* rank 55 */
    assert_int_equal(DECODE("\x95\xcd\x08\x00\x01\x00\x01\x00"), GS_EFORMAT);             /* register 2048 */
    assert_int_equal(DECODE("\x95\x05\x01\x00\x0a\x00"), GS_EFORMAT);                     /* not in the context */
    assert_int_equal(DECODE("\x9a\x05\x01\x00\x01\x00\x05\x02\x00\x01\x00"), GS_EFORMAT); /* a dot twice */
    assert_int_equal(DECODE("\x9a\x05\x01\x00\x01\x00\x04\x02\x00\x01\x01"), GS_EFORMAT); /* not sorted */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_is_about_right),          cmocka_unit_test(it_stays_small),
        cmocka_unit_test(what_an_unset_did_not_see_survives), cmocka_unit_test(another_number_cannot_be_set),
        cmocka_unit_test(a_register_can_be_brought_back),     cmocka_unit_test(an_inverse_brings_registers_back),
        cmocka_unit_test(origins_that_are_gone_leave_room),   cmocka_unit_test(every_allocation_of_a_sketch_may_fail),
        cmocka_unit_test(a_full_sketch_shows_a_number),       cmocka_unit_test(hostile_states_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
