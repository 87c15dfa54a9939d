/* Keys, ids and signatures against RFC 8032 and Python's hashlib. */
#include "gossip/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static void unhex(const char *hex, void *ret_bytes, size_t size) {
    size_t length = 0;
    assert_int_equal(sodium_hex2bin(ret_bytes, size, hex, strlen(hex), NULL, &length, NULL), 0);
    assert_int_equal(length, size);
}

static void assert_hex(const void *bytes, size_t size, const char *hex) {
    char text[2 * 64 + 1];
    assert_true(size <= 64);
    assert_string_equal(sodium_bin2hex(text, sizeof text, bytes, size), hex);
}

/* RFC 8032, section 7.1, test 1. */
static struct gs_key_pair rfc_pair(void) {
    uint8_t seed[GS_SEED_SIZE];
    struct gs_key_pair pair;
    unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, sizeof seed);
    gs_key_pair_from_seed(seed, &pair);
    return pair;
}

static void test_key_pair_is_that_of_rfc_8032(void **state) {
    (void)state;
    struct gs_key_pair pair = rfc_pair();
    assert_hex(pair.public_key.bytes, 32, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

static void test_ids_are_those_of_hashlib(void **state) {
    (void)state;
    struct gs_key_pair pair = rfc_pair();
    gs_cluster cluster = gs_cluster_from_name("battle");
    const uint8_t random[6] = {1, 2, 3, 4, 5, 6};
    gs_incarnation incarnation = gs_incarnation_make(1767225600000, random);
    gs_origin origin = gs_origin_derive(&pair.public_key, &incarnation);
    assert_hex(cluster.bytes, 16, "512da567bfd2b2fb00570c9a8014a923");
    assert_hex(incarnation.bytes, 12, "019b76daa800010203040506");
    assert_hex(origin.bytes, 16, "5a0636b43c30590e01bd293f1998a4bd");
}

static void test_later_incarnations_compare_greater(void **state) {
    (void)state;
    const uint8_t high[6] = {255, 255, 255, 255, 255, 255};
    const uint8_t low[6] = {0};
    gs_incarnation a = gs_incarnation_make(255, high);
    gs_incarnation b = gs_incarnation_make(256, low);
    gs_incarnation c = gs_incarnation_make((UINT64_C(1) << 48) - 1, low);
    assert_true(memcmp(a.bytes, b.bytes, sizeof a.bytes) < 0);
    assert_true(memcmp(b.bytes, c.bytes, sizeof a.bytes) < 0);
}

static void test_origin_depends_on_key_and_incarnation(void **state) {
    (void)state;
    struct gs_key_pair pair = rfc_pair();
    const uint8_t random[6] = {1, 2, 3, 4, 5, 6};
    gs_incarnation one = gs_incarnation_make(1, random);
    gs_incarnation two = gs_incarnation_make(2, random);
    gs_origin a = gs_origin_derive(&pair.public_key, &one);
    gs_origin b = gs_origin_derive(&pair.public_key, &two);
    pair.public_key.bytes[31] ^= 1;
    gs_origin c = gs_origin_derive(&pair.public_key, &one);
    assert_false(gs_origin_equal(&a, &b));
    assert_false(gs_origin_equal(&a, &c));
}

static void test_region_names(void **state) {
    (void)state;
    char longest[GS_REGION_NAME_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_true(gs_region_name_valid("eu-west", 7));
    assert_true(gs_region_name_valid("A_1.b", 5));
    assert_true(gs_region_name_valid(longest, GS_REGION_NAME_MAX));
    assert_false(gs_region_name_valid(longest, GS_REGION_NAME_MAX + 1));
    assert_false(gs_region_name_valid("", 0));
    assert_false(gs_region_name_valid("eu west", 7));
    assert_false(gs_region_name_valid("eu:west", 7));
    assert_false(gs_region_name_valid("eu\0west", 7));
    assert_false(gs_region_name_valid("\xc3\xa9", 2));
}

static void test_signature_verifies_only_what_was_signed(void **state) {
    (void)state;
    struct gs_key_pair pair = rfc_pair();
    uint8_t signature[GS_SIGNATURE_SIZE];
    gs_hash hash;
    gs_hash_bytes("gs-batch-v1", "abc", 3, &hash);
    gs_sign(&pair, "globalstate/batch/v1", &hash, signature);
    assert_int_equal(gs_verify(&pair.public_key, "globalstate/batch/v1", &hash, signature), 0);
    assert_int_equal(gs_verify(&pair.public_key, "globalstate/batch/v2", &hash, signature), GS_ESIGNATURE);
    assert_int_equal(gs_verify(&pair.public_key, "globalstate/batch/v", &hash, signature), GS_ESIGNATURE);
    assert_int_equal(gs_verify(&pair.public_key, "", &hash, signature), GS_ESIGNATURE);
    for (size_t i = 0; i < sizeof signature * 8; i++) {
        signature[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(gs_verify(&pair.public_key, "globalstate/batch/v1", &hash, signature), GS_ESIGNATURE);
        signature[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t i = 0; i < sizeof hash.bytes; i++) {
        hash.bytes[i] ^= 1;
        assert_int_equal(gs_verify(&pair.public_key, "globalstate/batch/v1", &hash, signature), GS_ESIGNATURE);
        hash.bytes[i] ^= 1;
    }
    pair.public_key.bytes[0] ^= 1;
    assert_int_equal(gs_verify(&pair.public_key, "globalstate/batch/v1", &hash, signature), GS_ESIGNATURE);
}

/* What is signed is the context, a NUL and the hash: checked with libsodium alone. */
static void test_signed_bytes(void **state) {
    (void)state;
    struct gs_key_pair pair = rfc_pair();
    uint8_t signature[GS_SIGNATURE_SIZE];
    uint8_t message[5 + GS_HASH_SIZE] = {'a', '/', 'v', '1', 0};
    gs_hash hash = {{7}};
    memcpy(message + 5, hash.bytes, sizeof hash.bytes);
    gs_sign(&pair, "a/v1", &hash, signature);
    assert_int_equal(crypto_sign_verify_detached(signature, message, sizeof message, pair.public_key.bytes), 0);
}

static void test_hashes_are_those_of_hashlib(void **state) {
    (void)state;
    gs_hash hash;
    uint8_t id[16];
    uint8_t other[16];
    gs_hash_bytes("gs-batch-v1", "abc", 3, &hash);
    assert_hex(hash.bytes, 32, "77f65a75e1f21ff42f87b3c43d25b96bfae991c068b626e87377c6a6926ca1f8");
    gs_hash_bytes("sixteen-bytes-16", NULL, 0, &hash);
    assert_hex(hash.bytes, 32, "89d17b0f164a12f0aa6882e5c73fb00cf442020f7ea1dc1cc4c573711aa81938");
    gs_hash16("gs-idem-v1", "alice", 5, "k1", 2, id);
    assert_hex(id, 16, "6bfc06b473e3f57409d88662ee83fc98");
    gs_hash16("gs-idem-v1", "alic", 4, "ek1", 3, other);
    assert_memory_not_equal(id, other, sizeof id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_pair_is_that_of_rfc_8032),
        cmocka_unit_test(test_ids_are_those_of_hashlib),
        cmocka_unit_test(test_later_incarnations_compare_greater),
        cmocka_unit_test(test_origin_depends_on_key_and_incarnation),
        cmocka_unit_test(test_region_names),
        cmocka_unit_test(test_signature_verifies_only_what_was_signed),
        cmocka_unit_test(test_signed_bytes),
        cmocka_unit_test(test_hashes_are_those_of_hashlib),
    };
    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
