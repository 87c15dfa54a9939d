#include "node/http/keyring.h"

int gs_http_keyring_open(struct gs_http_keyring *keyring, const struct gs_auth_config *config,
                         struct gs_problem *problem) {
    int error = gs_auth_init(&keyring->auth, config, problem);
    if (error == 0) {
        pthread_rwlock_init(&keyring->lock, NULL);
        atomic_store(&keyring->generation, 1);
    }
    return error;
}

void gs_http_keyring_close(struct gs_http_keyring *keyring) {
    if (atomic_load(&keyring->generation) != 0) {
        pthread_rwlock_destroy(&keyring->lock);
        gs_auth_close(&keyring->auth);
    }
}

int gs_http_keyring_replace(struct gs_http_keyring *keyring, const struct gs_auth_config *config,
                            struct gs_problem *problem) {
    struct gs_auth fresh = {0};
    int error = config->off != keyring->auth.off
                    ? gs_problem_set(problem, GS_EINVAL, NULL, "authentication is switched by a restart only")
                    : gs_auth_init(&fresh, config, problem);
    if (error != 0) {
        return error;
    }
    pthread_rwlock_wrlock(&keyring->lock);
    struct gs_auth old = keyring->auth;
    keyring->auth = fresh;
    atomic_fetch_add(&keyring->generation, 1);
    pthread_rwlock_unlock(&keyring->lock);
    gs_auth_close(&old);
    return 0;
}

int gs_http_keyring_authenticate(struct gs_http_keyring *keyring, struct gs_slice token, int64_t now_s,
                                 struct gs_principal *ret_principal, unsigned *ret_generation) {
    pthread_rwlock_rdlock(&keyring->lock);
    int error = gs_auth_authenticate(&keyring->auth, token, now_s, ret_principal);
    *ret_generation = atomic_load(&keyring->generation);
    pthread_rwlock_unlock(&keyring->lock);
    return error;
}
