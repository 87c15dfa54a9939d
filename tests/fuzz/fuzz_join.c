/* Joins of states and deltas that nobody would send: two states and a delta, each decoded from hostile bytes.
 *
 * Input: two bytes A and B each, little-endian: the lengths of the two states; a byte: the delta's number; the states;
 * the delta. Whatever the states say: a join leaves a state that encodes and comes back, joining the same again changes
 * nothing, dropping what is stable changes no canonical byte, and applying a delta that is new is joining it. */
#include "tests/fuzz/fuzz.h"

#include <globalstate/aggregate.h>

#include <string.h>

enum { HEAD = 5, ORIGINS = 4 };

static struct gs_buffer encode(const struct gs_aggregate *state, enum gs_encode_form form) {
    struct gs_buffer bytes = {0};
    FUZZ_REQUIRE(gs_aggregate_encode(state, form, &bytes) == 0);
    return bytes;
}

static void require_same(const struct gs_aggregate *a, const struct gs_aggregate *b, enum gs_encode_form form) {
    struct gs_buffer x = encode(a, form);
    struct gs_buffer y = encode(b, form);
    fuzz_require_equal(&x, y.bytes, y.length);
    gs_buffer_close(&x);
    gs_buffer_close(&y);
}

static void require_round_trip(const struct gs_aggregate *state) {
    struct gs_buffer bytes = encode(state, GS_ENCODE_FULL);
    struct gs_aggregate *back = NULL;
    FUZZ_REQUIRE(gs_aggregate_decode(bytes.bytes, bytes.length, NULL, &back) == 0);
    require_same(back, state, GS_ENCODE_FULL);
    gs_aggregate_free(back);
    gs_buffer_close(&bytes);
}

static struct gs_aggregate *joined(const struct gs_aggregate *a, const struct gs_aggregate *b) {
    struct gs_aggregate *both = gs_aggregate_clone(a, NULL);
    FUZZ_REQUIRE(both != NULL && gs_aggregate_join(both, b) == 0);
    return both;
}

static void join(const struct gs_aggregate *a, const struct gs_aggregate *b) {
    struct gs_aggregate *both = joined(a, b);
    require_round_trip(both);
    struct gs_aggregate *again = joined(both, b);
    FUZZ_REQUIRE(gs_aggregate_join(again, both) == 0);
    require_same(again, both, GS_ENCODE_FULL);
    struct gs_stability stability = {.stable = gs_aggregate_context(both)};
    FUZZ_REQUIRE(gs_aggregate_compact(again, &stability) == 0);
    require_round_trip(again);
    require_same(again, both, GS_ENCODE_CANONICAL);
    gs_aggregate_free(again);
    gs_aggregate_free(both);
}

static int is_seen(void *context, const gs_origin *origin, gs_point at) {
    const gs_dot dot = {*origin, at};
    return gs_context_contains(context, &dot);
}

/* A delta that claims what the state has seen already may contradict it; a new one may not make a difference between
 * applying and joining. */
static void apply(const struct gs_aggregate *state, const struct gs_delta *delta) {
    struct gs_aggregate *applied = gs_aggregate_clone(state, NULL);
    struct gs_aggregate *alone = gs_aggregate_new(NULL);
    FUZZ_REQUIRE(applied != NULL && alone != NULL);
    FUZZ_REQUIRE(gs_aggregate_apply(applied, delta) == 0);
    require_round_trip(applied);
    FUZZ_REQUIRE(gs_aggregate_apply(alone, delta) == 0);
    bool known = gs_context_seq(gs_aggregate_context(state), &delta->origin) > 0 ||
                 gs_delta_visit_claims(delta, is_seen, (void *)(uintptr_t)gs_aggregate_context(state)) != 0;
    if (!known) {
        struct gs_aggregate *both = joined(state, alone);
        require_same(both, applied, GS_ENCODE_FULL);
        gs_aggregate_free(both);
    }
    gs_aggregate_free(alone);
    gs_aggregate_free(applied);
}

static void read_delta(const struct gs_aggregate *a, const uint8_t *data, size_t size, uint8_t seq) {
    gs_origin origins[ORIGINS] = {{{2}}, {{1}}, {{3}}, {{0}}};
    struct gs_origin_table table = {.origins = origins, .count = ORIGINS};
    struct gs_arena arena = {0};
    struct gs_reader reader;
    struct gs_delta delta = {.origin = origins[0], .seq = seq, .clock = 7};
    gs_reader_init(&reader, data, size);
    if (gs_delta_decode(&reader, &table, &arena, &delta) == 0 && gs_reader_finish(&reader) == 0) {
        apply(a, &delta);
    }
    gs_arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD) {
        return 0;
    }
    size_t first = (size_t)data[0] | (size_t)data[1] << 8;
    size_t second = (size_t)data[2] | (size_t)data[3] << 8;
    if (first + second > size - HEAD) {
        return 0;
    }
    struct gs_aggregate *a = NULL;
    struct gs_aggregate *b = NULL;
    if (gs_aggregate_decode(data + HEAD, first, NULL, &a) == 0) {
        if (gs_aggregate_decode(data + HEAD + first, second, NULL, &b) == 0) {
            join(a, b);
        }
        read_delta(a, data + HEAD + first + second, size - HEAD - first - second, data[4]);
    }
    gs_aggregate_free(a);
    gs_aggregate_free(b);
    return 0;
}
