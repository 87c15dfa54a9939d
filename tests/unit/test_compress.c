/* Packed answers: what pays is packed, what comes out is what went in, and no frame makes us hold more than it said. */
#include "log_fixture.h"
#include "random.h"

#include "gossip/compress.h"
#include "gossip/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REPEATS = 200 };

static struct gs_buffer make_answer(enum gs_batches_answer answer, int repeats) {
    struct gs_buffer records = {0};
    struct gs_buffer message = {0};
    gs_hash hash;
    for (int i = 0; i < repeats; i++) {
        fixture_seal(i % FIXTURE_BATCHES, &records, &hash);
    }
    gs_message_write_batches(answer, (uint32_t)repeats, gs_slice_make(records.bytes, records.length), &message);
    gs_buffer_close(&records);
    return message;
}

static struct gs_slice all(const struct gs_buffer *buffer) {
    return gs_slice_make(buffer->bytes, buffer->length);
}

/* The frame in a packed message, and the size that it names. */
static struct gs_slice frame_of(const struct gs_buffer *message, uint32_t *ret_size) {
    struct gs_reader reader;
    gs_reader_init(&reader, message->bytes, message->length);
    gs_read_array_exact(&reader, 3);
    assert_int_equal(gs_read_u32(&reader, 99), GS_MESSAGE_PACKED);
    *ret_size = gs_read_u32(&reader, UINT32_MAX);
    struct gs_slice frame = gs_read_bin(&reader, SIZE_MAX);
    assert_int_equal(gs_reader_finish(&reader), 0);
    return frame;
}

static void test_an_answer_comes_out_as_it_went_in(void **state) {
    (void)state;
    struct gs_buffer plain = make_answer(GS_BATCHES_MORE, REPEATS);
    struct gs_buffer packed = make_answer(GS_BATCHES_MORE, REPEATS);
    struct gs_message message;
    assert_true(plain.length >= GS_COMPRESS_MIN);
    gs_compress(&packed);
    assert_true(packed.length < plain.length / 2);
    assert_int_equal(gs_message_decode(packed.bytes, packed.length, &message), 0);
    assert_int_equal(message.kind, GS_MESSAGE_BATCHES);
    assert_int_equal(message.answer, GS_BATCHES_MORE);
    assert_int_equal(message.record_count, REPEATS);
    assert_int_equal(message.plain.length, plain.length);
    assert_memory_equal(message.plain.bytes, plain.bytes, plain.length);
    gs_message_close(&message);
    for (size_t length = 0; length < packed.length; length++) {
        uint8_t *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy, packed.bytes, length);
        assert_int_equal(gs_message_decode(copy, length, &message), GS_EFORMAT);
        free(copy);
    }
    gs_buffer_close(&plain);
    gs_buffer_close(&packed);
}

static void test_what_does_not_pay_stays_as_it_is(void **state) {
    (void)state;
    struct gs_buffer small = make_answer(GS_BATCHES_LAST, 3);
    size_t length = small.length;
    assert_true(length < GS_COMPRESS_MIN);
    gs_compress(&small);
    assert_int_equal(small.length, length);
    struct random random = {.state = 5};
    struct gs_buffer noise = {0};
    uint8_t *room = gs_buffer_reserve(&noise, 2 * GS_COMPRESS_MIN);
    for (size_t i = 0; i < 2 * GS_COMPRESS_MIN; i++) {
        room[i] = (uint8_t)random_below(&random, 256);
    }
    gs_compress(&noise);
    assert_int_equal(noise.length, 2 * GS_COMPRESS_MIN);
    gs_buffer_close(&small);
    gs_buffer_close(&noise);
}

/* A frame says more, or less, than comes out of it: memory never goes past what was said. */
static void test_a_frame_must_be_of_its_size(void **state) {
    (void)state;
    struct gs_buffer packed = make_answer(GS_BATCHES_MORE, REPEATS);
    gs_compress(&packed);
    uint32_t size = 0;
    struct gs_slice frame = frame_of(&packed, &size);
    const uint32_t sizes[] = {0, 1, size - 1, size + 1, GS_MESSAGE_BYTES_MAX};
    struct gs_buffer out = {0};
    assert_int_equal(gs_decompress(frame, size, &out), 0);
    assert_int_equal(out.length, size);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        gs_buffer_close(&out);
        assert_int_equal(gs_decompress(frame, sizes[i], &out), GS_EFORMAT);
        assert_true(out.length <= sizes[i]);
    }
    gs_buffer_close(&out);
    struct gs_buffer twice = {0};
    gs_buffer_append(&twice, frame.bytes, frame.length);
    gs_buffer_append(&twice, frame.bytes, frame.length);
    assert_int_equal(gs_decompress(all(&twice), size, &out), GS_EFORMAT);
    gs_buffer_close(&out);
    gs_buffer_close(&twice);
    gs_buffer_close(&packed);
}

