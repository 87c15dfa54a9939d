/* Leaderboards: every interleaving of scores, increments, removes and merges on three replicas, against a history of
 * operations; the queries; and what is refused. */
#include "tests/unit/replica_fixture.h"

#include <globalstate/leaderboard.h>

#include <stdio.h>

enum { REPLICAS = 3, STEPS = 5, WRITES = 9, ACTIONS = WRITES + 6 };

/* What a replica knows, by bit: operation i scores 2^i, so that a sum names its set. Clocks are not in the order of
 * operations, so that the last writer is not simply the last one. */
struct history {
    unsigned seen;
    unsigned ended;
};

struct world {
    struct replica replicas[REPLICAS];
    struct history histories[REPLICAS];
    unsigned ops;
    unsigned tos; /* by bit: the operation is a `to` */
    const struct gs_delta *deltas[STEPS];
    unsigned delta_count;
};

static const struct gs_slice board_name = {(const uint8_t *)"b", 1};
static const struct gs_slice member_name = {(const uint8_t *)"m", 1};

static unsigned long checked;

static unsigned clock_of(unsigned op) {
    return 1 + op * 5 % 7;
}

static void assert_shows(const struct gs_aggregate *state, const struct history *history, unsigned tos) {
    unsigned alive = history->seen & ~history->ended;
    unsigned score = alive & ~tos;
    unsigned latest = 0;
    unsigned last = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        if ((alive & tos & 1U << i) && clock_of(i) > latest) {
            latest = clock_of(i);
            last = 1U << i;
        }
    }
    char expected[64];
    snprintf(expected, sizeof(expected), alive != 0 ? "{'b':[{'member':'m','score':%u}]}" : "{}", score + last);
    assert_json(state, expected);
}

/* What the writer sees goes by a `to` and a remove. */
static void write_op(struct world *world, int r, enum gs_op_kind kind, struct gs_arena *arena) {
    struct replica *replica = &world->replicas[r];
    struct history *history = &world->histories[r];
    struct gs_op op = {.kind = kind, .path = {1, &board_name}, .member = member_name};
    uint8_t *number = gs_arena_alloc(arena, 1); /* the delta borrows it */
    assert_non_null(number);
    *number = (uint8_t)(1U << world->ops);
    struct gs_stamp stamp = {.origin = replica->origin, .seq = ++replica->seq, .clock = clock_of(world->ops)};
    if (kind != GS_OP_SCORE_BY) {
        history->ended |= history->seen;
    }
    if (kind != GS_OP_REMOVE_MEMBER) {
        op.value = gs_slice_make(number, 1); /* a positive fixint is its own encoding */
        history->seen |= 1U << world->ops;
        world->tos |= kind == GS_OP_SCORE_TO ? 1U << world->ops : 0;
        world->ops++;
    }
    struct gs_delta *delta = gs_arena_alloc(arena, sizeof(*delta));
    assert_int_equal(gs_aggregate_prepare(replica->state, &op, 1, &stamp, "", arena, delta, NULL), 0);
    if (delta->count > 0) {
        assert_int_equal(gs_aggregate_apply(replica->state, delta), 0);
        world->deltas[world->delta_count++] = delta;
    } else {
        replica->seq--;
    }
}

static void merge(struct world *world, int into, int from) {
    assert_int_equal(gs_aggregate_join(world->replicas[into].state, world->replicas[from].state), 0);
    world->histories[into].seen |= world->histories[from].seen;
    world->histories[into].ended |= world->histories[from].ended;
}

/* Everything meets: by merging states, and by applying the deltas forwards and backwards. */
static void check_end(const struct world *world) {
    struct gs_aggregate *ends[3] = {gs_aggregate_new(NULL), gs_aggregate_new(NULL), gs_aggregate_new(NULL)};
    struct history all = {0, 0};
    for (int r = 0; r < REPLICAS; r++) {
        assert_int_equal(gs_aggregate_join(ends[0], world->replicas[r].state), 0);
        all.seen |= world->histories[r].seen;
        all.ended |= world->histories[r].ended;
    }
    for (unsigned i = 0; i < world->delta_count; i++) {
        assert_int_equal(gs_aggregate_apply(ends[1], world->deltas[i]), 0);
        assert_int_equal(gs_aggregate_apply(ends[2], world->deltas[world->delta_count - 1 - i]), 0);
    }
    assert_shows(ends[0], &all, world->tos);
    for (int i = 0; i < 3; i++) {
        assert_same(ends[0], ends[i]);
    }
    for (int i = 0; i < 3; i++) {
        gs_aggregate_free(ends[i]);
    }
    checked++;
}

