#include "node/http/look.h"

#include "node/http/writing.h"

int gs_look_open(struct gs_http_request *request, struct gs_look *look, struct gs_http_fault *fault) {
    struct gs_gateway *gateway = request->context->gateway;
    look->names = gs_command_new(GS_COMMAND_ORIGINS);
    if (look->names == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    gs_gateway_call(gateway, look->names);
    int error = gs_http_command_fault(look->names, fault);
    if (error != 0) {
        return error;
    }
    look->final_ms = look->names->final_ms;
    look->past.origins = look->names->origins;
    look->past.origin_count = look->names->origin_count;
    look->past.region = request->context->region;
    look->pool = gs_gateway_history(gateway);
    if (look->pool == NULL) {
        return gs_fault_set(fault, GS_EUNSUPPORTED);
    }
    error = gs_history_borrow(look->pool, &look->past.reader);
    return error != 0 ? gs_fault_set(fault, error) : 0;
}

void gs_look_close(struct gs_look *look) {
    if (look->past.reader != NULL) {
        gs_history_return(look->pool, look->past.reader);
    }
    gs_command_free(look->names);
}

static bool covers(const void *context, struct gs_slice type, struct gs_slice id) {
    return gs_principal_covers(context, type, id);
}

struct gs_past_filter gs_look_filter(const struct gs_http_request *request) {
    return (struct gs_past_filter){.covers = covers, .context = request->principal};
}

bool gs_look_number(struct gs_slice text, uint64_t *ret_number) {
    uint64_t number = 0;
    bool ok = text.length >= 1 && text.length <= 18;
    for (size_t i = 0; ok && i < text.length; i++) {
        ok = text.bytes[i] >= '0' && text.bytes[i] <= '9';
        number = number * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    if (ok) {
        *ret_number = number;
    }
    return ok;
}

int gs_look_limit(const struct gs_http_request *request, uint32_t *ret_limit, struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, "limit");
    uint64_t limit = GS_LOOK_LIMIT_DEFAULT;
    bool ok = text.bytes == NULL || gs_look_number(text, &limit);
    if (!ok || limit < 1 || limit > GS_LOOK_LIMIT_MAX) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "limit", "must be 1 to %d", GS_LOOK_LIMIT_MAX);
    }
    *ret_limit = (uint32_t)limit;
    return 0;
}

int gs_look_gone(const struct gs_look *look, struct gs_slice type, struct gs_slice id, struct gs_http_fault *fault) {
    struct gs_past_oldest oldest = {0};
    if (gs_past_oldest(&look->past, type, id, &oldest) == 0 && oldest.gone > 0) {
        fault->oldest =
            (struct gs_http_oldest){.present = true, .version = oldest.version, .ms = gs_hlc_ms(oldest.updated)};
    }
    return GS_EGONE;
}

int gs_look_feed_gone(const struct gs_base *base, struct gs_http_fault *fault) {
    fault->oldest =
        (struct gs_http_oldest){.present = true, .position = base->position + 1, .ms = gs_hlc_ms(base->clock)};
    return gs_problem_set(&fault->problem, GS_EGONE, "since",
                          "what came so early is no longer kept: the feed is whole from %llu.0 on",
                          (unsigned long long)base->position + 1);
}
