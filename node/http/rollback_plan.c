#include "node/http/rollback_plan.h"

#include "node/http/text.h"

#include <globalstate/json.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 128 };

struct planning {
    const struct gs_look *look;
    struct gs_slice type;
    struct gs_slice id;
    struct gs_rollback_plan *plan;
    struct gs_past_record record;
    struct gs_http_fault *fault;
    bool newest_rolls_back; /* the newest event is a rollback to the same version */
};

void gs_rollback_plan_close(struct gs_rollback_plan *plan) {
    gs_aggregate_free(plan->before);
    gs_aggregate_free(plan->target);
    gs_arena_close(&plan->arena);
    *plan = (struct gs_rollback_plan){0};
}

/* The version that an earlier rollback went back to: its data says so. UINT64_MAX if the event is none (or its data was
 * erased: then what it cancelled is named again). */
static uint64_t rolled_back_to(const struct gs_event *event) {
    struct gs_slice data = event->detached.length > 0 ? gs_map_get(event->detached, "data") : (struct gs_slice){0};
    struct gs_slice to = data.bytes != NULL ? gs_map_get(data, "toVersion") : (struct gs_slice){0};
    if (!gs_slice_is(event->event_type, GS_ROLLBACK_EVENT_TYPE) || gs_value_kind(to) != GS_KIND_INT) {
        return UINT64_MAX;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, to.bytes, to.length);
    return gs_read_uint(&reader);
}

static struct gs_slice copy(struct gs_arena *arena, struct gs_slice slice) {
    return gs_slice_make(gs_arena_copy(arena, slice.bytes, slice.length), slice.length);
}

static int add_others(struct planning *planning, const struct gs_event *event, struct gs_cancelled *cancelled) {
    struct gs_arena *arena = &planning->plan->arena;
    cancelled->others = gs_arena_alloc(arena, event->change_count * sizeof *cancelled->others + 1);
    if (cancelled->others == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < event->change_count; i++) {
        const struct gs_event_change *change = &event->changes[i];
        if (gs_slice_compare(change->aggregate_type, planning->type) == 0 &&
            gs_slice_compare(change->aggregate_id, planning->id) == 0) {
            continue;
        }
        struct gs_read_key *other = &cancelled->others[cancelled->other_count++];
        other->aggregate_type = copy(arena, change->aggregate_type);
        other->aggregate_id = copy(arena, change->aggregate_id);
        if (other->aggregate_type.bytes == NULL || other->aggregate_id.bytes == NULL) {
            return GS_ENOMEM;
        }
    }
    return 0;
}

static int add_event(struct planning *planning, const struct gs_history_entry *entry) {
    struct gs_rollback_plan *plan = planning->plan;
    int error =
        gs_past_record_load(&planning->look->past, entry->position, &planning->record, &planning->fault->problem);
    if (error != 0 || entry->event >= planning->record.head.count) {
        return error != 0 ? error : GS_ECORRUPT;
    }
    const struct gs_event *event = &planning->record.events[entry->event];
    uint64_t to = rolled_back_to(event);
    planning->newest_rolls_back = to == plan->to_version;
    /* What lies after `to` is cancelled already; a rollback that went further back than ours is cancelled itself. */
    if (to != UINT64_MAX && to >= plan->to_version) {
        while (plan->count > 0 && plan->cancelled[plan->count - 1].version > to) {
            plan->count--;
        }
        return 0;
    }
    if (plan->count == GS_ROLLBACK_NAMED_MAX) {
        return gs_problem_set(&planning->fault->problem, GS_ETOOBIG, "/toVersion",
                              "lies more than %d events back: roll back in steps", GS_ROLLBACK_NAMED_MAX);
    }
    struct gs_cancelled *cancelled = &plan->cancelled[plan->count];
    *cancelled = (struct gs_cancelled){
        .version = entry->version,
        .origin = planning->record.head.origin,
        .seq = event->seq,
        .clock = event->clock,
        .event_type = copy(&plan->arena, event->event_type),
        .actor = copy(&plan->arena, event->actor),
    };
    plan->count++;
    return cancelled->event_type.bytes == NULL || cancelled->actor.bytes == NULL
               ? GS_ENOMEM
               : add_others(planning, event, cancelled);
}

