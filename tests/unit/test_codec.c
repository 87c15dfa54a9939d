/* Canonical msgpack, with msgpack-c as a second opinion: both write the same bytes, and whatever our reader accepts is
 * what msgpack-c writes for the value that it reads there. */
#include "random.h"

#include <globalstate/codec.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack.h>

static struct gs_slice slice_of(const struct gs_buffer *buffer) {
    return gs_slice_make(buffer->bytes, buffer->length);
}

static int64_t random_integer(struct random *random) {
    uint64_t bits = random_next(random);
    bits >>= random_below(random, 64);
    return (int64_t)(random_below(random, 2) == 0 ? bits : 0 - bits);
}

static double random_double(struct random *random) {
    double value = 0;
    uint64_t bits = random_next(random);
    if ((bits & UINT64_C(0x7FF0000000000000)) != UINT64_C(0x7FF0000000000000)) {
        memcpy(&value, &bits, sizeof value);
    }
    return random_below(random, 4) == 0 ? (double)(int32_t)bits : value;
}

static size_t random_text(struct random *random, char *ret_text) {
    static const char *const pieces[] = {"a", "zz", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\"", "\x01", ""};
    size_t length = 0;
    for (uint32_t left = random_below(random, 8) == 0 ? random_below(random, 60) : random_below(random, 5); left > 0;
         left--) {
        const char *piece = pieces[random_below(random, 8)];
        memcpy(ret_text + length, piece, strlen(piece));
        length += strlen(piece);
    }
    return length;
}

/* Writes one random scalar with both libraries. */
static void write_scalar(struct random *random, struct gs_buffer *ours, msgpack_packer *theirs) {
    char text[512];
    size_t length = random_text(random, text);
    int64_t integer = random_integer(random);
    double number = random_double(random);
    switch (random_below(random, 6)) {
    case 0:
        gs_write_nil(ours);
        msgpack_pack_nil(theirs);
        break;
    case 1:
        gs_write_bool(ours, integer & 1);
        (void)((integer & 1) != 0 ? msgpack_pack_true(theirs) : msgpack_pack_false(theirs));
        break;
    case 2:
        gs_write_int(ours, integer);
        msgpack_pack_int64(theirs, integer);
        break;
    case 3:
        gs_write_double(ours, number);
        msgpack_pack_double(theirs, number == 0 ? 0 : number);
        break;
    case 4:
        gs_write_str(ours, text, length);
        msgpack_pack_str_with_body(theirs, text, length);
        break;
    default:
        gs_write_bin(ours, text, length);
        msgpack_pack_bin_with_body(theirs, text, length);
        break;
    }
}

/* Writes one random value with both; keys are in order. */
static void write_random(struct random *random, int depth, struct gs_buffer *ours, msgpack_packer *theirs) {
    uint32_t kind = depth == 0 ? 2 : random_below(random, 4);
    if (kind > 1) {
        write_scalar(random, ours, theirs);
        return;
    }
    uint32_t count = random_below(random, random_below(random, 10) == 0 ? 40 : 5);
    if (kind == 0) {
        gs_write_array(ours, count);
        msgpack_pack_array(theirs, count);
    } else {
        gs_write_map(ours, count);
        msgpack_pack_map(theirs, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (kind == 1) {
            char key[2] = {(char)('0' + i), 'k'};
            size_t length = 1 + i % 2;
            gs_write_str(ours, key, length);
            msgpack_pack_str_with_body(theirs, key, length);
        }
        write_random(random, depth - 1, ours, theirs);
    }
}

/* If our reader takes `bytes`, msgpack-c must write the same for what it reads there. Returns whether it does. */
static bool check_acceptance(const uint8_t *bytes, size_t length) {
    struct gs_reader reader;
    gs_reader_init(&reader, bytes, length);
    struct gs_slice value = gs_read_value(&reader);
    if (gs_reader_finish(&reader) != 0) {
        return false;
    }
    assert_ptr_equal(value.bytes, bytes);
    assert_int_equal(value.length, length);
    gs_reader_init(&reader, bytes, length);
    assert_int_equal(gs_skip_value(&reader).length, length);

    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)bytes, length, &offset), MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(offset, length);
    msgpack_sbuffer again;
    msgpack_sbuffer_init(&again);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &again, msgpack_sbuffer_write);
    assert_int_equal(msgpack_pack_object(&packer, unpacked.data), 0);
    assert_int_equal(again.size, length);
    assert_memory_equal(again.data, bytes, length);
    msgpack_sbuffer_destroy(&again);
    msgpack_unpacked_destroy(&unpacked);
    return true;
}

