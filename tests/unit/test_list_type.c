/* Lists as fields: ops and what is refused, sets by the smallest script, concurrent typing, hostile anchors. */
#include "tests/unit/failing_memory.h"
#include "tests/unit/replica_fixture.h"

#include <stdio.h>

static void send(struct replica *from, struct replica *to, const char *json, struct gs_arena *arena) {
    struct gs_delta delta = replica_write(from, 1, json, arena);
    assert_int_equal(gs_aggregate_apply(to->state, &delta), 0);
}

static void ops_do_what_they_say(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':0,'value':'x'}]", &arena);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':1,'values':[{'k':[1]},null,2.5]}]", &arena);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':1,'value':[]}]", &arena);
    assert_json(a.state, "{'l':['x',[],{'k':[1]},null,2.5]}");
    replica_write(&a, 1, "[{'op':'delete','path':'/l','index':1,'count':2},{'op':'delete','path':'/l','index':0}]",
                  &arena);
    assert_json(a.state, "{'l':[null,2.5]}");
    assert_round_trip(a.state);
    replica_write(&a, 1, "[{'op':'delete','path':'/l','index':0,'count':2}]", &arena);
    assert_json(a.state, "{}");
    assert_false(gs_aggregate_exists(a.state));
    assert_round_trip(a.state);
    replica_write(&a, 1, "[{'op':'create','path':'/l','type':'list'}]", &arena);
    assert_json(a.state, "{'l':[]}");
    replica_write(&a, 1, "[{'op':'set','path':'/l','value':[1,2,3]}]", &arena);
    replica_write(&a, 1, "[{'op':'set','path':'/l','value':[]}]", &arena);
    assert_json(a.state, "{'l':[]}");
    replica_write(&a, 1, "[{'op':'unset','path':'/l'}]", &arena);
    assert_json(a.state, "{}");
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void misfits_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *ops;
        int code;
        const char *field;
    } cases[] = {
        {"[{'op':'insert','path':'/l','index':3,'value':1}]", GS_ERANGE, "/ops/0/index"},
        {"[{'op':'insert','path':'/new','index':1,'value':1}]", GS_ERANGE, "/ops/0/index"},
        {"[{'op':'insert','path':'/l','index':9223372036854775807,'value':1}]", GS_ERANGE, "/ops/0/index"},
        {"[{'op':'insert','path':'/l','index':-1,'value':1}]", GS_ERANGE, "/ops/0/index"},
        {"[{'op':'insert','path':'/l','index':0.5,'value':1}]", GS_ETYPE, "/ops/0/index"},
        {"[{'op':'insert','path':'/l','value':1}]", GS_EINVAL, "/ops/0/index"},
        {"[{'op':'insert','path':'/l','index':0}]", GS_EINVAL, "/ops/0/value"},
        {"[{'op':'insert','path':'/l','index':0,'value':1,'values':[1]}]", GS_EINVAL, "/ops/0/value"},
        {"[{'op':'insert','path':'/l','index':0,'values':[]}]", GS_ETYPE, "/ops/0/values"},
        {"[{'op':'insert','path':'/l','index':0,'values':1}]", GS_ETYPE, "/ops/0/values"},
        {"[{'op':'insert','path':'/r','index':0,'value':1}]", GS_ETYPE, "/ops/0"},
        {"[{'op':'insert','path':'','index':0,'value':1}]", GS_ETYPE, "/ops/0"},
        {"[{'op':'insert','path':'/l/0','index':0,'value':1}]", GS_ETYPE, "/ops/0/path"},
        {"[{'op':'insert','path':'/l','index':0,'value':[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}]", GS_EDEPTH,
         "/ops/0/value"},
        {"[{'op':'delete','path':'/l','index':2}]", GS_ERANGE, "/ops/0/index"},
        {"[{'op':'delete','path':'/l','index':1,'count':2}]", GS_ERANGE, "/ops/0/index"},
        {"[{'op':'delete','path':'/l','index':0,'count':0}]", GS_ERANGE, "/ops/0/count"},
        {"[{'op':'delete','path':'/new','index':0}]", GS_ERANGE, "/ops/0/index"},
        {"[{'op':'add','path':'/l','value':1}]", GS_ETYPE, "/ops/0"},
        {"[{'op':'set','path':'/l','value':1}]", GS_ETYPE, "/ops/0/value"},
        {"[{'op':'set','path':'/l','value':{}}]", GS_ETYPE, "/ops/0/value"},
        {"[{'op':'set','path':'/r','value':2},{'op':'delete','path':'/l','index':5}]", GS_ERANGE, "/ops/1/index"},
    };
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':0,'values':[1,2]},{'op':'set','path':'/r','value':1}]",
                  &arena);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gs_delta delta;
        struct gs_problem problem = {0};
        int error = replica_prepare(&a, 2, cases[i].ops, &arena, &delta, &problem);
        if (error != cases[i].code || strcmp(problem.field, cases[i].field) != 0) {
            fail_msg("%s: %s at %s", cases[i].ops, gs_error_name(error), problem.field);
        }
    }
    assert_json(a.state, "{'l':[1,2],'r':1}");
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* A set of an array touches only what differs, so that what others do elsewhere in the list stays. */
static void a_set_keeps_concurrent_edits(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    send(&a, &b, "[{'op':'insert','path':'/l','index':0,'values':['a','b','c','d','e']}]", &arena);
    struct gs_delta ours = replica_write(&a, 1, "[{'op':'set','path':'/l','value':['a','x','c','e','f']}]", &arena);
    assert_int_equal(ours.count, 4); /* x in, b out, d out, f in */
    struct gs_delta theirs = replica_write(
        &b, 1, "[{'op':'insert','path':'/l','index':3,'value':'!'},{'op':'delete','path':'/l','index':0}]", &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &theirs), 0);
    assert_int_equal(gs_aggregate_apply(b.state, &ours), 0);
    assert_json(a.state, "{'l':['x','c','!','e','f']}");
    assert_same(a.state, b.state);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

