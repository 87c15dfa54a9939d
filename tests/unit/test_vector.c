/* Version vectors: order, replacement, comparison, the cap. */
#include "gossip/vector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct gs_head head_of(uint32_t origin, uint64_t seq, uint8_t hash) {
    struct gs_head head = {.seq = seq};
    head.origin.bytes[0] = (uint8_t)(origin >> 8);
    head.origin.bytes[15] = (uint8_t)origin;
    memset(head.hash.bytes, hash, sizeof head.hash.bytes);
    return head;
}

static void set(struct gs_vector *vector, uint32_t origin, uint64_t seq, uint8_t hash) {
    struct gs_head head = head_of(origin, seq, hash);
    assert_int_equal(gs_vector_set(vector, &head), 0);
}

static void test_set_keeps_order(void **state) {
    (void)state;
    struct gs_vector vector = {0};
    /* 37 generates all residues of 101. */
    for (uint32_t i = 0; i < 101; i++) {
        set(&vector, i * 37 % 101, i + 1, (uint8_t)i);
    }
    assert_int_equal(vector.count, 101);
    for (uint32_t i = 1; i < vector.count; i++) {
        assert_true(gs_origin_compare(&vector.heads[i - 1].origin, &vector.heads[i].origin) < 0);
    }
    for (uint32_t i = 0; i < 101; i++) {
        gs_origin origin = head_of(i * 37 % 101, 1, 0).origin;
        assert_int_equal(gs_vector_seq(&vector, &origin), i + 1);
        assert_int_equal(gs_vector_find(&vector, &origin)->hash.bytes[5], i);
    }
    gs_vector_close(&vector);
}

static void test_set_replaces(void **state) {
    (void)state;
    struct gs_vector vector = {0};
    set(&vector, 1, 5, 1);
    set(&vector, 1, 9, 2);
    assert_int_equal(vector.count, 1);
    assert_int_equal(vector.heads[0].seq, 9);
    assert_int_equal(vector.heads[0].hash.bytes[0], 2);
    gs_origin absent = head_of(2, 1, 0).origin;
    assert_null(gs_vector_find(&vector, &absent));
    assert_int_equal(gs_vector_seq(&vector, &absent), 0);
    gs_vector_close(&vector);
    assert_int_equal(vector.count, 0);
    gs_vector_close(&vector);
    gs_vector_close(NULL);
}

static void test_set_from_itself(void **state) {
    (void)state;
    struct gs_vector vector = {0};
    for (uint32_t i = 0; i < 8; i++) {
        set(&vector, i + 1, i + 1, 0);
    }
    struct gs_vector other = {0};
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(gs_vector_set(&other, &vector.heads[7 - i]), 0);
    }
    assert_true(gs_vector_equal(&vector, &other));
    gs_vector_close(&vector);
    gs_vector_close(&other);
}

static void test_cap(void **state) {
    (void)state;
    struct gs_vector vector = {0};
    for (uint32_t i = 0; i < GS_VECTOR_MAX; i++) {
        set(&vector, i, 1, 0);
    }
    struct gs_head more = head_of(GS_VECTOR_MAX, 1, 0);
    assert_int_equal(gs_vector_set(&vector, &more), GS_ETOOBIG);
    assert_int_equal(vector.count, GS_VECTOR_MAX);
    set(&vector, 77, 2, 0);
    gs_vector_close(&vector);
}

static void test_equal_looks_at_hashes(void **state) {
    (void)state;
    struct gs_vector a = {0};
    struct gs_vector b = {0};
    assert_true(gs_vector_equal(&a, &b));
    set(&a, 1, 5, 1);
    assert_false(gs_vector_equal(&a, &b));
    set(&b, 1, 5, 2);
    assert_false(gs_vector_equal(&a, &b));
    set(&b, 1, 6, 1);
    assert_false(gs_vector_equal(&a, &b));
    set(&b, 1, 5, 1);
    assert_true(gs_vector_equal(&a, &b));
    set(&a, 2, 5, 1);
    set(&b, 3, 5, 1);
    assert_false(gs_vector_equal(&a, &b));
    gs_vector_close(&a);
    gs_vector_close(&b);
}

static void test_covers(void **state) {
    (void)state;
    struct gs_vector a = {0};
    struct gs_vector b = {0};
    assert_true(gs_vector_covers(&a, &b));
    set(&a, 1, 5, 1);
    set(&a, 3, 5, 1);
    set(&a, 5, 5, 1);
    assert_true(gs_vector_covers(&a, &b));
    assert_false(gs_vector_covers(&b, &a));
    set(&b, 3, 5, 9);
    assert_true(gs_vector_covers(&a, &b));
    set(&b, 5, 4, 9);
    assert_true(gs_vector_covers(&a, &b));
    set(&b, 4, 1, 9);
    assert_false(gs_vector_covers(&a, &b));
    set(&a, 4, 1, 9);
    assert_true(gs_vector_covers(&a, &b));
    set(&b, 5, 6, 9);
    assert_false(gs_vector_covers(&a, &b));
    gs_vector_close(&a);
    gs_vector_close(&b);
}

static void test_copy_is_independent(void **state) {
    (void)state;
    struct gs_vector a = {0};
    struct gs_vector b = {0};
    for (uint32_t i = 0; i < 20; i++) {
        set(&a, i, i + 1, 3);
    }
    set(&b, 500, 1, 1);
    assert_int_equal(gs_vector_copy(&b, &a), 0);
    assert_true(gs_vector_equal(&a, &b));
    set(&a, 3, 100, 3);
    assert_false(gs_vector_equal(&a, &b));
    assert_int_equal(gs_vector_copy(&a, &a), 0);
    assert_int_equal(a.count, 20);
    struct gs_vector empty = {0};
    assert_int_equal(gs_vector_copy(&b, &empty), 0);
    assert_int_equal(b.count, 0);
    gs_vector_close(&a);
    gs_vector_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_keeps_order),       cmocka_unit_test(test_set_replaces),
        cmocka_unit_test(test_set_from_itself),       cmocka_unit_test(test_cap),
        cmocka_unit_test(test_equal_looks_at_hashes), cmocka_unit_test(test_covers),
        cmocka_unit_test(test_copy_is_independent),
    };
    return cmocka_run_group_tests_name("vector", tests, NULL, NULL);
}
