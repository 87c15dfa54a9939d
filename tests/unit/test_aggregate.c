/* Aggregates: what each op does alone and concurrently, and that deltas and joins agree in every order. */
#include "tests/unit/random.h"
#include "tests/unit/replica_fixture.h"

/* Writes at two replicas that start from `before`, unseen by each other, and merges both ways. */
static void concurrently(const char *before, const char *at_a, const char *at_b, const char *expected) {
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct gs_delta first = replica_write(&a, 10, before, &arena);
    assert_int_equal(gs_aggregate_apply(b.state, &first), 0);
    struct gs_delta x = replica_write(&a, 20, at_a, &arena);
    struct gs_delta y = replica_write(&b, 30, at_b, &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &y), 0);
    assert_int_equal(gs_aggregate_apply(b.state, &x), 0);
    assert_json(a.state, expected);
    assert_same(a.state, b.state);
    assert_round_trip(a.state);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static void alone(const char *ops, const char *expected) {
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 10, ops, &arena);
    assert_json(a.state, expected);
    assert_round_trip(a.state);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void starts_empty(void **state) {
    (void)state;
    struct replica a = replica_new(1);
    assert_false(gs_aggregate_exists(a.state));
    assert_json(a.state, "{}");
    assert_round_trip(a.state);
    gs_aggregate_free(a.state);
    gs_aggregate_free(NULL);
}

static void each_op_alone(void **state) {
    (void)state;
    alone("[{'op':'set','path':'/a','value':1}]", "{'a':1}");
    alone("[{'op':'set','path':'/a/b/c','value':null}]", "{'a':{'b':{'c':null}}}");
    alone("[{'op':'set','path':'/','value':[1,{'x':2}]}]", "{'':[1,{'x':2}]}");
    alone("[{'op':'set','path':'/a','value':{'b':{},'c':2}}]", "{'a':{'b':{},'c':2}}");
    alone("[{'op':'increment','path':'/a','by':5},{'op':'increment','path':'/a','by':-7}]", "{'a':-2}");
    alone("[{'op':'increment','path':'/a','by':0}]", "{'a':0}");
    alone("[{'op':'add','path':'/a','value':'x'},{'op':'add','path':'/a','value':2}]", "{'a':[2,'x']}");
    alone("[{'op':'add','path':'/a','value':'x'},{'op':'remove','path':'/a','value':'x'}]", "{}");
    alone("[{'op':'max','path':'/a','by':2},{'op':'max','path':'/a','by':1},{'op':'max','path':'/a','by':2.5}]",
          "{'a':2.5}");
    alone("[{'op':'set','path':'/a','value':1},{'op':'unset','path':'/a'}]", "{}");
    alone("[{'op':'set','path':'/a/b','value':1},{'op':'unset','path':'/a/b'}]", "{}");
    alone("[{'op':'set','path':'','value':{}}]", "{}");
    alone("[{'op':'set','path':'','value':{'x':{'y':1}}},{'op':'unset','path':'/x/y'}]", "{'x':{}}");
}

static void set_on_what_is_there(void **state) {
    (void)state;
    alone("[{'op':'set','path':'/a/b','value':1},{'op':'set','path':'/a','value':2}]", "{'a':2}");
    alone("[{'op':'set','path':'/a','value':2},{'op':'set','path':'/a','value':{'b':1}}]", "{'a':{'b':1}}");
    alone("[{'op':'set','path':'/a','value':{'b':1,'c':{'d':2}}},{'op':'set','path':'/a','value':{'c':{'e':3}}}]",
          "{'a':{'c':{'e':3}}}");
    alone("[{'op':'increment','path':'/a','by':5},{'op':'set','path':'/a','value':3}]", "{'a':3}");
    alone("[{'op':'add','path':'/a','value':1},{'op':'add','path':'/a','value':2},"
          "{'op':'set','path':'/a','value':[2,3,3]}]",
          "{'a':[2,3]}");
    alone("[{'op':'max','path':'/a','by':5},{'op':'set','path':'/a','value':9}]", "{'a':9}");
    alone("[{'op':'max','path':'/a','by':5},{'op':'set','path':'/a','value':3}]", "{'a':3}");
    alone("[{'op':'set','path':'','value':{'a':1,'b':2}},{'op':'set','path':'','value':{'b':3}}]", "{'b':3}");
    alone("[{'op':'set','path':'/a/b','value':2},{'op':'set','path':'/a','value':{}}]", "{'a':{}}");
}

