/* Memory of aggregates: the k-th allocation fails, for every k, and everything stays valid; accounts are exact. */
#include "tests/unit/failing_memory.h"
#include "tests/unit/replica_fixture.h"

#include <stdio.h>

static const char *const first_ops =
    "[{'op':'set','path':'/a/b','value':1},{'op':'set','path':'/m','value':{'x':{'y':2},'z':[]}},"
    "{'op':'add','path':'/s','value':1},{'op':'add','path':'/s','value':'two'},{'op':'add','path':'/s','value':3},"
    "{'op':'increment','path':'/c/d','by':5},{'op':'max','path':'/h','by':2},{'op':'set','path':'/a/b','value':9},"
    "{'op':'set','path':'/r','value':1},{'op':'min','path':'/l','by':2},{'op':'enable','path':'/f'},"
    "{'op':'create','path':'/rw','type':'set_rw'},{'op':'add','path':'/rw','value':1},"
    "{'op':'add','path':'/rw','value':2},{'op':'create','path':'/mv','type':'mvregister'},"
    "{'op':'create','path':'/dw','type':'flag_dw'},{'op':'set','path':'/mv','value':['x']},"
    "{'op':'score','path':'/lb/b','member':'ada','to':3},"
    "{'op':'score','path':'/lb/b','member':'bob','by':3},{'op':'score','path':'/lb/b','member':'ada','by':1},"
    "{'op':'observe','path':'/u','value':'ada'},{'op':'observe','path':'/u','value':'bob'},"
    "{'op':'create','path':'/gold','type':'bounded_counter','bound':1,'initial':20},"
    "{'op':'create','path':'/b/gone','type':'bounded_counter','bound':2},"
    "{'op':'insert','path':'/li','index':0,'values':['a','bb','c','d']}]";
static const char *const second_ops =
    "[{'op':'unset','path':'/m/x'},{'op':'unset','path':'/c'},{'op':'remove','path':'/s','value':1},"
    "{'op':'set','path':'/a','value':4},{'op':'max','path':'/h','by':7},{'op':'increment','path':'/c/d','by':1},"
    "{'op':'add','path':'/s','value':4},{'op':'set','path':'/n1/n2/n3','value':{}},"
    "{'op':'min','path':'/l','by':1},{'op':'disable','path':'/f'},{'op':'remove','path':'/rw','value':1},"
    "{'op':'remove','path':'/rw','value':7},{'op':'set','path':'/mv','value':2},{'op':'enable','path':'/dw'},"
    "{'op':'score','path':'/lb/b','member':'bob','to':9},{'op':'score','path':'/lb/b','member':'eve','by':9},"
    "{'op':'remove','path':'/lb/b','value':'ada'},{'op':'unset','path':'/u'},{'op':'observe','path':'/u','value':1},"
    "{'op':'transfer','path':'/gold','to':'02000000000000000000000000000000','by':3},{'op':'unset','path':'/b'},"
    "{'op':'transfer','path':'/gold','to':'03000000000000000000000000000000','by':1},"
    "{'op':'increment','path':'/gold','by':-2},"
    "{'op':'insert','path':'/li','index':1,'values':['x',{'y':1}]},{'op':'delete','path':'/li','index':0,'count':3},"
    "{'op':'set','path':'/li','value':['c','e',1]}]";
static const char *const other_ops =
    "[{'op':'set','path':'/a/b','value':'other'},{'op':'add','path':'/s','value':3},{'op':'set','path':'/m','value':0},"
    "{'op':'increment','path':'/c/d','by':8},{'op':'increment','path':'/m2/d','by':8},{'op':'max','path':'/h','by':1},"
    "{'op':'set','path':'/r','value':2},{'op':'min','path':'/l','by':5},{'op':'enable','path':'/f'},"
    "{'op':'create','path':'/rw','type':'set_rw'},{'op':'add','path':'/rw','value':1},"
    "{'op':'create','path':'/mv','type':'mvregister'},{'op':'set','path':'/mv','value':3},"
    "{'op':'score','path':'/lb/b','member':'bob','by':5},"
    "{'op':'score','path':'/lb/b','member':'ada','to':5},{'op':'score','path':'/lb/b','member':'cy','to':5},"
    "{'op':'observe','path':'/u','value':'ada'},{'op':'observe','path':'/u','value':'eve'},"
    "{'op':'create','path':'/gold','type':'bounded_counter','initial':2},{'op':'increment','path':'/gold','by':-1},"
    "{'op':'insert','path':'/li','index':0,'values':['o','p']}]";

