/* Batches that the core holds, and forks: shown, and released.
 *
 * A release is an ordinary event, written to the aggregate gs.quarantine/ID: it travels to every region, and stays in
 * the history with who did it. */
#include "node/http/decision.h"
#include "node/http/handlers.h"
#include "node/http/text.h"
#include "node/http/writing.h"

#include "node/core/command.h"

#include <globalstate/json.h>

enum { BODY_DEPTH_MAX = 4, REASON_BYTES_MAX = 1024 };

static int ask(struct gs_http_request *request, struct gs_slice id, struct gs_command **ret_command,
               struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_QUARANTINE);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    command->held_id = id;
    gs_gateway_call(request->context->gateway, command);
    int error = gs_http_command_fault(command, fault);
    if (error != 0) {
        gs_command_free(command);
        return error;
    }
    *ret_command = command;
    return 0;
}

static int show(struct gs_http_request *request, struct gs_slice id, struct gs_http_response *response,
                struct gs_http_fault *fault) {
    struct gs_command *command = NULL;
    int error = ask(request, id, &command, fault);
    if (error == 0) {
        response->status = 200;
        gs_buffer_append(&response->body, command->json.bytes, command->json.length);
        gs_command_free(command);
    }
    return error;
}

int gs_handle_quarantine(struct gs_http_request *request, struct gs_http_response *response,
                         struct gs_http_fault *fault) {
    return show(request, (struct gs_slice){0}, response, fault);
}

int gs_handle_quarantine_item(struct gs_http_request *request, struct gs_http_response *response,
                              struct gs_http_fault *fault) {
    return show(request, request->target.segments[1], response, fault);
}

/* {"reason": "…"}: a person's, for the history. */
static int read_reason(struct gs_http_request *request, struct gs_arena *arena, struct gs_slice *ret_reason,
                       struct gs_http_fault *fault) {
    struct gs_slice body;
    int error = gs_http_request_parse_body(request, BODY_DEPTH_MAX, arena, &body, fault);
    if (error != 0) {
        return error;
    }
    if (gs_value_kind(body) != GS_KIND_MAP) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "", "the body must be an object");
    }
    struct gs_slice reason = gs_map_get(body, "reason");
    struct gs_reader reader;
    gs_reader_init(&reader, body.bytes, body.length);
    if (gs_read_map(&reader, UINT32_MAX) != 1 || gs_value_kind(reason) != GS_KIND_STR) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "/reason", "one member is wanted: reason, a text");
    }
    gs_reader_init(&reader, reason.bytes, reason.length);
    struct gs_slice text = gs_read_str(&reader, REASON_BYTES_MAX);
    if (reader.error != 0 || text.length == 0) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "/reason", "must have 1 to %d bytes", REASON_BYTES_MAX);
    }
    *ret_reason = reason;
    return 0;
}

static int write_release(struct gs_http_request *request, struct gs_slice id, struct gs_slice reason,
                         struct gs_http_fault *fault) {
    static const uint8_t yes[] = {0xc3};
    const struct gs_http_decision decision = {.type = "gs.quarantine",
                                              .id = id,
                                              .event_type = "gs.release",
                                              .member = "released",
                                              .value = gs_slice_make(yes, sizeof yes),
                                              .reason = reason};
    return gs_http_decide(request, &decision, fault);
}

static int check_releasable(struct gs_http_request *request, struct gs_slice id, struct gs_http_fault *fault) {
    struct gs_command *command = NULL;
    int error = ask(request, id, &command, fault);
    if (error == 0 && !command->held_releasable) {
        error = gs_problem_set(&fault->problem, GS_HTTP_ENOTRELEASABLE, NULL, "it is held because %s",
                               gs_error_message(command->held_reason));
    }
    gs_command_free(command);
    return error;
}

int gs_handle_quarantine_release(struct gs_http_request *request, struct gs_http_response *response,
                                 struct gs_http_fault *fault) {
    struct gs_slice id = request->target.segments[1];
    struct gs_arena arena = {0};
    struct gs_slice reason = {0};
    int error = read_reason(request, &arena, &reason, fault);
    if (error == 0) {
        error = check_releasable(request, id, fault);
    }
    if (error == 0) {
        error = write_release(request, id, reason, fault);
    }
    gs_arena_close(&arena);
    if (error == 0) {
        response->status = 200;
        gs_buffer_text(&response->body, "{\"id\":");
        gs_json_write_string(id.bytes, id.length, &response->body);
        gs_buffer_text(&response->body, ",\"released\":true}");
    }
    return error;
}