static void concurrent_ops(void **state) {
    (void)state;
    concurrently("[]", "[{'op':'set','path':'/a','value':1}]", "[{'op':'set','path':'/a','value':2}]", "{'a':2}");
    concurrently("[{'op':'set','path':'/a','value':0}]", "[{'op':'set','path':'/a','value':1}]",
                 "[{'op':'unset','path':'/a'}]", "{'a':1}");
    concurrently("[{'op':'add','path':'/s','value':1}]", "[{'op':'add','path':'/s','value':1}]",
                 "[{'op':'remove','path':'/s','value':1}]", "{'s':[1]}");
    concurrently("[{'op':'add','path':'/s','value':1}]", "[{'op':'add','path':'/s','value':2}]",
                 "[{'op':'unset','path':'/s'}]", "{'s':[2]}");
    concurrently("[{'op':'increment','path':'/c','by':5}]", "[{'op':'increment','path':'/c','by':3}]",
                 "[{'op':'unset','path':'/c'}]", "{'c':3}");
    concurrently("[{'op':'increment','path':'/c','by':5}]", "[{'op':'increment','path':'/c','by':3}]",
                 "[{'op':'increment','path':'/c','by':-1}]", "{'c':7}");
    concurrently("[]", "[{'op':'max','path':'/m','by':3}]", "[{'op':'max','path':'/m','by':2.5}]", "{'m':3}");
    concurrently("[]", "[{'op':'max','path':'/m','by':3.0}]", "[{'op':'max','path':'/m','by':3}]", "{'m':3}");
    concurrently("[{'op':'set','path':'/p/x','value':1}]", "[{'op':'set','path':'/p/y','value':2}]",
                 "[{'op':'unset','path':''}]", "{'p':{'y':2}}");
    concurrently("[{'op':'set','path':'','value':{'x':1}}]", "[{'op':'set','path':'','value':{'y':2}}]",
                 "[{'op':'set','path':'','value':{'z':3}}]", "{'y':2,'z':3}");
    concurrently("[]", "[{'op':'set','path':'/a/b','value':1}]", "[{'op':'set','path':'/a','value':2}]",
                 "{'a':{'b':1}}");
}

static void deleted_aggregates_do_not_exist(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'set','path':'','value':{'c':{'d':[1]}}},{'op':'increment','path':'/n','by':4}]",
                  &arena);
    assert_true(gs_aggregate_exists(a.state));
    replica_write(&a, 2, "[{'op':'unset','path':''}]", &arena);
    assert_false(gs_aggregate_exists(a.state));
    assert_json(a.state, "{}");
    assert_round_trip(a.state);
    struct gs_delta nothing = replica_write(&a, 3, "[{'op':'unset','path':''}]", &arena);
    assert_int_equal(nothing.count, 0);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

struct listed {
    struct gs_buffer text;
};

static int list_conflict(void *context, const struct gs_conflict *conflict) {
    struct listed *listed = context;
    gs_path_write(&conflict->path, &listed->text);
    gs_buffer_printf(&listed->text, " %s %s", gs_type_name((int)conflict->type), conflict->rule);
    for (uint32_t i = 0; i < conflict->count; i++) {
        gs_buffer_printf(&listed->text, " %s:", gs_type_name((int)conflict->values[i].type));
        if (conflict->values[i].value.length > 0) {
            gs_json_write(conflict->values[i].value, &listed->text);
        }
    }
    gs_buffer_text(&listed->text, "\n");
    return 0;
}

