/* Deltas as bytes: they come back as they were, hostile ones are refused, and claims are all visited. */
#include "tests/unit/replica_fixture.h"

#include <stdio.h>

static const char *const before =
    "[{'op':'set','path':'/a/b','value':1},{'op':'add','path':'/s','value':1},{'op':'increment','path':'/c/d','by':5},"
    "{'op':'max','path':'/x','by':2},{'op':'set','path':'/m','value':{'k':{}}}]";
static const char *const after =
    "[{'op':'set','path':'/a/b','value':[1,{'z':null}]},{'op':'add','path':'/s','value':1},"
    "{'op':'remove','path':'/s','value':1},{'op':'increment','path':'/c/d','by':-2},{'op':'unset','path':'/c'},"
    "{'op':'increment','path':'/c/d','by':1},{'op':'max','path':'/x','by':2.5},{'op':'unset','path':'/m'},"
    "{'op':'set','path':'/n','value':{}},{'op':'unset','path':''}]";

struct scene {
    struct gs_arena arena;
    struct replica a;
    struct replica b;
    struct gs_delta first;
    struct gs_delta second; /* b's, seeing a's first and its own zeroth */
    struct gs_buffer bytes;
    struct gs_origin_table table;
};

static struct scene scene_new(void) {
    struct scene scene = {.a = replica_new(1), .b = replica_new(2)};
    replica_write(&scene.b, 1, "[{'op':'increment','path':'/c/d','by':1},{'op':'add','path':'/s','value':1}]",
                  &scene.arena);
    scene.first = replica_write(&scene.a, 5, before, &scene.arena);
    assert_int_equal(gs_aggregate_apply(scene.b.state, &scene.first), 0);
    scene.second = replica_write(&scene.b, 6, after, &scene.arena);
    assert_int_equal(gs_delta_encode(&scene.second, &scene.table, &scene.bytes), 0);
    return scene;
}

static void scene_close(struct scene *scene) {
    gs_aggregate_free(scene->a.state);
    gs_aggregate_free(scene->b.state);
    gs_buffer_close(&scene->bytes);
    gs_origin_table_close(&scene->table);
    gs_arena_close(&scene->arena);
}

static int decode(struct scene *scene, const struct gs_buffer *bytes, struct gs_arena *arena,
                  struct gs_delta *ret_delta) {
    struct gs_reader reader;
    gs_reader_init(&reader, bytes->bytes, bytes->length);
    *ret_delta =
        (struct gs_delta){.origin = scene->second.origin, .seq = scene->second.seq, .clock = scene->second.clock};
    int error = gs_delta_decode(&reader, &scene->table, arena, ret_delta);
    return error != 0 ? error : gs_reader_finish(&reader);
}

static void comes_back_as_it_was(void **state) {
    (void)state;
    struct scene scene = scene_new();
    struct gs_delta delta;
    assert_int_equal(decode(&scene, &scene.bytes, &scene.arena, &delta), 0);
    assert_int_equal(delta.previous, 1);
    assert_int_equal(delta.count, scene.second.count);
    struct gs_buffer again = {0};
    assert_int_equal(gs_delta_encode(&delta, &scene.table, &again), 0);
    assert_int_equal(again.length, scene.bytes.length);
    assert_memory_equal(again.bytes, scene.bytes.bytes, again.length);
    gs_buffer_close(&again);
    /* And it does the same: at a replica that has seen only what it supersedes. */
    struct gs_aggregate *x = gs_aggregate_clone(scene.a.state, NULL);
    struct gs_aggregate *y = gs_aggregate_clone(scene.a.state, NULL);
    assert_int_equal(gs_aggregate_apply(x, &delta), 0);
    assert_int_equal(gs_aggregate_apply(y, &scene.second), 0);
    assert_same(x, y);
    gs_aggregate_free(x);
    gs_aggregate_free(y);
    scene_close(&scene);
}

static void reads_like_what_was_asked(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct gs_delta delta = replica_write(
        &a, 1,
        "[{'op':'set','path':'/a~1b','value':'x'},{'op':'increment','path':'/c','by':-5},{'op':'max','path':'/"
        "m','by':1.5},"
        "{'op':'add','path':'/s','value':null},{'op':'set','path':'/o','value':{}},{'op':'unset','path':'/c'}]",
        &arena);
    struct gs_buffer text = {0};
    gs_delta_write_json(&delta, &text);
    gs_buffer_byte(&text, 0);
    assert_string_equal(
        (char *)text.bytes,
        "[{\"op\":\"set\",\"path\":\"/a~1b\",\"value\":\"x\"},{\"op\":\"increment\",\"path\":\"/c\",\"by\":-5},"
        "{\"op\":\"max\",\"path\":\"/m\",\"by\":1.5},{\"op\":\"add\",\"path\":\"/s\",\"value\":null},"
        "{\"op\":\"set\",\"path\":\"/o\",\"value\":{}},{\"op\":\"unset\",\"path\":\"/c\"}]");
    gs_buffer_close(&text);
    gs_aggregate_free(a.state);
    gs_arena_close(&arena);
}