static void test_agrees_with_msgpack_c(void **state) {
    (void)state;
    uint32_t accepted = 0;
    uint32_t refused = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct random random = {seed};
        struct gs_buffer ours = {0};
        msgpack_sbuffer buffer;
        msgpack_sbuffer_init(&buffer);
        msgpack_packer theirs;
        msgpack_packer_init(&theirs, &buffer, msgpack_sbuffer_write);
        write_random(&random, 4, &ours, &theirs);
        assert_int_equal(ours.failed, 0);
        assert_int_equal(ours.length, buffer.size);
        assert_memory_equal(ours.bytes, buffer.data, buffer.size);
        assert_true(check_acceptance(ours.bytes, ours.length));
        for (size_t cut = 0; cut < ours.length && cut < 50; cut++) {
            assert_false(check_acceptance(ours.bytes, cut));
        }
        for (int i = 0; i < 50; i++) {
            uint32_t at = random_below(&random, (uint32_t)ours.length);
            ours.bytes[at] = (uint8_t)random_next(&random);
            if (check_acceptance(ours.bytes, ours.length)) {
                accepted++;
            } else {
                refused++;
            }
        }
        gs_buffer_close(&ours);
        msgpack_sbuffer_destroy(&buffer);
    }
    assert_true(accepted > 1000 && refused > 1000);
}

/* Every head followed by every first byte and by bytes of few kinds: nothing but the canonical gets through. */
static void test_all_short_encodings(void **state) {
    (void)state;
    static const uint8_t fills[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, 0x61};
    for (uint32_t head = 0; head < 65536; head++) {
        for (size_t f = 0; f < sizeof fills; f++) {
            for (size_t length = 1; length <= 10; length++) {
                uint8_t bytes[10];
                memset(bytes, fills[f], sizeof bytes);
                bytes[0] = (uint8_t)(head >> 8);
                bytes[1] = (uint8_t)head;
                (void)check_acceptance(bytes, length);
            }
        }
    }
}

struct refusal {
    const char *bytes;
    size_t length;
    int error;
};
#define REFUSED(text, error) \
    { text, sizeof text - 1, error }

static void test_refused(void **state) {
    (void)state;
    static const struct refusal cases[] = {
        REFUSED("", GS_EFORMAT),
        REFUSED("\xC1", GS_EFORMAT),
        REFUSED("\xCC\x7F", GS_EFORMAT),
        REFUSED("\xCD\x00\xFF", GS_EFORMAT),
        REFUSED("\xCE\x00\x00\xFF\xFF", GS_EFORMAT),
        REFUSED("\xCF\x00\x00\x00\x00\xFF\xFF\xFF\xFF", GS_EFORMAT),
        REFUSED("\xCF\x80\x00\x00\x00\x00\x00\x00\x00", GS_EFORMAT), /* past int64 */
        REFUSED("\xD0\x05", GS_EFORMAT),
        REFUSED("\xD0\xE0", GS_EFORMAT), /* -32 fits in one byte */
        REFUSED("\xD1\xFF\x80", GS_EFORMAT),
        REFUSED("\xD2\xFF\xFF\x80\x00", GS_EFORMAT),
        REFUSED("\xD3\xFF\xFF\xFF\xFF\x80\x00\x00\x00", GS_EFORMAT),
        REFUSED("\xCA\x3F\x80\x00\x00", GS_EFORMAT), /* float32 */
        REFUSED("\xCB\x80\x00\x00\x00\x00\x00\x00\x00", GS_EFORMAT),
        REFUSED("\xCB\x7F\xF0\x00\x00\x00\x00\x00\x00", GS_EFORMAT),
        REFUSED("\xCB\xFF\xF8\x00\x00\x00\x00\x00\x01", GS_EFORMAT),
        REFUSED("\xD9\x01x", GS_EFORMAT),
        REFUSED("\xDC\x00\x01\x01", GS_EFORMAT),
        REFUSED("\xA1\xFF", GS_EFORMAT),
        REFUSED("\xA2x", GS_EFORMAT),
        REFUSED("\xDD\xFF\xFF\xFF\xFF", GS_EFORMAT),
        REFUSED("\x82\xA1z\x01\xA1y\x02", GS_EFORMAT),
        REFUSED("\x82\xA1z\x01\xA1z\x02", GS_EFORMAT),
        REFUSED("\x81\x01\x02", GS_EFORMAT), /* a key that is not a string */
        REFUSED("\x81\xA1z", GS_EFORMAT),
        REFUSED("\xC7\x00\x01", GS_EFORMAT),
        REFUSED("\xD4\x00\x01", GS_EFORMAT),
        REFUSED("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90", GS_EDEPTH),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gs_reader reader;
        gs_reader_init(&reader, cases[i].bytes, cases[i].length);
        assert_null(gs_read_value(&reader).bytes);
        assert_int_equal(reader.error, cases[i].error);
    }
    assert_true(
        check_acceptance((const uint8_t *)"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90", 16));
}

