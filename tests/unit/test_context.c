/* The causal context against a brute-force set.
 *
 * The model knows, for each origin and event, seven classes of points: indexes 0 to 3, UINT32_MAX - 1, UINT32_MAX, and
 * all others, which only whole events claim. Classes lie in the order of their points and without gaps, so the model
 * also says what the intervals must be. */
#include "failing_memory.h"
#include "random.h"

#include <globalstate/context.h>
#include <globalstate/error.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ORIGINS = 3, SEQS = 6, CLASSES = 7, OTHERS = 4, CONTEXTS = 3 };

struct model {
    bool has[ORIGINS][SEQS + 1][CLASSES]; /* events count from 1 */
};

static const uint32_t class_first[CLASSES] = {0, 1, 2, 3, 4, UINT32_MAX - 1, UINT32_MAX};
static const uint32_t class_last[CLASSES] = {0, 1, 2, 3, UINT32_MAX - 2, UINT32_MAX - 1, UINT32_MAX};

static gs_origin origin_of(uint32_t number) {
    gs_origin origin = {{0}};
    origin.bytes[0] = (uint8_t)(number * 0x70);
    origin.bytes[15] = (uint8_t)number;
    return origin;
}

static void check_contains(const struct gs_context *context, const struct model *model) {
    for (uint32_t o = 0; o < ORIGINS; o++) {
        gs_origin origin = origin_of(o);
        uint64_t greatest = 0;
        for (uint32_t seq = 1; seq <= SEQS; seq++) {
            for (int c = 0; c < CLASSES; c++) {
                bool has = model->has[o][seq][c];
                gs_dot first = {origin, {seq, class_first[c]}};
                gs_dot last = {origin, {seq, class_last[c]}};
                assert_int_equal(gs_context_contains(context, &first), has);
                assert_int_equal(gs_context_contains(context, &last), has);
                greatest = has ? seq : greatest;
            }
        }
        assert_int_equal(gs_context_seq(context, &origin), greatest);
        for (uint32_t after = 0; after < SEQS; after++) {
            bool all = true;
            for (uint32_t seq = after + 1; seq <= SEQS; seq++) {
                for (int c = 0; c < CLASSES; c++) {
                    all = all && model->has[o][seq][c];
                }
                assert_int_equal(gs_context_contains_events(context, &origin, after, seq), all);
            }
        }
    }
}

/* The intervals that the model makes of one origin; returns their number. */
static uint32_t expected_intervals(const struct model *model, uint32_t o, struct gs_interval *ret) {
    uint32_t count = 0;
    bool before = false;
    for (uint32_t seq = 1; seq <= SEQS; seq++) {
        for (int c = 0; c < CLASSES; c++) {
            bool has = model->has[o][seq][c];
            if (has && !before) {
                ret[count++].first = (gs_point){seq, class_first[c]};
            }
            if (has) {
                ret[count - 1].last = (gs_point){seq, class_last[c]};
            }
            before = has;
        }
    }
    return count;
}

static void check_form(const struct gs_context *context, const struct model *model) {
    uint32_t number = 0;
    for (uint32_t o = 0; o < ORIGINS; o++) {
        struct gs_interval expected[SEQS * CLASSES];
        uint32_t count = expected_intervals(model, o, expected);
        if (count == 0) {
            continue;
        }
        gs_origin origin = origin_of(o);
        assert_true(number < context->count);
        const struct gs_context_entry *entry = &context->entries[number++];
        assert_true(gs_origin_equal(&entry->origin, &origin));
        assert_int_equal(entry->count, count);
        assert_int_equal(entry->capacity == 0, count == 1);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(gs_point_compare(gs_context_intervals(entry)[i].first, expected[i].first), 0);
            assert_int_equal(gs_point_compare(gs_context_intervals(entry)[i].last, expected[i].last), 0);
        }
    }
    assert_int_equal(context->count, number);
}

