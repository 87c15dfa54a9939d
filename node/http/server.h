/* The HTTP server: CivetWeb, one thread a connection, around the routes of router.c.
 *
 * As many keep-alive connections are served as there are threads; others wait. Everything that a client can make large
 * or slow is bounded (framing.h, and the times below). */
#ifndef GS_NODE_HTTP_SERVER_H
#define GS_NODE_HTTP_SERVER_H

#include "node/auth/auth.h"
#include "node/http/access_log.h"
#include "node/serve/gateway.h"
#include "node/serve/priority.h"

struct gs_http_server;

enum {
    GS_HTTP_THREADS_DEFAULT = 1024,
    GS_HTTP_THREADS_MAX = 16384,
    GS_HTTP_REQUEST_TIMEOUT_MS = 10000, /* for a head, and for a body, to arrive as a whole */
    GS_HTTP_IDLE_TIMEOUT_MS = 60000     /* between two requests of a connection */
};

struct gs_http_config {
    const char *listen;          /* "ADDRESS:PORT" (IPv4, or "localhost") or ":PORT" for all addresses; port 0: any */
    uint32_t threads;            /* 0: GS_HTTP_THREADS_DEFAULT */
    uint32_t request_timeout_ms; /* 0: GS_HTTP_REQUEST_TIMEOUT_MS */
    uint32_t idle_timeout_ms;    /* 0: GS_HTTP_IDLE_TIMEOUT_MS */
    struct gs_auth_config auth;  /* off: only with a loopback address */
    uint32_t address_rate;       /* requests a second of one address, and of one subject; 0: no limit */
    uint32_t subject_rate;
    const char *trusted_proxies; /* whose X-Forwarded-For is believed: client.h. NULL: nobody's */
    const char *cors_origins;    /* cors.h. NULL: none */
    enum gs_access_log_level log;
    struct gs_priority priority; /* of the threads that serve */
    const char *region;
    struct gs_gateway *gateway; /* borrowed until gs_http_server_stop returns */
    struct gs_audit *audit;     /* borrowed likewise; NULL: no audit log is kept */
};

/* Starts to serve. `problem->detail` says in one line what is wrong: GS_EBUSY the port is taken, GS_EINVAL the
 * configuration, GS_EIO, GS_ENOMEM. Everything in `config` but the gateway is copied. */
int gs_http_server_start(const struct gs_http_config *config, struct gs_http_server **ret_server,
                         struct gs_problem *problem);
/* From now on tokens are checked with these keys (copied); or nothing changes: GS_EINVAL, GS_ENOMEM. Any thread. */
int gs_http_server_set_keys(struct gs_http_server *server, const struct gs_auth_config *auth,
                            struct gs_problem *problem);
/* The port it listens on. */
uint16_t gs_http_server_port(const struct gs_http_server *server);
/* Closes all connections and waits for the threads (up to two seconds, or as long as a call of the gateway lasts). NULL
 * is allowed. */
void gs_http_server_stop(struct gs_http_server *server);

#endif
