/* The store is away for a while: who is told what, what is shown, and that everything counts once when it is back. */
#include "tests/unit/core_fixture.h"

#define ONE_MORE "[{'op':'increment','path':'/n','by':1}]"

static int open_core(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    *state = fixture;
    return 0;
}

static int close_core(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

static struct gs_command *write_one(struct core_fixture *fixture, const char *id, int *answered) {
    struct gs_command *command = core_write_new(1, answered);
    core_write_set(command, 0, id, ONE_MORE);
    core_ask(fixture, command);
    return command;
}

static void step(struct core_fixture *fixture, enum gs_core_event_type type) {
    core_step(fixture, (struct gs_core_event){.type = type});
}

static void expect_answer(struct gs_command *command, const int *answered, int error) {
    assert_int_equal(*answered, 1);
    assert_int_equal(command->error, error);
    gs_command_free(command);
}

static void test_everybody_is_told(void **state) {
    struct core_fixture *fixture = *state;
    int answered[4] = {0};
    core_write(fixture, "a", ONE_MORE);
    struct gs_command *flying = write_one(fixture, "a", &answered[0]);
    struct gs_command *open = write_one(fixture, "a", &answered[1]);
    struct gs_command *waiting = core_write_new(GS_BATCH_EVENTS_MAX, &answered[2]);
    for (uint32_t i = 0; i < GS_BATCH_EVENTS_MAX; i++) {
        core_write_set(waiting, i, "a", ONE_MORE);
    }
    core_ask(fixture, waiting);
    assert_int_equal(answered[0] + answered[1] + answered[2], 0);
    step(fixture, GS_CORE_STORE_AWAY);
    assert_false(fixture->update.reload);
    expect_answer(flying, &answered[0], GS_EUNCERTAIN);
    expect_answer(open, &answered[1], GS_EUNCERTAIN);
    expect_answer(waiting, &answered[2], GS_ESTORE);
    expect_answer(write_one(fixture, "a", &answered[3]), &answered[3], GS_ESTORE);

    /* What was accepted is stored after all, once; what was not is not. */
    step(fixture, GS_CORE_STORE_BACK);
    core_settle(fixture);
    assert_shows(fixture, "a", "{'n':3}");
    core_write(fixture, "a", ONE_MORE);
    assert_shows(fixture, "a", "{'n':4}");
    core_restart(fixture);
    assert_shows(fixture, "a", "{'n':4}");
}

static struct gs_command *read_one(struct core_fixture *fixture, const char *id, int *answered) {
    struct gs_command *command = gs_command_new(GS_COMMAND_READ);
    static struct gs_read_key key;
    key = (struct gs_read_key){.aggregate_type = gs_slice_make("t", 1), .aggregate_id = gs_slice_make(id, strlen(id))};
    command->keys = &key;
    command->key_count = 1;
    command->owner = answered;
    core_ask(fixture, command);
    return command;
}

/* What is stored is shown; what is not is an error at once, not a wait. */
static void test_reads_go_on(void **state) {
    struct core_fixture *fixture = *state;
    int answered[5] = {0};
    core_write(fixture, "a", ONE_MORE);
    core_write(fixture, "b", ONE_MORE);
    struct gs_command *flying = write_one(fixture, "b", &answered[0]);
    struct gs_command *waiting = read_one(fixture, "b", &answered[1]);
    assert_int_equal(answered[1], 0);
    step(fixture, GS_CORE_STORE_AWAY);
    expect_answer(flying, &answered[0], GS_EUNCERTAIN);
    expect_answer(waiting, &answered[1], GS_ESTORE);
    expect_answer(read_one(fixture, "a", &answered[2]), &answered[2], 0);
    expect_answer(read_one(fixture, "b", &answered[3]), &answered[3], GS_ESTORE);
    step(fixture, GS_CORE_STORE_BACK);
    core_settle(fixture);
    expect_answer(read_one(fixture, "b", &answered[4]), &answered[4], 0);
}

/* The same request again, after one of each kind of refusal: it counts once. */
static void test_same_key_again(void **state) {
    struct core_fixture *fixture = *state;
    int answered[3] = {0};
    struct gs_command *commands[3];
    for (uint32_t i = 0; i < 3; i++) {
        commands[i] = core_write_new(1, &answered[i]);
        struct gs_write *write = core_write_set(commands[i], 0, "a", ONE_MORE);
        write->idempotency = (struct gs_idempotency){.present = true, .key = {7}, .request = {9}};
    }
    core_ask(fixture, commands[0]);
    step(fixture, GS_CORE_STORE_AWAY);
    core_ask(fixture, commands[1]);
    step(fixture, GS_CORE_STORE_BACK);
    core_settle(fixture);
    core_ask(fixture, commands[2]);
    assert_true(commands[2]->results[0].replayed);
    expect_answer(commands[0], &answered[0], GS_EUNCERTAIN);
    expect_answer(commands[1], &answered[1], GS_ESTORE);
    expect_answer(commands[2], &answered[2], 0);
    assert_shows(fixture, "a", "{'n':1}");
}

/* A store that has lost the last of two events: a new incarnation, which takes writes when the event is back from a
 * peer, or after a while. */
static void lose_one(struct core_fixture *fixture, struct gs_buffer *ret_record, gs_origin *ret_origin) {
    core_write(fixture, "a", ONE_MORE);
    core_write(fixture, "a", ONE_MORE);
    *ret_origin = gs_core_origin(fixture->core);
    assert_int_equal(fixture->disk_count, 2);
    *ret_record = fixture->disk[--fixture->disk_count];
    fixture->disk[fixture->disk_count] = (struct gs_buffer){0};
    fixture->config.lost.origin = *ret_origin;
    fixture->config.lost.seq = 2;
    core_restart(fixture);
    const gs_origin now = gs_core_origin(fixture->core);
    assert_false(gs_origin_equal(ret_origin, &now));
    assert_shows(fixture, "a", "{'n':1}");
}

static void test_lost_events_come_back(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record;
    gs_origin before;
    int answered = 0;
    lose_one(fixture, &record, &before);
    struct gs_command *waiting = write_one(fixture, "a", &answered);
    core_tick(fixture, GS_CORE_LOST_WAIT_MS / 2);
    core_settle(fixture);
    assert_int_equal(answered, 0);
    core_link(fixture, 0, NULL, 0);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    core_tick(fixture, 1);
    core_settle(fixture);
    expect_answer(waiting, &answered, 0);
    assert_shows(fixture, "a", "{'n':3}");
    assert_int_equal(core_seq(fixture, &before), 2);
    gs_buffer_close(&record);
}

static void test_lost_for_good(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record;
    gs_origin before;
    int answered = 0;
    lose_one(fixture, &record, &before);
    struct gs_command *waiting = write_one(fixture, "a", &answered);
    core_tick(fixture, GS_CORE_LOST_WAIT_MS - 1);
    core_settle(fixture);
    assert_int_equal(answered, 0);
    core_tick(fixture, 1);
    core_settle(fixture);
    expect_answer(waiting, &answered, 0);
    assert_shows(fixture, "a", "{'n':2}");
    gs_buffer_close(&record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everybody_is_told, open_core, close_core),
        cmocka_unit_test_setup_teardown(test_reads_go_on, open_core, close_core),
        cmocka_unit_test_setup_teardown(test_same_key_again, open_core, close_core),
        cmocka_unit_test_setup_teardown(test_lost_events_come_back, open_core, close_core),
        cmocka_unit_test_setup_teardown(test_lost_for_good, open_core, close_core),
    };
    return cmocka_run_group_tests_name("core_away", tests, NULL, NULL);
}
