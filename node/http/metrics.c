#include "node/http/metrics.h"

#include "node/http/router.h"
#include "node/http/text.h"

#include <inttypes.h>

/* Upper bounds in microseconds. */
static const uint32_t bounds_us[GS_METRIC_BUCKETS] = {100,   250,   500,    1000,   2500,    5000,
                                                      10000, 25000, 100000, 500000, 2500000, 10000000};

void gs_metrics_count(struct gs_http_metrics *metrics, size_t route, int status, uint64_t duration_us) {
    struct gs_route_metrics *one = &metrics->routes[route < GS_METRIC_ROUTES ? route : GS_METRIC_ROUTES];
    size_t bucket = 0;
    while (bucket < GS_METRIC_BUCKETS && duration_us > bounds_us[bucket]) {
        bucket++;
    }
    int class = status / 100 - 2;
    class = class < 0 ? 0 : class >= GS_METRIC_CLASSES ? GS_METRIC_CLASSES - 1 : class;
    atomic_fetch_add_explicit(&one->answers[class], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&one->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&one->sum_us, duration_us, memory_order_relaxed);
    if (status == 429) {
        atomic_fetch_add_explicit(&metrics->limited, 1, memory_order_relaxed);
    }
}

static uint64_t read_count(const atomic_ullong *count) {
    return atomic_load_explicit((atomic_ullong *)(uintptr_t)count, memory_order_relaxed);
}

static uint64_t answers_of(const struct gs_route_metrics *one) {
    uint64_t all = 0;
    for (int i = 0; i < GS_METRIC_CLASSES; i++) {
        all += read_count(&one->answers[i]);
    }
    return all;
}

/* route="/state/{}/{}",method="GET" */
static void write_labels(size_t index, struct gs_buffer *out) {
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    size_t count = 0;
    const struct gs_http_route *routes = gs_http_routes(&count);
    if (index >= count) {
        gs_buffer_text(out, "route=\"none\",method=\"\"");
        return;
    }
    size_t method = 0;
    while ((routes[index].methods >> method & 1) == 0) {
        method++;
    }
    gs_buffer_printf(out, "route=\"%s\",method=\"%s\"", routes[index].path, names[method]);
}

static void write_answers(const struct gs_http_metrics *metrics, struct gs_buffer *out) {
    gs_buffer_text(out, "# HELP gs_http_requests_total Requests answered (GET includes HEAD).\n"
                        "# TYPE gs_http_requests_total counter\n");
    for (size_t i = 0; i <= GS_METRIC_ROUTES; i++) {
        for (int class = 0; class < GS_METRIC_CLASSES && answers_of(&metrics->routes[i]) > 0; class ++) {
            gs_buffer_text(out, "gs_http_requests_total{");
            write_labels(i, out);
            gs_buffer_printf(out, ",status=\"%dxx\"} %" PRIu64 "\n", class + 2,
                             read_count(&metrics->routes[i].answers[class]));
        }
    }
}

static void write_histogram(size_t index, const struct gs_route_metrics *one, struct gs_buffer *out) {
    uint64_t sum = 0;
    for (size_t i = 0; i <= GS_METRIC_BUCKETS; i++) {
        sum += read_count(&one->buckets[i]);
        gs_buffer_text(out, "gs_http_request_seconds_bucket{");
        write_labels(index, out);
        if (i < GS_METRIC_BUCKETS) {
            gs_buffer_printf(out, ",le=\"%g\"} %" PRIu64 "\n", bounds_us[i] / 1e6, sum);
        } else {
            gs_buffer_printf(out, ",le=\"+Inf\"} %" PRIu64 "\n", sum);
        }
    }
    gs_buffer_text(out, "gs_http_request_seconds_sum{");
    write_labels(index, out);
    gs_buffer_printf(out, "} %.6f\ngs_http_request_seconds_count{", (double)read_count(&one->sum_us) / 1e6);
    write_labels(index, out);
    gs_buffer_printf(out, "} %" PRIu64 "\n", sum);
}

void gs_metric_write(struct gs_buffer *out, const char *name, const char *type, const char *help, uint64_t value) {
    gs_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name, value);
}

void gs_metrics_write(const struct gs_http_metrics *metrics, struct gs_buffer *out) {
    write_answers(metrics, out);
    gs_buffer_text(out, "# HELP gs_http_request_seconds From a request's head to the end of its answer.\n"
                        "# TYPE gs_http_request_seconds histogram\n");
    for (size_t i = 0; i <= GS_METRIC_ROUTES; i++) {
        if (answers_of(&metrics->routes[i]) > 0) {
            write_histogram(i, &metrics->routes[i], out);
        }
    }
    gs_metric_write(out, "gs_http_requests_under_way", "gauge", "Requests that are being answered.",
                    atomic_load((atomic_uint *)(uintptr_t)&metrics->under_way));
    gs_metric_write(out, "gs_http_requests_limited_total", "counter", "Requests refused for their rate (429).",
                    read_count(&metrics->limited));
}
