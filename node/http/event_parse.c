#include "node/http/event_item.h"

#include "node/http/members.h"
#include "node/http/text.h"
#include "node/http/writing.h"

#include <stdio.h>

/* Names of an item's members, in the order of `enum member`. A change of several has the first four. */
static const char *const member_names[] = {"aggregateType", "aggregateId", "ops",  "expectedVersion",
                                           "eventType",     "changes",     "data", "metadata"};

enum member { TYPE, ID, OPS, EXPECTED_VERSION, EVENT_TYPE, CHANGES, DATA, METADATA, MEMBER_COUNT };

enum { CHANGE_MEMBER_COUNT = EXPECTED_VERSION + 1 };

struct parsing {
    const struct gs_http_request *request;
    struct gs_arena *arena;
    struct gs_problem *problem;
};

static char *copy_prefix(struct gs_arena *arena, const char *prefix, const char *member) {
    char field[GS_FIELD_SIZE];
    gs_field_join(field, prefix, gs_text_slice(member));
    return gs_arena_copy(arena, field, strlen(field) + 1);
}

static int parse_ops(const struct parsing *parsing, struct gs_slice array, const char *prefix,
                     struct gs_write_change *change) {
    change->prefix = copy_prefix(parsing->arena, prefix, "ops");
    if (change->prefix == NULL) {
        return gs_problem_set(parsing->problem, GS_ENOMEM, NULL, "%s", gs_error_message(GS_ENOMEM));
    }
    if (array.bytes == NULL) {
        return 0; /* an event that says something happened, and changes nothing */
    }
    struct gs_op *ops = NULL;
    int error = gs_ops_parse(array, change->prefix, parsing->arena, &ops, &change->op_count, parsing->problem);
    change->ops = ops;
    return error;
}

static int parse_change(const struct parsing *parsing, const struct gs_slice members[CHANGE_MEMBER_COUNT],
                        const char *prefix, struct gs_write_change *change) {
    struct gs_problem *problem = parsing->problem;
    *change = (struct gs_write_change){0};
    int error = gs_member_name(members[TYPE], prefix, member_names[TYPE], &change->aggregate_type, problem);
    if (error == 0) {
        error = gs_member_name(members[ID], prefix, member_names[ID], &change->aggregate_id, problem);
    }
    if (error == 0 && !gs_principal_covers(parsing->request->principal, change->aggregate_type, change->aggregate_id)) {
        error = gs_problem_set(problem, GS_HTTP_EFORBIDDEN, prefix, "the token's aggregates do not include %.*s/%.*s",
                               (int)change->aggregate_type.length, (const char *)change->aggregate_type.bytes,
                               (int)change->aggregate_id.length, (const char *)change->aggregate_id.bytes);
    }
    if (error == 0 && members[EXPECTED_VERSION].bytes != NULL) {
        change->precondition.has_version = true;
        error = gs_member_uint(members[EXPECTED_VERSION], prefix, member_names[EXPECTED_VERSION],
                               &change->precondition.version, problem);
    }
    return error != 0 ? error : parse_ops(parsing, members[OPS], prefix, change);
}

/* Each aggregate once, and no more ops than an event may have. */
static int check_changes(const struct gs_write_change *changes, uint32_t count, const char *prefix,
                         struct gs_problem *problem) {
    uint32_t ops = 0;
    for (uint32_t i = 0; i < count; i++) {
        ops += changes[i].op_count;
        for (uint32_t j = 0; j < i; j++) {
            if (gs_slice_compare(changes[i].aggregate_type, changes[j].aggregate_type) == 0 &&
                gs_slice_compare(changes[i].aggregate_id, changes[j].aggregate_id) == 0) {
                char field[GS_FIELD_SIZE];
                snprintf(field, sizeof field, "%s/changes/%u", prefix, (unsigned)i);
                return gs_problem_set(problem, GS_EINVAL, field, "the aggregate is there twice");
            }
        }
    }
    if (ops > GS_OPS_PER_EVENT_MAX) {
        return gs_problem_set(problem, GS_ETOOBIG, prefix, "%u ops; an event has at most %d", (unsigned)ops,
                              GS_OPS_PER_EVENT_MAX);
    }
    return 0;
}

