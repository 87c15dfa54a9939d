/* Bounded counters by hand: what is refused and what it says, rights, unset and create anew, hostile deltas. */
#include "tests/unit/failing_memory.h"
#include "tests/unit/replica_fixture.h"

#include <globalstate/rights.h>

#include <stdio.h>

#define CREATE(bound, initial) \
    "{'op':'create','path':'/n','type':'bounded_counter','bound':" #bound ",'initial':" #initial "}"
#define INCREMENT(by) "{'op':'increment','path':'/n','by':" #by "}"
#define GIVE(to, by) "{'op':'transfer','path':'/n','to':'0" #to "000000000000000000000000000000','by':" #by "}"
#define UNSET "{'op':'unset','path':'/n'}"

struct pair {
    struct gs_arena arena;
    struct replica a;
    struct replica b;
};

static struct pair pair_new(void) {
    return (struct pair){.a = replica_new(1), .b = replica_new(2)};
}

static void pair_close(struct pair *pair) {
    gs_aggregate_free(pair->a.state);
    gs_aggregate_free(pair->b.state);
    gs_arena_close(&pair->arena);
}

static void meet(struct pair *pair) {
    assert_int_equal(gs_aggregate_join(pair->a.state, pair->b.state), 0);
    assert_int_equal(gs_aggregate_join(pair->b.state, pair->a.state), 0);
    assert_same(pair->a.state, pair->b.state);
    assert_round_trip(pair->a.state);
}

static void assert_refused(struct replica *replica, const char *ops, int code, const char *field, const char *detail) {
    struct gs_arena arena = {0};
    struct gs_delta delta;
    struct gs_problem problem = {0};
    int error = replica_prepare(replica, 9, ops, &arena, &delta, &problem);
    if (error != code || strcmp(problem.field, field) != 0 || !strstr(problem.detail, detail)) {
        fail_msg("%s: %d, %s: %s", ops, error, problem.field, problem.detail);
    }
    gs_arena_close(&arena);
}

struct find {
    gs_origin origin;
    int64_t rights;
};

static int find_rights(void *context, const struct gs_rights *rights) {
    struct find *find = context;
    for (uint32_t i = 0; i < rights->count; i++) {
        find->rights += gs_origin_equal(&rights->holders[i].origin, &find->origin) ? rights->holders[i].rights : 0;
    }
    return 0;
}

static int64_t rights_of(const struct gs_aggregate *state, int number) {
    struct find find = {.origin = origin_of(number)};
    assert_int_equal(gs_aggregate_visit_rights(state, find_rights, &find), 0);
    return find.rights;
}

static void what_is_missing_is_said(void **state) {
    (void)state;
    struct pair pair = pair_new();
    replica_write(&pair.a, 1, "[" CREATE(10, 15) "]", &pair.arena);
    meet(&pair);
    assert_refused(&pair.b, "[" INCREMENT(2) "," INCREMENT(-3) "]", GS_EBOUND, "/ops/1/by",
                   "\"/n\" needs 3 rights; this region holds 2 (of 7 in all): 1 are missing");
    assert_refused(&pair.a, "[" GIVE(2, 6) "]", GS_EBOUND, "/ops/0/by", "needs 6 rights; this region holds 5");
    assert_refused(
        &pair.a, "[" INCREMENT(-9223372036854775808) "]", GS_EBOUND, "/ops/0/by",
        "needs 9223372036854775808 rights; this region holds 5 (of 5 in all): 9223372036854775803 are missing");
    assert_refused(&pair.a, "[{'op':'set','path':'/n','value':9}]", GS_EBOUND, "/ops/0/by", "1 are missing");
    assert_refused(&pair.a, "[{'op':'set','path':'/n','value':'x'}]", GS_ETYPE, "/ops/0/value", "");
    replica_write(&pair.a, 2, "[" INCREMENT(-5) "]", &pair.arena);
    assert_json(pair.a.state, "{'n':10}");
    assert_refused(&pair.a, "[" INCREMENT(-1) "]", GS_EBOUND, "/ops/0/by", "holds 0 (of 0 in all)");
    pair_close(&pair);
}

