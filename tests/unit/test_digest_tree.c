/* The digest tree: its root depends on what is in it and on nothing else, copies do not change, children tell where two
 * trees differ. */
#include "node/core/digest_tree.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NAMES = 700 };

static uint8_t key[GS_DIGEST_KEY_SIZE];

static struct gs_digest_tree new_tree(void) {
    struct gs_digest_tree tree = {0};
    gs_cluster cluster = gs_cluster_from_name("digests");
    gs_digest_key(&cluster, key);
    memcpy(tree.key, key, sizeof key);
    return tree;
}

static void set(struct gs_digest_tree *tree, uint32_t name, uint32_t value) {
    char text[32];
    snprintf(text, sizeof text, "t/%u", name);
    struct gs_slice slice = gs_slice_make(text, strlen(text));
    gs_digest_path path = gs_digest_path_of(key, slice);
    gs_hash hash;
    gs_digest_leaf_hash(key, slice, gs_slice_make(&value, sizeof value), &hash);
    assert_int_equal(gs_digest_tree_set(tree, &path, slice, &hash), 0);
}

static void take_out(struct gs_digest_tree *tree, uint32_t name) {
    char text[32];
    snprintf(text, sizeof text, "t/%u", name);
    gs_digest_path path = gs_digest_path_of(key, gs_slice_make(text, strlen(text)));
    assert_int_equal(gs_digest_tree_remove(tree, &path), 0);
}

static gs_hash root_of(const struct gs_digest_tree *tree, uint64_t *ret_count) {
    gs_hash root;
    gs_digest_tree_root(tree, &root, ret_count);
    return root;
}

static void assert_same(const struct gs_digest_tree *a, const struct gs_digest_tree *b, bool same) {
    uint64_t count_a, count_b;
    gs_hash root_a = root_of(a, &count_a);
    gs_hash root_b = root_of(b, &count_b);
    assert_int_equal(memcmp(root_a.bytes, root_b.bytes, GS_HASH_SIZE) == 0, same);
    if (same) {
        assert_int_equal(count_a, count_b);
    }
}

/* A tree of values, 0: absent, made in ascending order. */
static struct gs_digest_tree build(const uint32_t values[NAMES]) {
    struct gs_digest_tree tree = new_tree();
    for (uint32_t i = 0; i < NAMES; i++) {
        if (values[i] != 0) {
            set(&tree, i, values[i]);
        }
    }
    return tree;
}

static void test_root_is_a_function_of_contents(void **state) {
    (void)state;
    struct random random = {.state = 11};
    uint32_t values[NAMES] = {0};
    struct gs_digest_tree tree = new_tree();
    for (uint32_t step = 1; step <= 6000; step++) {
        uint32_t name = random_below(&random, NAMES);
        /* Now and then nearly empty: single leaves and chains are where shapes go wrong. */
        bool thin = step % 3000 > 2000;
        values[name] = random_below(&random, 100) < (thin ? 10 : 60) ? step : 0;
        if (values[name] != 0) {
            set(&tree, name, step);
        } else {
            take_out(&tree, name);
        }
        if (step % 250 == 0 || (thin && step % 50 == 0)) {
            struct gs_digest_tree fresh = build(values);
            assert_same(&tree, &fresh, true);
            gs_digest_tree_close(&fresh);
        }
    }
    gs_digest_tree_close(&tree);
}

static void test_empty_and_single(void **state) {
    (void)state;
    struct gs_digest_tree a = new_tree();
    struct gs_digest_tree b = new_tree();
    uint64_t count = 1;
    (void)root_of(&a, &count);
    assert_int_equal(count, 0);
    set(&b, 1, 1);
    assert_same(&a, &b, false);
    take_out(&b, 2); /* not there */
    take_out(&b, 1);
    assert_same(&a, &b, true);
    assert_null(b.root);
}

static void test_copies_stay_as_they_were(void **state) {
    (void)state;
    uint32_t values[NAMES];
    for (uint32_t i = 0; i < NAMES; i++) {
        values[i] = i + 1;
    }
    struct gs_digest_tree tree = build(values);
    struct gs_digest_tree copy;
    gs_digest_tree_share(&copy, &tree);
    for (uint32_t i = 0; i < NAMES; i += 3) {
        set(&tree, i, 9999);
        take_out(&tree, i + 1);
    }
    struct gs_digest_tree fresh = build(values);
    assert_same(&copy, &fresh, true);
    assert_same(&tree, &fresh, false);
    gs_digest_tree_close(&tree);
    assert_same(&copy, &fresh, true);
    gs_digest_tree_close(&copy);
    gs_digest_tree_close(&fresh);
}