static void conflicts_are_listed(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct gs_delta x = replica_write(
        &a, 20,
        "[{'op':'set','path':'/a','value':1},{'op':'set','path':'/m/r','value':'old'},{'op':'max','path':'/x','by':1}]",
        &arena);
    struct gs_delta y = replica_write(&b, 30,
                                      "[{'op':'set','path':'/a/b','value':1},{'op':'set','path':'/m/r','value':'new'},"
                                      "{'op':'max','path':'/x','by':3}]",
                                      &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &y), 0);
    assert_int_equal(gs_aggregate_apply(b.state, &x), 0);
    struct listed listed = {.text = {0}};
    assert_int_equal(gs_aggregate_visit_conflicts(a.state, list_conflict, &listed), 0);
    gs_buffer_byte(&listed.text, 0);
    assert_string_equal((char *)listed.text.bytes,
                        "/a map type_precedence map: register:1\n"
                        "/m/r register last_writer_wins register:\"new\" register:\"old\"\n");
    gs_buffer_close(&listed.text);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static const char *random_ops(struct random *random) {
    static const char *const ops[] = {
        "[{'op':'set','path':'/a','value':1}]",
        "[{'op':'set','path':'/a','value':{'b':1}}]",
        "[{'op':'unset','path':'/a'}]",
        "[{'op':'unset','path':''}]",
        "[{'op':'increment','path':'/n/c','by':3}]",
        "[{'op':'unset','path':'/n/c'}]",
        "[{'op':'unset','path':'/n/c'},{'op':'increment','path':'/n/c','by':2},{'op':'unset','path':'/a'}]",
        "[{'op':'unset','path':'/n'}]",
        "[{'op':'increment','path':'/n','by':1}]",
        "[{'op':'add','path':'/s','value':1}]",
        "[{'op':'add','path':'/s','value':2},{'op':'remove','path':'/s','value':1}]",
        "[{'op':'unset','path':'/s'}]",
        "[{'op':'max','path':'/m','by':7},{'op':'max','path':'/m','by':8}]",
        "[{'op':'unset','path':'/m'}]",
        "[{'op':'set','path':'','value':{'a':{'b':{'c':1}}}}]",
        "[{'op':'set','path':'/a','value':{}}]",
        "[{'op':'set','path':'/a','value':5},{'op':'set','path':'/a','value':6}]",
    };
    return ops[random_below(random, sizeof(ops) / sizeof(ops[0]))];
}

/* Writes at random; a write that does not fit the types that it meets is left out. */
static bool try_write(struct replica *replica, uint64_t clock, const char *json, struct gs_arena *arena,
                      struct gs_delta *ret_delta) {
    struct gs_problem problem;
    if (replica_prepare(replica, clock, json, arena, ret_delta, &problem) != 0) {
        return false;
    }
    assert_int_equal(gs_aggregate_apply(replica->state, ret_delta), 0);
    replica->seq++;
    return true;
}

enum { WRITERS = 3, WRITES = 24 };

/* Deltas applied in a random order with duplicates, some by textbook join, some through whole states. */
static void deliver_shuffled(struct random *random, const struct gs_delta *deltas, uint32_t count,
                             struct gs_aggregate *target) {
    struct gs_aggregate *other = gs_aggregate_new(NULL);
    uint32_t order[WRITES];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = random_below(random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct gs_delta *delta = &deltas[order[i]];
        switch (random_below(random, 4)) {
        case 0:
            join_delta(target, delta);
            break;
        case 1:
            assert_int_equal(gs_aggregate_apply(other, delta), 0);
            if (random_below(random, 2) == 0) {
                assert_int_equal(gs_aggregate_join(target, other), 0);
            }
            break;
        default:
            assert_int_equal(gs_aggregate_apply(target, delta), 0);
            break;
        }
        assert_int_equal(gs_aggregate_apply(target, &deltas[order[random_below(random, i + 1)]]), 0);
        /* Textbook and in-place agree at every step, not only at the end. */
        struct gs_aggregate *a = gs_aggregate_clone(target, NULL);
        struct gs_aggregate *b = gs_aggregate_clone(target, NULL);
        const struct gs_delta *next = &deltas[random_below(random, count)];
        assert_int_equal(gs_aggregate_apply(a, next), 0);
        join_delta(b, next);
        assert_same(a, b);
        assert_round_trip(a);
        gs_aggregate_free(a);
        gs_aggregate_free(b);
    }
    assert_int_equal(gs_aggregate_join(target, other), 0);
    gs_aggregate_free(other);
}