static void transfers_move_rights(void **state) {
    (void)state;
    struct pair pair = pair_new();
    replica_write(&pair.a, 1, "[" CREATE(0, 5) "]", &pair.arena);
    replica_write(&pair.a, 2, "[" GIVE(2, 3) "]", &pair.arena);
    assert_int_equal(rights_of(pair.a.state, 1), 2);
    meet(&pair);
    assert_int_equal(rights_of(pair.b.state, 2), 3);
    assert_json(pair.b.state, "{'n':5}");
    replica_write(&pair.b, 3, "[" INCREMENT(-3) "]", &pair.arena);
    replica_write(&pair.a, 3, "[" INCREMENT(-2) "]", &pair.arena);
    meet(&pair);
    assert_json(pair.a.state, "{'n':0}");
    assert_refused(&pair.a, "[" GIVE(1, 1) "]", GS_EINVAL, "/ops/0/to", "already");
    assert_refused(&pair.a, "[{'op':'transfer','path':'/n','to':'eu','by':1}]", GS_EINVAL, "/ops/0/to", "nobody knows");
    assert_refused(&pair.a, "[{'op':'transfer','path':'/n','to':'','by':1}]", GS_EINVAL, "/ops/0/to", "string");
    assert_refused(&pair.a, "[" GIVE(2, 0) "]", GS_EINVAL, "/ops/0/by", "one right or more");
    assert_refused(&pair.a, "[" GIVE(2, 1.5) "]", GS_ETYPE, "/ops/0/by", "integer");
    assert_refused(&pair.a, "[{'op':'transfer','path':'/x','to':'02000000000000000000000000000000','by':1}]", GS_ETYPE,
                   "/ops/0", "is not there");
    assert_refused(&pair.a,
                   "[{'op':'increment','path':'/c','by':1},{'op':'transfer','path':'/c','to':"
                   "'02000000000000000000000000000000','by':1}]",
                   GS_ETYPE, "/ops/1", "is a counter");
    pair_close(&pair);
}

static void bounds_stay(void **state) {
    (void)state;
    struct pair pair = pair_new();
    struct gs_delta delta;
    struct gs_problem problem = {0};
    replica_write(&pair.a, 1, "[" CREATE(0, 2) "]", &pair.arena);
    assert_int_equal(replica_prepare(&pair.a, 2, "[" CREATE(0, 7) "]", &pair.arena, &delta, &problem), 0);
    assert_int_equal(delta.count, 0);
    assert_refused(&pair.a, "[" CREATE(1, 7) "]", GS_ETYPE, "/ops/0/bound", "has the bound 0, which cannot become 1");
    assert_refused(&pair.a, "[" CREATE(-1, 7) "]", GS_ETYPE, "/ops/0/bound", "which cannot become -1");
    assert_refused(&pair.a, "[" CREATE(1, 0) "]", GS_EINVAL, "/ops/0/initial", "below the bound");
    /* Made apart: the least bound counts, and both put their rights in. */
    replica_write(&pair.b, 1, "[" CREATE(-4, -3) "]", &pair.arena);
    meet(&pair);
    assert_json(pair.a.state, "{'n':-1}");
    replica_write(&pair.a, 3, "[" INCREMENT(-2) "]", &pair.arena);
    replica_write(&pair.b, 3, "[" INCREMENT(-1) "]", &pair.arena);
    meet(&pair);
    assert_json(pair.a.state, "{'n':-4}");
    replica_write(&pair.a, 4, "[" UNSET "]", &pair.arena);
    assert_json(pair.a.state, "{}");
    assert_refused(&pair.a, "[" CREATE(0, 7) "]", GS_ETYPE, "/ops/0/bound", "had, before it was unset, the bound -4");
    replica_write(&pair.a, 5, "[" CREATE(-6, -5) "]", &pair.arena);
    assert_json(pair.a.state, "{'n':-5}");
    pair_close(&pair);
}

static void rights_cannot_be_unset(void **state) {
    (void)state;
    struct pair pair = pair_new();
    replica_write(&pair.a, 1, "[{'op':'create','path':'/m/n','type':'bounded_counter','initial':1}]", &pair.arena);
    static const char *const takers[] = {
        "[{'op':'unset','path':'/m/n'}]",       "[{'op':'unset','path':'/m'}]",
        "[{'op':'unset','path':''}]",           "[{'op':'set','path':'','value':{}}]",
        "[{'op':'set','path':'/m','value':1}]", "[{'op':'set','path':'/m','value':{'x':1}}]",
    };
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        assert_refused(&pair.a, takers[i], GS_ERIGHTS, "/ops/0", "must be spent before");
        char spent[160];
        snprintf(spent, sizeof(spent), "[{'op':'increment','path':'/m/n','by':-1},%s", takers[i] + 1);
        struct gs_delta delta;
        struct gs_problem problem = {0};
        assert_int_equal(replica_prepare(&pair.a, 2, spent, &pair.arena, &delta, &problem), 0);
    }
    pair_close(&pair);
}

