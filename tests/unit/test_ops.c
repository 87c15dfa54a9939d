/* Ops and paths as people write them: what is taken, what is refused, and where the problem is said to be. */
#include "tests/unit/replica_fixture.h"

static void pointers_go_both_ways(void **state) {
    (void)state;
    static const char *const texts[] = {"", "/", "/a", "/a/b", "//", "/~0/~1", "/a~1b/m~0n", "/\xC3\xA9"};
    struct gs_arena arena = {0};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct gs_path path;
        struct gs_buffer out = {0};
        assert_int_equal(gs_path_parse(gs_slice_make(texts[i], strlen(texts[i])), &arena, &path), 0);
        gs_path_write(&path, &out);
        assert_int_equal(out.length, strlen(texts[i]));
        if (out.length > 0) {
            assert_memory_equal(out.bytes, texts[i], out.length);
        }
        gs_buffer_close(&out);
    }
    struct gs_path path;
    assert_int_equal(gs_path_parse(gs_slice_make("/~0~1/", 6), &arena, &path), 0);
    assert_int_equal(path.depth, 2);
    assert_int_equal(path.names[0].length, 2);
    assert_memory_equal(path.names[0].bytes, "~/", 2);
    assert_int_equal(path.names[1].length, 0);
    gs_arena_close(&arena);
}

static void bad_pointers_are_refused(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct gs_path path;
    char longest[GS_NAME_BYTES_MAX + 3] = "/";
    memset(longest + 1, 'x', GS_NAME_BYTES_MAX + 1);
    assert_int_equal(gs_path_parse(gs_slice_make("a", 1), &arena, &path), GS_EPATH);
    assert_int_equal(gs_path_parse(gs_slice_make("/~", 2), &arena, &path), GS_EPATH);
    assert_int_equal(gs_path_parse(gs_slice_make("/~2", 3), &arena, &path), GS_EPATH);
    assert_int_equal(gs_path_parse(gs_slice_make("/~/0", 4), &arena, &path), GS_EPATH);
    assert_int_equal(gs_path_parse(gs_slice_make("/a\0b", 4), &arena, &path), GS_EPATH);
    assert_int_equal(gs_path_parse(gs_slice_make("/\xFF", 2), &arena, &path), GS_EUTF8);
    assert_int_equal(gs_path_parse(gs_slice_make(longest, GS_NAME_BYTES_MAX + 1), &arena, &path), 0);
    assert_int_equal(gs_path_parse(gs_slice_make(longest, GS_NAME_BYTES_MAX + 2), &arena, &path), GS_ETOOBIG);
    assert_int_equal(gs_path_parse(gs_slice_make("////////////////", 16), &arena, &path), 0);
    assert_int_equal(gs_path_parse(gs_slice_make("/////////////////", 17), &arena, &path), GS_EDEPTH);
    gs_arena_close(&arena);
}

static void assert_refused(const char *json, int code, const char *field) {
    struct gs_arena arena = {0};
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    struct gs_problem problem = {0};
    assert_int_equal(gs_ops_parse(value_of(&arena, json), "/ops", &arena, &ops, &count, &problem), code);
    assert_int_equal(problem.code, code);
    assert_string_equal(problem.field, field);
    assert_null(ops);
    gs_arena_close(&arena);
}

