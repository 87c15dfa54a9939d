/* The store of lists against an oracle that is the paper's definition: a tree of elements, walked depth first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crdt/list.h"
#include "tests/unit/failing_memory.h"
#include "tests/unit/random.h"

#include <globalstate/codec.h>
#include <globalstate/error.h>

enum { RUN_MAX = 6, DELTAS_MAX = 400, ELEMENTS_MAX = 4000, ORIGINS = 4 };

struct run {
    uint32_t count; /* 0: none */
    uint32_t index;
    struct gs_list_anchor anchor;
    uint8_t values[4 * RUN_MAX];
    size_t length;
};

/* One event: runs inserted, or dots deleted, or both. */
struct delta {
    gs_origin origin;
    uint64_t seq;
    uint64_t previous;
    struct run runs[2];
    uint32_t deleted_count;
    gs_dot deleted[RUN_MAX];
};

/* What the paper calls a node. */
struct element {
    gs_dot dot;
    struct gs_list_anchor anchor;
    uint8_t value[4];
    size_t length;
    bool deleted;
};

/* A replica, twice: the store, and all elements in one array. */
struct side {
    struct gs_list *list;
    struct gs_context context;
    gs_origin origin;
    uint64_t seq;
    uint64_t previous;
    struct element elements[ELEMENTS_MAX];
    uint32_t count;
};

static gs_origin origin_of(uint32_t number) {
    gs_origin origin = {{0}};
    origin.bytes[0] = (uint8_t)((number * 7 + 3) % 11);
    origin.bytes[15] = (uint8_t)number;
    return origin;
}

static struct side *side_new(uint32_t number, struct gs_memory *memory) {
    struct side *side = calloc(1, sizeof(*side));
    assert_non_null(side);
    side->list = gs_list_new(memory);
    assert_non_null(side->list);
    side->origin = origin_of(number);
    return side;
}

static void side_free(struct side *side, struct gs_memory *memory) {
    gs_list_free(side->list, memory);
    gs_context_close(&side->context, memory);
    free(side);
}

/* ---- the oracle ---- */

static struct element *oracle_find(struct side *side, const gs_dot *dot) {
    for (uint32_t i = 0; i < side->count; i++) {
        if (gs_dot_compare(&side->elements[i].dot, dot) == 0) {
            return &side->elements[i];
        }
    }
    return NULL;
}

/* The children of an element (NULL: the root) on one side, each walked in the order of dots. */
static void oracle_walk(struct side *side, const struct element *parent, enum gs_list_side place,
                        struct element **order, uint32_t *count);

static void oracle_visit(struct side *side, struct element *element, struct element **order, uint32_t *count) {
    oracle_walk(side, element, GS_LIST_BEFORE, order, count);
    order[(*count)++] = element;
    oracle_walk(side, element, GS_LIST_AFTER, order, count);
}

static void oracle_walk(struct side *side, const struct element *parent, enum gs_list_side place,
                        struct element **order, uint32_t *count) {
    const gs_dot *previous = NULL;
    for (;;) {
        struct element *least = NULL;
        for (uint32_t i = 0; i < side->count; i++) {
            struct element *at = &side->elements[i];
            bool child = parent ? at->anchor.side == place && gs_dot_compare(&at->anchor.dot, &parent->dot) == 0
                                : at->anchor.side == GS_LIST_START;
            if (child && (!previous || gs_dot_compare(&at->dot, previous) > 0) &&
                (!least || gs_dot_compare(&at->dot, &least->dot) < 0)) {
                least = at;
            }
        }
        if (!least) {
            return;
        }
        previous = &least->dot;
        oracle_visit(side, least, order, count);
    }
}

static uint32_t oracle_order(struct side *side, struct element **order) {
    uint32_t count = 0;
    oracle_walk(side, NULL, GS_LIST_START, order, &count);
    return count;
}

