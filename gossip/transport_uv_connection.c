/* One TCP connection and the link in it. */
#include "gossip/transport_uv_internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct gs_connection *gs_connection_find(const struct gs_transport *transport, uint64_t id) {
    for (struct gs_connection *c = transport->oldest; c != NULL; c = c->newer) {
        if (c->id == id) {
            return c->state == GS_UP ? c : NULL;
        }
    }
    return NULL;
}

struct gs_connection *gs_connection_find_key(const struct gs_transport *transport, const gs_public_key *key) {
    for (struct gs_connection *c = transport->oldest; c != NULL; c = c->newer) {
        if (c->state == GS_UP && memcmp(&c->key, key, sizeof *key) == 0) {
            return c;
        }
    }
    return NULL;
}

/* Calls peer_down once; only from the loop. */
static void report_down(struct gs_connection *connection, int error) {
    struct gs_transport *transport = connection->transport;
    if (!connection->reported) {
        return;
    }
    connection->reported = false;
    gs_seed_wake(transport, &connection->key);
    transport->config.callbacks.peer_down(transport->config.context, connection->id, error);
}

static void unlink_from_list(struct gs_connection *connection) {
    struct gs_transport *transport = connection->transport;
    *(connection->older != NULL ? &connection->older->newer : &transport->oldest) = connection->newer;
    *(connection->newer != NULL ? &connection->newer->older : &transport->newest) = connection->older;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct gs_connection *connection = handle->data;
    struct gs_transport *transport = connection->transport;
    if (--connection->handles_open > 0) {
        return;
    }
    unlink_from_list(connection);
    if (connection->seed != NULL) {
        gs_seed_lost(connection->seed, connection);
    }
    report_down(connection, connection->down_error);
    gs_connection_drop_queue(connection);
    gs_link_free(connection->link);
    free(connection);
    gs_transport_part_closed(transport);
}

void gs_connection_close(struct gs_connection *connection, int error) {
    if (connection->state == GS_CLOSING) {
        return;
    }
    if (connection->state == GS_HALF_OPEN && !connection->quiet) {
        connection->transport->stats.handshake_failed++;
    }
    if (connection->state != GS_LINGER) {
        connection->down_error = error;
    }
    connection->state = GS_CLOSING;
    uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
}

static void on_timer(uv_timer_t *timer) {
    gs_connection_close(timer->data, GS_ECLOSED);
}

struct gs_connection *gs_connection_new(struct gs_transport *transport, struct gs_seed *seed) {
    struct gs_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return NULL;
    }
    connection->transport = transport;
    connection->seed = seed;
    connection->dialed = seed != NULL;
    connection->id = ++transport->next_id;
    connection->state = seed != NULL ? GS_DIALING : GS_HALF_OPEN;
    (void)uv_tcp_init(transport->config.loop, &connection->tcp); /* without a socket yet: cannot fail */
    (void)uv_timer_init(transport->config.loop, &connection->timer);
    connection->tcp.data = connection;
    connection->timer.data = connection;
    connection->handles_open = 2;
    connection->older = transport->newest;
    *(transport->newest != NULL ? &transport->newest->newer : &transport->oldest) = connection;
    transport->newest = connection;
    transport->parts_open++;
    (void)uv_timer_start(&connection->timer, on_timer, transport->config.handshake_timeout_ms, 0);
    return connection;
}

struct write {
    uv_write_t request;
    struct gs_buffer bytes; /* owned */
};

static void on_written(uv_write_t *request, int status) {
    struct write *write = request->data;
    struct gs_connection *connection = request->handle->data;
    if (status == 0) {
        connection->transport->stats.bytes_out += write->bytes.length;
    } else if (status != UV_ECANCELED) {
        gs_connection_close(connection, GS_ECLOSED);
    }
    gs_buffer_close(&write->bytes);
    free(write);
    if (connection->state == GS_UP) {
        gs_connection_pump(connection);
    }
}

