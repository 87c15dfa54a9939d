/* The batch writer: caps, refusals, and that a failed call leaves no trace. */
#include "failing_memory.h"
#include "log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int seal(struct gs_batch_writer *writer, const struct region *region, struct gs_buffer *out, gs_hash *hash) {
    struct gs_batch_seal_input input = {
        .cluster = region->cluster,
        .incarnation = region->incarnation,
        .keys = &region->keys,
    };
    if (writer->first_seq > 1) {
        input.prev_hash.bytes[0] = 1;
    }
    return gs_batch_seal(writer, &input, out, hash);
}

/* Seals, and checks that a peer would take the whole of it. */
static uint32_t seal_and_read(struct gs_batch_writer *writer, const struct region *region) {
    struct gs_buffer out = {0};
    struct gs_arena arena = {0};
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_event *events;
    gs_hash hash;
    assert_int_equal(seal(writer, region, &out, &hash), 0);
    assert_true(out.length <= GS_RECORD_BYTES_MAX);
    assert_int_equal(gs_record_parse(gs_slice_make(out.bytes, out.length), &record), 0);
    assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), 0);
    assert_true(record.batch.length + GS_BATCH_DEPS_MAX * GS_BATCH_DEP_SIZE <= GS_BATCH_BYTES_MAX);
    assert_int_equal(gs_batch_verify(&head, &region->keys.public_key), 0);
    assert_int_equal(gs_batch_decode(&head, &arena, &events), 0);
    assert_int_equal(gs_record_attach(&record, events, head.count), 0);
    assert_int_equal(writer->first_seq, head.first_seq + head.count);
    gs_arena_close(&arena);
    gs_buffer_close(&out);
    return head.count;
}

/* An event that sets one register to a string of `size` bytes. */
struct big {
    struct gs_event event;
    struct gs_event_change aggregate;
    struct gs_change change;
    struct gs_slice name;
    struct gs_buffer value;
    gs_dot *dots;
};

static void big_init(struct big *big, const struct region *region, size_t size) {
    memset(big, 0, sizeof *big);
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    gs_write_str(&big->value, text, size);
    free(text);
    big->name = fixture_text("n");
    big->change.kind = GS_OP_SET;
    big->change.path = (struct gs_path){.depth = 1, .names = &big->name};
    big->change.value = gs_slice_make(big->value.bytes, big->value.length);
    big->aggregate.aggregate_type = fixture_text("t");
    big->aggregate.aggregate_id = fixture_text("i");
    big->aggregate.delta.origin = region->origin;
    big->aggregate.delta.count = 1;
    big->aggregate.delta.changes = &big->change;
    big->event.event_type = fixture_text("big");
    big->event.changes = &big->aggregate;
    big->event.change_count = 1;
}

static void big_close(struct big *big) {
    gs_buffer_close(&big->value);
    free(big->dots);
}

static const struct gs_event *big_event(struct big *big, uint64_t seq) {
    big->event.seq = seq;
    big->event.clock = FIXTURE_CLOCK + seq;
    big->aggregate.delta.seq = seq;
    big->aggregate.delta.previous = seq - 1;
    big->aggregate.delta.clock = big->event.clock;
    return &big->event;
}

static void test_largest_event(void **state) {
    (void)state;
    struct region region = fixture_region(0);
    struct gs_batch_writer writer = {0};
    struct big big;
    /* What surrounds a long string, then the largest event and one byte more. */
    big_init(&big, &region, 100000);
    gs_batch_writer_begin(&writer, &region.origin, 1);
    assert_int_equal(gs_batch_writer_add(&writer, big_event(&big, 1)), 0);
    size_t most = GS_EVENT_BYTES_MAX - (writer.events.length - 100000);
    big_close(&big);
    gs_batch_writer_begin(&writer, &region.origin, 1);
    big_init(&big, &region, most + 1);
    assert_int_equal(gs_batch_writer_add(&writer, big_event(&big, 1)), GS_ETOOBIG);
    assert_int_equal(writer.events.length, 0);
    big_close(&big);
    big_init(&big, &region, most);
    assert_int_equal(gs_batch_writer_add(&writer, big_event(&big, 1)), 0);
    assert_int_equal(writer.events.length, GS_EVENT_BYTES_MAX);
    assert_int_equal(seal_and_read(&writer, &region), 1);
    big_close(&big);
    gs_batch_writer_close(&writer);
}

