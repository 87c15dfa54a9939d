/* Runs of chained batches: what one signature vouches for, and what it does not; what of it is passed on. */
#include "gossip/run.h"
#include "tests/unit/core_fixture.h"

enum { RUN_MAX = 8 };

struct run {
    struct gs_buffer bytes; /* the records, one after another */
    size_t ends[RUN_MAX];
    uint32_t count;
};

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

static void add(struct run *run, struct core_fixture *fixture, uint32_t author, uint32_t events,
                const struct gs_head *dep) {
    assert_true(run->count < RUN_MAX);
    if (dep == NULL) {
        test_author_batch(&fixture->authors[author], events, 0, &run->bytes);
    } else {
        struct gs_buffer record = author_write(fixture, author, "a", "[{'op':'increment','path':'/n','by':1}]", dep);
        gs_buffer_append(&run->bytes, record.bytes, record.length);
        gs_buffer_close(&record);
    }
    run->ends[run->count++] = run->bytes.length;
}

static struct run write_run(struct core_fixture *fixture, uint32_t author, uint32_t batches) {
    struct run run = {.count = 0};
    for (uint32_t i = 0; i < batches; i++) {
        add(&run, fixture, author, 1, NULL);
    }
    return run;
}

/* The signature stands before the one byte of an empty list of detached data. */
static void spoil(struct run *run, uint32_t batch) {
    run->bytes.bytes[run->ends[batch] - 2] ^= 1;
}

static void deliver(struct core_fixture *fixture, uint32_t link, struct run *run) {
    core_deliver(fixture, link, GS_BATCHES_LAST, &run->bytes, run->count);
    gs_buffer_close(&run->bytes);
}

static uint64_t applied(struct core_fixture *fixture, uint32_t author) {
    return core_seq(fixture, &fixture->authors[author].origin);
}

static void test_the_last_signature_vouches_for_the_chain(void **state) {
    struct core_fixture *fixture = *state;
    struct run run = write_run(fixture, 0, 4);
    spoil(&run, 1); /* a relay's work: nobody looks */
    spoil(&run, 2);
    deliver(fixture, 1, &run);
    assert_false(core_dropped(fixture, 1));
    assert_int_equal(applied(fixture, 0), 4);
    core_settle(fixture);
    core_restart(fixture);
    assert_int_equal(applied(fixture, 0), 4);
}

static void test_after_the_last_good_signature_nothing_is_taken(void **state) {
    struct core_fixture *fixture = *state;
    struct run run = write_run(fixture, 0, 6);
    spoil(&run, 2);
    spoil(&run, 4);
    spoil(&run, 5);
    deliver(fixture, 1, &run);
    assert_true(core_dropped(fixture, 1));
    assert_int_equal(core_stats(fixture).batches_refused, 1);
    assert_int_equal(applied(fixture, 0), 4);
    core_settle(fixture);
    assert_int_equal(fixture->disk_count, 4);
}

static void test_an_unsigned_run_is_refused(void **state) {
    struct core_fixture *fixture = *state;
    struct run run = write_run(fixture, 0, 3);
    for (uint32_t i = 0; i < 3; i++) {
        spoil(&run, i);
    }
    deliver(fixture, 1, &run);
    assert_true(core_dropped(fixture, 1));
    assert_int_equal(applied(fixture, 0), 0);
    assert_int_equal(fixture->pending.number, 0);
}

/* What is not the batch that the next one names is vouched for by nobody, whatever comes after it. */
static void test_a_forged_middle_is_refused(void **state) {
    struct core_fixture *fixture = *state;
    struct run run = write_run(fixture, 0, 1);
    struct test_author forger = fixture->authors[0];
    struct run good = write_run(fixture, 0, 2);
    struct gs_buffer forged = {0};
    test_author_batch(&forger, 1, 10, &forged);
    forged.bytes[forged.length - 80] ^= 1; /* in its body or its signature: signed it is not */
    gs_buffer_append(&run.bytes, forged.bytes, forged.length);
    gs_buffer_append(&run.bytes, good.bytes.bytes + good.ends[0], good.ends[1] - good.ends[0]);
    run.count = 3;
    deliver(fixture, 1, &run);
    assert_true(core_dropped(fixture, 1));
    assert_int_equal(applied(fixture, 0), 1);
    assert_int_equal(core_stats(fixture).forks, 0);
    gs_buffer_close(&forged);
    gs_buffer_close(&good.bytes);
}

/* Anchors are checked by everybody, so that a run can end there wherever it goes next. */
static void test_an_anchor_is_checked_itself(void **state) {
    struct core_fixture *fixture = *state;
    struct run run = {.count = 0};
    add(&run, fixture, 0, 1, NULL);
    add(&run, fixture, 0, 1, NULL);
    add(&run, fixture, 0, GS_RUN_EVENTS - 2, NULL);
    add(&run, fixture, 0, 1, NULL);
    spoil(&run, 2);
    deliver(fixture, 1, &run);
    assert_true(core_dropped(fixture, 1));
    assert_int_equal(applied(fixture, 0), 2);
}