void gs_connection_write(struct gs_connection *connection, struct gs_buffer *bytes) {
    if (bytes->failed != 0 || bytes->length == 0) {
        if (bytes->failed != 0) {
            gs_connection_close(connection, GS_ENOMEM);
        }
        gs_buffer_close(bytes);
        return;
    }
    struct write *write = calloc(1, sizeof *write);
    if (write == NULL) {
        gs_buffer_close(bytes);
        gs_connection_close(connection, GS_ENOMEM);
        return;
    }
    write->bytes = *bytes;
    write->request.data = write;
    *bytes = (struct gs_buffer){.length = 0};
    uv_buf_t run = uv_buf_init((char *)write->bytes.bytes, (unsigned)write->bytes.length);
    if (uv_write(&write->request, (uv_stream_t *)&connection->tcp, &run, 1, on_written) != 0) {
        gs_buffer_close(&write->bytes);
        free(write);
        gs_connection_close(connection, GS_ECLOSED);
    }
}

static void on_shut_down(uv_shutdown_t *request, int status) {
    (void)request; /* the peer closes when it has read the goodbye; the timer is for one that does not */
    (void)status;
}

void gs_connection_goodbye(struct gs_connection *connection, int error) {
    struct gs_buffer out = {.length = 0};
    if (connection->state == GS_LINGER || connection->state == GS_CLOSING) {
        return;
    }
    connection->down_error = error;
    connection->state = GS_LINGER;
    gs_connection_flush(connection, &out);
    (void)gs_link_goodbye(connection->link, &out);
    gs_connection_write(connection, &out);
    if (connection->state != GS_LINGER) {
        return;
    }
    /* Input is still read, and dropped: closing on unread bytes would reset the connection under the goodbye. */
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shut_down) != 0) {
        gs_connection_close(connection, error);
        return;
    }
    (void)uv_timer_start(&connection->timer, on_timer, GS_CONNECTION_LINGER_MS, 0);
}

/* A link that crossed with ours: the lower key's dial stays. Past two handshake time-outs nothing can still be crossing
 * in flight: a peer that dials then has lost its side of the old link. */
static bool keep_older(const struct gs_connection *older) {
    const struct gs_transport *transport = older->transport;
    uint64_t age_ms = uv_now(transport->config.loop) - older->up_ms;
    return age_ms < 2 * (uint64_t)transport->config.handshake_timeout_ms &&
           memcmp(&transport->config.keys->public_key, &older->key, sizeof older->key) < 0;
}

/* One link a key: false when `connection` is not the one to keep, or was closed meanwhile. A dialer that finds its peer
 * linked gives up before its proof is sent, so the other side never hears of it; hence an accepted link that reaches us
 * is one that the peer wants, unless it crossed with one that we dialed. */
static bool settle_duplicates(struct gs_connection *connection, struct gs_buffer *out) {
    struct gs_transport *transport = connection->transport;
    struct gs_connection *older = gs_connection_find_key(transport, &connection->key);
    if (older != NULL && connection->dialed) {
        connection->quiet = true;
        gs_connection_close(connection, GS_EBUSY);
        return false;
    }
    if (older != NULL && older->dialed && keep_older(older)) {
        gs_connection_write(connection, out);
        gs_connection_goodbye(connection, GS_EBUSY);
        return false;
    }
    if (older != NULL) {
        report_down(older, GS_EBUSY);
        gs_connection_goodbye(older, GS_EBUSY);
    }
    /* One that lingers is down for good; it is said now, before the next one is up. A callback may close anything, so
     * the search begins anew after each. */
    struct gs_connection *c = transport->oldest;
    while (c != NULL) {
        bool pending = c->reported && c->state != GS_UP && memcmp(&c->key, &connection->key, sizeof c->key) == 0;
        if (pending) {
            report_down(c, c->down_error);
        }
        c = pending ? transport->oldest : c->newer;
    }
    return connection->state == GS_HALF_OPEN;
}

