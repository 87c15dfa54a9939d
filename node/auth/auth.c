#include "node/auth/auth.h"

#include <globalstate/json.h>

#include <string.h>

static char *copy_text(struct gs_arena *arena, const char *text) {
    return gs_arena_copy(arena, text, strlen(text) + 1);
}

static int add_key(struct gs_auth *auth, enum gs_jwt_algorithm algorithm, struct gs_slice bytes, struct gs_slice kid) {
    struct gs_jwt_key *key = &auth->policy.keys[auth->policy.key_count];
    const void *copy = gs_arena_copy(&auth->arena, bytes.bytes, bytes.length);
    const void *id = gs_arena_copy(&auth->arena, kid.bytes, kid.length);
    if (copy == NULL || id == NULL) {
        return GS_ENOMEM;
    }
    *key = (struct gs_jwt_key){
        .algorithm = algorithm, .bytes = gs_slice_make(copy, bytes.length), .kid = gs_slice_make(id, kid.length)};
    auth->policy.key_count++;
    return 0;
}

static int add_names(struct gs_auth *auth, const struct gs_auth_config *config) {
    if (config->issuer != NULL) {
        auth->policy.issuer = copy_text(&auth->arena, config->issuer);
    }
    if (config->audience != NULL) {
        auth->policy.audience = copy_text(&auth->arena, config->audience);
    }
    bool failed = (config->issuer != NULL && auth->policy.issuer == NULL) ||
                  (config->audience != NULL && auth->policy.audience == NULL);
    return failed ? GS_ENOMEM : 0;
}

static int check_config(const struct gs_auth_config *config, struct gs_problem *problem) {
    if (config->secret.length == 0 && config->public_key.length == 0 && config->key_count == 0) {
        return gs_problem_set(problem, GS_EINVAL, NULL,
                              "no key to check tokens with: set JWT_SECRET (32 bytes or more), JWT_PUBLIC_KEY_FILE or "
                              "JWT_KEYS_FILE");
    }
    if (config->key_count + 2 > GS_JWT_KEYS_MAX) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "%u keys for tokens; the most is %d",
                              (unsigned)config->key_count, GS_JWT_KEYS_MAX - 2);
    }
    if (config->secret.length > 0 &&
        (config->secret.length < GS_JWT_SECRET_MIN || config->secret.length > GS_JWT_SECRET_MAX)) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "JWT_SECRET has %zu bytes; it must have %d to %d",
                              config->secret.length, GS_JWT_SECRET_MIN, GS_JWT_SECRET_MAX);
    }
    if (config->public_key.length > 0 && config->public_key.length != GS_JWT_PUBLIC_KEY_SIZE) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "the public key for tokens has %zu bytes; Ed25519 has %d",
                              config->public_key.length, GS_JWT_PUBLIC_KEY_SIZE);
    }
    return 0;
}

int gs_auth_init(struct gs_auth *auth, const struct gs_auth_config *config, struct gs_problem *problem) {
    *auth = (struct gs_auth){.off = config->off};
    if (config->off) {
        return 0;
    }
    const struct gs_slice none = {0};
    int error = check_config(config, problem);
    if (error == 0 && config->secret.length > 0) {
        error = add_key(auth, GS_JWT_HS256, config->secret, none);
    }
    if (error == 0 && config->public_key.length > 0) {
        error = add_key(auth, GS_JWT_EDDSA, config->public_key, none);
    }
    for (uint32_t i = 0; i < config->key_count && error == 0; i++) {
        error = add_key(auth, config->keys[i].algorithm, config->keys[i].bytes, config->keys[i].kid);
    }
    if (error == 0) {
        error = add_names(auth, config);
    }
    if (error == 0) {
        error = gs_deny_list_copy(&config->denied, &auth->arena, &auth->denied);
    }
    if (error != 0) {
        gs_auth_close(auth);
    }
    return error;
}

void gs_auth_close(struct gs_auth *auth) {
    gs_arena_close(&auth->arena);
    *auth = (struct gs_auth){0};
}

void gs_principal_close(struct gs_principal *principal) {
    gs_arena_close(&principal->arena);
    *principal = (struct gs_principal){0};
}

