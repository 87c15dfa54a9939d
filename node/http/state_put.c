/* Writes to one aggregate by its address: PUT (the whole state), PATCH (ops), DELETE.
 *
 * Event types are "state.put", "state.patch" (unless the client names one) and "state.delete". */
#include "node/http/handlers.h"
#include "node/http/members.h"
#include "node/http/state_base.h"
#include "node/http/text.h"
#include "node/http/writing.h"

#include <globalstate/json.h>

#include <stdio.h>

enum { PATCH_DEPTH_MAX = GS_VALUE_DEPTH_MAX + 3 }; /* {"ops":[{"value":…}]} */

/* A write of one event to one aggregate, in the making; all of it in the command's arena. */
struct making {
    struct gs_command *command;
    struct gs_write *write;
    struct gs_write_change *change;
};

static int copy_slice(struct gs_arena *arena, struct gs_slice slice, struct gs_slice *ret_copy) {
    const void *copy = gs_arena_copy(arena, slice.bytes, slice.length);
    *ret_copy = gs_slice_make(copy, slice.length);
    return copy == NULL ? GS_ENOMEM : 0;
}

/* Address, actor and preconditions. `fault` is filled in on failure. */
static int make_write(struct gs_http_request *request, struct gs_command *command, struct making *ret_making,
                      struct gs_http_fault *fault) {
    struct gs_slice type;
    struct gs_slice id;
    int error = gs_http_request_aggregate(request, &type, &id, fault);
    if (error != 0) {
        return error;
    }
    struct gs_arena *arena = &command->arena;
    struct gs_write *write = gs_arena_alloc(arena, sizeof *write);
    struct gs_write_change *change = gs_arena_alloc(arena, sizeof *change);
    if (write == NULL || change == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    *change = (struct gs_write_change){.prefix = "/ops"};
    *write = (struct gs_write){.change_count = 1, .changes = change};
    if (copy_slice(arena, type, &change->aggregate_type) != 0 || copy_slice(arena, id, &change->aggregate_id) != 0 ||
        copy_slice(arena, request->principal->subject, &write->actor) != 0) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    command->writes = write;
    command->write_count = 1;
    *ret_making = (struct making){.command = command, .write = write, .change = change};
    return gs_http_precondition(request, &change->precondition, fault);
}

/* The same key with another method, address or body is another request. */
static int make_idempotency(struct gs_http_request *request, const struct making *making, struct gs_slice body,
                            struct gs_http_fault *fault) {
    struct gs_buffer value = {0};
    const struct gs_write_change *change = making->change;
    const char *method = request->info->request_method;
    gs_write_array(&value, 4);
    gs_write_str(&value, method, strlen(method));
    gs_write_str(&value, change->aggregate_type.bytes, change->aggregate_type.length);
    gs_write_str(&value, change->aggregate_id.bytes, change->aggregate_id.length);
    gs_buffer_append(&value, body.bytes, body.length);
    int error = value.failed != 0 ? gs_fault_set(fault, value.failed) : 0;
    if (error == 0) {
        error = gs_http_idempotency(request, 0, gs_slice_make(value.bytes, value.length), &making->write->idempotency,
                                    fault);
    }
    gs_buffer_close(&value);
    return error;
}

/* The version that the document was read at. If it is the current one, the core compares; if not, put_against_base. */
static int read_base_version(struct gs_http_request *request, struct gs_precondition *precondition,
                             struct gs_http_fault *fault) {
    struct gs_slice text = {0};
    int error = gs_http_header_single(request->info, "Base-Version", &text, fault);
    if (error != 0 || text.bytes == NULL) {
        return error;
    }
    uint64_t version = 0;
    bool valid = text.length > 0 && text.length <= 19;
    for (size_t i = 0; i < text.length && valid; i++) {
        valid = text.bytes[i] >= '0' && text.bytes[i] <= '9';
        version = version * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    if (!valid) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "Base-Version", "must be a version, as states show it");
    }
    precondition->has_version = true;
    precondition->version = version;
    return 0;
}

static int make_put(struct gs_http_request *request, const struct making *making, struct gs_http_fault *fault) {
    struct gs_slice document;
    int error = gs_http_request_parse_body(request, GS_VALUE_DEPTH_MAX, &making->command->arena, &document, fault);
    if (error == 0 && gs_value_kind(document) != GS_KIND_MAP) {
        error = gs_problem_set(&fault->problem, GS_EINVAL, NULL, "a state must be an object");
    }
    if (error != 0) {
        return error;
    }
    making->write->event_type = gs_text_slice("state.put");
    making->change->kind = GS_WRITE_PUT;
    making->change->document = document;
    making->change->prefix = "";
    error = read_base_version(request, &making->change->precondition, fault);
    return error != 0 ? error : make_idempotency(request, making, document, fault);
}

static int read_patch(struct gs_slice body, const struct making *making, struct gs_problem *problem) {
    static const char *const names[] = {"ops", "eventType", "data", "metadata", "expectedVersion"};
    struct gs_slice members[5];
    struct gs_write_change *change = making->change;
    struct gs_op *ops = NULL;
    int error = gs_members_read(body, "", names, 5, members, problem);
    if (error == 0 && members[0].bytes == NULL) {
        error = gs_problem_set(problem, GS_EINVAL, "/ops", "is missing");
    }
    if (error == 0) {
        error = gs_ops_parse(members[0], "/ops", &making->command->arena, &ops, &change->op_count, problem);
        change->ops = ops;
    }
    making->write->event_type = gs_text_slice("state.patch");
    if (error == 0 && members[1].bytes != NULL) {
        error = gs_http_event_type(members[1], "", &making->write->event_type, problem);
    }
    if (error == 0 && members[4].bytes != NULL) {
        change->precondition.has_version = true;
        error = gs_member_uint(members[4], "", names[4], &change->precondition.version, problem);
    }
    return error != 0 ? error
                      : gs_http_detached(members[2], members[3], "", &making->command->arena, &making->write->detached,
                                         problem);
}

