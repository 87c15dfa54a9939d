/* A replica for tests: an aggregate, an origin, and one-line writing in JSON. Tests only. */
#ifndef GS_TESTS_REPLICA_FIXTURE_H
#define GS_TESTS_REPLICA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <globalstate/aggregate.h>
#include <globalstate/json.h>

struct replica {
    struct gs_aggregate *state;
    gs_origin origin;
    uint64_t seq;
};

static inline gs_origin origin_of(int number) {
    gs_origin origin = {{0}};
    origin.bytes[0] = (uint8_t)number;
    return origin;
}

static inline struct replica replica_new(int number) {
    struct replica replica = {.state = gs_aggregate_new(NULL), .origin = origin_of(number)};
    assert_non_null(replica.state);
    return replica;
}

/* Parses JSON written with ' for ", so that tests stay readable; the value lives in `arena`. */
static inline struct gs_slice value_of(struct gs_arena *arena, const char *json) {
    char *text = gs_arena_copy(arena, json, strlen(json) + 1);
    assert_non_null(text);
    for (char *at = text; *at; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    struct gs_buffer out = {0};
    struct gs_problem problem;
    assert_int_equal(gs_json_parse(text, strlen(text), GS_VALUE_DEPTH_MAX + 8, &out, &problem), 0);
    struct gs_slice value = gs_slice_make(gs_arena_copy(arena, out.bytes, out.length), out.length);
    gs_buffer_close(&out);
    return value;
}

/* Resolves JSON ops to a delta of the replica's next event; nothing is applied. */
static inline int replica_prepare(struct replica *replica, uint64_t clock, const char *json, struct gs_arena *arena,
                                  struct gs_delta *ret_delta, struct gs_problem *problem) {
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    int error = gs_ops_parse(value_of(arena, json), "/ops", arena, &ops, &count, problem);
    if (error != 0) {
        return error;
    }
    struct gs_stamp stamp = {.origin = replica->origin, .seq = replica->seq + 1, .clock = clock};
    return gs_aggregate_prepare(replica->state, ops, count, &stamp, "/ops", arena, ret_delta, problem);
}

/* The same, and applies it. */
static inline struct gs_delta replica_write(struct replica *replica, uint64_t clock, const char *json,
                                            struct gs_arena *arena) {
    struct gs_delta delta;
    struct gs_problem problem = {0};
    int error = replica_prepare(replica, clock, json, arena, &delta, &problem);
    if (error != 0) {
        fail_msg("%s: %s %s", json, problem.field, problem.detail);
    }
    assert_int_equal(gs_aggregate_apply(replica->state, &delta), 0);
    replica->seq++;
    return delta;
}

static inline void assert_json(const struct gs_aggregate *aggregate, const char *expected) {
    struct gs_arena arena = {0};
    char *wanted = gs_arena_copy(&arena, expected, strlen(expected) + 1);
    for (char *at = wanted; *at; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    struct gs_buffer out = {0};
    assert_int_equal(gs_aggregate_write_json(aggregate, &out), 0);
    gs_buffer_byte(&out, 0);
    assert_string_equal((const char *)out.bytes, wanted);
    gs_buffer_close(&out);
    gs_arena_close(&arena);
}

static inline struct gs_buffer encode_of(const struct gs_aggregate *aggregate, enum gs_encode_form form) {
    struct gs_buffer out = {0};
    assert_int_equal(gs_aggregate_encode(aggregate, form, &out), 0);
    return out;
}

static inline bool encodings_equal(const struct gs_aggregate *a, const struct gs_aggregate *b,
                                   enum gs_encode_form form) {
    struct gs_buffer x = encode_of(a, form);
    struct gs_buffer y = encode_of(b, form);
    bool equal = x.length == y.length && memcmp(x.bytes, y.bytes, x.length) == 0;
    gs_buffer_close(&x);
    gs_buffer_close(&y);
    return equal;
}

/* Equal in content, context and encoding, full and canonical. */
static inline void assert_same(const struct gs_aggregate *a, const struct gs_aggregate *b) {
    assert_true(encodings_equal(a, b, GS_ENCODE_FULL));
    assert_true(encodings_equal(a, b, GS_ENCODE_CANONICAL));
}

/* The state survives its own encoding. */
static inline void assert_round_trip(const struct gs_aggregate *aggregate) {
    struct gs_buffer bytes = encode_of(aggregate, GS_ENCODE_FULL);
    struct gs_aggregate *copy = NULL;
    assert_int_equal(gs_aggregate_decode(bytes.bytes, bytes.length, NULL, &copy), 0);
    assert_same(aggregate, copy);
    gs_aggregate_free(copy);
    assert_int_equal(gs_aggregate_decode_context(bytes.bytes, bytes.length, NULL, &copy), 0);
    assert_true(gs_context_equal(gs_aggregate_context(aggregate), gs_aggregate_context(copy)));
    assert_false(gs_aggregate_exists(copy));
    gs_aggregate_free(copy);
    gs_buffer_close(&bytes);
}

/* Decodes a state of nine events of origin 1 with one field, "b", of the given type and payload (crdt/FORMAT.md). */
static inline int decode_field(enum gs_type type, const char *payload, size_t length) {
    struct gs_buffer bytes = {0};
    gs_origin own = origin_of(1);
    struct gs_aggregate *state = NULL;
    gs_write_array(&bytes, 4);
    gs_write_uint(&bytes, 3); /* the version */
    gs_write_array(&bytes, 1);
    gs_write_bin(&bytes, own.bytes, sizeof(own.bytes));
    gs_buffer_text(&bytes, "\x92");
    gs_write_uint(&bytes, 0);
    gs_write_uint(&bytes, 9);
    gs_buffer_text(&bytes, "\x92\x90\x91\x93\xa1");
    gs_buffer_byte(&bytes, 'b');
    gs_write_uint(&bytes, (uint64_t)type);
    gs_buffer_append(&bytes, payload, length);
    int error = gs_aggregate_decode(bytes.bytes, bytes.length, NULL, &state);
    gs_aggregate_free(state);
    gs_buffer_close(&bytes);
    return error;
}

/* join(X, apply(∅, d)), as in the textbook. */
static inline void join_delta(struct gs_aggregate *aggregate, const struct gs_delta *delta) {
    struct gs_aggregate *alone = gs_aggregate_new(NULL);
    assert_int_equal(gs_aggregate_apply(alone, delta), 0);
    assert_int_equal(gs_aggregate_join(aggregate, alone), 0);
    gs_aggregate_free(alone);
}

#endif