/* What an unset did not see survives it, and the next spending does not make a counter without a bound of it. */
static void unset_takes_what_it_saw(void **state) {
    (void)state;
    struct pair pair = pair_new();
    replica_write(&pair.a, 1, "[" CREATE(0, 0) "]", &pair.arena);
    meet(&pair);
    replica_write(&pair.a, 2, "[" UNSET "]", &pair.arena);
    replica_write(&pair.b, 2, "[" INCREMENT(1) "]", &pair.arena);
    meet(&pair);
    assert_json(pair.a.state, "{'n':1}");
    replica_write(&pair.b, 3, "[" INCREMENT(-1) "]", &pair.arena);
    assert_json(pair.b.state, "{'n':0}");
    assert_refused(&pair.b, "[" INCREMENT(-1) "]", GS_EBOUND, "/ops/0/by", "1 are missing");
    replica_write(&pair.b, 4, "[" UNSET "]", &pair.arena);
    /* Bookkeeping stays: what is made anew goes on from there. */
    replica_write(&pair.b, 5, "[" CREATE(0, 3) "]", &pair.arena);
    meet(&pair);
    assert_json(pair.a.state, "{'n':3}");
    assert_int_equal(rights_of(pair.a.state, 2), 3);
    assert_int_equal(rights_of(pair.a.state, 1), 0);
    pair_close(&pair);
}

static void sums_stay_in_range(void **state) {
    (void)state;
    struct pair pair = pair_new();
    assert_refused(&pair.a, "[" CREATE(-9223372036854775808, 9223372036854775807) "]", GS_EOVERFLOW, "/ops/0/initial",
                   "range");
    replica_write(&pair.a, 1, "[" CREATE(-5, 9223372036854775800) "]", &pair.arena);
    replica_write(&pair.b, 1, "[" CREATE(-5, 9223372036854775800) "]", &pair.arena);
    meet(&pair);
    assert_json(pair.a.state, "{'n':9223372036854775807}");
    assert_refused(&pair.a, "[" INCREMENT(1) "]", GS_EOVERFLOW, "/ops/0/by", "range");
    replica_write(&pair.a, 2, "[" INCREMENT(-9223372036854775800) "]", &pair.arena);
    meet(&pair);
    assert_json(pair.b.state, "{'n':9223372036854775805}");
    pair_close(&pair);
}

