/* The trust file's text, and what is looked up in it. */
#include "gossip/rotation.h"
#include "gossip/trust.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY_A "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define KEY_B "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static struct gs_trust parse(const char *text) {
    struct gs_trust trust = {0};
    struct gs_problem problem;
    assert_int_equal(gs_trust_parse(text, strlen(text), &trust, &problem), 0);
    return trust;
}

static void assert_refused(const char *text, size_t length, int code, const char *line) {
    struct gs_trust trust = {.count = 77};
    struct gs_problem problem = {0};
    assert_int_equal(gs_trust_parse(text, length, &trust, &problem), code);
    assert_int_equal(trust.count, 77);
    assert_null(trust.entries);
    assert_int_equal(problem.code, code);
    assert_string_equal(problem.field, line);
    assert_true(strlen(problem.detail) > 0);
}

static void test_lines(void **state) {
    (void)state;
    struct gs_trust trust = parse("# who may write\n\n  eu-west " KEY_A " # ours\r\n\tus-east\t" KEY_B " revoked");
    assert_int_equal(trust.count, 2);
    assert_string_equal(trust.entries[0].region, "eu-west");
    assert_false(trust.entries[0].revoked);
    assert_int_equal(trust.entries[0].key.bytes[0], 0xd7);
    assert_string_equal(trust.entries[1].region, "us-east");
    assert_true(trust.entries[1].revoked);
    assert_int_equal(trust.entries[1].key.bytes[31], 31);
    gs_trust_close(&trust);
    assert_null(trust.entries);
    gs_trust_close(&trust);
    gs_trust_close(NULL);
}

static void test_empty_text_trusts_nobody(void **state) {
    (void)state;
    struct gs_trust trust = parse("");
    gs_public_key key = {{0}};
    assert_int_equal(trust.count, 0);
    assert_null(gs_trust_find_key(&trust, &key));
    assert_null(gs_trust_find_region(&trust, "eu-west"));
    gs_trust_close(&trust);
    trust = parse("# only words\n\n#\n");
    assert_int_equal(trust.count, 0);
    gs_trust_close(&trust);
}

