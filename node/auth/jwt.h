/* JSON Web Tokens: checking them, and minting them (RFC 7519, in the compact form of RFC 7515).
 *
 * Two algorithms: HS256 (HMAC-SHA-256, RFC 7518 section 3.2) and EdDSA with Ed25519 (RFC 8037). The algorithm belongs
 * to the configured key: a token whose header names another one is refused, and its header never chooses how it is
 * checked (RFC 8725 section 3.1). All cryptography is libsodium's. Pure: time is an argument. */
#ifndef GS_NODE_AUTH_JWT_H
#define GS_NODE_AUTH_JWT_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdbool.h>

enum {
    GS_JWT_TOKEN_MAX = 8192,     /* bytes of a token */
    GS_JWT_SECRET_MIN = 32,      /* bytes of an HS256 key (RFC 7518: at least the size of the hash) */
    GS_JWT_SECRET_MAX = 1024,    /* more is a mistake */
    GS_JWT_PUBLIC_KEY_SIZE = 32, /* Ed25519 */
    GS_JWT_LEEWAY_S = 60,        /* clocks of issuer and node may differ by this much */
    GS_JWT_KEYS_MAX = 16,
    GS_JWT_KID_MAX = 64, /* bytes of a key's id */
    GS_JWT_ID_MAX = 128  /* bytes of a token's own id, `jti` */
};

enum gs_jwt_algorithm { GS_JWT_HS256 = 1, GS_JWT_EDDSA = 2 };

struct gs_jwt_key {
    enum gs_jwt_algorithm algorithm;
    struct gs_slice
        bytes; /* HS256: the secret; EdDSA: the 32-byte public key, to mint the 64-byte secret key. Borrowed */
    struct gs_slice kid; /* its id; empty: it has none, and checks tokens of any id. Borrowed */
};

/* What a token must satisfy. */
struct gs_jwt_policy {
    uint32_t key_count;
    struct gs_jwt_key keys[GS_JWT_KEYS_MAX]; /* a token is good if one of them signed it; if it names a `kid`, one of
                                                that id or of none */
    const char *issuer;                      /* `iss` must be this; NULL: any, or none */
    const char *audience;                    /* `aud` must be or hold this; NULL: not looked at */
};

/* Checks a token at time `now_s` (seconds since 1970) and appends its claims, a canonical map, to `ret_claims`.
 * Checked are: form (exactly three parts, strict base64url without padding, no key twice), `alg`, absence of `crit`,
 * signature, `exp` (required), `nbf`, `iss`, `aud`. The claims are not even parsed before the signature holds.
 * GS_ESIGNATURE for every kind of bad token (who sent it learns nothing from the difference), GS_ENOMEM. After an error
 * `ret_claims` may hold part of a value. */
int gs_jwt_verify(const struct gs_jwt_policy *policy, struct gs_slice token, int64_t now_s,
                  struct gs_buffer *ret_claims);

struct gs_jwt_claims {
    const char *subject;
    const char *scope;             /* names with spaces between */
    const char *const *aggregates; /* patterns; NULL: no limit */
    uint32_t aggregate_count;
    const char *id;       /* `jti`, by which it can be revoked; or NULL */
    const char *issuer;   /* or NULL */
    const char *audience; /* or NULL */
    int64_t issued_s;
    int64_t not_before_s; /* 0: none */
    int64_t expires_s;
};

/* Appends a token with these claims, signed with the key (`kid` in its header, if the key has one). GS_EINVAL: the key
 * is of a wrong size, there is no subject, or the token would be larger than GS_JWT_TOKEN_MAX; GS_ENOMEM. */
int gs_jwt_mint(const struct gs_jwt_key *key, const struct gs_jwt_claims *claims, struct gs_buffer *ret_token);

#endif