static void explore(const struct world *before, int steps_left) {
    static const enum gs_op_kind kinds[] = {GS_OP_SCORE_BY, GS_OP_SCORE_TO, GS_OP_REMOVE_MEMBER};
    if (steps_left == 0) {
        check_end(before);
        return;
    }
    for (int action = 0; action < ACTIONS; action++) {
        struct gs_arena arena = {0};
        struct world world = *before;
        int merging = action - WRITES;
        int r = (action < WRITES ? action : merging) % REPLICAS;
        int from = (r + 1 + merging / REPLICAS) % REPLICAS;
        bool first = steps_left == STEPS && (r > 0 || action >= 2 * REPLICAS); /* the rest by symmetry */
        bool idle =
            action < WRITES ? action >= 2 * REPLICAS && world.histories[r].seen == 0 : world.histories[from].seen == 0;
        if (first || idle) {
            continue;
        }
        world.replicas[r].state = gs_aggregate_clone(before->replicas[r].state, NULL);
        if (action < WRITES) {
            write_op(&world, r, kinds[action / REPLICAS], &arena);
        } else {
            merge(&world, r, from);
        }
        assert_shows(world.replicas[r].state, &world.histories[r], world.tos);
        explore(&world, steps_left - 1);
        gs_aggregate_free(world.replicas[r].state);
        gs_arena_close(&arena);
    }
}

static void every_interleaving(void **state) {
    (void)state;
    struct world world = {.ops = 0};
    for (int r = 0; r < REPLICAS; r++) {
        world.replicas[r] = replica_new(r + 1);
    }
    explore(&world, STEPS);
    assert_true(checked > 10000);
    print_message("%lu interleavings\n", checked);
    for (int r = 0; r < REPLICAS; r++) {
        gs_aggregate_free(world.replicas[r].state);
    }
}

static struct gs_slice text(const char *name) {
    return gs_slice_make(name, strlen(name));
}