/* Every cut is refused; every changed byte is refused or is another delta whose bytes are exactly these. What is
 * accepted can be applied, and what it leaves can be encoded and read back. */
static void hostile_bytes(void **state) {
    (void)state;
    struct scene scene = scene_new();
    size_t accepted = 0;
    for (size_t length = 0; length < scene.bytes.length; length++) {
        struct gs_arena arena = {0};
        struct gs_delta delta;
        struct gs_buffer cut = {.bytes = scene.bytes.bytes, .length = length};
        assert_true(decode(&scene, &cut, &arena, &delta) < 0);
        gs_arena_close(&arena);
    }
    for (size_t i = 0; i < scene.bytes.length; i++) {
        for (int byte = 0; byte < 256; byte++) {
            struct gs_arena arena = {0};
            struct gs_delta delta;
            struct gs_buffer again = {0};
            uint8_t kept = scene.bytes.bytes[i];
            scene.bytes.bytes[i] = (uint8_t)byte;
            if (decode(&scene, &scene.bytes, &arena, &delta) == 0) {
                accepted++;
                assert_int_equal(gs_delta_encode(&delta, &scene.table, &again), 0);
                assert_int_equal(again.length, scene.bytes.length);
                assert_memory_equal(again.bytes, scene.bytes.bytes, again.length);
                struct gs_aggregate *target = gs_aggregate_clone(scene.a.state, NULL);
                assert_int_equal(gs_aggregate_apply(target, &delta), 0);
                assert_round_trip(target);
                gs_aggregate_free(target);
            }
            scene.bytes.bytes[i] = kept;
            gs_buffer_close(&again);
            gs_arena_close(&arena);
        }
    }
    assert_true(accepted > scene.bytes.length);
    scene_close(&scene);
}

/* Writes one `increment` with the given own total before. */
static int decode_increment(int64_t before_total, int64_t by) {
    struct gs_buffer bytes = {0};
    struct gs_arena arena = {0};
    gs_origin own = origin_of(1);
    struct gs_origin_table table = {.origins = &own, .count = 1};
    gs_write_array(&bytes, 2);
    gs_write_uint(&bytes, 0);
    gs_write_array(&bytes, 1);
    gs_write_array(&bytes, 5);
    gs_write_uint(&bytes, GS_OP_INCREMENT);
    gs_write_uint(&bytes, 0);
    gs_write_array(&bytes, 1);
    gs_write_str(&bytes, "c", 1);
    gs_write_int(&bytes, by);
    gs_write_int(&bytes, before_total);
    struct gs_reader reader;
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    struct gs_delta delta = {.origin = own, .seq = 1};
    int error = gs_delta_decode(&reader, &table, &arena, &delta);
    gs_buffer_close(&bytes);
    gs_arena_close(&arena);
    return error;
}

static void totals_that_overflow_are_refused(void **state) {
    (void)state;
    assert_int_equal(decode_increment(INT64_MAX - 1, 1), 0);
    assert_int_equal(decode_increment(INT64_MAX, 1), GS_EFORMAT);
    assert_int_equal(decode_increment(INT64_MIN, -1), GS_EFORMAT);
}

/* Encodes a delta by hand that supersedes one dot of its own. */
static int decode_own_dot(uint64_t seq, uint32_t index) {
    struct gs_arena arena = {0};
    struct gs_buffer bytes = {0};
    struct gs_origin_table table = {0};
    struct gs_slice name = gs_slice_make("a", 1);
    uint8_t value = 1;
    gs_dot dot = {.origin = origin_of(1), .at = {seq, index}};
    struct gs_change change = {.kind = GS_OP_SET,
                               .index = 3,
                               .path = {1, &name},
                               .value = gs_slice_make(&value, 1),
                               .dot_count = 1,
                               .dots = &dot};
    struct gs_delta delta = {.origin = origin_of(1), .seq = 5, .previous = 4, .count = 1, .changes = &change};
    assert_int_equal(gs_delta_encode(&delta, &table, &bytes), 0);
    struct gs_reader reader;
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    int error = gs_delta_decode(&reader, &table, &arena, &delta);
    gs_buffer_close(&bytes);
    gs_origin_table_close(&table);
    gs_arena_close(&arena);
    return error;
}

