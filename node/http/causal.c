#include "node/http/causal.h"

#include "node/http/text.h"

static int read_wait(const struct gs_http_request *request, uint32_t *ret_ms, struct gs_http_fault *fault) {
    struct gs_slice text = {0};
    int error = gs_http_header_single(request->info, "Causal-Wait", &text, fault);
    if (error != 0 || text.bytes == NULL) {
        *ret_ms = GS_CAUSAL_WAIT_DEFAULT_MS;
        return error;
    }
    uint32_t ms = 0;
    bool valid = text.length >= 1 && text.length <= 9;
    for (size_t i = 0; i < text.length && valid; i++) {
        valid = text.bytes[i] >= '0' && text.bytes[i] <= '9';
        ms = ms * 10 + (uint32_t)(text.bytes[i] - '0');
    }
    *ret_ms = ms < GS_CAUSAL_WAIT_MAX_MS ? ms : GS_CAUSAL_WAIT_MAX_MS;
    return valid ? 0 : gs_problem_set(&fault->problem, GS_EINVAL, "Causal-Wait", "must be a number of milliseconds");
}

int gs_http_causal_wait(struct gs_http_request *request, struct gs_http_fault *fault) {
    struct gs_slice text = {0};
    uint32_t wait_ms = 0;
    int error = gs_http_header_single(request->info, "Causal-Token", &text, fault);
    if (error == 0) {
        error = read_wait(request, &wait_ms, fault);
    }
    if (error != 0 || text.bytes == NULL) {
        return error;
    }
    struct gs_causal_token *token = gs_arena_alloc(&request->arena, sizeof *token);
    if (token == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    if (gs_causal_token_parse(text, token) != 0) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "Causal-Token", "is not one that a node gave out");
    }
    struct gs_causal_gate *gate = gs_gateway_causal_gate(request->context->gateway);
    error = gs_causal_gate_await(gate, token, wait_ms, request->context->waits_max, &fault->lag);
    if (error == GS_EBUSY) {
        fault->has_lag = true;
        return gs_problem_set(&fault->problem, GS_HTTP_ENOTCAUGHTUP, "Causal-Token",
                              "this region lacks %llu events of what the token stands for, after %u ms",
                              (unsigned long long)fault->lag.events, (unsigned)wait_ms);
    }
    if (error == GS_EOVERLOADED) {
        return gs_problem_set(&fault->problem, error, "Causal-Token", "%u requests wait already for other regions",
                              (unsigned)request->context->waits_max);
    }
    return error == 0 ? 0 : gs_fault_set(fault, error);
}
