/* An origin that has signed two histories: noticed wherever the two meet, proved, told to everybody, and left alone. */
#include "tests/unit/core_fixture.h"

#include "gossip/fork.h"

enum { BATCHES = 3 };

/* Author 0 has written three batches; another history of it departs after the first. */
struct forked {
    struct core_fixture fixture;
    struct test_author other;
    const gs_public_key *key;         /* of the origin that forks */
    struct gs_buffer mine[BATCHES];   /* one record each */
    struct gs_buffer theirs[BATCHES]; /* theirs[0] is mine[0] */
    struct gs_head ends[BATCHES];
};

static int open_forked(void **state) {
    struct forked *forked = calloc(1, sizeof *forked);
    assert_non_null(forked);
    core_open(&forked->fixture, 0);
    assert_int_equal(core_start(&forked->fixture), 0);
    core_link(&forked->fixture, 0, NULL, 0);
    core_link(&forked->fixture, 1, NULL, 0);
    for (int i = 0; i < BATCHES; i++) {
        test_author_batch(&forked->fixture.authors[0], 1, 0, &forked->mine[i]);
        forked->ends[i] = test_author_head(&forked->fixture.authors[0]);
        if (i == 0) {
            forked->other = forked->fixture.authors[0];
        }
        test_author_batch(&forked->other, 1, 50 + (size_t)i, &forked->theirs[i]);
        if (i == 0) { /* the common one */
            forked->theirs[0].length = 0;
            gs_buffer_append(&forked->theirs[0], forked->mine[0].bytes, forked->mine[0].length);
            forked->other = forked->fixture.authors[0];
        }
    }
    forked->key = &forked->fixture.authors[0].keys.public_key;
    *state = forked;
    return 0;
}

static int close_forked(void **state) {
    struct forked *forked = *state;
    for (int i = 0; i < BATCHES; i++) {
        gs_buffer_close(&forked->mine[i]);
        gs_buffer_close(&forked->theirs[i]);
    }
    core_close(&forked->fixture);
    free(forked);
    return 0;
}

static void take(struct forked *forked, int count) {
    for (int i = 0; i < count; i++) {
        core_push(&forked->fixture, 0, &forked->mine[i]);
        core_settle(&forked->fixture);
    }
}

/* Answers the log read that the last step asked for, from the disk. */
static void read_log(struct core_fixture *fixture) {
    assert_int_equal(fixture->update.log_read_count, 1);
    struct gs_core_log_read read = fixture->update.log_reads[0];
    fixture->update.log_reads[0].have = (struct gs_vector){0};
    struct gs_core_event event = {.type = GS_CORE_LOG_READ, .log_read = {.peer = read.peer}};
    for (uint32_t i = 0; i < fixture->disk_count && event.log_read.count == 0; i++) {
        struct gs_record record;
        struct gs_batch_head head;
        struct gs_slice bytes = gs_slice_make(fixture->disk[i].bytes, fixture->disk[i].length);
        assert_int_equal(gs_record_parse(bytes, &record), 0);
        assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), 0);
        if (gs_vector_seq(&read.have, &head.origin) < gs_batch_last_seq(&head)) {
            event.log_read.records = bytes;
            event.log_read.count = 1;
        }
    }
    gs_vector_close(&read.have);
    core_step(fixture, event);
}

/* True if the last step sent the author a proof of the fork, which is checked. */
static bool told(const struct forked *forked, uint32_t author) {
    const struct core_fixture *fixture = &forked->fixture;
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        bool found = send->peer == author + 1 && message.kind == GS_MESSAGE_FORK;
        if (found) {
            struct gs_record records[2];
            struct gs_batch_head heads[2];
            for (int j = 0; j < 2; j++) {
                assert_int_equal(gs_record_parse(message.records[j], &records[j]), 0);
                assert_int_equal(gs_batch_parse_head(records[j].batch.bytes, records[j].batch.length, &heads[j]), 0);
            }
            assert_int_equal(gs_fork_check(&heads[0], &heads[1], forked->key), 0);
        }
        gs_message_close(&message);
        if (found) {
            return true;
        }
    }
    return false;
}

