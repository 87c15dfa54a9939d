/* What lists have in common. */
#ifndef GS_NODE_HTTP_PAGING_H
#define GS_NODE_HTTP_PAGING_H

#include "node/http/request.h"

enum { GS_HTTP_LIMIT_DEFAULT = 100, GS_HTTP_LIMIT_MAX = 1000 };

/* The query parameter `limit`. GS_EINVAL. */
int gs_http_limit(const struct gs_http_request *request, uint32_t *ret_limit, struct gs_http_fault *fault);

#endif
