/* Back to an earlier state by new operations. */
#include "tests/unit/failing_memory.h"
#include "tests/unit/replica_fixture.h"

static const char *const past_ops =
    "[{'op':'set','path':'/name','value':'Ada'},{'op':'increment','path':'/gold','by':100},"
    "{'op':'add','path':'/items','value':'sword'},{'op':'max','path':'/best','by':42},{'op':'enable','path':'/vip'},"
    "{'op':'create','path':'/bans','type':'set_rw'},{'op':'create','path':'/team','type':'mvregister'},"
    "{'op':'set','path':'/team','value':'red'},{'op':'set','path':'/m','value':{'k':{}}}]";
static const char *const later_ops =
    "[{'op':'set','path':'/name','value':'Eve'},{'op':'increment','path':'/gold','by':-70},"
    "{'op':'unset','path':'/items'},{'op':'max','path':'/best','by':99},{'op':'disable','path':'/vip'},"
    "{'op':'add','path':'/bans','value':'bob'},{'op':'unset','path':'/team'},{'op':'set','path':'/m','value':7},"
    "{'op':'increment','path':'/new','by':1}]";

struct scene {
    struct gs_arena arena;
    struct replica a;
    struct gs_aggregate *past;
};

static struct scene scene_new(void) {
    struct scene scene = {.a = replica_new(1)};
    replica_write(&scene.a, 1, past_ops, &scene.arena);
    scene.past = gs_aggregate_clone(scene.a.state, NULL);
    replica_write(&scene.a, 2, later_ops, &scene.arena);
    return scene;
}

static void scene_close(struct scene *scene) {
    gs_aggregate_free(scene->past);
    gs_aggregate_free(scene->a.state);
    gs_arena_close(&scene->arena);
}

static int go_back(struct replica *replica, const struct gs_aggregate *past, struct gs_arena *arena) {
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    struct gs_problem problem = {0};
    struct gs_delta delta;
    struct gs_stamp stamp = {.origin = replica->origin, .seq = replica->seq + 1, .clock = 9};
    int error = gs_aggregate_inverse(replica->state, past, arena, &ops, &count, &problem);
    error = error != 0 ? error : gs_aggregate_prepare(replica->state, ops, count, &stamp, "", arena, &delta, &problem);
    if (error == 0) {
        assert_int_equal(gs_aggregate_apply(replica->state, &delta), 0);
        replica->seq++;
    }
    return error;
}

static void values_and_types_come_back(void **state) {
    (void)state;
    struct scene scene = scene_new();
    assert_int_equal(go_back(&scene.a, scene.past, &scene.arena), 0);
    assert_json(scene.a.state, "{'bans':[],'best':42,'gold':100,'items':['sword'],'m':{'k':{}},'name':'Ada',"
                               "'team':['red'],'vip':true}");
    /* They are what they were, not registers of the same look. */
    replica_write(&scene.a, 10,
                  "[{'op':'add','path':'/items','value':'axe'},{'op':'set','path':'/team','value':'blue'},"
                  "{'op':'increment','path':'/gold','by':1},{'op':'max','path':'/best','by':1}]",
                  &scene.arena);
    assert_json(scene.a.state, "{'bans':[],'best':42,'gold':101,'items':['axe','sword'],'m':{'k':{}},'name':'Ada',"
                               "'team':['blue'],'vip':true}");
    scene_close(&scene);
}

/* What another region does meanwhile survives, as after any operations. */
static void concurrent_changes_survive(void **state) {
    (void)state;
    struct scene scene = scene_new();
    struct replica b = replica_new(2);
    assert_int_equal(gs_aggregate_join(b.state, scene.a.state), 0);
    struct gs_delta spent = replica_write(&b, 3, "[{'op':'increment','path':'/gold','by':-5}]", &scene.arena);
    assert_int_equal(go_back(&scene.a, scene.past, &scene.arena), 0);
    assert_int_equal(gs_aggregate_apply(scene.a.state, &spent), 0);
    struct gs_buffer out = {0};
    gs_aggregate_write_json(scene.a.state, &out);
    gs_buffer_byte(&out, 0);
    assert_non_null(strstr((char *)out.bytes, "\"gold\":95"));
    gs_buffer_close(&out);
    gs_aggregate_free(b.state);
    scene_close(&scene);
}

