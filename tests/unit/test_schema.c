/* A schema decides what is created, and nothing else. */
#include "tests/unit/replica_fixture.h"

#define NAME(text) \
    { (const uint8_t *)(text), sizeof(text) - 1 }

static const struct gs_slice tags[] = {NAME("tags")}, score[] = {NAME("score")},
                             any_limit[] = {NAME("*"), NAME("limit")}, off[] = {NAME("off")}, votes[] = {NAME("votes")},
                             bag[] = {NAME("bag")};
static const struct gs_schema_field fields[] = {
    {.path = {1, tags}, .type = GS_TYPE_SET_RW},      {.path = {1, score}, .type = GS_TYPE_COUNTER},
    {.path = {2, any_limit}, .type = GS_TYPE_MIN},    {.path = {1, off}, .type = GS_TYPE_FLAG_DW},
    {.path = {1, votes}, .type = GS_TYPE_MVREGISTER}, {.path = {1, bag}, .type = GS_TYPE_MAP},
};
static const struct gs_schema schema = {sizeof(fields) / sizeof(fields[0]), fields};

static int write_typed(struct replica *replica, const char *json, struct gs_arena *arena, struct gs_problem *problem) {
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    struct gs_delta delta;
    int error = gs_ops_parse(value_of(arena, json), "/ops", arena, &ops, &count, problem);
    struct gs_stamp stamp = {.origin = replica->origin, .seq = replica->seq + 1, .clock = 1, .schema = &schema};
    error =
        error != 0 ? error : gs_aggregate_prepare(replica->state, ops, count, &stamp, "/ops", arena, &delta, problem);
    if (error == 0) {
        assert_int_equal(gs_aggregate_apply(replica->state, &delta), 0);
        replica->seq++;
    }
    return error;
}

static void assert_makes(const char *ops, const char *then, const char *expected) {
    struct gs_arena arena = {0};
    struct gs_problem problem = {0};
    struct replica a = replica_new(1);
    assert_int_equal(write_typed(&a, ops, &arena, &problem), 0);
    if (then) {
        assert_int_equal(write_typed(&a, then, &arena, &problem), 0);
    }
    assert_json(a.state, expected);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void ops_make_what_the_schema_says(void **state) {
    (void)state;
    assert_makes("[{'op':'set','path':'/score','value':5}]", "[{'op':'increment','path':'/score','by':2}]",
                 "{'score':7}");
    assert_makes("[{'op':'set','path':'/score','value':0}]", "[{'op':'increment','path':'/score','by':2}]",
                 "{'score':2}");
    assert_makes("[{'op':'set','path':'','value':{'score':3,'tags':['a','b'],'x':{'limit':9},'bag':{}}}]",
                 "[{'op':'remove','path':'/tags','value':'a'},{'op':'min','path':'/x/limit','by':4}]",
                 "{'bag':{},'score':3,'tags':['b'],'x':{'limit':4}}");
    assert_makes("[{'op':'set','path':'/tags','value':[]}]", NULL, "{'tags':[]}");
    assert_makes("[{'op':'create','path':'/score','type':'counter'}]", NULL, "{'score':0}");
    assert_makes("[{'op':'enable','path':'/off'}]", NULL, "{'off':true}");
    assert_makes("[{'op':'set','path':'/votes','value':1}]", NULL, "{'votes':[1]}");
    assert_makes("[{'op':'set','path':'','value':{'votes':[2,1]}}]", NULL, "{'votes':[1,2]}");
}

/* A remove-wins set, told from the other by what an unseen remove does. */
static void the_type_is_the_one_of_the_schema(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct gs_problem problem = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    assert_int_equal(write_typed(&a, "[{'op':'add','path':'/tags','value':1}]", &arena, &problem), 0);
    assert_int_equal(gs_aggregate_join(b.state, a.state), 0);
    assert_int_equal(write_typed(&a, "[{'op':'add','path':'/tags','value':1}]", &arena, &problem), 0);
    assert_int_equal(write_typed(&b, "[{'op':'remove','path':'/tags','value':1}]", &arena, &problem), 0);
    assert_int_equal(gs_aggregate_join(a.state, b.state), 0);
    assert_json(a.state, "{}");
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static void misfits_are_refused(void **state) {
    (void)state;
    static const char *const misfits[] = {
        "[{'op':'increment','path':'/tags','by':1}]",     "[{'op':'set','path':'/tags','value':1}]",
        "[{'op':'set','path':'/tags','value':{}}]",       "[{'op':'set','path':'/score','value':'x'}]",
        "[{'op':'add','path':'/score','value':1}]",       "[{'op':'set','path':'/x/limit','value':'low'}]",
        "[{'op':'set','path':'/bag','value':1}]",         "[{'op':'set','path':'','value':{'off':1}}]",
        "[{'op':'create','path':'/score','type':'set'}]", "[{'op':'create','path':'/bag','type':'bounded_counter'}]",
    };
    for (size_t i = 0; i < sizeof(misfits) / sizeof(misfits[0]); i++) {
        struct gs_arena arena = {0};
        struct gs_problem problem = {0};
        struct replica a = replica_new(1);
        assert_int_equal(write_typed(&a, misfits[i], &arena, &problem), GS_ETYPE);
        assert_true(strncmp(problem.field, "/ops/0", 6) == 0);
        assert_json(a.state, "{}");
        gs_aggregate_free(a.state);
        gs_arena_close(&arena);
    }
}

/* A schema that contradicts itself makes nothing. */
static void a_bounded_counter_begins_at_its_bound_or_above(void **state) {
    (void)state;
    static const struct gs_slice stock[] = {NAME("stock")};
    static const struct gs_schema_field field = {
        .path = {1, stock}, .type = GS_TYPE_BOUNDED_COUNTER, .bound = 5, .initial = 3};
    static const struct gs_schema wrong = {1, &field};
    struct gs_arena arena = {0};
    struct gs_problem problem = {0};
    struct gs_delta delta;
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    struct replica a = replica_new(1);
    struct gs_stamp stamp = {.origin = a.origin, .seq = 1, .clock = 1, .schema = &wrong};
    struct gs_slice json = value_of(&arena, "[{'op':'increment','path':'/stock','by':1}]");
    assert_int_equal(gs_ops_parse(json, "/ops", &arena, &ops, &count, &problem), 0);
    assert_int_equal(gs_aggregate_prepare(a.state, ops, count, &stamp, "/ops", &arena, &delta, &problem), GS_EINVAL);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* What is there keeps its type. */
static void a_field_keeps_its_type(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct gs_problem problem = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'set','path':'/score','value':'free'}]", &arena);
    assert_int_equal(write_typed(&a, "[{'op':'set','path':'/score','value':'text'}]", &arena, &problem), 0);
    assert_json(a.state, "{'score':'text'}");
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_make_what_the_schema_says),
        cmocka_unit_test(the_type_is_the_one_of_the_schema),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(a_bounded_counter_begins_at_its_bound_or_above),
        cmocka_unit_test(a_field_keeps_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
