/* A session: what is remembered about one connection from request to request.
 *
 * That is the last good token and its principal. Byte for byte the same token needs no second check of its signature
 * (an Ed25519 one takes longer than all the rest of a request); its expiry is looked at every time,
 * and so is whether the keys are still the same. */
#ifndef GS_NODE_HTTP_SESSION_H
#define GS_NODE_HTTP_SESSION_H

#include "node/http/request.h"

struct gs_http_session;

/* Of a connection that begins; NULL when out of memory. */
struct gs_http_session *gs_http_session_new(struct gs_http_context *context);
void gs_http_session_free(struct gs_http_context *context, struct gs_http_session *session);

/* A request of the connection begins, and has been answered. NULL is allowed. */
void gs_http_session_begin(struct gs_http_session *session, const struct mg_request_info *info);
void gs_http_session_end(struct gs_http_session *session);

/* Finds out who sent the request, and sets request->principal, which then lives as long as the connection makes no
 * other request. GS_HTTP_ETOKEN, one and the same for every kind of missing or bad token; GS_ENOMEM. When auth is off:
 * GS_HTTP_EFORBIDDEN if Host is not a name of this machine (DNS rebinding). */
int gs_http_session_authenticate(struct gs_http_request *request, struct gs_http_fault *fault);

/* Of a request that was authenticated and goes on, as streams do: would its token still be let in? Not after it has
 * expired, has been revoked, or its key is gone. */
bool gs_http_session_still_good(struct gs_http_request *request);

#endif