static int parse_several(const struct parsing *parsing, struct gs_event_item *item, struct gs_slice array,
                         struct gs_write *write) {
    struct gs_reader reader;
    uint32_t count = 0;
    char prefix[GS_FIELD_SIZE];
    gs_field_join(prefix, item->prefix, gs_text_slice("changes"));
    int error = gs_member_array(array, item->prefix, "changes", &reader, &count, parsing->problem);
    if (error == 0 && (count < 1 || count > GS_EVENT_AGGREGATES_MAX)) {
        error = gs_problem_set(parsing->problem, count < 1 ? GS_EINVAL : GS_ETOOBIG, prefix, "must have 1 to %d items",
                               GS_EVENT_AGGREGATES_MAX);
    }
    if (error != 0) {
        return error;
    }
    struct gs_write_change *changes = gs_arena_alloc(parsing->arena, count * sizeof *changes);
    struct gs_slice *ops = gs_arena_alloc(parsing->arena, count * sizeof *ops);
    if (changes == NULL || ops == NULL) {
        return gs_problem_set(parsing->problem, GS_ENOMEM, NULL, "%s", gs_error_message(GS_ENOMEM));
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        struct gs_slice members[CHANGE_MEMBER_COUNT];
        snprintf(prefix, sizeof prefix, "%s/changes/%u", item->prefix, (unsigned)i);
        error = gs_members_read(gs_skip_value(&reader), prefix, member_names, CHANGE_MEMBER_COUNT, members,
                                parsing->problem);
        if (error == 0) {
            error = parse_change(parsing, members, prefix, &changes[i]);
        }
        ops[i] = error == 0 ? members[OPS] : (struct gs_slice){0};
    }
    item->several = true;
    item->ops = ops;
    write->changes = changes;
    write->change_count = count;
    return error != 0 ? error : check_changes(changes, count, item->prefix, parsing->problem);
}

static int parse_one(const struct parsing *parsing, struct gs_event_item *item,
                     const struct gs_slice members[MEMBER_COUNT], struct gs_write *write) {
    struct gs_write_change *change = gs_arena_alloc(parsing->arena, sizeof *change);
    struct gs_slice *ops = gs_arena_copy(parsing->arena, &members[OPS], sizeof members[OPS]);
    if (change == NULL || ops == NULL) {
        return gs_problem_set(parsing->problem, GS_ENOMEM, NULL, "%s", gs_error_message(GS_ENOMEM));
    }
    item->ops = ops;
    write->changes = change;
    write->change_count = 1;
    return parse_change(parsing, members, item->prefix, change);
}

static int parse_item(const struct parsing *parsing, struct gs_event_item *item, struct gs_write *write) {
    struct gs_slice members[MEMBER_COUNT];
    int error = gs_members_read(item->value, item->prefix, member_names, MEMBER_COUNT, members, parsing->problem);
    if (error == 0) {
        error = gs_http_event_type(members[EVENT_TYPE], item->prefix, &write->event_type, parsing->problem);
    }
    if (error != 0) {
        return error;
    }
    if (members[CHANGES].bytes == NULL) {
        error = parse_one(parsing, item, members, write);
    } else {
        for (int i = TYPE; i < CHANGE_MEMBER_COUNT && error == 0; i++) {
            if (members[i].bytes != NULL) {
                char field[GS_FIELD_SIZE];
                gs_field_join(field, item->prefix, gs_text_slice(member_names[i]));
                error = gs_problem_set(parsing->problem, GS_EINVAL, field, "belongs into \"changes\" here");
            }
        }
        if (error == 0) {
            error = parse_several(parsing, item, members[CHANGES], write);
        }
    }
    item->data = members[DATA];
    item->metadata = members[METADATA];
    return error != 0 ? error
                      : gs_http_detached(item->data, item->metadata, item->prefix, parsing->arena, &write->detached,
                                         parsing->problem);
}

int gs_event_item_parse(const struct gs_http_request *request, struct gs_event_item *item, struct gs_arena *arena,
                        struct gs_write *ret_write, struct gs_http_fault *fault) {
    const struct parsing parsing = {.request = request, .arena = arena, .problem = &fault->problem};
    struct gs_write write = {0};
    int error = parse_item(&parsing, item, &write);
    if (error != 0) {
        return error;
    }
    struct gs_slice subject = request->principal->subject;
    const void *actor = gs_arena_copy(arena, subject.bytes, subject.length);
    if (actor == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    write.actor = gs_slice_make(actor, subject.length);
    *ret_write = write;
    return 0;
}
