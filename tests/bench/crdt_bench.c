/* What the CRDT library costs: time for an op, its delta, a whole state; bytes for what is held and what is sent.
 *
 *   crdt_bench [SECONDS]      about SECONDS (default 0.2) for each figure; prints one table a question
 *
 * `prepare` resolves one op against the state, `apply` joins its delta; both are measured on many ops, one event each.
 * The other columns are for the whole state. */
#include <globalstate/aggregate.h>
#include <globalstate/json.h>
#include <globalstate/leaderboard.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds_a_figure = 0.2;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void check(int error, const char *what) {
    if (error != 0) {
        fprintf(stderr, "crdt_bench: %s: %s\n", what, gs_error_name(error));
        exit(1);
    }
}

/* One kind of field: how it is made, and its i-th op. Ops of one size go over `places` fields. */
struct subject {
    const char *name;
    const char *create; /* NULL: the op makes it */
    const char *op;     /* printf format of (number of the place, number of the op) */
    bool spread;        /* size = number of fields; else size = ops on one field */
};

static const struct subject subjects[] = {
    {"register", NULL, "{\"op\":\"set\",\"path\":\"/f%u\",\"value\":%u}", true},
    {"mvregister", "mvregister", "{\"op\":\"set\",\"path\":\"/f%u\",\"value\":%u}", true},
    {"flag_ew", NULL, "{\"op\":\"enable\",\"path\":\"/f%u\"}", true},
    {"counter", NULL, "{\"op\":\"increment\",\"path\":\"/f%u\",\"by\":%u}", true},
    {"max", NULL, "{\"op\":\"max\",\"path\":\"/f%u\",\"by\":%u}", true},
    {"set", NULL, "{\"op\":\"add\",\"path\":\"/f%u\",\"value\":%u}", false},
    {"leaderboard", NULL, "{\"op\":\"score\",\"path\":\"/f%u\",\"member\":\"m%u\",\"by\":1}", false},
    {"hyperloglog", NULL, "{\"op\":\"observe\",\"path\":\"/f%u\",\"value\":%u}", false},
    {"set_rw", "set_rw", "{\"op\":\"add\",\"path\":\"/f%u\",\"value\":%u}", false},
    {"bounded_counter", "bounded_counter", "{\"op\":\"increment\",\"path\":\"/f%u\",\"by\":%u}", true},
    {"list", NULL, "{\"op\":\"insert\",\"path\":\"/f%u\",\"index\":0,\"value\":%u}", false},
};

struct world {
    struct gs_aggregate *state;
    gs_origin origin;
    uint64_t seq;
    struct gs_arena arena; /* of deltas that are kept */
};

static void read_op(const char *text, struct gs_arena *arena, struct gs_op **ret_ops) {
    struct gs_buffer value = {0};
    struct gs_problem problem = {0};
    uint32_t count = 0;
    check(gs_json_parse(text, strlen(text), 8, &value, &problem), text);
    struct gs_slice kept = gs_slice_make(gs_arena_copy(arena, value.bytes, value.length), value.length);
    int error = gs_ops_parse(kept, "", arena, ret_ops, &count, &problem);
    if (error != 0) {
        fprintf(stderr, "crdt_bench: %s: %s %s\n", text, problem.field, problem.detail);
        exit(1);
    }
    gs_buffer_close(&value);
}

static void op_text(const struct subject *subject, uint32_t number, uint32_t size, char *ret_text, size_t room) {
    char op[160];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(op, sizeof(op), subject->op, subject->spread ? number % size : 0, number + 1);
#pragma GCC diagnostic pop
    bool create = subject->create && (subject->spread ? number < size : number == 0);
    if (create) {
        snprintf(ret_text, room, "[{\"op\":\"create\",\"path\":\"/f%u\",\"type\":\"%s\"},%s]",
                 subject->spread ? number : 0, subject->create, op);
    } else {
        snprintf(ret_text, room, "[%s]", op);
    }
}

static struct gs_delta prepare(struct world *world, const struct gs_op *ops, uint32_t count, struct gs_arena *arena) {
    struct gs_stamp stamp = {.origin = world->origin, .seq = world->seq + 1, .clock = world->seq + 1};
    struct gs_delta delta;
    check(gs_aggregate_prepare(world->state, ops, count, &stamp, "", arena, &delta, NULL), "prepare");
    return delta;
}

static void fill(struct world *world, const struct subject *subject, uint32_t size) {
    char text[320];
    for (uint32_t i = 0; i < size; i++) {
        struct gs_arena arena = {0};
        struct gs_op *ops = NULL;
        op_text(subject, i, size, text, sizeof(text));
        read_op(text, &arena, &ops);
        uint32_t count = strstr(text, "create") ? 2 : 1;
        struct gs_delta delta = prepare(world, ops, count, &arena);
        check(gs_aggregate_apply(world->state, &delta), "apply");
        world->seq++;
        gs_arena_close(&arena);
    }
}

