/* What clients ask: preconditions, retries, all or nothing, waiting, and commits that fail. */
#include "tests/unit/core_fixture.h"

#define ONE_MORE "[{'op':'increment','path':'/n','by':1}]"
/* An op that is refused where /n is a counter. */
#define REFUSED "[{'op':'add','path':'/n','value':1}]"

static int open_started(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    *state = fixture;
    return 0;
}

static int close_started(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* Carries out a command of one write with a precondition; the caller frees it. */
static struct gs_command *ask_if(struct core_fixture *fixture, const char *id, struct gs_precondition wanted) {
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    struct gs_write *write = core_write_set(command, 0, id, ONE_MORE);
    ((struct gs_write_change *)write->changes)->precondition = wanted;
    core_ask(fixture, command);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    assert_int_equal(command->error, 0);
    return command;
}

static void assert_if(struct core_fixture *fixture, const char *id, struct gs_precondition wanted, int error) {
    struct gs_command *command = ask_if(fixture, id, wanted);
    const struct gs_write_result *result = &command->results[0];
    assert_int_equal(result->error, error);
    assert_int_equal(result->has_current_version, error != 0);
    gs_command_free(command);
}

static void test_a_write_is_answered_when_it_is_stored(void **state) {
    struct core_fixture *fixture = *state;
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "a", ONE_MORE);
    core_ask(fixture, command);
    assert_int_equal(answered, 0);
    assert_int_equal(gs_core_stored(fixture->core)->count, 0);
    core_store(fixture, 0);
    assert_int_equal(answered, 1);
    assert_int_equal(command->results[0].seq, 1);
    assert_int_equal(command->results[0].changes[0].version, 1);
    assert_true(command->results[0].changes[0].created);
    assert_string_equal(command->results[0].changes[0].vector_json, "{\"home\":1}");
    assert_int_equal(fixture->update.publish_count, 1);
    gs_command_free(command);
}

static void test_versions_are_compared(void **state) {
    struct core_fixture *fixture = *state;
    assert_if(fixture, "a", (struct gs_precondition){.has_version = true, .version = 1}, GS_EVERSIONCONFLICT);
    assert_shows(fixture, "a", "");
    assert_if(fixture, "a", (struct gs_precondition){.has_version = true, .version = 0}, 0);
    assert_if(fixture, "a", (struct gs_precondition){.has_version = true, .version = 0}, GS_EVERSIONCONFLICT);
    assert_if(fixture, "a", (struct gs_precondition){.has_version = true, .version = 2}, GS_EVERSIONCONFLICT);
    assert_if(fixture, "a", (struct gs_precondition){.has_version = true, .version = 1}, 0);
    assert_shows(fixture, "a", "{'n':2}");
}

static void test_existence_is_checked(void **state) {
    struct core_fixture *fixture = *state;
    assert_if(fixture, "a", (struct gs_precondition){.must_exist = true}, GS_EPRECONDITION);
    assert_if(fixture, "a", (struct gs_precondition){.must_not_exist = true}, 0);
    assert_if(fixture, "a", (struct gs_precondition){.must_not_exist = true}, GS_EPRECONDITION);
    assert_if(fixture, "a", (struct gs_precondition){.must_exist = true}, 0);
    assert_shows(fixture, "a", "{'n':2}");
}

static void read_etag(struct core_fixture *fixture, struct gs_precondition *ret_wanted) {
    struct gs_command *command = core_read_a(fixture);
    ret_wanted->has_etag = true;
    memcpy(ret_wanted->etag, command->views[0]->etag, GS_ETAG_SIZE);
    gs_command_free(command);
}

static void test_etags_are_compared(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_precondition wanted = {0};
    core_write(fixture, "a", ONE_MORE);
    read_etag(fixture, &wanted);
    assert_if(fixture, "a", wanted, 0);
    assert_if(fixture, "a", wanted, GS_EPRECONDITION);
    assert_if(fixture, "b", wanted, GS_EPRECONDITION);
    assert_shows(fixture, "a", "{'n':2}");
}

static struct gs_command *new_keyed(uint32_t writes, uint8_t key, uint8_t request, int *answered) {
    struct gs_command *command = core_write_new(writes, answered);
    for (uint32_t i = 0; i < writes; i++) {
        struct gs_write *write = core_write_set(command, i, "a", ONE_MORE);
        write->idempotency = (struct gs_idempotency){.present = true, .key = {key}, .item = i, .request = {request}};
    }
    return command;
}

static struct gs_command *ask_keyed(struct core_fixture *fixture, uint32_t writes, uint8_t key, uint8_t request) {
    int answered = 0;
    struct gs_command *command = new_keyed(writes, key, request, &answered);
    core_ask(fixture, command);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    return command;
}

