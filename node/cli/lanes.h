/* Lanes: the connections over which a trace is sent. Each (region, connection) pair is a thread with one keep-alive
 * connection; an aggregate always takes the same one, so that its events arrive in order, while the regions write at
 * the same time. */
#ifndef GS_NODE_CLI_LANES_H
#define GS_NODE_CLI_LANES_H

#include "node/cli/trace.h"

#include <stdbool.h>

struct gs_lanes_config {
    const struct gs_trace *trace;
    const char *const *urls;
    uint32_t url_count;
    const char *token;    /* or NULL */
    uint32_t connections; /* a region */
    uint32_t batch;       /* events a request */
    bool retry;           /* resend after a lost connection or a 503, with the same Idempotency-Key */
    const char
        *run_id; /* NULL: fresh Idempotency-Keys. Else they follow from it and the events' numbers, so that a run that
                  * was cut short may be repeated, with the same batch, within the day for which nodes remember keys */
    bool json;
};

struct gs_lanes_result {
    uint64_t sent;    /* events that were accepted */
    uint64_t refused; /* events that were not */
    uint64_t retries;
    uint64_t elapsed_ms;
    double p50_ms, p99_ms, max_ms; /* of requests */
    struct gs_problem first;       /* why the first was refused */
};

/* Sends the whole trace, with a progress bar. 0, or GS_ENOMEM / GS_EIO (a thread could not be started). */
int gs_lanes_run(const struct gs_lanes_config *config, struct gs_lanes_result *ret_result);

#endif
