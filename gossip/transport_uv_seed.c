/* Addresses that are dialed and kept dialed: an operator's, and those that members say of themselves. An operator's
 * address that leads to a key is preferred to what that key's record says: there may be a reason for it (a tunnel, a
 * proxy). */
#include "gossip/transport_uv_internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* A name that is being resolved. It outlives its seed when the transport closes: a look-up cannot be stopped once a
 * thread of libuv's pool works on it. */
struct gs_lookup {
    uv_getaddrinfo_t request;
    struct gs_seed *seed; /* NULL: nobody waits any more */
};

static void on_timer(uv_timer_t *timer);

/* Half of the back-off to all of it, so that peers that lost each other together do not dial together. */
static void arm(struct gs_seed *seed, uint32_t backoff_ms) {
    uint32_t delay_ms = backoff_ms / 2 + randombytes_uniform(backoff_ms / 2 + 1);
    if (!seed->transport->closing) {
        (void)uv_timer_start(&seed->timer, on_timer, delay_ms, 0);
    }
}

static void retry_later(struct gs_seed *seed) {
    arm(seed, seed->backoff_ms);
    seed->backoff_ms = seed->backoff_ms < GS_SEED_BACKOFF_MAX_MS / 2 ? seed->backoff_ms * 2 : GS_SEED_BACKOFF_MAX_MS;
}

static void on_connected(uv_connect_t *request, int status) {
    struct gs_connection *connection = request->data;
    if (connection->state != GS_DIALING) {
        return;
    }
    if (status != 0) {
        gs_connection_close(connection, GS_ECLOSED);
        return;
    }
    gs_connection_begin(connection);
}

static void dial(struct gs_seed *seed, const struct sockaddr *address) {
    struct gs_connection *connection = gs_connection_new(seed->transport, seed);
    if (connection == NULL) {
        retry_later(seed);
        return;
    }
    seed->connection = connection;
    seed->transport->stats.dialed++;
    connection->connect.data = connection;
    if (uv_tcp_connect(&connection->connect, &connection->tcp, address, on_connected) != 0) {
        gs_connection_close(connection, GS_ECLOSED);
    }
}

/* A name with several addresses: another one at each attempt. */
static const struct addrinfo *pick(const struct addrinfo *list, uint32_t attempt) {
    uint32_t count = 0;
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        count++;
    }
    const struct addrinfo *picked = list;
    for (uint32_t i = count > 0 ? attempt % count : 0; i > 0; i--) {
        picked = picked->ai_next;
    }
    return picked;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
    struct gs_lookup *lookup = request->data;
    struct gs_seed *seed = lookup->seed;
    if (seed != NULL) {
        const struct addrinfo *address = status == 0 ? pick(list, seed->attempts) : NULL;
        seed->lookup = NULL;
        if (address != NULL) {
            dial(seed, address->ai_addr);
        } else {
            retry_later(seed);
        }
    }
    uv_freeaddrinfo(list);
    free(lookup);
}

static void resolve(struct gs_seed *seed) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[6];
    struct gs_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        retry_later(seed);
        return;
    }
    size_t at = sizeof port - 1;
    uint16_t rest = seed->address.port;
    port[at] = 0;
    do {
        port[--at] = (char)('0' + rest % 10);
        rest = (uint16_t)(rest / 10);
    } while (rest > 0 && at > 0);
    lookup->seed = seed;
    lookup->request.data = lookup;
    if (uv_getaddrinfo(seed->transport->config.loop, &lookup->request, on_resolved, seed->address.host, port + at,
                       &hints) != 0) {
        free(lookup);
        retry_later(seed);
        return;
    }
    seed->lookup = lookup;
}

/* True if an operator's address leads to the key of this learned one. */
static bool is_spare(const struct gs_seed *seed) {
    const struct gs_transport *transport = seed->transport;
    for (uint32_t i = 0; seed->learned && i < transport->seed_count; i++) {
        const struct gs_seed *other = transport->seeds[i];
        if (!other->learned && other->key_known && memcmp(&other->key, &seed->key, sizeof seed->key) == 0) {
            return true;
        }
    }
    return false;
}