static void assert_proved(struct forked *forked) {
    assert_int_equal(core_stats(&forked->fixture).forks, 1);
    read_log(&forked->fixture);
    assert_true(told(forked, 0));
    assert_true(told(forked, 1));
    assert_int_equal(core_stats(&forked->fixture).forks, 1);
}

static void test_another_batch_with_the_same_number(void **state) {
    struct forked *forked = *state;
    take(forked, 2);
    core_push(&forked->fixture, 1, &forked->theirs[1]);
    assert_false(core_dropped(&forked->fixture, 1));
    assert_proved(forked);
    core_push(&forked->fixture, 0, &forked->mine[2]);
    assert_int_equal(core_seq(&forked->fixture, &forked->other.origin), 2); /* nothing more of it */
}

static void test_another_batch_before(void **state) {
    struct forked *forked = *state;
    take(forked, 2);
    core_push(&forked->fixture, 1, &forked->theirs[2]);
    assert_proved(forked);
}

/* The other history is shorter than what is applied. */
static void test_another_batch_in_the_past(void **state) {
    struct forked *forked = *state;
    take(forked, 3);
    core_push(&forked->fixture, 1, &forked->theirs[1]);
    assert_proved(forked);
}

static void test_a_fork_from_the_first_batch(void **state) {
    struct forked *forked = *state;
    struct test_author other;
    struct gs_buffer first = {0};
    test_author_init(&other, 1);
    test_author_batch(&other, 1, 70, &first);
    take(forked, 1);
    core_push(&forked->fixture, 1, &first);
    assert_proved(forked);
    gs_buffer_close(&first);
}

static void test_other_origins_go_on(void **state) {
    struct forked *forked = *state;
    struct core_fixture *fixture = &forked->fixture;
    take(forked, 2);
    core_push(fixture, 1, &forked->theirs[1]);
    assert_proved(forked);
    struct gs_buffer record = author_write(fixture, 1, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 1, &record);
    core_settle(fixture);
    assert_shows(fixture, "a", "{'n':3}");
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':4}]");
    assert_shows(fixture, "a", "{'n':7}");
    gs_buffer_close(&record);
}

/* Who has applied the other side builds on what we do not have, although it has our number. */
static void test_what_builds_on_the_other_side_waits(void **state) {
    struct forked *forked = *state;
    struct core_fixture *fixture = &forked->fixture;
    struct gs_head dep = {.origin = forked->other.origin, .seq = forked->ends[1].seq, .hash = {{0x55}}};
    take(forked, 2);
    struct gs_buffer record = author_write(fixture, 1, "a", "[{'op':'increment','path':'/n','by':3}]", &dep);
    core_push(fixture, 1, &record);
    core_settle(fixture);
    assert_shows(fixture, "a", "");
    assert_true(core_stats(fixture).causal_bytes > 0);
    gs_buffer_close(&record);
}

static void test_a_proof_is_taken_over_and_passed_on(void **state) {
    struct forked *forked = *state;
    struct gs_buffer message = {0};
    gs_message_write_fork(gs_slice_make(forked->mine[1].bytes, forked->mine[1].length),
                          gs_slice_make(forked->theirs[1].bytes, forked->theirs[1].length), &message);
    struct gs_core_event event = {.type = GS_CORE_MESSAGE,
                                  .peer = {.peer = 2, .message = gs_slice_make(message.bytes, message.length)}};
    core_step(&forked->fixture, event);
    assert_int_equal(core_stats(&forked->fixture).forks, 1);
    assert_true(told(forked, 0));
    assert_false(told(forked, 1));
    core_step(&forked->fixture, event);
    assert_false(told(forked, 0));
    take(forked, 1);
    assert_int_equal(core_seq(&forked->fixture, &forked->other.origin), 0);
    gs_buffer_close(&message);
}