static int collect(struct planning *planning) {
    struct gs_history_reader *reader = planning->look->past.reader;
    struct gs_history_range range = {.first = planning->plan->to_version + 1, .last = planning->plan->current};
    struct gs_history_entry *entries = malloc(PAGE * sizeof *entries);
    uint32_t count = PAGE;
    int error = entries == NULL ? GS_ENOMEM : 0;
    while (error == 0 && count == PAGE) {
        error = reader->methods->entries(reader, planning->type, planning->id, &range, entries, PAGE, &count);
        for (uint32_t i = 0; error == 0 && i < count; i++) {
            error = add_event(planning, &entries[i]);
        }
        range.first = error == 0 && count > 0 ? entries[count - 1].version + 1 : range.first;
    }
    free(entries);
    return error;
}

/* The last version before the first event that is stamped later. */
static int version_at(const struct planning *planning, uint64_t ms, uint64_t current, uint64_t *ret_version) {
    struct gs_history_reader *reader = planning->look->past.reader;
    struct gs_history_range range = {.first = 1, .last = current};
    struct gs_history_entry *entries = malloc(PAGE * sizeof *entries);
    uint32_t count = PAGE;
    struct gs_past_oldest oldest = {0};
    bool passed = false;
    int error =
        entries == NULL ? GS_ENOMEM : gs_past_oldest(&planning->look->past, planning->type, planning->id, &oldest);
    uint64_t version = gs_hlc_ms(oldest.updated) <= ms ? oldest.gone : 0; /* 0, which is gone, too */
    range.first = oldest.gone + 1;
    while (error == 0 && !passed && count == PAGE) {
        error = reader->methods->entries(reader, planning->type, planning->id, &range, entries, PAGE, &count);
        for (uint32_t i = 0; error == 0 && !passed && i < count; i++) {
            passed = gs_hlc_ms(entries[i].clock) > ms;
            version = passed ? version : entries[i].version;
        }
        range.first = version + 1;
    }
    free(entries);
    *ret_version = version;
    return error;
}

static int rebuild(const struct planning *planning, uint64_t version, struct gs_aggregate **ret_aggregate) {
    const struct gs_past_point point = {.kind = GS_POINT_VERSION, .version = version};
    struct gs_past_state state = {0};
    int error =
        gs_past_rebuild(&planning->look->past, planning->type, planning->id, &point, &state, &planning->fault->problem);
    *ret_aggregate = state.aggregate;
    if (error == GS_EGONE) {
        error = gs_look_gone(planning->look, planning->type, planning->id, planning->fault);
    }
    return error;
}

static int resolve_goal(const struct planning *planning, const struct gs_rollback_goal *goal) {
    struct gs_history_reader *reader = planning->look->past.reader;
    struct gs_rollback_plan *plan = planning->plan;
    int error = reader->methods->version(reader, planning->type, planning->id, &plan->current);
    plan->to_version = goal->version;
    if (error == 0 && plan->current == 0) {
        return gs_problem_set(&planning->fault->problem, GS_ENOTFOUND, NULL, "there is no such aggregate");
    }
    if (error == 0 && goal->has_time) {
        error = version_at(planning, goal->time_ms, plan->current, &plan->to_version);
    }
    if (error == 0 && plan->to_version > plan->current) {
        error = gs_problem_set(&planning->fault->problem, GS_ENOTFOUND, "/toVersion",
                               "the aggregate has not come to this version: it is at %" PRIu64, plan->current);
    }
    if (error == 0 && plan->to_version == plan->current) {
        error = gs_problem_set(&planning->fault->problem, GS_HTTP_EROLLEDBACK, goal->has_time ? "/to" : "/toVersion",
                               "nothing has happened since");
    }
    return error;
}

