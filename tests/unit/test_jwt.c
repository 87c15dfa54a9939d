/* Tokens: the RFCs' examples pass, and every way of getting one wrong gives the same answer. */
#include "node/auth/jwt.h"

#include <globalstate/json.h>

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1700000000 };

#define HS256_HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define EDDSA_HEADER "{\"alg\":\"EdDSA\"}"
#define GOOD_CLAIMS "{\"sub\":\"a\",\"exp\":1700000100}"

static const char secret[] = "an HS256 key of 32 bytes or more";

static struct gs_slice slice(const char *text) {
    return gs_slice_make(text, strlen(text));
}

static struct gs_jwt_policy secret_policy(void) {
    return (struct gs_jwt_policy){.key_count = 1, .keys = {{GS_JWT_HS256, slice(secret)}}};
}

static void add_base64(char *text, const void *bytes, size_t length) {
    size_t at = strlen(text);
    sodium_bin2base64(text + at, 16384 - at, bytes, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static void add_dot(char *text) {
    size_t at = strlen(text);
    snprintf(text + at, 16384 - at, ".");
}

/* A token with a valid HS256 signature over whatever is given. */
static char *hs256_token(const char *header, const char *claims, const void *key, size_t key_length) {
    char *text = calloc(1, 16384);
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    assert_non_null(text);
    add_base64(text, header, strlen(header));
    add_dot(text);
    add_base64(text, claims, strlen(claims));
    crypto_auth_hmacsha256_init(&state, key, key_length);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)text, strlen(text));
    crypto_auth_hmacsha256_final(&state, mac);
    add_dot(text);
    add_base64(text, mac, sizeof mac);
    return text;
}

static int verify_at(const struct gs_jwt_policy *policy, const char *token, size_t length, int64_t now_s) {
    struct gs_buffer claims = {0};
    int error = gs_jwt_verify(policy, gs_slice_make(token, length), now_s, &claims);
    gs_buffer_close(&claims);
    return error;
}

static int verify(const struct gs_jwt_policy *policy, const char *token) {
    return verify_at(policy, token, strlen(token), NOW);
}

/* Signs claims correctly and says what the verifier thinks of them. */
static int judge(const struct gs_jwt_policy *policy, const char *header, const char *claims, int64_t now_s) {
    char *token = hs256_token(header, claims, secret, strlen(secret));
    int error = verify_at(policy, token, strlen(token), now_s);
    free(token);
    return error;
}

