#include "node/http/cors.h"

#include "node/http/text.h"

#include <stdio.h>

static bool origin_valid(const char *text, size_t length) {
    size_t scheme = length > 8 && strncmp(text, "https://", 8) == 0  ? 8
                    : length > 7 && strncmp(text, "http://", 7) == 0 ? 7
                                                                     : 0;
    bool valid = scheme > 0 && length < GS_CORS_ORIGIN_SIZE;
    for (size_t i = scheme; i < length && valid; i++) {
        char c = text[i];
        valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':';
    }
    return valid;
}

int gs_cors_parse(const char *text, struct gs_cors *ret_cors, struct gs_problem *problem) {
    struct gs_cors cors = {0};
    size_t length = 0;
    for (const char *at = text + strspn(text, ", "); *at != '\0'; at += length + strspn(at + length, ", ")) {
        length = strcspn(at, ", ");
        if (cors.count == GS_CORS_ORIGINS_MAX) {
            return gs_problem_set(problem, GS_EINVAL, NULL, "more than %d origins", GS_CORS_ORIGINS_MAX);
        }
        if (!origin_valid(at, length)) {
            return gs_problem_set(problem, GS_EINVAL, NULL, "\"%.*s\" is not an origin like https://play.example",
                                  (int)(length < 100 ? length : 100), at);
        }
        memcpy(cors.origins[cors.count++], at, length);
    }
    *ret_cors = cors;
    return 0;
}

/* The configured origin that the request comes from, or NULL. */
static const char *origin_of(const struct gs_http_request *request) {
    const struct gs_cors *cors = request->context->cors;
    struct gs_slice value = {0};
    struct gs_http_fault ignored = {0};
    if (cors->count == 0 || request->info == NULL ||
        gs_http_header_single(request->info, "Origin", &value, &ignored) != 0 || value.bytes == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < cors->count; i++) {
        if (gs_slice_is(value, cors->origins[i])) {
            return cors->origins[i];
        }
    }
    return NULL;
}

void gs_cors_write(const struct gs_http_request *request, struct gs_buffer *headers) {
    if (request->context->cors->count == 0) {
        return;
    }
    gs_buffer_text(headers, "Vary: Origin\r\n");
    const char *origin = origin_of(request);
    if (origin != NULL) {
        gs_buffer_printf(headers,
                         "Access-Control-Allow-Origin: %s\r\nAccess-Control-Expose-Headers: ETag, Causal-Token, "
                         "X-Request-Id, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
                         "Idempotency-Replayed\r\n",
                         origin);
    }
}

bool gs_cors_preflight(const struct gs_http_request *request, const char *methods, struct gs_http_response *response) {
    struct gs_slice wanted = {0};
    struct gs_http_fault ignored = {0};
    if (strcmp(request->info->request_method, "OPTIONS") != 0 || origin_of(request) == NULL ||
        gs_http_header_single(request->info, "Access-Control-Request-Method", &wanted, &ignored) != 0 ||
        wanted.bytes == NULL) {
        return false;
    }
    response->status = 204;
    gs_http_response_header(response, "Access-Control-Allow-Methods", methods);
    gs_http_response_header(response, "Access-Control-Allow-Headers",
                            "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Base-Version, "
                            "Causal-Token, Causal-Wait, X-Request-Id");
    gs_http_response_header(response, "Access-Control-Max-Age", "600");
    return true;
}