static void one_random_run(uint64_t seed) {
    struct gs_arena arena = {0};
    struct random random = {.state = seed};
    struct replica writers[WRITERS] = {replica_new(1), replica_new(2), replica_new(3)};
    struct gs_delta deltas[WRITES];
    uint32_t count = 0;
    for (uint32_t round = 0; round < 2 * WRITES && count < WRITES; round++) {
        struct replica *writer = &writers[random_below(&random, WRITERS)];
        if (random_below(&random, 2) == 0) {
            assert_int_equal(gs_aggregate_join(writer->state, writers[random_below(&random, WRITERS)].state), 0);
        }
        count += try_write(writer, 10 + random_below(&random, 10), random_ops(&random), &arena, &deltas[count]);
    }
    struct gs_aggregate *all = gs_aggregate_new(NULL);
    for (uint32_t i = 0; i < WRITERS; i++) {
        assert_int_equal(gs_aggregate_join(all, writers[i].state), 0);
    }
    for (int i = 0; i < 3; i++) {
        struct gs_aggregate *target = gs_aggregate_new(NULL);
        deliver_shuffled(&random, deltas, count, target);
        assert_same(all, target);
        assert_int_equal(gs_aggregate_join(target, all), 0);
        assert_same(all, target);
        gs_aggregate_free(target);
    }
    gs_aggregate_free(all);
    for (uint32_t i = 0; i < WRITERS; i++) {
        gs_aggregate_free(writers[i].state);
    }
    gs_arena_close(&arena);
}

static void every_order_gives_the_same_bytes(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        one_random_run(seed);
    }
}

/* A remove that overtakes the add: the add never shows, whether it arrives alone or with its event's other ops. */
static void a_removed_dot_never_arrives(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct replica late = replica_new(3);
    struct gs_delta add =
        replica_write(&a, 1, "[{'op':'add','path':'/s','value':1},{'op':'add','path':'/s','value':2}]", &arena);
    assert_int_equal(gs_aggregate_apply(b.state, &add), 0);
    struct gs_delta remove = replica_write(&b, 2, "[{'op':'remove','path':'/s','value':1}]", &arena);
    assert_int_equal(gs_aggregate_apply(late.state, &remove), 0);
    assert_json(late.state, "{}");
    assert_int_equal(gs_aggregate_apply(late.state, &add), 0);
    assert_json(late.state, "{'s':[2]}");
    assert_same(late.state, b.state);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_aggregate_free(late.state);
    gs_arena_close(&arena);
}

static void decode_refuses_every_damage(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 5,
                  "[{'op':'set','path':'/a/b','value':[1,'x']},{'op':'add','path':'/s','value':1},"
                  "{'op':'increment','path':'/c','by':2},{'op':'increment','path':'/n/d','by':2},"
                  "{'op':'unset','path':'/n'},{'op':'max','path':'/m','by':2.5}]",
                  &arena);
    struct gs_buffer good = encode_of(a.state, GS_ENCODE_FULL);
    struct gs_aggregate *out = NULL;
    for (size_t length = 0; length < good.length; length++) {
        assert_true(gs_aggregate_decode(good.bytes, length, NULL, &out) < 0);
    }
    /* A changed byte is refused, or is another state whose encoding is exactly these bytes. */
    for (size_t i = 0; i < good.length; i++) {
        for (int byte = 0; byte < 256; byte++) {
            uint8_t kept = good.bytes[i];
            good.bytes[i] = (uint8_t)byte;
            if (gs_aggregate_decode(good.bytes, good.length, NULL, &out) == 0) {
                struct gs_buffer again = encode_of(out, GS_ENCODE_FULL);
                assert_int_equal(again.length, good.length);
                assert_memory_equal(again.bytes, good.bytes, good.length);
                gs_buffer_close(&again);
                gs_aggregate_free(out);
            }
            good.bytes[i] = kept;
        }
    }
    good.bytes[1] = 2;
    assert_int_equal(gs_aggregate_decode(good.bytes, good.length, NULL, &out), GS_EVERSION);
    gs_buffer_close(&good);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* A state written by hand: origins 1..n; the other parts as JSON. */
