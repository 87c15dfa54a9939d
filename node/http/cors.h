/* Cross-origin requests of browsers (the Fetch standard's CORS): refused, unless an origin is configured.
 *
 * Without a configured origin no answer carries an Access-Control header, and OPTIONS is a method that no route
 * knows. With one, answers to that origin (compared exactly) carry its name, and its preflights are answered. */
#ifndef GS_NODE_HTTP_CORS_H
#define GS_NODE_HTTP_CORS_H

#include "node/http/response.h"

enum { GS_CORS_ORIGINS_MAX = 16, GS_CORS_ORIGIN_SIZE = 128 };

struct gs_cors {
    uint32_t count;
    char origins[GS_CORS_ORIGINS_MAX][GS_CORS_ORIGIN_SIZE];
};

/* "https://a.example https://b.example:8443"; empty is none. GS_EINVAL: not scheme://host[:port], too many. */
int gs_cors_parse(const char *text, struct gs_cors *ret_cors, struct gs_problem *problem);

/* Adds what the answer to a request of a configured origin carries. */
void gs_cors_write(const struct gs_http_request *request, struct gs_buffer *headers);

/* True if the request is a preflight of a configured origin: then `response` is its answer. `methods` as in Allow. */
bool gs_cors_preflight(const struct gs_http_request *request, const char *methods, struct gs_http_response *response);

#endif