static void schemas_make_them(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct gs_slice name = gs_slice_make("n", 1);
    struct gs_schema_field field = {
        .path = {.depth = 1, .names = &name}, .type = GS_TYPE_BOUNDED_COUNTER, .bound = 2, .initial = 5};
    struct gs_schema schema = {.count = 1, .fields = &field};
    struct gs_stamp stamp = {.origin = a.origin, .seq = 1, .clock = 1, .schema = &schema};
    static const struct {
        const char *ops;
        const char *json; /* NULL: refused */
    } cases[] = {
        {"[" INCREMENT(-3) "]", "{'n':2}"},
        {"[" INCREMENT(-4) "]", NULL},
        {"[{'op':'set','path':'/n','value':9}]", "{'n':9}"},
        {"[{'op':'set','path':'/n','value':1}]", NULL},
        {"[" GIVE(2, 3) "]", "{'n':5}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gs_aggregate *fresh = gs_aggregate_new(NULL);
        struct gs_op *ops = NULL;
        uint32_t count = 0;
        struct gs_delta delta;
        struct gs_problem problem = {0};
        assert_int_equal(gs_ops_parse(value_of(&arena, cases[i].ops), "", &arena, &ops, &count, &problem), 0);
        int error = gs_aggregate_prepare(fresh, ops, count, &stamp, "", &arena, &delta, &problem);
        assert_int_equal(error, cases[i].json ? 0 : GS_EBOUND);
        if (cases[i].json) {
            assert_int_equal(gs_aggregate_apply(fresh, &delta), 0);
            assert_json(fresh, cases[i].json);
        }
        gs_aggregate_free(fresh);
    }
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static int check_change(const struct gs_aggregate *state, struct gs_change change) {
    static const struct gs_slice name = {(const uint8_t *)"n", 1};
    change.path = (struct gs_path){.depth = 1, .names = &name};
    struct gs_delta delta = {.origin = origin_of(1), .seq = 99, .count = 1, .changes = &change};
    const struct gs_delta *deltas = &delta;
    return gs_aggregate_check_rights(state, &deltas, 1);
}

/* What only a lying origin sends. */
static void overspending_is_noticed(void **state) {
    (void)state;
    struct pair pair = pair_new();
    const struct gs_delta *deltas[3];
    struct gs_delta created = replica_write(&pair.a, 1, "[" CREATE(0, 2) "]", &pair.arena);
    struct gs_delta given = replica_write(&pair.a, 2, "[" GIVE(2, 1) "," INCREMENT(-1) "]", &pair.arena);
    struct gs_delta made = replica_write(&pair.a, 3, "[" INCREMENT(1) "]", &pair.arena);
    deltas[0] = &created;
    deltas[1] = &given;
    deltas[2] = &made;
    struct gs_buffer before = encode_of(pair.b.state, GS_ENCODE_FULL);
    assert_int_equal(gs_aggregate_check_rights(pair.b.state, deltas, 3), 0);
    assert_int_equal(gs_aggregate_check_rights(pair.b.state, deltas + 1, 2), GS_EOVERSPENT);
    deltas[0] = &given;
    assert_int_equal(gs_aggregate_check_rights(pair.b.state, deltas, 2), GS_EOVERSPENT);
    struct gs_buffer after = encode_of(pair.b.state, GS_ENCODE_FULL);
    assert_int_equal(before.length, after.length);
    assert_memory_equal(before.bytes, after.bytes, after.length);
    gs_buffer_close(&before);
    gs_buffer_close(&after);

    const struct gs_aggregate *all = pair.a.state; /* origin 1 holds one right */
    assert_int_equal(check_change(all, (struct gs_change){.kind = GS_OP_INCREMENT_BC, .by = -1, .before = 1}), 0);
    assert_int_equal(check_change(all, (struct gs_change){.kind = GS_OP_INCREMENT_BC, .by = -2, .before = 1}),
                     GS_EOVERSPENT);
    assert_int_equal(
        check_change(all, (struct gs_change){.kind = GS_OP_TRANSFER, .target = origin_of(3), .by = 2, .before = 0}),
        GS_EOVERSPENT);
    assert_int_equal(
        check_change(all, (struct gs_change){.kind = GS_OP_INCREMENT_BC, .bound = -1, .by = 1, .before = 3}),
        GS_EOVERSPENT);
    assert_int_equal(check_change(all, (struct gs_change){.kind = GS_OP_GRANT, .bound = -1, .by = 1, .before = 3}), 0);
    pair_close(&pair);
}

static int decode_change(const char *json) {
    struct gs_arena arena = {0};
    struct gs_origin_table table = {0};
    gs_origin own = origin_of(1);
    gs_origin other = origin_of(2);
    gs_origin_table_intern(&table, &own);
    gs_origin_table_intern(&table, &other);
    struct gs_slice bytes = value_of(&arena, json);
    struct gs_reader reader;
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    struct gs_delta delta = {.origin = own, .seq = 5, .clock = 1};
    int error = gs_delta_decode(&reader, &table, &arena, &delta);
    gs_origin_table_close(&table);
    gs_arena_close(&arena);
    return error;
}

static void hostile_changes_are_refused(void **state) {
    (void)state;
    assert_int_equal(decode_change("[0,[[16,0,['n'],[],0,5,0],[17,1,['n'],[],0,-5,2],[18,2,['n'],0,1,5,0]]]"), 0);
    assert_int_equal(decode_change("[0,[[16,0,['n'],[],0,0,0],[17,1,['n'],[],0,0,2]]]"), 0);
    static const char *const bad[] = {
        "[0,[[16,0,['n'],[],0,-1,0]]]",                   /* a grant takes nothing */
        "[0,[[16,0,['n'],[],0,1,-1]]]",                   /* no cell is below 0 */
        "[0,[[16,0,['n'],[],9223372036854775807,1,0]]]",  /* above what can be shown */
        "[0,[[17,0,['n'],[],0,1,9223372036854775807]]]",  /* the cell would overflow */
        "[0,[[17,0,['n'],[],0,-1,9223372036854775807]]]", /* likewise */
        "[0,[[17,0,['n'],[],0,-9223372036854775808,0]]]", /* likewise */
        "[0,[[18,0,['n'],0,1,0,0]]]",                     /* nothing is given */
        "[0,[[18,0,['n'],0,1,-1,0]]]",                    /* nobody gives debts */
        "[0,[[18,0,['n'],0,0,1,0]]]",                     /* to itself */
        "[0,[[18,0,['n'],0,2,1,0]]]",                     /* to no origin of the table */
        "[0,[[18,0,[],0,1,1,0]]]",                        /* at the root */
        "[0,[[8,0,['n'],[],5]]]",                         /* created without a bound */
        "[0,[[1,0,['n'],[[5,[]]]]]]",                     /* an unset that takes nothing */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (decode_change(bad[i]) != GS_EFORMAT) {
            fail_msg("%s is taken", bad[i]);
        }
    }
}

/* A field [name, type, payload, dots] whose presence is all that keeps it there. */
static int decode_present(int type, const char *payload) {
    static const uint8_t origins[] = {0x91, 0xc4, GS_ORIGIN_SIZE, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct gs_arena arena = {0};
    struct gs_buffer bytes = {0};
    struct gs_aggregate *state = NULL;
    char field[64];
    snprintf(field, sizeof(field), "[[],[['n',%d,%s,[0,1,0]]]]", type, payload);
    struct gs_slice root = value_of(&arena, field);
    gs_write_array(&bytes, 4);
    gs_write_uint(&bytes, 3); /* the full form */
    gs_buffer_append(&bytes, origins, sizeof(origins));
    struct gs_slice context = value_of(&arena, "[0,1]");
    gs_buffer_append(&bytes, context.bytes, context.length);
    gs_buffer_append(&bytes, root.bytes, root.length);
    int error = gs_aggregate_decode(bytes.bytes, bytes.length, NULL, &state);
    gs_aggregate_free(state);
    gs_buffer_close(&bytes);
    gs_arena_close(&arena);
    return error;
}

/* Others have nothing to show for it. */
static void only_some_types_have_presence(void **state) {
    (void)state;
    assert_int_equal(decode_present(GS_TYPE_BOUNDED_COUNTER, "[0,[],[]]"), 0);
    assert_int_equal(decode_present(GS_TYPE_SET, "[]"), 0);
    static const int without[] = {GS_TYPE_COUNTER,    GS_TYPE_FLAG_EW,  GS_TYPE_FLAG_DW,
                                  GS_TYPE_MVREGISTER, GS_TYPE_REGISTER, GS_TYPE_MAP};
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        const char *payload = without[i] == GS_TYPE_MAP ? "[[],[]]" : "[]";
        assert_int_equal(decode_present(without[i], payload), GS_EFORMAT);
    }
    assert_int_equal(decode_change("[0,[[1,0,['n'],[[5,[],[1,1,0]]]]]]"), 0);
    assert_int_equal(decode_change("[0,[[1,0,['n'],[[14,[],[1,1,0]]]]]]"), GS_EFORMAT);
}

static int ignore_rights(void *context, const struct gs_rights *rights) {
    (void)context;
    (void)rights;
    return 0;
}

static void looking_survives_every_failure(void **state) {
    (void)state;
    struct pair pair = pair_new();
    struct gs_delta first = replica_write(&pair.a, 1, "[" CREATE(0, 9) "," GIVE(2, 1) "]", &pair.arena);
    struct gs_delta second = replica_write(
        &pair.a, 2, "[" GIVE(3, 1) ",{'op':'create','path':'/m/k','type':'bounded_counter','initial':1}]", &pair.arena);
    const struct gs_delta *deltas = &second;
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct failing_memory failing = {0};
        struct gs_memory memory = failing_memory(&failing);
        struct gs_aggregate *target = gs_aggregate_new(&memory);
        assert_int_equal(gs_aggregate_apply(target, &first), 0);
        failing.fail_at = failing.count + k;
        int checked = gs_aggregate_check_rights(target, &deltas, 1);
        int visited = gs_aggregate_visit_rights(target, ignore_rights, NULL);
        failed = failing.count >= failing.fail_at;
        assert_int_equal(checked != 0 ? checked : visited, failed ? GS_ENOMEM : 0);
        gs_aggregate_free(target);
        assert_int_equal(failing.live, 0);
    }
    pair_close(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(transfers_move_rights),
        cmocka_unit_test(bounds_stay),
        cmocka_unit_test(rights_cannot_be_unset),
        cmocka_unit_test(unset_takes_what_it_saw),
        cmocka_unit_test(sums_stay_in_range),
        cmocka_unit_test(schemas_make_them),
        cmocka_unit_test(overspending_is_noticed),
        cmocka_unit_test(hostile_changes_are_refused),
        cmocka_unit_test(only_some_types_have_presence),
        cmocka_unit_test(looking_survives_every_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
