/* From the state to a document: the ops are the smallest set, and lead there. */
#include "tests/unit/replica_fixture.h"

static struct replica prepared(struct gs_arena *arena) {
    struct replica a = replica_new(1);
    replica_write(&a, 1,
                  "[{'op':'set','path':'/r','value':1},{'op':'increment','path':'/c','by':7},"
                  "{'op':'add','path':'/s','value':1},{'op':'add','path':'/s','value':'x'},"
                  "{'op':'max','path':'/x','by':5},{'op':'set','path':'/m/k','value':'v'}]",
                  arena);
    return a;
}

/* PUT: diff, prepare, apply; `ops` is the delta as a person would have sent it. */
static void put(struct replica *replica, const char *document, const char *ops, const char *expected) {
    struct gs_arena arena = {0};
    struct gs_op *list = NULL;
    uint32_t count = 0;
    struct gs_problem problem;
    struct gs_delta delta;
    struct gs_slice value = value_of(&arena, document);
    assert_int_equal(gs_aggregate_diff(replica->state, value, &arena, &list, &count, &problem), 0);
    struct gs_stamp stamp = {.origin = replica->origin, .seq = ++replica->seq, .clock = 5};
    assert_int_equal(gs_aggregate_prepare(replica->state, list, count, &stamp, "", &arena, &delta, &problem), 0);
    assert_int_equal(gs_aggregate_apply(replica->state, &delta), 0);
    struct gs_buffer text = {0};
    gs_delta_write_json(&delta, &text);
    gs_buffer_byte(&text, 0);
    for (size_t i = 0; i < text.length; i++) {
        text.bytes[i] = text.bytes[i] == '"' ? '\'' : text.bytes[i];
    }
    assert_string_equal((char *)text.bytes, ops);
    gs_buffer_close(&text);
    assert_json(replica->state, expected ? expected : document);
    assert_int_equal(gs_aggregate_diff(replica->state, value, &arena, &list, &count, &problem), 0);
    assert_int_equal(count, 0);
    gs_arena_close(&arena);
}

static void from(const char *document, const char *ops) {
    struct gs_arena arena = {0};
    struct replica a = prepared(&arena);
    put(&a, document, ops, NULL);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void each_type(void **state) {
    (void)state;
    from("{'c':7,'m':{'k':'v'},'r':1,'s':[1,'x'],'x':5}", "[]");
    from("{'c':4,'m':{'k':'v'},'r':2,'s':[1,'x'],'x':5}",
         "[{'op':'increment','path':'/c','by':-3},{'op':'set','path':'/r','value':2}]");
    from(
        "{'c':7,'m':{'k':'v'},'r':1,'s':['x','y'],'x':9}",
        "[{'op':'remove','path':'/s','value':1},{'op':'add','path':'/s','value':'y'},{'op':'max','path':'/x','by':9}]");
    from("{'c':7,'m':{'k':'v'},'r':1,'s':[1,'x'],'x':2.5}",
         "[{'op':'unset','path':'/x'},{'op':'max','path':'/x','by':2.5}]");
    from("{'c':7,'m':1,'r':{'a':1},'s':[1,'x'],'x':5}",
         "[{'op':'unset','path':'/m'},{'op':'set','path':'/m','value':1},{'op':'unset','path':'/r'},"
         "{'op':'set','path':'/r','value':{}},{'op':'set','path':'/r/a','value':1}]");
    from("{'c':7,'m':{},'n':[2,1],'r':1,'s':[1,'x'],'x':5}",
         "[{'op':'set','path':'/m','value':{}},{'op':'set','path':'/n','value':[2,1]},{'op':'unset','path':'/m/k'}]");
    from("{'c':7,'m':{'j':1},'r':1,'s':[1,'x']}",
         "[{'op':'set','path':'/m/j','value':1},{'op':'unset','path':'/m/k'},{'op':'unset','path':'/x'}]");
}

static void to_and_from_nothing(void **state) {
    (void)state;
    struct replica a = replica_new(1);
    put(&a, "{}", "[{'op':'set','path':'','value':{}}]", NULL);
    put(&a, "{'a':{'b':1}}", "[{'op':'set','path':'/a','value':{}},{'op':'set','path':'/a/b','value':1}]", NULL);
    put(&a, "{}", "[{'op':'unset','path':'/a'}]", NULL);
    assert_true(gs_aggregate_exists(a.state));
    gs_aggregate_free(a.state);
    struct gs_arena arena = {0};
    a = prepared(&arena);
    put(&a, "{}",
        "[{'op':'set','path':'','value':{}},{'op':'unset','path':'/c'},{'op':'unset','path':'/m'},"
        "{'op':'unset','path':'/r'},{'op':'unset','path':'/s'},{'op':'unset','path':'/x'}]",
        NULL);
    assert_true(gs_aggregate_exists(a.state));
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* A name with two types: the document decides, whatever stands behind what is shown. */
static void conflicting_types(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    replica_write(&a, 1, "[{'op':'set','path':'/a/b','value':1},{'op':'increment','path':'/c','by':1}]", &arena);
    struct gs_delta y =
        replica_write(&b, 1, "[{'op':'set','path':'/a','value':2},{'op':'set','path':'/c','value':9}]", &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &y), 0);
    assert_json(a.state, "{'a':{'b':1},'c':1}");
    put(&a, "{'a':3,'c':2}",
        "[{'op':'unset','path':'/a'},{'op':'set','path':'/a','value':3},{'op':'increment','path':'/c','by':1}]", NULL);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static void misfit(const char *document, int code, const char *field) {
    struct gs_arena arena = {0};
    struct replica a = prepared(&arena);
    struct gs_op *list = NULL;
    uint32_t count = 0;
    struct gs_problem problem = {0};
    assert_int_equal(gs_aggregate_diff(a.state, value_of(&arena, document), &arena, &list, &count, &problem), code);
    assert_string_equal(problem.field, field);
    assert_null(list);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void misfits_are_refused(void **state) {
    (void)state;
    misfit("{'c':'x'}", GS_ETYPE, "/c");
    misfit("{'c':1.5}", GS_ETYPE, "/c");
    misfit("{'c':{}}", GS_ETYPE, "/c");
    misfit("{'s':1}", GS_ETYPE, "/s");
    misfit("{'s':[{}]}", GS_ETYPE, "/s");
    misfit("{'x':[]}", GS_ETYPE, "/x");
    misfit("{'c':-9223372036854775808}", GS_EOVERFLOW, "/c");
    misfit("[]", GS_ETYPE, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type),
        cmocka_unit_test(to_and_from_nothing),
        cmocka_unit_test(conflicting_types),
        cmocka_unit_test(misfits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
