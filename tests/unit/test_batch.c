/* Batches: what goes in comes out; a batch that was touched anywhere is refused. */
#include "failing_memory.h"
#include "log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A sealed batch of the fixture, taken apart. */
struct sealed {
    struct gs_buffer bytes;
    gs_hash hash;
    struct gs_record record;
    struct gs_batch_head head;
    uint8_t *batch; /* a copy that tests may change */
    size_t length;
};

static struct sealed seal(int number) {
    struct sealed sealed = {0};
    fixture_seal(number, &sealed.bytes, &sealed.hash);
    assert_int_equal(gs_record_parse(gs_slice_make(sealed.bytes.bytes, sealed.bytes.length), &sealed.record), 0);
    sealed.length = sealed.record.batch.length;
    sealed.batch = malloc(sealed.length);
    assert_non_null(sealed.batch);
    memcpy(sealed.batch, sealed.record.batch.bytes, sealed.length);
    assert_int_equal(gs_batch_parse_head(sealed.batch, sealed.length, &sealed.head), 0);
    return sealed;
}

static void sealed_close(struct sealed *sealed) {
    gs_buffer_close(&sealed->bytes);
    free(sealed->batch);
}

static void test_head_round_trip(void **state) {
    (void)state;
    struct region eu = fixture_region(0);
    struct region us = fixture_region(1);
    struct sealed first = seal(0);
    struct sealed sealed = seal(1);
    const struct gs_batch_head *head = &sealed.head;
    assert_memory_equal(&head->cluster, &eu.cluster, sizeof eu.cluster);
    assert_memory_equal(&head->origin, &eu.origin, sizeof eu.origin);
    assert_memory_equal(&head->incarnation, &eu.incarnation, sizeof eu.incarnation);
    assert_memory_equal(&head->prev_hash, &first.hash, sizeof first.hash);
    assert_memory_equal(&head->hash, &sealed.hash, sizeof sealed.hash);
    assert_int_equal(head->first_seq, 2);
    assert_int_equal(head->count, 3);
    assert_int_equal(gs_batch_last_seq(head), 4);
    assert_int_equal(head->clock_first, FIXTURE_CLOCK + 2000);
    assert_int_equal(head->clock_last, FIXTURE_CLOCK + 4000);
    assert_int_equal(head->dep_count, 1);
    struct gs_head dep;
    gs_batch_dep(head, 0, &dep);
    assert_memory_equal(&dep.origin, &us.origin, sizeof us.origin);
    assert_int_equal(dep.seq, 7);
    assert_int_equal(dep.hash.bytes[31], 0xAA);
    assert_int_equal(gs_batch_verify(head, &eu.keys.public_key), 0);
    sealed_close(&first);
    sealed_close(&sealed);
}

/* Writes decoded events again, as the region that wrote the batch. */
static void write_again(const struct gs_batch_head *head, const struct gs_event *events, const struct region *region,
                        struct gs_buffer *ret_record, gs_hash *ret_hash) {
    struct gs_batch_writer writer = {0};
    gs_batch_writer_begin(&writer, &head->origin, head->first_seq);
    for (uint32_t i = 0; i < head->count; i++) {
        assert_int_equal(gs_batch_writer_add(&writer, &events[i]), 0);
    }
    struct gs_head *deps = calloc(head->dep_count + 1, sizeof *deps);
    assert_non_null(deps);
    for (uint32_t i = 0; i < head->dep_count; i++) {
        gs_batch_dep(head, i, &deps[i]);
    }
    const struct gs_batch_seal_input input = {
        .cluster = head->cluster,
        .incarnation = head->incarnation,
        .prev_hash = head->prev_hash,
        .deps = deps,
        .dep_count = head->dep_count,
        .keys = &region->keys,
    };
    assert_int_equal(gs_batch_seal(&writer, &input, ret_record, ret_hash), 0);
    assert_int_equal(writer.first_seq, gs_batch_last_seq(head) + 1);
    assert_int_equal(writer.count, 0);
    gs_batch_writer_close(&writer);
    free(deps);
}