/* Nanoseconds for preparing and for applying one op more, and bytes of its delta. */
static void measure_ops(struct world *world, const struct subject *subject, uint32_t size) {
    double prepare_time = 0;
    double apply_time = 0;
    size_t bytes = 0;
    uint32_t done = 0;
    while (prepare_time + apply_time < seconds_a_figure && done < 20000) {
        char text[320];
        struct gs_arena arena = {0};
        struct gs_op *ops = NULL;
        op_text(subject, size + done, size, text, sizeof(text));
        read_op(text, &arena, &ops);
        double start = now();
        struct gs_delta delta = prepare(world, ops, 1, &arena);
        double middle = now();
        check(gs_aggregate_apply(world->state, &delta), "apply");
        double end = now();
        prepare_time += middle - start;
        apply_time += end - middle;
        struct gs_origin_table table = {0};
        struct gs_buffer out = {0};
        check(gs_delta_encode(&delta, &table, &out), "encode a delta");
        bytes += out.length;
        gs_buffer_close(&out);
        gs_origin_table_close(&table);
        gs_arena_close(&arena);
        world->seq++;
        done++;
    }
    printf(" %9.0f %9.0f %7.1f\n", prepare_time / done * 1e9, apply_time / done * 1e9, (double)bytes / done);
}

typedef void (*whole_fn)(const struct world *world, struct gs_buffer *encoded);

static void encode(const struct world *world, struct gs_buffer *encoded) {
    encoded->length = 0;
    check(gs_aggregate_encode(world->state, GS_ENCODE_FULL, encoded), "encode");
}

static void decode(const struct world *world, struct gs_buffer *encoded) {
    (void)world;
    struct gs_aggregate *copy = NULL;
    check(gs_aggregate_decode(encoded->bytes, encoded->length, NULL, &copy), "decode");
    gs_aggregate_free(copy);
}

static void join(const struct world *world, struct gs_buffer *encoded) {
    (void)encoded;
    struct gs_aggregate *copy = gs_aggregate_clone(world->state, NULL);
    check(copy ? 0 : GS_ENOMEM, "clone");
    gs_aggregate_free(copy);
}

static void json(const struct world *world, struct gs_buffer *encoded) {
    (void)encoded;
    struct gs_buffer out = {0};
    check(gs_aggregate_write_json(world->state, &out), "write JSON");
    gs_buffer_close(&out);
}

/* Microseconds. */
static double measure_whole(whole_fn run, const struct world *world, struct gs_buffer *encoded) {
    uint32_t rounds = 0;
    double start = now();
    double end = start;
    while (end - start < seconds_a_figure) {
        run(world, encoded);
        rounds++;
        end = now();
    }
    return (end - start) / rounds * 1e6;
}

static void measure(const struct subject *subject, uint32_t size) {
    struct world world = {.state = gs_aggregate_new(NULL), .origin = {{1}}};
    struct gs_buffer encoded = {0};
    fill(&world, subject, size);
    printf("%-16s %7u %10zu", subject->name, size, gs_aggregate_bytes(world.state));
    static const whole_fn wholes[] = {encode, decode, join, json};
    for (size_t i = 0; i < sizeof(wholes) / sizeof(wholes[0]); i++) {
        printf(" %9.1f", measure_whole(wholes[i], &world, &encoded));
    }
    printf(" %9zu", encoded.length);
    measure_ops(&world, subject, size);
    fflush(stdout);
    gs_buffer_close(&encoded);
    gs_aggregate_free(world.state);
}

/* A player as games have them: twenty fields of several types. */
static void measure_player(void) {
    static const char player[] =
        "[{\"op\":\"set\",\"path\":\"\",\"value\":{\"name\":\"Ada Lovelace\",\"class\":\"mage\",\"zone\":\"arena-7\","
        "\"x\":12.5,\"y\":-3.25,\"z\":0.5,\"guild\":\"engines\",\"mount\":null,\"created\":1764108671}},"
        "{\"op\":\"increment\",\"path\":\"/gold\",\"by\":1500},{\"op\":\"increment\",\"path\":\"/xp\",\"by\":98000},"
        "{\"op\":\"increment\",\"path\":\"/kills\",\"by\":12},{\"op\":\"increment\",\"path\":\"/deaths\",\"by\":3},"
        "{\"op\":\"max\",\"path\":\"/best\",\"by\":42},{\"op\":\"min\",\"path\":\"/fastest\",\"by\":17.5},"
        "{\"op\":\"enable\",\"path\":\"/vip\"},{\"op\":\"disable\",\"path\":\"/muted\"},"
        "{\"op\":\"add\",\"path\":\"/items\",\"value\":\"sword\"},{\"op\":\"add\",\"path\":\"/"
        "items\",\"value\":\"axe\"},"
        "{\"op\":\"add\",\"path\":\"/friends\",\"value\":\"bob\"},{\"op\":\"set\",\"path\":\"/last\",\"value\":\"a\"}]";
    struct world world = {.state = gs_aggregate_new(NULL), .origin = {{1}}};
    struct gs_arena arena = {0};
    struct gs_op *ops = NULL;
    read_op(player, &arena, &ops);
    struct gs_delta delta = prepare(&world, ops, 13, &arena);
    check(gs_aggregate_apply(world.state, &delta), "apply");
    struct gs_buffer encoded = {0};
    encode(&world, &encoded);
    printf("an aggregate of 20 fields: %zu bytes resident, %zu encoded\n", gs_aggregate_bytes(world.state),
           encoded.length);
    gs_buffer_close(&encoded);
    gs_arena_close(&arena);
    gs_aggregate_free(world.state);
}