static void test_typed_reads(void **state) {
    (void)state;
    struct gs_buffer buffer = {0};
    gs_write_array(&buffer, 9);
    gs_write_nil(&buffer);
    gs_write_bool(&buffer, true);
    gs_write_int(&buffer, INT64_MIN);
    gs_write_uint(&buffer, UINT64_MAX);
    gs_write_uint(&buffer, 70000);
    gs_write_double(&buffer, -0.0);
    gs_write_str(&buffer, "abc", 3);
    gs_write_bin(&buffer, "\xFF\x00", 2);
    gs_write_map(&buffer, 1);
    gs_write_str(&buffer, NULL, 0);
    gs_write_double(&buffer, 1.5);
    struct gs_reader reader;
    gs_reader_init(&reader, buffer.bytes, buffer.length);
    assert_int_equal(gs_peek_kind(&reader), GS_KIND_ARRAY);
    gs_read_array_exact(&reader, 9);
    gs_read_nil(&reader);
    assert_true(gs_read_bool(&reader));
    assert_true(gs_read_int(&reader) == INT64_MIN);
    assert_true(gs_read_uint(&reader) == UINT64_MAX);
    assert_int_equal(gs_read_u32(&reader, 70000), 70000);
    assert_int_equal(gs_peek_kind(&reader), GS_KIND_DOUBLE);
    assert_true(gs_read_double(&reader) == 0);
    assert_int_equal(gs_slice_compare(gs_read_str(&reader, 3), gs_slice_make("abc", 3)), 0);
    uint8_t two[2];
    gs_read_bin_exact(&reader, two, 2);
    assert_memory_equal(two, "\xFF\x00", 2);
    assert_int_equal(gs_read_map(&reader, 1), 1);
    assert_int_equal(gs_read_str(&reader, 0).length, 0);
    assert_true(gs_read_double(&reader) == 1.5);
    assert_int_equal(gs_reader_finish(&reader), 0);
    assert_int_equal(reader.nodes_left, GS_VALUE_NODES_MAX - 12);
    gs_buffer_close(&buffer);
}

static void expect_failure(struct gs_reader *reader, int error) {
    assert_int_equal(reader->error, error);
    assert_int_equal(gs_read_int(reader), 0); /* sticky, and empty */
    assert_int_equal(gs_read_array(reader, 9), 0);
    assert_int_equal(gs_read_str(reader, 9).length, 0);
    assert_int_equal(gs_peek_kind(reader), GS_KIND_NIL);
    assert_int_equal(gs_reader_fail(reader, GS_ECORRUPT), error);
    assert_int_equal(reader->error, error);
}