static int make_patch(struct gs_http_request *request, const struct making *making, struct gs_http_fault *fault) {
    struct gs_slice body;
    int error = gs_http_request_parse_body(request, PATCH_DEPTH_MAX, &making->command->arena, &body, fault);
    if (error == 0) {
        error = read_patch(body, making, &fault->problem);
    }
    return error != 0 ? error : make_idempotency(request, making, body, fault);
}

static int make_delete(struct gs_http_request *request, const struct making *making, struct gs_http_fault *fault) {
    if (request->body.length > 0) {
        return gs_problem_set(&fault->problem, GS_EINVAL, NULL, "DELETE takes no body");
    }
    making->write->event_type = gs_text_slice("state.delete");
    making->change->kind = GS_WRITE_DELETE;
    return make_idempotency(request, making, (struct gs_slice){0}, fault);
}

/* The state after the write; 204 if that is none. A replayed answer comes without one: then it is the state now. */
static int answer_view(struct gs_http_request *request, const struct making *making, struct gs_http_response *response,
                       struct gs_http_fault *fault) {
    const struct gs_change_result *result = &making->command->results[0].changes[0];
    const struct gs_write_change *change = making->change;
    int error = 0;
    struct gs_view *view = result->view != NULL ? gs_view_retain(result->view)
                                                : gs_gateway_view(request->context->gateway, change->aggregate_type,
                                                                  change->aggregate_id, &error);
    if (view == NULL) {
        return gs_fault_set(fault, error != 0 ? error : GS_ENOMEM);
    }
    if (!view->exists) { /* what is not there has no representation and no ETag, here as in a GET */
        gs_view_release(view);
        response->status = 204;
        return 0;
    }
    bool created = result->created && request->method == GS_HTTP_PUT;
    gs_http_response_view(response, created ? 201 : 200, view);
    return 0;
}

static int call(struct gs_http_request *request, const struct making *making, struct gs_http_fault *fault) {
    struct gs_command *command = making->command;
    gs_gateway_call(request->context->gateway, command);
    int error = gs_http_command_fault(command, fault);
    return error == 0 ? gs_http_result_fault(&command->results[0], fault) : error;
}

/* The aggregate has gone on since the client read it: what the client changed becomes operations on what is there now.
 * Nothing to do is no event, but the core is asked all the same: it alone can compare the other preconditions with the
 * state that is answered. */
static int put_against_base(struct gs_http_request *request, const struct making *making, struct gs_http_fault *fault) {
    struct gs_write_change *change = making->change;
    struct gs_op *ops = NULL;
    struct gs_http_fault cause = {0};
    int error = gs_state_base_ops(request, change->aggregate_type, change->aggregate_id, change->precondition.version,
                                  change->document, &making->command->arena, &ops, &change->op_count, &cause);
    if (error == GS_ENOTFOUND) {
        return fault->problem.code; /* a version that is not yet: the first refusal stands */
    }
    *fault = cause;
    if (error != 0) {
        return error;
    }
    change->kind = change->op_count > 0 ? GS_WRITE_OPS : GS_WRITE_BACK;
    change->ops = ops;
    change->precondition.has_version = false;
    return call(request, making, fault);
}

static int answer_write(struct gs_http_request *request, const struct making *making, struct gs_http_response *response,
                        struct gs_http_fault *fault) {
    struct gs_command *command = making->command;
    int error = call(request, making, fault);
    bool older = error == GS_EVERSIONCONFLICT && fault->has_current_version &&
                 making->change->precondition.version < fault->current_version;
    if (older && making->change->kind == GS_WRITE_PUT) {
        error = put_against_base(request, making, fault);
    }
    if (error == GS_EVERSIONCONFLICT && making->change->kind == GS_WRITE_PUT) {
        snprintf(fault->problem.field, sizeof fault->problem.field, "Base-Version");
    }
    if (error != 0) {
        return error;
    }
    const struct gs_write_result *result = &command->results[0];
    if (making->change->kind == GS_WRITE_DELETE) {
        if (result->unchanged && !result->replayed) {
            return gs_fault_set(fault, GS_ENOTFOUND);
        }
        response->status = 204;
    } else {
        error = answer_view(request, making, response, fault);
    }
    if (error == 0 && result->replayed) {
        gs_http_response_header(response, "Idempotency-Replayed", "true");
    }
    return error;
}

typedef int (*make_fn)(struct gs_http_request *request, const struct making *making, struct gs_http_fault *fault);

static int handle_write(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault,
                        make_fn make) {
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    struct making making;
    int error = make_write(request, command, &making, fault);
    if (error == 0) {
        error = make(request, &making, fault);
    }
    command->want_views = error == 0 && making.change->kind != GS_WRITE_DELETE;
    if (error == 0) {
        error = answer_write(request, &making, response, fault);
    }
    gs_command_free(command);
    return error;
}

int gs_handle_state_put(struct gs_http_request *request, struct gs_http_response *response,
                        struct gs_http_fault *fault) {
    return handle_write(request, response, fault, make_put);
}

int gs_handle_state_patch(struct gs_http_request *request, struct gs_http_response *response,
                          struct gs_http_fault *fault) {
    return handle_write(request, response, fault, make_patch);
}

int gs_handle_state_delete(struct gs_http_request *request, struct gs_http_response *response,
                           struct gs_http_fault *fault) {
    return handle_write(request, response, fault, make_delete);
}