static void test_full_batch_is_busy(void **state) {
    (void)state;
    struct region region = fixture_region(0);
    struct gs_batch_writer writer = {0};
    struct big big;
    big_init(&big, &region, 500000);
    gs_batch_writer_begin(&writer, &region.origin, 1);
    uint64_t seq = 1;
    int error = 0;
    while ((error = gs_batch_writer_add(&writer, big_event(&big, seq))) == 0) {
        seq++;
        assert_true(seq < 100);
    }
    assert_int_equal(error, GS_EBUSY);
    assert_int_equal(writer.count, seq - 1);
    assert_true(writer.count >= 7);
    assert_int_equal(seal_and_read(&writer, &region), seq - 1);
    assert_int_equal(gs_batch_writer_add(&writer, big_event(&big, seq)), 0);
    assert_int_equal(seal_and_read(&writer, &region), 1);
    big_close(&big);
    gs_batch_writer_close(&writer);
}

static void test_count_cap(void **state) {
    (void)state;
    struct region region = fixture_region(0);
    struct gs_batch_writer writer = {0};
    gs_batch_writer_begin(&writer, &region.origin, 1);
    for (uint64_t seq = 1; seq <= GS_BATCH_EVENTS_MAX; seq++) {
        struct gs_event ack = fixture_ack(seq);
        assert_int_equal(gs_batch_writer_add(&writer, &ack), 0);
    }
    struct gs_event more = fixture_ack(GS_BATCH_EVENTS_MAX + 1);
    assert_int_equal(gs_batch_writer_add(&writer, &more), GS_EBUSY);
    assert_int_equal(seal_and_read(&writer, &region), GS_BATCH_EVENTS_MAX);
    gs_batch_writer_close(&writer);
}

/* {"data": bin of as much as makes `size` in all} */
static struct gs_buffer make_detached(size_t size) {
    struct gs_buffer out = {0};
    uint8_t *zeros = calloc(1, size);
    assert_non_null(zeros);
    gs_write_map(&out, 1);
    gs_write_str(&out, "data", 4);
    gs_write_bin(&out, zeros, size - 11); /* map, name, and a long bin's head */
    assert_int_equal(out.length, size);
    free(zeros);
    return out;
}

static void test_detached_caps(void **state) {
    (void)state;
    struct region region = fixture_region(0);
    struct gs_batch_writer writer = {0};
    struct gs_buffer most = make_detached(GS_DETACHED_BYTES_MAX);
    struct gs_buffer more = make_detached(GS_DETACHED_BYTES_MAX + 1);
    gs_batch_writer_begin(&writer, &region.origin, 1);
    struct gs_event event = fixture_ack(1);
    event.has_detached = true;
    event.detached = gs_slice_make(more.bytes, more.length);
    assert_int_equal(gs_batch_writer_add(&writer, &event), GS_ETOOBIG);
    uint64_t seq = 1;
    int error = 0;
    do {
        event.seq = seq;
        event.clock = FIXTURE_CLOCK + seq;
        event.detached = gs_slice_make(most.bytes, most.length);
        error = gs_batch_writer_add(&writer, &event);
        seq += error == 0;
        assert_true(seq < 10);
    } while (error == 0);
    assert_int_equal(error, GS_EBUSY);
    assert_int_equal(seq, 6); /* five megabytes and a batch */
    assert_int_equal(writer.detached_count, 5);
    assert_int_equal(seal_and_read(&writer, &region), 5);
    gs_buffer_close(&most);
    gs_buffer_close(&more);
    gs_batch_writer_close(&writer);
}

