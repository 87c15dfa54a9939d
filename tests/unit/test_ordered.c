/* The ordered collection against a plain array, at sizes around its chunk bounds and at a hundred thousand. */
#include "tests/unit/failing_memory.h"
#include "tests/unit/random.h"

#include "crdt/ordered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 100000 };

static uint32_t numbers[MANY];

static int compare(const void *key, const void *item) {
    uint32_t a = *(const uint32_t *)key;
    uint32_t b = *(const uint32_t *)item;
    return a < b ? -1 : a > b;
}

static void assert_sorted(const struct gs_ordered *ordered, uint32_t count) {
    struct gs_ordered_cursor cursor = {.ordered = ordered};
    const uint32_t *before = NULL;
    const uint32_t *item = NULL;
    uint32_t seen = 0;
    while ((item = gs_ordered_next(&cursor))) {
        assert_true(!before || *before < *item);
        assert_ptr_equal(gs_ordered_find(ordered, compare, item), item);
        if (before) {
            assert_ptr_equal(gs_ordered_after(ordered, compare, before), item);
        }
        before = item;
        seen++;
    }
    assert_int_equal(seen, count);
    assert_int_equal(gs_ordered_count(ordered), count);
}

/* Fills in an order, checks, empties in another: memory returns to the base. */
static void fill_and_empty(uint32_t count, uint32_t step, uint32_t back) {
    struct gs_memory memory = {0};
    struct gs_ordered ordered = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)((uint64_t)i * step % count);
        numbers[at] = 2 * at + 1;
        assert_int_equal(gs_ordered_insert(&ordered, &memory, compare, &numbers[at], &numbers[at]), 0);
    }
    assert_sorted(&ordered, count);
    uint32_t absent = count;
    absent -= absent % 2; /* even: never in */
    assert_null(gs_ordered_find(&ordered, compare, &absent));
    assert_null(gs_ordered_remove(&ordered, &memory, compare, &absent));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)((uint64_t)i * back % count);
        assert_ptr_equal(gs_ordered_remove(&ordered, &memory, compare, &numbers[at]), &numbers[at]);
        if (i == count / 2) {
            assert_sorted(&ordered, count - i - 1);
        }
    }
    assert_int_equal(memory.used, 0);
    assert_null(gs_ordered_find(&ordered, compare, &numbers[0]));
    gs_ordered_close(&ordered, &memory);
}

static void keeps_order_at_every_size(void **state) {
    (void)state;
    /* 101 and 7919 are coprime to all sizes: a walk through all places. */
    const uint32_t sizes[] = {1, 2, 4, 5, 8, 9, 64, 65, 127, 128, 129, 192, 256, 257, 1000, MANY};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill_and_empty(sizes[i], 1, 1);
        fill_and_empty(sizes[i], 7919, 101);
        fill_and_empty(sizes[i], 101, sizes[i] > 1 ? sizes[i] - 1 : 1);
    }
}

static void sorted_input_packs_tightly(void **state) {
    (void)state;
    struct gs_memory memory = {0};
    struct gs_ordered ordered = {0};
    for (uint32_t i = 0; i < MANY; i++) {
        numbers[i] = i;
        assert_int_equal(gs_ordered_insert(&ordered, &memory, compare, &numbers[i], &numbers[i]), 0);
    }
    assert_true(memory.used < MANY * sizeof(void *) * 12 / 10);
    gs_ordered_close(&ordered, &memory);
    assert_int_equal(memory.used, 0);
}

static void small_collections_are_small(void **state) {
    (void)state;
    struct gs_memory memory = {0};
    struct gs_ordered ordered = {0};
    numbers[0] = 1;
    assert_int_equal(gs_ordered_insert(&ordered, &memory, compare, &numbers[0], &numbers[0]), 0);
    assert_int_equal(memory.used, 4 * sizeof(void *));
    gs_ordered_close(&ordered, &memory);
}

/* A random mix against a bitmap, with an allocator that fails now and then: a failed insert changes nothing. */
static void random_mix_with_failures(void **state) {
    (void)state;
    enum { SPACE = 2000 };
    static bool in[SPACE];
    memset(in, 0, sizeof(in));
    struct failing_memory failing = {0};
    struct gs_memory memory = failing_memory(&failing);
    struct gs_ordered ordered = {0};
    struct random random = {.state = 7};
    uint32_t count = 0;
    uint32_t failures = 0;
    for (int round = 0; round < 60000; round++) {
        uint32_t at = random_below(&random, SPACE);
        bool grow = random_below(&random, 100) < (round / 10000 % 2 == 0 ? 70 : 25);
        numbers[at] = at;
        failing.fail_at = random_below(&random, 3) > 0 ? failing.count + 1 + random_below(&random, 2) : 0;
        if (grow && !in[at]) {
            int error = gs_ordered_insert(&ordered, &memory, compare, &numbers[at], &numbers[at]);
            in[at] = error == 0;
            count += error == 0;
            failures += error != 0;
        } else if (!grow) {
            assert_ptr_equal(gs_ordered_remove(&ordered, &memory, compare, &at), in[at] ? &numbers[at] : NULL);
            count -= in[at] ? 1 : 0;
            in[at] = false;
        }
        if (round % 1000 == 0) {
            assert_sorted(&ordered, count);
        }
    }
    assert_true(failures > 10);
    gs_ordered_close(&ordered, &memory);
    assert_int_equal(memory.used, 0);
    assert_int_equal(failing.live, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_at_every_size),
        cmocka_unit_test(sorted_input_packs_tightly),
        cmocka_unit_test(small_collections_are_small),
        cmocka_unit_test(random_mix_with_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
