/* POST /peers/{region}/retire: a region is retired for good. The decision is an event on gs.member/KEY: it travels to
 * every region, and stays in the history with who made it. */
#include "node/http/handlers.h"
#include "node/http/members.h"
#include "node/http/text.h"
#include "node/http/writing.h"

#include "node/core/command.h"

#include <globalstate/json.h>

enum { BODY_DEPTH_MAX = 4, REASON_BYTES_MAX = 1024 };

enum { RIGHTS_TO, REASON, MEMBERS };

static const char *const member_names[MEMBERS] = {"rightsTo", "reason"};

static int read_text(struct gs_slice value, const char *field, size_t max, struct gs_slice *ret_text,
                     struct gs_http_fault *fault) {
    struct gs_reader reader;
    if (value.length == 0) {
        return 0;
    }
    gs_reader_init(&reader, value.bytes, value.length);
    struct gs_slice text = gs_value_kind(value) == GS_KIND_STR ? gs_read_str(&reader, max) : (struct gs_slice){0};
    if (reader.error != 0 || text.length == 0) {
        return gs_problem_set(&fault->problem, GS_EINVAL, field, "must be a text of 1 to %d bytes", (int)max);
    }
    *ret_text = text;
    return 0;
}

/* {"rightsTo": "REGION", "reason": "…"}, both optional. */
static int read_body(struct gs_http_request *request, struct gs_command *command, struct gs_http_fault *fault) {
    struct gs_slice body = {0};
    struct gs_slice values[MEMBERS] = {{0}};
    struct gs_slice reason = {0};
    int error = gs_http_request_parse_body(request, BODY_DEPTH_MAX, &command->arena, &body, fault);
    if (error == 0) {
        error = gs_members_read(body, "", member_names, MEMBERS, values, &fault->problem);
    }
    if (error == 0) {
        error = read_text(values[RIGHTS_TO], "/rightsTo", GS_REGION_NAME_MAX, &command->retire.heir, fault);
    }
    if (error == 0) {
        error = read_text(values[REASON], "/reason", REASON_BYTES_MAX, &reason, fault);
    }
    command->retire.reason = values[REASON];
    return error;
}

int gs_handle_retire(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_RETIRE);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    int error = read_body(request, command, fault);
    if (error == 0) {
        command->retire.region = request->target.segments[1];
        command->retire.actor = request->principal->subject;
        gs_gateway_call(request->context->gateway, command);
        error = gs_http_command_fault(command, fault);
    }
    if (error == 0 && command->retire.problem.code != 0) {
        fault->problem = command->retire.problem;
        error = command->retire.problem.code;
    }
    if (error == 0) {
        response->status = 200;
        gs_buffer_append(&response->body, command->json.bytes, command->json.length);
    }
    gs_command_free(command);
    return error;
}
