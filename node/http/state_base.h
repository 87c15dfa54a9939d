/* PUT against a version that is no longer current: what the client changed, as operations.
 *
 * The client read `version`, changed it into `document` and sends the whole back. What differs between the two is what
 * it wants; what others changed since is none of its business and stays. The state of that version is rebuilt from the
 * log. */
#ifndef GS_NODE_HTTP_STATE_BASE_H
#define GS_NODE_HTTP_STATE_BASE_H

#include "node/http/response.h"

#include <globalstate/delta.h>

/* `ret_ops` live in `arena` and borrow from `document`. GS_ENOTFOUND: the aggregate has not come to this version.
 * Errors of gs_aggregate_diff and gs_look_open, with `fault` filled in. */
int gs_state_base_ops(struct gs_http_request *request, struct gs_slice type, struct gs_slice id, uint64_t version,
                      struct gs_slice document, struct gs_arena *arena, struct gs_op **ret_ops, uint32_t *ret_count,
                      struct gs_http_fault *fault);

#endif
