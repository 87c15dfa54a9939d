/* Why an aggregate, a deleted one too, is still remembered: who has not acknowledged what was written to it. */
#include "node/http/handlers.h"
#include "node/http/writing.h"

#include "node/core/command.h"

int gs_handle_state_stability(struct gs_http_request *request, struct gs_http_response *response,
                              struct gs_http_fault *fault) {
    struct gs_read_key key = {0};
    int error = gs_http_request_aggregate(request, &key.aggregate_type, &key.aggregate_id, fault);
    if (error != 0) {
        return error;
    }
    struct gs_command *command = gs_command_new(GS_COMMAND_STABILITY);
    if (command != NULL) {
        command->keys = &key; /* it does not outlive this call */
        command->key_count = 1;
    }
    return gs_http_hand_on(request, command, response, fault);
}