/* Whatever the documents are, a set ends in the one that was asked for; far apart ones too. */
static void a_set_reaches_its_value(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    uint32_t seed = 1;
    for (uint32_t round = 0; round < 40; round++) {
        struct gs_buffer text = {0};
        uint32_t count = round % 10 == 9 ? 1500 : 1 + round * 3;
        gs_buffer_text(&text, "[");
        for (uint32_t i = 0; i < count; i++) {
            seed = seed * 1103515245 + 12345;
            gs_buffer_printf(&text, "%s%u", i > 0 ? "," : "", (seed >> 16) % (round % 20 == 19 ? 1000000U : 4U));
        }
        gs_buffer_text(&text, "]");
        gs_buffer_byte(&text, 0);
        struct gs_buffer ops = {0};
        gs_buffer_printf(&ops, "[{'op':'%s','path':'/l','%s':%s%s}]", round > 0 ? "set" : "insert",
                         round > 0 ? "value" : "values", (const char *)text.bytes, round > 0 ? "" : ",'index':0");
        gs_buffer_byte(&ops, 0);
        replica_write(&a, 1, (const char *)ops.bytes, &arena);
        struct gs_buffer wanted = {0};
        gs_buffer_printf(&wanted, "{'l':%s}", (const char *)text.bytes);
        gs_buffer_byte(&wanted, 0);
        assert_json(a.state, (const char *)wanted.bytes);
        gs_buffer_close(&text);
        gs_buffer_close(&ops);
        gs_buffer_close(&wanted);
    }
    assert_round_trip(a.state);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

enum style { FORWARD, BACKWARD, AS_RUN, STYLES };

/* Types "0123" after the first character, one way or another. */
static void type(struct replica *replica, enum style style, char letter, struct gs_arena *arena,
                 struct gs_delta deltas[4], uint32_t *ret_count) {
    *ret_count = style == AS_RUN ? 1 : 4;
    for (uint32_t i = 0; i < *ret_count; i++) {
        char ops[160];
        char digit = (char)(style == BACKWARD ? '3' - (char)i : '0' + (char)i);
        if (style == AS_RUN) {
            snprintf(ops, sizeof(ops), "[{'op':'insert','path':'/l','index':1,'values':['%c0','%c1','%c2','%c3']}]",
                     letter, letter, letter, letter);
        } else {
            snprintf(ops, sizeof(ops), "[{'op':'insert','path':'/l','index':%u,'value':'%c%c'}]",
                     style == FORWARD ? 1 + i : 1, letter, digit);
        }
        deltas[i] = replica_write(replica, 1, ops, arena);
    }
}

static void concurrent_runs_do_not_interleave(void **state) {
    (void)state;
    for (int styles = 0; styles < STYLES * STYLES; styles++) {
        struct gs_arena arena = {0};
        struct replica a = replica_new(1);
        struct replica b = replica_new(2);
        struct gs_delta ours[4];
        struct gs_delta theirs[4];
        uint32_t our_count = 0;
        uint32_t their_count = 0;
        send(&a, &b, "[{'op':'insert','path':'/l','index':0,'values':['<','>']}]", &arena);
        type(&a, (enum style)(styles % STYLES), 'a', &arena, ours, &our_count);
        type(&b, (enum style)(styles / STYLES), 'b', &arena, theirs, &their_count);
        for (uint32_t i = 0; i < their_count; i++) {
            assert_int_equal(gs_aggregate_apply(a.state, &theirs[i]), 0);
        }
        for (uint32_t i = our_count; i > 0; i--) { /* in the wrong order */
            assert_int_equal(gs_aggregate_apply(b.state, &ours[i - 1]), 0);
        }
        assert_same(a.state, b.state);
        struct gs_buffer text = {0};
        assert_int_equal(gs_aggregate_write_json(a.state, &text), 0);
        gs_buffer_byte(&text, 0);
        const char *got = (const char *)text.bytes;
        bool a_first =
            strcmp(got, "{\"l\":[\"<\",\"a0\",\"a1\",\"a2\",\"a3\",\"b0\",\"b1\",\"b2\",\"b3\",\">\"]}") == 0;
        bool b_first =
            strcmp(got, "{\"l\":[\"<\",\"b0\",\"b1\",\"b2\",\"b3\",\"a0\",\"a1\",\"a2\",\"a3\",\">\"]}") == 0;
        assert_true(a_first || b_first);
        gs_buffer_close(&text);
        gs_aggregate_free(a.state);
        gs_aggregate_free(b.state);
        gs_arena_close(&arena);
    }
}

/* Anchors that no writer of ours would name: dots that are no elements, or never come. What hangs on them is not
 * shown, and disturbs nothing. */
static void anchors_that_are_not_there(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':0,'value':'x'}]", &arena);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':1,'value':'y'}]", &arena);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':2,'value':'z'}]", &arena);
    static const gs_point points[] = {{1, 1}, {2, 1}, {2, 7}, {3, 1}, {9, 0}};
    struct gs_slice name = gs_slice_make("l", 1);
    for (uint64_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        struct gs_list_anchor anchor = {.side = i % 2 ? GS_LIST_BEFORE : GS_LIST_AFTER, .dot = {a.origin, points[i]}};
        struct gs_change change = {
            .kind = GS_OP_INSERT, .path = {1, &name}, .value = value_of(&arena, "['lost','too']"), .anchor = &anchor};
        struct gs_delta delta = {.origin = origin_of(2), .seq = i + 1, .previous = i, .count = 1, .changes = &change};
        assert_int_equal(gs_aggregate_apply(a.state, &delta), 0);
        assert_json(a.state, "{'l':['x','y','z']}");
        assert_round_trip(a.state);
        struct gs_aggregate *other = gs_aggregate_new(NULL);
        assert_int_equal(gs_aggregate_join(other, a.state), 0);
        join_delta(other, &delta);
        assert_same(other, a.state);
        gs_aggregate_free(other);
    }
    replica_write(&a, 1, "[{'op':'delete','path':'/l','index':1}]", &arena);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':1,'value':'Y'}]", &arena);
    assert_json(a.state, "{'l':['x','Y','z']}");
    replica_write(&a, 1, "[{'op':'unset','path':'/l'}]", &arena);
    assert_json(a.state, "{}");
    assert_round_trip(a.state);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* A claim of many deleted elements costs nothing, and must be backed by the context. */
