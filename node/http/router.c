#include "node/http/router.h"

#include "node/http/audit.h"
#include "node/http/causal.h"
#include "node/http/client.h"
#include "node/http/cors.h"
#include "node/http/handlers.h"
#include "node/http/problem.h"
#include "node/http/session.h"
#include "node/http/text.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

enum { GET = GS_HTTP_GET | GS_HTTP_HEAD, POST = GS_HTTP_POST, PUT = GS_HTTP_PUT, PATCH = GS_HTTP_PATCH };

static const struct gs_http_route routes[] = {
    {GET, "/state/{}/{}", GS_SCOPE_STATE_READ, false, "at atVersion as", gs_handle_state_get},
    {PUT, "/state/{}/{}", GS_SCOPE_STATE_WRITE, true, "", gs_handle_state_put},
    {PATCH, "/state/{}/{}", GS_SCOPE_STATE_WRITE, true, "", gs_handle_state_patch},
    {GS_HTTP_DELETE, "/state/{}/{}", GS_SCOPE_STATE_WRITE, true, "", gs_handle_state_delete},
    {POST, "/state/{}/{}/rollback", GS_SCOPE_STATE_WRITE, true, "dryRun", gs_handle_rollback},
    {GET, "/events", GS_SCOPE_EVENTS_READ, false, "since actor limit", gs_handle_feed_get},
    {GET, "/events/{}/{}", GS_SCOPE_EVENTS_READ, false, "from to limit cursor order", gs_handle_history_get},
    {POST, "/events", GS_SCOPE_EVENTS_WRITE, true, "", gs_handle_events_post},
    {POST, "/state/read", GS_SCOPE_STATE_READ, true, "", gs_handle_state_read},
    {GET, "/state/{}", GS_SCOPE_STATE_READ, false, "limit cursor", gs_handle_state_list},
    {GET, "/state/{}/{}/conflicts", GS_SCOPE_STATE_READ, false, "limit cursor", gs_handle_state_conflicts},
    {GET, "/state/{}/{}/stability", GS_SCOPE_STATE_READ, false, "", gs_handle_state_stability},
    {GET, "/conflicts", GS_SCOPE_STATE_READ, false, "limit cursor", gs_handle_conflicts},
    {GET, "/audit", GS_SCOPE_AUDIT_READ, false, "subject target kind since until limit cursor", gs_handle_audit},
    {GET, "/subjects/{}/export", GS_SCOPE_ADMIN, false, "limit cursor", gs_handle_subject_export},
    {POST, "/subjects/{}/erase", GS_SCOPE_ADMIN, true, "", gs_handle_subject_erase},
    {GET, "/cluster", GS_SCOPE_SYNC_READ, false, "", gs_handle_cluster},
    {POST, "/sync", GS_SCOPE_SYNC_WRITE, true, "", gs_handle_sync_post},
    {GET, "/sync", GS_SCOPE_SYNC_READ, false, "", gs_handle_sync_list},
    {GET, "/sync/{}", GS_SCOPE_SYNC_READ, false, "watch", gs_handle_sync_get},
    {GS_HTTP_DELETE, "/sync/{}", GS_SCOPE_SYNC_WRITE, true, "", gs_handle_sync_delete},
    {GET, "/cluster/digest", GS_SCOPE_SYNC_READ, false, "", gs_handle_cluster_digest},
    {GET, "/peers", GS_SCOPE_SYNC_READ, false, "", gs_handle_peers},
    {POST, "/peers/{}/retire", GS_SCOPE_ADMIN, true, "", gs_handle_retire},
    {GET, "/quarantine", GS_SCOPE_SYNC_READ, false, "", gs_handle_quarantine},
    {GET, "/quarantine/{}", GS_SCOPE_SYNC_READ, false, "", gs_handle_quarantine_item},
    {POST, "/quarantine/{}/release", GS_SCOPE_ADMIN, true, "", gs_handle_quarantine_release},
    {GET, "/forks", GS_SCOPE_SYNC_READ, false, "", gs_handle_forks},
    {GET, "/forks/{}", GS_SCOPE_SYNC_READ, false, "", gs_handle_fork},
    {POST, "/forks/{}/decide", GS_SCOPE_ADMIN, true, "", gs_handle_fork_decide},
    {GET, "/health", 0, false, "", gs_handle_health},
    {GET, "/health/live", 0, false, "", gs_handle_health_live},
    {GET, "/health/ready", 0, false, "", gs_handle_health_ready},
    {GET, "/metrics", 0, false, "", gs_handle_metrics},
    {GET, "/openapi.json", 0, false, "", gs_handle_openapi},
};