static void test_limits(void **state) {
    (void)state;
    struct gs_reader reader;
    gs_reader_init(&reader, "\xA3xyz", 4);
    gs_read_str(&reader, 2);
    expect_failure(&reader, GS_ETOOBIG);
    gs_reader_init(&reader, "\x93\x01\x01\x01", 4);
    assert_int_equal(gs_read_array(&reader, 2), 0);
    expect_failure(&reader, GS_ETOOBIG);
    gs_reader_init(&reader, "\x93\x01\x01", 3); /* three elements in two bytes */
    assert_int_equal(gs_read_array(&reader, 9), 0);
    expect_failure(&reader, GS_EFORMAT);
    gs_reader_init(&reader, "\x82\xA1x\x01", 4); /* two members in three bytes */
    assert_int_equal(gs_read_map(&reader, 9), 0);
    expect_failure(&reader, GS_EFORMAT);
    gs_reader_init(&reader, "\x05", 1);
    assert_int_equal(gs_read_u32(&reader, 4), 0);
    expect_failure(&reader, GS_EFORMAT);
    gs_reader_init(&reader, "\xFF", 1);
    assert_true(gs_read_uint(&reader) == 0);
    expect_failure(&reader, GS_EFORMAT);
    gs_reader_init(&reader, "\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9);
    assert_int_equal(gs_read_int(&reader), 0);
    expect_failure(&reader, GS_EFORMAT);
    gs_reader_init(&reader, "\x01\x02", 2);
    assert_int_equal(gs_read_int(&reader), 1);
    assert_int_equal(gs_reader_finish(&reader), GS_EFORMAT);
    expect_failure(&reader, GS_EFORMAT);
    uint8_t three[3] = {1, 2, 3};
    gs_reader_init(&reader, "\xC4\x02xy", 4);
    gs_read_bin_exact(&reader, three, 3);
    assert_memory_equal(three, "\0\0\0", 3);
    expect_failure(&reader, GS_EFORMAT);
}

static void test_node_budget(void **state) {
    (void)state;
    struct gs_buffer buffer = {0};
    gs_write_array(&buffer, GS_VALUE_NODES_MAX);
    for (uint32_t i = 0; i < GS_VALUE_NODES_MAX; i++) {
        gs_write_nil(&buffer);
    }
    struct gs_reader reader;
    gs_reader_init(&reader, buffer.bytes, buffer.length);
    reader.nodes_left = UINT32_MAX;
    assert_null(gs_read_value(&reader).bytes); /* one too many for a value, whatever the reader's budget */
    assert_int_equal(reader.error, GS_EFORMAT);
    gs_reader_init(&reader, buffer.bytes, buffer.length);
    reader.nodes_left = UINT32_MAX;
    assert_int_equal(gs_skip_value(&reader).length, buffer.length);
    assert_int_equal(reader.nodes_left, UINT32_MAX - 1 - GS_VALUE_NODES_MAX);
    gs_buffer_close(&buffer);
    gs_reader_init(&reader, "\x92\x01\x01", 3);
    reader.nodes_left = 2;
    gs_read_value(&reader);
    assert_int_equal(reader.error, GS_EFORMAT);
}

static void test_writer_refuses(void **state) {
    (void)state;
    struct gs_buffer buffer = {0};
    gs_write_double(&buffer, 1e308 * 10);
    assert_int_equal(buffer.failed, GS_EINVAL);
    assert_int_equal(buffer.length, 0);
    gs_buffer_close(&buffer);
    gs_write_str(&buffer, NULL, (size_t)UINT32_MAX + 1);
    assert_int_equal(buffer.failed, GS_EINVAL);
    gs_buffer_close(&buffer);
}

static void test_long_lengths(void **state) {
    (void)state;
    static const size_t lengths[] = {31, 32, 255, 256, 65535, 65536, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *text = malloc(lengths[i]);
        memset(text, 'x', lengths[i]);
        struct gs_buffer buffer = {0};
        gs_write_array(&buffer, 2);
        gs_write_str(&buffer, text, lengths[i]);
        gs_write_bin(&buffer, text, lengths[i]);
        assert_true(check_acceptance(buffer.bytes, buffer.length));
        gs_buffer_close(&buffer);
        gs_write_array(&buffer, (uint32_t)lengths[i]);
        for (size_t j = 0; j < lengths[i]; j++) {
            gs_write_int(&buffer, (int64_t)j);
        }
        assert_true(check_acceptance(slice_of(&buffer).bytes, buffer.length));
        gs_buffer_close(&buffer);
        free(text);
    }
}

/* A head of `size` bytes that counts `count`, with all that it promises behind it. */
static bool accepts_head(uint8_t head, size_t size, uint32_t count) {
    struct gs_buffer buffer = {0};
    gs_buffer_byte(&buffer, head);
    for (size_t i = 0; i < size; i++) {
        gs_buffer_byte(&buffer, (uint8_t)(count >> (8 * (size - 1 - i))));
    }
    for (uint32_t i = 0; i < count; i++) {
        if (head >= 0xDE) {
            gs_buffer_printf(&buffer, "\xA5%05u", i);
        }
        gs_buffer_byte(&buffer, 'x');
    }
    bool accepted = check_acceptance(buffer.bytes, buffer.length);
    gs_buffer_close(&buffer);
    return accepted;
}

static void test_heads_are_minimal(void **state) {
    (void)state;
    static const struct {
        uint8_t head;
        uint8_t size;
        uint32_t least;
    } heads[] = {
        {0xC4, 1, 0},     {0xC5, 2, 256}, {0xC6, 4, 65536}, {0xD9, 1, 32}, {0xDA, 2, 256},
        {0xDB, 4, 65536}, {0xDC, 2, 16},  {0xDD, 4, 65536}, {0xDE, 2, 16}, {0xDF, 4, 65536},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        assert_true(accepts_head(heads[i].head, heads[i].size, heads[i].least));
        if (heads[i].least > 0) {
            assert_false(accepts_head(heads[i].head, heads[i].size, heads[i].least - 1));
        }
    }
}

/* Decodes without cleverness, to compare with. */
static bool naive_utf8(const uint8_t *bytes, size_t length) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < length;) {
        size_t size = bytes[i] < 0x80       ? 1
                      : bytes[i] >> 5 == 6  ? 2
                      : bytes[i] >> 4 == 14 ? 3
                      : bytes[i] >> 3 == 30 ? 4
                                            : 0;
        if (size == 0 || length - i < size) {
            return false;
        }
        uint32_t point = size == 1 ? bytes[i] : bytes[i] & (0xFFU >> (size + 1));
        for (size_t j = 1; j < size; j++) {
            if (bytes[i + j] >> 6 != 2) {
                return false;
            }
            point = point << 6 | (bytes[i + j] & 0x3F);
        }
        if (point < least[size] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
            return false;
        }
        i += size;
    }
    return true;
}