struct scene {
    struct gs_arena arena;
    struct replica a;
    struct replica b;
    struct gs_delta deltas[3];
    struct gs_aggregate *all;
};

static struct scene scene_new(void) {
    struct scene scene = {.a = replica_new(1), .b = replica_new(2)};
    scene.deltas[0] = replica_write(&scene.a, 5, first_ops, &scene.arena);
    scene.deltas[1] = replica_write(&scene.b, 6, other_ops, &scene.arena);
    assert_int_equal(gs_aggregate_apply(scene.a.state, &scene.deltas[1]), 0);
    scene.deltas[2] = replica_write(&scene.a, 7, second_ops, &scene.arena);
    scene.all = gs_aggregate_clone(scene.a.state, NULL);
    return scene;
}

static void scene_close(struct scene *scene) {
    gs_aggregate_free(scene->a.state);
    gs_aggregate_free(scene->b.state);
    gs_aggregate_free(scene->all);
    gs_arena_close(&scene->arena);
}

/* Orders in which the deltas arrive: also out of order, so that single dots enter the context. */
static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};

static void apply_survives_every_failure(void **state) {
    (void)state;
    struct scene scene = scene_new();
    for (size_t o = 0; o < sizeof(orders) / sizeof(orders[0]); o++) {
        bool failed = true;
        for (uint64_t k = 1; failed; k++) {
            struct failing_memory failing = {0};
            struct gs_memory memory = failing_memory(&failing);
            struct gs_aggregate *target = gs_aggregate_new(&memory);
            failing.fail_at = failing.count + k;
            failed = false;
            for (int i = 0; i < 3; i++) {
                const struct gs_delta *delta = &scene.deltas[orders[o][i]];
                int error = gs_aggregate_apply(target, delta);
                if (error != 0) {
                    assert_int_equal(error, GS_ENOMEM);
                    failed = true;
                    failing.fail_at = 0;
                    assert_round_trip(target);
                    assert_int_equal(gs_aggregate_apply(target, delta), 0);
                }
            }
            failing.fail_at = 0;
            assert_same(target, scene.all);
            gs_aggregate_free(target);
            assert_int_equal(failing.live, 0);
        }
    }
    scene_close(&scene);
}

static void join_survives_every_failure(void **state) {
    (void)state;
    struct scene scene = scene_new();
    for (int start = 0; start < 3; start++) {
        bool failed = true;
        for (uint64_t k = 1; failed; k++) {
            struct failing_memory failing = {0};
            struct gs_memory memory = failing_memory(&failing);
            struct gs_aggregate *target = gs_aggregate_new(&memory);
            assert_int_equal(gs_aggregate_apply(target, &scene.deltas[start]), 0);
            failing.fail_at = failing.count + k;
            int error = gs_aggregate_join(target, scene.all);
            failed = error != 0;
            failing.fail_at = 0;
            if (failed) {
                assert_int_equal(error, GS_ENOMEM);
                assert_round_trip(target);
                assert_int_equal(gs_aggregate_join(target, scene.all), 0);
            }
            assert_same(target, scene.all);
            gs_aggregate_free(target);
            assert_int_equal(failing.live, 0);
        }
    }
    scene_close(&scene);
}

/* Prepare, diff, encode, decode, clone, conflicts: a failure is reported, leaks nothing and changes nothing. */
static int count_conflict(void *context, const struct gs_conflict *conflict) {
    *(uint32_t *)context += conflict->count;
    return 0;
}

