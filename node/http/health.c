/* Health: how the node and what it depends on are doing. Never waits for the core; needs no token.
 *
 * /health: everything, 503 only when the node is down. /health/live: is it worth keeping this process? /health/ready:
 * should it get requests? */
#include "node/http/handlers.h"

#include <globalstate/json.h>

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { LOOP_SLOW_MS = 2000, LOOP_STUCK_MS = 10000 };

struct health {
    struct gs_node_status node;
    uint64_t loop_age_ms;
    bool live;
    bool ready;
    bool degraded;
};

static void look(struct gs_http_request *request, struct health *ret_health) {
    struct health health = {0};
    struct timespec now;
    gs_gateway_status(request->context->gateway, &health.node);
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    const struct gs_node_status *node = &health.node;
    if (node->loop_mono_ms != 0 && now_ms > node->loop_mono_ms) {
        health.loop_age_ms = now_ms - node->loop_mono_ms;
    }
    health.live = health.loop_age_ms < LOOP_STUCK_MS;
    health.ready = health.live && node->core.started && node->store_ok;
    health.degraded = !health.ready || node->peers_alive < node->peers_configured || health.loop_age_ms >= LOOP_SLOW_MS;
    *ret_health = health;
}

static const char *level(const struct health *health) {
    return !health->live ? "down" : health->degraded ? "degraded" : "ok";
}

static void write_head(const struct gs_http_request *request, const char *status, struct gs_buffer *out) {
    const char *region = request->context->region;
    gs_buffer_printf(out, "{\"status\":\"%s\",\"region\":", status);
    gs_json_write_string(region, strlen(region), out);
}

static void write_checks(const struct health *health, struct gs_buffer *out) {
    const struct gs_node_status *node = &health->node;
    gs_buffer_printf(out, ",\"checks\":{\"store\":{\"status\":\"%s\",\"engine\":", node->store_ok ? "ok" : "down");
    gs_json_write_string(node->store_name, strnlen(node->store_name, sizeof node->store_name), out);
    gs_buffer_printf(out, ",\"breaker\":\"%s\",\"failures\":%" PRIu32 ",\"historyBreaker\":\"%s\"",
                     gs_breaker_name(node->store_breaker.state), node->store_breaker.failures,
                     gs_breaker_name(node->history_breaker.state));
    gs_buffer_printf(out,
                     "},\"core\":{\"status\":\"%s\",\"lastTurnMs\":%" PRIu64 ",\"aggregates\":%" PRIu64
                     ",\"residentBytes\":%" PRIu64 "}",
                     !health->live         ? "down"
                     : !node->core.started ? "starting"
                                           : "ok",
                     health->loop_age_ms, node->core.aggregates, node->resident_bytes);
    gs_buffer_printf(out, ",\"cache\":{\"status\":\"off\"},\"gossip\":{\"status\":\"%s\",\"peersAlive\":%u,",
                     node->peers_alive < node->peers_configured ? "degraded" : "ok", (unsigned)node->peers_alive);
    gs_buffer_printf(out, "\"peersConfigured\":%u,\"handshakesFailed\":%" PRIu64, (unsigned)node->peers_configured,
                     node->handshakes_failed);
    gs_buffer_printf(out, ",\"bytesIn\":%" PRIu64 ",\"bytesOut\":%" PRIu64 "}", node->bytes_in, node->bytes_out);
    gs_buffer_printf(out, ",\"clock\":{\"status\":\"%s\",\"batchesHeld\":%" PRIu64 "}}",
                     node->core.batches_held > 0 ? "suspect" : "ok", node->core.batches_held);
}

int gs_handle_health(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    struct health health;
    (void)fault;
    look(request, &health);
    write_head(request, level(&health), &response->body);
    write_checks(&health, &response->body);
    gs_buffer_byte(&response->body, '}');
    response->status = health.live ? 200 : 503;
    return 0;
}

int gs_handle_health_live(struct gs_http_request *request, struct gs_http_response *response,
                          struct gs_http_fault *fault) {
    struct health health;
    (void)fault;
    look(request, &health);
    write_head(request, health.live ? "ok" : "down", &response->body);
    gs_buffer_byte(&response->body, '}');
    response->status = health.live ? 200 : 503;
    return 0;
}

int gs_handle_health_ready(struct gs_http_request *request, struct gs_http_response *response,
                           struct gs_http_fault *fault) {
    struct health health;
    (void)fault;
    look(request, &health);
    const char *status = health.ready ? "ok" : health.live && !health.node.core.started ? "starting" : "down";
    write_head(request, status, &response->body);
    gs_buffer_byte(&response->body, '}');
    response->status = health.ready ? 200 : 503;
    return 0;
}
