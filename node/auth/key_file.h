/* Files of token keys: several keys by id, so that they can be changed one after the other.
 *
 *     # KID ALGORITHM KEY
 *     2026-01 HS256 c2VjcmV0IG9mIDMyIGJ5dGVzIG9yIG1vcmUsIGJhc2U2NA==
 *     login   EdDSA GyRIAbyIXJ3nTUHdFzS0mKTyzkNZ3ba8LK0jfb5VfF0=
 *
 * A key is base64: of 32 to 1024 bytes for HS256, of the 32 bytes of an Ed25519 public key for EdDSA. To change keys:
 * add the new one everywhere, let issuers use it, take the old one out when its last token has expired. Pure. */
#ifndef GS_NODE_AUTH_KEY_FILE_H
#define GS_NODE_AUTH_KEY_FILE_H

#include "node/auth/jwt.h"

/* Reads a file's text. `ret_keys` has room for GS_JWT_KEYS_MAX; their bytes live in `arena`. GS_EINVAL with the line in
 * `problem->detail` (also for no key at all, two of one id, too many), GS_ENOMEM. */
int gs_jwt_keys_parse(const char *text, size_t length, struct gs_arena *arena, struct gs_jwt_key *ret_keys,
                      uint32_t *ret_count, struct gs_problem *problem);

#endif