int gs_rollback_plan_make(const struct gs_look *look, struct gs_slice type, struct gs_slice id,
                          const struct gs_rollback_goal *goal, struct gs_rollback_plan *plan,
                          struct gs_http_fault *fault) {
    struct planning planning = {.look = look, .type = type, .id = id, .plan = plan, .fault = fault};
    int error = resolve_goal(&planning, goal);
    if (error == 0) {
        plan->cancelled = gs_arena_alloc(&plan->arena, GS_ROLLBACK_NAMED_MAX * sizeof *plan->cancelled);
        error = plan->cancelled == NULL ? GS_ENOMEM : collect(&planning);
    }
    gs_past_record_close(&planning.record);
    if (error == 0 && (planning.newest_rolls_back || plan->count == 0)) {
        error = gs_problem_set(&fault->problem, GS_HTTP_EROLLEDBACK, NULL,
                               "everything after version %" PRIu64 " has been rolled back already", plan->to_version);
    }
    if (error == 0) {
        error = rebuild(&planning, plan->to_version, &plan->target);
    }
    if (error == 0) {
        error = rebuild(&planning, plan->current, &plan->before);
    }
    if (error == 0) {
        error = gs_aggregate_inverse(plan->before, plan->target, &plan->arena, &plan->ops, &plan->op_count,
                                     &fault->problem);
    }
    return error == 0 || fault->problem.code != 0 ? error : gs_fault_set(fault, error);
}

void gs_rollback_write_ops(const struct gs_rollback_plan *plan, struct gs_buffer *out) {
    gs_buffer_text(out, "\"ops\":[");
    for (uint32_t i = 0; i < plan->op_count; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        gs_op_write_json(&plan->ops[i], out);
    }
    gs_buffer_byte(out, ']');
}

static void write_text(const char *name, struct gs_slice text, struct gs_buffer *out) {
    gs_buffer_printf(out, "\"%s\":", name);
    gs_json_write_string(text.bytes, text.length, out);
}

static void write_others(const struct gs_cancelled *cancelled, const struct gs_past_filter *filter,
                         struct gs_buffer *out) {
    bool first = true;
    for (uint32_t i = 0; i < cancelled->other_count; i++) {
        const struct gs_read_key *other = &cancelled->others[i];
        if (filter->covers(filter->context, other->aggregate_type, other->aggregate_id)) {
            gs_buffer_text(out, first ? "{" : ",{");
            write_text("aggregateType", other->aggregate_type, out);
            gs_buffer_byte(out, ',');
            write_text("aggregateId", other->aggregate_id, out);
            gs_buffer_byte(out, '}');
            first = false;
        }
    }
}

void gs_rollback_write_cancelled(const struct gs_rollback_plan *plan, const struct gs_past *past,
                                 const struct gs_past_filter *filter, struct gs_buffer *out) {
    struct gs_namer namer = gs_past_namer(past);
    gs_buffer_byte(out, '[');
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct gs_cancelled *cancelled = &plan->cancelled[i];
        char time[25];
        gs_hlc_format(cancelled->clock, time);
        gs_buffer_text(out, i > 0 ? ",{\"eventId\":\"" : "{\"eventId\":\"");
        gs_past_event_id_write(&cancelled->origin, cancelled->seq, out);
        gs_buffer_printf(out, "\",\"version\":%" PRIu64 ",\"timestamp\":\"%s\",\"region\":\"", cancelled->version,
                         time);
        namer.write(namer.context, &cancelled->origin, out);
        gs_buffer_text(out, "\",");
        write_text("eventType", cancelled->event_type, out);
        gs_buffer_byte(out, ',');
        write_text("actor", cancelled->actor, out);
        gs_buffer_text(out, ",\"alsoChanged\":[");
        write_others(cancelled, filter, out);
        gs_buffer_text(out, "]}");
    }
    gs_buffer_byte(out, ']');
}