static void oracle_insert(struct side *side, const struct delta *delta, const struct run *run) {
    size_t offset = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        struct element element = {.dot = {delta->origin, {delta->seq, run->index + i}}, .anchor = run->anchor};
        if (i > 0) {
            element.anchor.side = GS_LIST_AFTER;
            element.anchor.dot = (gs_dot){delta->origin, {delta->seq, run->index + i - 1}};
        }
        element.length = (size_t)(run->values[offset] == 0xa2 ? 3 : 2);
        memcpy(element.value, run->values + offset, element.length);
        offset += element.length;
        element.deleted = gs_context_contains(&side->context, &element.dot);
        if (!oracle_find(side, &element.dot)) {
            assert_true(side->count < ELEMENTS_MAX);
            side->elements[side->count++] = element;
        }
    }
}

static void oracle_apply(struct side *side, const struct delta *delta) {
    oracle_insert(side, delta, &delta->runs[0]);
    oracle_insert(side, delta, &delta->runs[1]);
    for (uint32_t i = 0; i < delta->deleted_count; i++) {
        struct element *element = oracle_find(side, &delta->deleted[i]);
        if (element) {
            element->deleted = true;
        }
    }
}

/* True if the element hangs to the right of `left`, however far below. */
static bool oracle_hangs(struct side *side, const struct element *element, const struct element *left) {
    while (element->anchor.side != GS_LIST_START) {
        if (left && gs_dot_compare(&element->anchor.dot, &left->dot) == 0) {
            return element->anchor.side == GS_LIST_AFTER;
        }
        element = oracle_find(side, &element->anchor.dot);
    }
    return !left;
}

/* "Insert at index i" of the paper's algorithm 1, with the next element that is shown as the right origin. */
static struct gs_list_anchor oracle_anchor(struct side *side, uint32_t index) {
    struct element **order = calloc(ELEMENTS_MAX, sizeof(*order));
    assert_non_null(order);
    uint32_t count = oracle_order(side, order);
    struct gs_list_anchor anchor = {.side = GS_LIST_START};
    const struct element *left = NULL;
    uint32_t after = 0;
    for (uint32_t shown = 0; after < count && shown < index; after++) {
        shown += !order[after]->deleted;
        left = order[after];
    }
    bool has_right = false;
    for (uint32_t i = 0; i < side->count; i++) {
        const struct element *at = &side->elements[i];
        has_right |= left ? at->anchor.side == GS_LIST_AFTER && gs_dot_compare(&at->anchor.dot, &left->dot) == 0
                          : at->anchor.side == GS_LIST_START;
    }
    while (after < count && order[after]->deleted) {
        after++;
    }
    if (has_right && after < count && oracle_hangs(side, order[after], left)) {
        anchor = (struct gs_list_anchor){.side = GS_LIST_BEFORE, .dot = order[after]->dot};
    } else if (left) {
        anchor = (struct gs_list_anchor){.side = GS_LIST_AFTER, .dot = left->dot};
    }
    free(order);
    return anchor;
}

/* ---- both ---- */

static bool is_own(const struct delta *delta, const gs_dot *dot) {
    return gs_origin_equal(&dot->origin, &delta->origin) && dot->at.seq == delta->seq;
}

static int claim(struct side *side, struct gs_memory *memory, const struct delta *delta) {
    int error = 0;
    for (uint32_t i = 0; i < delta->deleted_count && error == 0; i++) {
        if (!is_own(delta, &delta->deleted[i])) {
            error = gs_context_add_dot(&side->context, memory, &delta->deleted[i]);
        }
    }
    return error;
}

static int list_apply(struct side *side, struct gs_memory *memory, const struct delta *delta) {
    int error = claim(side, memory, delta);
    for (uint32_t i = 0; i < 2 && error == 0; i++) {
        const struct run *at = &delta->runs[i];
        struct gs_list_run run = {.first = {delta->origin, {delta->seq, at->index}},
                                  .count = at->count,
                                  .anchor = at->anchor,
                                  .values = gs_slice_make(at->values, at->length)};
        error = at->count > 0 ? gs_list_insert(side->list, memory, &run, &side->context) : 0;
    }
    for (uint32_t i = 0; i < delta->deleted_count && error == 0; i++) {
        error = gs_list_delete(side->list, memory, &delta->deleted[i], 1, false, is_own(delta, &delta->deleted[i]));
    }
    return error != 0 ? error
                      : gs_context_add_events(&side->context, memory, &delta->origin, delta->previous, delta->seq);
}