static void test_a_retry_gets_the_first_answer(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_command *first = ask_keyed(fixture, 2, 1, 1);
    assert_int_equal(first->results[1].seq, 2);
    core_write(fixture, "a", ONE_MORE);
    for (int i = 0; i < 2; i++) {
        struct gs_command *again = ask_keyed(fixture, 2, 1, 1);
        for (uint32_t j = 0; j < 2; j++) {
            assert_true(again->results[j].replayed);
            assert_int_equal(again->results[j].seq, first->results[j].seq);
            assert_int_equal(again->results[j].clock, first->results[j].clock);
            assert_int_equal(again->results[j].changes[0].version, j + 1);
        }
        gs_command_free(again);
        core_restart(fixture);
    }
    assert_shows(fixture, "a", "{'n':3}");
    gs_command_free(first);
}

/* The first attempt is on its way to the disk: its retry waits with it. */
static void test_a_retry_waits_for_the_first_attempt(void **state) {
    struct core_fixture *fixture = *state;
    int answered = 0;
    struct gs_command *first = new_keyed(1, 1, 1, &answered);
    struct gs_command *again = new_keyed(1, 1, 1, &answered);
    core_ask(fixture, first);
    core_ask(fixture, again);
    assert_int_equal(answered, 0);
    core_store(fixture, 0);
    assert_int_equal(answered, 2);
    assert_false(first->results[0].replayed);
    assert_true(again->results[0].replayed);
    assert_int_equal(fixture->pending.number, 0);
    gs_command_free(first);
    gs_command_free(again);
}

/* So does a refusal that speaks of what is on its way. */
static void test_a_refusal_waits_for_what_it_speaks_of(void **state) {
    struct core_fixture *fixture = *state;
    int answered[2] = {0};
    struct gs_command *first = core_write_new(1, &answered[0]);
    struct gs_command *second = core_write_new(1, &answered[1]);
    core_write_set(first, 0, "a", ONE_MORE);
    struct gs_write *write = core_write_set(second, 0, "a", ONE_MORE);
    ((struct gs_write_change *)write->changes)->precondition =
        (struct gs_precondition){.has_version = true, .version = 7};
    core_ask(fixture, first);
    core_ask(fixture, second);
    assert_int_equal(answered[1], 0);
    core_store(fixture, 0);
    assert_int_equal(answered[1], 1);
    assert_int_equal(second->results[0].error, GS_EVERSIONCONFLICT);
    assert_int_equal(second->results[0].current_version, 1);
    gs_command_free(first);
    gs_command_free(second);
}

static void test_a_key_serves_one_request(void **state) {
    struct core_fixture *fixture = *state;
    gs_command_free(ask_keyed(fixture, 1, 1, 1));
    struct gs_command *other = ask_keyed(fixture, 1, 1, 2);
    assert_int_equal(other->results[0].error, GS_EIDEMPOTENCY);
    gs_command_free(other);
    struct gs_command *free_key = ask_keyed(fixture, 1, 2, 2);
    assert_int_equal(free_key->results[0].error, 0);
    assert_false(free_key->results[0].replayed);
    gs_command_free(free_key);
    assert_shows(fixture, "a", "{'n':2}");
}

static void test_keys_expire(void **state) {
    struct core_fixture *fixture = *state;
    gs_command_free(ask_keyed(fixture, 1, 1, 1));
    core_tick(fixture, 60000);
    struct gs_command *again = ask_keyed(fixture, 1, 1, 1);
    assert_true(again->results[0].replayed);
    gs_command_free(again);
    core_tick(fixture, 1);
    again = ask_keyed(fixture, 1, 1, 1);
    assert_false(again->results[0].replayed);
    gs_command_free(again);
}

/* Two writes on "a", then one on "b" that is `last`. */
static struct gs_command *ask_atomic(struct core_fixture *fixture, const char *last) {
    int answered = 0;
    struct gs_command *command = core_write_new(3, &answered);
    core_write_set(command, 0, "a", ONE_MORE);
    core_write_set(command, 1, "a", ONE_MORE);
    core_write_set(command, 2, "b", last);
    command->atomic = true;
    core_ask(fixture, command);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    return command;
}

static void test_atomic_is_all(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_command *command = ask_atomic(fixture, ONE_MORE);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(command->results[i].error, 0);
        assert_int_equal(command->results[i].seq, i + 1);
    }
    assert_int_equal(fixture->disk_count, 1);
    assert_shows(fixture, "a", "{'n':2}");
    assert_shows(fixture, "b", "{'n':1}");
    gs_command_free(command);
}

