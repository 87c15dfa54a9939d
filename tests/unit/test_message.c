/* Messages between peers: round trips, and hostile bytes. */
#include "log_fixture.h"
#include "random.h"

#include "gossip/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HEADS = 20, SPARING = GS_MESSAGE_DECISION + 1, KINDS = SPARING, FLIPS = 100000 };

static bool is_kind(int kind) {
    return kind <= GS_MESSAGE_CREDIT || kind >= GS_MESSAGE_FORK_ASK;
}

static void make_vector(struct gs_vector *vector, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct gs_head head = {.seq = UINT64_C(1) << (i % 63)};
        head.origin.bytes[1] = (uint8_t)(i >> 8);
        head.origin.bytes[2] = (uint8_t)i;
        memset(head.hash.bytes, (int)i & 0xff, sizeof head.hash.bytes);
        assert_int_equal(gs_vector_set(vector, &head), 0);
    }
}

static void make_records(struct gs_buffer *records) {
    gs_hash hash;
    for (int i = 0; i < FIXTURE_BATCHES; i++) {
        fixture_seal(i, records, &hash);
    }
}

static void write_first_two(struct gs_slice records, struct gs_buffer *out) {
    struct gs_reader reader;
    struct gs_record record;
    gs_reader_init(&reader, records.bytes, records.length);
    assert_int_equal(gs_record_read(&reader, &record), 0);
    const uint8_t *second = reader.at;
    assert_int_equal(gs_record_read(&reader, &record), 0);
    gs_message_write_fork(gs_slice_make(records.bytes, (size_t)(second - records.bytes)),
                          gs_slice_make(second, (size_t)(reader.at - second)), out);
}

/* Message 9, 10 or 11. */
static void make_member_message(int kind, struct gs_buffer *out) {
    static const uint8_t bytes[GS_MEMBER_HEAD_SIZE + GS_SIGNATURE_SIZE] = {1, 2, 3};
    const struct gs_slice records[] = {gs_slice_make(bytes, sizeof bytes), gs_slice_make(bytes, sizeof bytes)};
    const struct gs_member_known known[] = {{{{1}}, 0}, {{{2}}, GS_MEMBER_NUMBER_MAX}};
    if (kind == GS_MESSAGE_MEMBERS) {
        gs_message_write_members(records, 2, known, 2, out);
    } else if (kind == GS_MESSAGE_PROBE) {
        gs_message_write_probe(UINT64_MAX, &known[1], out);
    } else {
        gs_message_write_probe_answer(7, records[0], out);
    }
}

static void write_about_fork(int kind, struct gs_slice records, struct gs_buffer *out) {
    struct gs_reader reader;
    struct gs_record record;
    gs_reader_init(&reader, records.bytes, records.length);
    assert_int_equal(gs_record_read(&reader, &record), 0);
    struct gs_slice first = gs_slice_make(records.bytes, (size_t)(reader.at - records.bytes));
    if (kind == GS_MESSAGE_DECISION) {
        gs_message_write_decision(first, out);
    } else {
        gs_message_write_fork_say(&(gs_origin){{3}}, 1, first, out);
    }
}

/* One message of each kind, and one of a second form. */
static struct gs_buffer make_message(int kind) {
    struct gs_buffer out = {0};
    struct gs_vector vector = {0};
    struct gs_buffer records = {0};
    switch (kind) {
    case GS_MESSAGE_VECTOR:
        make_vector(&vector, HEADS);
        gs_message_write_vector(&vector, true, &out);
        break;
    case GS_MESSAGE_BATCHES:
        make_records(&records);
        gs_message_write_batches(true, FIXTURE_BATCHES, gs_slice_make(records.bytes, records.length), &out);
        break;
    case GS_MESSAGE_STATEMENT:
        gs_message_write_statement(
            &(struct gs_statement){
                .key = {{1, 2}}, .instance = {{3}}, .started_ms = 1767225600000, .rival = {{4}}, .signature = {5}},
            &out);
        break;
    case GS_MESSAGE_HOLDINGS:
        gs_message_write_holdings(
            &(gs_instance){{6}}, true,
            (const struct gs_holding[]){{.incarnation = {{7}}, .seq = 8}, {.seq = GS_SEQ_MAX, .hash = {{9}}}}, 2, &out);
        break;
    case GS_MESSAGE_FORK:
        make_records(&records);
        write_first_two(gs_slice_make(records.bytes, records.length), &out);
        break;
    case GS_MESSAGE_COMPARE:
        gs_message_write_compare(gs_slice_make("\x93\x08\x01\x00", 4), &out);
        break;
    case GS_MESSAGE_MEMBERS:
    case GS_MESSAGE_PROBE:
    case GS_MESSAGE_PROBE_ANSWER:
        make_member_message(kind, &out);
        break;
    case GS_MESSAGE_CREDIT:
        gs_message_write_credit(GS_CREDIT_PARTS, &out);
        break;
    case GS_MESSAGE_FORK_ASK:
        gs_message_write_fork_ask(&(gs_origin){{3}}, GS_SEQ_MAX, &out);
        break;
    case GS_MESSAGE_FORK_SAY:
    case GS_MESSAGE_DECISION:
        make_records(&records);
        write_about_fork(kind, gs_slice_make(records.bytes, records.length), &out);
        break;
    case SPARING: /* a vector that spares somebody */
        make_vector(&vector, HEADS);
        gs_message_write_vector_sparing(&vector, GS_VECTOR_WANT,
                                        (const struct gs_spared[]){{{{1}}, true}, {{{2}}, false}}, 2, &out);
        break;
    default:
        gs_message_write_ping(kind == GS_MESSAGE_PONG, UINT64_C(0x123456789a), &out);
    }
    gs_vector_close(&vector);
    gs_buffer_close(&records);
    assert_int_equal(out.failed, 0);
    return out;
}

