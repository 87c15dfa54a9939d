#include "node/http/state_base.h"

#include "node/http/look.h"

static int rebuild(struct gs_http_request *request, struct gs_slice type, struct gs_slice id, uint64_t version,
                   struct gs_past_state *ret_state, struct gs_http_fault *fault) {
    const struct gs_past_point point = {.kind = GS_POINT_VERSION, .version = version};
    struct gs_look look = {0};
    int error = gs_look_open(request, &look, fault);
    if (error == 0) {
        error = gs_past_rebuild(&look.past, type, id, &point, ret_state, &fault->problem);
    }
    if (error == GS_EGONE) {
        error = gs_look_gone(&look, type, id, fault);
    }
    gs_look_close(&look);
    return error;
}

int gs_state_base_ops(struct gs_http_request *request, struct gs_slice type, struct gs_slice id, uint64_t version,
                      struct gs_slice document, struct gs_arena *arena, struct gs_op **ret_ops, uint32_t *ret_count,
                      struct gs_http_fault *fault) {
    struct gs_past_state state = {0};
    int error = rebuild(request, type, id, version, &state, fault);
    if (error == 0) {
        error = gs_aggregate_diff(state.aggregate, document, arena, ret_ops, ret_count, &fault->problem);
    }
    gs_past_state_close(&state);
    return error == 0 || fault->problem.code != 0 ? error : gs_fault_set(fault, error);
}
