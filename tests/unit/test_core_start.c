/* From a disk to a running core, and the question that comes before the first write: who else holds more of us? */
#include "tests/unit/core_fixture.h"

static struct core_fixture *open_with_peers(uint32_t peers) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, peers);
    return fixture;
}

static int open_alone(void **state) {
    *state = open_with_peers(0);
    return 0;
}

/* A node of three that has written two events and was started again. */
static int open_restarted(void **state) {
    struct core_fixture *fixture = open_with_peers(2);
    assert_int_equal(core_start(fixture), 0);
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':2}]");
    core_restart(fixture);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

static struct gs_head own_head(const struct core_fixture *fixture) {
    gs_origin origin = gs_core_origin(fixture->core);
    const struct gs_head *head = gs_vector_find(gs_core_applied(fixture->core), &origin);
    assert_non_null(head);
    return *head;
}

static const uint8_t *note_of_self(const struct core_fixture *fixture) {
    for (uint32_t i = 0; i < CORE_NOTES_MAX; i++) {
        if (strcmp(fixture->notes[i].name, "self") == 0) {
            assert_int_equal(fixture->notes[i].bytes.length, GS_INCARNATION_SIZE);
            return fixture->notes[i].bytes.bytes;
        }
    }
    fail_msg("there is no note of our own incarnation");
    return NULL;
}

static void test_a_log_is_recovered(void **state) {
    struct core_fixture *fixture = *state;
    assert_int_equal(core_start(fixture), 0);
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    struct gs_head head = own_head(fixture);
    core_restart(fixture);
    assert_true(core_stats(fixture).started);
    assert_int_equal(core_stats(fixture).incarnations, 0);
    assert_shows(fixture, "a", "{'n':1}");
    assert_memory_equal(&head, gs_vector_find(gs_core_stored(fixture->core), &head.origin), sizeof head);
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    assert_int_equal(core_seq(fixture, &head.origin), 2);
}

static void spoil(struct gs_buffer *record, size_t from_end) {
    record->bytes[record->length - from_end] ^= 1;
}

static void test_a_spoiled_tail_stops_the_start(void **state) {
    struct core_fixture *fixture = *state;
    test_author_batch(&fixture->authors[0], 1, 0, &fixture->disk[0]);
    test_author_batch(&fixture->authors[0], 63, 0, &fixture->disk[1]); /* an anchor: its signature was checked */
    fixture->disk_count = 2;
    spoil(&fixture->disk[1], 2);
    assert_int_equal(core_start(fixture), GS_ECORRUPT);
}

static void test_a_broken_chain_stops_the_start(void **state) {
    struct core_fixture *fixture = *state;
    struct test_author fork = fixture->authors[0];
    struct gs_buffer waste = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &fixture->disk[0]);
    test_author_batch(&fork, 1, 100, &waste);
    test_author_batch(&fork, 1, 0, &fixture->disk[1]);
    fixture->disk_count = 2;
    assert_int_equal(core_start(fixture), GS_ECORRUPT);
    gs_buffer_close(&waste);
}

static void test_a_missing_record_stops_the_start(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer waste = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &waste);
    test_author_batch(&fixture->authors[0], 1, 0, &fixture->disk[0]);
    fixture->disk_count = 1;
    assert_int_equal(core_start(fixture), GS_ECORRUPT);
    gs_buffer_close(&waste);
}

/* A record that stands before what it depends on. */
static void test_a_log_out_of_order_stops_the_start(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer waste = {0};
    test_author_batch(&fixture->authors[1], 1, 0, &waste);
    struct gs_head dep = test_author_head(&fixture->authors[1]);
    fixture->disk[0] = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':1}]", &dep);
    fixture->disk_count = 1;
    assert_int_equal(core_start(fixture), GS_ECORRUPT);
    gs_buffer_close(&waste);
}

/* What a key wrote before it was revoked stays. */
static void test_a_revoked_key_is_recovered(void **state) {
    struct core_fixture *fixture = *state;
    test_author_batch(&fixture->authors[0], 1, 0, &fixture->disk[0]);
    fixture->disk_count = 1;
    fixture->trust.entries[1].revoked = true;
    assert_int_equal(core_start(fixture), 0);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 1);
}

