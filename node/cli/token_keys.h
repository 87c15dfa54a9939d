/* The keys that tokens are checked with, and the tokens that are refused all the same, from the files that the
 * configuration names: read at the start, and again on SIGHUP. */
#ifndef GS_NODE_CLI_TOKEN_KEYS_H
#define GS_NODE_CLI_TOKEN_KEYS_H

#include "node/auth/auth.h"
#include "node/serve/config.h"

struct gs_token_keys {
    struct gs_arena arena; /* holds what `auth` points to */
    struct gs_auth_config auth;
    struct gs_jwt_key keys[GS_JWT_KEYS_MAX];
};

/* GS_EIO, GS_EINVAL, GS_ENOMEM, with the file in the detail; close it in any case. */
int gs_token_keys_read(const struct gs_serve_config *config, struct gs_token_keys *ret_keys,
                       struct gs_problem *problem);
/* Overwrites the secrets. */
void gs_token_keys_close(struct gs_token_keys *keys);

#endif
