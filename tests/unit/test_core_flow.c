/* How history and fresh writes share a link: parts, credits, lanes. */
#include "tests/unit/core_fixture.h"

static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    for (uint32_t i = 0; i < 2; i++) {
        core_link(fixture, i, NULL, 0);
        core_deliver(fixture, i, GS_BATCHES_LAST, NULL, 0);
    }
    *state = fixture;
    return 0;
}

static int close_linked(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* The only message of its kind that the last step sent to the author; false if there is none. */
static bool sent(const struct core_fixture *fixture, uint32_t author, enum gs_message_kind kind, enum gs_lane *ret_lane,
                 struct gs_message *ret_message) {
    bool found = false;
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        if (send->peer == author + 1 && message.kind == kind) {
            assert_false(found);
            found = true;
            *ret_lane = send->lane;
            ret_message->answer = message.answer;
            ret_message->record_count = message.record_count;
            ret_message->credit = message.credit;
        }
        gs_message_close(&message);
    }
    return found;
}

/* Parts that the last step grants to the author. */
static uint32_t granted(const struct core_fixture *fixture, uint32_t author) {
    struct gs_message message = {0};
    enum gs_lane lane;
    bool found = sent(fixture, author, GS_MESSAGE_CREDIT, &lane, &message);
    assert_true(!found || lane == GS_LANE_CONTROL);
    return found ? message.credit : 0;
}

static void give_credit(struct core_fixture *fixture, uint32_t author, uint32_t parts) {
    struct gs_buffer message = {0};
    gs_message_write_credit(parts, &message);
    core_step(fixture, (struct gs_core_event){
                           .type = GS_CORE_MESSAGE,
                           .peer = {.peer = author + 1, .message = gs_slice_make(message.bytes, message.length)}});
    gs_buffer_close(&message);
}

/* The store has read one record more; true if the next part is read at once. */
static bool read_part(struct core_fixture *fixture, uint32_t author, uint32_t *next, bool more) {
    struct gs_message message = {0};
    enum gs_lane lane;
    assert_true(*next < fixture->disk_count);
    const struct gs_buffer *record = &fixture->disk[(*next)++];
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_LOG_READ,
                                              .log_read = {.peer = author + 1,
                                                           .count = 1,
                                                           .more = more,
                                                           .records = gs_slice_make(record->bytes, record->length)}});
    assert_true(sent(fixture, author, GS_MESSAGE_BATCHES, &lane, &message));
    assert_int_equal(lane, GS_LANE_BULK);
    assert_int_equal(message.answer, more ? GS_BATCHES_MORE : GS_BATCHES_LAST);
    return fixture->update.log_read_count == 1;
}

static void test_parts_stop_when_credit_ends(void **state) {
    struct core_fixture *fixture = *state;
    uint32_t next = 0;
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = 2}});
    for (uint32_t i = 0; i < 2 * GS_CREDIT_PARTS + 4; i++) {
        core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    }
    core_link(fixture, 1, NULL, 0);
    core_tell(fixture, 1, GS_VECTOR_URGENT, NULL, 0);
    assert_int_equal(fixture->update.log_read_count, 1);
    for (uint32_t i = 1; i < GS_CREDIT_PARTS; i++) {
        assert_true(read_part(fixture, 1, &next, true));
    }
    assert_false(read_part(fixture, 1, &next, true));
    give_credit(fixture, 1, 2);
    assert_int_equal(fixture->update.log_read_count, 1);
    assert_true(read_part(fixture, 1, &next, true));
    assert_false(read_part(fixture, 1, &next, true));
    give_credit(fixture, 1, GS_CREDIT_PARTS);
    assert_int_equal(fixture->update.log_read_count, 1);
    assert_true(read_part(fixture, 1, &next, true));
    give_credit(fixture, 1, GS_CREDIT_PARTS); /* more than it may have: nothing comes of it */
    assert_int_equal(fixture->update.log_read_count, 0);
    for (uint32_t i = 1; i < GS_CREDIT_PARTS; i++) {
        assert_true(read_part(fixture, 1, &next, true));
    }
    assert_false(read_part(fixture, 1, &next, true));
    give_credit(fixture, 1, 1);
    assert_false(read_part(fixture, 1, &next, false));
    give_credit(fixture, 1, 1); /* the answer is whole */
    assert_int_equal(fixture->update.log_read_count, 0);
}

