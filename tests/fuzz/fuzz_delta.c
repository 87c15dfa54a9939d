/* Deltas: what is accepted encodes to the same bytes, reads as JSON, and can be applied: twice is once, it is its own
 * join, and the state that it leaves encodes and comes back. Memory of the decoder follows the bytes. The first byte is
 * the event's number. */
#include "tests/fuzz/fuzz.h"

#include <globalstate/aggregate.h>
#include <globalstate/json.h>
#include <globalstate/rights.h>

enum { ORIGINS = 4, DECODE_FACTOR = 32, TEXT_DEPTH_MAX = GS_VALUE_DEPTH_MAX + 8 };

static struct gs_buffer encode(const struct gs_aggregate *state) {
    struct gs_buffer bytes = {0};
    FUZZ_REQUIRE(gs_aggregate_encode(state, GS_ENCODE_FULL, &bytes) == 0);
    return bytes;
}

static void require_same(const struct gs_aggregate *a, const struct gs_aggregate *b) {
    struct gs_buffer x = encode(a);
    struct gs_buffer y = encode(b);
    fuzz_require_equal(&x, y.bytes, y.length);
    gs_buffer_close(&x);
    gs_buffer_close(&y);
}

static void require_round_trip(const struct gs_aggregate *state) {
    struct gs_buffer bytes = encode(state);
    struct gs_aggregate *back = NULL;
    FUZZ_REQUIRE(gs_aggregate_decode(bytes.bytes, bytes.length, NULL, &back) == 0);
    require_same(back, state);
    gs_aggregate_free(back);
    gs_buffer_close(&bytes);
}

static void apply(const struct gs_delta *delta) {
    struct gs_aggregate *once = gs_aggregate_new(NULL);
    struct gs_aggregate *joined = gs_aggregate_new(NULL);
    FUZZ_REQUIRE(once != NULL && joined != NULL);
    int checked = gs_aggregate_check_rights(once, &delta, 1);
    FUZZ_REQUIRE(checked == 0 || checked == GS_EOVERSPENT);
    FUZZ_REQUIRE(gs_aggregate_apply(once, delta) == 0);
    require_round_trip(once);
    FUZZ_REQUIRE(gs_aggregate_join(joined, once) == 0);
    require_same(joined, once);
    FUZZ_REQUIRE(gs_aggregate_apply(joined, delta) == 0);
    require_same(joined, once);
    FUZZ_REQUIRE(gs_aggregate_join(joined, once) == 0);
    require_same(joined, once);
    gs_aggregate_free(once);
    gs_aggregate_free(joined);
}

static void describe(const struct gs_delta *delta) {
    struct gs_buffer text = {0};
    struct gs_buffer value = {0};
    gs_delta_write_json(delta, &text);
    FUZZ_REQUIRE(text.failed == 0);
    int error = gs_json_parse((const char *)text.bytes, text.length, TEXT_DEPTH_MAX, &value, NULL);
    FUZZ_REQUIRE(error == 0 || error == GS_EJSON); /* U+0000 in a key of a value: only peers can write it */
    gs_buffer_close(&text);
    gs_buffer_close(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gs_origin origins[ORIGINS] = {{{2}}, {{1}}, {{3}}, {{0}}};
    struct gs_origin_table table = {.origins = origins, .count = ORIGINS};
    struct fuzz_count count;
    struct gs_memory memory = fuzz_memory(&count);
    struct gs_arena arena = {.memory = &memory};
    struct gs_reader reader;
    if (size == 0) {
        return 0;
    }
    struct gs_delta delta = {.origin = origins[0], .seq = data[0], .clock = 7};
    gs_reader_init(&reader, data + 1, size - 1);
    int error = gs_delta_decode(&reader, &table, &arena, &delta);
    fuzz_require_within(&count, size, DECODE_FACTOR);
    if (error == 0 && gs_reader_finish(&reader) == 0) {
        struct gs_buffer again = {0};
        FUZZ_REQUIRE(gs_delta_encode(&delta, &table, &again) == 0);
        fuzz_require_equal(&again, data + 1, size - 1);
        gs_buffer_close(&again);
        describe(&delta);
        apply(&delta);
    }
    gs_arena_close(&arena);
    FUZZ_REQUIRE(count.now == 0);
    return 0;
}
