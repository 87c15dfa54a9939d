#include "node/http/connections.h"

#include "node/http/sockets.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    IDLE_LEAST_MS = 1000, /* who was heard of since then is let be, as long as there are others */
    PATIENCE = 4,         /* turns: if there are too many for so long, and none is idle so long, any that is not busy */
    SILENT_MAX = 4096
};

struct known {
    struct in_addr address;
    in_port_t port;
    bool busy;
};

struct candidate {
    int descriptor;
    uint32_t idle_ms;
};

struct relief {
    struct known *known; /* sorted by address and port */
    size_t known_count;
    struct candidate *candidates;
    size_t count, capacity;
};

void gs_connections_open(struct gs_connections *connections, uint32_t threads) {
    pthread_mutex_init(&connections->lock, NULL);
    connections->list.next = connections->list.previous = &connections->list;
    connections->most = threads - gs_connections_reserve(threads);
}

void gs_connections_close(struct gs_connections *connections) {
    pthread_mutex_destroy(&connections->lock);
}

bool gs_connections_add(struct gs_connections *connections, struct gs_http_connection *connection) {
    atomic_init(&connection->busy, false);
    pthread_mutex_lock(&connections->lock);
    connection->next = connections->list.next;
    connection->previous = &connections->list;
    connection->next->previous = connection;
    connections->list.next = connection;
    pthread_mutex_unlock(&connections->lock);
    return atomic_fetch_add(&connections->count, 1) + 1 > connections->most;
}

void gs_connections_remove(struct gs_connections *connections, struct gs_http_connection *connection) {
    pthread_mutex_lock(&connections->lock);
    connection->next->previous = connection->previous;
    connection->previous->next = connection->next;
    pthread_mutex_unlock(&connections->lock);
    atomic_fetch_sub(&connections->count, 1);
}

void gs_connections_begin(struct gs_http_connection *connection, const struct mg_request_info *info) {
    if (connection->port == 0) {
        (void)inet_pton(AF_INET, info->remote_addr, &connection->address);
        connection->port = htons((uint16_t)info->remote_port);
    }
    atomic_store(&connection->busy, true);
}

void gs_connections_end(struct gs_http_connection *connection) {
    atomic_store(&connection->busy, false);
}

static int compare_known(const void *a, const void *b) {
    const struct known *left = a;
    const struct known *right = b;
    if (left->address.s_addr != right->address.s_addr) {
        return left->address.s_addr < right->address.s_addr ? -1 : 1;
    }
    return (left->port > right->port) - (left->port < right->port);
}

static int compare_candidates(const void *a, const void *b) {
    const struct candidate *left = a;
    const struct candidate *right = b;
    return (left->idle_ms < right->idle_ms) - (left->idle_ms > right->idle_ms); /* the longest first */
}

/* All connections that are in the middle of a request. False when out of memory. */
static bool list_known(struct gs_connections *connections, struct relief *relief) {
    size_t capacity = atomic_load(&connections->count) + 64;
    relief->known = calloc(capacity, sizeof *relief->known);
    relief->candidates = calloc(capacity + SILENT_MAX, sizeof *relief->candidates);
    relief->capacity = capacity + SILENT_MAX;
    if (relief->known == NULL || relief->candidates == NULL) {
        return false;
    }
    pthread_mutex_lock(&connections->lock);
    for (const struct gs_http_connection *one = connections->list.next;
         one != &connections->list && relief->known_count < capacity; one = one->next) {
        bool busy = atomic_load(&((struct gs_http_connection *)(uintptr_t)one)->busy);
        if (busy) {
            relief->known[relief->known_count++] =
                (struct known){.address = one->address, .port = one->port, .busy = busy};
        }
    }
    pthread_mutex_unlock(&connections->lock);
    qsort(relief->known, relief->known_count, sizeof *relief->known, compare_known);
    return true;
}

/* One socket of the server: is it idle? Since when is the kernel's to say: data or, before there was any, the beginning
 * of the connection. */
static void look(void *context, int descriptor, const struct sockaddr_in *peer) {
    struct relief *relief = context;
    struct known wanted = {.address = peer->sin_addr, .port = peer->sin_port};
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int waiting = 0;
    if (bsearch(&wanted, relief->known, relief->known_count, sizeof *relief->known, compare_known) == NULL &&
        relief->count < relief->capacity && ioctl(descriptor, FIONREAD, &waiting) == 0 && waiting == 0 &&
        getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
        relief->candidates[relief->count++] =
            (struct candidate){.descriptor = descriptor, .idle_ms = info.tcpi_last_data_recv};
    }
}

static void end_idle(struct gs_connections *connections, struct relief *relief, size_t wanted) {
    qsort(relief->candidates, relief->count, sizeof *relief->candidates, compare_candidates);
    size_t ended = 0;
    for (; ended < wanted && ended < relief->count; ended++) {
        if (relief->candidates[ended].idle_ms < IDLE_LEAST_MS && connections->turns < PATIENCE) {
            break;
        }
        shutdown(relief->candidates[ended].descriptor, SHUT_RD);
    }
    connections->turns = ended == wanted ? 0 : connections->turns + 1;
    atomic_fetch_add(&connections->ended, ended);
}

void gs_connections_relieve(struct gs_connections *connections) {
    uint32_t count = atomic_load(&connections->count);
    if (count <= connections->most) {
        connections->turns = 0;
        return;
    }
    struct relief relief = {0};
    if (list_known(connections, &relief)) {
        gs_sockets_visit((uint16_t)atomic_load(&connections->server_port), look, &relief);
        end_idle(connections, &relief, count - connections->most);
    }
    free(relief.known);
    free(relief.candidates);
}