/* What always enters the core. */
enum { WRITES = GS_SCOPE_STATE_WRITE | GS_SCOPE_EVENTS_WRITE };

enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };

static_assert((int)ROUTE_COUNT <= (int)GS_METRIC_ROUTES, "each route has its metrics");

const struct gs_http_route *gs_http_routes(size_t *ret_count) {
    *ret_count = ROUTE_COUNT;
    return routes;
}

static bool path_matches(const char *path, const struct gs_http_target *target) {
    struct gs_slice rest = gs_text_slice(path + 1);
    struct gs_slice part;
    for (uint32_t i = 0; i < target->segment_count; i++) {
        if (!gs_slice_next(&rest, '/', &part) ||
            (!gs_slice_is(part, "{}") && gs_slice_compare(part, target->segments[i]) != 0)) {
            return false;
        }
    }
    return rest.bytes == NULL;
}

/* The route, or NULL; then `ret_allowed` says which methods the path knows: none, and there is no such path. */
static const struct gs_http_route *find_route(const struct gs_http_request *request, uint32_t *ret_allowed) {
    uint32_t allowed = 0;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (path_matches(routes[i].path, &request->target)) {
            if ((routes[i].methods & request->method) != 0) {
                return &routes[i];
            }
            allowed |= routes[i].methods;
        }
    }
    *ret_allowed = allowed;
    return NULL;
}

static void write_methods(uint32_t methods, char *ret_text, size_t size) {
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    size_t length = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((methods >> i & 1) != 0 && length < size) {
            length += (size_t)snprintf(ret_text + length, size - length, "%s%s", length > 0 ? ", " : "", names[i]);
        }
    }
}

static int check_parameters(const struct gs_http_request *request, const char *known, struct gs_http_fault *fault) {
    for (uint32_t i = 0; i < request->target.parameter_count; i++) {
        struct gs_slice name = request->target.parameters[i].name;
        struct gs_slice rest = gs_text_slice(known);
        struct gs_slice part;
        bool found = false;
        while (!found && gs_slice_next(&rest, ' ', &part)) {
            found = part.length > 0 && gs_slice_compare(part, name) == 0;
        }
        if (!found) {
            return gs_problem_set(&fault->problem, GS_EINVAL, NULL, "the query parameter \"%.*s\" is not known here",
                                  (int)(name.length > 64 ? 64 : name.length), (const char *)name.bytes);
        }
    }
    return 0;
}

static int check_access(struct gs_http_request *request, const struct gs_http_route *route,
                        struct gs_http_fault *fault) {
    if (route->scopes == 0) {
        return 0;
    }
    int error = gs_http_client_limit_address(request, fault);
    if (error == 0) {
        error = gs_http_session_authenticate(request, fault);
    }
    if (error == 0) {
        error = gs_http_client_limit_subject(request, fault);
    }
    if (error == 0 && !gs_principal_has(request->principal, route->scopes)) {
        error = gs_problem_set(&fault->problem, GS_HTTP_EFORBIDDEN, NULL, "the token lacks the scope %s",
                               gs_scope_name(route->scopes));
    }
    return error;
}