static void test_what_is_stored_grants_more(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = {0};
    struct gs_buffer second = {0};
    struct gs_buffer third = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &first);
    test_author_batch(&fixture->authors[0], 1, 0, &second);
    test_author_batch(&fixture->authors[0], 1, 0, &third);
    core_deliver(fixture, 0, GS_BATCHES_MORE, &first, 1);
    assert_int_equal(granted(fixture, 0), 0);
    core_deliver(fixture, 0, GS_BATCHES_MORE, &second, 1);
    core_deliver(fixture, 0, GS_BATCHES_MORE, &third, 1);
    assert_int_equal(granted(fixture, 0), 0);
    core_store(fixture, 0);
    assert_int_equal(granted(fixture, 0), 3);
    core_settle(fixture);
    assert_int_equal(granted(fixture, 0), 0);
    core_deliver(fixture, 0, GS_BATCHES_MORE, &third, 1); /* there is nothing to store in it */
    assert_int_equal(granted(fixture, 0), 1);
    core_deliver(fixture, 0, GS_BATCHES_LAST, NULL, 0);
    assert_int_equal(granted(fixture, 0), 0);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
    gs_buffer_close(&third);
}

/* A sync job with a rate cap: what was taken is paid for in time before more is let in. */
static void test_a_job_has_a_rate(void **state) {
    struct core_fixture *fixture = *state;
    static const struct gs_slice regions[] = {{(const uint8_t *)"region-0", 8}};
    enum { RATE = 100, MS_A_BYTE = 1000 / RATE };
    struct gs_buffer first = {0};
    struct gs_buffer second = {0};
    struct gs_command *command = gs_command_new(GS_COMMAND_SYNC);
    int answered = 0;
    test_author_batch(&fixture->authors[0], 1, 0, &first);
    test_author_batch(&fixture->authors[0], 1, 0, &second);
    command->owner = &answered;
    command->sync = (struct gs_sync_request){
        .ask = GS_SYNC_START, .mode = GS_SYNC_DELTA, .regions = regions, .region_count = 1, .rate = RATE};
    core_ask(fixture, command);
    assert_int_equal(command->error, 0);
    gs_command_free(command);
    core_deliver(fixture, 0, GS_BATCHES_MORE, &first, 1);
    core_deliver(fixture, 0, GS_BATCHES_MORE, &second, 1);
    core_store(fixture, 0);
    core_settle(fixture);
    uint64_t paid = fixture->mono_ms + (first.length + second.length) * MS_A_BYTE;
    assert_int_equal(granted(fixture, 0), 0);
    core_tick(fixture, paid - fixture->mono_ms - 1);
    assert_int_equal(granted(fixture, 0), 0);
    core_tick(fixture, 1);
    assert_int_equal(granted(fixture, 0), 2);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

static enum gs_lane lane_of_push(struct core_fixture *fixture, uint32_t author) {
    struct gs_message message = {0};
    enum gs_lane lane = GS_LANE_COUNT;
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "a", "[{'op':'increment','path':'/n','by':1}]");
    core_ask(fixture, command);
    core_store(fixture, 0);
    assert_true(sent(fixture, author, GS_MESSAGE_BATCHES, &lane, &message));
    assert_int_equal(message.answer, GS_BATCHES_PUSH);
    gs_command_free(command);
    return lane;
}

/* A push passes the history that waits for the peer, but for our own, until the peer has said that it has that. */
static void test_a_push_does_not_pass_our_own_history(void **state) {
    struct core_fixture *fixture = *state;
    uint32_t next = 0;
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    assert_int_equal(lane_of_push(fixture, 0), GS_LANE_FRESH);
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = 2}});
    core_link(fixture, 1, NULL, 0);
    core_deliver(fixture, 1, GS_BATCHES_LAST, NULL, 0);
    core_tell(fixture, 1, GS_VECTOR_URGENT, NULL, 0);
    assert_true(read_part(fixture, 1, &next, true));
    assert_true(read_part(fixture, 1, &next, true));
    (void)read_part(fixture, 1, &next, false);
    assert_int_equal(lane_of_push(fixture, 1), GS_LANE_BULK);
    assert_int_equal(lane_of_push(fixture, 1), GS_LANE_BULK);
    gs_origin self = gs_core_origin(fixture->core);
    core_tell(fixture, 1, GS_VECTOR_TELL, gs_vector_find(gs_core_stored(fixture->core), &self), 1);
    assert_int_equal(lane_of_push(fixture, 1), GS_LANE_FRESH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parts_stop_when_credit_ends, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_what_is_stored_grants_more, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_a_job_has_a_rate, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_a_push_does_not_pass_our_own_history, open_linked, close_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