static int decode_parts(int origins, const char *context, const char *root) {
    struct gs_arena arena = {0};
    struct gs_buffer bytes = {0};
    struct gs_aggregate *out = NULL;
    gs_write_array(&bytes, 4);
    gs_write_uint(&bytes, 3);
    gs_write_array(&bytes, (uint32_t)origins);
    for (int i = 1; i <= origins; i++) {
        gs_origin origin = origin_of(i);
        gs_write_bin(&bytes, origin.bytes, GS_ORIGIN_SIZE);
    }
    const char *parts[] = {context, root};
    for (int i = 0; i < 2; i++) {
        struct gs_slice part = value_of(&arena, parts[i]);
        gs_buffer_append(&bytes, part.bytes, part.length);
    }
    int error = gs_aggregate_decode(bytes.bytes, bytes.length, NULL, &out);
    if (error == 0) {
        assert_round_trip(out);
    }
    gs_aggregate_free(out);
    gs_buffer_close(&bytes);
    gs_arena_close(&arena);
    return error;
}

static void decode_refuses_what_is_never_written(void **state) {
    (void)state;
    assert_int_equal(decode_parts(0, "[]", "[[],[]]"), 0);
    /* Origins: exactly those used. */
    assert_int_equal(decode_parts(1, "[]", "[[],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[]]"), 0);
    assert_int_equal(decode_parts(1, "[1,4]", "[[],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(2, "[1,4,0,4]", "[[],[]]"), GS_EFORMAT);
    /* Context: events as a number; else intervals in order, with gaps between them. */
    assert_int_equal(decode_parts(1, "[0,0]", "[[],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,[]]", "[[],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,[1,0,4,4294967295]]", "[[],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,[2,0,4,4294967295]]", "[[],[]]"), 0);
    assert_int_equal(decode_parts(1, "[0,[2,5,2,5,2,7,3,1]]", "[[],[]]"), 0);
    assert_int_equal(decode_parts(1, "[0,[2,5,2,5,2,6,3,1]]", "[[],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,[2,5,2,4294967295,3,0,3,1]]", "[[],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,[2,5,2,4]]", "[[],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,[0,5,2,4]]", "[[],[]]"), GS_EFORMAT);
    /* Root: dots in the context; fields alive, known, in order. */
    assert_int_equal(decode_parts(1, "[0,4]", "[[0,4,0],[]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[0,5,0],[]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',14,[[0,1,0,9,7]]]]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',14,[]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',14,[[0,1,0,9,{}]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',8,[[0,1,0,9,7]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',8,[[0,1,0,0,'7']]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',2,[[0,1,0,9,7]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',1,[[],[]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',3,[]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',3,[1,[]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',3,[1,[0,1,0],2,[0,1,1]]]]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',3,[2,[0,1,0],1,[0,1,1]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['b',3,[1,[0,1,0]]],['a',3,[1,[0,1,1]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a\\u0000',3,[1,[0,1,0]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',15,[[0,1,0,9,7]]]]]"), GS_EFORMAT);
    /* Presence: not empty, not a map's, enough to be there. */
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',3,[],[0,1,0]]]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',3,[],[0,5,0]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',3,[1,[0,1,1]],[]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',1,[[],[]],[0,1,0]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',3,[],[0,1,0],1]]]"), GS_EFORMAT);
    /* Remove-wins: adds and removes, something of either. */
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',4,[[],[1,[0,1,0]]]]]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',4,[[],[]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',4,[[[],[0,1,0]],[]]]]]"), GS_EFORMAT);
    /* Flags say true or false, an mvregister has arrays. */
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',10,[[0,1,0,9,true]]]]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',11,[[0,1,0,9,1]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',13,[[0,1,0,9,[1,2]]]]]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',13,[[0,1,0,9,1]]]]]"), GS_EFORMAT);
    /* Marks, cancelled ones too: in order, each once. */
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',6,[[0,2,0,5,1,4294967295,0]]]]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',6,[[0,2,0,5,2,0,5]]]]]"), 0);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',6,[[0,2,0,5,0,0,1]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',6,[[0,0,0,0,0,0,0]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',6,[[0,0,0,0,0,4294967295,0]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(1, "[0,4]", "[[],[['a',6,[[0,2,0,5,2,0,5],[0,2,0,5,2,0,5]]]]]"), GS_EFORMAT);
    assert_int_equal(decode_parts(2, "[0,4,1,4]", "[[],[['a',6,[[1,2,0,5,2,0,5],[0,2,0,5,2,0,5]]]]]"), GS_EFORMAT);
}