static void test_record_round_trip(void **state) {
    (void)state;
    for (int i = 0; i < FIXTURE_BATCHES; i++) {
        struct region region = fixture_region(i == 2);
        struct sealed sealed = seal(i);
        struct gs_arena arena = {0};
        struct gs_event *events;
        struct gs_buffer again = {0};
        gs_hash hash;
        assert_int_equal(gs_batch_decode(&sealed.head, &arena, &events), 0);
        assert_int_equal(gs_record_attach(&sealed.record, events, sealed.head.count), 0);
        write_again(&sealed.head, events, &region, &again, &hash);
        assert_int_equal(again.length, sealed.bytes.length);
        assert_memory_equal(again.bytes, sealed.bytes.bytes, again.length);
        assert_memory_equal(&hash, &sealed.hash, sizeof hash);
        gs_buffer_close(&again);
        gs_arena_close(&arena);
        sealed_close(&sealed);
    }
}

static void test_decoded_fields(void **state) {
    (void)state;
    struct fixture fixture;
    struct sealed sealed = seal(1);
    struct gs_arena arena = {0};
    struct gs_event *events;
    fixture_init(&fixture);
    assert_int_equal(gs_batch_decode(&sealed.head, &arena, &events), 0);
    const struct gs_event *event = &events[0];
    assert_int_equal(event->seq, 2);
    assert_int_equal(event->clock, FIXTURE_CLOCK + 2000);
    assert_int_equal(gs_slice_compare(event->event_type, fixture_text("guild.joined")), 0);
    assert_int_equal(gs_slice_compare(event->actor, fixture_text("svc:jos\xc3\xa9")), 0);
    assert_true(event->idempotency.present);
    assert_int_equal(event->idempotency.key[15], 0x11);
    assert_int_equal(event->idempotency.item, 3);
    assert_int_equal(event->idempotency.request[0], 0x22);
    assert_true(event->has_detached);
    assert_int_equal(event->detached.length, 0);
    assert_int_equal(event->change_count, 2);
    assert_int_equal(gs_slice_compare(event->changes[0].aggregate_id, fixture_text("g:1")), 0);
    const struct gs_delta *delta = &event->changes[1].delta;
    assert_true(gs_origin_equal(&delta->origin, &fixture.eu.origin));
    assert_int_equal(delta->seq, 2);
    assert_int_equal(delta->previous, 1);
    assert_int_equal(delta->clock, event->clock);
    assert_int_equal(delta->count, 3);
    assert_true(gs_origin_equal(&delta->changes[0].dots[0].origin, &fixture.eu.origin));
    assert_int_equal(delta->changes[2].index, 7);
    assert_true(gs_origin_equal(&delta->changes[2].cleared[1].dots[0].origin, &fixture.us.origin));
    assert_int_equal(delta->changes[2].cleared[0].marks[0].total, 300);
    assert_false(events[2].has_detached);
    assert_false(events[2].idempotency.present);
    assert_int_equal(events[2].change_count, 0);
    gs_arena_close(&arena);
    sealed_close(&sealed);
}