static void test_utf8(void **state) {
    (void)state;
    assert_true(gs_utf8_valid(NULL, 0));
    for (uint32_t bits = 0; bits < 1 << 24; bits++) {
        uint8_t bytes[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        if (gs_utf8_valid(bytes, 3) != naive_utf8(bytes, 3)) {
            fail_msg("%06x", bits);
        }
    }
    for (uint32_t bits = 0; bits < 1 << 24; bits++) { /* four bytes, the last at its limits */
        uint8_t bytes[4] = {(uint8_t)(0xE8 | (bits >> 20)), (uint8_t)(bits >> 12), (uint8_t)(bits >> 4),
                            (uint8_t)((bits & 12) << 4 | (bits & 1) * 0x3F)};
        if (gs_utf8_valid(bytes, 4) != naive_utf8(bytes, 4)) {
            fail_msg("%06x", bits);
        }
    }
    struct random random = {3};
    for (int i = 0; i < 100000; i++) { /* long enough for the fast path, at every alignment */
        char text[64] = {0};
        size_t shift = random_below(&random, 8);
        size_t length = 20 + random_below(&random, 20);
        memset(text, 'a', sizeof text);
        memcpy(text + shift + random_below(&random, (uint32_t)length - 4), "\xF0\x9F\x98\x80", 4);
        size_t at = shift + random_below(&random, (uint32_t)length);
        text[at] = (char)random_next(&random);
        assert_int_equal(gs_utf8_valid(text + shift, length), naive_utf8((uint8_t *)text + shift, length));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_msgpack_c),
        cmocka_unit_test(test_all_short_encodings),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_typed_reads),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_node_budget),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_long_lengths),
        cmocka_unit_test(test_heads_are_minimal),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
