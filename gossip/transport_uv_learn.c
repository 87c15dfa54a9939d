/* Addresses that members say of themselves. */
#include "gossip/transport_uv_internal.h"

#include <string.h>

static bool same_address(const struct gs_address *a, const struct gs_address *b) {
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool is_named(const struct gs_address *address, const char *const *addresses, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct gs_address named;
        struct gs_problem problem;
        if (gs_address_parse(addresses[i], false, &named, &problem) == 0 && same_address(&named, address)) {
            return true;
        }
    }
    return false;
}

static void forget_others(struct gs_transport *transport, const gs_public_key *key, const char *const *addresses,
                          uint32_t count) {
    for (uint32_t i = transport->seed_count; i-- > 0;) {
        struct gs_seed *seed = transport->seeds[i];
        if (seed->learned && memcmp(&seed->key, key, sizeof *key) == 0 && !is_named(&seed->address, addresses, count)) {
            gs_seed_remove(seed);
        }
    }
}

/* An operator's address, or learned of this key before. */
static bool is_known(const struct gs_transport *transport, const gs_public_key *key, const struct gs_address *address) {
    for (uint32_t i = 0; i < transport->seed_count; i++) {
        const struct gs_seed *seed = transport->seeds[i];
        if (same_address(&seed->address, address) && (!seed->learned || memcmp(&seed->key, key, sizeof *key) == 0)) {
            return true;
        }
    }
    return false;
}

int gs_transport_check_address(const char *text, struct gs_problem *problem) {
    struct gs_address address;
    return gs_address_parse(text, false, &address, problem);
}

int gs_transport_learn(struct gs_transport *transport, const gs_public_key *key, const char *const *addresses,
                       uint32_t count) {
    forget_others(transport, key, addresses, count);
    for (uint32_t i = 0; i < count && !transport->closing; i++) {
        struct gs_address address;
        struct gs_problem problem;
        if (gs_address_parse(addresses[i], false, &address, &problem) != 0 || is_known(transport, key, &address)) {
            continue;
        }
        if (transport->seed_count >= GS_TRANSPORT_SEEDS_MAX) {
            return GS_ETOOBIG;
        }
        if (gs_seed_new(transport, &address, key) == NULL) {
            return GS_ENOMEM;
        }
    }
    return 0;
}
