#include "node/http/fault.h"

static int library_status(int code) {
    switch (code) {
    case GS_EINVAL:
    case GS_EJSON:
    case GS_EDUPKEY:
    case GS_EUTF8:
    case GS_EDEPTH:
    case GS_ERANGE:
    case GS_EFORMAT:
        return 400;
    case GS_ENOTFOUND:
        return 404;
    case GS_EVERSIONCONFLICT:
    case GS_EIDEMPOTENCY:
    case GS_EBOUND:
    case GS_ERETIRED:
    case GS_ERIGHTS:
        return 409;
    case GS_EGONE:
        return 410;
    case GS_EPRECONDITION:
        return 412;
    case GS_ETOOBIG:
    case GS_EPATH:
    case GS_ETYPE:
    case GS_EOVERFLOW:
    case GS_EUNKNOWNOP:
        return 422;
    case GS_ENOMEM:
    case GS_EOVERLOADED:
    case GS_EBUSY:
    case GS_ESTORE:
    case GS_EUNCERTAIN:
    case GS_EIO:
    case GS_ESHUTDOWN:
        return 503;
    default:
        return 500;
    }
}

struct gs_fault_info gs_fault_info(int code) {
    switch (code) {
#define FAULT_CASE(id, value, status, name, message) \
    case id:                                         \
        return (struct gs_fault_info){status, name, message};
        GS_HTTP_FAULT_TABLE(FAULT_CASE)
#undef FAULT_CASE
    case GS_EBUSY: /* the core says so while it waits to hear from its peers */
        return (struct gs_fault_info){503, "starting", "the node is starting and does not take writes yet"};
    case GS_EIO: /* which disk call it was is for the log */
        return (struct gs_fault_info){503, gs_error_name(GS_ESTORE), gs_error_message(GS_ESTORE)};
    default:
        return (struct gs_fault_info){library_status(code), gs_error_name(code), gs_error_message(code)};
    }
}

int gs_fault_set(struct gs_http_fault *fault, int code) {
    fault->problem = (struct gs_problem){.code = code};
    return code;
}
