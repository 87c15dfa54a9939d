/* A look at the past, for handlers: a reader that stands in a cut of the log, and the names that origins go by. */
#ifndef GS_NODE_HTTP_LOOK_H
#define GS_NODE_HTTP_LOOK_H

#include "node/history/past.h"
#include "node/http/response.h"

enum {
    GS_LOOK_LIMIT_DEFAULT = 100,
    GS_LOOK_LIMIT_MAX = 1000,
    GS_LOOK_BODY_MAX = 4 * 1024 * 1024 /* a page ends when its text is this long */
};

/* Zero-initialise; gs_look_close in any case. */
struct gs_look {
    struct gs_past past;
    struct gs_history_pool *pool;
    struct gs_command *names;
    uint64_t final_ms; /* no event stamped before this millisecond can still arrive here */
};

/* GS_EUNSUPPORTED (there is no store to read), GS_EOVERLOADED, GS_ESTORE, GS_ECORRUPT …, with `fault` filled in. */
int gs_look_open(struct gs_http_request *request, struct gs_look *look, struct gs_http_fault *fault);
void gs_look_close(struct gs_look *look);

/* After GS_EGONE: says in the fault from where on the past of the aggregate, or the feed, is kept. Returns GS_EGONE. */
int gs_look_gone(const struct gs_look *look, struct gs_slice type, struct gs_slice id, struct gs_http_fault *fault);
int gs_look_feed_gone(const struct gs_base *base, struct gs_http_fault *fault);

/* What the request's principal may see. */
struct gs_past_filter gs_look_filter(const struct gs_http_request *request);

/* The parameter "limit": 1 to GS_LOOK_LIMIT_MAX. GS_EINVAL. */
int gs_look_limit(const struct gs_http_request *request, uint32_t *ret_limit, struct gs_http_fault *fault);
/* A number of 1 to 18 digits. */
bool gs_look_number(struct gs_slice text, uint64_t *ret_number);

#endif
