#include "node/cli/token_keys.h"

#include "gossip/trust.h"
#include "node/auth/key_file.h"
#include "node/cli/files.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

enum { KEYS_FILE_MAX = 64 * 1024 };

static int keep(struct gs_token_keys *keys, const void *bytes, size_t length, struct gs_slice *ret_slice,
                struct gs_problem *problem) {
    const void *copy = gs_arena_copy(&keys->arena, bytes, length);
    *ret_slice = gs_slice_make(copy, length);
    return copy != NULL ? 0 : gs_problem_set(problem, GS_ENOMEM, NULL, "out of memory");
}

static void wipe(struct gs_buffer *text) {
    if (text->bytes != NULL) {
        sodium_memzero(text->bytes, text->length);
    }
    gs_buffer_close(text);
}

static int read_secret(const struct gs_serve_config *config, struct gs_token_keys *keys, struct gs_problem *problem) {
    if (config->jwt_secret != NULL) {
        return keep(keys, config->jwt_secret, strlen(config->jwt_secret), &keys->auth.secret, problem);
    }
    if (config->jwt_secret_file == NULL) {
        return 0;
    }
    struct gs_buffer text = {0};
    int error = gs_file_read_line(config->jwt_secret_file, &text, problem);
    if (error == 0) {
        error = keep(keys, text.bytes, text.length - 1, &keys->auth.secret, problem);
    }
    wipe(&text);
    return error;
}

static int read_public_key(const struct gs_serve_config *config, struct gs_token_keys *keys,
                           struct gs_problem *problem) {
    const char *path = config->jwt_public_key_file;
    if (path == NULL) {
        return 0;
    }
    struct gs_buffer text = {0};
    gs_public_key key;
    int error = gs_file_read_line(path, &text, problem);
    if (error == 0 && gs_public_key_parse((const char *)text.bytes, text.length - 1, &key) != 0) {
        error =
            gs_problem_set(problem, GS_EINVAL, "JWT_PUBLIC_KEY_FILE", "%s does not hold a base64 Ed25519 key", path);
    }
    if (error == 0) {
        error = keep(keys, key.bytes, sizeof key.bytes, &keys->auth.public_key, problem);
    }
    gs_buffer_close(&text);
    return error;
}

static int read_keys(const struct gs_serve_config *config, struct gs_token_keys *keys, struct gs_problem *problem) {
    if (config->jwt_keys_file == NULL) {
        return 0;
    }
    struct gs_buffer text = {0};
    int error = gs_file_read(config->jwt_keys_file, KEYS_FILE_MAX, &text, problem);
    if (error == 0) {
        error = gs_jwt_keys_parse((const char *)text.bytes, text.length, &keys->arena, keys->keys,
                                  &keys->auth.key_count, problem);
        if (error != 0) {
            struct gs_problem cause = *problem;
            gs_problem_set(problem, error, "JWT_KEYS_FILE", "%s, %s", config->jwt_keys_file, cause.detail);
        }
    }
    wipe(&text);
    return error;
}

static int read_denied(const struct gs_serve_config *config, struct gs_token_keys *keys, struct gs_problem *problem) {
    const char *path = config->jwt_deny_file;
    if (path == NULL) {
        return 0;
    }
    struct gs_buffer text = {0};
    int error = gs_file_read(path, GS_DENY_FILE_MAX, &text, problem);
    if (error == 0) {
        error = gs_deny_list_parse((const char *)text.bytes, text.length, (int64_t)time(NULL), &keys->arena,
                                   &keys->auth.denied, problem);
        if (error != 0) {
            struct gs_problem cause = *problem;
            gs_problem_set(problem, error, "JWT_DENY_FILE", "%s, %s", path, cause.detail);
        }
    }
    gs_buffer_close(&text);
    return error;
}

int gs_token_keys_read(const struct gs_serve_config *config, struct gs_token_keys *ret_keys,
                       struct gs_problem *problem) {
    *ret_keys = (struct gs_token_keys){
        .auth = {.issuer = config->jwt_issuer, .audience = config->jwt_audience, .off = config->auth_off}};
    ret_keys->auth.keys = ret_keys->keys;
    int error = read_secret(config, ret_keys, problem);
    if (error == 0) {
        error = read_public_key(config, ret_keys, problem);
    }
    if (error == 0) {
        error = read_keys(config, ret_keys, problem);
    }
    return error == 0 ? read_denied(config, ret_keys, problem) : error;
}

void gs_token_keys_close(struct gs_token_keys *keys) {
    if (keys->auth.secret.bytes != NULL) {
        sodium_memzero((void *)(uintptr_t)keys->auth.secret.bytes, keys->auth.secret.length);
    }
    for (uint32_t i = 0; i < keys->auth.key_count; i++) {
        sodium_memzero((void *)(uintptr_t)keys->keys[i].bytes.bytes, keys->keys[i].bytes.length);
    }
    gs_arena_close(&keys->arena);
    *keys = (struct gs_token_keys){0};
}
