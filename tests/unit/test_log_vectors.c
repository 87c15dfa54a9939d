/* The library writes exactly the bytes of tests/data/log_vectors.json, which tests/model/check_log_vectors.py derives
 * from gossip/FORMAT.md by other means. The file's path is the argument. */
#include "gossip/member.h"
#include "log_fixture.h"

#include <globalstate/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

enum { HEX_MAX = 4096 };

static const char *path;

static struct gs_buffer read_vectors(void) {
    struct gs_buffer text = {0};
    struct gs_buffer value = {0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        gs_buffer_byte(&text, (uint8_t)c);
    }
    (void)fclose(file);
    assert_int_equal(gs_json_parse((const char *)text.bytes, text.length, GS_VALUE_DEPTH_MAX, &value, NULL), 0);
    gs_buffer_close(&text);
    return value;
}

static struct gs_slice whole(const struct gs_buffer *buffer) {
    return gs_slice_make(buffer->bytes, buffer->length);
}

static void assert_hex(struct gs_slice map, const char *name, const void *bytes, size_t length) {
    char hex[HEX_MAX];
    struct gs_reader reader;
    struct gs_slice value = gs_map_get(map, name);
    gs_reader_init(&reader, value.bytes, value.length);
    struct gs_slice expected = gs_read_str(&reader, HEX_MAX);
    assert_int_equal(gs_reader_finish(&reader), 0);
    assert_true(2 * length < sizeof hex);
    (void)sodium_bin2hex(hex, sizeof hex, bytes, length);
    if (gs_slice_compare(expected, fixture_text(hex)) != 0) {
        fail_msg("%s: %s instead of %.*s", name, hex, (int)expected.length, (const char *)expected.bytes);
    }
}

static void test_ids(void **state) {
    (void)state;
    const char *names[] = {"eu-west", "us-east"};
    struct gs_buffer vectors = read_vectors();
    struct gs_slice regions = gs_map_get(whole(&vectors), "regions");
    gs_cluster cluster = gs_cluster_from_name("battle");
    assert_hex(gs_map_get(whole(&vectors), "cluster"), "id", cluster.bytes, sizeof cluster.bytes);
    for (uint8_t i = 0; i < 2; i++) {
        struct region region = fixture_region(i);
        struct gs_slice described = gs_map_get(regions, names[i]);
        assert_hex(described, "publicKey", region.keys.public_key.bytes, GS_PUBLIC_KEY_SIZE);
        assert_hex(described, "incarnation", region.incarnation.bytes, GS_INCARNATION_SIZE);
        assert_hex(described, "origin", region.origin.bytes, GS_ORIGIN_SIZE);
    }
    gs_buffer_close(&vectors);
}

static void test_batches(void **state) {
    (void)state;
    struct gs_buffer vectors = read_vectors();
    struct gs_slice batches = gs_map_get(whole(&vectors), "batches");
    struct gs_reader reader;
    gs_reader_init(&reader, batches.bytes, batches.length);
    assert_int_equal(gs_read_array(&reader, FIXTURE_BATCHES), FIXTURE_BATCHES);
    for (int i = 0; i < FIXTURE_BATCHES; i++) {
        struct gs_buffer record = {0};
        struct gs_record parts;
        gs_hash hash;
        struct gs_slice derived = gs_map_get(gs_read_value(&reader), "derived");
        fixture_seal(i, &record, &hash);
        assert_int_equal(gs_record_parse(whole(&record), &parts), 0);
        const uint8_t *signature = parts.batch.bytes + parts.batch.length - GS_SIGNATURE_SIZE;
        assert_hex(derived, "batch", parts.batch.bytes, parts.batch.length);
        assert_hex(derived, "hash", hash.bytes, sizeof hash.bytes);
        assert_hex(derived, "signature", signature, GS_SIGNATURE_SIZE);
        assert_hex(derived, "record", record.bytes, record.length);
        gs_buffer_close(&record);
    }
    gs_buffer_close(&vectors);
}

/* members: one with addresses that is alive, one without that leaves. */
static void test_members(void **state) {
    (void)state;
    const struct gs_member members[] = {
        {.head = {.number = UINT64_C(1767225600000), .intent = GS_MEMBER_ALIVE},
         .region = "eu-west",
         .address_count = 2,
         .addresses = {"eu.example:8089", "[2001:db8::1]:8089"}},
        {.head = {.number = GS_MEMBER_NUMBER_MAX, .intent = GS_MEMBER_LEAVING}, .region = "us-east"}};
    struct gs_buffer vectors = read_vectors();
    struct gs_slice described = gs_map_get(whole(&vectors), "members");
    struct gs_reader reader;
    gs_reader_init(&reader, described.bytes, described.length);
    assert_int_equal(gs_read_array(&reader, 2), 2);
    for (uint8_t i = 0; i < 2; i++) {
        struct region region = fixture_region(i);
        struct gs_member member = members[i];
        struct gs_buffer record = {0};
        struct gs_slice derived = gs_map_get(gs_read_value(&reader), "derived");
        member.head.key = region.keys.public_key;
        assert_int_equal(gs_member_write(&member, &region.cluster, &region.keys, &record), 0);
        assert_hex(derived, "record", record.bytes, record.length);
        gs_buffer_close(&record);
    }
    gs_buffer_close(&vectors);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_members),
    };
    path = argc > 1 ? argv[1] : "tests/data/log_vectors.json";
    return cmocka_run_group_tests_name("log_vectors", tests, NULL, NULL);
}
