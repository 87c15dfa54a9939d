/* POST /state/{type}/{id}/rollback {"toVersion" | "to", "reason"}: back to how it was, by a new event.
 *
 * The event names what it cancels; a second rollback of the same is refused. ?dryRun=true shows what would change, the
 * events that would be cancelled, and which other aggregates share an event with them: those are not rolled back. */
#include "node/http/handlers.h"
#include "node/http/members.h"
#include "node/http/rollback_plan.h"
#include "node/http/text.h"
#include "node/http/writing.h"

#include <globalstate/json.h>

#include <inttypes.h>

enum { BODY_DEPTH_MAX = 4, REASON_BYTES_MAX = 1000, ATTEMPTS_MAX = 4 };

struct rollback {
    struct gs_http_request *request;
    struct gs_slice type;
    struct gs_slice id;
    struct gs_slice body; /* canonical */
    struct gs_rollback_goal goal;
    struct gs_slice reason; /* text; empty: none was given */
    bool dry;
    struct gs_command *command;
    struct gs_look look;
    struct gs_rollback_plan plan;
};

static int read_time(struct gs_slice value, struct rollback *rollback, struct gs_problem *problem) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    struct gs_slice text = gs_value_kind(value) == GS_KIND_STR ? gs_read_str(&reader, SIZE_MAX) : (struct gs_slice){0};
    rollback->goal.has_time = true;
    return gs_time_parse(text, &rollback->goal.time_ms) == 0
               ? 0
               : gs_problem_set(problem, GS_EINVAL, "/to", "must be a time (RFC 3339)");
}

static int read_reason(struct gs_slice value, struct rollback *rollback, struct gs_problem *problem) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    if (value.bytes == NULL) {
        return 0;
    }
    if (gs_value_kind(value) == GS_KIND_STR) {
        rollback->reason = gs_read_str(&reader, SIZE_MAX);
    }
    if (rollback->reason.length < 1 || rollback->reason.length > REASON_BYTES_MAX) {
        return gs_problem_set(problem, GS_EINVAL, "/reason", "must be a text of 1 to %d bytes", REASON_BYTES_MAX);
    }
    return 0;
}

static int read_dry_run(struct rollback *rollback, struct gs_problem *problem) {
    struct gs_slice text = gs_http_target_parameter(&rollback->request->target, "dryRun");
    rollback->dry = text.bytes != NULL && gs_slice_is(text, "true");
    if (text.bytes != NULL && !rollback->dry && !gs_slice_is(text, "false")) {
        return gs_problem_set(problem, GS_EINVAL, "dryRun", "must be true or false");
    }
    return 0;
}

static int read_body(struct rollback *rollback, struct gs_http_fault *fault) {
    static const char *const names[] = {"toVersion", "to", "reason"};
    struct gs_slice members[3];
    struct gs_problem *problem = &fault->problem;
    int error = gs_http_request_parse_body(rollback->request, BODY_DEPTH_MAX, &rollback->command->arena,
                                           &rollback->body, fault);
    if (error == 0) {
        error = gs_members_read(rollback->body, "", names, 3, members, problem);
    }
    if (error == 0 && (members[0].bytes == NULL) == (members[1].bytes == NULL)) {
        error = gs_problem_set(problem, GS_EINVAL, "/toVersion", "one of toVersion and to is needed%s",
                               members[0].bytes != NULL ? ", not both" : "");
    }
    if (error == 0) {
        error = members[0].bytes != NULL ? gs_member_uint(members[0], "", names[0], &rollback->goal.version, problem)
                                         : read_time(members[1], rollback, problem);
    }
    return error != 0 ? error : read_reason(members[2], rollback, problem);
}

/* What the event says of itself: {"data":{"cancels":[ids],"fromVersion","reason"?,"toVersion"}}. */
static int write_detached(const struct rollback *rollback, struct gs_slice *ret_detached) {
    const struct gs_rollback_plan *plan = &rollback->plan;
    struct gs_buffer map = {0};
    struct gs_buffer id = {0};
    gs_write_map(&map, 1);
    gs_write_str(&map, "data", 4);
    gs_write_map(&map, rollback->reason.length > 0 ? 4 : 3);
    gs_write_str(&map, "cancels", 7);
    gs_write_array(&map, plan->count);
    for (uint32_t i = 0; i < plan->count; i++) {
        id.length = 0;
        gs_past_event_id_write(&plan->cancelled[i].origin, plan->cancelled[i].seq, &id);
        gs_write_str(&map, id.bytes, id.length);
    }
    gs_write_str(&map, "fromVersion", 11);
    gs_write_uint(&map, plan->current);
    if (rollback->reason.length > 0) {
        gs_write_str(&map, "reason", 6);
        gs_write_str(&map, rollback->reason.bytes, rollback->reason.length);
    }
    gs_write_str(&map, "toVersion", 9);
    gs_write_uint(&map, plan->to_version);
    int error = map.failed != 0 ? map.failed : id.failed;
    const void *copy = error == 0 ? gs_arena_copy(&rollback->command->arena, map.bytes, map.length) : NULL;
    *ret_detached = gs_slice_make(copy, map.length);
    gs_buffer_close(&map);
    gs_buffer_close(&id);
    return error == 0 && copy == NULL ? GS_ENOMEM : error;
}

