/* What /metrics says of HTTP: requests by route and class of status, how long they took, how many are under way.
 * Counters that any thread adds to without a lock. */
#ifndef GS_NODE_HTTP_METRICS_H
#define GS_NODE_HTTP_METRICS_H

#include <globalstate/memory.h>

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { GS_METRIC_ROUTES = 64, GS_METRIC_CLASSES = 4, GS_METRIC_BUCKETS = 12 };

struct gs_route_metrics {
    atomic_ullong answers[GS_METRIC_CLASSES]; /* 2xx … 5xx */
    atomic_ullong buckets[GS_METRIC_BUCKETS + 1];
    atomic_ullong sum_us;
};

struct gs_http_metrics {
    struct gs_route_metrics routes[GS_METRIC_ROUTES + 1]; /* by place in the table; the last: no route */
    atomic_uint under_way;
    atomic_ullong limited; /* answered 429 */
};

/* A request was answered. `route` GS_METRIC_ROUTES: it had none. */
void gs_metrics_count(struct gs_http_metrics *metrics, size_t route, int status, uint64_t duration_us);

/* Appends all of them in the text format of Prometheus. */
void gs_metrics_write(const struct gs_http_metrics *metrics, struct gs_buffer *out);

/* "# HELP", "# TYPE" and one value. `type`: "counter" or "gauge". */
void gs_metric_write(struct gs_buffer *out, const char *name, const char *type, const char *help, uint64_t value);

#endif