static void claimed_elements_are_not_reserved(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'insert','path':'/l','index':0,'values':[1,2]}]", &arena);
    replica_write(&a, 1, "[{'op':'delete','path':'/l','index':0,'count':2},{'op':'set','path':'/m','value':1}]",
                  &arena);
    struct gs_buffer bytes = encode_of(a.state, GS_ENCODE_FULL);
    struct gs_buffer damaged = {0};
    /* … "l", type 2, [0, 1, 0, 0, 2, []]: the count becomes 2^32 - 1. */
    static const uint8_t run[] = {0x96, 0x00, 0x01, 0x00, 0x00, 0x02, 0x90};
    size_t at = 0;
    while (at + sizeof(run) < bytes.length && memcmp(bytes.bytes + at, run, sizeof(run)) != 0) {
        at++;
    }
    assert_true(at + sizeof(run) < bytes.length);
    gs_buffer_append(&damaged, bytes.bytes, at + 5);
    gs_write_uint(&damaged, UINT32_MAX);
    gs_buffer_append(&damaged, bytes.bytes + at + 6, bytes.length - at - 6);
    struct failing_memory failing = {0};
    struct gs_memory memory = failing_memory(&failing);
    struct gs_aggregate *copy = NULL;
    assert_int_equal(gs_aggregate_decode(damaged.bytes, damaged.length, &memory, &copy), 0);
    assert_true(gs_aggregate_bytes(copy) < 4096);
    assert_json(copy, "{'m':1}");
    gs_aggregate_free(copy);
    damaged.bytes[at + 2] = 3; /* an event that has not been seen */
    assert_int_equal(gs_aggregate_decode(damaged.bytes, damaged.length, &memory, &copy), GS_EFORMAT);
    assert_int_equal(failing.live, 0);
    gs_buffer_close(&bytes);
    gs_buffer_close(&damaged);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_do_what_they_say),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(a_set_keeps_concurrent_edits),
        cmocka_unit_test(a_set_reaches_its_value),
        cmocka_unit_test(concurrent_runs_do_not_interleave),
        cmocka_unit_test(anchors_that_are_not_there),
        cmocka_unit_test(claimed_elements_are_not_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