/* A frame without its own size, of one byte repeated: `blocks` blocks of 128 KiB in four bytes each. */
static struct gs_buffer make_bomb(uint32_t blocks) {
    struct gs_buffer frame = {0};
    gs_buffer_append(&frame, "\x28\xb5\x2f\xfd\x00\x38", 6); /* no size, a window of 128 KiB */
    for (uint32_t i = 0; i < blocks; i++) {
        uint32_t head = (128 * 1024) << 3 | 1 << 1 | (i + 1 == blocks ? 1 : 0);
        const uint8_t block[4] = {(uint8_t)head, (uint8_t)(head >> 8), (uint8_t)(head >> 16), 7};
        gs_buffer_append(&frame, block, sizeof block);
    }
    return frame;
}

static void test_a_bomb_is_refused(void **state) {
    (void)state;
    struct gs_message message;
    struct gs_buffer out = {0};
    struct gs_buffer one = make_bomb(1);
    assert_int_equal(gs_decompress(all(&one), 128 * 1024, &out), 0); /* well made, when it is said what is in it */
    gs_buffer_close(&out);
    struct gs_buffer bomb = make_bomb(2000); /* 262 MB */
    assert_int_equal(gs_decompress(all(&bomb), 1000000, &out), GS_EFORMAT);
    assert_true(out.length <= 1000000 && out.capacity <= 4 * 1000000);
    gs_buffer_close(&out);
    struct gs_buffer bytes = {0};
    gs_message_write_packed(1000000, all(&bomb), &bytes);
    assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), GS_EFORMAT);
    bytes.length = 0;
    gs_message_write_packed((size_t)GS_MESSAGE_BYTES_MAX + 1, all(&bomb), &bytes);
    assert_int_not_equal(gs_message_decode(bytes.bytes, bytes.length, &message), 0);
    gs_buffer_close(&one);
    gs_buffer_close(&bomb);
    gs_buffer_close(&bytes);
}

/* A window of 16 MiB is more than a message; and dictionaries are nobody's. */
static void test_strange_frames_are_refused(void **state) {
    (void)state;
    static const char *const frames[] = {"\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00",
                                         "\x28\xb5\x2f\xfd\x21\x05\x00\x01\x00\x00",
                                         "\x50\x2a\x4d\x18\x01\x00\x00\x00x", "nonsense, and no frame at all"};
    static const size_t lengths[] = {9, 10, 9, 29};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct gs_buffer out = {0};
        assert_int_equal(gs_decompress(gs_slice_make(frames[i], lengths[i]), 5, &out), GS_EFORMAT);
        gs_buffer_close(&out);
    }
}

static void test_only_answers_come_packed(void **state) {
    (void)state;
    struct gs_buffer inner[3] = {make_answer(GS_BATCHES_PUSH, REPEATS), {0}, make_answer(GS_BATCHES_LAST, REPEATS)};
    struct gs_message message;
    gs_message_write_ping(false, 5, &inner[1]);
    gs_compress(&inner[2]); /* packed once: not to be packed again */
    for (size_t i = 0; i < 3; i++) {
        /* By hand: one block, as it is. */
        uint32_t length = (uint32_t)inner[i].length;
        struct gs_buffer frame = {0};
        struct gs_buffer bytes = {0};
        assert_true(length < 128 * 1024);
        uint32_t head = length << 3 | 1;
        const uint8_t start[12] = {0x28,
                                   0xb5,
                                   0x2f,
                                   0xfd,
                                   0xa0,
                                   (uint8_t)length,
                                   (uint8_t)(length >> 8),
                                   (uint8_t)(length >> 16),
                                   0,
                                   (uint8_t)head,
                                   (uint8_t)(head >> 8),
                                   (uint8_t)(head >> 16)};
        gs_buffer_append(&frame, start, sizeof start);
        gs_buffer_append(&frame, inner[i].bytes, length);
        struct gs_buffer out = {0};
        assert_int_equal(gs_decompress(all(&frame), length, &out), 0);
        gs_buffer_close(&out);
        gs_message_write_packed(length, all(&frame), &bytes);
        assert_int_equal(gs_message_decode(bytes.bytes, bytes.length, &message), GS_EFORMAT);
        gs_buffer_close(&frame);
        gs_buffer_close(&bytes);
        gs_buffer_close(&inner[i]);
    }
}

static void test_altered_frames(void **state) {
    (void)state;
    struct gs_buffer packed = make_answer(GS_BATCHES_MORE, REPEATS);
    struct random random = {.state = 9};
    gs_compress(&packed);
    for (int i = 0; i < 20000; i++) {
        struct gs_message message = {0};
        size_t at = random_below(&random, (uint32_t)packed.length);
        uint8_t was = packed.bytes[at];
        packed.bytes[at] ^= (uint8_t)(1 + random_below(&random, 255));
        if (gs_message_decode(packed.bytes, packed.length, &message) == 0) {
            assert_true(message.plain.length <= GS_MESSAGE_BYTES_MAX);
            gs_message_close(&message);
        }
        packed.bytes[at] = was;
    }
    gs_buffer_close(&packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_comes_out_as_it_went_in),
        cmocka_unit_test(test_what_does_not_pay_stays_as_it_is),
        cmocka_unit_test(test_a_frame_must_be_of_its_size),
        cmocka_unit_test(test_a_bomb_is_refused),
        cmocka_unit_test(test_strange_frames_are_refused),
        cmocka_unit_test(test_only_answers_come_packed),
        cmocka_unit_test(test_altered_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