static void on_established(struct gs_connection *connection, const struct gs_link_event *event, struct gs_buffer *out) {
    struct gs_transport *transport = connection->transport;
    connection->key = event->key;
    if (connection->seed != NULL && connection->seed->learned &&
        memcmp(&connection->seed->key, &event->key, sizeof event->key) != 0) {
        connection->seed->wrong = true;
        connection->quiet = true;
        gs_connection_close(connection, GS_EUNTRUSTED);
        return;
    }
    if (connection->seed != NULL) {
        connection->seed->key = event->key;
        connection->seed->key_known = true;
    }
    if (!settle_duplicates(connection, out)) {
        return;
    }
    connection->state = GS_UP;
    connection->up_ms = uv_now(transport->config.loop);
    (void)uv_timer_stop(&connection->timer);
    gs_connection_write(connection, out);
    if (connection->state != GS_UP) {
        return;
    }
    transport->stats.established++;
    connection->reported = true;
    transport->config.callbacks.peer_up(transport->config.context, connection->id, &connection->key, event->region);
}

static void on_link_error(struct gs_connection *connection, int error) {
    if (connection->state == GS_UP && error == GS_EFORMAT) {
        connection->transport->stats.closed_bad_frame++;
    }
    connection->quiet = connection->dialed && gs_link_met_itself(connection->link);
    gs_connection_close(connection, error);
    report_down(connection, error);
}

static void on_event(struct gs_connection *connection, const struct gs_link_event *event, struct gs_buffer *out) {
    struct gs_transport *transport = connection->transport;
    switch (event->kind) {
    case GS_LINK_NOTHING:
        gs_connection_write(connection, out);
        break;
    case GS_LINK_ESTABLISHED:
        on_established(connection, event, out);
        break;
    case GS_LINK_MESSAGE:
        connection->heard = true;
        transport->config.callbacks.message(transport->config.context, connection->id, event->message);
        break;
    case GS_LINK_GOODBYE:
        gs_connection_close(connection, 0);
        report_down(connection, 0);
        break;
    }
}

static void on_bytes(struct gs_connection *connection, struct gs_slice input) {
    struct gs_link_event event = {.kind = GS_LINK_MESSAGE};
    /* A callback may end the connection; its memory stays until the close callback. */
    while (event.kind != GS_LINK_NOTHING && (connection->state == GS_HALF_OPEN || connection->state == GS_UP)) {
        struct gs_buffer out = {.length = 0};
        int status = gs_link_receive(connection->link, &input, &out, &event);
        if (status != 0) {
            gs_buffer_close(&out);
            on_link_error(connection, status);
            return;
        }
        on_event(connection, &event, &out);
        gs_buffer_close(&out);
    }
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer) {
    struct gs_connection *connection = handle->data;
    (void)suggested;
    *ret_buffer = uv_buf_init(connection->transport->read_buffer, GS_TRANSPORT_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct gs_connection *connection = stream->data;
    if (count > 0) {
        connection->transport->stats.bytes_in += (uint64_t)count;
        on_bytes(connection, gs_slice_make(buffer->base, (size_t)count));
    } else if (count < 0) {
        int error = gs_link_receive_end(connection->link);
        gs_connection_close(connection, error);
        report_down(connection, connection->down_error);
    }
}

void gs_connection_begin(struct gs_connection *connection) {
    struct gs_transport *transport = connection->transport;
    struct gs_link_config config = {.role = connection->dialed ? GS_LINK_INITIATOR : GS_LINK_RESPONDER,
                                    .keys = transport->config.keys,
                                    .trust = transport->config.trust,
                                    .cluster = transport->config.cluster};
    struct gs_buffer out = {.length = 0};
    connection->state = GS_HALF_OPEN;
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    gs_connection_limit_unsent(connection);
    randombytes_buf(config.seed, sizeof config.seed);
    int status = gs_link_new(&config, &out, &connection->link);
    sodium_memzero(&config, sizeof config);
    if (status != 0 || uv_read_start((uv_stream_t *)&connection->tcp, on_allocate, on_read) != 0) {
        gs_buffer_close(&out);
        gs_connection_close(connection, status != 0 ? status : GS_EIO);
        return;
    }
    gs_connection_write(connection, &out);
}
