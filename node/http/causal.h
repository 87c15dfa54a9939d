/* Causal tokens over HTTP: `Causal-Token` and `Causal-Wait` of a request, `Causal-Token` of an answer.
 *
 * A request with the token of an earlier answer, from whatever region, is carried out when this node has all that the
 * token stands for (node/serve/causal_gate.h); it waits for that up to `Causal-Wait` milliseconds. */
#ifndef GS_NODE_HTTP_CAUSAL_H
#define GS_NODE_HTTP_CAUSAL_H

#include "node/http/request.h"

enum {
    GS_CAUSAL_WAIT_DEFAULT_MS = 1000, /* without the header */
    GS_CAUSAL_WAIT_MAX_MS = 10000     /* more is cut to this */
};

/* 0 at once if the request has no token. GS_EINVAL: a header is malformed; GS_HTTP_ENOTCAUGHTUP, with how far behind;
 * GS_EOVERLOADED: as many requests wait as may; GS_ESHUTDOWN. */
int gs_http_causal_wait(struct gs_http_request *request, struct gs_http_fault *fault);

#endif
