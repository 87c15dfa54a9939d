/* What every request handler may use: one per server, shared by all its threads. */
#ifndef GS_NODE_HTTP_CONTEXT_H
#define GS_NODE_HTTP_CONTEXT_H

#include "node/http/access_log.h"
#include "node/http/connections.h"
#include "node/http/keyring.h"
#include "node/http/metrics.h"
#include "node/http/rate_limit.h"
#include "node/http/watchdog.h"
#include "node/serve/gateway.h"
#include "node/serve/priority.h"
#include "node/store/audit.h"

#include <stdatomic.h>

struct gs_http_context {
    struct gs_gateway *gateway; /* borrowed */
    struct gs_audit *audit;     /* borrowed; NULL: none is kept */
    struct gs_http_keyring keyring;
    bool auth_off;
    char region[GS_REGION_NAME_MAX + 1];
    uint16_t port;               /* as bound */
    struct gs_priority priority; /* of the threads that serve */
    uint32_t request_timeout_ms; /* for a body to arrive as a whole */
    struct gs_watchdog watchdog;
    struct gs_connections connections;
    struct gs_http_metrics metrics;
    struct gs_access_log access_log;
    struct gs_rate_limit *address_limit; /* NULL: none */
    struct gs_rate_limit *subject_limit;
    const struct gs_trusted_proxies *trusted_proxies; /* client.h */
    const struct gs_cors *cors;                       /* cors.h */
    uint32_t waits_max;                               /* requests that may wait for causal tokens at once */
    uint64_t request_id_seed;
    atomic_uint_fast64_t request_count;
    atomic_uint sync_watchers; /* see sync_watch.h */
};

#endif
