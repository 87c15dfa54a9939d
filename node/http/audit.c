#include "node/http/audit.h"

#include "node/http/handlers.h"
#include "node/http/look.h"
#include "node/http/text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { WRITING = GS_SCOPE_STATE_WRITE | GS_SCOPE_EVENTS_WRITE | GS_SCOPE_SYNC_WRITE };

static uint64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum gs_audit_kind kind_of(const struct gs_http_route *route, int status) {
    if (status >= 400) {
        return GS_AUDIT_REFUSAL;
    }
    if (route->scopes == GS_SCOPE_ADMIN) {
        return GS_AUDIT_ADMIN;
    }
    return (route->scopes & WRITING) != 0 ? GS_AUDIT_WRITE : GS_AUDIT_READ;
}

void gs_http_audit(const struct gs_http_request *request, const struct gs_http_route *route, int status,
                   const char *code) {
    struct gs_audit *audit = request->context->audit;
    if (audit == NULL || (route != NULL && route->scopes == 0)) {
        return; /* health, metrics, the document: nobody's doing */
    }
    const char *method = request->info->request_method != NULL ? request->info->request_method : "?";
    char action[96];
    char address[INET_ADDRSTRLEN] = "";
    snprintf(action, sizeof action, "%.16s %s", method, route != NULL ? route->path : "?");
    struct gs_audit_entry entry = {
        .kind = route != NULL ? kind_of(route, status) : GS_AUDIT_REFUSAL,
        .time_ms = wall_ms(),
        .action = gs_text_slice(action),
        .status = status,
        .request_id = gs_text_slice(request->id),
    };
    if (inet_ntop(AF_INET, &request->client, address, sizeof address) != NULL) {
        entry.address = gs_text_slice(address);
    }
    if (request->principal != NULL) {
        entry.subject = request->principal->subject;
    }
    if (request->info->local_uri != NULL) {
        entry.target = gs_text_slice(request->info->local_uri);
    }
    if (code != NULL) {
        entry.code = gs_text_slice(code);
    }
    gs_audit_add(audit, &entry);
}

static int read_time(const struct gs_http_request *request, const char *name, uint64_t *ret_ms,
                     struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, name);
    return text.bytes == NULL || gs_time_parse(text, ret_ms) == 0
               ? 0
               : gs_problem_set(&fault->problem, GS_EINVAL, name, "must be a time (RFC 3339)");
}

static int read_query(const struct gs_http_request *request, struct gs_audit_query *query,
                      struct gs_http_fault *fault) {
    struct gs_slice kind = gs_http_target_parameter(&request->target, "kind");
    struct gs_slice cursor = gs_http_target_parameter(&request->target, "cursor");
    *query = (struct gs_audit_query){
        .kind = kind.bytes != NULL ? gs_audit_kind_parse(kind) : -1,
        .subject = gs_http_target_parameter(&request->target, "subject"),
        .target = gs_http_target_parameter(&request->target, "target"),
        .until_ms = UINT64_MAX,
    };
    int error = gs_look_limit(request, &query->limit, fault);
    if (error == 0 && kind.bytes != NULL && query->kind < 0) {
        error = gs_problem_set(&fault->problem, GS_EINVAL, "kind", "must be write, admin, read or refusal");
    }
    if (error == 0 && cursor.bytes != NULL && (!gs_look_number(cursor, &query->before) || query->before == 0)) {
        error = gs_problem_set(&fault->problem, GS_EINVAL, "cursor", "is not one that the audit log gave out");
    }
    if (error == 0) {
        error = read_time(request, "since", &query->since_ms, fault);
    }
    return error != 0 ? error : read_time(request, "until", &query->until_ms, fault);
}

int gs_handle_audit(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    struct gs_audit_query query;
    uint64_t next = 0;
    int error = read_query(request, &query, fault);
    if (error != 0) {
        return error;
    }
    if (request->context->audit == NULL) {
        return gs_fault_set(fault, GS_EUNSUPPORTED);
    }
    gs_buffer_text(&response->body, "{\"entries\":");
    error = gs_audit_query(request->context->audit, &query, &response->body, &next);
    if (error != 0) {
        return gs_fault_set(fault, error);
    }
    if (next != 0) {
        gs_buffer_printf(&response->body, ",\"next\":\"%" PRIu64 "\"}", next);
    } else {
        gs_buffer_text(&response->body, ",\"next\":null}");
    }
    response->status = 200;
    return 0;
}