static void malformed_ops_are_refused(void **state) {
    (void)state;
    assert_refused("{}", GS_EINVAL, "/ops");
    assert_refused("[1]", GS_EINVAL, "/ops/0");
    assert_refused("[{'path':'/a'}]", GS_EINVAL, "/ops/0/op");
    assert_refused("[{'op':1,'path':'/a'}]", GS_EINVAL, "/ops/0/op");
    assert_refused("[{'op':'drop','path':'/a'}]", GS_EUNKNOWNOP, "/ops/0/op");
    assert_refused("[{'op':'unset'}]", GS_EINVAL, "/ops/0/path");
    assert_refused("[{'op':'unset','path':'a'}]", GS_EPATH, "/ops/0/path");
    assert_refused("[{'op':'unset','path':'/a','x':1}]", GS_EINVAL, "/ops/0/x");
    assert_refused("[{'op':'unset','path':'/a','value':1}]", GS_EINVAL, "/ops/0/value");
    assert_refused("[{'op':'set','path':'/a','by':1}]", GS_EINVAL, "/ops/0/by");
    assert_refused("[{'op':'set','path':'/a'}]", GS_EINVAL, "/ops/0/value");
    assert_refused("[{'op':'unset','path':'/a'},{'op':'increment','path':'/a'}]", GS_EINVAL, "/ops/1/by");
    assert_refused("[{'op':'increment','path':'/a','by':1.0}]", GS_ETYPE, "/ops/0/by");
    assert_refused("[{'op':'max','path':'/a','by':'1'}]", GS_ETYPE, "/ops/0/by");
    assert_refused("[{'op':'add','path':'/a','value':[]}]", GS_ETYPE, "/ops/0/value");
    assert_refused("[{'op':'remove','path':'/a','value':{}}]", GS_ETYPE, "/ops/0/value");
}

static void too_many_ops_are_refused(void **state) {
    (void)state;
    struct gs_buffer text = {0};
    gs_buffer_byte(&text, '[');
    for (int i = 0; i <= GS_OPS_PER_EVENT_MAX; i++) {
        gs_buffer_text(&text, i > 0 ? ",{'op':'unset','path':'/a'}" : "{'op':'unset','path':'/a'}");
    }
    gs_buffer_text(&text, "]");
    gs_buffer_byte(&text, 0);
    assert_refused((char *)text.bytes, GS_ETOOBIG, "/ops");
    gs_buffer_close(&text);
}