static void test_atomic_is_nothing(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "b", ONE_MORE);
    struct gs_command *command = ask_atomic(fixture, REFUSED);
    assert_int_equal(command->results[2].error, GS_ETYPE);
    assert_shows(fixture, "a", "");
    assert_shows(fixture, "b", "{'n':1}");
    assert_int_equal(fixture->disk_count, 1);
    gs_command_free(command);
    int answered = 0;
    struct gs_command *next = core_write_new(1, &answered);
    core_write_set(next, 0, "a", ONE_MORE);
    core_ask(fixture, next);
    core_settle(fixture);
    assert_int_equal(next->results[0].seq, 2); /* no number was used up, and no time */
    assert_int_equal(gs_hlc_ms(next->results[0].clock), CORE_NOW_MS);
    gs_command_free(next);
}

/* The second write's If-Match holds before the first one, and no longer after it. */
static void test_atomic_preconditions_see_the_writes_before(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_precondition wanted = {0};
    core_write(fixture, "a", ONE_MORE);
    read_etag(fixture, &wanted);
    int answered = 0;
    struct gs_command *command = core_write_new(2, &answered);
    core_write_set(command, 0, "a", ONE_MORE);
    struct gs_write *second = core_write_set(command, 1, "a", ONE_MORE);
    ((struct gs_write_change *)second->changes)->precondition = wanted;
    command->atomic = true;
    core_ask(fixture, command);
    core_settle(fixture);
    assert_int_equal(command->results[1].error, GS_EPRECONDITION);
    assert_shows(fixture, "a", "{'n':1}");
    gs_command_free(command);
}

/* Item 1 of the key is known from another request: nothing of this one may be carried out. */
static void test_atomic_with_a_used_key_is_nothing(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "b", ONE_MORE);
    int answered = 0;
    struct gs_command *first = new_keyed(2, 1, 1, &answered);
    struct gs_write *refused = core_write_set(first, 0, "b", REFUSED);
    refused->idempotency = (struct gs_idempotency){.present = true, .key = {1}, .request = {1}};
    core_ask(fixture, first);
    core_settle(fixture);
    assert_int_equal(first->results[0].error, GS_ETYPE);
    assert_int_equal(first->results[1].error, 0);
    struct gs_command *second = new_keyed(2, 1, 2, &answered);
    second->atomic = true;
    core_ask(fixture, second);
    core_settle(fixture);
    assert_int_equal(answered, 2);
    assert_int_equal(second->results[1].error, GS_EIDEMPOTENCY);
    assert_shows(fixture, "a", "{'n':1}");
    gs_command_free(first);
    gs_command_free(second);
}

/* Canonical {"data": bin} of about `size` bytes, in the command's arena. */
static struct gs_slice make_detached(struct gs_command *command, size_t size) {
    struct gs_buffer buffer = {0};
    uint8_t *zeros = calloc(1, size);
    gs_write_map(&buffer, 1);
    gs_write_str(&buffer, "data", 4);
    gs_write_bin(&buffer, zeros, size);
    struct gs_slice detached =
        gs_slice_make(gs_arena_copy(&command->arena, buffer.bytes, buffer.length), buffer.length);
    gs_buffer_close(&buffer);
    free(zeros);
    return detached;
}

/* What travels beside the events fills a record, too. A group is in flight, so that the open one can fill up. */
static void test_atomic_finds_room_for_all_its_data_or_waits(void **state) {
    struct core_fixture *fixture = *state;
    enum { MANY = 7 };
    struct gs_command *commands[MANY + 2];
    int answered[MANY + 2] = {0};
    for (uint32_t i = 0; i < MANY + 2; i++) {
        uint32_t writes = i == MANY + 1 ? 2 : 1;
        commands[i] = core_write_new(writes, &answered[i]);
        commands[i]->atomic = true;
        for (uint32_t j = 0; j < writes; j++) {
            core_write_set(commands[i], j, "a", ONE_MORE)->detached = make_detached(commands[i], i == 0 ? 1 : 800000);
        }
        core_ask(fixture, commands[i]);
    }
    core_settle(fixture);
    for (uint32_t i = 0; i < MANY + 2; i++) {
        assert_int_equal(answered[i], 1);
        for (uint32_t j = 0; j < commands[i]->write_count; j++) {
            assert_int_equal(commands[i]->results[j].error, 0);
        }
        gs_command_free(commands[i]);
    }
    assert_shows(fixture, "a", "{'n':10}");
}

static void test_an_event_names_an_aggregate_once(void **state) {
    struct core_fixture *fixture = *state;
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    struct gs_write *write = core_write_set(command, 0, "a", ONE_MORE);
    struct gs_write_change changes[2] = {write->changes[0], write->changes[0]};
    write->changes = changes;
    write->change_count = 2;
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    assert_int_equal(command->results[0].error, GS_EINVAL);
    assert_string_equal(command->results[0].problem.field, "/changes");
    assert_int_equal(fixture->pending.number, 0);
    write->change_count = 1;
    gs_command_free(command);
}