static void model_join(struct model *model, const struct model *other) {
    for (size_t i = 0; i < sizeof model->has; i++) {
        bool *flag = (bool *)model->has + i;
        *flag = *flag || ((const bool *)other->has)[i];
    }
}

static void model_add_events(struct model *model, uint32_t o, uint32_t after, uint32_t seq) {
    for (uint32_t s = after + 1; s <= seq; s++) {
        for (int c = 0; c < CLASSES; c++) {
            model->has[o][s][c] = true;
        }
    }
}

struct world {
    struct gs_context contexts[CONTEXTS];
    struct model models[CONTEXTS];
    struct gs_memory memory;
};

/* A step that failed has changed nothing, unless it was a join: that is at most as far as `target`. */
static void check_after_failure(struct world *world, uint32_t number, bool is_join, const struct model *target) {
    struct gs_context *context = &world->contexts[number];
    const struct model *before = &world->models[number];
    if (!is_join) {
        check_form(context, before);
        return;
    }
    struct model found;
    for (uint32_t o = 0; o < ORIGINS; o++) {
        for (uint32_t seq = 0; seq <= SEQS; seq++) {
            for (int c = 0; c < CLASSES; c++) {
                gs_dot dot = {origin_of(o), {seq, class_first[c]}};
                bool has = gs_context_contains(context, &dot);
                assert_true(has || !before->has[o][seq][c]);
                assert_true(!has || target->has[o][seq][c]);
                found.has[o][seq][c] = has;
            }
        }
    }
    check_form(context, &found);
}

static void take_step(struct world *world, struct random *random) {
    static const int single[] = {0, 1, 2, 3, 5, 6};
    uint32_t number = random_below(random, CONTEXTS);
    uint32_t other = random_below(random, CONTEXTS);
    uint32_t o = random_below(random, ORIGINS);
    uint32_t after = random_below(random, SEQS);
    uint32_t seq = after + 1 + random_below(random, random_below(random, 2) == 0 ? 1 : SEQS - after);
    int class = single[random_below(random, 6)];
    uint32_t kind = random_below(random, 10);
    gs_origin origin = origin_of(o);
    gs_dot dot = {origin, {seq, class_first[class]}};
    struct model target = world->models[number];
    struct gs_context *context = &world->contexts[number];
    int result = GS_ENOMEM;
    for (int attempt = 0; result != 0; attempt++) {
        assert_true(attempt < 2);
        if (kind < 6) {
            target.has[o][seq][class] = true;
            result = gs_context_add_dot(context, &world->memory, &dot);
        } else if (kind < 9) {
            model_add_events(&target, o, after, seq);
            result = gs_context_add_events(context, &world->memory, &origin, after, seq);
        } else {
            model_join(&target, &world->models[other]);
            result = gs_context_join(context, &world->memory, &world->contexts[other]);
        }
        if (result != 0) {
            assert_int_equal(result, GS_ENOMEM);
            check_after_failure(world, number, kind == 9, &target);
        }
    }
    world->models[number] = target;
    check_form(context, &target);
}

/* Runs one program; true if the failure that `failing` plans came about. */
static bool run_program(uint64_t seed, int steps, struct failing_memory *failing) {
    struct world world = {.memory = failing_memory(failing)};
    struct random random = {seed};
    for (int i = 0; i < steps; i++) {
        take_step(&world, &random);
    }
    for (int i = 0; i < CONTEXTS; i++) {
        check_contains(&world.contexts[i], &world.models[i]);
        for (int j = 0; j < CONTEXTS; j++) {
            bool same = memcmp(&world.models[i], &world.models[j], sizeof(struct model)) == 0;
            assert_int_equal(gs_context_equal(&world.contexts[i], &world.contexts[j]), same);
        }
    }
    for (int i = 0; i < CONTEXTS; i++) {
        gs_context_close(&world.contexts[i], &world.memory);
    }
    assert_int_equal(world.memory.used, 0);
    assert_int_equal(failing->live, 0);
    return failing->fail_at != 0 && failing->count >= failing->fail_at;
}