static int count_leaf(void *context, const struct gs_digest_leaf *leaf) {
    (void)leaf;
    ++*(uint32_t *)context;
    return 0;
}

/* Walks both trees where they differ; counts the leaves of `a` that `b` has not. */
static uint32_t differing(const struct gs_digest_tree *a, const struct gs_digest_tree *b,
                          struct gs_digest_prefix prefix) {
    struct gs_digest_entry left[GS_DIGEST_FANOUT], right[GS_DIGEST_FANOUT];
    uint32_t count = 0;
    gs_digest_tree_children(a, &prefix, left);
    gs_digest_tree_children(b, &prefix, right);
    for (uint8_t i = 0; i < GS_DIGEST_FANOUT; i++) {
        struct gs_digest_prefix child = gs_digest_child(&prefix, i);
        bool same = left[i].kind == right[i].kind && memcmp(&left[i].hash, &right[i].hash, GS_HASH_SIZE) == 0;
        if (same || left[i].kind == GS_DIGEST_NONE) {
            continue;
        }
        if (left[i].kind == GS_DIGEST_INNER) {
            uint32_t below = 0;
            assert_int_equal(gs_digest_tree_visit(a, &child, count_leaf, &below), 0);
            assert_int_equal(below, left[i].count);
            count += differing(a, b, child);
        } else {
            struct gs_digest_entry beside[GS_DIGEST_FANOUT];
            bool found = false;
            gs_digest_tree_children(b, &child, beside); /* the leaf may stand deeper there */
            for (int j = 0; right[i].kind == GS_DIGEST_INNER && j < GS_DIGEST_FANOUT; j++) {
                found = found || memcmp(&beside[j].hash, &left[i].hash, GS_HASH_SIZE) == 0;
            }
            count += found ? 0 : 1;
        }
    }
    return count;
}

static void test_children_lead_to_the_difference(void **state) {
    (void)state;
    uint32_t values[NAMES];
    for (uint32_t i = 0; i < NAMES; i++) {
        values[i] = i + 1;
    }
    struct gs_digest_tree a = build(values);
    struct gs_digest_tree b = build(values);
    assert_int_equal(differing(&a, &b, (struct gs_digest_prefix){0}), 0);
    set(&b, 17, 9999);
    set(&b, 400, 9999);
    assert_int_equal(differing(&a, &b, (struct gs_digest_prefix){0}), 2);
    gs_digest_path path = gs_digest_path_of(key, gs_slice_make("t/17", 4));
    struct gs_digest_leaf leaf;
    assert_true(gs_digest_tree_find(&a, &path, &leaf));
    assert_int_equal(leaf.name.length, 4);
    assert_memory_equal(leaf.name.bytes, "t/17", 4);
    path.bytes[15] ^= 1;
    assert_false(gs_digest_tree_find(&a, &path, &leaf));
    gs_digest_tree_close(&a);
    gs_digest_tree_close(&b);
}

static void test_clusters_do_not_compare(void **state) {
    (void)state;
    struct gs_digest_tree a = new_tree();
    gs_hash one, other;
    gs_cluster cluster = gs_cluster_from_name("another");
    uint8_t foreign[GS_DIGEST_KEY_SIZE];
    gs_digest_key(&cluster, foreign);
    struct gs_slice name = gs_slice_make("t/1", 3);
    gs_digest_leaf_hash(a.key, name, name, &one);
    gs_digest_leaf_hash(foreign, name, name, &other);
    assert_memory_not_equal(one.bytes, other.bytes, GS_HASH_SIZE);
    /* Where the name ends and the state begins is part of what is hashed. */
    gs_digest_leaf_hash(a.key, gs_slice_make("t/1x", 4), gs_slice_make("y", 1), &one);
    gs_digest_leaf_hash(a.key, gs_slice_make("t/1", 3), gs_slice_make("xy", 2), &other);
    assert_memory_not_equal(one.bytes, other.bytes, GS_HASH_SIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_root_is_a_function_of_contents), cmocka_unit_test(test_empty_and_single),
        cmocka_unit_test(test_copies_stay_as_they_were),       cmocka_unit_test(test_children_lead_to_the_difference),
        cmocka_unit_test(test_clusters_do_not_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