/* Every bit of a batch matters: the head is refused, or the signature does not verify. */
static void test_no_flipped_bit_is_accepted(void **state) {
    (void)state;
    struct region eu = fixture_region(0);
    struct sealed sealed = seal(1);
    for (size_t bit = 0; bit < sealed.length * 8; bit++) {
        struct gs_batch_head head;
        sealed.batch[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        int error = gs_batch_parse_head(sealed.batch, sealed.length, &head);
        if (error == 0) {
            assert_int_equal(gs_batch_verify(&head, &eu.keys.public_key), GS_ESIGNATURE);
        }
        sealed.batch[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    sealed_close(&sealed);
}

/* Were it signed, a body with another byte anywhere is refused, or says what its encoding says and nothing else. */
static void test_any_other_byte_in_the_body(void **state) {
    (void)state;
    struct region eu = fixture_region(0);
    struct sealed sealed = seal(1);
    uint8_t *body = sealed.batch + (sealed.head.body.bytes - sealed.batch);
    uint32_t accepted = 0;
    for (size_t at = 0; at < sealed.head.body.length; at++) {
        for (unsigned add = 1; add < 256; add++) {
            uint8_t byte = body[at];
            body[at] = (uint8_t)(byte + add);
            struct gs_arena arena = {0};
            struct gs_event *events = NULL;
            int error = gs_batch_decode(&sealed.head, &arena, &events);
            if (error == 0) {
                struct gs_buffer again = {0};
                gs_hash hash;
                struct gs_batch_head head;
                struct gs_record record;
                write_again(&sealed.head, events, &eu, &again, &hash);
                assert_int_equal(gs_record_parse(gs_slice_make(again.bytes, again.length), &record), 0);
                assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), 0);
                /* A dot that turned into an own one leaves its origin in the table, which the writer then omits. */
                if (head.body.length == sealed.head.body.length) {
                    assert_memory_equal(head.body.bytes, body, head.body.length);
                    accepted++;
                }
                gs_buffer_close(&again);
            } else {
                assert_true(error == GS_EFORMAT || error == GS_ETOOBIG || error == GS_EOVERCLAIM || error == GS_EDEPTH);
                assert_null(events);
            }
            gs_arena_close(&arena);
            body[at] = byte;
        }
    }
    assert_true(accepted > 1000); /* other letters, numbers and hashes */
    sealed_close(&sealed);
}

static void test_no_prefix_is_accepted(void **state) {
    (void)state;
    struct sealed sealed = seal(1);
    struct gs_batch_head head;
    struct gs_record record;
    struct gs_event *events;
    for (size_t length = 0; length < sealed.length; length++) {
        /* A copy of exactly this size lets ASan see a read past its end. */
        uint8_t *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy + 1, sealed.batch, length);
        assert_int_equal(gs_batch_parse_head(copy + 1, length, &head), GS_EFORMAT);
        free(copy);
    }
    for (size_t length = 0; length < sealed.bytes.length; length++) {
        assert_int_not_equal(gs_record_parse(gs_slice_make(sealed.bytes.bytes, length), &record), 0);
    }
    for (size_t length = 0; length < sealed.head.body.length; length++) {
        struct gs_arena arena = {0};
        uint8_t *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy + 1, sealed.head.body.bytes, length);
        head = sealed.head;
        head.body = gs_slice_make(copy + 1, length);
        assert_int_equal(gs_batch_decode(&head, &arena, &events), GS_EFORMAT);
        gs_arena_close(&arena);
        free(copy);
    }
    uint8_t *longer = realloc(sealed.batch, sealed.length + 1);
    assert_non_null(longer);
    sealed.batch = longer;
    longer[sealed.length] = 0;
    assert_int_equal(gs_batch_parse_head(longer, sealed.length + 1, &head), GS_EFORMAT);
    gs_buffer_byte(&sealed.bytes, 0xC0);
    assert_int_equal(gs_record_parse(gs_slice_make(sealed.bytes.bytes, sealed.bytes.length), &record), GS_EFORMAT);
    sealed_close(&sealed);
}

static void test_decoding_without_memory(void **state) {
    (void)state;
    struct sealed sealed = seal(1);
    uint32_t refusals = 0;
    for (uint32_t nth = 1;; nth++) {
        struct failing_memory failing = {.fail_at = nth};
        struct gs_memory memory = failing_memory(&failing);
        struct gs_arena arena = {.memory = &memory};
        struct gs_event *events = NULL;
        int error = gs_batch_decode(&sealed.head, &arena, &events);
        gs_arena_close(&arena);
        assert_int_equal(failing.live, 0);
        if (error == 0) {
            break;
        }
        assert_int_equal(error, GS_ENOMEM);
        assert_null(events);
        refusals++;
    }
    assert_true(refusals >= 2);
    sealed_close(&sealed);
}

static void test_signature_of_another_key_or_kind(void **state) {
    (void)state;
    struct region eu = fixture_region(0);
    struct region us = fixture_region(1);
    struct sealed sealed = seal(1);
    uint8_t *signature = sealed.batch + sealed.length - GS_SIGNATURE_SIZE;
    assert_int_equal(gs_batch_verify(&sealed.head, &us.keys.public_key), GS_ESIGNATURE);
    gs_sign(&eu.keys, "globalstate/snapshot/v1", &sealed.hash, signature);
    assert_int_equal(gs_batch_verify(&sealed.head, &eu.keys.public_key), GS_ESIGNATURE);
    gs_sign(&us.keys, "globalstate/batch/v1", &sealed.hash, signature);
    assert_int_equal(gs_batch_verify(&sealed.head, &eu.keys.public_key), GS_ESIGNATURE);
    gs_sign(&eu.keys, "globalstate/batch/v1", &sealed.hash, signature);
    assert_int_equal(gs_batch_verify(&sealed.head, &eu.keys.public_key), 0);
    assert_int_equal(gs_batch_verify_hash(&eu.keys.public_key, &sealed.hash, signature), 0);
    assert_int_equal(gs_batch_verify_hash(&us.keys.public_key, &sealed.hash, signature), GS_ESIGNATURE);
    sealed_close(&sealed);
}