static void nothing_to_do_is_no_op(void **state) {
    (void)state;
    struct scene scene = scene_new();
    struct gs_op *ops = NULL;
    uint32_t count = 1;
    struct gs_problem problem = {0};
    assert_int_equal(gs_aggregate_inverse(scene.past, scene.past, &scene.arena, &ops, &count, &problem), 0);
    assert_int_equal(count, 0);
    scene_close(&scene);
}

static void back_to_nothing_deletes(void **state) {
    (void)state;
    struct scene scene = scene_new();
    struct gs_aggregate *nothing = gs_aggregate_new(NULL);
    assert_int_equal(go_back(&scene.a, nothing, &scene.arena), 0);
    assert_false(gs_aggregate_exists(scene.a.state));
    assert_int_equal(go_back(&scene.a, scene.past, &scene.arena), 0);
    assert_json(scene.a.state, "{'bans':[],'best':42,'gold':100,'items':['sword'],'m':{'k':{}},'name':'Ada',"
                               "'team':['red'],'vip':true}");
    gs_aggregate_free(nothing);
    scene_close(&scene);
}

/* A bound that was lowered since cannot rise again: what is made again has to take it, also in maps that are gone. */
static void bounded_counters_come_back_where_all_is_gone(void **state) {
    (void)state;
    static const char *const ends[] = {"[{'op':'unset','path':'/m'}]", "[{'op':'unset','path':''}]",
                                       "[{'op':'set','path':'/m','value':7}]"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct gs_arena arena = {0};
        struct replica a = replica_new(1);
        replica_write(&a, 1, "[{'op':'create','path':'/m/n/c','type':'bounded_counter','bound':10}]", &arena);
        struct gs_aggregate *past = gs_aggregate_clone(a.state, NULL);
        replica_write(&a, 2,
                      "[{'op':'unset','path':'/m'},"
                      "{'op':'create','path':'/m/n/c','type':'bounded_counter','bound':5}]",
                      &arena);
        replica_write(&a, 3, ends[i], &arena);
        assert_int_equal(go_back(&a, past, &arena), 0);
        assert_json(a.state, "{'m':{'n':{'c':10}}}");
        gs_aggregate_free(past);
        gs_aggregate_free(a.state);
        gs_arena_close(&arena);
    }
}

static bool shows_same(const struct gs_aggregate *a, const struct gs_aggregate *b) {
    struct gs_buffer x = {0};
    struct gs_buffer y = {0};
    assert_int_equal(gs_aggregate_write_value(a, &x), 0);
    assert_int_equal(gs_aggregate_write_value(b, &y), 0);
    bool same = x.length == y.length && memcmp(x.bytes, y.bytes, x.length) == 0;
    gs_buffer_close(&x);
    gs_buffer_close(&y);
    return same;
}

/* An op with entries that are numbers between `before` and `after`. */
static void write_many(struct replica *replica, const char *head, const char *before, const char *after, int from,
                       int to) {
    struct gs_arena arena = {0};
    struct gs_buffer ops = {0};
    gs_buffer_text(&ops, head);
    for (int i = from; i < to; i++) {
        gs_buffer_text(&ops, i > from ? "," : "");
        gs_buffer_printf(&ops, "%s%d%s", before, i, after);
    }
    gs_buffer_text(&ops, "]}]");
    gs_buffer_byte(&ops, 0);
    replica_write(replica, 1, (const char *)ops.bytes, &arena);
    gs_buffer_close(&ops);
    gs_arena_close(&arena);
}