/* The text of a claim, copied; GS_ESIGNATURE if it is not a string of at most `max` bytes. */
static int read_text(struct gs_principal *principal, struct gs_slice value, size_t max, struct gs_slice *ret_text) {
    if (gs_value_kind(value) != GS_KIND_STR) {
        return GS_ESIGNATURE;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    struct gs_slice text = gs_read_str(&reader, max);
    if (reader.error != 0) {
        return GS_ESIGNATURE;
    }
    const void *copy = gs_arena_copy(&principal->arena, text.bytes, text.length);
    if (copy == NULL) {
        return GS_ENOMEM;
    }
    *ret_text = gs_slice_make(copy, text.length);
    return 0;
}

static int read_patterns(struct gs_principal *principal, struct gs_slice value) {
    if (value.bytes == NULL) {
        return 0;
    }
    if (gs_value_kind(value) != GS_KIND_ARRAY) {
        return GS_ESIGNATURE;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    uint32_t count = gs_read_array(&reader, GS_AGGREGATE_PATTERNS_MAX);
    if (reader.error != 0) {
        return GS_ESIGNATURE;
    }
    principal->limited = true;
    principal->patterns = gs_arena_alloc(&principal->arena, (count + 1) * sizeof *principal->patterns);
    if (principal->patterns == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        int error = read_text(principal, gs_skip_value(&reader), GS_AGGREGATE_PATTERN_BYTES, &principal->patterns[i]);
        if (error == 0 && !gs_pattern_valid(principal->patterns[i])) {
            error = GS_ESIGNATURE;
        }
        if (error != 0) {
            return error;
        }
        principal->pattern_count++;
    }
    return 0;
}

/* `exp` was checked to be a number. A fraction is cut off, as there. */
static int64_t read_expiry(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    int64_t expires_s = gs_value_kind(value) == GS_KIND_INT ? gs_read_int(&reader) : (int64_t)gs_read_double(&reader);
    return expires_s > INT64_MAX - GS_JWT_LEEWAY_S ? INT64_MAX : expires_s + GS_JWT_LEEWAY_S;
}

static int read_principal(struct gs_slice claims, struct gs_principal *principal) {
    int error = read_text(principal, gs_map_get(claims, "sub"), GS_SUBJECT_MAX, &principal->subject);
    if (error == 0 && principal->subject.length == 0) {
        error = GS_ESIGNATURE;
    }
    struct gs_slice scope = gs_map_get(claims, "scope");
    if (error == 0 && scope.bytes != NULL) {
        struct gs_slice list = {0};
        error = read_text(principal, scope, GS_JWT_TOKEN_MAX, &list);
        principal->scopes = gs_scopes_parse(list, NULL);
    }
    if (error == 0) {
        error = read_patterns(principal, gs_map_get(claims, "aggregates"));
    }
    principal->expires_s = read_expiry(gs_map_get(claims, "exp"));
    return error;
}

/* A token without an id cannot be on the list. */
static int check_denied(const struct gs_auth *auth, struct gs_slice claims, struct gs_principal *principal) {
    struct gs_slice value = gs_map_get(claims, "jti");
    struct gs_slice id = {0};
    int error = value.bytes == NULL ? 0 : read_text(principal, value, GS_JWT_ID_MAX, &id);
    return error == 0 && gs_deny_list_has(&auth->denied, id) ? GS_ESIGNATURE : error;
}

int gs_auth_authenticate(const struct gs_auth *auth, struct gs_slice token, int64_t now_s,
                         struct gs_principal *ret_principal) {
    if (auth->off) {
        static const char anonymous[] = "anonymous";
        *ret_principal = (struct gs_principal){
            .subject = {(const uint8_t *)anonymous, sizeof anonymous - 1},
            .scopes = GS_SCOPE_ALL,
            .expires_s = INT64_MAX,
        };
        return 0;
    }
    struct gs_buffer claims = {0};
    struct gs_principal principal = {0};
    int error = gs_jwt_verify(&auth->policy, token, now_s, &claims);
    if (error == 0) {
        error = read_principal(gs_slice_make(claims.bytes, claims.length), &principal);
    }
    if (error == 0) {
        error = check_denied(auth, gs_slice_make(claims.bytes, claims.length), &principal);
    }
    gs_buffer_close(&claims);
    if (error != 0) {
        gs_principal_close(&principal);
        return error;
    }
    *ret_principal = principal;
    return 0;
}
