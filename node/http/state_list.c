/* The aggregates of one type, in the order of their ids. */
#include "node/http/handlers.h"
#include "node/http/paging.h"
#include "node/http/writing.h"

#include "node/core/command.h"

/* The cursor is the last id of the page before. */
static int read_cursor(const struct gs_http_request *request, struct gs_slice *ret_after, struct gs_http_fault *fault) {
    struct gs_slice cursor = gs_http_target_parameter(&request->target, "cursor");
    if (cursor.bytes != NULL && !gs_id_valid(cursor)) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "cursor", "is not one that a list gave out");
    }
    *ret_after = cursor;
    return 0;
}

static struct gs_slice copy(struct gs_arena *arena, struct gs_slice slice) {
    return gs_slice_make(gs_arena_copy(arena, slice.bytes, slice.length), slice.length);
}

int gs_handle_state_list(struct gs_http_request *request, struct gs_http_response *response,
                         struct gs_http_fault *fault) {
    struct gs_slice type = {0};
    struct gs_slice after = {0};
    uint32_t limit = 0;
    int error = gs_http_request_aggregate(request, &type, NULL, fault);
    if (error == 0) {
        error = gs_http_limit(request, &limit, fault);
    }
    if (error == 0) {
        error = read_cursor(request, &after, fault);
    }
    if (error != 0) {
        return error;
    }
    struct gs_command *command = gs_command_new(GS_COMMAND_LIST);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    command->list_type = copy(&command->arena, type);
    command->list_after = copy(&command->arena, after);
    command->list_limit = limit;
    if (command->list_type.bytes == NULL || command->list_after.bytes == NULL) {
        gs_command_free(command);
        return gs_fault_set(fault, GS_ENOMEM);
    }
    return gs_http_hand_on(request, command, response, fault);
}