static void side_apply(struct side *side, struct gs_memory *memory, const struct delta *delta) {
    if (gs_context_contains_events(&side->context, &delta->origin, delta->previous, delta->seq)) {
        return;
    }
    assert_int_equal(claim(side, memory, delta), 0);
    oracle_apply(side, delta);
    assert_int_equal(list_apply(side, memory, delta), 0);
}

static bool same_anchor(struct gs_list_anchor a, struct gs_list_anchor b) {
    return a.side == b.side && (a.side == GS_LIST_START || gs_dot_compare(&a.dot, &b.dot) == 0);
}

/* The store shows what the oracle says, element by element, by index and by dot. */
static void side_check(struct side *side) {
    struct element **order = calloc(ELEMENTS_MAX, sizeof(*order));
    assert_non_null(order);
    uint32_t count = oracle_order(side, order);
    struct gs_list_cursor cursor = {.list = side->list};
    gs_dot dot;
    struct gs_slice value;
    uint32_t shown = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = 0;
        if (order[i]->deleted) {
            assert_false(gs_list_find(side->list, &order[i]->dot, &index));
            continue;
        }
        assert_true(gs_list_next(&cursor, &dot, &value));
        assert_int_equal(gs_dot_compare(&dot, &order[i]->dot), 0);
        assert_int_equal(value.length, order[i]->length);
        assert_memory_equal(value.bytes, order[i]->value, value.length);
        assert_true(gs_list_find(side->list, &dot, &index));
        assert_int_equal(index, shown);
        value = gs_list_at(side->list, shown, &dot);
        assert_memory_equal(value.bytes, order[i]->value, value.length);
        shown++;
    }
    assert_false(gs_list_next(&cursor, &dot, &value));
    assert_int_equal(gs_list_length(side->list), shown);
    uint32_t alive = 0;
    for (uint32_t i = 0; i < side->count; i++) {
        alive += side->elements[i].deleted ? 0 : 1;
    }
    assert_int_equal(gs_list_alive(side->list), alive);
    cursor = (struct gs_list_cursor){.list = side->list, .hidden = true};
    for (; gs_list_next(&cursor, &dot, &value); alive--) {
        assert_false(oracle_find(side, &dot)->deleted);
    }
    assert_int_equal(alive, shown);
    free(order);
}

/* A run whose first dot has the index `first`; returns the index behind its last one. */
static uint32_t random_run(struct side *side, struct random *random, uint32_t first, struct run *run) {
    uint32_t length = gs_list_length(side->list);
    uint32_t index = random_below(random, 4) == 0 ? length : random_below(random, length + 1);
    run->count = random_below(random, 2) == 0 ? 1 : 1 + random_below(random, RUN_MAX);
    run->index = first;
    run->anchor = gs_list_anchor_at(side->list, index);
    assert_true(same_anchor(run->anchor, oracle_anchor(side, index)));
    for (uint32_t i = 0; i < run->count; i++) {
        bool wide = random_below(random, 6) == 0;
        run->values[run->length++] = wide ? 0xa2 : 0xa1;
        run->values[run->length++] = wide ? 0xc3 : (uint8_t)('a' + random_below(random, 26));
        if (wide) {
            run->values[run->length++] = 0xa9;
        }
    }
    return first + run->count;
}

