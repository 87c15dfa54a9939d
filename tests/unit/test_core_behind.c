/* The log behind a snapshot: shown whole, or not believed. */
#include "node/core/behind.h"
#include "node/core/core_impl.h"
#include "tests/unit/core_fixture.h"

enum { AUTHORS = 2, BATCHES = 3, EVENTS = 4 };

struct world {
    struct core_fixture fixture;
    struct test_author authors[AUTHORS];
    struct gs_buffer records[AUTHORS][BATCHES];
    struct gs_behind behind;
};

static void world_open(struct world *world) {
    core_open(&world->fixture, 1);
    assert_int_equal(core_start(&world->fixture), 0);
    world->fixture.core->base = (struct gs_vector){0};
    for (uint32_t i = 0; i < AUTHORS; i++) {
        test_author_init(&world->authors[i], i + 1);
        world->authors[i].cluster = world->fixture.config.cluster;
        for (int j = 0; j < BATCHES; j++) {
            test_author_batch(&world->authors[i], EVENTS, 0, &world->records[i][j]);
        }
        const struct gs_head head = test_author_head(&world->authors[i]);
        assert_int_equal(gs_vector_set(&world->fixture.core->base, &head), 0);
    }
    assert_int_equal(gs_behind_begin(world->fixture.core, &world->behind), 0);
    assert_int_equal(world->behind.total, AUTHORS * BATCHES * EVENTS);
}

static void world_close(struct world *world) {
    gs_behind_close(&world->behind);
    for (int i = 0; i < AUTHORS; i++) {
        for (int j = 0; j < BATCHES; j++) {
            gs_buffer_close(&world->records[i][j]);
        }
    }
    core_close(&world->fixture);
}

/* The author that is asked about now; AUTHORS: nobody is. */
static uint32_t ask(struct world *world, uint64_t *ret_after) {
    struct gs_update update = {0};
    struct gs_snapshot question;
    struct gs_slice body;
    uint32_t author = AUTHORS;
    world->fixture.core->mono_ms += GS_BEHIND_PAUSE_MS;
    assert_int_equal(gs_behind_step(world->fixture.core, &world->behind, 1, &update), 0);
    for (uint32_t i = 0; i < update.send_count; i++) {
        struct gs_slice message = gs_slice_make(update.sends[i].message.bytes, update.sends[i].message.length);
        assert_true(gs_message_read_snapshot(message, &body));
        assert_int_equal(gs_snapshot_decode(body, &question), 0);
        assert_int_equal(question.op, GS_SNAPSHOT_RANGE);
        author = gs_origin_equal(&question.origin, &world->authors[0].origin) ? 0 : 1;
        assert_int_equal(question.until, BATCHES * EVENTS);
        *ret_after = question.after;
        gs_snapshot_close(&question);
    }
    gs_update_clear(&update);
    return author;
}

static void answer(struct world *world, const struct gs_buffer *records, uint32_t count, uint64_t session) {
    struct gs_slice slices[BATCHES + 1];
    for (uint32_t i = 0; i < count; i++) {
        slices[i] = gs_slice_make(records[i].bytes, records[i].length);
    }
    const struct gs_snapshot snapshot = {
        .op = GS_SNAPSHOT_RECORDS, .session = session, .count = count, .records = slices};
    gs_behind_records(world->fixture.core, &world->behind, &snapshot);
}

/* Everything up to the last batch of the first author that is asked about. */
static uint32_t begin(struct world *world) {
    uint64_t after = 1;
    world_open(world);
    uint32_t author = ask(world, &after);
    assert_true(author < AUTHORS);
    assert_int_equal(after, 0);
    return author;
}

static void test_all_of_it(void **state) {
    struct world world = {.authors = {{.next_seq = 0}}};
    uint64_t after = 0;
    (void)state;
    uint32_t first = begin(&world);
    answer(&world, world.records[first], 1, world.behind.session); /* as much as fits */
    assert_int_equal(ask(&world, &after), first);
    assert_int_equal(after, EVENTS);
    answer(&world, world.records[first] + 1, BATCHES - 1, world.behind.session);
    assert_int_equal(ask(&world, &after), 1 - first);
    assert_int_equal(after, 0);
    answer(&world, world.records[first], BATCHES, world.behind.session + 1); /* to somebody else's question */
    assert_int_equal(world.behind.shown, BATCHES * EVENTS);
    answer(&world, world.records[1 - first], BATCHES, world.behind.session);
    assert_int_equal(ask(&world, &after), AUTHORS);
    assert_int_equal(world.behind.state, GS_BEHIND_SHOWN);
    assert_int_equal(world.behind.shown, world.behind.total);
    world_close(&world);
}

static void test_a_gap(void **state) {
    struct world world = {.authors = {{.next_seq = 0}}};
    (void)state;
    uint32_t author = begin(&world);
    const struct gs_buffer some[] = {world.records[author][0], world.records[author][2]};
    answer(&world, some, 2, world.behind.session);
    assert_int_equal(world.behind.state, GS_BEHIND_WRONG);
    world_close(&world);
}

/* The author's own signature is on it, but it is not what the snapshot began with. */
static void test_another_history(void **state) {
    struct world world = {.authors = {{.next_seq = 0}}};
    struct gs_buffer other = {0};
    struct test_author fork;
    (void)state;
    uint32_t author = begin(&world);
    test_author_init(&fork, author + 1);
    fork.cluster = world.fixture.config.cluster;
    for (int i = 0; i < 2; i++) {
        other.length = 0;
        test_author_batch(&fork, EVENTS, 0, &other);
    }
    other.length = 0;
    fork.clock += 77;
    test_author_batch(&fork, EVENTS, 0, &other);
    const struct gs_buffer all[] = {world.records[author][0], world.records[author][1], other};
    answer(&world, all, 3, world.behind.session);
    assert_int_equal(world.behind.state, GS_BEHIND_WRONG);
    gs_buffer_close(&other);
    world_close(&world);
}

static void test_more_than_was_asked_for(void **state) {
    struct world world = {.authors = {{.next_seq = 0}}};
    struct gs_buffer more = {0};
    (void)state;
    uint32_t author = begin(&world);
    test_author_batch(&world.authors[author], EVENTS, 0, &more);
    const struct gs_buffer all[] = {world.records[author][0], world.records[author][1], world.records[author][2], more};
    answer(&world, all, 4, world.behind.session);
    assert_int_equal(world.behind.state, GS_BEHIND_WRONG);
    gs_buffer_close(&more);
    world_close(&world);
}

static void test_what_is_gone_and_who_is_silent(void **state) {
    struct world gone = {.authors = {{.next_seq = 0}}};
    struct world silent = {.authors = {{.next_seq = 0}}};
    uint64_t after = 0;
    (void)state;
    (void)begin(&gone);
    answer(&gone, NULL, 0, gone.behind.session);
    assert_int_equal(gone.behind.state, GS_BEHIND_GONE);
    world_close(&gone);
    (void)begin(&silent);
    assert_int_equal(ask(&silent, &after), AUTHORS); /* one question at a time */
    assert_int_equal(silent.behind.state, GS_BEHIND_RUNNING);
    silent.fixture.core->mono_ms += GS_BEHIND_ANSWER_MS;
    assert_int_equal(ask(&silent, &after), AUTHORS);
    assert_int_equal(silent.behind.state, GS_BEHIND_SILENT);
    world_close(&silent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_a_gap),
        cmocka_unit_test(test_another_history),
        cmocka_unit_test(test_more_than_was_asked_for),
        cmocka_unit_test(test_what_is_gone_and_who_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
