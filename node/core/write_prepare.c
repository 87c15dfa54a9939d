#include "node/core/core_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The aggregate that a change is prepared against, and its version. */
static const struct gs_aggregate *target_of(struct gs_core *core, const struct gs_write_scratch *scratch,
                                            const struct gs_write_change *change, struct gs_cell **ret_cell,
                                            uint64_t *ret_version) {
    struct gs_cell *cell = gs_cell_find(core, change->aggregate_type, change->aggregate_id);
    *ret_cell = cell;
    *ret_version = cell != NULL ? cell->version : 0;
    if (scratch != NULL) {
        return gs_scratch_aggregate(scratch, change, ret_version);
    }
    return cell != NULL ? cell->aggregate : core->empty;
}

/* The change's place in the request: its prefix is where its ops stand. */
static void name_member(const char *prefix, const char *member, char ret_field[GS_PROBLEM_FIELD_MAX]) {
    size_t length = prefix != NULL ? strlen(prefix) : 0;
    bool has_ops = length >= 4 && strcmp(prefix + length - 4, "/ops") == 0;
    snprintf(ret_field, GS_PROBLEM_FIELD_MAX, "%.*s/%s", has_ops ? (int)length - 4 : 0, prefix != NULL ? prefix : "",
             member);
}

static int check_precondition(const struct gs_write_change *change, const struct gs_aggregate *aggregate,
                              const struct gs_cell *cell, uint64_t version, struct gs_write_result *result) {
    const struct gs_precondition *wanted = &change->precondition;
    struct gs_problem *problem = &result->problem;
    char field[GS_PROBLEM_FIELD_MAX];
    name_member(change->prefix, "expectedVersion", field);
    int error = 0;
    char etag[GS_ETAG_SIZE] = "";
    if (wanted->has_version && wanted->version != version) {
        error = gs_problem_set(problem, GS_EVERSIONCONFLICT, field, "the aggregate is at version %llu, not %llu",
                               (unsigned long long)version, (unsigned long long)wanted->version);
    } else if (wanted->must_not_exist && gs_aggregate_exists(aggregate)) {
        error = gs_problem_set(problem, GS_EPRECONDITION, "If-None-Match", "the aggregate exists");
    } else if (wanted->must_exist && !gs_aggregate_exists(aggregate)) {
        error = gs_problem_set(problem, GS_EPRECONDITION, "If-Match", "the aggregate does not exist");
    } else if (wanted->has_etag) {
        if (cell != NULL && cell->version == version) { /* else a rehearsal has gone on from there */
            gs_cell_etag(cell, etag);
        }
        if (strcmp(etag, wanted->etag) != 0) {
            error = gs_problem_set(problem, GS_EPRECONDITION, "If-Match", "the aggregate has changed: its ETag is %s",
                                   etag[0] != '\0' ? etag : "none");
        }
    }
    if (error != 0) {
        result->has_current_version = true;
        result->current_version = version;
    }
    return error;
}

/* The ops of a change: as given, the difference to a document, or "unset everything". */
static int resolve_ops(const struct gs_core *core, const struct gs_aggregate *aggregate,
                       const struct gs_write_change *change, struct gs_arena *arena, const struct gs_op **ret_ops,
                       uint32_t *ret_count, struct gs_problem *problem) {
    static const struct gs_op unset_root = {.kind = GS_OP_UNSET};
    if (change->kind == GS_WRITE_OPS) {
        *ret_count = change->op_count;
        return gs_transfers_resolve(core, change, arena, ret_ops, problem);
    }
    if (change->kind == GS_WRITE_BACK) {
        *ret_ops = change->ops;
        *ret_count = change->op_count;
        return 0;
    }
    if (change->kind == GS_WRITE_DELETE) {
        *ret_ops = &unset_root;
        *ret_count = 1;
        return 0;
    }
    struct gs_op *ops = NULL;
    int error = gs_aggregate_diff(aggregate, change->document, arena, &ops, ret_count, problem);
    *ret_ops = ops;
    return error;
}

/* What is wrong with one of the ops that a document became is told by the field that it is about: nobody has numbered
 * these ops but we. */
static void name_field(const struct gs_op *ops, uint32_t count, struct gs_problem *problem) {
    unsigned long number = problem->field[0] == '/' ? strtoul(problem->field + 1, NULL, 10) : count;
    struct gs_buffer path = {0};
    if (number < count) {
        gs_path_write(&ops[number].path, &path);
        gs_buffer_byte(&path, '\0');
        if (path.failed == 0) {
            snprintf(problem->field, sizeof problem->field, "%s", (const char *)path.bytes);
        }
        gs_buffer_close(&path);
    }
}

