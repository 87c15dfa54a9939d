#include "node/http/decision.h"

#include "node/core/command.h"
#include "node/http/context.h"
#include "node/http/text.h"
#include "node/http/writing.h"

static int make_op(struct gs_arena *arena, const char *name, struct gs_slice value, struct gs_op *ret_op) {
    struct gs_slice *path = gs_arena_alloc(arena, sizeof *path);
    const uint8_t *copy = gs_arena_copy(arena, value.bytes, value.length);
    if (path == NULL || copy == NULL) {
        return GS_ENOMEM;
    }
    *path = gs_text_slice(name);
    *ret_op = (struct gs_op){
        .kind = GS_OP_SET, .path = {.depth = 1, .names = path}, .value = gs_slice_make(copy, value.length)};
    return 0;
}

static int make_write(const struct gs_http_request *request, const struct gs_http_decision *decision,
                      struct gs_command *command) {
    struct gs_arena *arena = &command->arena;
    struct gs_op *ops = gs_arena_alloc(arena, 2 * sizeof *ops);
    struct gs_write_change *change = gs_arena_alloc(arena, sizeof *change);
    struct gs_write *write = gs_arena_alloc(arena, sizeof *write);
    if (ops == NULL || change == NULL || write == NULL ||
        make_op(arena, decision->member, decision->value, &ops[0]) != 0 ||
        make_op(arena, "reason", decision->reason, &ops[1]) != 0) {
        return GS_ENOMEM;
    }
    *change = (struct gs_write_change){
        .aggregate_type = gs_text_slice(decision->type),
        .aggregate_id = decision->id,
        .kind = GS_WRITE_OPS,
        .ops = ops,
        .op_count = 2,
        .prefix = "",
    };
    *write = (struct gs_write){
        .event_type = gs_text_slice(decision->event_type),
        .actor = request->principal->subject,
        .internal = true,
        .change_count = 1,
        .changes = change,
    };
    command->writes = write;
    command->write_count = 1;
    return 0;
}

int gs_http_decide(struct gs_http_request *request, const struct gs_http_decision *decision,
                   struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    if (command == NULL || make_write(request, decision, command) != 0) {
        gs_command_free(command);
        return gs_fault_set(fault, GS_ENOMEM);
    }
    gs_gateway_call(request->context->gateway, command);
    int error = gs_http_command_fault(command, fault);
    error = error != 0 ? error : gs_http_result_fault(&command->results[0], fault);
    gs_command_free(command);
    return error;
}
