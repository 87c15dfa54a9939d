#include "node/http/request.h"

#include "node/http/text.h"

#include <globalstate/json.h>

#include <stdio.h>

static uint32_t parse_method(const char *name) {
    static const struct {
        const char *name;
        uint32_t method;
    } methods[] = {{"GET", GS_HTTP_GET}, {"HEAD", GS_HTTP_HEAD},   {"POST", GS_HTTP_POST},
                   {"PUT", GS_HTTP_PUT}, {"PATCH", GS_HTTP_PATCH}, {"DELETE", GS_HTTP_DELETE}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].name, name) == 0) {
            return methods[i].method;
        }
    }
    return 0;
}

static bool id_valid(const char *id) {
    size_t length = strlen(id);
    if (length < 1 || length > GS_HTTP_REQUEST_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = id[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.')) {
            return false;
        }
    }
    return true;
}

/* A walk through all 64-bit numbers from a random start. */
static void make_id(struct gs_http_request *request) {
    uint64_t count = atomic_fetch_add_explicit(&request->context->request_count, 1, memory_order_relaxed);
    uint64_t id = request->context->request_id_seed + count * UINT64_C(0x9E3779B97F4A7C15);
    for (int i = 0; i < 16; i++) {
        request->id[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 15];
    }
    request->id[16] = '\0';
}

/* The client's own id if it is a harmless one; else a new one. */
static void set_id(struct gs_http_request *request) {
    for (int i = 0; i < request->info->num_headers; i++) {
        const struct mg_header *header = &request->info->http_headers[i];
        if (strcasecmp(header->name, "X-Request-Id") == 0 && id_valid(header->value)) {
            snprintf(request->id, sizeof request->id, "%s", header->value);
            return;
        }
    }
    make_id(request);
}

void gs_http_request_open_broken(struct gs_http_request *request, struct gs_http_context *context,
                                 struct mg_connection *connection) {
    *request = (struct gs_http_request){.context = context, .connection = connection, .close = true, .body_read = true};
    make_id(request);
}

int gs_http_request_open(struct gs_http_request *request, struct gs_http_context *context,
                         struct mg_connection *connection, struct gs_http_fault *fault) {
    *request = (struct gs_http_request){
        .context = context, .connection = connection, .info = mg_get_request_info(connection), .close = true};
    request->method = parse_method(request->info->request_method);
    set_id(request);
    int error = gs_http_framing_check(request->info, &request->framing, fault);
    if (error != 0) {
        request->body_read = true; /* where it ends is in doubt: nothing of it is worth reading */
        return error;
    }
    request->body_read = request->framing.length == 0;
    if (request->framing.length > GS_HTTP_BODY_MAX) {
        return gs_problem_set(&fault->problem, GS_HTTP_EBODY, NULL, "the body has %llu bytes; the most is %d",
                              (unsigned long long)request->framing.length, GS_HTTP_BODY_MAX);
    }
    request->close = !request->framing.keep_alive;
    return gs_http_target_parse(request->info->local_uri_raw, request->info->query_string, &request->arena,
                                &request->target, fault);
}

void gs_http_request_close(struct gs_http_request *request) {
    gs_arena_close(&request->arena);
}

int gs_http_request_read_body(struct gs_http_request *request, struct gs_http_fault *fault) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct gs_http_framing *framing = &request->framing;
    if (!framing->has_length && request->method != GS_HTTP_DELETE) {
        return gs_fault_set(fault, GS_HTTP_ELENGTH);
    }
    if (request->body_read) {
        return 0;
    }
    size_t length = (size_t)framing->length;
    uint8_t *bytes = gs_arena_alloc(&request->arena, length);
    if (bytes == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    if (framing->expects_continue) {
        mg_write(request->connection, go_on, sizeof go_on - 1);
    }
    struct gs_watch watch;
    gs_watch_begin(&request->context->watchdog, &watch, request->info, request->context->request_timeout_ms);
    int got = mg_read(request->connection, bytes, length);
    gs_watch_end(&request->context->watchdog, &watch);
    request->body_read = true; /* there is no second try */
    if (got < 0 || (size_t)got != length) {
        request->close = true;
        return gs_problem_set(&fault->problem, GS_HTTP_ETIMEOUT, NULL, "%d of %zu bytes of the body arrived",
                              got < 0 ? 0 : got, length);
    }
    request->body = gs_slice_make(bytes, length);
    return 0;
}

int gs_http_request_parse_body(struct gs_http_request *request, int depth_max, struct gs_arena *arena,
                               struct gs_slice *ret_value, struct gs_http_fault *fault) {
    struct gs_buffer value = {0};
    const char *text = request->body.length == 0 ? "" : (const char *)request->body.bytes;
    int error = gs_json_parse(text, request->body.length, depth_max, &value, &fault->problem);
    if (error == 0 && value.failed != 0) {
        error = gs_fault_set(fault, value.failed);
    }
    if (error == GS_ETOOBIG) { /* too many values; the same to a client as too many bytes */
        fault->problem.code = error = GS_HTTP_EBODY;
    }
    if (error == 0) {
        const uint8_t *copy = gs_arena_copy(arena, value.bytes, value.length);
        *ret_value = gs_slice_make(copy, copy == NULL ? 0 : value.length);
        error = copy == NULL ? gs_fault_set(fault, GS_ENOMEM) : 0;
    }
    gs_buffer_close(&value);
    return error;
}

int gs_http_request_aggregate(struct gs_http_request *request, struct gs_slice *ret_type, struct gs_slice *ret_id,
                              struct gs_http_fault *fault) {
    struct gs_slice type = request->target.segments[1];
    struct gs_slice id = request->target.segments[2];
    if (!gs_id_valid(type) || (ret_id != NULL && !gs_id_valid(id))) {
        return gs_problem_set(&fault->problem, GS_EINVAL, gs_id_valid(type) ? "aggregateId" : "aggregateType",
                              "a name has 1 to 128 of the characters A-Z a-z 0-9 _ . : -");
    }
    bool covered = ret_id == NULL ? gs_principal_covers_type(request->principal, type)
                                  : gs_principal_covers(request->principal, type, id);
    if (!covered) {
        return gs_problem_set(&fault->problem, GS_HTTP_EFORBIDDEN, NULL,
                              "the token's aggregates do not include %.*s/%.*s", (int)type.length, type.bytes,
                              ret_id == NULL ? 1 : (int)id.length, ret_id == NULL ? "*" : (const char *)id.bytes);
    }
    *ret_type = type;
    if (ret_id != NULL) {
        *ret_id = id;
    }
    return 0;
}