static struct gs_batch_head head_of(const struct run *run, uint32_t batch) {
    struct gs_record record;
    struct gs_batch_head head;
    size_t start = batch > 0 ? run->ends[batch - 1] : 0;
    assert_int_equal(gs_record_parse(gs_slice_make(run->bytes.bytes + start, run->ends[batch] - start), &record), 0);
    assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), 0);
    return head;
}

static void test_what_an_anchor_is(void **state) {
    struct core_fixture *fixture = *state;
    static const struct {
        uint32_t events;
        bool anchor;
    } rows[] = {{1, true}, {62, false}, {1, true}, {63, false}, {1, true}, {30, false}, {40, true}, {20, false}};
    struct run run = {.count = 0}; /* 1; 2…63; 64; 65…127; 128; 129…158; 159…198, with 192; 199…218 */
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        add(&run, fixture, 0, rows[i].events, NULL);
        struct gs_batch_head head = head_of(&run, i);
        bool large = head.signed_bytes.length >= GS_RUN_BATCH_BYTES;
        assert_int_equal(gs_run_is_anchor(&head), rows[i].anchor || large);
        head.signed_bytes.length = GS_RUN_BATCH_BYTES;
        assert_true(gs_run_is_anchor(&head));
        if (i > 0) {
            struct gs_batch_head older = head_of(&run, i - 1);
            assert_true(gs_run_continues(&older, &head));
            assert_false(gs_run_continues(&head, &older));
            older.hash.bytes[0] ^= 1;
            assert_false(gs_run_continues(&older, &head));
        }
    }
    gs_buffer_close(&run.bytes);
}

/* Answers the pull of `link` from the disk; the message that goes out is decoded: how many records it has. */
static uint32_t answer_pull(struct core_fixture *fixture, uint32_t link) {
    core_tell(fixture, link, GS_VECTOR_URGENT, NULL, 0);
    assert_int_equal(fixture->update.log_read_count, 1);
    struct gs_buffer records = {0};
    for (uint32_t i = 0; i < fixture->disk_count; i++) {
        gs_buffer_append(&records, fixture->disk[i].bytes, fixture->disk[i].length);
    }
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_LOG_READ,
                                              .log_read = {.peer = link + 1,
                                                           .count = fixture->disk_count,
                                                           .records = gs_slice_make(records.bytes, records.length)}});
    gs_buffer_close(&records);
    uint32_t count = 0;
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        struct gs_message message = {0};
        const struct gs_buffer *bytes = &fixture->update.sends[i].message;
        assert_int_equal(gs_message_decode(bytes->bytes, bytes->length, &message), 0);
        count += message.kind == GS_MESSAGE_BATCHES ? message.record_count : 0;
        gs_message_close(&message);
    }
    return count;
}

/* The batch that vouches for the one before it must wait, so ours ends at a signature that a relay has spoilt: that is
 * kept, also over a restart, and passed on to nobody until a good one has followed. */
static void test_a_spoilt_end_is_kept_and_not_passed_on(void **state) {
    struct core_fixture *fixture = *state;
    struct run other = write_run(fixture, 1, 1);
    struct run run = write_run(fixture, 0, 2);
    struct gs_head dep = test_author_head(&fixture->authors[1]);
    add(&run, fixture, 0, 1, &dep);
    struct gs_buffer last = {0};
    gs_buffer_append(&last, run.bytes.bytes + run.ends[1], run.ends[2] - run.ends[1]);
    spoil(&run, 1);
    deliver(fixture, 1, &run);
    assert_false(core_dropped(fixture, 1));
    assert_int_equal(applied(fixture, 0), 2);
    core_settle(fixture);
    assert_int_equal(answer_pull(fixture, 0), 1);
    core_restart(fixture);
    assert_int_equal(applied(fixture, 0), 2);
    core_link(fixture, 0, NULL, 0);
    core_link(fixture, 1, NULL, 0);
    core_deliver(fixture, 1, GS_BATCHES_LAST, NULL, 0);
    assert_int_equal(answer_pull(fixture, 0), 1);
    core_push(fixture, 1, &other.bytes);
    core_push(fixture, 1, &last);
    assert_int_equal(applied(fixture, 0), 3);
    core_settle(fixture);
    assert_int_equal(answer_pull(fixture, 0), 4);
    gs_buffer_close(&other.bytes);
    gs_buffer_close(&last);
}

/* In the middle of what it has, a node sends up to an anchor only. */
static void test_a_part_ends_at_an_anchor(void **state) {
    struct core_fixture *fixture = *state;
    struct run run = write_run(fixture, 0, 3);
    deliver(fixture, 0, &run);
    core_settle(fixture);
    assert_int_equal(answer_pull(fixture, 1), 3);
    fixture->disk_count = 2; /* what the store has read, say; the third would come next */
    core_deliver(fixture, 1, GS_BATCHES_LAST, NULL, 0);
    core_link(fixture, 2, NULL, 0);
    assert_int_equal(answer_pull(fixture, 2), 1);
    fixture->disk_count = 3;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_last_signature_vouches_for_the_chain, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_after_the_last_good_signature_nothing_is_taken, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_an_unsigned_run_is_refused, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_a_forged_middle_is_refused, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_an_anchor_is_checked_itself, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_what_an_anchor_is, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_a_spoilt_end_is_kept_and_not_passed_on, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_a_part_ends_at_an_anchor, open_linked, close_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
