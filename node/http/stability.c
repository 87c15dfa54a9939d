/* Why an aggregate, a deleted one too, is still remembered: who has not acknowledged what was written to it. */
#include "node/http/handlers.h"
#include "node/http/writing.h"

#include "node/core/command.h"

int gs_handle_state_stability(struct gs_http_request *request, struct gs_http_response *response,
                              struct gs_http_fault *fault) {
    struct gs_read_key key = {0};
    int error = gs_http_request_aggregate(request, &key.aggregate_type, &key.aggregate_id, fault);
    struct gs_command *command = error == 0 ? gs_command_new(GS_COMMAND_STABILITY) : NULL;
    if (error != 0) {
        return error;
    }
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    command->keys = &key; /* it does not outlive this call */
    command->key_count = 1;
    gs_gateway_call(request->context->gateway, command);
    error = gs_http_command_fault(command, fault);
    if (error == 0) {
        response->status = 200;
        gs_buffer_append(&response->body, command->json.bytes, command->json.length);
    }
    gs_command_free(command);
    return error;
}
