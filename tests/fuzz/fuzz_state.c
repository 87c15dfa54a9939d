/* States: what is accepted encodes to the same bytes, can be shown in every way, is its own join and clone, and a
 * DELETE of it leaves nothing to see, or is refused for rights that are left. Memory of the decoder follows the bytes:
 * the worst are cancelled counters, of which a path of 18 bytes makes 14 maps. */
#include "tests/fuzz/fuzz.h"

#include <globalstate/aggregate.h>
#include <globalstate/json.h>
#include <globalstate/rights.h>

#include <string.h>

enum { FACTOR = 128 };

static void require_bytes(const struct gs_aggregate *state, const uint8_t *data, size_t size) {
    struct gs_buffer bytes = {0};
    FUZZ_REQUIRE(gs_aggregate_encode(state, GS_ENCODE_FULL, &bytes) == 0);
    fuzz_require_equal(&bytes, data, size);
    gs_buffer_close(&bytes);
}

static int visit(void *context, const struct gs_conflict *conflict) {
    (void)context;
    FUZZ_REQUIRE(conflict->count >= 2 && conflict->path.depth <= GS_PATH_DEPTH_MAX);
    return 0;
}

/* Text and value say the same, but for bytes, which JSON writes as text, and for what nests deeper than it reads. */
static void show(const struct gs_aggregate *state) {
    struct gs_buffer text = {0};
    struct gs_buffer value = {0};
    struct gs_buffer other = {0};
    FUZZ_REQUIRE(gs_aggregate_write_json(state, &text) == 0);
    FUZZ_REQUIRE(gs_aggregate_write_value(state, &value) == 0);
    gs_json_write(gs_slice_make(value.bytes, value.length), &other);
    fuzz_require_equal(&other, text.bytes, text.length);
    value.length = 0;
    int error = gs_json_parse((const char *)text.bytes, text.length, GS_VALUE_DEPTH_MAX + 8, &value, NULL);
    FUZZ_REQUIRE(error == 0 || error == GS_EDEPTH || error == GS_EJSON); /* U+0000 in keys: from peers only */
    FUZZ_REQUIRE(gs_aggregate_visit_conflicts(state, visit, NULL) == 0);
    gs_buffer_close(&text);
    gs_buffer_close(&value);
    gs_buffer_close(&other);
}

/* Counts the rights that are left; what their holders have adds up to them, unless a sum is shown saturated. */
static int visit_rights(void *context, const struct gs_rights *rights) {
    uint32_t *above = context;
    int64_t sum = rights->bound;
    bool exact = rights->value != INT64_MAX && rights->value != INT64_MIN;
    for (uint32_t i = 0; i < rights->count && exact; i++) {
        FUZZ_REQUIRE(rights->holders[i].rights != 0);
        int64_t held = rights->holders[i].rights;
        exact = held != INT64_MAX && held != INT64_MIN && !__builtin_add_overflow(sum, held, &sum);
    }
    FUZZ_REQUIRE(!exact || sum == rights->value);
    *above += rights->value > rights->bound;
    return 0;
}

static void erase(struct gs_aggregate *state) {
    struct gs_stamp stamp = {.clock = UINT64_MAX};
    struct gs_arena arena = {0};
    struct gs_op op = {.kind = GS_OP_UNSET};
    struct gs_delta delta;
    memset(stamp.origin.bytes, 0xEE, sizeof(stamp.origin.bytes));
    stamp.seq = gs_context_seq(gs_aggregate_context(state), &stamp.origin);
    if (stamp.seq++ < UINT64_MAX) {
        uint32_t above = 0;
        FUZZ_REQUIRE(gs_aggregate_visit_rights(state, visit_rights, &above) == 0);
        int error = gs_aggregate_prepare(state, &op, 1, &stamp, "", &arena, &delta, NULL);
        FUZZ_REQUIRE(error == (above > 0 ? GS_ERIGHTS : 0));
        FUZZ_REQUIRE(error != 0 || gs_aggregate_apply(state, &delta) == 0);
        FUZZ_REQUIRE(error != 0 || !gs_aggregate_exists(state));
    }
    gs_arena_close(&arena);
}

/* The context alone is read from whatever begins as a state does. */
static void require_context(const struct gs_aggregate *state, const uint8_t *data, size_t size) {
    struct fuzz_count count;
    struct gs_memory memory = fuzz_memory(&count);
    struct gs_aggregate *context = NULL;
    int error = gs_aggregate_decode_context(data, size, &memory, &context);
    fuzz_require_within(&count, size, FACTOR);
    FUZZ_REQUIRE(state == NULL || error == 0);
    if (error == 0) {
        FUZZ_REQUIRE(!gs_aggregate_exists(context));
        FUZZ_REQUIRE(state == NULL || gs_context_equal(gs_aggregate_context(context), gs_aggregate_context(state)));
        gs_aggregate_free(context);
    }
    FUZZ_REQUIRE(count.now == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_count count;
    struct gs_memory memory = fuzz_memory(&count);
    struct gs_aggregate *state = NULL;
    int error = gs_aggregate_decode(data, size, &memory, &state);
    fuzz_require_within(&count, size, FACTOR);
    require_context(state, data, size);
    if (error == 0) {
        require_bytes(state, data, size);
        struct gs_aggregate *clone = gs_aggregate_clone(state, NULL);
        FUZZ_REQUIRE(clone != NULL && gs_aggregate_join(state, clone) == 0);
        require_bytes(clone, data, size);
        require_bytes(state, data, size);
        FUZZ_REQUIRE(gs_aggregate_bytes(state) <= FACTOR * size + 64 * 1024);
        show(clone);
        erase(clone);
        gs_aggregate_free(clone);
    }
    gs_aggregate_free(state);
    FUZZ_REQUIRE(count.now == 0);
    return 0;
}