static void claims_of_the_own_future_are_refused(void **state) {
    (void)state;
    assert_int_equal(decode_own_dot(5, 2), 0);
    assert_int_equal(decode_own_dot(4, 9), 0);
    assert_int_equal(decode_own_dot(5, 3), GS_EOVERCLAIM);
    assert_int_equal(decode_own_dot(6, 0), GS_EOVERCLAIM);
    assert_int_equal(decode_own_dot(0, 0), GS_EFORMAT);
}

static int list_claim(void *context, const gs_origin *origin, gs_point at) {
    gs_buffer_printf(context, "%d:%d.%d ", origin->bytes[0], (int)at.seq, (int)at.index);
    return at.index == 99;
}

static void claims_are_all_visited(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct replica a = replica_new(1);
    struct replica b = replica_new(2);
    struct gs_delta x =
        replica_write(&a, 1,
                      "[{'op':'set','path':'/m','value':{'r':1}},{'op':'increment','path':'/m/c','by':5},"
                      "{'op':'add','path':'/s','value':1},{'op':'insert','path':'/l','index':0,'values':[1,2,3]}]",
                      &arena);
    assert_int_equal(gs_aggregate_apply(b.state, &x), 0);
    struct gs_delta y = replica_write(&b, 2,
                                      "[{'op':'add','path':'/s','value':1},{'op':'unset','path':'/m'},"
                                      "{'op':'insert','path':'/l','index':1,'value':9}]",
                                      &arena);
    struct gs_buffer text = {0};
    assert_int_equal(gs_delta_visit_claims(&y, list_claim, &text), 0);
    gs_buffer_byte(&text, 0);
    assert_string_equal((char *)text.bytes, "1:1.3 1:1.0 1:1.2 1:1.1 1:1.5 ");
    gs_buffer_close(&text);
    gs_aggregate_free(a.state);
    gs_aggregate_free(b.state);
    gs_arena_close(&arena);
}

/* Decodes, counting what the arena takes: at most `bound`. */
static int decode_within(const struct gs_buffer *bytes, size_t bound) {
    struct gs_memory memory = {0};
    struct gs_arena arena = {.memory = &memory};
    gs_origin origins[2] = {origin_of(1), origin_of(2)};
    struct gs_origin_table table = {.origins = origins, .count = 2};
    struct gs_reader reader;
    gs_reader_init(&reader, bytes->bytes, bytes->length);
    reader.nodes_left = UINT32_MAX;
    struct gs_delta delta = {.origin = origins[0], .seq = 9};
    int error = gs_delta_decode(&reader, &table, &arena, &delta);
    if (memory.used > bound) {
        fail_msg("%zu bytes took %zu", bytes->length, memory.used);
    }
    gs_arena_close(&arena);
    return error;
}

/* The head of an array of 32 bits, whatever it claims. */
static void claim_array(struct gs_buffer *bytes, uint32_t count) {
    const uint8_t head[] = {0xDD, (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8),
                            (uint8_t)count};
    gs_buffer_append(bytes, head, sizeof(head));
}

/* One change, up to where the rest of its path or what it clears stands. */
static void begin_change(struct gs_buffer *bytes, enum gs_op_kind kind) {
    gs_write_array(bytes, 2);
    gs_write_uint(bytes, 0);
    gs_write_array(bytes, 1);
    gs_write_array(bytes, 4);
    gs_write_uint(bytes, (uint64_t)kind);
    gs_write_uint(bytes, 0);
}

enum { PADDING = 1024 * 1024 };

/* A map in a map, each of which promises as many members as there are bytes left, or a share of them. */
static void nested_claims_are_not_reserved_twice(void **state) {
    (void)state;
    for (uint32_t share = 1; share <= 64; share *= 2) {
        struct gs_buffer bytes = {0};
        begin_change(&bytes, GS_OP_UNSET);
        gs_write_array(&bytes, 0);
        gs_write_array(&bytes, 1);
        gs_write_array(&bytes, 2);
        gs_write_uint(&bytes, GS_TYPE_MAP);
        for (uint32_t level = 0; level < GS_PATH_DEPTH_MAX; level++) {
            gs_write_array(&bytes, 2);
            gs_write_array(&bytes, 0);
            claim_array(&bytes, PADDING / share);
            gs_write_array(&bytes, 3);
            gs_write_str(&bytes, "", 0);
            gs_write_uint(&bytes, GS_TYPE_MAP);
        }
        memset(gs_buffer_reserve(&bytes, PADDING), 0x93, PADDING);
        assert_int_equal(decode_within(&bytes, 16 * bytes.length), GS_EFORMAT);
        gs_buffer_close(&bytes);
    }
}

