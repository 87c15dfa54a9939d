#include "node/auth/jwt.h"

#include <globalstate/json.h>

#include <assert.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

static_assert(GS_JWT_PUBLIC_KEY_SIZE == crypto_sign_PUBLICKEYBYTES, "libsodium's Ed25519");

enum { HEADER_DEPTH_MAX = 4, CLAIMS_DEPTH_MAX = 8 };

struct parts {
    struct gs_slice header;
    struct gs_slice claims;
    struct gs_slice signature;
    struct gs_slice signed_bytes; /* header "." claims */
};

static bool split(struct gs_slice token, struct parts *ret_parts) {
    if (token.length > GS_JWT_TOKEN_MAX) {
        return false;
    }
    const uint8_t *end = token.bytes + token.length;
    const uint8_t *first = token.length == 0 ? NULL : memchr(token.bytes, '.', token.length);
    const uint8_t *second = first == NULL ? NULL : memchr(first + 1, '.', (size_t)(end - first - 1));
    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL) {
        return false;
    }
    ret_parts->header = gs_slice_make(token.bytes, (size_t)(first - token.bytes));
    ret_parts->claims = gs_slice_make(first + 1, (size_t)(second - first - 1));
    ret_parts->signature = gs_slice_make(second + 1, (size_t)(end - second - 1));
    ret_parts->signed_bytes = gs_slice_make(token.bytes, (size_t)(second - token.bytes));
    return true;
}