static void test_an_empty_disk_begins_an_incarnation_at_once(void **state) {
    struct core_fixture *fixture = *state;
    assert_int_equal(core_start(fixture), 0);
    assert_true(core_stats(fixture).started);
    assert_int_equal(core_stats(fixture).incarnations, 1);
    gs_origin first = gs_core_origin(fixture->core);
    core_restart(fixture);
    gs_origin second = gs_core_origin(fixture->core);
    assert_false(gs_origin_equal(&first, &second));
}

/* Writes wait for the answer to the question; then they are carried out. */
static struct gs_command *begin_write(struct core_fixture *fixture, int *answered) {
    struct gs_command *command = core_write_new(1, answered);
    core_write_set(command, 0, "a", "[{'op':'increment','path':'/n','by':4}]");
    core_ask(fixture, command);
    return command;
}

/* What a peer holds that has all that we have. */
static struct gs_holding same_as(const struct core_fixture *fixture) {
    struct gs_head head = own_head(fixture);
    struct gs_holding holding = {.seq = head.seq, .hash = head.hash};
    memcpy(holding.incarnation.bytes, note_of_self(fixture), GS_INCARNATION_SIZE);
    return holding;
}

static void link_and_vouch(struct core_fixture *fixture, uint32_t author, const struct gs_holding *holding) {
    core_link(fixture, author, NULL, 0);
    core_vouch(fixture, author, holding, holding != NULL ? 1 : 0, false);
}

static void test_writes_wait_for_every_key(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_holding holding = same_as(fixture);
    int answered = 0;
    struct gs_command *command = begin_write(fixture, &answered);
    assert_int_equal(fixture->pending.number, 0);
    assert_false(core_stats(fixture).started);
    link_and_vouch(fixture, 0, &holding);
    link_and_vouch(fixture, 1, NULL);
    assert_int_equal(fixture->pending.number, 0);
    link_and_vouch(fixture, 2, NULL);
    assert_true(core_stats(fixture).started);
    assert_int_equal(answered, 0);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    assert_int_equal(command->results[0].seq, 3);
    assert_int_equal(core_stats(fixture).incarnations, 0);
    gs_command_free(command);
}

/* A revoked key can have nothing of us that anybody would take. */
static void test_a_revoked_key_is_not_asked(void **state) {
    struct core_fixture *fixture = *state;
    fixture->trust.entries[3].revoked = true;
    link_and_vouch(fixture, 0, NULL);
    link_and_vouch(fixture, 1, NULL);
    assert_true(core_stats(fixture).started);
    assert_int_equal(core_stats(fixture).incarnations, 0);
}

/* The one that is away may be the only one that holds our newest batch. */
static void test_a_key_that_does_not_answer_ends_the_incarnation(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_holding holding = same_as(fixture);
    link_and_vouch(fixture, 0, &holding);
    link_and_vouch(fixture, 1, &holding);
    core_tick(fixture, 999);
    assert_false(core_stats(fixture).started);
    core_tick(fixture, 1);
    assert_true(core_stats(fixture).started);
    assert_int_equal(core_stats(fixture).incarnations, 1);
}

/* An answer to the question of an earlier run says nothing about now. */
static void test_an_answer_to_somebody_else_does_not_count(void **state) {
    struct core_fixture *fixture = *state;
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        core_link(fixture, i, NULL, 0);
        fixture->instance.bytes[0] ^= 1;
        core_vouch(fixture, i, NULL, 0, false);
    }
    assert_false(core_stats(fixture).started);
}

static void test_a_node_that_reaches_nobody_takes_a_new_incarnation(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_head head = own_head(fixture);
    int answered = 0;
    struct gs_command *command = begin_write(fixture, &answered);
    core_tick(fixture, 1000);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    assert_int_equal(core_stats(fixture).incarnations, 1);
    assert_int_equal(command->results[0].seq, 1);
    assert_false(gs_origin_equal(&command->results[0].origin, &head.origin));
    assert_shows(fixture, "a", "{'n':7}");
    gs_command_free(command);
}