/* Maps nest to the depth of a path and no further, whoever asks. */
static void nesting_is_bounded(void **state) {
    (void)state;
    for (int depth = GS_PATH_DEPTH_MAX; depth <= GS_PATH_DEPTH_MAX + 1; depth++) {
        struct gs_buffer bytes = {0};
        gs_origin origin = origin_of(1);
        gs_write_array(&bytes, 4);
        gs_write_uint(&bytes, 3);
        gs_write_array(&bytes, 1);
        gs_write_bin(&bytes, origin.bytes, GS_ORIGIN_SIZE);
        gs_write_array(&bytes, 2);
        gs_write_uint(&bytes, 0);
        gs_write_uint(&bytes, 4);
        for (int i = 1; i <= depth; i++) {
            gs_write_array(&bytes, 2); /* a map: no dots, one field */
            gs_write_array(&bytes, 0);
            gs_write_array(&bytes, 1);
            gs_write_array(&bytes, 3);
            gs_write_str(&bytes, "k", 1);
            gs_write_uint(&bytes, i < depth ? GS_TYPE_MAP : GS_TYPE_SET);
        }
        gs_write_array(&bytes, 2); /* a set: one element with one dot */
        gs_write_int(&bytes, 7);
        gs_write_array(&bytes, 3);
        gs_write_uint(&bytes, 0);
        gs_write_uint(&bytes, 1);
        gs_write_uint(&bytes, 0);
        struct gs_aggregate *out = NULL;
        int error = gs_aggregate_decode(bytes.bytes, bytes.length, NULL, &out);
        assert_int_equal(error, depth <= GS_PATH_DEPTH_MAX ? 0 : GS_EFORMAT);
        if (error == 0) {
            assert_round_trip(out);
        }
        gs_aggregate_free(out);
        gs_buffer_close(&bytes);
    }
}

static void many_elements(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    size_t empty = gs_aggregate_bytes(a.state);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct gs_buffer value = {0};
        gs_write_int(&value, (int64_t)((uint64_t)i * 7919 % COUNT));
        struct gs_slice name = gs_slice_make("s", 1);
        struct gs_op op = {.kind = GS_OP_ADD, .path = {1, &name}, .value = {value.bytes, value.length}};
        struct gs_stamp stamp = {.origin = a.origin, .seq = i + 1, .clock = i};
        struct gs_delta delta;
        assert_int_equal(gs_aggregate_prepare(a.state, &op, 1, &stamp, "", &arena, &delta, NULL), 0);
        assert_int_equal(gs_aggregate_apply(a.state, &delta), 0);
        gs_buffer_close(&value);
        gs_arena_close(&arena);
    }
    a.seq = COUNT;
    assert_round_trip(a.state);
    replica_write(&a, COUNT, "[{'op':'unset','path':'/s'}]", &arena);
    assert_false(gs_aggregate_exists(a.state));
    assert_true(gs_aggregate_bytes(a.state) <= empty + 2 * sizeof(struct gs_context_entry));
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),
        cmocka_unit_test(each_op_alone),
        cmocka_unit_test(set_on_what_is_there),
        cmocka_unit_test(concurrent_ops),
        cmocka_unit_test(deleted_aggregates_do_not_exist),
        cmocka_unit_test(conflicts_are_listed),
        cmocka_unit_test(a_removed_dot_never_arrives),
        cmocka_unit_test(every_order_gives_the_same_bytes),
        cmocka_unit_test(decode_refuses_every_damage),
        cmocka_unit_test(decode_refuses_what_is_never_written),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(many_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