/* Strict: no padding, no white space, no bits left over. libsodium checks all three. */
static bool decode_base64(struct gs_slice text, uint8_t *ret_bytes, size_t size, size_t *ret_length) {
    return sodium_base642bin(ret_bytes, size, (const char *)text.bytes, text.length, NULL, ret_length, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

/* Decodes a part and parses it as one JSON object. */
static int parse_part(struct gs_slice text, int depth_max, struct gs_buffer *out) {
    size_t size = text.length; /* more than enough: base64 grows */
    uint8_t *json = size == 0 ? NULL : gs_memory_alloc(NULL, size);
    if (json == NULL) {
        return size == 0 ? GS_ESIGNATURE : GS_ENOMEM;
    }
    size_t length = 0;
    int error = GS_ESIGNATURE;
    if (decode_base64(text, json, size, &length)) {
        error = gs_json_parse((const char *)json, length, depth_max, out, NULL);
    }
    gs_memory_free(NULL, json, size);
    if (error == 0 && out->failed != 0) {
        error = out->failed;
    }
    if (error == 0 && gs_value_kind(gs_slice_make(out->bytes, out->length)) != GS_KIND_MAP) {
        error = GS_ESIGNATURE;
    }
    return error == 0 || error == GS_ENOMEM ? error : GS_ESIGNATURE;
}

static bool value_is_text(struct gs_slice value, const char *text) {
    if (gs_value_kind(value) != GS_KIND_STR) {
        return false;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    struct gs_slice str = gs_read_str(&reader, GS_JWT_TOKEN_MAX);
    return str.length == strlen(text) && (str.length == 0 || memcmp(str.bytes, text, str.length) == 0);
}

/* Which algorithm the header names: only ever compared with the key's. 0 for any other, and for a header that asks for
 * an extension ("crit"), of which we know none. */
static int header_algorithm(struct gs_slice header) {
    if (gs_map_get(header, "crit").bytes != NULL) {
        return 0;
    }
    struct gs_slice algorithm = gs_map_get(header, "alg");
    if (value_is_text(algorithm, "HS256")) {
        return GS_JWT_HS256;
    }
    return value_is_text(algorithm, "EdDSA") ? GS_JWT_EDDSA : 0;
}

/* A key is found by comparing ids, and by nothing else: what a token calls its key is never a path or a query. */
static bool key_fits(const struct gs_jwt_key *key, int algorithm, struct gs_slice kid) {
    if ((int)key->algorithm != algorithm) {
        return false;
    }
    return kid.bytes == NULL || key->kid.length == 0 || gs_slice_compare(key->kid, kid) == 0;
}

/* The `kid` of a header: {NULL, 0} if there is none. False: it is no string of a possible length. */
static bool header_kid(struct gs_slice header, struct gs_slice *ret_kid) {
    struct gs_slice value = gs_map_get(header, "kid");
    *ret_kid = (struct gs_slice){0};
    if (value.bytes == NULL) {
        return true;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    if (gs_value_kind(value) == GS_KIND_STR) {
        *ret_kid = gs_read_str(&reader, GS_JWT_KID_MAX);
    }
    return ret_kid->length > 0 && reader.error == 0;
}

static bool check_signature(const struct gs_jwt_key *key, struct gs_slice message, const uint8_t *signature,
                            size_t signature_length) {
    if (key->algorithm == GS_JWT_EDDSA) {
        return key->bytes.length == crypto_sign_PUBLICKEYBYTES && signature_length == crypto_sign_BYTES &&
               crypto_sign_verify_detached(signature, message.bytes, message.length, key->bytes.bytes) == 0;
    }
    if (key->bytes.length < GS_JWT_SECRET_MIN || signature_length != crypto_auth_hmacsha256_BYTES) {
        return false;
    }
    uint8_t expected[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key->bytes.bytes, key->bytes.length);
    crypto_auth_hmacsha256_update(&state, message.bytes, message.length);
    crypto_auth_hmacsha256_final(&state, expected);
    bool same = sodium_memcmp(expected, signature, sizeof expected) == 0;
    sodium_memzero(&state, sizeof state);
    sodium_memzero(expected, sizeof expected);
    return same;
}

static int check_by_keys(const struct gs_jwt_policy *policy, const struct parts *parts, int algorithm,
                         struct gs_slice kid) {
    uint8_t signature[crypto_sign_BYTES];
    size_t length = 0;
    if (!decode_base64(parts->signature, signature, sizeof signature, &length)) {
        return GS_ESIGNATURE;
    }
    for (uint32_t i = 0; i < policy->key_count && i < GS_JWT_KEYS_MAX; i++) {
        const struct gs_jwt_key *key = &policy->keys[i];
        if (key_fits(key, algorithm, kid) && check_signature(key, parts->signed_bytes, signature, length)) {
            return 0;
        }
    }
    return GS_ESIGNATURE;
}

static int check_signed(const struct gs_jwt_policy *policy, const struct parts *parts) {
    struct gs_buffer header = {0};
    int error = parse_part(parts->header, HEADER_DEPTH_MAX, &header);
    struct gs_slice kid = {0};
    bool known = error == 0 && header_kid(gs_slice_make(header.bytes, header.length), &kid);
    int algorithm = known ? header_algorithm(gs_slice_make(header.bytes, header.length)) : 0;
    error = error == 0 ? check_by_keys(policy, parts, algorithm, kid) : error;
    gs_buffer_close(&header);
    return error;
}

/* A NumericDate: whole seconds, or with a fraction (RFC 7519 section 2). */
static bool read_date(struct gs_slice value, int64_t *ret_s) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    if (gs_value_kind(value) == GS_KIND_INT) {
        *ret_s = gs_read_int(&reader);
        return reader.error == 0;
    }
    if (gs_value_kind(value) != GS_KIND_DOUBLE) {
        return false;
    }
    double seconds = floor(gs_read_double(&reader));
    if (reader.error != 0 || !(fabs(seconds) < 9e15)) {
        return false;
    }
    *ret_s = (int64_t)seconds;
    return true;
}

static bool check_times(struct gs_slice claims, int64_t now_s) {
    int64_t expires_s = 0;
    int64_t not_before_s = 0;
    struct gs_slice not_before = gs_map_get(claims, "nbf");
    if (!read_date(gs_map_get(claims, "exp"), &expires_s) || now_s - GS_JWT_LEEWAY_S >= expires_s) {
        return false;
    }
    return not_before.bytes == NULL ||
           (read_date(not_before, &not_before_s) && not_before_s <= now_s + GS_JWT_LEEWAY_S);
}

/* `aud` is one string or an array of them (RFC 7519 section 4.1.3). */
static bool check_audience(struct gs_slice value, const char *audience) {
    if (gs_value_kind(value) != GS_KIND_ARRAY) {
        return value_is_text(value, audience);
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    bool found = false;
    for (uint32_t left = gs_read_array(&reader, GS_JWT_TOKEN_MAX); left > 0 && reader.error == 0; left--) {
        struct gs_slice item = gs_skip_value(&reader);
        found = found || value_is_text(item, audience);
    }
    return found && reader.error == 0;
}

static bool check_claims(const struct gs_jwt_policy *policy, struct gs_slice claims, int64_t now_s) {
    if (!check_times(claims, now_s)) {
        return false;
    }
    if (policy->issuer != NULL && !value_is_text(gs_map_get(claims, "iss"), policy->issuer)) {
        return false;
    }
    return policy->audience == NULL || check_audience(gs_map_get(claims, "aud"), policy->audience);
}

int gs_jwt_verify(const struct gs_jwt_policy *policy, struct gs_slice token, int64_t now_s,
                  struct gs_buffer *ret_claims) {
    struct parts parts;
    if (!split(token, &parts)) {
        return GS_ESIGNATURE;
    }
    int error = check_signed(policy, &parts);
    if (error == 0) {
        error = parse_part(parts.claims, CLAIMS_DEPTH_MAX, ret_claims);
    }
    if (error == 0 && !check_claims(policy, gs_slice_make(ret_claims->bytes, ret_claims->length), now_s)) {
        error = GS_ESIGNATURE;
    }
    return error;
}
