/* Batches that the core holds, and forks: shown, and released.
 *
 * A release is an ordinary event, written to the aggregate gs.quarantine/ID: it travels to every region, and stays in
 * the history with who did it. */
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

static int make_op(struct gs_arena *arena, const char *name, struct gs_slice value, struct gs_op *ret_op) {
    struct gs_slice *path = gs_arena_alloc(arena, sizeof *path);
    if (path == NULL) {
        return GS_ENOMEM;
    }
    *path = gs_text_slice(name);
    *ret_op = (struct gs_op){.kind = GS_OP_SET, .path = {.depth = 1, .names = path}, .value = value};
    return 0;
}

static int make_release(struct gs_http_request *request, struct gs_slice id, struct gs_slice reason,
                        struct gs_command *command) {
    static const uint8_t yes[] = {0xc3};
    struct gs_arena *arena = &command->arena;
    struct gs_op *ops = gs_arena_alloc(arena, 2 * sizeof *ops);
    struct gs_write_change *change = gs_arena_alloc(arena, sizeof *change);
    struct gs_write *write = gs_arena_alloc(arena, sizeof *write);
    if (ops == NULL || change == NULL || write == NULL ||
        make_op(arena, "released", gs_slice_make(yes, sizeof yes), &ops[0]) != 0 ||
        make_op(arena, "reason", reason, &ops[1]) != 0) {
        return GS_ENOMEM;
    }
    *change = (struct gs_write_change){
        .aggregate_type = gs_text_slice("gs.quarantine"),
        .aggregate_id = id,
        .kind = GS_WRITE_OPS,
        .ops = ops,
        .op_count = 2,
        .prefix = "",
    };
    *write = (struct gs_write){
        .event_type = gs_text_slice("gs.release"),
        .actor = request->principal->subject,
        .internal = true,
        .change_count = 1,
        .changes = change,
    };
    command->writes = write;
    command->write_count = 1;
    return 0;
}

static int write_release(struct gs_http_request *request, struct gs_slice id, struct gs_slice reason,
                         struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    if (command == NULL || make_release(request, id, reason, command) != 0) {
        gs_command_free(command);
        return gs_fault_set(fault, GS_ENOMEM);
    }
    gs_gateway_call(request->context->gateway, command);
    int error = gs_http_command_fault(command, fault);
    error = error != 0 ? error : gs_http_result_fault(&command->results[0], fault);
    gs_command_free(command);
    return error;
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
