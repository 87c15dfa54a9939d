#include "node/http/paging.h"

int gs_http_limit(const struct gs_http_request *request, uint32_t *ret_limit, struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, "limit");
    uint32_t limit = text.bytes == NULL ? GS_HTTP_LIMIT_DEFAULT : 0;
    bool ok = text.bytes == NULL || (text.length >= 1 && text.length <= 4);
    for (size_t i = 0; ok && i < text.length; i++) {
        ok = text.bytes[i] >= '0' && text.bytes[i] <= '9';
        limit = limit * 10 + (uint32_t)(text.bytes[i] - '0');
    }
    if (!ok || limit < 1 || limit > GS_HTTP_LIMIT_MAX) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "limit", "must be 1 to %d", GS_HTTP_LIMIT_MAX);
    }
    *ret_limit = limit;
    return 0;
}