static void the_top_and_the_rank(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct gs_path path = {1, &board_name};
    struct gs_leader leaders[64];
    uint32_t count = 7;
    uint32_t rank = 0;
    int64_t score = 0;
    assert_int_equal(gs_leaderboard_top(a.state, &path, 3, leaders, &count), GS_ENOTFOUND);
    assert_int_equal(count, 7);
    for (int i = 0; i < 50; i++) { /* scores 0..9, five members each */
        char op[96];
        snprintf(op, sizeof(op), "[{'op':'score','path':'/b','member':'m%02d','to':%d}]", i, i * 7 % 10);
        replica_write(&a, 1, op, &arena);
    }
    replica_write(&a, 1, "[{'op':'remove','path':'/b','value':'m07'},{'op':'score','path':'/c','member':'x','to':99}]",
                  &arena);
    for (uint32_t k = 0; k < 60; k++) {
        assert_int_equal(gs_leaderboard_top(a.state, &path, k, leaders, &count), 0);
        assert_int_equal(count, k < 49 ? k : 49);
        for (uint32_t i = 0; i < count; i++) {
            int order = i == 0 ? -1 : gs_slice_compare(leaders[i - 1].member, leaders[i].member);
            assert_true(i == 0 || leaders[i - 1].score > leaders[i].score ||
                        (leaders[i - 1].score == leaders[i].score && order < 0));
            assert_int_equal(gs_leaderboard_rank(a.state, &path, leaders[i].member, &rank, &score), 0);
            assert_int_equal(rank, i + 1);
            assert_int_equal(score, leaders[i].score);
        }
    }
    assert_int_equal(gs_leaderboard_rank(a.state, &path, text("m07"), &rank, &score), GS_ENOTFOUND);
    assert_int_equal(gs_leaderboard_rank(a.state, &path, text("m"), &rank, &score), GS_ENOTFOUND);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

static void refuse(struct replica *replica, const char *ops, int error, const char *field, const char *detail) {
    struct gs_arena arena = {0};
    struct gs_delta delta;
    struct gs_problem problem = {0};
    assert_int_equal(replica_prepare(replica, 9, ops, &arena, &delta, &problem), error);
    assert_string_equal(problem.field, field);
    if (!strstr(problem.detail, detail)) {
        fail_msg("\"%s\" says nothing of \"%s\"", problem.detail, detail);
    }
    gs_arena_close(&arena);
}

static void what_does_not_fit_is_named(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    replica_write(&a, 1, "[{'op':'score','path':'/b','member':'ada','to':9223372036854775807}]", &arena);
    refuse(&a, "[{'op':'score','path':'/b','member':'ada','by':1}]", GS_EOVERFLOW, "/ops/0/by", "/b");
    refuse(&a, "[{'op':'score','path':'/b','member':'ada'}]", GS_EINVAL, "/ops/0", "one of");
    refuse(&a, "[{'op':'score','path':'/b','member':'ada','by':1,'to':1}]", GS_EINVAL, "/ops/0", "one of");
    refuse(&a, "[{'op':'score','path':'/b','to':1}]", GS_EINVAL, "/ops/0/member", "lacks");
    refuse(&a, "[{'op':'score','path':'/b','member':1,'to':1}]", GS_EINVAL, "/ops/0/member", "string");
    refuse(&a, "[{'op':'score','path':'/b','member':'ada','to':1.5}]", GS_ETYPE, "/ops/0/to", "integer");
    refuse(&a, "[{'op':'score','path':'/b','member':'ada','by':'1'}]", GS_ETYPE, "/ops/0/by", "integer");
    refuse(&a, "[{'op':'remove','path':'/b','value':1}]", GS_ETYPE, "/ops/0/value", "/b");
    refuse(&a, "[{'op':'add','path':'/b','value':'ada'}]", GS_ETYPE, "/ops/0", "leaderboard");
    refuse(&a, "[{'op':'set','path':'/b','value':1}]", GS_ETYPE, "/ops/0/value", "/b");
    refuse(&a, "[{'op':'set','path':'/b','value':[{'member':'x','score':1},{'member':'y'}]}]", GS_ETYPE, "/ops/0/value",
           "entry 1");
    refuse(&a, "[{'op':'set','path':'/b','value':[{'member':'x','score':1,'z':2}]}]", GS_ETYPE, "/ops/0/value",
           "entry 0");
    refuse(&a, "[{'op':'set','path':'/b','value':[{'member':'x','score':1.0}]}]", GS_ETYPE, "/ops/0/value", "entry 0");
    refuse(&a,
           "[{'op':'set','path':'/b','value':[{'member':'x','score':1},{'member':'y','score':1},"
           "{'member':'x','score':1}]}]",
           GS_ETYPE, "/ops/0/value", "entries 0 and 2");
    struct gs_op *ops = NULL;
    struct gs_problem problem = {0};
    uint32_t count = 0;
    assert_int_equal(gs_aggregate_diff(a.state, value_of(&arena, "{'b':[7]}"), &arena, &ops, &count, &problem),
                     GS_ETYPE);
    assert_string_equal(problem.field, "/b");
    assert_non_null(strstr(problem.detail, "entry 0"));
    /* Past the end only by merging: then shown saturated, and led back. */
    struct replica b = replica_new(2);
    struct gs_delta more = replica_write(&b, 2, "[{'op':'score','path':'/b','member':'ada','by':5}]", &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &more), 0);
    assert_json(a.state, "{'b':[{'member':'ada','score':9223372036854775807}]}");
    replica_write(&a, 3, "[{'op':'score','path':'/b','member':'ada','by':-6}]", &arena);
    assert_json(a.state, "{'b':[{'member':'ada','score':9223372036854775806}]}");
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static void no_member_is_longer_than_a_name(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    char name[GS_NAME_BYTES_MAX + 2] = {0};
    char op[GS_NAME_BYTES_MAX + 100];
    memset(name, 'n', GS_NAME_BYTES_MAX);
    snprintf(op, sizeof(op), "[{'op':'score','path':'/b','member':'%s','to':1}]", name);
    replica_write(&a, 1, op, &arena);
    name[GS_NAME_BYTES_MAX] = 'n';
    snprintf(op, sizeof(op), "[{'op':'score','path':'/b','member':'%s','to':1}]", name);
    refuse(&a, op, GS_EINVAL, "/ops/0/member", "256");
    snprintf(op, sizeof(op), "[{'op':'set','path':'/b','value':[{'member':'%s','score':1}]}]", name);
    refuse(&a, op, GS_ETYPE, "/ops/0/value", "entry 0");
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* Members are no part of the path: a board may lie where a path ends at its longest. */
static void a_board_lies_as_deep_as_any_field(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct gs_origin_table table = {0};
    struct gs_buffer bytes = {0};
    const char *path = "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16";
    char ops[160];
    snprintf(ops, sizeof(ops), "[{'op':'score','path':'%s','member':'ada','to':1}]", path);
    struct gs_delta first = replica_write(&a, 1, ops, &arena);
    assert_round_trip(a.state);
    snprintf(ops, sizeof(ops), "[{'op':'score','path':'%s','member':'ada','by':1},{'op':'unset','path':'/1'}]", path);
    struct gs_delta second = replica_write(&a, 2, ops, &arena);
    assert_int_equal(gs_delta_encode(&second, &table, &bytes), 0);
    struct gs_delta back = {.origin = second.origin, .seq = second.seq, .clock = second.clock};
    struct gs_reader reader;
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    assert_int_equal(gs_delta_decode(&reader, &table, &arena, &back), 0);
    assert_int_equal(gs_aggregate_apply(b.state, &back), 0);
    assert_int_equal(gs_aggregate_apply(b.state, &first), 0);
    assert_same(a.state, b.state);
    assert_json(b.state, "{}");
    gs_buffer_close(&bytes);
    gs_origin_table_close(&table);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

static int decode_delta(const char *bytes, size_t length) {
    struct gs_arena arena = {0};
    gs_origin own = origin_of(1);
    struct gs_origin_table table = {.origins = &own, .count = 1};
    struct gs_delta delta = {.origin = own, .seq = 9};
    struct gs_reader reader;
    gs_reader_init(&reader, bytes, length);
    int error = gs_delta_decode(&reader, &table, &arena, &delta);
    error = error != 0 ? error : gs_reader_finish(&reader);
    gs_arena_close(&arena);
    return error;
}

#define DECODE(bytes) decode_delta(bytes, sizeof(bytes) - 1)

/* An unset of a board: [1, 0, ["b"], [[7, [[], [["m", TYPE, payload]]]]]]; dots are [0, 1, 0]. */
#define UNSET                          \
    "\x92\x00\x91\x94\x01\x00\x91\xa1" \
    "b\x91\x92\x07\x92"
static void only_registers_and_counters_lie_in_a_board(void **state) {
    (void)state;
    assert_int_equal(DECODE(UNSET "\x90\x91\x93\xa1m\x0e\x93\x00\x01\x00"), 0);
    assert_int_equal(DECODE(UNSET "\x90\x91\x93\xa1m\x06\x94\x00\x01\x00\x05"), 0);
    assert_int_equal(DECODE(UNSET "\x90\x91\x93\xa1m\x03\x93\x00\x01\x00"), GS_EFORMAT);         /* a set */
    assert_int_equal(DECODE(UNSET "\x90\x91\x93\xa1m\x01\x92\x93\x00\x01\x00\x90"), GS_EFORMAT); /* a map */
    assert_int_equal(DECODE(UNSET "\x93\x00\x01\x00\x90"), GS_EFORMAT);                          /* dots of its own */
    assert_int_equal(DECODE(UNSET "\x90\x91\x94\xa1m\x0e\x93\x00\x01\x00\x93\x00\x02\x00"), GS_EFORMAT); /* presence */
    assert_int_equal(DECODE(UNSET "\x90\x91\x93\xa1m\x07\x92\x90\x91\x93\xa1m\x0e\x93\x00\x01\x00"),
                     GS_EFORMAT); /* a board */
    /* A score of text; a remove that takes nothing. */
    assert_int_equal(DECODE("\x92\x00\x91\x97\x15\x00\x91\xa1"
                            "b\x90\xa1m\x90\x01"),
                     0);
    assert_int_equal(DECODE("\x92\x00\x91\x97\x15\x00\x91\xa1"
                            "b\x90\xa1m\x90\xa1x"),
                     GS_EFORMAT);
    assert_int_equal(DECODE("\x92\x00\x91\x96\x17\x00\x91\xa1"
                            "b\x90\xa1m\x90"),
                     GS_EFORMAT);
}

#define DECODE_BOARD(payload) decode_field(GS_TYPE_LEADERBOARD, payload, sizeof(payload) - 1)

static void a_state_with_anything_else_in_a_board_is_refused(void **state) {
    (void)state;
    assert_int_equal(DECODE_BOARD("\x92\x90\x91\x93\xa1m\x0e\x91\x95\x00\x01\x00\x01\x05"), 0);
    assert_int_equal(DECODE_BOARD("\x92\x90\x91\x93\xa1m\x0e\x91\x95\x00\x01\x00\x01\xa1x"), GS_EFORMAT); /* text */
    assert_int_equal(DECODE_BOARD("\x92\x90\x91\x93\xa1m\x08\x91\x95\x00\x01\x00\x00\x05"), GS_EFORMAT);  /* a max */
    assert_int_equal(DECODE_BOARD("\x92\x93\x00\x01\x00\x90"), GS_EFORMAT);                               /* presence */
    assert_int_equal(DECODE_BOARD("\x92\x90\x91\x94\xa1m\x0e\x91\x95\x00\x01\x00\x01\x05\x93\x00\x02\x00"), GS_EFORMAT);
    assert_int_equal(DECODE_BOARD("\x92\x90\x91\x93\xa1m\x07\x92\x90\x91\x93\xa1m\x0e\x91\x95\x00\x01\x00\x01\x05"),
                     GS_EFORMAT);
}

static int keep_conflict(void *context, const struct gs_conflict *conflict) {
    struct gs_buffer *out = context;
    gs_buffer_printf(out, "%s %s", gs_type_name((int)conflict->type), conflict->rule);
    for (uint32_t i = 0; i < conflict->count; i++) {
        gs_buffer_printf(out, " %s ", conflict->values[i].op);
        gs_json_write(conflict->values[i].value, out);
    }
    gs_buffer_byte(out, '\n');
    return 0;
}

static void scores_side_by_side_are_reported(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct gs_buffer out = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    replica_write(&a, 2,
                  "[{'op':'score','path':'/b','member':'m','to':1},{'op':'score','path':'/b','member':'n','to':3}]",
                  &arena);
    struct gs_delta other = replica_write(
        &b, 1, "[{'op':'score','path':'/b','member':'m','to':2},{'op':'score','path':'/b','member':'m','by':5}]",
        &arena);
    assert_int_equal(gs_aggregate_apply(a.state, &other), 0);
    assert_json(a.state, "{'b':[{'member':'m','score':6},{'member':'n','score':3}]}");
    assert_int_equal(gs_aggregate_visit_conflicts(a.state, keep_conflict, &out), 0);
    gs_buffer_byte(&out, 0);
    assert_string_equal(
        (char *)out.bytes,
        "leaderboard last_writer_wins score {\"member\":\"m\",\"to\":1} score {\"member\":\"m\",\"to\":2}\n");
    gs_buffer_close(&out);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_interleaving),
        cmocka_unit_test(the_top_and_the_rank),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(no_member_is_longer_than_a_name),
        cmocka_unit_test(a_board_lies_as_deep_as_any_field),
        cmocka_unit_test(only_registers_and_counters_lie_in_a_board),
        cmocka_unit_test(a_state_with_anything_else_in_a_board_is_refused),
        cmocka_unit_test(scores_side_by_side_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