/* Each event names 1500 other origins; the table holds 4096. */
static void test_origin_table_cap(void **state) {
    (void)state;
    enum { DOTS = 1500 };
    struct region region = fixture_region(0);
    struct gs_batch_writer writer = {0};
    struct big big;
    big_init(&big, &region, 1);
    big.dots = calloc(DOTS, sizeof *big.dots);
    assert_non_null(big.dots);
    big.change.dots = big.dots;
    big.change.dot_count = DOTS;
    gs_batch_writer_begin(&writer, &region.origin, 1);
    uint32_t table_before = 0;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        for (uint32_t i = 0; i < DOTS; i++) {
            big.dots[i] = (gs_dot){.at = {.seq = 1}};
            big.dots[i].origin.bytes[0] = (uint8_t)seq;
            big.dots[i].origin.bytes[1] = (uint8_t)(i >> 8);
            big.dots[i].origin.bytes[2] = (uint8_t)i;
        }
        assert_int_equal(gs_batch_writer_add(&writer, big_event(&big, seq)), seq < 3 ? 0 : GS_EBUSY);
        assert_true(seq < 3 || writer.origins.count == table_before);
        table_before = writer.origins.count;
    }
    assert_int_equal(writer.count, 2);
    assert_int_equal(seal_and_read(&writer, &region), 2);
    assert_int_equal(gs_batch_writer_add(&writer, big_event(&big, 3)), 0);
    assert_int_equal(seal_and_read(&writer, &region), 1);
    big_close(&big);
    gs_batch_writer_close(&writer);
}

/* Refused events, and calls for which memory runs out, change nothing: the batch is the fixture's. */
static void test_failures_leave_no_trace(void **state) {
    (void)state;
    struct fixture fixture;
    struct failing_memory failing = {0};
    struct gs_memory memory = failing_memory(&failing);
    struct gs_batch_writer writer = {.events = {.memory = &memory}, .detached = {.memory = &memory}};
    struct gs_buffer expected = {0};
    struct gs_buffer out = {0};
    gs_hash expected_hash;
    gs_hash hash;
    fixture_init(&fixture);
    fixture_seal(0, &expected, &expected_hash);
    gs_batch_writer_begin(&writer, &fixture.eu.origin, 1);
    uint32_t refusals = 0;
    for (uint64_t nth = 1;; nth++) {
        struct gs_event bad = *fixture_event(&fixture, 1);
        bad.actor = fixture_text("\xff");
        assert_int_equal(gs_batch_writer_add(&writer, &bad), GS_EINVAL);
        failing.fail_at = failing.count + nth;
        int error = gs_batch_writer_add(&writer, fixture_event(&fixture, 1));
        failing.fail_at = 0;
        if (error == 0) {
            break;
        }
        assert_int_equal(error, GS_ENOMEM);
        assert_int_equal(writer.count, 0);
        assert_int_equal(writer.events.length, 0);
        assert_int_equal(writer.events.failed, 0);
        refusals++;
    }
    assert_true(refusals > 0);
    /* What the record is appended to stays; a part of the record does not. */
    out.memory = &memory;
    gs_buffer_text(&out, "before");
    failing.fail_at = failing.count + 1;
    assert_int_equal(seal(&writer, &fixture.eu, &out, &hash), GS_ENOMEM);
    assert_int_equal(writer.count, 1);
    assert_int_equal(out.length, strlen("before"));
    assert_int_equal(out.failed, 0);
    out.length = 0;
    assert_int_equal(seal(&writer, &fixture.eu, &out, &hash), 0);
    assert_int_equal(out.length, expected.length);
    assert_memory_equal(out.bytes, expected.bytes, out.length);
    assert_memory_equal(&hash, &expected_hash, sizeof hash);
    gs_buffer_close(&out);
    gs_buffer_close(&expected);
    gs_batch_writer_close(&writer);
    gs_batch_writer_close(NULL);
}

static void test_events_out_of_order(void **state) {
    (void)state;
    struct region region = fixture_region(0);
    struct gs_batch_writer writer = {0};
    gs_batch_writer_begin(&writer, &region.origin, 5);
    struct gs_event event = fixture_ack(4);
    assert_int_equal(gs_batch_writer_add(&writer, &event), GS_EINVAL);
    event = fixture_ack(6);
    assert_int_equal(gs_batch_writer_add(&writer, &event), GS_EINVAL);
    event = fixture_ack(5);
    assert_int_equal(gs_batch_writer_add(&writer, &event), 0);
    event.seq = 6;
    assert_int_equal(gs_batch_writer_add(&writer, &event), GS_EINVAL); /* the same clock */
    event.clock++;
    assert_int_equal(gs_batch_writer_add(&writer, &event), 0);
    gs_batch_writer_begin(&writer, &region.origin, GS_SEQ_MAX + 1);
    event = fixture_ack(GS_SEQ_MAX + 1);
    assert_int_equal(gs_batch_writer_add(&writer, &event), GS_EINVAL);
    gs_batch_writer_close(&writer);
}