/* Small deltas of one origin, joined one after the other by a replica that has none of them. */
static void measure_joins(const struct subject *subject, bool decoded) {
    enum { COUNT = 200000 };
    struct world world = {.state = gs_aggregate_new(NULL), .origin = {{1}}};
    struct gs_delta *deltas = calloc(COUNT, sizeof(*deltas));
    struct gs_buffer *bytes = calloc(COUNT, sizeof(*bytes));
    struct gs_origin_table table = {0};
    check(deltas && bytes ? 0 : GS_ENOMEM, "calloc");
    for (uint32_t i = 0; i < COUNT; i++) {
        char text[320];
        struct gs_op *ops = NULL;
        op_text(subject, i, 16, text, sizeof(text));
        read_op(text, &world.arena, &ops);
        deltas[i] = prepare(&world, ops, 1, &world.arena);
        check(gs_aggregate_apply(world.state, &deltas[i]), "apply");
        check(gs_delta_encode(&deltas[i], &table, &bytes[i]), "encode a delta");
        world.seq++;
    }
    struct gs_aggregate *reader = gs_aggregate_new(NULL);
    struct gs_arena arena = {0};
    double start = now();
    for (uint32_t i = 0; i < COUNT; i++) {
        struct gs_delta delta = deltas[i];
        if (!decoded) {
            struct gs_reader input;
            gs_reader_init(&input, bytes[i].bytes, bytes[i].length);
            check(gs_delta_decode(&input, &table, &arena, &delta), "decode a delta");
        }
        check(gs_aggregate_apply(reader, &delta), "apply");
        if (!decoded) {
            gs_arena_close(&arena);
        }
    }
    double end = now();
    printf("%-16s %s: %6.2f million deltas a second\n", subject->name, decoded ? "joined" : "decoded and joined",
           COUNT / (end - start) / 1e6);
    for (uint32_t i = 0; i < COUNT; i++) {
        gs_buffer_close(&bytes[i]);
    }
    gs_origin_table_close(&table);
    gs_arena_close(&world.arena);
    gs_aggregate_free(reader);
    gs_aggregate_free(world.state);
    free(deltas);
    free(bytes);
}

/* The first ten of a board, and where one member stands. */
static void measure_top(const struct subject *subject) {
    enum { ROUNDS = 20, TOP = 10 };
    static const struct gs_slice name = {(const uint8_t *)"f0", 2}, member = {(const uint8_t *)"m7", 2};
    const struct gs_path path = {1, &name};
    for (uint32_t size = 1000; size <= 100000; size *= 10) {
        struct world world = {.state = gs_aggregate_new(NULL), .origin = {{1}}};
        struct gs_leader leaders[TOP];
        uint32_t number = 0;
        int64_t score = 0;
        fill(&world, subject, size);
        double start = now();
        for (int i = 0; i < ROUNDS; i++) {
            check(gs_leaderboard_top(world.state, &path, TOP, leaders, &number), "top");
        }
        double middle = now();
        for (int i = 0; i < ROUNDS; i++) {
            check(gs_leaderboard_rank(world.state, &path, member, &number, &score), "rank");
        }
        double end = now();
        printf("leaderboard of %6" PRIu32 ": first %d %8.1f us, rank of one %8.1f us\n", size, TOP,
               (middle - start) / ROUNDS * 1e6, (end - middle) / ROUNDS * 1e6);
        gs_aggregate_free(world.state);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) {
        seconds_a_figure = strtod(argv[1], NULL);
    }
    measure_player();
    printf("\n");
    for (size_t i = 0; i < 2; i++) {
        measure_joins(&subjects[3], i == 0);
        measure_joins(&subjects[0], i == 0);
        measure_joins(&subjects[5], i == 0);
    }
    printf("\n");
    measure_top(&subjects[6]);
    printf("\n%-16s %7s %10s %9s %9s %9s %9s %9s %9s %9s %7s\n", "", "", "resident", "encode", "decode", "clone",
           "JSON", "encoded", "prepare", "apply", "delta");
    printf("%-16s %7s %10s %9s %9s %9s %9s %9s %9s %9s %7s\n", "type", "size", "bytes", "us", "us", "us", "us", "bytes",
           "ns", "ns", "bytes");
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        uint32_t most = subjects[i].spread ? 1000 : 100000;
        for (uint32_t size = subjects[i].spread ? 10 : 100; size <= most; size *= 10) {
            measure(&subjects[i], size);
        }
    }
    return 0;
}