/* An edit at a random place of what the side shows. */
static struct delta random_edit(struct side *side, struct random *random) {
    uint32_t length = gs_list_length(side->list);
    side->seq += random_below(random, 3) == 0 ? 2 : 1;
    struct delta delta = {.origin = side->origin, .seq = side->seq, .previous = side->previous};
    side->previous = side->seq;
    if (length > 0 && random_below(random, 3) == 0) {
        uint32_t count = 1 + random_below(random, RUN_MAX);
        uint32_t index = random_below(random, length);
        for (uint32_t i = 0; i < count && index + i < length; i++) {
            gs_list_at(side->list, index + i, &delta.deleted[delta.deleted_count++]);
        }
        return delta;
    }
    uint32_t end = random_run(side, random, random_below(random, 3), &delta.runs[0]);
    if (random_below(random, 3) == 0) {
        end = random_run(side, random, end, &delta.runs[1]);
    }
    if (random_below(random, 5) == 0) {
        delta.deleted[delta.deleted_count++] = (gs_dot){delta.origin, {delta.seq, end - 1}};
    }
    return delta;
}

static void oracle_join(struct side *side, struct side *other) {
    for (uint32_t i = 0; i < side->count; i++) {
        struct element *theirs = oracle_find(other, &side->elements[i].dot);
        if (gs_context_contains(&other->context, &side->elements[i].dot) && (!theirs || theirs->deleted)) {
            side->elements[i].deleted = true;
        }
    }
    for (uint32_t i = 0; i < other->count; i++) {
        struct element element = other->elements[i];
        if (!oracle_find(side, &element.dot)) {
            element.deleted |= gs_context_contains(&side->context, &element.dot);
            assert_true(side->count < ELEMENTS_MAX);
            side->elements[side->count++] = element;
        }
    }
}

static void side_join(struct side *side, struct side *other) {
    oracle_join(side, other);
    assert_int_equal(gs_list_join(side->list, other->list, NULL, &side->context, &other->context), 0);
    assert_int_equal(gs_context_join(&side->context, NULL, &other->context), 0);
}

/* Replicas that write, hear of each other late, twice, never, or in the wrong order, and join whole states. */
static void random_replicas(uint64_t seed, bool in_order) {
    struct random random = {.state = seed};
    struct side *sides[ORIGINS + 1];
    struct delta *deltas = calloc(DELTAS_MAX, sizeof(*deltas));
    assert_non_null(deltas);
    uint32_t count = 0;
    uint32_t next[ORIGINS] = {0};
    for (uint32_t i = 0; i <= ORIGINS; i++) {
        sides[i] = side_new(i, NULL);
    }
    for (uint32_t step = 0; step < 120; step++) {
        uint32_t who = random_below(&random, ORIGINS);
        uint32_t roll = random_below(&random, 10);
        if (roll < 4) {
            deltas[count] = random_edit(sides[who], &random);
            side_apply(sides[who], NULL, &deltas[count++]);
        } else if (roll < 9 && count > 0) {
            uint32_t which = in_order ? next[who] : random_below(&random, count);
            next[who] += in_order && next[who] + 1 < count;
            side_apply(sides[who], NULL, &deltas[which]);
        } else {
            side_join(sides[who], sides[random_below(&random, ORIGINS)]);
        }
        side_check(sides[who]);
    }
    for (uint32_t i = 0; i <= ORIGINS; i++) {
        uint32_t start = random_below(&random, count);
        for (uint32_t j = 0; j < count; j++) {
            side_apply(sides[i], NULL, &deltas[(start + j * 7919) % count]);
        }
        for (uint32_t j = 0; j < count; j++) {
            side_apply(sides[i], NULL, &deltas[j]);
        }
        side_check(sides[i]);
        assert_int_equal(gs_list_length(sides[i]->list), gs_list_length(sides[0]->list));
        assert_int_equal(gs_list_alive(sides[i]->list), gs_list_length(sides[i]->list));
    }
    for (uint32_t i = 0; i <= ORIGINS; i++) {
        side_free(sides[i], NULL);
    }
    free(deltas);
}

static void test_random(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        random_replicas(seed, seed % 3 == 0);
    }
}