/* Deps are read in the order of their origins, each once. */
static void test_order_of_deps(void **state) {
    (void)state;
    struct region region = fixture_region(0);
    struct gs_batch_writer writer = {0};
    struct gs_buffer out = {0};
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_event event = fixture_ack(1);
    struct gs_head deps[2] = {{.seq = 5}, {.seq = 6}};
    deps[1].origin.bytes[15] = 1;
    const struct gs_batch_seal_input input = {.cluster = region.cluster,
                                              .incarnation = region.incarnation,
                                              .keys = &region.keys,
                                              .deps = deps,
                                              .dep_count = 2};
    gs_hash hash;
    gs_batch_writer_begin(&writer, &region.origin, 1);
    assert_int_equal(gs_batch_writer_add(&writer, &event), 0);
    assert_int_equal(gs_batch_seal(&writer, &input, &out, &hash), 0);
    assert_int_equal(gs_record_parse(gs_slice_make(out.bytes, out.length), &record), 0);
    assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), 0);
    struct gs_head dep;
    gs_batch_dep(&head, 1, &dep);
    assert_memory_equal(&dep.origin, &deps[1].origin, sizeof dep.origin);
    assert_int_equal(dep.seq, 6);
    uint8_t *first = out.bytes + (head.deps.bytes - out.bytes);
    first[15] = 1;
    assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), GS_EFORMAT);
    first[15] = 2;
    assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), GS_EFORMAT);
    gs_buffer_close(&out);
    gs_batch_writer_close(&writer);
}

static void test_seals_that_are_refused(void **state) {
    (void)state;
    struct region region = fixture_region(0);
    struct gs_batch_writer writer = {0};
    struct gs_buffer out = {0};
    struct gs_head deps[2] = {{.seq = 1}, {.seq = 1}};
    struct gs_batch_seal_input input = {
        .cluster = region.cluster, .incarnation = region.incarnation, .keys = &region.keys, .deps = deps};
    gs_hash hash;
    struct gs_event event = fixture_ack(1);
    gs_batch_writer_begin(&writer, &region.origin, 1);
    assert_int_equal(gs_batch_seal(&writer, &input, &out, &hash), GS_EINVAL); /* nothing in it */
    assert_int_equal(gs_batch_writer_add(&writer, &event), 0);
    input.prev_hash.bytes[0] = 1;
    assert_int_equal(gs_batch_seal(&writer, &input, &out, &hash), GS_EINVAL);
    input.prev_hash.bytes[0] = 0;
    input.incarnation.bytes[0] ^= 1;
    assert_int_equal(gs_batch_seal(&writer, &input, &out, &hash), GS_EINVAL);
    input.incarnation = region.incarnation;
    input.dep_count = 2;
    assert_int_equal(gs_batch_seal(&writer, &input, &out, &hash), GS_EINVAL); /* twice the same */
    deps[1].origin = region.origin;
    assert_int_equal(gs_batch_seal(&writer, &input, &out, &hash), GS_EINVAL); /* itself */
    deps[1].origin.bytes[0] ^= 0x80;
    deps[1].seq = 0;
    assert_int_equal(gs_batch_seal(&writer, &input, &out, &hash), GS_EINVAL);
    deps[1].seq = 1;
    assert_int_equal(out.length, 0);
    assert_int_equal(gs_batch_seal(&writer, &input, &out, &hash), 0);
    gs_buffer_close(&out);
    gs_batch_writer_close(&writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest_event),
        cmocka_unit_test(test_full_batch_is_busy),
        cmocka_unit_test(test_count_cap),
        cmocka_unit_test(test_detached_caps),
        cmocka_unit_test(test_origin_table_cap),
        cmocka_unit_test(test_failures_leave_no_trace),
        cmocka_unit_test(test_events_out_of_order),
        cmocka_unit_test(test_order_of_deps),
        cmocka_unit_test(test_seals_that_are_refused),
    };
    return cmocka_run_group_tests_name("batch_writer", tests, NULL, NULL);
}
