/* Who a client is, and what it may do.
 *
 * A principal is what a good token says: a subject, scopes, and (optionally) patterns that limit which aggregates it
 * may touch. Pure: time is an argument. */
#ifndef GS_NODE_AUTH_AUTH_H
#define GS_NODE_AUTH_AUTH_H

#include "node/auth/deny_list.h"
#include "node/auth/jwt.h"

enum gs_scope {
    GS_SCOPE_STATE_READ = 1 << 0,
    GS_SCOPE_STATE_WRITE = 1 << 1,
    GS_SCOPE_EVENTS_READ = 1 << 2,
    GS_SCOPE_EVENTS_WRITE = 1 << 3,
    GS_SCOPE_SYNC_READ = 1 << 4,
    GS_SCOPE_SYNC_WRITE = 1 << 5,
    GS_SCOPE_AUDIT_READ = 1 << 6,
    GS_SCOPE_ADMIN = 1 << 7, /* implies all others */
    GS_SCOPE_ALL = (1 << 8) - 1
};

enum {
    GS_SUBJECT_MAX = 256,            /* bytes of a subject: what an event's actor holds */
    GS_AGGREGATE_PATTERNS_MAX = 64,  /* in one token */
    GS_AGGREGATE_PATTERN_BYTES = 257 /* "type/id" */
};

/* "state:read" → its bit; 0 for a name that is not known. "admin" gives GS_SCOPE_ALL. */
uint32_t gs_scope_parse(const char *name, size_t length);
/* Bits of a list with spaces between; unknown names are skipped (they may be another service's), or reported in
 * `ret_unknown` (the first one; NULL: not wanted). */
uint32_t gs_scopes_parse(struct gs_slice list, struct gs_slice *ret_unknown);
/* Name of a single scope; "?" for anything else. Static storage. */
const char *gs_scope_name(uint32_t scope);

/* Zero-initialise; gs_principal_close frees. */
struct gs_principal {
    struct gs_arena arena; /* holds what follows */
    struct gs_slice subject;
    uint32_t scopes;
    int64_t expires_s; /* with leeway: at this second it is no longer good */
    bool limited;      /* only aggregates that match a pattern */
    uint32_t pattern_count;
    struct gs_slice *patterns;
};

void gs_principal_close(struct gs_principal *principal);

/* Is one of the scopes `any_of` given? */
bool gs_principal_has(const struct gs_principal *principal, uint32_t any_of);
/* May the aggregate be touched at all? */
bool gs_principal_covers(const struct gs_principal *principal, struct gs_slice type, struct gs_slice id);
/* May every aggregate of the type be touched? (Lists, feeds.) */
bool gs_principal_covers_type(const struct gs_principal *principal, struct gs_slice type);

/* Patterns are "type/id", in both of which "*" stands for any run of bytes: see the README for examples.
 * "*" alone is everything. */
bool gs_pattern_valid(struct gs_slice pattern);
bool gs_pattern_matches(struct gs_slice pattern, struct gs_slice type, struct gs_slice id);

struct gs_auth_config {
    struct gs_slice secret;        /* HS256; empty: none */
    struct gs_slice public_key;    /* Ed25519, 32 bytes; empty: none */
    const struct gs_jwt_key *keys; /* more, with their ids */
    uint32_t key_count;
    struct gs_deny_list denied; /* tokens that are refused all the same */
    const char *issuer;         /* NULL: not checked */
    const char *audience;       /* NULL: not checked */
    bool off;                   /* GS_AUTH=off: everybody is "anonymous" with all scopes */
};

/* How this node tells who is who. Owned copies of the configuration. */
struct gs_auth {
    bool off;
    struct gs_arena arena;
    struct gs_jwt_policy policy;
    struct gs_deny_list denied;
};

/* Zero-initialise first. GS_EINVAL: no key although not off, or one of a wrong size; `problem->detail` says which.
 * GS_ENOMEM. */
int gs_auth_init(struct gs_auth *auth, const struct gs_auth_config *config, struct gs_problem *problem);
void gs_auth_close(struct gs_auth *auth);

/* The principal of a token, or, when auth is off, the anonymous one (the token is not looked at). GS_ESIGNATURE for
 * every kind of bad token, for one that is on the deny list, and for one without a usable `sub`, with a `jti` that is
 * not a string of at most GS_JWT_ID_MAX bytes, or with an `aggregates` that is not an array of patterns; GS_ENOMEM.
 * `ret_principal` is untouched on failure. */
int gs_auth_authenticate(const struct gs_auth *auth, struct gs_slice token, int64_t now_s,
                         struct gs_principal *ret_principal);

#endif