static void flat_claims_are_measured_by_what_an_element_takes(void **state) {
    (void)state;
    struct gs_buffer bytes = {0};
    gs_write_array(&bytes, 2);
    gs_write_uint(&bytes, 0);
    claim_array(&bytes, GS_CHANGES_PER_DELTA_MAX);
    memset(gs_buffer_reserve(&bytes, GS_CHANGES_PER_DELTA_MAX), 0x95, GS_CHANGES_PER_DELTA_MAX);
    assert_int_equal(decode_within(&bytes, 0), GS_EFORMAT);
    bytes.length = 0;
    begin_change(&bytes, GS_OP_MAKE_MAP);
    gs_write_array(&bytes, 0);
    claim_array(&bytes, PADDING / 3 * 3); /* dots whose numbers are not there */
    memset(gs_buffer_reserve(&bytes, PADDING), 0x93, PADDING);
    assert_int_equal(decode_within(&bytes, 16 * bytes.length), GS_EFORMAT);
    gs_buffer_close(&bytes);
}

/* The densest deltas that are valid: nodes of one dot each, and changes of nothing. */
static void what_is_valid_takes_a_small_multiple(void **state) {
    (void)state;
    enum { COUNT = 40000 };
    struct gs_buffer bytes = {0};
    begin_change(&bytes, GS_OP_UNSET);
    gs_write_array(&bytes, 0);
    gs_write_array(&bytes, 1);
    gs_write_array(&bytes, 2);
    gs_write_uint(&bytes, GS_TYPE_MAP);
    gs_write_array(&bytes, 2);
    gs_write_array(&bytes, 0);
    gs_write_array(&bytes, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%05u", i);
        gs_write_array(&bytes, 3);
        gs_write_str(&bytes, name, 5);
        gs_write_uint(&bytes, GS_TYPE_REGISTER);
        gs_write_array(&bytes, 3);
        gs_write_uint(&bytes, 1);
        gs_write_uint(&bytes, 1);
        gs_write_uint(&bytes, 0);
    }
    assert_int_equal(decode_within(&bytes, 16 * bytes.length), 0);
    bytes.length = 0;
    gs_write_array(&bytes, 2);
    gs_write_uint(&bytes, 0);
    gs_write_array(&bytes, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        gs_write_array(&bytes, 4);
        gs_write_uint(&bytes, GS_OP_MAKE_MAP);
        gs_write_uint(&bytes, i);
        gs_write_array(&bytes, 0);
        gs_write_array(&bytes, 0);
    }
    assert_int_equal(decode_within(&bytes, 24 * bytes.length), 0);
    gs_buffer_close(&bytes);
}

/* An unset of dots that have not arrived, with gaps between them, below those that another one claimed before. Putting
 * them in one by one would move all of the others each time, and run into the test's time-out. */
static void claims_cost_what_the_delta_costs(void **state) {
    (void)state;
    enum { COUNT = 400 * 1000 };
    gs_dot *dots = calloc(COUNT, sizeof(*dots));
    assert_non_null(dots);
    struct replica a = replica_new(1);
    struct gs_slice name = gs_slice_make("s", 1);
    for (uint64_t seq = 1; seq <= 2; seq++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            dots[i] = (gs_dot){.origin = origin_of(2), .at = {3 - seq, 2 * i}};
        }
        struct gs_cleared cleared = {.type = GS_TYPE_SET, .dot_count = COUNT, .dots = dots};
        struct gs_change change = {.kind = GS_OP_UNSET, .path = {1, &name}, .cleared_count = 1, .cleared = &cleared};
        struct gs_delta delta = {
            .origin = origin_of(1), .seq = seq, .previous = seq - 1, .count = 1, .changes = &change};
        assert_int_equal(gs_aggregate_apply(a.state, &delta), 0);
    }
    const struct gs_context *context = gs_aggregate_context(a.state);
    assert_int_equal(context->count, 2);
    assert_int_equal(context->entries[1].count, 2 * COUNT);
    gs_aggregate_free(a.state);
    free(dots);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(reads_like_what_was_asked),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(totals_that_overflow_are_refused),
        cmocka_unit_test(claims_of_the_own_future_are_refused),
        cmocka_unit_test(claims_are_all_visited),
        cmocka_unit_test(nested_claims_are_not_reserved_twice),
        cmocka_unit_test(flat_claims_are_measured_by_what_an_element_takes),
        cmocka_unit_test(what_is_valid_takes_a_small_multiple),
        cmocka_unit_test(claims_cost_what_the_delta_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
