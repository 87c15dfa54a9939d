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

int gs_jwt_mint(const struct gs_jwt_key *key, const struct gs_jwt_claims *claims, struct gs_buffer *ret_token) {
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    if (key->algorithm != GS_JWT_HS256 || key->bytes.length < GS_JWT_SECRET_MIN ||
        key->bytes.length > GS_JWT_SECRET_MAX || claims->subject == NULL || claims->subject[0] == '\0') {
        return GS_EINVAL;
    }
    struct gs_buffer json = {0};
    struct gs_buffer token = {0};
    write_claims(claims, &json);
    write_base64(header, sizeof header - 1, &token);
    gs_buffer_text(&token, ".");
    write_base64(json.bytes, json.length, &token);
    int error = json.failed != 0 ? json.failed : token.failed;
    if (error == 0) {
        uint8_t mac[crypto_auth_hmacsha256_BYTES];
        crypto_auth_hmacsha256_state state;
        crypto_auth_hmacsha256_init(&state, key->bytes.bytes, key->bytes.length);
        crypto_auth_hmacsha256_update(&state, token.bytes, token.length);
        crypto_auth_hmacsha256_final(&state, mac);
        sodium_memzero(&state, sizeof state);
        gs_buffer_text(&token, ".");
        write_base64(mac, sizeof mac, &token);
        error = token.failed;
    }
    if (error == 0 && token.length > GS_JWT_TOKEN_MAX) {
        error = GS_EINVAL;
    }
    if (error == 0) {
        gs_buffer_append(ret_token, token.bytes, token.length);
        error = ret_token->failed;
    }
    gs_buffer_close(&json);
    gs_buffer_close(&token);
    return error;
}