static void write_members_again(const struct gs_member_message *said, struct gs_buffer *out) {
    static const struct gs_member_known nothing[1];
    const struct gs_member_known *known = said->known != NULL ? said->known : nothing;
    gs_message_write_members(said->records, said->record_count, said->asks ? known : NULL, said->known_count, out);
}

static void write_again(const struct gs_message *message, struct gs_buffer *out) {
    struct gs_buffer records = {0};
    switch (message->kind) {
    case GS_MESSAGE_VECTOR:
        gs_message_write_vector_sparing(&message->vector, message->want, message->spared, message->spared_count, out);
        return;
    case GS_MESSAGE_COMPARE:
        gs_message_write_compare(message->compare, out);
        return;
    case GS_MESSAGE_FORK:
        gs_message_write_fork(message->records[0], message->records[1], out);
        return;
    case GS_MESSAGE_BATCHES:
        for (uint32_t i = 0; i < message->record_count; i++) {
            gs_buffer_append(&records, message->records[i].bytes, message->records[i].length);
        }
        gs_message_write_batches(message->answer, message->record_count, gs_slice_make(records.bytes, records.length),
                                 out);
        gs_buffer_close(&records);
        return;
    case GS_MESSAGE_MEMBERS:
        write_members_again(&message->member, out);
        return;
    case GS_MESSAGE_PROBE:
        gs_message_write_probe(message->member.id, &message->member.target, out);
        return;
    case GS_MESSAGE_PROBE_ANSWER:
        gs_message_write_probe_answer(message->member.id, message->member.proof, out);
        return;
    case GS_MESSAGE_FORK_ASK:
        gs_message_write_fork_ask(&message->origin, message->seq, out);
        return;
    case GS_MESSAGE_FORK_SAY:
        gs_message_write_fork_say(&message->origin, message->seq,
                                  message->record_count > 0 ? message->records[0] : (struct gs_slice){0}, out);
        return;
    case GS_MESSAGE_DECISION:
        gs_message_write_decision(message->records[0], out);
        return;
    case GS_MESSAGE_PING:
    case GS_MESSAGE_PONG:
        gs_message_write_ping(message->kind == GS_MESSAGE_PONG, message->time_ms, out);
        return;
    case GS_MESSAGE_PACKED: /* decoded as what it holds: test_compress.c */
        return;
    case GS_MESSAGE_CREDIT:
        gs_message_write_credit(message->credit, out);
        return;
    case GS_MESSAGE_STATEMENT:
        gs_message_write_statement(&message->statement, out);
        return;
    case GS_MESSAGE_HOLDINGS:
        gs_message_write_holdings(&message->asker, message->rival_alive, message->holdings, message->holding_count,
                                  out);
    }
}

static void assert_same_again(const struct gs_message *message, const void *bytes, size_t length) {
    struct gs_buffer again = {0};
    write_again(message, &again);
    assert_int_equal(again.length, length);
    assert_memory_equal(again.bytes, bytes, length);
    gs_buffer_close(&again);
}

static void test_round_trip(void **state) {
    (void)state;
    for (int kind = 1; kind <= KINDS; kind++) {
        if (!is_kind(kind)) {
            continue;
        }
        struct gs_buffer bytes = make_message(kind);
        struct gs_message message;
        assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), 0);
        assert_int_equal(message.kind, kind != SPARING ? kind : GS_MESSAGE_VECTOR);
        assert_same_again(&message, bytes.bytes, bytes.length);
        gs_message_close(&message);
        gs_message_close(&message);
        gs_buffer_close(&bytes);
    }
    gs_message_close(NULL);
}