/* What a field shows may be larger than any value that one op can bring. */
static void large_lists_come_back(void **state) {
    (void)state;
    enum { ENTRIES = GS_VALUE_NODES_MAX * 3 / 5 };
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    write_many(&a, "[{'op':'insert','path':'/list','index':0,'values':[", "", "", 0, ENTRIES);
    write_many(&a, "[{'op':'insert','path':'/list','index':0,'values':[", "", "", ENTRIES, 2 * ENTRIES);
    struct gs_aggregate *past = gs_aggregate_clone(a.state, NULL);
    replica_write(&a, 2, "[{'op':'delete','path':'/list','index':300000}]", &arena);
    assert_int_equal(go_back(&a, past, &arena), 0);
    assert_true(shows_same(a.state, past));
    replica_write(&a, 3, "[{'op':'unset','path':'/list'}]", &arena);
    assert_int_equal(go_back(&a, past, &arena), 0);
    assert_true(shows_same(a.state, past));
    gs_aggregate_free(past);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* `parts` regions each make a part of the field, apart from each other; `create` makes it. */
static void assert_large_comes_back(const char *create, const char *head, const char *before, const char *after,
                                    int parts, int each, const char *change) {
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, create, &arena);
    for (int i = 0; i < parts; i++) {
        struct replica b = replica_new(2 + i);
        replica_write(&b, 1, create, &arena);
        write_many(&b, head, before, after, i * each, (i + 1) * each);
        assert_int_equal(gs_aggregate_join(a.state, b.state), 0);
        gs_aggregate_free(b.state);
    }
    struct gs_aggregate *past = gs_aggregate_clone(a.state, NULL);
    replica_write(&a, 2, change, &arena);
    assert_false(shows_same(a.state, past));
    assert_int_equal(go_back(&a, past, &arena), 0);
    assert_true(shows_same(a.state, past));
    gs_aggregate_free(past);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void large_sets_and_boards_come_back(void **state) {
    (void)state;
    assert_large_comes_back("[{'op':'create','path':'/b','type':'leaderboard'}]", "[{'op':'set','path':'/b','value':[",
                            "{'member':'", "','score':5}", 2, 30000,
                            "[{'op':'score','path':'/b','member':'7','by':1}]");
    assert_large_comes_back("[{'op':'create','path':'/s','type':'set'}]", "[{'op':'set','path':'/s','value':[", "", "",
                            5, 60000, "[{'op':'remove','path':'/s','value':7}]");
}

/* Values that stand side by side may be more than one write can bring: better refused than an event that nobody reads.
 */
static void what_no_peer_could_read_is_not_written(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    replica_write(&a, 1, "[{'op':'create','path':'/v','type':'mvregister'}]", &arena);
    assert_int_equal(gs_aggregate_join(b.state, a.state), 0);
    write_many(&a, "[{'op':'set','path':'/v','value':[", "", "", 0, 150000);
    write_many(&b, "[{'op':'set','path':'/v','value':[", "", "", 1, 150000);
    assert_int_equal(gs_aggregate_join(a.state, b.state), 0);
    struct gs_aggregate *past = gs_aggregate_clone(a.state, NULL);
    replica_write(&a, 2, "[{'op':'set','path':'/v','value':1}]", &arena);
    assert_int_equal(go_back(&a, past, &arena), GS_EDEPTH);
    assert_json(a.state, "{'v':[1]}");
    gs_aggregate_free(past);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static void every_failing_allocation_is_reported(void **state) {
    (void)state;
    struct scene scene = scene_new();
    int error = GS_ENOMEM;
    for (uint64_t k = 1; error == GS_ENOMEM; k++) {
        struct failing_memory failing = {.fail_at = k};
        struct gs_memory memory = failing_memory(&failing);
        struct gs_arena arena = {.memory = &memory};
        struct gs_op *ops = NULL;
        uint32_t count = 0;
        error = gs_aggregate_inverse(scene.a.state, scene.past, &arena, &ops, &count, NULL);
        assert_true(error == 0 || error == GS_ENOMEM);
        assert_true(error == 0 || ops == NULL);
        gs_arena_close(&arena);
        assert_int_equal(failing.live, 0);
    }
    scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_types_come_back),
        cmocka_unit_test(concurrent_changes_survive),
        cmocka_unit_test(nothing_to_do_is_no_op),
        cmocka_unit_test(back_to_nothing_deletes),
        cmocka_unit_test(bounded_counters_come_back_where_all_is_gone),
        cmocka_unit_test(large_lists_come_back),
        cmocka_unit_test(large_sets_and_boards_come_back),
        cmocka_unit_test(what_no_peer_could_read_is_not_written),
        cmocka_unit_test(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
