/* The quarantine: what is held, why, for how long, and how it gets out. */
#include "tests/unit/core_fixture.h"

static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    core_link(fixture, 0, NULL, 0);
    core_link(fixture, 1, NULL, 0);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* A batch of author 0 that is stamped ten seconds further ahead than is allowed. */
static struct gs_buffer hold_one(struct core_fixture *fixture) {
    fixture->authors[0].clock = gs_hlc_from_ms(CORE_NOW_MS + 70000);
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    assert_int_equal(core_stats(fixture).held, 1);
    return record;
}

static struct gs_command *ask(struct core_fixture *fixture, const char *id) {
    int answered = 0;
    struct gs_command *command = gs_command_new(GS_COMMAND_QUARANTINE);
    assert_non_null(command);
    command->held_id = gs_slice_make(id, strlen(id));
    command->owner = &answered;
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    gs_buffer_byte(&command->json, '\0');
    return command;
}

/* The id of the one batch that is held. */
static void id_of_held(struct core_fixture *fixture, char ret_id[33]) {
    struct gs_command *command = ask(fixture, "");
    const char *at = strstr((const char *)command->json.bytes, "\"id\":\"");
    assert_non_null(at);
    memcpy(ret_id, at + 6, 32);
    ret_id[32] = '\0';
    gs_command_free(command);
}

static struct gs_command *release_command(const char *id, bool internal, int *answered) {
    struct gs_command *command = core_write_new(1, answered);
    struct gs_write *write = core_write_set(command, 0, id, "[{'op':'set','path':'/released','value':true}]");
    struct gs_write_change *change = (struct gs_write_change *)write->changes;
    static const char type[] = "gs.quarantine";
    change->aggregate_type = gs_slice_make(type, sizeof type - 1);
    write->internal = internal;
    return command;
}

static int write_release(struct core_fixture *fixture, const char *id, bool internal) {
    int answered = 0;
    struct gs_command *command = release_command(id, internal, &answered);
    core_ask(fixture, command);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    int error = command->results[0].error;
    gs_command_free(command);
    return error;
}

static void test_what_is_held_is_shown(void **state) {
    struct core_fixture *fixture = *state;
    char id[33];
    struct gs_buffer record = hold_one(fixture);
    id_of_held(fixture, id);
    struct gs_command *command = ask(fixture, id);
    const char *json = (const char *)command->json.bytes;
    assert_int_equal(command->error, 0);
    assert_int_equal(command->held_reason, GS_ESKEW);
    assert_true(command->held_releasable);
    assert_non_null(strstr(json, "\"reason\":\"clock\""));
    assert_non_null(strstr(json, "\"region\":\"region-0\""));
    assert_non_null(strstr(json, "\"firstSeq\":1,\"lastSeq\":1"));
    assert_non_null(strstr(json, "\"record\":\""));
    gs_command_free(command);
    command = ask(fixture, "0123");
    assert_int_equal(command->error, GS_ENOTFOUND);
    gs_command_free(command);
    gs_buffer_close(&record);
}

static void test_it_is_held_over_a_restart_and_applied_when_due(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = hold_one(fixture);
    core_restart(fixture);
    assert_int_equal(core_stats(fixture).held, 1);
    core_tick(fixture, 9999);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_shows(fixture, "a", "");
    core_tick(fixture, 1);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).held, 0);
    assert_shows(fixture, "a", "{'n':3}");
    core_restart(fixture);
    assert_int_equal(core_stats(fixture).held, 0); /* its note is gone */
    assert_shows(fixture, "a", "{'n':3}");
    gs_buffer_close(&record);
}

static void test_it_is_held_once(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = hold_one(fixture);
    core_push(fixture, 1, &record);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_int_equal(core_stats(fixture).batches_duplicate, 1);
    gs_buffer_close(&record);
}

/* What follows is not collected: it is pulled when the way is free. */
static void test_what_follows_takes_no_room(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = hold_one(fixture);
    struct gs_buffer second = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':4}]", NULL);
    core_push(fixture, 0, &second);
    assert_int_equal(core_stats(fixture).causal_bytes, 0);
    core_tick(fixture, 10000);
    core_settle(fixture);
    core_push(fixture, 0, &second);
    core_settle(fixture);
    assert_shows(fixture, "a", "{'n':7}");
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

/* A log that lost its tail (its notes are another file) has to take what comes before what was held. */
static void test_it_is_in_nobodys_way_before_its_turn(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &first);
    struct gs_head head = test_author_head(&fixture->authors[0]);
    core_push(fixture, 0, &first);
    core_settle(fixture);
    struct gs_buffer second = hold_one(fixture);
    gs_buffer_close(&fixture->disk[--fixture->disk_count]);
    core_restart(fixture);
    core_link(fixture, 0, NULL, 0);
    core_deliver(fixture, 0, GS_BATCHES_LAST, NULL, 0);
    core_tell(fixture, 0, GS_VECTOR_TELL, &head, 1);
    assert_true(core_asked(fixture, 0));
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

/* Peers hear that it is of no use to send it. */
static void test_the_vector_spares_the_origin(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = hold_one(fixture);
    fixture->mono_ms += 10000; /* not the wall clock */
    core_tick(fixture, 1);
    bool spared = false;
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        if (message.kind == GS_MESSAGE_VECTOR) {
            assert_int_equal(message.spared_count, 1);
            assert_true(gs_origin_equal(&message.spared[0].origin, &fixture->authors[0].origin));
            assert_false(message.spared[0].forked);
            spared = true;
        }
        gs_message_close(&message);
    }
    assert_true(spared);
    gs_buffer_close(&record);
}