static void on_timer(uv_timer_t *timer) {
    struct gs_seed *seed = timer->data;
    struct sockaddr_storage address;
    if (seed->transport->closing || seed->connection != NULL || seed->lookup != NULL) {
        return;
    }
    if (is_spare(seed) || (seed->key_known && gs_connection_find_key(seed->transport, &seed->key) != NULL)) {
        arm(seed, GS_SEED_BACKOFF_MAX_MS); /* linked already; another region may answer here one day */
        return;
    }
    seed->attempts++;
    if (gs_address_numeric(&seed->address, &address)) {
        dial(seed, (const struct sockaddr *)&address);
    } else {
        resolve(seed);
    }
}

struct gs_seed *gs_seed_new(struct gs_transport *transport, const struct gs_address *address,
                            const gs_public_key *key) {
    struct gs_seed *seed = calloc(1, sizeof *seed);
    if (seed == NULL) {
        return NULL;
    }
    seed->transport = transport;
    seed->address = *address;
    seed->backoff_ms = GS_SEED_BACKOFF_MIN_MS;
    (void)uv_timer_init(transport->config.loop, &seed->timer);
    seed->timer.data = seed;
    transport->seeds[transport->seed_count++] = seed;
    transport->parts_open++;
    if (key != NULL) {
        seed->learned = seed->key_known = true;
        seed->key = *key;
        gs_seed_begin_learned(seed);
    } else {
        (void)uv_timer_start(&seed->timer, on_timer, 0, 0);
    }
    return seed;
}

void gs_seed_begin_learned(struct gs_seed *seed) {
    uint32_t backoff_ms = GS_SEED_BACKOFF_MIN_MS;
    for (uint32_t i = 0; i < seed->transport->seed_count; i++) {
        const struct gs_seed *other = seed->transport->seeds[i];
        if (!other->learned && !other->key_known) {
            backoff_ms = GS_SEED_LEARNED_MS; /* it may lead to the same key, and goes first */
        }
    }
    arm(seed, backoff_ms);
}

void gs_seed_lost(struct gs_seed *seed, const struct gs_connection *connection) {
    seed->connection = NULL;
    if (seed->wrong) {
        gs_seed_remove(seed);
        return;
    }
    if (connection->link != NULL && gs_link_met_itself(connection->link)) {
        arm(seed, GS_SEED_SELF_MS);
        return;
    }
    /* Coming up is not enough to start afresh: a peer that does not trust us lets us come up, then closes. */
    if (connection->heard) {
        seed->backoff_ms = GS_SEED_BACKOFF_MIN_MS;
    }
    retry_later(seed);
}

void gs_seed_wake(struct gs_transport *transport, const gs_public_key *key) {
    for (uint32_t i = 0; i < transport->seed_count; i++) {
        struct gs_seed *seed = transport->seeds[i];
        if (seed->connection == NULL && seed->lookup == NULL && seed->key_known &&
            memcmp(&seed->key, key, sizeof *key) == 0) {
            arm(seed, seed->backoff_ms);
        }
    }
}

static void on_seed_closed(uv_handle_t *handle) {
    struct gs_seed *seed = handle->data;
    struct gs_transport *transport = seed->transport;
    free(seed);
    gs_transport_part_closed(transport);
}

void gs_seed_remove(struct gs_seed *seed) {
    struct gs_transport *transport = seed->transport;
    struct gs_connection *connection = seed->connection;
    for (uint32_t i = 0; i < transport->seed_count; i++) {
        if (transport->seeds[i] == seed) {
            transport->seeds[i] = transport->seeds[--transport->seed_count];
            break;
        }
    }
    gs_seed_close(seed);
    if (connection != NULL && (connection->state == GS_DIALING || connection->state == GS_HALF_OPEN)) {
        connection->quiet = true;
        gs_connection_close(connection, GS_ESHUTDOWN);
    }
}

void gs_seed_close(struct gs_seed *seed) {
    if (seed->lookup != NULL) {
        seed->lookup->seed = NULL;
        (void)uv_cancel((uv_req_t *)&seed->lookup->request);
        seed->lookup = NULL;
    }
    if (seed->connection != NULL) {
        seed->connection->seed = NULL;
        seed->connection = NULL;
    }
    uv_close((uv_handle_t *)&seed->timer, on_seed_closed);
}
