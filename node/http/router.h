/* Routes: which handler answers what, and what a client needs for it. */
#ifndef GS_NODE_HTTP_ROUTER_H
#define GS_NODE_HTTP_ROUTER_H

#include "node/http/response.h"

/* Fills in `response` and returns 0, or returns a code with `fault` filled in. */
typedef int (*gs_http_handler_fn)(struct gs_http_request *request, struct gs_http_response *response,
                                  struct gs_http_fault *fault);

struct gs_http_route {
    uint32_t methods;       /* of enum gs_http_method */
    const char *path;       /* "{}" stands for any one segment */
    uint32_t scopes;        /* one of these is needed; 0: no token either */
    bool takes_body;        /* a body is read before the handler is called */
    const char *parameters; /* names of query parameters that it knows, blanks between */
    gs_http_handler_fn handle;
};

/* All of them; the first that fits a path and a method answers. */
const struct gs_http_route *gs_http_routes(size_t *ret_count);

/* Answers one request from its head to its last byte. Returns the status. */
int gs_http_route_request(struct gs_http_context *context, struct mg_connection *connection);

#endif
