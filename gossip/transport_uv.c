#include "gossip/transport_uv.h"

#include "gossip/message.h"
#include "gossip/transport_uv_internal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 511 };

static void on_handle_freed(uv_handle_t *handle) {
    free(handle);
}

/* A listener on this address, or libuv's error. A busy port shows only when listening begins. */
static int listener_open(struct gs_transport *transport, const struct sockaddr *address, uv_tcp_t **ret_listener) {
    uv_tcp_t *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        return UV_ENOMEM;
    }
    (void)uv_tcp_init(transport->config.loop, listener);
    listener->data = transport;
    int status = uv_tcp_bind(listener, address, 0);
    if (status == 0) {
        status = uv_listen((uv_stream_t *)listener, BACKLOG, gs_accept);
    }
    if (status != 0) {
        uv_close((uv_handle_t *)listener, on_handle_freed);
        return status;
    }
    *ret_listener = listener;
    return 0;
}

/* Listening on a name happens once, at the start; waiting for the resolver is fine there. */
static int listen_resolved(struct gs_transport *transport, const struct gs_address *address) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    uv_getaddrinfo_t request;
    struct sockaddr_storage target;
    int status = uv_getaddrinfo(transport->config.loop, &request, NULL, address->host, NULL, &hints);
    if (status != 0) {
        return status;
    }
    memset(&target, 0, sizeof target);
    memcpy(&target, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
    uint16_t port = (uint16_t)(address->port >> 8 | address->port << 8);
    if (target.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&target)->sin6_port = port;
    } else {
        ((struct sockaddr_in *)&target)->sin_port = port;
    }
    return listener_open(transport, (struct sockaddr *)&target, &transport->listener);
}

static int listen_on(struct gs_transport *transport, const struct gs_address *address) {
    struct sockaddr_storage target;
    struct gs_address any = {.port = address->port};
    if (address->host[0] != 0) {
        return gs_address_numeric(address, &target)
                   ? listener_open(transport, (struct sockaddr *)&target, &transport->listener)
                   : listen_resolved(transport, address);
    }
    memcpy(any.host, "::", sizeof "::"); /* takes IPv4, too */
    (void)gs_address_numeric(&any, &target);
    int status = listener_open(transport, (struct sockaddr *)&target, &transport->listener);
    if (status == 0 || status == UV_EADDRINUSE) {
        return status;
    }
    memcpy(any.host, "0.0.0.0", sizeof "0.0.0.0"); /* a machine without IPv6 */
    (void)gs_address_numeric(&any, &target);
    return listener_open(transport, (struct sockaddr *)&target, &transport->listener);
}

static int start_listening(struct gs_transport *transport, const char *text, struct gs_problem *problem) {
    struct gs_address address;
    struct sockaddr_storage bound;
    int length = (int)sizeof bound;
    int status = gs_address_parse(text, true, &address, problem);
    if (status != 0) {
        return status;
    }
    status = listen_on(transport, &address);
    if (status == UV_EADDRINUSE) {
        return gs_problem_set(problem, GS_EBUSY, text, "the address is in use by another program");
    }
    if (status != 0) {
        return gs_problem_set(problem, status == UV_ENOMEM ? GS_ENOMEM : GS_EIO, text, "cannot listen: %s",
                              uv_strerror(status));
    }
    memset(&bound, 0, sizeof bound);
    if (uv_tcp_getsockname(transport->listener, (struct sockaddr *)&bound, &length) == 0) {
        /* The port is at the same place in both kinds of address. */
        uint8_t port[2];
        memcpy(port, &((struct sockaddr_in *)&bound)->sin_port, sizeof port);
        transport->port = (uint16_t)(port[0] << 8 | port[1]);
    }
    transport->parts_open++;
    return 0;
}

int gs_transport_start(const struct gs_transport_config *config, struct gs_transport **ret_transport,
                       struct gs_problem *problem) {
    if (sodium_init() < 0) {
        return gs_problem_set(problem, GS_EIO, NULL, "libsodium does not start");
    }
    struct gs_transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "no memory for the transport");
    }
    transport->config = *config;
    if (config->queue_bytes_max == 0) {
        transport->config.queue_bytes_max = GS_TRANSPORT_QUEUE_BYTES;
    }
    if (config->handshake_timeout_ms == 0) {
        transport->config.handshake_timeout_ms = GS_TRANSPORT_HANDSHAKE_TIMEOUT_MS;
    }
    int status = config->listen != NULL ? start_listening(transport, config->listen, problem) : 0;
    if (status != 0) {
        free(transport);
        return status;
    }
    (void)uv_timer_init(config->loop, &transport->retry);
    transport->retry.data = transport;
    transport->parts_open++;
    for (uint32_t i = 0; i < config->seed_count && status == 0; i++) {
        status = gs_transport_add_seed(transport, config->seeds[i], problem);
    }
    transport->config.listen = NULL;
    transport->config.seeds = NULL;
    if (status != 0) {
        gs_transport_close(transport, NULL, NULL);
        return status;
    }
    *ret_transport = transport;
    return 0;
}

int gs_transport_add_seed(struct gs_transport *transport, const char *text, struct gs_problem *problem) {
    struct gs_address address;
    int status = gs_address_parse(text, false, &address, problem);
    if (status != 0) {
        return status;
    }
    for (uint32_t i = 0; i < transport->seed_count; i++) {
        const struct gs_address *known = &transport->seeds[i]->address;
        if (known->port == address.port && strcmp(known->host, address.host) == 0) {
            return 0;
        }
    }
    if (transport->seed_count >= GS_TRANSPORT_SEEDS_MAX) {
        return gs_problem_set(problem, GS_ETOOBIG, text, "at most %d addresses are dialed", GS_TRANSPORT_SEEDS_MAX);
    }
    return gs_seed_new(transport, &address, NULL) != NULL
               ? 0
               : gs_problem_set(problem, GS_ENOMEM, text, "no memory for another address");
}