/* What does not fit the state is refused with the place, and nothing changes. */
static void misfit(const char *before, const char *ops, int code, const char *field) {
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct gs_delta delta;
    struct gs_problem problem = {0};
    replica_write(&a, 1, before, &arena);
    struct gs_aggregate *copy = gs_aggregate_clone(a.state, NULL);
    assert_int_equal(replica_prepare(&a, 2, ops, &arena, &delta, &problem), code);
    assert_string_equal(problem.field, field);
    assert_same(a.state, copy);
    gs_aggregate_free(copy);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void misfits_are_refused(void **state) {
    (void)state;
    const char *all = "[{'op':'set','path':'/r','value':1},{'op':'increment','path':'/c','by':1},"
                      "{'op':'add','path':'/s','value':1},{'op':'max','path':'/x','by':1},{'op':'set','path':'/m/k',"
                      "'value':1}]";
    misfit(all, "[{'op':'increment','path':'/r','by':1}]", GS_ETYPE, "/ops/0");
    misfit(all, "[{'op':'add','path':'/c','value':1}]", GS_ETYPE, "/ops/0");
    misfit(all, "[{'op':'remove','path':'/x','value':1}]", GS_ETYPE, "/ops/0");
    misfit(all, "[{'op':'max','path':'/m','by':1}]", GS_ETYPE, "/ops/0");
    misfit(all, "[{'op':'set','path':'/c','value':'x'}]", GS_ETYPE, "/ops/0/value");
    misfit(all, "[{'op':'set','path':'/c','value':{}}]", GS_ETYPE, "/ops/0/value");
    misfit(all, "[{'op':'set','path':'/s','value':[[]]}]", GS_ETYPE, "/ops/0/value");
    misfit(all, "[{'op':'set','path':'/x','value':null}]", GS_ETYPE, "/ops/0/value");
    misfit(all, "[{'op':'set','path':'','value':1}]", GS_ETYPE, "/ops/0/value");
    misfit(all, "[{'op':'increment','path':'','by':1}]", GS_ETYPE, "/ops/0");
    misfit(all, "[{'op':'set','path':'/r/x','value':1}]", GS_ETYPE, "/ops/0/path");
    misfit(all, "[{'op':'unset','path':'/m/k/z'}]", GS_ETYPE, "/ops/0/path");
    misfit(all, "[{'op':'unset','path':'/r'},{'op':'unset','path':'/c/z'}]", GS_ETYPE, "/ops/1/path");
    misfit("[]", "[{'op':'set','path':'/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g','value':{'h':1}}]", GS_EDEPTH, "/ops/0/value");
}

static void later_ops_see_earlier_ones(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'set','path':'/a','value':1}]", &arena);
    struct gs_delta delta = replica_write(&a, 2,
                                          "[{'op':'unset','path':'/a'},{'op':'increment','path':'/a','by':1},"
                                          "{'op':'increment','path':'/a','by':1},{'op':'unset','path':'/b'}]",
                                          &arena);
    assert_json(a.state, "{'a':2}");
    assert_int_equal(delta.count, 3);
    assert_true(delta.changes[1].fresh);
    assert_false(delta.changes[2].fresh);
    assert_int_equal(delta.changes[2].before, 1);
    assert_int_equal(delta.changes[2].index, 2);
    assert_int_equal(delta.previous, 1);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void nothing_to_do_is_no_change(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'max','path':'/x','by':3},{'op':'add','path':'/s','value':1}]", &arena);
    struct gs_delta delta = replica_write(&a, 2,
                                          "[{'op':'max','path':'/x','by':3},{'op':'max','path':'/x','by':2.5},"
                                          "{'op':'remove','path':'/s','value':2},{'op':'remove','path':'/t','value':2},"
                                          "{'op':'unset','path':'/q/w'},{'op':'set','path':'/x','value':3.0},"
                                          "{'op':'set','path':'/s','value':[1]}]",
                                          &arena);
    assert_int_equal(delta.count, 0);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void numbers_compare_exactly(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'max','path':'/x','by':9007199254740992.0}]", &arena);
    replica_write(&a, 2, "[{'op':'max','path':'/x','by':9007199254740993}]", &arena);
    assert_json(a.state, "{'x':9007199254740993}");
    replica_write(&a, 3, "[{'op':'max','path':'/x','by':9223372036854775807}]", &arena);
    struct gs_delta larger = replica_write(&a, 4, "[{'op':'max','path':'/x','by':9223372036854775808.0}]", &arena);
    assert_int_equal(larger.count, 1);
    struct gs_delta less = replica_write(&a, 5, "[{'op':'max','path':'/x','by':9223372036854775807}]", &arena);
    assert_int_equal(less.count, 0);
    replica_write(&a, 6, "[{'op':'max','path':'/y','by':-9223372036854775808}]", &arena);
    struct gs_delta equal = replica_write(&a, 7, "[{'op':'max','path':'/y','by':-9223372036854775808.0}]", &arena);
    assert_int_equal(equal.count, 0);
    struct gs_delta half = replica_write(
        &a, 8,
        "[{'op':'max','path':'/z','by':-3},{'op':'max','path':'/z','by':-3.5},{'op':'max','path':'/z','by':-2.5}]",
        &arena);
    assert_int_equal(half.count, 2);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void an_old_seq_is_refused(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct gs_delta delta;
    struct gs_problem problem;
    replica_write(&a, 1, "[{'op':'set','path':'/a','value':1}]", &arena);
    a.seq = 0;
    assert_int_equal(replica_prepare(&a, 2, "[]", &arena, &delta, &problem), GS_EINVAL);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointers_go_both_ways),      cmocka_unit_test(bad_pointers_are_refused),
        cmocka_unit_test(malformed_ops_are_refused),  cmocka_unit_test(too_many_ops_are_refused),
        cmocka_unit_test(misfits_are_refused),        cmocka_unit_test(later_ops_see_earlier_ones),
        cmocka_unit_test(nothing_to_do_is_no_change), cmocka_unit_test(numbers_compare_exactly),
        cmocka_unit_test(an_old_seq_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