static void test_an_operator_releases_it(void **state) {
    struct core_fixture *fixture = *state;
    char id[33];
    struct gs_buffer record = hold_one(fixture);
    id_of_held(fixture, id);
    assert_int_equal(write_release(fixture, id, true), 0);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).held, 0);
    assert_shows(fixture, "a", "{'n':3}");
    core_restart(fixture); /* the release stands before what it released */
    assert_shows(fixture, "a", "{'n':3}");
    gs_buffer_close(&record);
}

/* A group's own events stand behind what it took from others: the release must be in an earlier one. */
static void test_a_release_counts_once_it_is_stored(void **state) {
    struct core_fixture *fixture = *state;
    char id[33];
    int answered = 0;
    struct gs_buffer record = hold_one(fixture);
    id_of_held(fixture, id);
    struct gs_command *first = core_write_new(1, &answered);
    core_write_set(first, 0, "b", "[{'op':'increment','path':'/n','by':1}]");
    core_ask(fixture, first); /* in flight */
    struct gs_command *release = release_command(id, true, &answered);
    core_ask(fixture, release); /* in the open group */
    core_push(fixture, 1, &record);
    assert_int_equal(core_stats(fixture).events_remote, 0);
    core_settle(fixture);
    assert_int_equal(answered, 2);
    assert_shows(fixture, "a", "{'n':3}");
    core_restart(fixture);
    assert_shows(fixture, "a", "{'n':3}");
    gs_command_free(first);
    gs_command_free(release);
    gs_buffer_close(&record);
}

static void test_a_client_does_not(void **state) {
    struct core_fixture *fixture = *state;
    char id[33];
    struct gs_buffer record = hold_one(fixture);
    id_of_held(fixture, id);
    assert_int_equal(write_release(fixture, id, false), GS_EINVAL);
    assert_int_equal(core_stats(fixture).held, 1);
    gs_buffer_close(&record);
}

/* It would count as seen what nobody here has seen, and put honest batches in the wrong. */
static void test_an_over_claim_is_not_releasable(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_arena arena = {0};
    struct gs_event_change change;
    struct gs_buffer record = {0};
    char id[33];
    struct gs_event event = author_event(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", &change, &arena);
    struct gs_buffer first = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &first);
    change.delta.seq = event.seq = 2;
    change.delta.clock = event.clock = fixture->authors[0].clock + 1;
    change.delta.previous = 1; /* its first event was not on this aggregate */
    test_author_seal(&fixture->authors[0], &event, 1, NULL, 0, &record);
    core_push(fixture, 0, &first);
    core_settle(fixture);
    core_push(fixture, 0, &record);
    assert_int_equal(core_stats(fixture).held, 1);
    id_of_held(fixture, id);
    struct gs_command *command = ask(fixture, id);
    assert_int_equal(command->held_reason, GS_EOVERCLAIM);
    assert_false(command->held_releasable);
    gs_command_free(command);
    assert_int_equal(write_release(fixture, id, true), 0);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_shows(fixture, "a", "");
    gs_buffer_close(&first);
    gs_buffer_close(&record);
    gs_arena_close(&arena);
}

/* A relay cannot block an origin with good batches beside which it puts garbage. */
static void test_garbage_beside_a_waiting_batch_is_blamed_at_once(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = {0};
    struct gs_buffer second = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &first);
    test_author_batch(&fixture->authors[0], 1, 40, &second);
    struct gs_buffer spoilt = {0};
    gs_buffer_append(&spoilt, second.bytes, second.length);
    spoilt.bytes[spoilt.length - 1] ^= 1;
    core_push(fixture, 1, &spoilt);
    assert_true(core_dropped(fixture, 1));
    assert_int_equal(core_stats(fixture).causal_bytes, 0);
    core_push(fixture, 0, &second);
    core_push(fixture, 0, &first);
    core_settle(fixture);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 2);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
    gs_buffer_close(&spoilt);
}

#define LINKED(name) cmocka_unit_test_setup_teardown(name, open_linked, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED(test_what_is_held_is_shown),
        LINKED(test_it_is_held_over_a_restart_and_applied_when_due),
        LINKED(test_it_is_held_once),
        LINKED(test_what_follows_takes_no_room),
        LINKED(test_it_is_in_nobodys_way_before_its_turn),
        LINKED(test_the_vector_spares_the_origin),
        LINKED(test_an_operator_releases_it),
        LINKED(test_a_release_counts_once_it_is_stored),
        LINKED(test_a_client_does_not),
        LINKED(test_an_over_claim_is_not_releasable),
        LINKED(test_garbage_beside_a_waiting_batch_is_blamed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