void gs_transport_part_closed(struct gs_transport *transport) {
    if (--transport->parts_open > 0) {
        return;
    }
    void (*closed)(void *context) = transport->closed;
    void *context = transport->closed_context;
    free(transport);
    if (closed != NULL) {
        closed(context);
    }
}

static void on_listener_closed(uv_handle_t *handle) {
    struct gs_transport *transport = handle->data;
    free(handle);
    gs_transport_part_closed(transport);
}

static void on_retry_closed(uv_handle_t *handle) {
    gs_transport_part_closed(handle->data);
}

void gs_transport_close(struct gs_transport *transport, void (*closed)(void *context), void *context) {
    if (transport == NULL || transport->closing) {
        return;
    }
    transport->closing = true;
    transport->closed = closed;
    transport->closed_context = context;
    /* Nothing is freed in here, so the list stays as it is. */
    for (struct gs_connection *c = transport->oldest; c != NULL; c = c->newer) {
        if (c->state == GS_UP) {
            gs_connection_goodbye(c, GS_ESHUTDOWN);
        } else if (c->state != GS_LINGER) {
            c->quiet = true;
            gs_connection_close(c, GS_ESHUTDOWN);
        }
    }
    for (uint32_t i = 0; i < transport->seed_count; i++) {
        gs_seed_close(transport->seeds[i]);
    }
    transport->seed_count = 0;
    if (transport->listener != NULL) {
        uv_close((uv_handle_t *)transport->listener, on_listener_closed);
        transport->listener = NULL;
    }
    uv_close((uv_handle_t *)&transport->retry, on_retry_closed);
}

uint16_t gs_transport_port(const struct gs_transport *transport) {
    return transport->port;
}

int gs_transport_send(struct gs_transport *transport, uint64_t link_id, enum gs_lane lane, const void *bytes,
                      size_t length) {
    struct gs_connection *connection = gs_connection_find(transport, link_id);
    size_t room = transport->config.queue_bytes_max + (lane == GS_LANE_CONTROL ? GS_TRANSPORT_CONTROL_BYTES : 0);
    if (connection == NULL) {
        return GS_ENOTFOUND;
    }
    if (length > GS_MESSAGE_BYTES_MAX) {
        return GS_ETOOBIG;
    }
    if (gs_connection_queued(connection) + gs_link_sealed_size(length) > room) {
        return GS_EBUSY;
    }
    int status = gs_connection_send(connection, lane, bytes, length);
    return status != 0 ? status : connection->state == GS_UP ? 0 : GS_ENOTFOUND;
}

/* The address that the peer with this key is dialed at, or NULL. */
static const struct gs_address *dialed_address(const struct gs_transport *transport, const gs_public_key *key) {
    for (uint32_t i = 0; i < transport->seed_count; i++) {
        const struct gs_seed *seed = transport->seeds[i];
        if (seed->key_known && memcmp(&seed->key, key, sizeof *key) == 0) {
            return &seed->address;
        }
    }
    return NULL;
}

void gs_transport_address(const struct gs_transport *transport, uint64_t link_id,
                          char ret_address[GS_TRANSPORT_ADDRESS_MAX + 1]) {
    const struct gs_connection *connection = gs_connection_find(transport, link_id);
    ret_address[0] = '\0';
    if (connection == NULL) {
        return;
    }
    const struct gs_address *dialed = dialed_address(transport, &connection->key);
    if (dialed != NULL) {
        snprintf(ret_address, GS_TRANSPORT_ADDRESS_MAX + 1, "%s:%u", dialed->host, (unsigned)dialed->port);
        return;
    }
    struct sockaddr_storage peer;
    int length = sizeof peer;
    char host[INET6_ADDRSTRLEN] = "";
    if (uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&peer, &length) != 0) {
        return;
    }
    if (peer.ss_family == AF_INET6) {
        uv_ip6_name((const struct sockaddr_in6 *)&peer, host, sizeof host);
    } else {
        uv_ip4_name((const struct sockaddr_in *)&peer, host, sizeof host);
    }
    snprintf(ret_address, GS_TRANSPORT_ADDRESS_MAX + 1, "%s", host);
}

size_t gs_transport_queued(const struct gs_transport *transport, uint64_t link_id) {
    const struct gs_connection *connection = gs_connection_find(transport, link_id);
    return connection != NULL ? gs_connection_queued(connection) : 0;
}

int gs_transport_drop(struct gs_transport *transport, uint64_t link_id) {
    struct gs_connection *connection = gs_connection_find(transport, link_id);
    if (connection == NULL) {
        return GS_ENOTFOUND;
    }
    gs_connection_goodbye(connection, GS_ESHUTDOWN);
    return 0;
}

void gs_transport_set_trust(struct gs_transport *transport, const struct gs_trust *trust) {
    transport->config.trust = trust;
    for (struct gs_connection *c = transport->oldest; c != NULL; c = c->newer) {
        if (c->link != NULL && gs_link_set_trust(c->link, trust) != 0 && c->state == GS_UP) {
            gs_connection_goodbye(c, GS_EUNTRUSTED);
        }
    }
}

void gs_transport_stats_read(const struct gs_transport *transport, struct gs_transport_stats *ret_stats) {
    *ret_stats = transport->stats;
}