static void test_a_false_proof_costs_the_link(void **state) {
    struct forked *forked = *state;
    struct gs_buffer message = {0};
    gs_message_write_fork(gs_slice_make(forked->mine[1].bytes, forked->mine[1].length),
                          gs_slice_make(forked->mine[2].bytes, forked->mine[2].length), &message);
    struct gs_core_event event = {.type = GS_CORE_MESSAGE,
                                  .peer = {.peer = 2, .message = gs_slice_make(message.bytes, message.length)}};
    core_step(&forked->fixture, event);
    assert_true(core_dropped(&forked->fixture, 1));
    assert_int_equal(core_stats(&forked->fixture).forks, 0);
    gs_buffer_close(&message);
}

static void test_a_proof_outlives_a_restart(void **state) {
    struct forked *forked = *state;
    struct core_fixture *fixture = &forked->fixture;
    take(forked, 2);
    core_push(fixture, 1, &forked->theirs[1]);
    assert_proved(forked);
    core_restart(fixture);
    assert_int_equal(core_stats(fixture).forks, 1);
    assert_int_equal(core_seq(fixture, &forked->other.origin), 2);
    core_link(fixture, 0, NULL, 0);
    assert_true(told(forked, 0)); /* it does not say that it knows */
    core_push(fixture, 0, &forked->mine[2]);
    assert_int_equal(core_seq(fixture, &forked->other.origin), 2);
}

/* Two nodes with as many events and different hashes would never send each other anything. */
static void test_an_equal_number_with_another_hash_is_shown(void **state) {
    struct forked *forked = *state;
    struct core_fixture *fixture = &forked->fixture;
    struct gs_head head = forked->ends[1];
    head.hash.bytes[0] ^= 1;
    take(forked, 2);
    core_tell(fixture, 1, GS_VECTOR_TELL, &head, 1);
    read_log(fixture);
    assert_int_equal(fixture->update.send_count, 1);
    struct gs_message message = {0};
    const struct gs_core_send *send = &fixture->update.sends[0];
    assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
    assert_int_equal(message.record_count, 1);
    assert_int_equal(message.records[0].length, forked->mine[1].length);
    assert_memory_equal(message.records[0].bytes, forked->mine[1].bytes, forked->mine[1].length);
    gs_message_close(&message);
}

/* Our own key has signed something else with our numbers: a clone. We go on as somebody else. */
static void test_our_own_fork_ends_our_incarnation(void **state) {
    struct forked *forked = *state;
    struct core_fixture *fixture = &forked->fixture;
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':4}]");
    struct gs_buffer ours = fixture->disk[0];
    struct gs_record record;
    struct gs_batch_head head;
    assert_int_equal(gs_record_parse(gs_slice_make(ours.bytes, ours.length), &record), 0);
    assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), 0);
    struct test_author clone = {.keys = fixture->config.keys,
                                .cluster = fixture->config.cluster,
                                .incarnation = head.incarnation,
                                .origin = head.origin,
                                .next_seq = 1,
                                .clock = head.clock_first};
    struct gs_buffer theirs = {0};
    test_author_batch(&clone, 1, 0, &theirs);
    forked->key = &fixture->config.keys.public_key;
    core_push(fixture, 1, &theirs);
    assert_int_equal(core_stats(fixture).incarnations, 2); /* the first was the empty disk's */
    assert_proved(forked);
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':4}]");
    assert_shows(fixture, "a", "{'n':8}");
    gs_buffer_close(&theirs);
}

#define FORKED(name) cmocka_unit_test_setup_teardown(name, open_forked, close_forked)

int main(void) {
    const struct CMUnitTest tests[] = {
        FORKED(test_another_batch_with_the_same_number),
        FORKED(test_another_batch_before),
        FORKED(test_another_batch_in_the_past),
        FORKED(test_a_fork_from_the_first_batch),
        FORKED(test_other_origins_go_on),
        FORKED(test_what_builds_on_the_other_side_waits),
        FORKED(test_a_proof_is_taken_over_and_passed_on),
        FORKED(test_a_false_proof_costs_the_link),
        FORKED(test_a_proof_outlives_a_restart),
        FORKED(test_an_equal_number_with_another_hash_is_shown),
        FORKED(test_our_own_fork_ends_our_incarnation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