static int use_once(const struct scene *scene, struct gs_aggregate *target, struct gs_memory *memory, int use) {
    struct gs_arena arena = {.memory = memory};
    struct gs_buffer out = {.memory = memory};
    struct gs_arena calm = {0};
    struct gs_delta delta;
    struct gs_op *ops = NULL;
    struct gs_aggregate *copy = NULL;
    struct gs_stamp stamp = {.origin = origin_of(1), .seq = 9, .clock = 9};
    struct gs_origin_table table = {0};
    uint32_t count = 0;
    int error = 0;
    switch (use) {
    case 0:
        assert_int_equal(gs_ops_parse(value_of(&calm, second_ops), "/ops", &calm, &ops, &count, NULL), 0);
        error = gs_aggregate_prepare(target, ops, count, &stamp, "/ops", &arena, &delta, NULL);
        break;
    case 1:
        error = gs_aggregate_diff(target,
                                  value_of(&calm, "{'a':1,'s':[9],'c':{'d':100},'new':{'k':1},'li':['b',3],"
                                                  "'lb':{'b':[{'member':'cy','score':1}]}}"),
                                  &arena, &ops, &count, NULL);
        break;
    case 2:
        error = gs_aggregate_encode(target, GS_ENCODE_FULL, &out);
        break;
    case 3: {
        struct gs_buffer bytes = encode_of(scene->all, GS_ENCODE_FULL);
        error = gs_aggregate_decode(bytes.bytes, bytes.length, memory, &copy);
        gs_buffer_close(&bytes);
        break;
    }
    case 4:
        copy = gs_aggregate_clone(target, memory);
        error = copy ? 0 : GS_ENOMEM;
        break;
    case 5:
        error = gs_aggregate_visit_conflicts(target, count_conflict, &count);
        break;
    case 6:
        error = gs_ops_parse(value_of(&calm, second_ops), "/ops", &arena, &ops, &count, NULL);
        break;
    case 7:
        error = gs_delta_encode(&scene->deltas[2], &table, &out);
        break;
    default:
        error = gs_aggregate_write_json(target, &out);
        break;
    }
    gs_origin_table_close(&table);
    gs_aggregate_free(copy);
    gs_buffer_close(&out);
    gs_arena_close(&arena);
    gs_arena_close(&calm);
    return error;
}

static void everything_else_survives_every_failure(void **state) {
    (void)state;
    struct scene scene = scene_new();
    for (int use = 0; use <= 8; use++) {
        bool failed = true;
        uint64_t k = 1;
        for (; failed; k++) {
            struct failing_memory failing = {0};
            struct gs_memory memory = failing_memory(&failing);
            struct gs_aggregate *target = gs_aggregate_clone(scene.all, &memory);
            uint64_t live = failing.live;
            failing.fail_at = failing.count + k;
            int error = use_once(&scene, target, &memory, use);
            failed = error != 0;
            failing.fail_at = 0;
            if (failed) {
                assert_int_equal(error, GS_ENOMEM);
            }
            assert_int_equal(failing.live, live);
            assert_same(target, scene.all);
            gs_aggregate_free(target);
            assert_int_equal(failing.live, 0);
        }
        assert_true(k > 2);
    }
    scene_close(&scene);
}

static void removal_gives_everything_back(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'set','path':'','value':{}},{'op':'unset','path':''}]", &arena);
    size_t base = gs_aggregate_bytes(a.state);
    replica_write(
        &a, 2,
        "[{'op':'set','path':'/a/b','value':1},{'op':'set','path':'/m','value':{'x':{'y':2},'z':[]}},"
        "{'op':'add','path':'/s','value':1},{'op':'add','path':'/s','value':2},{'op':'max','path':'/h','by':2}]",
        &arena);
    assert_true(gs_aggregate_bytes(a.state) > base);
    replica_write(&a, 3, "[{'op':'unset','path':''}]", &arena);
    assert_int_equal(gs_aggregate_bytes(a.state), base);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* A state that still has what we have seen go brings nothing back, not even an empty field. */
static void joining_the_past_takes_no_memory(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'set','path':'/a/b','value':1},{'op':'add','path':'/s','value':1}]", &arena);
    struct gs_aggregate *past = gs_aggregate_clone(a.state, NULL);
    replica_write(&a, 2, "[{'op':'unset','path':''}]", &arena);
    size_t bytes = gs_aggregate_bytes(a.state);
    assert_int_equal(gs_aggregate_join(a.state, past), 0);
    assert_int_equal(gs_aggregate_bytes(a.state), bytes);
    /* And ours takes away there what we have seen go. */
    assert_int_equal(gs_aggregate_join(past, a.state), 0);
    assert_same(past, a.state);
    assert_int_equal(gs_aggregate_bytes(past), bytes);
    gs_aggregate_free(past);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void twenty_registers_fit_into_4_kib(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    for (int i = 0; i < 20; i++) {
        char ops[96];
        snprintf(ops, sizeof(ops), "[{'op':'set','path':'/field%d','value':%d}]", i, 1000 + i);
        replica_write(&a, 1, ops, &arena);
    }
    assert_true(gs_aggregate_bytes(a.state) < 4096);
    print_message("20 registers: %zu bytes\n", gs_aggregate_bytes(a.state));
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apply_survives_every_failure),           cmocka_unit_test(join_survives_every_failure),
        cmocka_unit_test(everything_else_survives_every_failure), cmocka_unit_test(removal_gives_everything_back),
        cmocka_unit_test(joining_the_past_takes_no_memory),       cmocka_unit_test(twenty_registers_fit_into_4_kib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
