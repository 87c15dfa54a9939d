/* What waits to be written to a link, by lane. Messages are sealed only when the socket is about to take them, a frame
 * at a time, so that a heartbeat or a fresh write passes the megabytes of history that wait on a slow link: between two
 * frames of them, and the kernel is given little ahead of what it can send. */
#include "gossip/transport_uv_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    AHEAD_BYTES = 64 * 1024 /* with libuv, and unsent in the kernel: on a link of 1 Mbit/s half a second each */
};

struct gs_outgoing {
    struct gs_outgoing *next;
    enum gs_lane lane;
    size_t length;
    size_t at; /* sealed so far */
    uint8_t bytes[];
};

void gs_connection_limit_unsent(struct gs_connection *connection) {
    uv_os_fd_t fd;
    int limit = AHEAD_BYTES;
    if (uv_fileno((uv_handle_t *)&connection->tcp, &fd) == 0) {
        /* Where a system lacks it, heartbeats wait for what its buffer holds: nothing else is at stake. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof limit);
    }
}

static size_t written_ahead(const struct gs_connection *connection) {
    return uv_stream_get_write_queue_size((const uv_stream_t *)&connection->tcp);
}

size_t gs_connection_queued(const struct gs_connection *connection) {
    return written_ahead(connection) + connection->waiting_bytes;
}

/* The first message of the lanes before `end`, or NULL. */
static struct gs_outgoing **first_before(struct gs_connection *connection, enum gs_lane end) {
    for (int lane = 0; lane < (int)end; lane++) {
        if (connection->lanes[lane].first != NULL) {
            return &connection->lanes[lane].first;
        }
    }
    return NULL;
}

static struct gs_outgoing *take(struct gs_outgoing **first) {
    struct gs_outgoing *message = *first;
    *first = message->next;
    return message;
}

static void done(struct gs_connection *connection, struct gs_outgoing *message) {
    connection->waiting_bytes -= message->length;
    free(message);
}

/* Seals the next frame: 1, 0 if nothing waits, or an error. */
static int seal_next(struct gs_connection *connection, struct gs_buffer *out) {
    struct gs_outgoing *current = connection->current;
    struct gs_outgoing **first = first_before(connection, current != NULL ? current->lane : GS_LANE_COUNT);
    int status;
    if (current != NULL && first != NULL && (*first)->length <= GS_LINK_BETWEEN_MAX) {
        status = gs_link_send_between(connection->link, (*first)->bytes, (*first)->length, out);
        if (status == 0) {
            done(connection, take(first));
        }
        return status == 0 ? 1 : status;
    }
    if (current == NULL) {
        if (first == NULL) {
            return 0;
        }
        current = connection->current = take(first);
    }
    status = gs_link_send_frame(connection->link, current->bytes, current->length, &current->at, out);
    if (status == 0 && current->at == current->length) {
        connection->current = NULL;
        done(connection, current);
    }
    return status == 0 ? 1 : status;
}

void gs_connection_pump(struct gs_connection *connection) {
    int status = 1;
    while (status == 1 && connection->state == GS_UP && written_ahead(connection) < AHEAD_BYTES) {
        struct gs_buffer out = {.length = 0};
        while (status == 1 && out.length < AHEAD_BYTES) {
            status = seal_next(connection, &out);
        }
        if (status < 0) {
            gs_buffer_close(&out);
            gs_connection_close(connection, status);
            return;
        }
        gs_connection_write(connection, &out);
    }
}

int gs_connection_send(struct gs_connection *connection, enum gs_lane lane, const void *bytes, size_t length) {
    bool idle = connection->waiting_bytes == 0 && connection->current == NULL;
    if (idle && length <= GS_LINK_BETWEEN_MAX && written_ahead(connection) < AHEAD_BYTES) {
        struct gs_buffer out = {.length = 0};
        int status = gs_link_send(connection->link, bytes, length, &out);
        if (status != 0) {
            gs_buffer_close(&out);
            return status;
        }
        gs_connection_write(connection, &out);
        return 0;
    }
    struct gs_outgoing *message = malloc(sizeof *message + length);
    if (message == NULL) {
        return GS_ENOMEM;
    }
    *message = (struct gs_outgoing){.lane = lane, .length = length};
    if (length > 0) {
        memcpy(message->bytes, bytes, length);
    }
    struct gs_lane_queue *queue = &connection->lanes[lane];
    *(queue->first != NULL ? &queue->last->next : &queue->first) = message;
    queue->last = message;
    connection->waiting_bytes += length;
    gs_connection_pump(connection);
    return 0;
}

void gs_connection_flush(struct gs_connection *connection, struct gs_buffer *out) {
    while (connection->link != NULL && seal_next(connection, out) == 1) {
    }
}

void gs_connection_drop_queue(struct gs_connection *connection) {
    struct gs_outgoing **first;
    free(connection->current);
    connection->current = NULL;
    while ((first = first_before(connection, GS_LANE_COUNT)) != NULL) {
        free(take(first));
    }
    connection->waiting_bytes = 0;
}
