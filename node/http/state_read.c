/* Several aggregates at one cut: what is answered is the node's state at one point between two events.
 *
 * {"aggregates":[{"type","id"},…]} → {"items":[state or null,…]}, in the order asked for. */
#include "node/http/handlers.h"
#include "node/http/members.h"
#include "node/http/writing.h"

#include "node/core/command.h"

#include <stdio.h>

enum { KEYS_MAX = 1000, BODY_DEPTH_MAX = 4 };

static int read_key(const struct gs_http_request *request, struct gs_slice value, uint32_t index,
                    struct gs_read_key *ret_key, struct gs_http_fault *fault) {
    /* The long names are those of the state document: both are taken. */
    static const char *const names[] = {"type", "id", "aggregateType", "aggregateId"};
    char prefix[GS_FIELD_SIZE];
    struct gs_slice members[4];
    struct gs_problem *problem = &fault->problem;
    snprintf(prefix, sizeof prefix, "/aggregates/%u", (unsigned)index);
    int error = gs_members_read(value, prefix, names, 4, members, problem);
    int type = members[0].bytes == NULL && members[2].bytes != NULL ? 2 : 0;
    int id = members[1].bytes == NULL && members[3].bytes != NULL ? 3 : 1;
    if (error == 0) {
        error = gs_member_name(members[type], prefix, names[type], &ret_key->aggregate_type, problem);
    }
    if (error == 0) {
        error = gs_member_name(members[id], prefix, names[id], &ret_key->aggregate_id, problem);
    }
    if (error == 0 && !gs_principal_covers(request->principal, ret_key->aggregate_type, ret_key->aggregate_id)) {
        error = gs_problem_set(problem, GS_HTTP_EFORBIDDEN, prefix, "the token's aggregates do not include this one");
    }
    return error;
}

static int read_keys(struct gs_http_request *request, struct gs_command *command, struct gs_http_fault *fault) {
    static const char *const names[] = {"aggregates"};
    struct gs_slice value;
    struct gs_slice member;
    struct gs_reader reader;
    uint32_t count = 0;
    int error = gs_http_request_parse_body(request, BODY_DEPTH_MAX, &command->arena, &value, fault);
    if (error == 0) {
        error = gs_members_read(value, "", names, 1, &member, &fault->problem);
    }
    if (error == 0) {
        error = gs_member_array(member, "", names[0], &reader, &count, &fault->problem);
    }
    if (error == 0 && count > KEYS_MAX) {
        error = gs_problem_set(&fault->problem, GS_ETOOBIG, "/aggregates", "more than %d", KEYS_MAX);
    }
    if (error != 0) {
        return error;
    }
    struct gs_read_key *keys = gs_arena_alloc(&command->arena, (count + 1) * sizeof *keys);
    if (keys == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        error = read_key(request, gs_skip_value(&reader), i, &keys[i], fault);
    }
    command->keys = keys;
    command->key_count = count;
    return error;
}

static void write_items(const struct gs_command *command, struct gs_buffer *out) {
    gs_buffer_text(out, "{\"items\":[");
    for (uint32_t i = 0; i < command->key_count; i++) {
        const struct gs_view *view = command->views[i];
        gs_buffer_text(out, i > 0 ? "," : "");
        if (view != NULL && view->exists) {
            gs_buffer_append(out, view->json.bytes, view->json.length);
        } else {
            gs_buffer_text(out, "null");
        }
    }
    gs_buffer_text(out, "]}");
}

int gs_handle_state_read(struct gs_http_request *request, struct gs_http_response *response,
                         struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_READ);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    int error = read_keys(request, command, fault);
    if (error == 0 && command->key_count > 0) {
        gs_gateway_call(request->context->gateway, command);
        error = gs_http_command_fault(command, fault);
    }
    if (error == 0) {
        response->status = 200;
        write_items(command, &response->body);
    }
    gs_command_free(command);
    return error;
}