static void test_faults_name_their_line(void **state) {
    (void)state;
    const struct {
        const char *text;
        const char *line;
    } cases[] = {
        {"eu-west", "line 1"},
        {"\n# x\neu/west " KEY_A, "line 3"},
        {"eu-west " KEY_A " Revoked", "line 1"},
        {"eu-west " KEY_A " revoked now", "line 1"},
        {"eu-west " KEY_A " revoked 00112233445566778899aabbccddeeff:0", "line 1"},
        {"eu-west " KEY_A " revoked 00112233445566778899aabbccddeeff:", "line 1"},
        {"eu-west " KEY_A " revoked 00112233445566778899aabbccddeeff:9223372036854775808", "line 1"},
        {"eu-west " KEY_A " revoked 00112233445566778899aabbccddeef:1", "line 1"},
        {"eu-west " KEY_A " revoked 00112233445566778899aabbccddeeff:1 00112233445566778899aabbccddeeff:2", "line 1"},
        {"eu-west " KEY_A "\n\nus-east " KEY_A, "line 3"},
        {"eu-west 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo", "line 1"},
        {"eu-west 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURp=", "line 1"}, /* leftover bits */
        {"eu-west 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUR==", "line 1"}, /* 31 bytes */
        {"eu-west 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURoA", "line 1"}, /* 33 bytes */
        {"eu-west 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "line 1"}, /* the URL alphabet */
        {"eu-west " KEY_A "\n" KEY_B " us-east", "line 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(cases[i].text, strlen(cases[i].text), GS_EINVAL, cases[i].line);
    }
    const char nul[] = "eu-west " KEY_A "\0revoked";
    assert_refused(nul, sizeof nul - 1, GS_EINVAL, "line 1");
}

static void test_lookups(void **state) {
    (void)state;
    struct gs_trust trust = parse("eu " KEY_A " revoked\neu " KEY_B "\n");
    const uint8_t random[6] = {9};
    gs_incarnation incarnation = gs_incarnation_make(5, random);
    gs_incarnation other = gs_incarnation_make(6, random);
    gs_origin origin = gs_origin_derive(&trust.entries[0].key, &incarnation);
    assert_ptr_equal(gs_trust_find_key(&trust, &trust.entries[1].key), &trust.entries[1]);
    assert_ptr_equal(gs_trust_find_region(&trust, "eu"), &trust.entries[1]);
    assert_null(gs_trust_find_region(&trust, "us"));
    assert_ptr_equal(gs_trust_find_origin(&trust, &origin, &incarnation), &trust.entries[0]);
    assert_null(gs_trust_find_origin(&trust, &origin, &other));
    gs_trust_close(&trust);
}

static void test_cap(void **state) {
    (void)state;
    const size_t line_size = 64;
    char *text = calloc(GS_TRUST_MAX + 1, line_size);
    assert_non_null(text);
    size_t length = 0;
    size_t full = 0;
    for (int i = 0; i <= GS_TRUST_MAX; i++) {
        gs_public_key key = {{(uint8_t)(i >> 8), (uint8_t)i, 1}};
        char key_text[45];
        gs_public_key_text(&key, key_text);
        full = length;
        length += (size_t)snprintf(text + length, line_size, "r%d %s\n", i, key_text);
    }
    struct gs_trust trust;
    assert_int_equal(gs_trust_parse(text, full, &trust, NULL), 0);
    assert_int_equal(trust.count, GS_TRUST_MAX);
    assert_string_equal(trust.entries[1000].region, "r1000");
    gs_trust_close(&trust);
    assert_refused(text, length, GS_ETOOBIG, "line 1025");
    free(text);
}

static void test_key_text_round_trip(void **state) {
    (void)state;
    gs_public_key key;
    gs_public_key again;
    char text[45];
    for (int i = 0; i < 256; i++) {
        memset(key.bytes, i, sizeof key.bytes);
        gs_public_key_text(&key, text);
        assert_int_equal(strlen(text), 44);
        assert_int_equal(gs_public_key_parse(text, 44, &again), 0);
        assert_memory_equal(key.bytes, again.bytes, sizeof key.bytes);
    }
}

static void test_cut_offs(void **state) {
    (void)state;
    struct gs_trust trust = parse("a " KEY_A " revoked 00112233445566778899aabbccddeeff:17 "
                                  "ff112233445566778899aabbccddeeff:9223372036854775807\nb " KEY_B "\n");
    const gs_origin cut = {
        {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}};
    const gs_origin other = {{1}};
    assert_int_equal(trust.entries[0].cut_count, 2);
    assert_true(gs_trust_takes(&trust.entries[0], &cut, 17));
    assert_false(gs_trust_takes(&trust.entries[0], &cut, 18));
    assert_false(gs_trust_takes(&trust.entries[0], &other, 1));
    assert_true(gs_trust_takes(&trust.entries[1], &other, 1));
    gs_trust_close(&trust);
}

static struct gs_key_pair pair_of(uint8_t number) {
    const uint8_t seed[GS_SEED_SIZE] = {number};
    struct gs_key_pair pair;
    gs_key_pair_from_seed(seed, &pair);
    return pair;
}

/* "REGION NEW rotates OLD SIGNATURE SIGNATURE" */
static void write_rotation(const char *region, uint8_t old_number, uint8_t new_number, bool swapped, char *ret_line,
                           size_t size) {
    struct gs_key_pair old_pair = pair_of(old_number);
    struct gs_key_pair new_pair = pair_of(new_number);
    struct gs_rotation rotation;
    char old_key[45], new_key[45], signatures[2][89];
    gs_rotation_sign(region, &old_pair, &new_pair, &rotation);
    gs_public_key_text(&rotation.old_key, old_key);
    gs_public_key_text(&rotation.new_key, new_key);
    sodium_bin2base64(signatures[0], 89, rotation.old_signature, GS_SIGNATURE_SIZE, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(signatures[1], 89, rotation.new_signature, GS_SIGNATURE_SIZE, sodium_base64_VARIANT_ORIGINAL);
    snprintf(ret_line, size, "eu %s rotates %s %s %s\n", new_key, old_key, signatures[swapped], signatures[!swapped]);
}

static void test_rotations(void **state) {
    (void)state;
    char text[2048], first[45], lines[2][512];
    struct gs_key_pair a = pair_of(1), b = pair_of(2), c = pair_of(3);
    gs_public_key_text(&a.public_key, first);
    write_rotation("eu", 1, 2, false, lines[0], sizeof lines[0]);
    write_rotation("eu", 2, 3, false, lines[1], sizeof lines[1]);
    snprintf(text, sizeof text, "%seu %s\n%s", lines[1], first, lines[0]); /* in any order */
    struct gs_trust trust = parse(text);
    assert_true(trust.entries[0].rotates && trust.entries[2].rotates && !trust.entries[1].rotates);
    assert_true(gs_trust_follows(&trust, &b.public_key, &a.public_key));
    assert_true(gs_trust_follows(&trust, &c.public_key, &a.public_key));
    assert_false(gs_trust_follows(&trust, &a.public_key, &c.public_key));
    assert_false(gs_trust_follows(&trust, &a.public_key, &a.public_key));
    assert_ptr_equal(gs_trust_find_successor(&trust, &a.public_key), &trust.entries[2]);
    assert_null(gs_trust_find_successor(&trust, &c.public_key));
    gs_trust_close(&trust);
}

/* The signature `which` (0: the old key's) is another one's; the line says so by name. */
static void assert_unsigned(int which, const char *name) {
    struct gs_key_pair a = pair_of(1), b = pair_of(2), thief = pair_of(9);
    struct gs_rotation good, bad;
    struct gs_trust trust = {0};
    struct gs_problem problem = {0};
    char text[1024], old_key[45], new_key[45], signatures[2][89];
    gs_rotation_sign("eu", &a, &b, &good);
    gs_rotation_sign("eu", which == 0 ? &thief : &a, which == 0 ? &b : &thief, &bad);
    const uint8_t *by_old = which == 0 ? bad.old_signature : good.old_signature;
    const uint8_t *by_new = which == 0 ? good.new_signature : bad.new_signature;
    gs_public_key_text(&a.public_key, old_key);
    gs_public_key_text(&b.public_key, new_key);
    sodium_bin2base64(signatures[0], 89, by_old, GS_SIGNATURE_SIZE, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(signatures[1], 89, by_new, GS_SIGNATURE_SIZE, sodium_base64_VARIANT_ORIGINAL);
    snprintf(text, sizeof text, "eu %s\neu %s rotates %s %s %s\n", old_key, new_key, old_key, signatures[0],
             signatures[1]);
    assert_int_equal(gs_trust_parse(text, strlen(text), &trust, &problem), GS_ESIGNATURE);
    assert_string_equal(problem.field, "line 2");
    assert_non_null(strstr(problem.detail, name));
}

static void test_both_keys_must_sign(void **state) {
    (void)state;
    assert_unsigned(0, "by the old key");
    assert_unsigned(1, "by the new key");
}

static void test_bad_rotations_are_refused(void **state) {
    (void)state;
    char text[2048], key[45], other[45], line[512];
    struct gs_key_pair a = pair_of(1);
    struct gs_key_pair d = pair_of(4);
    gs_public_key_text(&a.public_key, key);
    gs_public_key_text(&d.public_key, other);
    write_rotation("eu", 1, 2, true, line, sizeof line); /* the signatures in each other's place */
    snprintf(text, sizeof text, "eu %s\n%s", key, line);
    assert_refused(text, strlen(text), GS_ESIGNATURE, "line 2");
    write_rotation("us", 1, 2, false, line, sizeof line); /* signed for another region */
    snprintf(text, sizeof text, "eu %s\n%s", key, line);
    assert_refused(text, strlen(text), GS_ESIGNATURE, "line 2");
    write_rotation("eu", 1, 2, false, line, sizeof line);
    assert_refused(line, strlen(line), GS_EINVAL, "eu"); /* of a key that is not there */
    snprintf(text, sizeof text, "us %s\n%s", key, line);
    assert_refused(text, strlen(text), GS_EINVAL, "eu"); /* … or another region's */
    size_t length = (size_t)snprintf(text, sizeof text, "eu %s\n%s", key, line);
    write_rotation("eu", 1, 3, false, line, sizeof line); /* two successors */
    snprintf(text + length, sizeof text - length, "%s", line);
    assert_refused(text, strlen(text), GS_EINVAL, "eu");
    snprintf(text, sizeof text, "eu %s\neu %s rotates %s\n", key, other, key);
    assert_refused(text, strlen(text), GS_EINVAL, "line 2");
    char ring[2][512];
    write_rotation("eu", 1, 2, false, ring[0], sizeof ring[0]);
    write_rotation("eu", 2, 1, false, ring[1], sizeof ring[1]);
    snprintf(text, sizeof text, "%s%s", ring[0], ring[1]);
    assert_refused(text, strlen(text), GS_EINVAL, "eu");
}

static void test_a_rotated_key_may_be_revoked(void **state) {
    (void)state;
    char text[2048], first[45], line[512];
    struct gs_key_pair a = pair_of(1);
    gs_public_key_text(&a.public_key, first);
    write_rotation("eu", 1, 2, false, line, sizeof line);
    char *rest = strstr(line, " rotates");
    snprintf(text, sizeof text, "eu %s revoked\n%.*s revoked 00112233445566778899aabbccddeeff:7%s", first,
             (int)(rest - line), line, rest);
    struct gs_trust trust = parse(text);
    assert_true(trust.entries[1].revoked && trust.entries[1].rotates && trust.entries[1].cut_count == 1);
    gs_trust_close(&trust);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_rotations),
        cmocka_unit_test(test_both_keys_must_sign),
        cmocka_unit_test(test_bad_rotations_are_refused),
        cmocka_unit_test(test_a_rotated_key_may_be_revoked),
        cmocka_unit_test(test_empty_text_trusts_nobody),
        cmocka_unit_test(test_faults_name_their_line),
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_key_text_round_trip),
        cmocka_unit_test(test_cut_offs),
    };
    return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