/* A push of one batch is that batch's record, and nothing else is. */
static void test_a_push_of_one_batch_is_its_record(void **state) {
    (void)state;
    struct gs_buffer record = {0};
    struct gs_buffer bytes = {0};
    struct gs_message message;
    gs_hash hash;
    fixture_seal(0, &record, &hash);
    gs_message_write_batches(GS_BATCHES_PUSH, 1, gs_slice_make(record.bytes, record.length), &bytes);
    assert_int_equal(bytes.length, record.length);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), 0);
    assert_int_equal(message.kind, GS_MESSAGE_BATCHES);
    assert_int_equal(message.answer, GS_BATCHES_PUSH);
    assert_int_equal(message.record_count, 1);
    assert_memory_equal(message.records[0].bytes, record.bytes, record.length);
    assert_same_again(&message, bytes.bytes, bytes.length);
    gs_message_close(&message);
    for (size_t length = 0; length < bytes.length; length++) {
        assert_int_equal(gs_message_decode(bytes.bytes, length, &message), GS_EFORMAT);
    }
    gs_buffer_byte(&bytes, 0xC0);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), GS_EFORMAT);
    bytes.length = 0;
    gs_buffer_text(&bytes, "\x93\x02\x02\x91");
    gs_buffer_append(&bytes, record.bytes, record.length);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), GS_EFORMAT);
    gs_buffer_close(&record);
    gs_buffer_close(&bytes);
}

static void test_fields(void **state) {
    (void)state;
    struct gs_buffer bytes = make_message(GS_MESSAGE_BATCHES);
    struct gs_buffer records = {0};
    struct gs_message message;
    make_records(&records);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), 0);
    assert_int_equal(message.answer, GS_BATCHES_MORE);
    assert_int_equal(message.record_count, FIXTURE_BATCHES);
    size_t at = 0;
    for (uint32_t i = 0; i < message.record_count; i++) {
        assert_memory_equal(message.records[i].bytes, records.bytes + at, message.records[i].length);
        at += message.records[i].length;
    }
    assert_int_equal(at, records.length);
    gs_message_close(&message);
    gs_buffer_close(&bytes);
    gs_buffer_close(&records);

    bytes = make_message(GS_MESSAGE_VECTOR);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), 0);
    assert_int_equal(message.want, GS_VECTOR_WANT);
    assert_int_equal(message.vector.count, HEADS);
    assert_int_equal(message.vector.heads[7].seq, 128);
    gs_message_close(&message);
    gs_buffer_close(&bytes);
}

static void test_empty_lists(void **state) {
    (void)state;
    struct gs_buffer bytes = {0};
    struct gs_vector vector = {0};
    struct gs_message message;
    gs_message_write_vector(&vector, false, &bytes);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), 0);
    assert_int_equal(message.vector.count, 0);
    assert_int_equal(message.want, GS_VECTOR_TELL);
    gs_message_close(&message);
    bytes.length = 0;
    gs_message_write_batches(false, 0, (struct gs_slice){0}, &bytes);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), 0);
    assert_int_equal(message.record_count, 0);
    gs_message_close(&message);
    gs_buffer_close(&bytes);
}

static void test_largest_vector(void **state) {
    (void)state;
    struct gs_buffer bytes = {0};
    struct gs_vector vector = {0};
    struct gs_message message;
    make_vector(&vector, GS_VECTOR_MAX);
    gs_message_write_vector(&vector, true, &bytes);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), 0);
    assert_true(gs_vector_equal(&vector, &message.vector));
    gs_message_close(&message);
    gs_vector_close(&vector);
    gs_buffer_close(&bytes);
}

static void test_no_prefix_is_accepted(void **state) {
    (void)state;
    for (int kind = 1; kind <= KINDS; kind++) {
        if (!is_kind(kind)) {
            continue;
        }
        struct gs_buffer bytes = make_message(kind);
        struct gs_message message = {.record_count = 99};
        for (size_t length = 0; length < bytes.length; length++) {
            uint8_t *copy = malloc(length + 1);
            assert_non_null(copy);
            memcpy(copy + 1, bytes.bytes, length);
            assert_int_equal(gs_message_decode(copy + 1, length, &message), GS_EFORMAT);
            assert_int_equal(message.record_count, 99);
            free(copy);
        }
        gs_buffer_byte(&bytes, 0xC0);
        assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), GS_EFORMAT);
        gs_buffer_close(&bytes);
    }
}