/* A form or a script on a foreign page can send any body, but not with this type, unless the browser asks us first. */
static int check_media_type(struct gs_http_request *request, struct gs_http_fault *fault) {
    struct gs_slice type = {0};
    int error = gs_http_header_single(request->info, "Content-Type", &type, fault);
    struct gs_slice essence = {0};
    if (error == 0 && (!gs_slice_next(&type, ';', &essence) || !gs_slice_is_nocase(essence, "application/json"))) {
        error = gs_fault_set(fault, GS_HTTP_EMEDIA);
    }
    return error;
}

static int run_route(struct gs_http_request *request, const struct gs_http_route *route,
                     struct gs_http_response *response, struct gs_http_fault *fault) {
    int error = check_access(request, route, fault);
    if (error == 0) {
        error = check_parameters(request, route->parameters, fault);
    }
    if (error == 0 && route->takes_body && request->context->auth_off && request->method != GS_HTTP_DELETE) {
        error = check_media_type(request, fault);
    }
    if (error == 0 && (route->scopes & WRITES) != 0 && gs_gateway_is_overloaded(request->context->gateway)) {
        error = gs_fault_set(fault, GS_EOVERLOADED);
    }
    if (error == 0 && request->principal != NULL) {
        error = gs_http_causal_wait(request, fault);
    }
    if (error == 0 && route->takes_body) {
        error = gs_http_request_read_body(request, fault);
    }
    return error != 0 ? error : route->handle(request, response, fault);
}

/* One request on its way through. */
struct passage {
    const struct gs_http_route *route; /* NULL: none */
    char methods[64];                  /* that its path knows, where it is not one of them */
};

static int answer(struct gs_http_request *request, struct passage *passage, struct gs_http_response *response,
                  struct gs_http_fault *fault) {
    uint32_t allowed = 0;
    gs_http_client_find(request);
    passage->route = find_route(request, &allowed);
    if (passage->route != NULL) {
        return run_route(request, passage->route, response, fault);
    }
    write_methods(allowed, passage->methods, sizeof passage->methods);
    if (allowed != 0 && gs_cors_preflight(request, passage->methods, response)) {
        return 0;
    }
    int error = gs_http_client_limit_address(request, fault);
    if (error == 0 && allowed != 0) {
        error =
            gs_problem_set(&fault->problem, GS_HTTP_EMETHOD, NULL, "%s is not one of the methods here, which are %s",
                           request->info->request_method, passage->methods);
    }
    return error != 0 ? error : gs_fault_set(fault, GS_HTTP_EROUTE);
}

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void count(const struct gs_http_request *request, const struct passage *passage, int status, int error,
                  uint64_t begun_us) {
    struct gs_http_context *context = request->context;
    uint64_t duration_us = now_us() - begun_us;
    gs_metrics_count(&context->metrics, passage->route != NULL ? (size_t)(passage->route - routes) : GS_METRIC_ROUTES,
                     status, duration_us);
    gs_access_log_write(&context->access_log, request, status, error != 0 ? gs_fault_info(error).name : NULL,
                        duration_us);
}

int gs_http_route_request(struct gs_http_context *context, struct mg_connection *connection) {
    struct gs_http_request request;
    struct gs_http_response response = {0};
    struct gs_http_fault fault = {0};
    struct passage passage = {0};
    uint64_t begun_us = now_us();
    atomic_fetch_add_explicit(&context->metrics.under_way, 1, memory_order_relaxed);
    int error = gs_http_request_open(&request, context, connection, &fault);
    if (error == 0) {
        error = answer(&request, &passage, &response, &fault);
    }
    if (error != 0) {
        gs_http_problem_answer(&request, &fault, error == GS_HTTP_EMETHOD ? passage.methods : NULL, &response);
    }
    int status = response.status;
    gs_http_audit(&request, passage.route, status, error != 0 ? gs_fault_info(error).name : NULL);
    gs_http_response_send(&request, &response);
    count(&request, &passage, status, error, begun_us);
    gs_http_response_close(&response);
    gs_http_request_close(&request);
    atomic_fetch_sub_explicit(&context->metrics.under_way, 1, memory_order_relaxed);
    return status;
}