static void test_chain(void **state) {
    (void)state;
    struct sealed first = seal(0);
    struct sealed second = seal(1);
    gs_hash none = {{0}};
    assert_int_equal(gs_batch_check_chain(&first.head, 0, &none), 0);
    assert_int_equal(gs_batch_check_chain(&second.head, 1, &first.hash), 0);
    assert_int_equal(gs_batch_check_chain(&second.head, 1, &second.hash), GS_ECHAIN);
    assert_int_equal(gs_batch_check_chain(&second.head, 0, &none), GS_EGAP);
    assert_int_equal(gs_batch_check_chain(&second.head, 2, &first.hash), GS_ECHAIN);
    assert_int_equal(gs_batch_check_chain(&first.head, 4, &second.hash), GS_ECHAIN);
    sealed_close(&first);
    sealed_close(&second);
}

struct patch {
    size_t at;
    const char *bytes;
    size_t size;
    int code;
};

static void test_heads_that_are_refused(void **state) {
    (void)state;
    const struct patch patches[] = {
        {0, "\x00", 1, GS_EVERSION},
        {0, "\x02", 1, GS_EVERSION},
        {45, "\0\0\0\0\0\0\0\0", 8, GS_EFORMAT},                 /* first_seq 0 */
        {45, "\0\0\0\0\0\0\0\1", 8, GS_EFORMAT},                 /* the first has no prev_hash */
        {45, "\x80\0\0\0\0\0\0\0", 8, GS_EFORMAT},               /* past GS_SEQ_MAX */
        {45, "\x7f\xff\xff\xff\xff\xff\xff\xfe", 8, GS_EFORMAT}, /* ends past it */
        {45, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, GS_EFORMAT},
        {53, "\0\0\0\0", 4, GS_EFORMAT},     /* count */
        {53, "\0\0\x10\1", 4, GS_ETOOBIG},   /* 4097 */
        {53, "\0\0\x0f\xff", 4, GS_EFORMAT}, /* more events than ticks of the clock */
        {53, "\0\0\0\1", 4, GS_EFORMAT},     /* one event with two clocks */
        {53, "\xff\xff\xff\xff", 4, GS_ETOOBIG},
        {65, "\0\0\0\0\0\0\0\1", 8, GS_EFORMAT}, /* clock_last < clock_first */
        {73, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32, GS_EFORMAT},
        {105, "\0\0", 2, GS_EFORMAT}, /* deps and body do not add up */
        {105, "\0\2", 2, GS_EFORMAT},
        {105, "\x10\1", 2, GS_ETOOBIG},
        {107, "\0\0\0\0", 4, GS_EFORMAT},
        {107, "\xff\xff\xff\xff", 4, GS_EFORMAT},
        {127, "\0\0\0\0\0\0\0\0", 8, GS_EFORMAT}, /* dep at seq 0 */
        {127, "\x80\0\0\0\0\0\0\0", 8, GS_EFORMAT},
    };
    struct sealed sealed = seal(1);
    struct gs_batch_head head = {.count = 99};
    for (size_t i = 0; i < sizeof patches / sizeof patches[0]; i++) {
        uint8_t saved[32];
        memcpy(saved, sealed.batch + patches[i].at, patches[i].size);
        memcpy(sealed.batch + patches[i].at, patches[i].bytes, patches[i].size);
        assert_int_equal(gs_batch_parse_head(sealed.batch, sealed.length, &head), patches[i].code);
        assert_int_equal(head.count, 99);
        memcpy(sealed.batch + patches[i].at, saved, patches[i].size);
    }
    memcpy(sealed.batch + 111, sealed.batch + 17, GS_ORIGIN_SIZE);
    assert_int_equal(gs_batch_parse_head(sealed.batch, sealed.length, &head), GS_EFORMAT); /* depends on itself */
    assert_int_equal(gs_batch_parse_head("", 0, &head), GS_EFORMAT);
    uint8_t *huge = calloc(1, GS_BATCH_BYTES_MAX + 1);
    assert_non_null(huge);
    huge[0] = 1;
    assert_int_equal(gs_batch_parse_head(huge, GS_BATCH_BYTES_MAX + 1, &head), GS_ETOOBIG);
    free(huge);
    sealed_close(&sealed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_round_trip),
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_decoded_fields),
        cmocka_unit_test(test_no_flipped_bit_is_accepted),
        cmocka_unit_test(test_any_other_byte_in_the_body),
        cmocka_unit_test(test_no_prefix_is_accepted),
        cmocka_unit_test(test_decoding_without_memory),
        cmocka_unit_test(test_signature_of_another_key_or_kind),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_heads_that_are_refused),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
