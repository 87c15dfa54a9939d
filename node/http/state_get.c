/* One aggregate, as the node's cache has it; with ?at or ?atVersion, as it was (state_past.c). */
#include "node/http/handlers.h"
#include "node/http/state_past.h"
#include "node/http/writing.h"

int gs_handle_state_get(struct gs_http_request *request, struct gs_http_response *response,
                        struct gs_http_fault *fault) {
    struct gs_slice type;
    struct gs_slice id;
    int error = gs_http_request_aggregate(request, &type, &id, fault);
    if (error != 0) {
        return error;
    }
    if (gs_state_past_wanted(request)) {
        return gs_state_past_answer(request, type, id, response, fault);
    }
    struct gs_view *view = gs_gateway_view(request->context->gateway, type, id, &error);
    if (view == NULL) {
        return gs_fault_set(fault, error != 0 ? error : GS_ENOMEM);
    }
    if (!view->exists) {
        gs_view_release(view);
        return gs_problem_set(&fault->problem, GS_ENOTFOUND, NULL, "there is no %.*s/%.*s", (int)type.length,
                              (const char *)type.bytes, (int)id.length, (const char *)id.bytes);
    }
    gs_http_response_view(response, gs_http_none_match(request, view->etag) ? 304 : 200, view);
    return 0;
}