static void test_a_peer_that_holds_more_ends_the_incarnation(void **state) {
    struct core_fixture *fixture = *state;
    gs_origin before = gs_core_origin(fixture->core);
    struct gs_holding holding = same_as(fixture);
    holding.seq++;
    link_and_vouch(fixture, 0, &holding);
    assert_true(core_stats(fixture).started);
    assert_int_equal(core_stats(fixture).incarnations, 1);
    gs_origin after = gs_core_origin(fixture->core);
    assert_false(gs_origin_equal(&before, &after));
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':4}]");
    assert_int_equal(core_seq(fixture, &after), 1);
    assert_int_equal(core_seq(fixture, &before), 2);
}

/* As much as we have, but something else: our numbers were given out twice. */
static void test_a_peer_that_holds_something_else_ends_the_incarnation(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_holding holding = same_as(fixture);
    holding.hash.bytes[0] ^= 1;
    link_and_vouch(fixture, 0, &holding);
    assert_int_equal(core_stats(fixture).incarnations, 1);
}

/* A later life that this disk knows nothing of: the next one is later still, whatever the clock says. */
static void test_a_later_life_is_told_of(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_holding holding = {.incarnation = gs_incarnation_make(fixture->now_ms + 30000, (const uint8_t[6]){0}),
                                 .seq = 7};
    link_and_vouch(fixture, 0, &holding);
    assert_int_equal(core_stats(fixture).incarnations, 1);
    assert_true(memcmp(note_of_self(fixture), &holding.incarnation, GS_INCARNATION_SIZE) > 0);
}

/* One of the far future would push all that follow there. */
static void test_a_life_of_the_far_future_is_not_followed(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_holding holding = {.incarnation = gs_incarnation_make(fixture->now_ms * 2, (const uint8_t[6]){0}),
                                 .seq = 7};
    link_and_vouch(fixture, 0, &holding);
    assert_int_equal(core_stats(fixture).incarnations, 1);
    assert_true(memcmp(note_of_self(fixture), &holding.incarnation, GS_INCARNATION_SIZE) < 0);
}

/* Another run of us had a link to the peer when we came: it may be writing still. */
static void test_a_living_rival_ends_the_incarnation(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_holding holding = same_as(fixture);
    core_link(fixture, 0, NULL, 0);
    core_vouch(fixture, 0, &holding, 1, true);
    assert_int_equal(core_stats(fixture).incarnations, 1);
}

/* What a peer says after the start costs nothing: it may be a lie, and lies are free. */
static void test_a_claim_after_the_start_is_not_believed(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_head head = own_head(fixture);
    struct gs_holding holding = same_as(fixture);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        link_and_vouch(fixture, i, &holding);
    }
    assert_int_equal(core_stats(fixture).incarnations, 0);
    holding.seq += 1000;
    core_vouch(fixture, 1, &holding, 1, true);
    head.seq += 1000;
    core_tell(fixture, 1, GS_VECTOR_TELL, &head, 1);
    assert_int_equal(core_stats(fixture).incarnations, 0);
}

/* The log has a life of our key that this disk did not begin: a clone's, or one of a disk that was lost. */
static void test_a_life_of_another_disk_is_not_gone_on_with(void **state) {
    struct core_fixture *fixture = *state;
    for (uint32_t i = 0; i < CORE_NOTES_MAX; i++) {
        gs_buffer_close(&fixture->notes[i].bytes);
        fixture->notes[i] = (struct gs_core_note){0};
    }
    gs_origin before = gs_core_origin(fixture->core);
    core_restart(fixture);
    gs_origin after = gs_core_origin(fixture->core);
    assert_true(core_stats(fixture).started);
    assert_false(gs_origin_equal(&before, &after));
    assert_int_equal(core_seq(fixture, &before), 2);
}

/* Our own past comes as a batch before anybody has told of it. The disk of `fixture` is put back by one record, as by
 * an old backup. */
static struct gs_buffer lose_last_record(struct core_fixture *fixture) {
    struct gs_buffer lost = fixture->disk[--fixture->disk_count];
    fixture->disk[fixture->disk_count] = (struct gs_buffer){0};
    core_restart(fixture);
    struct gs_holding holding = same_as(fixture);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        link_and_vouch(fixture, i, &holding);
    }
    assert_int_equal(core_stats(fixture).incarnations, 0);
    return lost;
}

