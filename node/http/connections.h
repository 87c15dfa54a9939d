/* Connections: as many as there are threads, and never all of them idle.
 *
 * CivetWeb gives a thread to a connection for as long as it lives. When so many live that only a reserve of threads is
 * left, those that have been idle longest (or that have never said anything) are ended, so that whoever comes next is
 * served: health checks and metrics too. Nobody who is in the middle of a request, or has sent something that waits to
 * be read, is ended by this; who sends too slowly is the watchdog's business.
 *
 * CivetWeb does not give away its sockets: they are found by their addresses among all of the process, and only when
 * there is need. */
#ifndef GS_NODE_HTTP_CONNECTIONS_H
#define GS_NODE_HTTP_CONNECTIONS_H

#include <civetweb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Threads that are kept free of idle connections, of `threads`. */
static inline uint32_t gs_connections_reserve(uint32_t threads) {
    uint32_t reserve = threads / 16;
    return reserve < 2 ? 2 : reserve > 64 ? 64 : reserve;
}

/* One connection: the first member of its session. */
struct gs_http_connection {
    struct gs_http_connection *next, *previous;
    struct in_addr address; /* of the other end; unknown before its first request */
    in_port_t port;         /* network order; 0: unknown */
    atomic_bool busy;       /* between a request's head and its answer */
};

struct gs_connections {
    pthread_mutex_t lock;
    struct gs_http_connection list; /* head of a ring */
    atomic_uint count;
    atomic_ullong ended;     /* because they were idle and others came */
    uint32_t most;           /* more than these, and idle ones end */
    uint32_t turns;          /* that there were too many, and too few idle ones to end */
    atomic_uint server_port; /* 0 until it is bound */
};

void gs_connections_open(struct gs_connections *connections, uint32_t threads);
void gs_connections_close(struct gs_connections *connections);

/* A thread has got a connection. True: there are too many now. */
bool gs_connections_add(struct gs_connections *connections, struct gs_http_connection *connection);
void gs_connections_remove(struct gs_connections *connections, struct gs_http_connection *connection);
/* Its request begins (`info` says whose it is), and has been answered. */
void gs_connections_begin(struct gs_http_connection *connection, const struct mg_request_info *info);
void gs_connections_end(struct gs_http_connection *connection);

/* Ends as many idle connections as there are too many. From one thread only. */
void gs_connections_relieve(struct gs_connections *connections);

#endif
