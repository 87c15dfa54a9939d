/* POST /events: one event, or a batch {"events":[…],"atomic"?}.
 *
 * A batch is applied in order, each event on its own: an item that is refused carries {"error":{problem}} in its place
 * and the answer is 207. With "atomic":true it is all or nothing, and the fault's field says which item it was. */
#include "node/http/event_item.h"
#include "node/http/handlers.h"
#include "node/http/members.h"
#include "node/http/problem.h"
#include "node/http/writing.h"

#include <globalstate/json.h>

#include <stdio.h>
#include <string.h>

enum {
    BATCH_MAX = 1000,
    BODY_DEPTH_MAX = GS_VALUE_DEPTH_MAX + 8 /* {"events":[{"changes":[{"ops":[{"value":…}]}]}]} */
};

struct posting {
    struct gs_http_request *request;
    struct gs_command *command;
    bool batch;
    uint32_t count;
    struct gs_event_item *items; /* in the command's arena */
    struct gs_write *writes;
};

static int posting_reserve(struct posting *posting, uint32_t count, struct gs_http_fault *fault) {
    struct gs_arena *arena = &posting->command->arena;
    posting->items = gs_arena_alloc(arena, count * sizeof *posting->items);
    posting->writes = gs_arena_alloc(arena, count * sizeof *posting->writes);
    if (posting->items == NULL || posting->writes == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    posting->count = count;
    posting->command->writes = posting->writes;
    return 0;
}

/* The items, not yet looked into. */
static int split_batch(struct posting *posting, struct gs_slice body, struct gs_http_fault *fault) {
    static const char *const names[] = {"events", "atomic"};
    struct gs_slice members[2];
    struct gs_reader reader;
    uint32_t count = 0;
    int error = gs_members_read(body, "", names, 2, members, &fault->problem);
    if (error == 0) {
        error = gs_member_array(members[0], "", names[0], &reader, &count, &fault->problem);
    }
    if (error == 0 && members[1].bytes != NULL) {
        error = gs_member_bool(members[1], "", names[1], &posting->command->atomic, &fault->problem);
    }
    if (error == 0 && (count < 1 || count > BATCH_MAX)) {
        error = gs_problem_set(&fault->problem, count < 1 ? GS_EINVAL : GS_ETOOBIG, "/events",
                               "must have 1 to %d items", BATCH_MAX);
    }
    if (error == 0) {
        error = posting_reserve(posting, count, fault);
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        posting->items[i] = (struct gs_event_item){.value = gs_skip_value(&reader)};
        snprintf(posting->items[i].prefix, GS_EVENT_PREFIX_SIZE, "/events/%u", (unsigned)i);
    }
    posting->batch = true;
    return error;
}

static int split(struct posting *posting, struct gs_http_fault *fault) {
    struct gs_slice body;
    int error = gs_http_request_parse_body(posting->request, BODY_DEPTH_MAX, &posting->command->arena, &body, fault);
    if (error != 0) {
        return error;
    }
    if (gs_map_get(body, "events").bytes != NULL) {
        return split_batch(posting, body, fault);
    }
    error = posting_reserve(posting, 1, fault);
    if (error == 0) {
        posting->items[0] = (struct gs_event_item){.value = body};
    }
    return error;
}

static int parse_item(struct posting *posting, uint32_t index, struct gs_http_fault *fault) {
    struct gs_command *command = posting->command;
    struct gs_event_item *item = &posting->items[index];
    struct gs_write *write = &posting->writes[command->write_count];
    *write = (struct gs_write){0};
    int error = gs_event_item_parse(posting->request, item, &command->arena, write, fault);
    if (error == 0) {
        error = gs_http_idempotency(posting->request, index, item->value, &write->idempotency, fault);
    }
    if (error == 0) {
        item->write = command->write_count++;
    }
    return error;
}

/* Keeps the fault of one item of a batch for its place in the answer. */
static int refuse_item(struct posting *posting, uint32_t index, const struct gs_http_fault *fault) {
    struct gs_http_fault *copy = gs_arena_copy(&posting->command->arena, fault, sizeof *fault);
    posting->items[index].fault = copy;
    return copy == NULL ? GS_ENOMEM : 0;
}

static bool stands_alone(const struct posting *posting, int error) {
    return posting->batch && !posting->command->atomic && error != GS_ENOMEM && error != GS_HTTP_EREQUEST;
}

static int parse_items(struct posting *posting, struct gs_http_fault *fault) {
    for (uint32_t i = 0; i < posting->count; i++) {
        struct gs_http_fault item_fault = {0};
        int error = parse_item(posting, i, &item_fault);
        if (error != 0 && stands_alone(posting, error)) {
            error = refuse_item(posting, i, &item_fault);
            gs_fault_set(&item_fault, GS_ENOMEM);
        }
        if (error != 0) {
            *fault = item_fault;
            return error;
        }
    }
    return 0;
}

/* The core knows the place of ops ("/events/3/ops/0"), and of other members within the event ("/expectedVersion"); a
 * header's name it leaves alone. */
static void point_at_item(const struct gs_event_item *item, struct gs_http_fault *fault) {
    char *field = fault->problem.field;
    size_t length = strlen(item->prefix);
    bool known = field[0] != '\0' && (field[0] != '/' || strncmp(field, item->prefix, length) == 0);
    if (!known) {
        char inner[GS_FIELD_SIZE];
        snprintf(inner, sizeof inner, "%s", field);
        snprintf(field, sizeof fault->problem.field, "%s%.*s", item->prefix, (int)(sizeof inner - length - 1), inner);
    }
}

static int collect_faults(struct posting *posting, struct gs_http_fault *fault) {
    for (uint32_t i = 0; i < posting->count; i++) {
        struct gs_event_item *item = &posting->items[i];
        struct gs_http_fault item_fault = {0};
        int error =
            item->fault != NULL ? 0 : gs_http_result_fault(&posting->command->results[item->write], &item_fault);
        if (error == 0) {
            continue;
        }
        point_at_item(item, &item_fault);
        if (!posting->batch || posting->command->atomic) {
            *fault = item_fault;
            return error;
        }
        if (refuse_item(posting, i, &item_fault) != 0) {
            return gs_fault_set(fault, GS_ENOMEM);
        }
    }
    return 0;
}

/* Appends what became of one item; notes refusals and replays. */
static void write_item(const struct posting *posting, const struct gs_event_item *item, struct gs_buffer *out,
                       uint32_t *refused, uint32_t *replayed) {
    if (item->fault != NULL) {
        gs_buffer_text(out, "{\"error\":");
        gs_http_problem_write(item->fault, posting->request->id, out);
        gs_buffer_byte(out, '}');
        *refused += 1;
        return;
    }
    const struct gs_write_result *result = &posting->command->results[item->write];
    gs_event_item_write(posting->request, item, &posting->writes[item->write], result, out);
    *replayed += result->replayed ? 1 : 0;
}

static void write_answer(const struct posting *posting, struct gs_http_response *response) {
    uint32_t refused = 0;
    uint32_t replayed = 0;
    struct gs_buffer *out = &response->body;
    gs_buffer_text(out, posting->batch ? "{\"events\":[" : "");
    for (uint32_t i = 0; i < posting->count; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        write_item(posting, &posting->items[i], out, &refused, &replayed);
    }
    gs_buffer_text(out, posting->batch ? "]}" : "");
    response->status = refused > 0 ? 207 : replayed == posting->count ? 200 : 201;
    if (replayed > 0) {
        gs_http_response_header(response, "Idempotency-Replayed", "true");
    }
}

static int post(struct posting *posting, struct gs_http_response *response, struct gs_http_fault *fault) {
    struct gs_command *command = posting->command;
    int error = split(posting, fault);
    if (error == 0) {
        error = parse_items(posting, fault);
    }
    if (error == 0 && command->write_count > 0) {
        gs_gateway_call(posting->request->context->gateway, command);
        error = gs_http_command_fault(command, fault);
    }
    if (error == 0) {
        error = collect_faults(posting, fault);
    }
    if (error == 0) {
        write_answer(posting, response);
    }
    return error;
}

int gs_handle_events_post(struct gs_http_request *request, struct gs_http_response *response,
                          struct gs_http_fault *fault) {
    struct posting posting = {.request = request, .command = gs_command_new(GS_COMMAND_WRITE)};
    if (posting.command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    int error = post(&posting, response, fault);
    gs_command_free(posting.command);
    return error;
}