static int prepare_change(struct gs_core *core, struct gs_write_scratch *scratch, const struct gs_write_change *change,
                          const struct gs_stamp *stamp, struct gs_arena *arena, struct gs_event_change *ret_change,
                          struct gs_cell **ret_cell, struct gs_write_result *result) {
    uint64_t version;
    const struct gs_aggregate *aggregate = target_of(core, scratch, change, ret_cell, &version);
    int error = check_precondition(change, aggregate, *ret_cell, version, result);
    const struct gs_op *ops = NULL;
    uint32_t count = 0;
    if (error == 0) {
        error = resolve_ops(core, aggregate, change, arena, &ops, &count, &result->problem);
    }
    if (error == 0) {
        const char *prefix = change->kind == GS_WRITE_OPS && change->prefix != NULL ? change->prefix : "";
        error = gs_aggregate_prepare(aggregate, ops, count, stamp, prefix, arena, &ret_change->delta, &result->problem);
        if (error != 0 && change->kind != GS_WRITE_OPS) {
            name_field(ops, count, &result->problem);
        }
    }
    ret_change->aggregate_type = change->aggregate_type;
    ret_change->aggregate_id = change->aggregate_id;
    return error;
}

/* Two changes of one event to one aggregate would each be blind to the other. */
static int check_distinct(const struct gs_write *write, struct gs_problem *problem) {
    for (uint32_t i = 0; i < write->change_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (gs_slice_compare(write->changes[i].aggregate_type, write->changes[j].aggregate_type) == 0 &&
                gs_slice_compare(write->changes[i].aggregate_id, write->changes[j].aggregate_id) == 0) {
                return gs_problem_set(problem, GS_EINVAL, "/changes", "changes %u and %u name the same aggregate", j,
                                      i);
            }
        }
    }
    return 0;
}

static int check_ops(const struct gs_write_change *change, struct gs_problem *problem) {
    for (uint32_t i = 0; change->kind == GS_WRITE_OPS && i < change->op_count; i++) {
        if (change->ops[i].kind == GS_OP_TAKEOVER) {
            char field[GS_PROBLEM_FIELD_MAX];
            snprintf(field, sizeof field, "%s/%u/op", change->prefix != NULL ? change->prefix : "", (unsigned)i);
            return gs_problem_set(problem, GS_EUNKNOWNOP, field, "the op takeover is the node's own");
        }
    }
    return 0;
}

static int check_reserved(const struct gs_write *write, struct gs_problem *problem) {
    static const char *const reserved[] = {GS_QUARANTINE_TYPE, GS_ORIGIN_TYPE, GS_MEMBER_TYPE};
    for (uint32_t i = 0; i < write->change_count && !write->internal; i++) {
        struct gs_slice type = write->changes[i].aggregate_type;
        for (size_t j = 0; j < sizeof reserved / sizeof reserved[0]; j++) {
            if (gs_slice_compare(type, gs_slice_make(reserved[j], strlen(reserved[j]))) == 0) {
                return gs_problem_set(problem, GS_EINVAL, "aggregateType", "aggregates of type %s are the node's own",
                                      reserved[j]);
            }
        }
        int error = check_ops(&write->changes[i], problem);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static void fill_event(const struct gs_write *write, const struct gs_stamp *stamp, struct gs_event *event) {
    *event = (struct gs_event){
        .seq = stamp->seq,
        .clock = stamp->clock,
        .event_type = write->event_type,
        .actor = write->actor,
        .idempotency = write->idempotency,
        .has_detached = write->detached.length > 0,
        .detached = write->detached,
        .change_count = write->change_count,
    };
    if (event->has_detached) {
        gs_hash_bytes("gs-data-v1", event->detached.bytes, event->detached.length, &event->detached_hash);
    }
}

int gs_write_prepare(struct gs_core *core, struct gs_write_scratch *scratch, const struct gs_write *write,
                     struct gs_arena *arena, struct gs_prepared *ret_prepared, struct gs_write_result *result) {
    int error = check_distinct(write, &result->problem);
    error = error != 0 ? error : check_reserved(write, &result->problem);
    if (error != 0) {
        return error;
    }
    struct gs_event_change *changes = gs_arena_alloc(arena, (write->change_count + 1) * sizeof *changes);
    struct gs_cell **cells = gs_arena_alloc(arena, (write->change_count + 1) * sizeof *cells);
    if (changes == NULL || cells == NULL) {
        return gs_problem_set(&result->problem, GS_ENOMEM, "", "out of memory");
    }
    struct gs_stamp stamp = {
        .origin = core->self->origin,
        .seq = core->writer.first_seq + core->writer.count,
        .clock = gs_hlc_next(core->clock, core->now_ms),
    };
    bool has_changes = false;
    for (uint32_t i = 0; i < write->change_count; i++) {
        changes[i] = (struct gs_event_change){0};
        error = prepare_change(core, scratch, &write->changes[i], &stamp, arena, &changes[i], &cells[i], result);
        if (error != 0) {
            if (result->problem.code == 0) {
                gs_problem_set(&result->problem, error, "", "%s", gs_error_message(error));
            }
            return error;
        }
        const struct gs_delta *delta = &changes[i].delta;
        has_changes = has_changes || delta->count > 0 || write->changes[i].kind == GS_WRITE_OPS;
        if (delta->count > 0) {
            stamp.first_index = gs_change_last_index(&delta->changes[delta->count - 1]) + 1;
        }
    }
    fill_event(write, &stamp, &ret_prepared->event);
    ret_prepared->event.changes = changes;
    ret_prepared->cells = cells;
    ret_prepared->has_changes = has_changes;
    return 0;
}
