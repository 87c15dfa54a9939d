/* The keys that tokens are checked with, which may be replaced while requests run.
 *
 * Whoever authenticates holds a shared lock for as long as that takes. Each replacement has a number, so that what was
 * decided with earlier keys is not believed any longer (session.h). */
#ifndef GS_NODE_HTTP_KEYRING_H
#define GS_NODE_HTTP_KEYRING_H

#include "node/auth/auth.h"

#include <pthread.h>
#include <stdatomic.h>

struct gs_http_keyring {
    pthread_rwlock_t lock;
    struct gs_auth auth;
    atomic_uint generation; /* of the keys; never 0 once there are any */
};

/* Zero-initialise first. GS_EINVAL, GS_ENOMEM as gs_auth_init. */
int gs_http_keyring_open(struct gs_http_keyring *keyring, const struct gs_auth_config *config,
                         struct gs_problem *problem);
void gs_http_keyring_close(struct gs_http_keyring *keyring);
/* Replaces the keys, or changes nothing and returns what gs_auth_init does. `off` stays as it is. */
int gs_http_keyring_replace(struct gs_http_keyring *keyring, const struct gs_auth_config *config,
                            struct gs_problem *problem);
/* gs_auth_authenticate with the present keys, whose number goes to `ret_generation`. */
int gs_http_keyring_authenticate(struct gs_http_keyring *keyring, struct gs_slice token, int64_t now_s,
                                 struct gs_principal *ret_principal, unsigned *ret_generation);

#endif
