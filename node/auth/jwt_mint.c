#include "node/auth/jwt.h"

#include <globalstate/json.h>

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

static void write_text(const char *text, struct gs_buffer *out) {
    gs_json_write_string(text, strlen(text), out);
}

static void write_member(const char *name, const char *text, struct gs_buffer *out) {
    if (text != NULL) {
        gs_buffer_printf(out, ",\"%s\":", name);
        write_text(text, out);
    }
}

static void write_claims(const struct gs_jwt_claims *claims, struct gs_buffer *out) {
    gs_buffer_text(out, "{\"sub\":");
    write_text(claims->subject, out);
    write_member("scope", claims->scope, out);
    write_member("jti", claims->id, out);
    write_member("iss", claims->issuer, out);
    write_member("aud", claims->audience, out);
    if (claims->aggregates != NULL) {
        gs_buffer_text(out, ",\"aggregates\":[");
        for (uint32_t i = 0; i < claims->aggregate_count; i++) {
            gs_buffer_text(out, i > 0 ? "," : "");
            write_text(claims->aggregates[i], out);
        }
        gs_buffer_text(out, "]");
    }
    if (claims->not_before_s != 0) {
        gs_buffer_printf(out, ",\"nbf\":%" PRId64, claims->not_before_s);
    }
    gs_buffer_printf(out, ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}", claims->issued_s, claims->expires_s);
}

static void write_base64(const void *bytes, size_t length, struct gs_buffer *out) {
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    size_t size = sodium_base64_encoded_len(length, variant); /* with the NUL */
    char *text = (char *)gs_buffer_reserve(out, size);
    if (text != NULL) {
        sodium_bin2base64(text, size, bytes, length, variant);
        out->length--;
    }
}

static bool key_is_usable(const struct gs_jwt_key *key) {
    return key->algorithm == GS_JWT_EDDSA
               ? key->bytes.length == crypto_sign_SECRETKEYBYTES
               : key->bytes.length >= GS_JWT_SECRET_MIN && key->bytes.length <= GS_JWT_SECRET_MAX;
}

static void write_header(const struct gs_jwt_key *key, struct gs_buffer *out) {
    gs_buffer_printf(out, "{\"alg\":\"%s\",\"typ\":\"JWT\"", key->algorithm == GS_JWT_EDDSA ? "EdDSA" : "HS256");
    if (key->kid.length > 0) {
        gs_buffer_text(out, ",\"kid\":");
        gs_json_write_string(key->kid.bytes, key->kid.length, out);
    }
    gs_buffer_byte(out, '}');
}

/* Appends "." and the signature of what is there. */
static void sign(const struct gs_jwt_key *key, struct gs_buffer *token) {
    uint8_t signature[crypto_sign_BYTES];
    size_t length = crypto_auth_hmacsha256_BYTES;
    if (key->algorithm == GS_JWT_EDDSA) {
        length = sizeof signature;
        crypto_sign_detached(signature, NULL, token->bytes, token->length, key->bytes.bytes);
    } else {
        crypto_auth_hmacsha256_state state;
        crypto_auth_hmacsha256_init(&state, key->bytes.bytes, key->bytes.length);
        crypto_auth_hmacsha256_update(&state, token->bytes, token->length);
        crypto_auth_hmacsha256_final(&state, signature);
        sodium_memzero(&state, sizeof state);
    }
    gs_buffer_text(token, ".");
    write_base64(signature, length, token);
}

int gs_jwt_mint(const struct gs_jwt_key *key, const struct gs_jwt_claims *claims, struct gs_buffer *ret_token) {
    if (!key_is_usable(key) || claims->subject == NULL || claims->subject[0] == '\0') {
        return GS_EINVAL;
    }
    struct gs_buffer header = {0};
    struct gs_buffer json = {0};
    struct gs_buffer token = {0};
    write_header(key, &header);
    write_claims(claims, &json);
    write_base64(header.bytes, header.length, &token);
    gs_buffer_text(&token, ".");
    write_base64(json.bytes, json.length, &token);
    int error = header.failed != 0 ? header.failed : json.failed != 0 ? json.failed : token.failed;
    if (error == 0) {
        sign(key, &token);
        error = token.failed != 0 ? token.failed : token.length > GS_JWT_TOKEN_MAX ? GS_EINVAL : 0;
    }
    if (error == 0) {
        gs_buffer_append(ret_token, token.bytes, token.length);
        error = ret_token->failed;
    }
    gs_buffer_close(&header);
    gs_buffer_close(&json);
    gs_buffer_close(&token);
    return error;
}