static void rfc7515_example(void **state) {
    (void)state;
    static const char key[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    static const char token[] =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    uint8_t bytes[64];
    size_t length = 0;
    assert_int_equal(sodium_base642bin(bytes, sizeof bytes, key, strlen(key), NULL, &length, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    struct gs_jwt_policy policy = {
        .key_count = 1, .keys = {{GS_JWT_HS256, gs_slice_make(bytes, length)}}, .issuer = "joe"};
    struct gs_buffer claims = {0};
    assert_int_equal(gs_jwt_verify(&policy, slice(token), 1300819379, &claims), 0);
    struct gs_slice root = gs_map_get(gs_slice_make(claims.bytes, claims.length), "http://example.com/is_root");
    assert_int_equal(gs_value_kind(root), GS_KIND_BOOL);
    gs_buffer_close(&claims);
    assert_int_equal(verify_at(&policy, token, strlen(token), 1300819380 + 60), GS_ESIGNATURE);
}

/* RFC 8037, appendix A: its key and signature; a token of our own for the rest, as its payload is not JSON. */
static void rfc8037_example(void **state) {
    (void)state;
    static const char message[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    static const char expected[] =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    uint8_t seed[32];
    uint8_t public_key[32];
    uint8_t secret_key[64];
    uint8_t signature[64];
    size_t length = 0;
    char text[16384] = "";
    sodium_base642bin(seed, sizeof seed, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", 43, NULL, &length, NULL,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    add_base64(text, public_key, sizeof public_key);
    assert_string_equal(text, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    crypto_sign_detached(signature, NULL, (const uint8_t *)message, strlen(message), secret_key);
    text[0] = '\0';
    add_base64(text, signature, sizeof signature);
    assert_string_equal(text, expected);

    char token[16384] = "";
    add_base64(token, EDDSA_HEADER, strlen(EDDSA_HEADER));
    add_dot(token);
    add_base64(token, GOOD_CLAIMS, strlen(GOOD_CLAIMS));
    crypto_sign_detached(signature, NULL, (const uint8_t *)token, strlen(token), secret_key);
    add_dot(token);
    add_base64(token, signature, sizeof signature);
    struct gs_jwt_policy policy = {.key_count = 1, .keys = {{GS_JWT_EDDSA, gs_slice_make(public_key, 32)}}};
    assert_int_equal(verify(&policy, token), 0);
    policy.keys[0].bytes = gs_slice_make(seed, 32);
    assert_int_equal(verify(&policy, token), GS_ESIGNATURE);
}

static void key_decides_the_algorithm(void **state) {
    (void)state;
    uint8_t public_key[32];
    uint8_t secret_key[64];
    static const uint8_t seed[32] = {1};
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    struct gs_jwt_policy ed = {.key_count = 1, .keys = {{GS_JWT_EDDSA, gs_slice_make(public_key, 32)}}};
    struct gs_jwt_policy both = {
        .key_count = 2, .keys = {{GS_JWT_HS256, slice(secret)}, {GS_JWT_EDDSA, gs_slice_make(public_key, 32)}}};
    /* The public key is public: whoever took it for an HMAC secret would believe anybody. */
    char *confused = hs256_token(HS256_HEADER, GOOD_CLAIMS, public_key, sizeof public_key);
    assert_int_equal(verify(&ed, confused), GS_ESIGNATURE);
    assert_int_equal(verify(&both, confused), GS_ESIGNATURE);
    free(confused);
    char *mislabelled = hs256_token(EDDSA_HEADER, GOOD_CLAIMS, secret, strlen(secret));
    assert_int_equal(verify(&both, mislabelled), GS_ESIGNATURE);
    free(mislabelled);
    char *good = hs256_token(HS256_HEADER, GOOD_CLAIMS, secret, strlen(secret));
    assert_int_equal(verify(&both, good), 0);
    assert_int_equal(verify(&ed, good), GS_ESIGNATURE);
    free(good);
}

static void bad_headers(void **state) {
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"HS384\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":[\"HS256\"]}",
        "{\"alg\":\"HS256\\u0020\"}",
        "{\"alg\":null}",
        "{}",
        "[]",
        "\"HS256\"",
        "",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\"} ,",
        "{\"alg\":\"HS256\",\"x\":[[[[[[1]]]]]]}",
    };
    struct gs_jwt_policy policy = secret_policy();
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        assert_int_equal(judge(&policy, headers[i], GOOD_CLAIMS, NOW), GS_ESIGNATURE);
    }
    assert_int_equal(judge(&policy, "{\"alg\":\"HS256\",\"kid\":\"../../etc/passwd\"}", GOOD_CLAIMS, NOW), 0);
    assert_int_equal(verify(&policy, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."), GS_ESIGNATURE);
}

static void bad_claims(void **state) {
    (void)state;
    static const char *const claims[] = {
        "{\"sub\":\"a\"}",
        "{\"sub\":\"a\",\"exp\":\"1700000100\"}",
        "{\"sub\":\"a\",\"exp\":null}",
        "{\"sub\":\"a\",\"exp\":true}",
        "{\"sub\":\"a\",\"exp\":1e300}",
        "{\"sub\":\"a\",\"exp\":-1}",
        "{\"sub\":\"a\",\"exp\":1700000100,\"exp\":1700000100}",
        "{\"sub\":\"a\",\"exp\":1700000100,\"sub\":\"b\"}",
        "{\"sub\":\"a\",\"exp\":1700000100,\"nbf\":\"soon\"}",
        "{\"sub\":\"a\",\"exp\":9223372036854775808}",
        "{\"sub\":\"\xff\",\"exp\":1700000100}",
        "{\"sub\":\"a\",\"exp\":1700000100}x",
        "[{\"sub\":\"a\",\"exp\":1700000100}]",
        "",
        "{\"exp\":1700000100,\"x\":[[[[[[[[[[1]]]]]]]]]]}",
    };
    struct gs_jwt_policy policy = secret_policy();
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        assert_int_equal(judge(&policy, HS256_HEADER, claims[i], NOW), GS_ESIGNATURE);
    }
    assert_int_equal(judge(&policy, HS256_HEADER, "{\"exp\":9223372036854775807}", NOW), 0);
    assert_int_equal(judge(&policy, HS256_HEADER, "{\"exp\":1700000100.75}", NOW), 0);
}

static void times_with_leeway(void **state) {
    (void)state;
    struct gs_jwt_policy policy = secret_policy();
    static const char *const expires = "{\"exp\":1700000000}";
    assert_int_equal(judge(&policy, HS256_HEADER, expires, NOW - 1), 0);
    assert_int_equal(judge(&policy, HS256_HEADER, expires, NOW + 59), 0);
    assert_int_equal(judge(&policy, HS256_HEADER, expires, NOW + 60), GS_ESIGNATURE);
    static const char *const starts = "{\"exp\":1700009999,\"nbf\":1700000000}";
    assert_int_equal(judge(&policy, HS256_HEADER, starts, NOW - 60), 0);
    assert_int_equal(judge(&policy, HS256_HEADER, starts, NOW - 61), GS_ESIGNATURE);
}

static void issuer_and_audience(void **state) {
    (void)state;
    static const struct {
        const char *claims;
        int error;
    } cases[] = {
        {"{\"exp\":1700000100,\"iss\":\"i\",\"aud\":\"a\"}", 0},
        {"{\"exp\":1700000100,\"iss\":\"i\",\"aud\":[\"x\",\"a\"]}", 0},
        {"{\"exp\":1700000100,\"aud\":\"a\"}", GS_ESIGNATURE},
        {"{\"exp\":1700000100,\"iss\":\"I\",\"aud\":\"a\"}", GS_ESIGNATURE},
        {"{\"exp\":1700000100,\"iss\":[\"i\"],\"aud\":\"a\"}", GS_ESIGNATURE},
        {"{\"exp\":1700000100,\"iss\":\"i\"}", GS_ESIGNATURE},
        {"{\"exp\":1700000100,\"iss\":\"i\",\"aud\":\"ab\"}", GS_ESIGNATURE},
        {"{\"exp\":1700000100,\"iss\":\"i\",\"aud\":[]}", GS_ESIGNATURE},
        {"{\"exp\":1700000100,\"iss\":\"i\",\"aud\":[[\"a\"]]}", GS_ESIGNATURE},
        {"{\"exp\":1700000100,\"iss\":\"i\",\"aud\":{\"a\":\"a\"}}", GS_ESIGNATURE},
    };
    struct gs_jwt_policy policy = secret_policy();
    policy.issuer = "i";
    policy.audience = "a";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(judge(&policy, HS256_HEADER, cases[i].claims, NOW), cases[i].error);
    }
}

static void every_byte_counts(void **state) {
    (void)state;
    struct gs_jwt_policy policy = secret_policy();
    char *token = hs256_token(HS256_HEADER, GOOD_CLAIMS, secret, strlen(secret));
    size_t length = strlen(token);
    assert_int_equal(verify(&policy, token), 0);
    for (size_t i = 0; i < length; i++) {
        char was = token[i];
        for (int c = 0; c < 256; c++) {
            token[i] = (char)c;
            assert_int_equal(verify_at(&policy, token, length, NOW), token[i] == was ? 0 : GS_ESIGNATURE);
        }
        token[i] = was;
        assert_int_equal(verify_at(&policy, token, i, NOW), GS_ESIGNATURE);
    }
    free(token);
}

static void form(void **state) {
    (void)state;
    struct gs_jwt_policy policy = secret_policy();
    char *token = hs256_token(HS256_HEADER, GOOD_CLAIMS, secret, strlen(secret));
    static const char *const tails[] = {"=", " ", "\n", ".", "A", "AAAA", ".AAAA"};
    char longer[16384];
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        snprintf(longer, sizeof longer, "%s%s", token, tails[i]);
        assert_int_equal(verify(&policy, longer), GS_ESIGNATURE);
        snprintf(longer, sizeof longer, "%s%s", tails[i], token);
        assert_int_equal(verify(&policy, longer), GS_ESIGNATURE);
    }
    assert_int_equal(verify_at(&policy, token, strlen(token) + 1, NOW), GS_ESIGNATURE); /* with the NUL */
    static const char *const others[] = {"", ".", "..", "...", "a.b.c", "e30.e30.", ".e30.e30"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(verify(&policy, others[i]), GS_ESIGNATURE);
    }
    free(token);
}

static void size_cap(void **state) {
    (void)state;
    struct gs_jwt_policy policy = secret_policy();
    char claims[16384];
    bool taken = false;
    for (int padding = 6000; padding < 6100; padding++) {
        snprintf(claims, sizeof claims, "{\"exp\":1700000100,\"x\":\"%0*d\"}", padding, 0);
        char *token = hs256_token(HS256_HEADER, claims, secret, strlen(secret));
        bool fits = strlen(token) <= GS_JWT_TOKEN_MAX;
        assert_int_equal(verify(&policy, token), fits ? 0 : GS_ESIGNATURE);
        taken = taken || fits;
        free(token);
    }
    assert_true(taken);
}

static void weak_keys_verify_nothing(void **state) {
    (void)state;
    struct gs_jwt_policy policy = {.key_count = 1, .keys = {{GS_JWT_HS256, {(const uint8_t *)"", 0}}}};
    char *token = hs256_token(HS256_HEADER, GOOD_CLAIMS, "", 0);
    assert_int_equal(verify(&policy, token), GS_ESIGNATURE);
    policy.key_count = 0;
    assert_int_equal(verify(&policy, token), GS_ESIGNATURE);
    free(token);
    char *shorter = hs256_token(HS256_HEADER, GOOD_CLAIMS, secret, 31);
    policy = (struct gs_jwt_policy){.key_count = 1,
                                    .keys = {{.algorithm = GS_JWT_HS256, .bytes = gs_slice_make(secret, 31)}}};
    assert_int_equal(verify(&policy, shorter), GS_ESIGNATURE);
    free(shorter);
}

static void second_key_is_tried(void **state) {
    (void)state;
    static const char old[] = "the key before this one, 32 bytes";
    struct gs_jwt_policy policy = {.key_count = 2, .keys = {{GS_JWT_HS256, slice(old)}, {GS_JWT_HS256, slice(secret)}}};
    assert_int_equal(judge(&policy, HS256_HEADER, GOOD_CLAIMS, NOW), 0);
}

static void minted_tokens_verify(void **state) {
    (void)state;
    static const char *const patterns[] = {"player/*", "guild/g\"1"};
    const struct gs_jwt_claims claims = {.subject = "se\"rver",
                                         .scope = "state:read state:write",
                                         .aggregates = patterns,
                                         .aggregate_count = 2,
                                         .issuer = "i",
                                         .audience = "a",
                                         .issued_s = NOW,
                                         .expires_s = NOW + 10};
    struct gs_jwt_policy policy = secret_policy();
    struct gs_buffer token = {0};
    struct gs_buffer payload = {0};
    policy.issuer = "i";
    policy.audience = "a";
    assert_int_equal(gs_jwt_mint(&policy.keys[0], &claims, &token), 0);
    assert_int_equal(gs_jwt_verify(&policy, gs_slice_make(token.bytes, token.length), NOW, &payload), 0);
    struct gs_buffer json = {0};
    gs_json_write(gs_slice_make(payload.bytes, payload.length), &json);
    gs_buffer_byte(&json, '\0');
    assert_string_equal(
        (const char *)json.bytes,
        "{\"aggregates\":[\"player/*\",\"guild/g\\\"1\"],\"aud\":\"a\",\"exp\":1700000010,"
        "\"iat\":1700000000,\"iss\":\"i\",\"scope\":\"state:read state:write\",\"sub\":\"se\\\"rver\"}");
    gs_buffer_close(&json);
    gs_buffer_close(&payload);
    gs_buffer_close(&token);
}

static void mint_refuses(void **state) {
    (void)state;
    struct gs_buffer token = {0};
    struct gs_jwt_claims claims = {.subject = "a", .expires_s = NOW};
    struct gs_jwt_key key = {.algorithm = GS_JWT_HS256, .bytes = gs_slice_make(secret, 31)};
    assert_int_equal(gs_jwt_mint(&key, &claims, &token), GS_EINVAL);
    key = (struct gs_jwt_key){.algorithm = GS_JWT_EDDSA, .bytes = slice(secret)};
    assert_int_equal(gs_jwt_mint(&key, &claims, &token), GS_EINVAL);
    key = (struct gs_jwt_key){.algorithm = GS_JWT_HS256, .bytes = slice(secret)};
    claims.subject = "";
    assert_int_equal(gs_jwt_mint(&key, &claims, &token), GS_EINVAL);
    char *scope = calloc(1, GS_JWT_TOKEN_MAX);
    memset(scope, 'x', GS_JWT_TOKEN_MAX - 1);
    claims = (struct gs_jwt_claims){.subject = "a", .scope = scope};
    assert_int_equal(gs_jwt_mint(&key, &claims, &token), GS_EINVAL);
    assert_int_equal(token.length, 0);
    free(scope);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc7515_example),
        cmocka_unit_test(rfc8037_example),
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(key_decides_the_algorithm),
        cmocka_unit_test(bad_claims),
        cmocka_unit_test(times_with_leeway),
        cmocka_unit_test(issuer_and_audience),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(form),
        cmocka_unit_test(size_cap),
        cmocka_unit_test(second_key_is_tried),
        cmocka_unit_test(weak_keys_verify_nothing),
        cmocka_unit_test(mint_refuses),
        cmocka_unit_test(minted_tokens_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
