/* Tokens. The first byte says how the rest is taken:
 *
 *   0  as a token: whatever it is, it was not signed with our key
 *   1  as header, newline, claims, which are signed properly: what is accepted has an algorithm and key id of ours, no
 *      extension, and is good at this time; and a principal comes of it that covers what its patterns say
 *   2  as a file of keys: what is read can be used, or is refused with a reason */
#include "tests/fuzz/fuzz.h"

#include "node/auth/auth.h"
#include "node/auth/key_file.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <string.h>

enum { NOW = 1700000000, TEXT_MAX = 65536 };

static const char secret[] = "a secret that nobody who fuzzes can guess";

static void add_base64(struct gs_buffer *out, const uint8_t *bytes, size_t length) {
    size_t size = sodium_base64_encoded_len(length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = (char *)gs_buffer_reserve(out, size);
    FUZZ_REQUIRE(text != NULL);
    sodium_bin2base64(text, size, bytes, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    out->length--;
}

static void sign(const uint8_t *data, size_t size, struct gs_buffer *token) {
    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t header = line != NULL ? (size_t)(line - data) : size;
    size_t rest = line != NULL ? size - header - 1 : 0;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    add_base64(token, data, header);
    gs_buffer_text(token, ".");
    add_base64(token, data + size - rest, rest);
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret, sizeof secret - 1);
    crypto_auth_hmacsha256_update(&state, token->bytes, token->length);
    crypto_auth_hmacsha256_final(&state, mac);
    gs_buffer_text(token, ".");
    add_base64(token, mac, sizeof mac);
}

static void require_good_header(const uint8_t *data, size_t size) {
    struct gs_buffer header = {0};
    const uint8_t *line = memchr(data, '\n', size);
    FUZZ_REQUIRE(line != NULL);
    FUZZ_REQUIRE(gs_json_parse((const char *)data, (size_t)(line - data), 8, &header, NULL) == 0);
    struct gs_slice map = gs_slice_make(header.bytes, header.length);
    struct gs_slice algorithm = gs_map_get(map, "alg");
    FUZZ_REQUIRE(algorithm.length == 6 && memcmp(algorithm.bytes + 1, "HS256", 5) == 0);
    FUZZ_REQUIRE(gs_map_get(map, "crit").bytes == NULL);
    struct gs_slice kid = gs_map_get(map, "kid");
    FUZZ_REQUIRE(kid.bytes == NULL || (kid.length == 4 && memcmp(kid.bytes + 1, "key", 3) == 0));
    gs_buffer_close(&header);
}

static void check_signed(const struct gs_auth *auth, const uint8_t *data, size_t size) {
    struct gs_buffer token = {0};
    struct gs_principal principal = {0};
    sign(data, size, &token);
    int error = gs_auth_authenticate(auth, gs_slice_make(token.bytes, token.length), NOW, &principal);
    FUZZ_REQUIRE(error == 0 || error == GS_ESIGNATURE);
    if (error == 0) {
        require_good_header(data, size);
        FUZZ_REQUIRE(principal.subject.length >= 1 && principal.subject.length <= GS_SUBJECT_MAX);
        FUZZ_REQUIRE(principal.expires_s > NOW && (principal.scopes & ~(uint32_t)GS_SCOPE_ALL) == 0);
        struct gs_slice type = gs_slice_make("player", 6);
        struct gs_slice id = gs_slice_make("ada", 3);
        bool covers = gs_principal_covers(&principal, type, id);
        FUZZ_REQUIRE(principal.limited || covers);
        FUZZ_REQUIRE(!gs_principal_covers_type(&principal, type) || covers);
    }
    gs_principal_close(&principal);
    gs_buffer_close(&token);
}

static void check_key_file(const uint8_t *data, size_t size) {
    struct gs_arena arena = {0};
    struct gs_jwt_key keys[GS_JWT_KEYS_MAX];
    struct gs_problem problem = {0};
    uint32_t count = 99;
    int error = gs_jwt_keys_parse((const char *)data, size, &arena, keys, &count, &problem);
    FUZZ_REQUIRE(error == 0 || (count == 0 && problem.detail[0] != '\0'));
    FUZZ_REQUIRE(error != 0 || (count >= 1 && count <= GS_JWT_KEYS_MAX));
    for (uint32_t i = 0; i < count; i++) {
        FUZZ_REQUIRE(keys[i].kid.length >= 1 && keys[i].kid.length <= GS_JWT_KID_MAX);
        FUZZ_REQUIRE(keys[i].algorithm == GS_JWT_EDDSA ? keys[i].bytes.length == GS_JWT_PUBLIC_KEY_SIZE
                                                       : keys[i].bytes.length >= GS_JWT_SECRET_MIN);
    }
    gs_arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gs_auth auth = {0};
    struct gs_jwt_key key = {
        .algorithm = GS_JWT_HS256, .bytes = gs_slice_make(secret, sizeof secret - 1), .kid = gs_slice_make("key", 3)};
    struct gs_auth_config config = {.keys = &key, .key_count = 1};
    struct gs_principal principal = {0};
    uint8_t mode = size > 0 ? data[0] % 3 : 0;
    const uint8_t *rest = size > 0 ? data + 1 : (const uint8_t *)"";
    size_t length = size > 0 ? size - 1 : 0;
    FUZZ_REQUIRE(gs_auth_init(&auth, &config, NULL) == 0);
    if (mode == 0) {
        FUZZ_REQUIRE(gs_auth_authenticate(&auth, gs_slice_make(rest, length), NOW, &principal) == GS_ESIGNATURE);
    } else if (mode == 1) {
        check_signed(&auth, rest, length);
    } else {
        check_key_file(rest, length);
    }
    gs_auth_close(&auth);
    return 0;
}