static void test_random_programs(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        run_program(seed, 1 + (int)(seed % 60), &(struct failing_memory){0});
    }
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        bool failed = true;
        for (uint64_t k = 1; failed; k++) {
            failed = run_program(seed, 50, &(struct failing_memory){.fail_at = k});
        }
    }
}

static void test_in_order_costs_one_interval(void **state) {
    (void)state;
    struct failing_memory failing = {0};
    struct gs_memory memory = failing_memory(&failing);
    struct gs_context context = {0};
    gs_origin origin = origin_of(1);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        assert_int_equal(gs_context_add_events(&context, &memory, &origin, seq - 1, seq), 0);
    }
    assert_int_equal(failing.count, 1);
    assert_int_equal(context.entries[0].count, 1);
    assert_int_equal(gs_point_compare(context.entries[0].one.first, (gs_point){1, 0}), 0);
    assert_int_equal(gs_point_compare(context.entries[0].one.last, (gs_point){1000, UINT32_MAX}), 0);
    gs_context_close(&context, &memory);
    assert_int_equal(memory.used, 0);
}

static void test_edges(void **state) {
    (void)state;
    struct gs_context context = {0};
    struct gs_memory memory = {0};
    gs_origin origin = origin_of(2);
    assert_int_equal(gs_context_add_events(&context, &memory, &origin, 4, 4), GS_EINVAL);
    assert_int_equal(gs_context_add_events(&context, &memory, &origin, 5, 4), GS_EINVAL);
    assert_int_equal(gs_context_add_events(&context, &memory, &origin, UINT64_MAX, UINT64_MAX), GS_EINVAL);
    assert_int_equal(context.count, 0);
    assert_true(gs_context_contains_events(&context, &origin, 4, 4));
    assert_false(gs_context_contains_events(&context, &origin, 4, 5));
    assert_int_equal(gs_context_seq(&context, &origin), 0);
    assert_int_equal(gs_context_add_events(&context, &memory, &origin, UINT64_MAX - 1, UINT64_MAX), 0);
    assert_int_equal(gs_context_add_dot(&context, &memory, &(gs_dot){origin, {0, 0}}), 0);
    assert_int_equal(context.entries[0].count, 2);
    assert_true(gs_context_contains(&context, &(gs_dot){origin, {UINT64_MAX, UINT32_MAX}}));
    assert_true(gs_context_contains(&context, &(gs_dot){origin, {0, 0}}));
    assert_false(gs_context_contains(&context, &(gs_dot){origin, {0, 1}}));
    assert_int_equal(gs_context_add_events(&context, &memory, &origin, 0, UINT64_MAX), 0);
    assert_int_equal(context.entries[0].count, 2); /* {0, 0} stays apart from {1, 0} */
    assert_int_equal(gs_context_join(&context, &memory, &context), 0);
    assert_int_equal(context.entries[0].count, 2);
    gs_context_close(&context, &memory);
    gs_context_close(&context, &memory);
    assert_int_equal(memory.used, 0);
}

/* What a decoder does: one origin after the other. Walking all of them for each would run into the test's time-out. */
static void many_origins_join_one_by_one(void **state) {
    (void)state;
    enum { COUNT = 400 * 1000 };
    struct gs_memory memory = {0};
    struct gs_context context = {0};
    for (uint32_t i = 0; i < COUNT; i++) {
        struct gs_context_entry entry = {.count = 1, .one = {{1, 0}, gs_point_end(i + 1)}};
        for (int byte = 0; byte < 4; byte++) {
            entry.origin.bytes[byte] = (uint8_t)(i >> (24 - 8 * byte));
        }
        struct gs_context one = {.entries = &entry, .count = 1};
        assert_int_equal(gs_context_join(&context, &memory, &one), 0);
        assert_int_equal(gs_context_seq(&context, &entry.origin), i + 1);
    }
    assert_int_equal(context.count, COUNT);
    gs_context_close(&context, &memory);
    assert_int_equal(memory.used, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_in_order_costs_one_interval),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(many_origins_join_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
