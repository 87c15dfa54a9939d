/* Keys with ids: files of them, which key a token is checked with, and how they are changed one after the other. */
#include "node/auth/key_file.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1700000000 };

static struct gs_slice slice(const char *text) {
    return gs_slice_make(text, strlen(text));
}

#define SECRET_A "YW4gSFMyNTYga2V5IG9mIDMyIGJ5dGVzIG9yIG1vcmU=" /* an HS256 key of 32 bytes or more */
#define SECRET_B "YW5vdGhlciBIUzI1NiBrZXkgb2YgMzIgYnl0ZXMgb3IgbW9yZQ=="
#define PUBLIC "GyRIAbyIXJ3nTUHdFzS0mKTyzkNZ3ba8LK0jfb5VfF0="

static int parse(const char *text, struct gs_arena *arena, struct gs_jwt_policy *policy, struct gs_problem *problem) {
    *policy = (struct gs_jwt_policy){0};
    return gs_jwt_keys_parse(text, strlen(text), arena, policy->keys, &policy->key_count, problem);
}

static int verify(const struct gs_jwt_policy *policy, const struct gs_buffer *token) {
    struct gs_buffer claims = {0};
    int error = gs_jwt_verify(policy, gs_slice_make(token->bytes, token->length), NOW, &claims);
    gs_buffer_close(&claims);
    return error;
}

static void mint(const struct gs_jwt_key *key, struct gs_buffer *ret_token) {
    struct gs_jwt_claims claims = {.subject = "a", .expires_s = NOW + 10, .not_before_s = NOW - 5};
    *ret_token = (struct gs_buffer){0};
    assert_int_equal(gs_jwt_mint(key, &claims, ret_token), 0);
}

static void test_good_files(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct gs_jwt_policy policy;
    struct gs_problem problem = {0};
    assert_int_equal(
        parse("# keys\n\n a HS256 " SECRET_A "\r\nlogin\tEdDSA  " PUBLIC " # the new one", &arena, &policy, &problem),
        0);
    assert_int_equal(policy.key_count, 2);
    assert_int_equal(policy.keys[0].algorithm, GS_JWT_HS256);
    assert_int_equal(policy.keys[0].bytes.length, 32);
    assert_int_equal(policy.keys[1].algorithm, GS_JWT_EDDSA);
    assert_int_equal(gs_slice_compare(policy.keys[1].kid, slice("login")), 0);
    gs_arena_close(&arena);
}

static void test_bad_files(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no key"},
        {"# nothing\n", "no key"},
        {"a HS256\n", "line 1: expected KID"},
        {"a HS256 " SECRET_A " more\n", "line 1: expected KID"},
        {"\na HS512 " SECRET_A "\n", "line 2: the algorithm"},
        {"a none " SECRET_A "\n", "line 1: the algorithm"},
        {"a HS256 c2hvcnQ=\n", "line 1: an HS256 key"},
        {"a HS256 " SECRET_A "!\n", "line 1: the key is not base64"},
        {"a EdDSA " SECRET_B "\n", "line 1: an Ed25519"},
        {"a HS256 " SECRET_A "\na HS256 " SECRET_B "\n", "line 2: a key of this id"},
        {"0123456789012345678901234567890123456789012345678901234567890123456789 HS256 " SECRET_A,
         "line 1: the key's id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gs_arena arena = {0};
        struct gs_jwt_policy policy;
        struct gs_problem problem = {0};
        assert_int_equal(parse(cases[i].text, &arena, &policy, &problem), GS_EINVAL);
        assert_non_null(strstr(problem.detail, cases[i].says));
        assert_int_equal(policy.key_count, 0);
        gs_arena_close(&arena);
    }
}

static void test_too_many(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct gs_jwt_policy policy;
    struct gs_problem problem = {0};
    struct gs_buffer text = {0};
    for (int i = 0; i <= GS_JWT_KEYS_MAX; i++) {
        gs_buffer_printf(&text, "k%d HS256 " SECRET_A "\n", i);
    }
    assert_int_equal(
        gs_jwt_keys_parse((const char *)text.bytes, text.length, &arena, policy.keys, &policy.key_count, &problem),
        GS_EINVAL);
    assert_non_null(strstr(problem.detail, "line 17: too many"));
    gs_buffer_close(&text);
    gs_arena_close(&arena);
}

/* The id chooses among the keys, and never replaces the signature. */
static void test_the_id_chooses(void **state) {
    (void)state;
    struct gs_arena arena = {0};
    struct gs_jwt_policy policy, later, plain;
    struct gs_problem problem = {0};
    struct gs_buffer token;
    assert_int_equal(parse("old HS256 " SECRET_A "\nnew HS256 " SECRET_B "\n", &arena, &policy, &problem), 0);
    assert_int_equal(parse("new HS256 " SECRET_B "\n", &arena, &later, &problem), 0);
    struct gs_jwt_key key = policy.keys[0];
    mint(&key, &token);
    assert_int_equal(verify(&policy, &token), 0);
    assert_int_equal(verify(&later, &token), GS_ESIGNATURE); /* rotated out */
    gs_buffer_close(&token);
    key.kid = slice("new"); /* signed with the old one */
    mint(&key, &token);
    assert_int_equal(verify(&policy, &token), GS_ESIGNATURE);
    gs_buffer_close(&token);
    key.kid = slice("../../etc/passwd");
    mint(&key, &token);
    assert_int_equal(verify(&policy, &token), GS_ESIGNATURE);
    plain = policy; /* a key without an id takes any */
    plain.keys[0].kid = (struct gs_slice){0};
    assert_int_equal(verify(&plain, &token), 0);
    gs_buffer_close(&token);
    key.kid = (struct gs_slice){0}; /* a token without an id is tried with all */
    mint(&key, &token);
    assert_int_equal(verify(&policy, &token), 0);
    assert_int_equal(verify(&later, &token), GS_ESIGNATURE);
    gs_buffer_close(&token);
    gs_arena_close(&arena);
}

static void test_ed25519_is_minted(void **state) {
    (void)state;
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
    uint8_t seed[crypto_sign_SEEDBYTES] = {3};
    struct gs_buffer token;
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    struct gs_jwt_key key = {
        .algorithm = GS_JWT_EDDSA, .bytes = gs_slice_make(secret_key, sizeof secret_key), .kid = slice("login")};
    struct gs_jwt_policy policy = {.key_count = 1};
    policy.keys[0] = (struct gs_jwt_key){
        .algorithm = GS_JWT_EDDSA, .bytes = gs_slice_make(public_key, sizeof public_key), .kid = slice("login")};
    mint(&key, &token);
    assert_int_equal(verify(&policy, &token), 0);
    public_key[5] ^= 1;
    assert_int_equal(verify(&policy, &token), GS_ESIGNATURE);
    gs_buffer_close(&token);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files),        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_too_many),          cmocka_unit_test(test_the_id_chooses),
        cmocka_unit_test(test_ed25519_is_minted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