/* The same key for another aggregate or another goal is another request. */
static int make_idempotency(const struct rollback *rollback, struct gs_idempotency *ret_idempotency,
                            struct gs_http_fault *fault) {
    struct gs_buffer value = {0};
    gs_write_array(&value, 4);
    gs_write_str(&value, "rollback", 8);
    gs_write_str(&value, rollback->type.bytes, rollback->type.length);
    gs_write_str(&value, rollback->id.bytes, rollback->id.length);
    gs_buffer_append(&value, rollback->body.bytes, rollback->body.length);
    int error = value.failed != 0 ? gs_fault_set(fault, value.failed)
                                  : gs_http_idempotency(rollback->request, 0, gs_slice_make(value.bytes, value.length),
                                                        ret_idempotency, fault);
    gs_buffer_close(&value);
    return error;
}

/* Nothing may have happened since the plan was made. */
static int make_write(struct rollback *rollback, struct gs_http_fault *fault) {
    struct gs_arena *arena = &rollback->command->arena;
    struct gs_write *write = gs_arena_alloc(arena, sizeof *write);
    struct gs_write_change *change = gs_arena_alloc(arena, sizeof *change);
    if (write == NULL || change == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    *change = (struct gs_write_change){
        .aggregate_type = rollback->type,
        .aggregate_id = rollback->id,
        .kind = GS_WRITE_BACK,
        .ops = rollback->plan.ops,
        .op_count = rollback->plan.op_count,
        .prefix = "",
        .precondition = {.has_version = true, .version = rollback->plan.current},
    };
    *write = (struct gs_write){
        .event_type = gs_text_slice(GS_ROLLBACK_EVENT_TYPE),
        .actor = rollback->request->principal->subject,
        .change_count = 1,
        .changes = change,
    };
    rollback->command->writes = write;
    rollback->command->write_count = 1;
    int error = write_detached(rollback, &write->detached);
    return error != 0 ? gs_fault_set(fault, error) : make_idempotency(rollback, &write->idempotency, fault);
}

static int refuse_unchanged(struct gs_http_fault *fault) {
    return gs_problem_set(&fault->problem, GS_HTTP_EROLLEDBACK, NULL, "the state is what it was then");
}

static int write_plan(const struct rollback *rollback, struct gs_buffer *out, struct gs_http_fault *fault) {
    const struct gs_rollback_plan *plan = &rollback->plan;
    struct gs_past_filter filter = gs_look_filter(rollback->request);
    gs_buffer_printf(out, "{\"dryRun\":true,\"toVersion\":%" PRIu64 ",\"currentVersion\":%" PRIu64 ",",
                     plan->to_version, plan->current);
    if (plan->op_count == 0) {
        return refuse_unchanged(fault);
    }
    gs_rollback_write_ops(plan, out);
    gs_buffer_text(out, ",\"cancels\":");
    gs_rollback_write_cancelled(plan, &rollback->look.past, &filter, out);
    gs_buffer_text(out, ",\"before\":");
    int error = gs_aggregate_write_json(plan->before, out);
    if (error == 0) {
        gs_buffer_text(out, ",\"after\":");
        error = gs_aggregate_write_json(plan->target, out);
    }
    gs_buffer_byte(out, '}');
    return error == 0 ? out->failed : error;
}

/* The event as history shows it. A replayed request is answered with its earlier event. */
static int answer_event(struct rollback *rollback, struct gs_http_response *response, struct gs_http_fault *fault) {
    const struct gs_write_result *result = &rollback->command->results[0];
    struct gs_look look = {0};
    struct gs_past_record record = {0};
    const struct gs_past_only only = {.type = rollback->type, .id = rollback->id};
    struct gs_past_filter filter = gs_look_filter(rollback->request);
    struct gs_history_entry entry;
    struct gs_history_range range = {.first = result->changes[0].version, .last = result->changes[0].version};
    uint32_t count = 0;
    bool shown = false;
    int error = gs_look_open(rollback->request, &look, fault);
    if (error == 0) {
        error = look.past.reader->methods->entries(look.past.reader, only.type, only.id, &range, &entry, 1, &count);
    }
    if (error == 0) {
        error = count == 1 ? gs_past_record_load(&look.past, entry.position, &record, &fault->problem) : GS_ECORRUPT;
    }
    if (error == 0) {
        error = gs_past_event_write(&look.past, &record, entry.event, &only, &filter, &response->body, &shown);
    }
    gs_past_record_close(&record);
    gs_look_close(&look);
    response->status = result->replayed ? 200 : 201;
    if (result->replayed) {
        gs_http_response_header(response, "Idempotency-Replayed", "true");
    }
    return error;
}

static int carry_out(struct rollback *rollback, struct gs_http_response *response, struct gs_http_fault *fault) {
    int error = make_write(rollback, fault);
    if (error == 0) {
        gs_gateway_call(rollback->request->context->gateway, rollback->command);
        error = gs_http_command_fault(rollback->command, fault);
    }
    if (error == 0) {
        error = gs_http_result_fault(&rollback->command->results[0], fault);
    }
    if (error == 0 && rollback->command->results[0].unchanged) {
        error = refuse_unchanged(fault);
    }
    return error != 0 ? error : answer_event(rollback, response, fault);
}

static int make_plan(struct rollback *rollback, struct gs_http_fault *fault) {
    gs_rollback_plan_close(&rollback->plan);
    int error = gs_look_open(rollback->request, &rollback->look, fault);
    if (error == 0) {
        error = gs_rollback_plan_make(&rollback->look, rollback->type, rollback->id, &rollback->goal, &rollback->plan,
                                      fault);
    }
    return error;
}

/* Nobody else should wait for the reader while the write is stored. */
static void end_look(struct rollback *rollback) {
    gs_look_close(&rollback->look);
    rollback->look = (struct gs_look){0};
}

/* What the plan refuses may have been done by this very request, whose answer was lost: its key says so. */
static int recognise(struct rollback *rollback, int refusal, struct gs_http_response *response,
                     struct gs_http_fault *fault) {
    struct gs_http_fault ignored = {0};
    rollback->plan.current = UINT64_MAX; /* no aggregate is at it: only a known key is answered */
    int error = make_write(rollback, &ignored);
    if (error == 0 && rollback->command->writes[0].idempotency.present) {
        gs_gateway_call(rollback->request->context->gateway, rollback->command);
        if (rollback->command->error == 0 && rollback->command->results[0].replayed) {
            *fault = ignored;
            return answer_event(rollback, response, fault);
        }
    }
    return refusal;
}

/* Plans and writes until nothing came in between. */
static int roll_back(struct rollback *rollback, struct gs_http_response *response, struct gs_http_fault *fault) {
    int error = GS_EVERSIONCONFLICT;
    for (int i = 0; error == GS_EVERSIONCONFLICT && i < ATTEMPTS_MAX; i++) {
        *fault = (struct gs_http_fault){0};
        error = make_plan(rollback, fault);
        if (error == 0 && rollback->dry) {
            response->status = 200;
            return write_plan(rollback, &response->body, fault);
        }
        end_look(rollback);
        error = error != 0 ? error : carry_out(rollback, response, fault);
    }
    if (error == GS_EVERSIONCONFLICT) {
        return gs_fault_set(fault, GS_EOVERLOADED);
    }
    return error == GS_HTTP_EROLLEDBACK && !rollback->dry ? recognise(rollback, error, response, fault) : error;
}

static int run(struct rollback *rollback, struct gs_http_response *response, struct gs_http_fault *fault) {
    int error = gs_http_request_aggregate(rollback->request, &rollback->type, &rollback->id, fault);
    if (error == 0) {
        error = read_dry_run(rollback, &fault->problem);
    }
    if (error == 0) {
        error = read_body(rollback, fault);
    }
    return error != 0 ? error : roll_back(rollback, response, fault);
}

int gs_handle_rollback(struct gs_http_request *request, struct gs_http_response *response,
                       struct gs_http_fault *fault) {
    struct rollback rollback = {.request = request, .command = gs_command_new(GS_COMMAND_WRITE)};
    if (rollback.command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    int error = run(&rollback, response, fault);
    gs_look_close(&rollback.look);
    gs_rollback_plan_close(&rollback.plan);
    gs_command_free(rollback.command);
    return error == 0 || fault->problem.code != 0 ? error : gs_fault_set(fault, error);
}
