/* A request, as handlers see it: framing checked, target decoded, the client known. */
#ifndef GS_NODE_HTTP_REQUEST_H
#define GS_NODE_HTTP_REQUEST_H

#include "node/http/context.h"
#include "node/http/framing.h"
#include "node/http/target.h"

enum gs_http_method {
    GS_HTTP_GET = 1 << 0,
    GS_HTTP_HEAD = 1 << 1,
    GS_HTTP_POST = 1 << 2,
    GS_HTTP_PUT = 1 << 3,
    GS_HTTP_PATCH = 1 << 4,
    GS_HTTP_DELETE = 1 << 5
};

enum {
    GS_HTTP_REQUEST_ID_MAX = 64, /* of one that a client sends; ours have 16 hex digits */
    GS_HTTP_DISCARD_MAX = 65536  /* a body of this size that nobody wants is read to save the connection */
};

struct gs_http_request {
    struct gs_http_context *context;
    struct mg_connection *connection;
    const struct mg_request_info *info;
    uint32_t method; /* enum gs_http_method; 0: none that any route knows */
    char id[GS_HTTP_REQUEST_ID_MAX + 1];
    struct gs_http_framing framing;
    struct gs_http_target target;
    bool close;                           /* do not keep the connection after this */
    bool body_read;                       /* or there is none */
    struct gs_slice body;                 /* in the arena */
    struct in_addr client;                /* client.h */
    struct gs_rate_answer rate;           /* what is left of the tighter rate limit; limit 0: there is none */
    const struct gs_principal *principal; /* NULL on routes that ask for no token */
    struct gs_arena arena;                /* lives as long as the request */
};

/* Checks and decodes the head. On failure (fault filled in; request->close says whether the connection survives) the
 * request may still be used to answer. Close it in any case. */
int gs_http_request_open(struct gs_http_request *request, struct gs_http_context *context,
                         struct mg_connection *connection, struct gs_http_fault *fault);
/* For a head that CivetWeb could not parse: a request that can be answered and nothing else. */
void gs_http_request_open_broken(struct gs_http_request *request, struct gs_http_context *context,
                                 struct mg_connection *connection);
void gs_http_request_close(struct gs_http_request *request);

/* Reads the body into request->body. GS_HTTP_ELENGTH, GS_HTTP_EBODY, GS_HTTP_ETIMEOUT, GS_ENOMEM. */
int gs_http_request_read_body(struct gs_http_request *request, struct gs_http_fault *fault);

/* Parses the body as one JSON value, at most `depth_max` deep; its canonical form lives in `arena`. */
int gs_http_request_parse_body(struct gs_http_request *request, int depth_max, struct gs_arena *arena,
                               struct gs_slice *ret_value, struct gs_http_fault *fault);

/* The path's segments 1 and 2 as aggregate type and id (the id only if `ret_id` is not NULL), checked: GS_EINVAL, and
 * GS_HTTP_EFORBIDDEN if the principal's patterns do not cover the aggregate. */
int gs_http_request_aggregate(struct gs_http_request *request, struct gs_slice *ret_type, struct gs_slice *ret_id,
                              struct gs_http_fault *fault);

#endif