static void test_a_lost_own_batch_is_taken_back_by_a_new_incarnation(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer lost = lose_last_record(fixture);
    gs_origin before = gs_core_origin(fixture->core);
    core_push(fixture, 0, &lost);
    core_settle(fixture);
    gs_origin after = gs_core_origin(fixture->core);
    assert_false(gs_origin_equal(&before, &after));
    assert_int_equal(core_stats(fixture).incarnations, 1);
    assert_int_equal(core_seq(fixture, &before), 2);
    assert_shows(fixture, "a", "{'n':3}");
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':4}]");
    assert_int_equal(core_seq(fixture, &after), 1);
    core_restart(fixture);
    gs_origin again = gs_core_origin(fixture->core);
    assert_true(gs_origin_equal(&again, &after));
    assert_shows(fixture, "a", "{'n':7}");
    gs_buffer_close(&lost);
}

/* Events with the old life's numbers are on their way to the disk: only a start without them helps. */
static void test_a_lost_past_found_too_late_asks_for_a_reload(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer lost = lose_last_record(fixture);
    int answered = 0;
    struct gs_command *command = begin_write(fixture, &answered);
    assert_int_not_equal(fixture->pending.number, 0);
    core_push(fixture, 0, &lost);
    assert_true(fixture->update.reload);
    assert_int_equal(answered, 1);
    assert_int_equal(command->error, GS_ESTORE);
    assert_int_equal(fixture->update.send_count, 0);
    gs_command_free(command);
    gs_buffer_close(&lost);
}

/* The clock may have been set back: the later life must still be the later one. */
static void test_a_new_incarnation_is_later_than_the_one_before(void **state) {
    struct core_fixture *fixture = *state;
    gs_origin first = gs_core_origin(fixture->core);
    fixture->now_ms -= 50000;
    core_restart(fixture);
    core_tick(fixture, 1000);
    gs_origin second = gs_core_origin(fixture->core);
    assert_false(gs_origin_equal(&first, &second));
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':4}]");
    core_restart(fixture);
    gs_origin again = gs_core_origin(fixture->core);
    assert_true(gs_origin_equal(&again, &second));
}

#define ALONE(name) cmocka_unit_test_setup_teardown(name, open_alone, close_fixture)
#define RESTARTED(name) cmocka_unit_test_setup_teardown(name, open_restarted, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        ALONE(test_a_log_is_recovered),
        ALONE(test_a_spoiled_tail_stops_the_start),
        ALONE(test_a_broken_chain_stops_the_start),
        ALONE(test_a_missing_record_stops_the_start),
        ALONE(test_a_log_out_of_order_stops_the_start),
        ALONE(test_a_revoked_key_is_recovered),
        ALONE(test_an_empty_disk_begins_an_incarnation_at_once),
        RESTARTED(test_writes_wait_for_every_key),
        RESTARTED(test_a_revoked_key_is_not_asked),
        RESTARTED(test_a_key_that_does_not_answer_ends_the_incarnation),
        RESTARTED(test_an_answer_to_somebody_else_does_not_count),
        RESTARTED(test_a_node_that_reaches_nobody_takes_a_new_incarnation),
        RESTARTED(test_a_peer_that_holds_more_ends_the_incarnation),
        RESTARTED(test_a_peer_that_holds_something_else_ends_the_incarnation),
        RESTARTED(test_a_later_life_is_told_of),
        RESTARTED(test_a_life_of_the_far_future_is_not_followed),
        RESTARTED(test_a_living_rival_ends_the_incarnation),
        RESTARTED(test_a_claim_after_the_start_is_not_believed),
        RESTARTED(test_a_life_of_another_disk_is_not_gone_on_with),
        RESTARTED(test_a_lost_own_batch_is_taken_back_by_a_new_incarnation),
        RESTARTED(test_a_lost_past_found_too_late_asks_for_a_reload),
        RESTARTED(test_a_new_incarnation_is_later_than_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