/* After a failure: everything that was shown still is, in order, but for what `goes` covers; and nothing else. */
static void check_between(struct side *side, const struct gs_context *goes) {
    struct element **order = calloc(ELEMENTS_MAX, sizeof(*order));
    assert_non_null(order);
    uint32_t count = oracle_order(side, order);
    struct gs_list_cursor cursor = {.list = side->list};
    gs_dot dot;
    struct gs_slice value;
    uint32_t at = 0;
    while (gs_list_next(&cursor, &dot, &value)) {
        while (at < count && gs_dot_compare(&order[at]->dot, &dot) != 0) {
            assert_true(order[at]->deleted || gs_context_contains(goes, &order[at]->dot));
            at++;
        }
        assert_true(at < count && !order[at]->deleted);
        at++;
    }
    for (; at < count; at++) {
        assert_true(order[at]->deleted || gs_context_contains(goes, &order[at]->dot));
    }
    free(order);
}

/* Each allocation of an application fails in turn; what remains is a state, and the next attempt completes it. */
static void apply_failing(struct side *side, struct gs_memory *memory, struct failing_memory *failing,
                          const struct delta *delta) {
    struct gs_context goes = {0};
    struct side *after = malloc(sizeof(*after));
    assert_non_null(after);
    for (uint32_t i = 0; i < delta->deleted_count; i++) {
        assert_int_equal(gs_context_add_dot(&goes, NULL, &delta->deleted[i]), 0);
    }
    assert_int_equal(claim(side, memory, delta), 0);
    *after = *side;
    oracle_apply(after, delta);
    for (uint64_t n = 1;; n++) {
        failing->fail_at = failing->count + n;
        if (list_apply(side, memory, delta) == 0) {
            break;
        }
        gs_list_retain(side->list, memory, &side->context);
        check_between(side, &goes);
    }
    failing->fail_at = 0;
    memcpy(side->elements, after->elements, sizeof(side->elements));
    side->count = after->count;
    side_check(side);
    free(after);
    gs_context_close(&goes, NULL);
}

static void join_failing(struct side *side, struct gs_memory *memory, struct failing_memory *failing,
                         struct side *other) {
    for (uint64_t n = 1;; n++) {
        failing->fail_at = failing->count + n;
        if (gs_list_join(side->list, other->list, memory, &side->context, &other->context) == 0) {
            break;
        }
        gs_list_retain(side->list, memory, &side->context);
        check_between(side, &other->context);
    }
    failing->fail_at = 0;
    oracle_join(side, other);
    assert_int_equal(gs_context_join(&side->context, memory, &other->context), 0);
    side_check(side);
}

static void test_allocations_fail(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct failing_memory failing = {0};
        struct gs_memory memory = failing_memory(&failing);
        struct random random = {.state = seed};
        struct side *writers[2] = {side_new(0, NULL), side_new(1, NULL)};
        struct side *reader = side_new(2, &memory);
        struct delta *deltas = calloc(DELTAS_MAX, sizeof(*deltas));
        assert_non_null(deltas);
        uint32_t count = 0;
        for (; count < 40; count++) {
            struct side *writer = writers[random_below(&random, 2)];
            if (random_below(&random, 4) == 0) {
                side_join(writer, writers[random_below(&random, 2)]);
            }
            deltas[count] = random_edit(writer, &random);
            side_apply(writer, NULL, &deltas[count]);
        }
        for (uint32_t i = 0; i < 60; i++) {
            const struct delta *delta = &deltas[random_below(&random, count)];
            if (random_below(&random, 12) == 0) {
                join_failing(reader, &memory, &failing, writers[random_below(&random, 2)]);
            } else if (!gs_context_contains_events(&reader->context, &delta->origin, delta->previous, delta->seq)) {
                apply_failing(reader, &memory, &failing, delta);
            }
        }
        side_free(reader, &memory);
        assert_int_equal(failing.live, 0);
        assert_int_equal(memory.used, 0);
        side_free(writers[0], NULL);
        side_free(writers[1], NULL);
        free(deltas);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) {
        for (uint64_t seed = strtoull(argv[1], NULL, 10);; seed++) {
            printf("%lu\n", (unsigned long)seed);
            random_replicas(seed, seed % 3 == 0);
        }
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
