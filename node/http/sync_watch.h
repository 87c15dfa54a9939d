/* Watching a sync as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): a "progress"
 * event with the sync's JSON whenever it has changed, a "done" event with the last one, then the connection is closed.
 */
#ifndef GS_NODE_HTTP_SYNC_WATCH_H
#define GS_NODE_HTTP_SYNC_WATCH_H

#include "node/http/response.h"

enum { GS_SYNC_WATCHERS_MAX = 32 };

/* `response` has the sync as it is; on success it was written, as was all that came after. GS_EOVERLOADED. The stream
 * ends, with an "end" event that says why, when its token would not be let in any more. */
int gs_sync_watch(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault);

/* sync.c: asks the core; its error as a fault. */
int gs_sync_call(struct gs_http_request *request, struct gs_command *command, struct gs_http_fault *fault);

#endif