/* A message with bytes changed is refused, or is another message in its one encoding. */
static void test_random_flips(void **state) {
    (void)state;
    struct random random = {.state = 1};
    uint32_t accepted = 0;
    for (int kind = 1; kind <= KINDS; kind++) {
        if (!is_kind(kind)) {
            continue;
        }
        struct gs_buffer bytes = make_message(kind);
        uint8_t *copy = malloc(bytes.length);
        assert_non_null(copy);
        for (int i = 0; i < FLIPS; i++) {
            memcpy(copy, bytes.bytes, bytes.length);
            for (uint32_t n = random_below(&random, 3); n < 3; n++) {
                copy[random_below(&random, (uint32_t)bytes.length)] = (uint8_t)random_next(&random);
            }
            struct gs_message message;
            int error = gs_message_decode(copy, bytes.length, &message);
            if (error == 0) {
                assert_same_again(&message, copy, bytes.length);
                gs_message_close(&message);
                accepted++;
            } else {
                assert_true(error == GS_EFORMAT || error == GS_ETOOBIG);
            }
        }
        free(copy);
        gs_buffer_close(&bytes);
    }
    assert_true(accepted > FLIPS / 10);
}

static void assert_refused(const char *bytes, size_t length, int code) {
    struct gs_message message;
    assert_int_equal(gs_message_decode(bytes, length, &message), code);
}

#define REFUSED(text, code) assert_refused(text, sizeof(text) - 1, code)

static void test_messages_that_are_refused(void **state) {
    (void)state;
    REFUSED("", GS_EFORMAT);
    REFUSED("\x80", GS_EFORMAT);
    REFUSED("\x90", GS_EFORMAT);
    REFUSED("\x92\x00\x01", GS_EFORMAT); /* no such kind */
    REFUSED("\x92\x05\x01", GS_EFORMAT);
    REFUSED("\x93\x03\x01\x01", GS_EFORMAT);                 /* a ping of three */
    REFUSED("\x92\x01\xc3", GS_EFORMAT);                     /* a vector of two */
    REFUSED("\x92\x03\xff", GS_EFORMAT);                     /* time before time */
    REFUSED("\x92\x03\xcc\x01", GS_EFORMAT);                 /* not minimal */
    REFUSED("\x93\x01\xc3\xdd\xff\xff\xff\xff", GS_EFORMAT); /* hostile counts */
    REFUSED("\x93\x02\xc3\xdd\xff\xff\xff\xff", GS_EFORMAT);
    REFUSED("\x93\x02\xc3\xdc\xff\xff", GS_EFORMAT);
    REFUSED("\x93\x01\xc3\x91\x01", GS_EFORMAT);                 /* not triples */
    REFUSED("\x93\x02\xc3\x91\x92\xc4\x01\x00\x90", GS_EFORMAT); /* too short to be a record */
    REFUSED("\x92\x09\xdd\xff\xff\xff\xff", GS_EFORMAT);
    REFUSED("\x92\x09\x91\xc4\x01\x00", GS_EFORMAT); /* too short to be a member record */
    REFUSED("\x93\x09\x90\x91\x01", GS_EFORMAT);     /* not pairs */
    REFUSED("\x93\x0a\x01\x01", GS_EFORMAT);
    REFUSED("\x93\x0b\x01\xc4\x01\x00", GS_EFORMAT);
}

/* Heads must rise, and have a seq that a batch can end at. */
static void test_vectors_that_are_refused(void **state) {
    (void)state;
    struct gs_head heads[2] = {{.seq = 1}, {.seq = 1}};
    struct gs_vector vector = {.heads = heads, .count = 2};
    const struct {
        uint8_t first;
        uint8_t second;
        uint64_t seq;
        int code;
    } cases[] = {
        {1, 2, 1, 0},          {1, 2, INT64_MAX, 0},  {1, 1, 1, GS_EFORMAT},
        {2, 1, 1, GS_EFORMAT}, {1, 2, 0, GS_EFORMAT}, {1, 2, (uint64_t)INT64_MAX + 1, GS_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gs_buffer bytes = {0};
        struct gs_message message = {0};
        heads[0].origin.bytes[0] = cases[i].first;
        heads[1].origin.bytes[0] = cases[i].second;
        heads[1].seq = cases[i].seq;
        gs_message_write_vector(&vector, true, &bytes);
        assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), cases[i].code);
        gs_message_close(&message);
        gs_buffer_close(&bytes);
    }
}

static void test_too_large(void **state) {
    (void)state;
    uint8_t *bytes = calloc(1, GS_MESSAGE_BYTES_MAX + 1);
    struct gs_message message;
    assert_non_null(bytes);
    assert_int_equal(gs_message_decode(bytes, GS_MESSAGE_BYTES_MAX + 1, &message), GS_ETOOBIG);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_a_push_of_one_batch_is_its_record),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_empty_lists),
        cmocka_unit_test(test_largest_vector),
        cmocka_unit_test(test_no_prefix_is_accepted),
        cmocka_unit_test(test_random_flips),
        cmocka_unit_test(test_messages_that_are_refused),
        cmocka_unit_test(test_vectors_that_are_refused),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
