/* The node's own view of the cluster: all of it, or its peers alone. */
#include "node/http/handlers.h"
#include "node/http/writing.h"

#include "node/core/command.h"

#include <globalstate/json.h>

enum { STATUS_DEPTH_MAX = 16 };

static int ask(struct gs_http_request *request, enum gs_command_kind kind, struct gs_command **ret_command,
               struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(kind);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    gs_gateway_call(request->context->gateway, command);
    int error = gs_http_command_fault(command, fault);
    if (error != 0) {
        gs_command_free(command);
        return error;
    }
    *ret_command = command;
    return 0;
}

int gs_handle_cluster(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    return gs_http_hand_on(request, gs_command_new(GS_COMMAND_STATUS), response, fault);
}

int gs_handle_cluster_digest(struct gs_http_request *request, struct gs_http_response *response,
                             struct gs_http_fault *fault) {
    return gs_http_hand_on(request, gs_command_new(GS_COMMAND_DIGEST), response, fault);
}

int gs_handle_peers(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    struct gs_command *command = NULL;
    int error = ask(request, GS_COMMAND_STATUS, &command, fault);
    if (error != 0) {
        return error;
    }
    struct gs_buffer value = {0};
    const char *text = command->json.length == 0 ? "{}" : (const char *)command->json.bytes;
    error = gs_json_parse(text, command->json.length == 0 ? 2 : command->json.length, STATUS_DEPTH_MAX, &value, NULL);
    if (error == 0) {
        struct gs_slice peers = gs_map_get(gs_slice_make(value.bytes, value.length), "peers");
        response->status = 200;
        gs_buffer_text(&response->body, "{\"peers\":");
        if (gs_value_kind(peers) == GS_KIND_ARRAY) {
            gs_json_write(peers, &response->body);
        } else {
            gs_buffer_text(&response->body, "[]");
        }
        gs_buffer_byte(&response->body, '}');
    } else {
        gs_fault_set(fault, error);
    }
    gs_buffer_close(&value);
    gs_command_free(command);
    return error;
}
