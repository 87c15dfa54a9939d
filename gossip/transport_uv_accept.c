/* Taking connections, and the caps on those that are not established yet. */
#include "gossip/transport_uv_internal.h"

#include <string.h>

/* At a cap the oldest half-open connection goes, not the new one: whoever holds connections open without proving
 * anything cannot keep a real peer out, whose handshake takes two round trips. */
static void make_room(struct gs_transport *transport, const struct gs_connection *fresh) {
    struct gs_connection *oldest = NULL;
    struct gs_connection *oldest_of_group = NULL;
    uint32_t count = 0;
    uint32_t count_of_group = 0;
    for (struct gs_connection *c = transport->oldest; c != NULL; c = c->newer) {
        if (c->dialed || c->state != GS_HALF_OPEN || c == fresh) {
            continue;
        }
        count++;
        oldest = oldest != NULL ? oldest : c;
        if (memcmp(c->group, fresh->group, sizeof c->group) == 0) {
            count_of_group++;
            oldest_of_group = oldest_of_group != NULL ? oldest_of_group : c;
        }
    }
    struct gs_connection *victim = count_of_group >= GS_TRANSPORT_HALF_OPEN_ADDRESS_MAX ? oldest_of_group
                                   : count >= GS_TRANSPORT_HALF_OPEN_MAX                ? oldest
                                                                                        : NULL;
    if (victim != NULL) {
        transport->stats.half_open_capped++;
        gs_connection_close(victim, GS_EHANDSHAKE);
    }
}

static void on_retry(uv_timer_t *timer) {
    struct gs_transport *transport = timer->data;
    gs_accept((uv_stream_t *)transport->listener, 0);
}

void gs_accept(uv_stream_t *listener, int status) {
    struct gs_transport *transport = listener->data;
    if (status != 0 || transport->closing) {
        return;
    }
    struct gs_connection *connection = gs_connection_new(transport, NULL);
    if (connection == NULL) {
        /* libuv listens on only after the waiting connection is taken. */
        (void)uv_timer_start(&transport->retry, on_retry, GS_TRANSPORT_ACCEPT_RETRY_MS, 0);
        return;
    }
    struct sockaddr_storage peer;
    int length = (int)sizeof peer;
    memset(&peer, 0, sizeof peer);
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0) {
        connection->quiet = true;
        gs_connection_close(connection, GS_EIO);
        return;
    }
    transport->stats.accepted++;
    if (uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&peer, &length) != 0) {
        gs_connection_close(connection, GS_ECLOSED);
        return;
    }
    gs_address_group(&peer, connection->group);
    make_room(transport, connection);
    gs_connection_begin(connection);
}
