/* Sync jobs: POST /sync starts one, GET /sync lists them, GET /sync/{id} shows one (?watch: as it goes on, as
 * server-sent events), DELETE /sync/{id} cancels it. The jobs are the core's (node/core/jobs.h). */
#include "node/http/handlers.h"
#include "node/http/members.h"
#include "node/http/text.h"
#include "node/http/writing.h"

#include "node/core/command.h"
#include "node/http/sync_watch.h"

#include <stdio.h>
#include <string.h>

enum { BODY_DEPTH_MAX = 4, REGIONS_MAX = 256 };

int gs_sync_call(struct gs_http_request *request, struct gs_command *command, struct gs_http_fault *fault) {
    gs_gateway_call(request->context->gateway, command);
    if (command->error == GS_EINVAL) {
        char field[GS_FIELD_SIZE];
        snprintf(field, sizeof field, "/regions/%u", command->sync.bad_region);
        return gs_problem_set(&fault->problem, GS_EINVAL, field, "must be another region of the trust file");
    }
    if (command->error == GS_ENOTFOUND) {
        return gs_problem_set(&fault->problem, GS_ENOTFOUND, "id", "there is no sync of this name, or not any more");
    }
    if (command->error == GS_EOVERLOADED) {
        return gs_problem_set(&fault->problem, GS_EOVERLOADED, NULL, "too many syncs wait or run already");
    }
    return gs_http_command_fault(command, fault);
}

static int read_mode(struct gs_slice value, enum gs_sync_mode *ret_mode, struct gs_problem *problem) {
    static const char *const names[] = {"delta", "verify", "full"};
    struct gs_slice name = {0};
    int error = gs_member_name(value, "", "mode", &name, problem);
    for (int i = 0; error == 0 && i < GS_SYNC_BOOTSTRAP; i++) {
        if (gs_slice_is(name, names[i])) {
            *ret_mode = (enum gs_sync_mode)i;
            return 0;
        }
    }
    return gs_problem_set(problem, GS_EINVAL, "/mode", "must be \"delta\", \"verify\" or \"full\"");
}

/* A list of names; a missing one is empty. */
static int read_names(struct gs_slice value, const char *member, uint32_t max, struct gs_arena *arena,
                      const struct gs_slice **ret_names, uint32_t *ret_count, struct gs_problem *problem) {
    struct gs_reader reader;
    uint32_t count = 0;
    char field[GS_FIELD_SIZE];
    if (value.bytes == NULL) {
        return 0;
    }
    snprintf(field, sizeof field, "/%s", member);
    int error = gs_member_array(value, "", member, &reader, &count, problem);
    if (error == 0 && (count < 1 || count > max)) {
        error = gs_problem_set(problem, GS_EINVAL, field, "must have 1 to %u items", max);
    }
    struct gs_slice *names = error == 0 ? gs_arena_alloc(arena, count * sizeof *names) : NULL;
    if (error == 0 && names == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "out of memory");
    }
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        char index[16];
        snprintf(index, sizeof index, "%u", i);
        error = gs_member_name(gs_skip_value(&reader), field, index, &names[i], problem);
    }
    *ret_names = names;
    *ret_count = count;
    return error;
}

static int read_request(struct gs_http_request *request, struct gs_command *command, struct gs_http_fault *fault) {
    static const char *const names[] = {"mode", "regions", "aggregateTypes", "dryRun", "rateBytesPerSecond"};
    struct gs_slice body, members[5];
    struct gs_sync_request *sync = &command->sync;
    int error = gs_http_request_parse_body(request, BODY_DEPTH_MAX, &command->arena, &body, fault);
    if (error == 0) {
        error = gs_members_read(body, "", names, 5, members, &fault->problem);
    }
    if (error == 0) {
        error = read_mode(members[0], &sync->mode, &fault->problem);
    }
    if (error == 0) {
        error = read_names(members[1], names[1], REGIONS_MAX, &command->arena, &sync->regions, &sync->region_count,
                           &fault->problem);
    }
    if (error == 0) {
        error = read_names(members[2], names[2], GS_JOB_TYPES_MAX, &command->arena, &sync->types, &sync->type_count,
                           &fault->problem);
    }
    if (error == 0 && members[3].bytes != NULL) {
        error = gs_member_bool(members[3], "", names[3], &sync->dry_run, &fault->problem);
    }
    if (error == 0 && members[4].bytes != NULL) {
        error = gs_member_uint(members[4], "", names[4], &sync->rate, &fault->problem);
    }
    if (error == 0 && sync->mode == GS_SYNC_DELTA && sync->type_count > 0) {
        error = gs_problem_set(&fault->problem, GS_EINVAL, "/aggregateTypes",
                               "does not go with \"delta\": events of all types travel together");
    }
    return error;
}

int gs_handle_sync_post(struct gs_http_request *request, struct gs_http_response *response,
                        struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_SYNC);
    char location[8 + GS_SYNC_ID_SIZE];
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    command->sync.ask = GS_SYNC_START;
    int error = read_request(request, command, fault);
    if (error == 0) {
        error = gs_sync_call(request, command, fault);
    }
    if (error == 0) {
        response->status = 202;
        snprintf(location, sizeof location, "/sync/%s", command->sync.ret_id);
        gs_http_response_header(response, "Location", location);
        gs_buffer_append(&response->body, command->json.bytes, command->json.length);
    }
    gs_command_free(command);
    return error;
}

static int answer(struct gs_http_request *request, enum gs_sync_ask ask, struct gs_http_response *response,
                  struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_SYNC);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    command->sync.ask = ask;
    command->sync.id = ask == GS_SYNC_LIST ? (struct gs_slice){0} : request->target.segments[1];
    int error = gs_sync_call(request, command, fault);
    if (error == 0) {
        response->status = 200;
        gs_buffer_append(&response->body, command->json.bytes, command->json.length);
    }
    gs_command_free(command);
    return error;
}

int gs_handle_sync_list(struct gs_http_request *request, struct gs_http_response *response,
                        struct gs_http_fault *fault) {
    return answer(request, GS_SYNC_LIST, response, fault);
}

int gs_handle_sync_get(struct gs_http_request *request, struct gs_http_response *response,
                       struct gs_http_fault *fault) {
    int error = answer(request, GS_SYNC_GET, response, fault);
    bool watch = gs_http_target_parameter(&request->target, "watch").bytes != NULL;
    return error == 0 && watch && request->method == GS_HTTP_GET ? gs_sync_watch(request, response, fault) : error;
}

int gs_handle_sync_delete(struct gs_http_request *request, struct gs_http_response *response,
                          struct gs_http_fault *fault) {
    return answer(request, GS_SYNC_CANCEL, response, fault);
}
