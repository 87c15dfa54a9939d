/* What becomes of a request in the audit log (node/store/audit.h). */
#ifndef GS_NODE_HTTP_AUDIT_H
#define GS_NODE_HTTP_AUDIT_H

#include "node/http/router.h"

/* A request is about to be answered. `route` NULL: there is none. `code` is that of the problem document, or NULL. */
void gs_http_audit(const struct gs_http_request *request, const struct gs_http_route *route, int status,
                   const char *code);

#endif