/* One command in flight, one in the open group, one that finds no room. */
static void fail_three(struct core_fixture *fixture, struct gs_command *commands[3], int answered[3]) {
    for (uint32_t i = 0; i < 3; i++) {
        commands[i] = core_write_new(i == 2 ? GS_BATCH_EVENTS_MAX : 1, &answered[i]);
        for (uint32_t j = 0; j < commands[i]->write_count; j++) {
            core_write_set(commands[i], j, "a", ONE_MORE);
        }
        core_ask(fixture, commands[i]);
    }
    core_store(fixture, GS_ESTORE);
}

static void test_a_failed_commit_fails_all_that_builds_on_it(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_command *commands[3];
    int answered[3] = {0};
    core_write(fixture, "a", ONE_MORE);
    fail_three(fixture, commands, answered);
    assert_true(fixture->update.reload);
    assert_false(fixture->update.has_commit);
    assert_int_equal(fixture->update.send_count, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answered[i], 1);
        assert_int_equal(commands[i]->error, GS_ESTORE);
        gs_command_free(commands[i]);
    }
    core_restart(fixture);
    assert_shows(fixture, "a", "{'n':1}");
    core_write(fixture, "a", ONE_MORE);
    assert_shows(fixture, "a", "{'n':2}");
}

/* A batch has room for so many events: what comes later waits in order, also behind what still finds no room. */
static void test_waiting_writes_keep_their_order(void **state) {
    struct core_fixture *fixture = *state;
    enum { WAITING = 6 };
    static const uint32_t sizes[WAITING] = {1, 1, GS_BATCH_EVENTS_MAX, GS_BATCH_EVENTS_MAX, 1, 2};
    struct gs_command *commands[WAITING];
    int answered[WAITING] = {0};
    for (uint32_t i = 0; i < WAITING; i++) {
        commands[i] = core_write_new(sizes[i], &answered[i]);
        for (uint32_t j = 0; j < sizes[i]; j++) {
            core_write_set(commands[i], j, "a", ONE_MORE);
        }
        core_ask(fixture, commands[i]);
    }
    core_settle(fixture);
    uint64_t seq = 0;
    for (uint32_t i = 0; i < WAITING; i++) {
        assert_int_equal(answered[i], 1);
        assert_int_equal(commands[i]->results[0].seq, seq + 1);
        seq += sizes[i];
        gs_command_free(commands[i]);
    }
}

static void test_waiting_writes_are_bounded(void **state) {
    struct core_fixture *fixture = *state;
    uint32_t count = 3 + GS_CORE_COMMANDS_MAX;
    struct gs_command **commands = calloc(count, sizeof *commands);
    int answered = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t writes = i == 1 ? GS_BATCH_EVENTS_MAX : 1;
        commands[i] = core_write_new(writes, &answered);
        for (uint32_t j = 0; j < writes; j++) {
            core_write_set(commands[i], j, "a", ONE_MORE);
        }
        core_ask(fixture, commands[i]);
        assert_int_equal(answered, i == count - 1);
    }
    assert_int_equal(commands[count - 1]->error, GS_EOVERLOADED);
    core_settle(fixture);
    assert_int_equal(answered, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(commands[i]->error, i == count - 1 ? GS_EOVERLOADED : 0);
        gs_command_free(commands[i]);
    }
    free(commands);
}

#define STARTED(name) cmocka_unit_test_setup_teardown(name, open_started, close_started)

int main(void) {
    const struct CMUnitTest tests[] = {
        STARTED(test_a_write_is_answered_when_it_is_stored),
        STARTED(test_versions_are_compared),
        STARTED(test_existence_is_checked),
        STARTED(test_etags_are_compared),
        STARTED(test_a_retry_gets_the_first_answer),
        STARTED(test_a_retry_waits_for_the_first_attempt),
        STARTED(test_a_refusal_waits_for_what_it_speaks_of),
        STARTED(test_a_key_serves_one_request),
        STARTED(test_keys_expire),
        STARTED(test_atomic_is_all),
        STARTED(test_atomic_is_nothing),
        STARTED(test_atomic_preconditions_see_the_writes_before),
        STARTED(test_atomic_with_a_used_key_is_nothing),
        STARTED(test_atomic_finds_room_for_all_its_data_or_waits),
        STARTED(test_an_event_names_an_aggregate_once),
        STARTED(test_a_failed_commit_fails_all_that_builds_on_it),
        STARTED(test_waiting_writes_keep_their_order),
        STARTED(test_waiting_writes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
