#include "node/core/core_impl.h"

#include <string.h>

/* Accepts no more into the open group than this, so that every request meets a record with room to spare. */
enum { GROUP_BYTES_FULL = GS_BATCH_BYTES_MAX / 2, GROUP_DETACHED_FULL = GROUP_DETACHED_MAX / 2 };

static int fail_write(struct gs_write_result *result, int error) {
    result->error = error;
    if (result->problem.code == 0) {
        gs_problem_set(&result->problem, error, "", "%s", gs_error_message(error));
    }
    return error;
}

/* What a refusal or an earlier answer says of these aggregates may be lost until this group is stored; so may the event
 * that the earlier answer speaks of. */
static void wait_for_shown(const struct gs_core *core, const struct gs_write *write, uint64_t *group) {
    for (uint32_t i = 0; i < write->change_count; i++) {
        const struct gs_cell *cell =
            gs_cell_find(core, write->changes[i].aggregate_type, write->changes[i].aggregate_id);
        if (cell != NULL && cell->last_group > *group) {
            *group = cell->last_group;
        }
    }
}

/* The name of the result's origin; NULL when out of memory. */
static char *name_region(const struct gs_core *core, const gs_origin *origin, struct gs_arena *arena) {
    struct gs_buffer name = {0};
    gs_registry_write_name(core, origin, &name);
    gs_buffer_byte(&name, '\0');
    char *copy = name.failed == 0 ? gs_arena_copy(arena, name.bytes, name.length) : NULL;
    gs_buffer_close(&name);
    return copy;
}

/* A request that was carried out before: the same event again, with the present clocks of what it changed (a point at
 * or after it); or a refusal if it asks for something else now. */
static int replay_write(struct gs_core *core, const struct gs_idempotency_entry *known, const struct gs_write *write,
                        struct gs_arena *arena, struct gs_write_result *result) {
    if (memcmp(known->request, write->idempotency.request, sizeof known->request) != 0 ||
        known->version_count != write->change_count) {
        gs_problem_set(&result->problem, GS_EIDEMPOTENCY, "Idempotency-Key", "the key was used for another request");
        return fail_write(result, GS_EIDEMPOTENCY);
    }
    result->replayed = true;
    result->origin = known->origin;
    result->seq = known->seq;
    result->clock = known->clock;
    result->region = name_region(core, &known->origin, arena);
    if (result->region == NULL) {
        return fail_write(result, GS_ENOMEM);
    }
    for (uint32_t i = 0; i < write->change_count; i++) {
        struct gs_cell *cell = gs_cell_find(core, write->changes[i].aggregate_type, write->changes[i].aggregate_id);
        struct gs_buffer vector = {0};
        if (cell != NULL) {
            gs_registry_write_context(core, gs_aggregate_context(cell->aggregate), &vector);
        }
        gs_buffer_byte(&vector, '\0');
        result->changes[i].version = known->versions[i];
        result->changes[i].vector_json = vector.failed == 0 ? gs_arena_copy(arena, vector.bytes, vector.length) : NULL;
        gs_buffer_close(&vector);
        if (result->changes[i].vector_json == NULL) {
            return fail_write(result, GS_ENOMEM);
        }
    }
    return 0;
}

static int fill_change(struct gs_core *core, struct gs_cell *cell, struct gs_command *command,
                       struct gs_change_result *ret_change) {
    struct gs_buffer vector = {0};
    gs_registry_write_context(core, gs_aggregate_context(cell->aggregate), &vector);
    gs_buffer_byte(&vector, '\0');
    ret_change->version = cell->version;
    ret_change->vector_json = vector.failed == 0 ? gs_arena_copy(&command->arena, vector.bytes, vector.length) : NULL;
    gs_buffer_close(&vector);
    if (command->want_views) {
        ret_change->view = gs_cell_view(core, cell, cell->type, cell->id);
    }
    bool complete = ret_change->vector_json != NULL && (!command->want_views || ret_change->view != NULL);
    return complete ? 0 : GS_ENOMEM;
}

/* From here on the event is in the group: what fails now leaves memory ahead of what was promised, and fails the core.
 */
static int accept_write(struct gs_core *core, struct gs_command *command, const struct gs_write *write,
                        const struct gs_prepared *prepared, struct gs_write_result *result) {
    const struct gs_event *event = &prepared->event;
    uint64_t versions[GS_EVENT_AGGREGATES_MAX];
    core->clock = event->clock;
    core->stats.events_local++;
    for (uint32_t i = 0; i < write->change_count; i++) {
        const struct gs_write_change *change = &write->changes[i];
        struct gs_cell *cell = gs_cell_get(core, change->aggregate_type, change->aggregate_id);
        if (cell == NULL) {
            return GS_ENOMEM;
        }
        result->changes[i].created = !gs_aggregate_exists(cell->aggregate);
        int error = gs_cell_apply(core, cell, &event->changes[i].delta);
        if (error == 0) {
            error = fill_change(core, cell, command, &result->changes[i]);
        }
        if (error != 0) {
            return error;
        }
        cell->last_own_seq = event->seq;
        versions[i] = cell->version;
    }
    result->origin = core->self->origin;
    result->seq = event->seq;
    result->clock = event->clock;
    result->region = name_region(core, &core->self->origin, &command->arena);
    if (result->region == NULL) {
        return GS_ENOMEM;
    }
    if (gs_closing_apply(core, &core->self->origin, event) != 0) {
        return GS_ENOMEM;
    }
    return event->idempotency.present ? gs_idempotency_add(core, event, &core->self->origin, versions) : 0;
}

/* PUT of what is there already, DELETE of nothing: an answer, but no event. */
static int leave_unchanged(struct gs_core *core, struct gs_command *command, const struct gs_write *write,
                           const struct gs_prepared *prepared, struct gs_write_result *result, uint64_t *group) {
    result->unchanged = true;
    for (uint32_t i = 0; i < write->change_count; i++) {
        struct gs_cell *cell = prepared->cells[i];
        if (cell == NULL) {
            if (command->want_views) {
                result->changes[i].view =
                    gs_cell_view(core, NULL, write->changes[i].aggregate_type, write->changes[i].aggregate_id);
            }
            continue;
        }
        if (cell->last_group > *group) {
            *group = cell->last_group;
        }
        int error = fill_change(core, cell, command, &result->changes[i]);
        if (error != 0) {
            return fail_write(result, error);
        }
    }
    return 0;
}

/* One write: looked up, prepared, encoded, applied. A refusal is in the result; the return value is for failures of the
 * core itself. */
static int carry_out(struct gs_core *core, struct gs_command *command, uint32_t index, uint64_t *group) {
    const struct gs_write *write = &command->writes[index];
    struct gs_write_result *result = &command->results[index];
    if (write->idempotency.present) {
        const struct gs_idempotency_entry *known = gs_idempotency_find(core, &write->idempotency);
        if (known != NULL) {
            (void)replay_write(core, known, write, &command->arena, result);
            return 0;
        }
    }
    struct gs_prepared prepared = {0};
    struct gs_arena arena = {0};
    int fatal = 0;
    int error = gs_write_prepare(core, NULL, write, &arena, &prepared, result);
    if (error == 0 && !prepared.has_changes && write->change_count > 0) {
        error = leave_unchanged(core, command, write, &prepared, result, group);
    } else if (error == 0) {
        error = gs_batch_writer_add(&core->writer, &prepared.event);
        if (error == 0) {
            *group = core->open.number;
            fatal = accept_write(core, command, write, &prepared, result);
        }
    }
    if (error != 0) {
        fail_write(result, error == GS_EBUSY ? GS_EOVERLOADED : error);
    }
    gs_arena_close(&arena);
    return fatal;
}

static int allocate_results(struct gs_command *command) {
    size_t size = command->write_count * sizeof *command->results;
    struct gs_write_result *results = gs_arena_alloc(&command->arena, size + 1);
    if (results == NULL) {
        return GS_ENOMEM;
    }
    memset(results, 0, size);
    for (uint32_t i = 0; i < command->write_count; i++) {
        size_t changes_size = command->writes[i].change_count * sizeof(struct gs_change_result);
        results[i].changes = gs_arena_alloc(&command->arena, changes_size + 1);
        if (results[i].changes == NULL) {
            return GS_ENOMEM;
        }
        memset(results[i].changes, 0, changes_size);
    }
    command->results = results;
    return 0;
}

/* How many of the writes have a key that is known, and the first of them. */
static uint32_t count_known(struct gs_core *core, const struct gs_command *command, uint32_t *ret_first) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < command->write_count; i++) {
        const struct gs_idempotency *key = &command->writes[i].idempotency;
        if (key->present && gs_idempotency_find(core, key) != NULL) {
            *ret_first = count++ == 0 ? i : *ret_first;
        }
    }
    return count;
}

/* 0: go on; GS_EBUSY: wait for the next group; else the command has failed as a whole. */
static int rehearse(struct gs_core *core, struct gs_command *command) {
    if (!command->atomic || command->write_count < 2) {
        return 0;
    }
    uint32_t failed = 0;
    uint32_t known = count_known(core, command, &failed);
    if (known == command->write_count) {
        return 0; /* a retry: each write gets its earlier answer */
    }
    if (known > 0) {
        gs_problem_set(&command->results[failed].problem, GS_EIDEMPOTENCY, "Idempotency-Key",
                       "the key was used for another request");
        return fail_write(&command->results[failed], GS_EIDEMPOTENCY);
    }
    struct gs_arena arena = {0};
    int error = gs_write_rehearse(core, command, &arena, &failed);
    gs_arena_close(&arena);
    bool alone = core->writer.count == 0;
    if (error == GS_EBUSY && !alone) {
        return GS_EBUSY;
    }
    if (error == GS_EBUSY) {
        error = GS_ETOOBIG;
    }
    if (error != 0) {
        fail_write(&command->results[failed], error);
    }
    return error;
}

int gs_write_own(struct gs_core *core, const struct gs_write *write) {
    struct gs_arena arena = {0};
    struct gs_prepared prepared = {0};
    struct gs_write_result result = {0};
    int refused = gs_write_prepare(core, NULL, write, &arena, &prepared, &result);
    int error = refused != 0 ? refused : gs_batch_writer_add(&core->writer, &prepared.event);
    if (error != 0) {
        gs_arena_close(&arena);
        return error == GS_ENOMEM ? error : refused != 0 ? GS_EINVAL : GS_EBUSY;
    }
    const struct gs_event *event = &prepared.event;
    core->clock = event->clock;
    for (uint32_t i = 0; error == 0 && i < event->change_count; i++) {
        struct gs_cell *cell = gs_cell_get(core, event->changes[i].aggregate_type, event->changes[i].aggregate_id);
        error = cell == NULL ? GS_ENOMEM : gs_cell_apply(core, cell, &event->changes[i].delta);
        if (error == 0) {
            cell->last_own_seq = event->seq;
        }
    }
    error = error != 0 ? error : gs_closing_apply(core, &core->self->origin, event);
    gs_arena_close(&arena);
    return error;
}

int gs_write_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    if (command->write_count == 0 || command->write_count > WRITES_PER_COMMIT_MAX) {
        command->error = GS_EINVAL;
        return gs_update_answer(update, command);
    }
    if (core->retired) {
        command->error = GS_ERETIRED;
        return gs_update_answer(update, command);
    }
    bool full = core->writer.count + command->write_count > WRITES_PER_COMMIT_MAX ||
                core->writer.events.length > GROUP_BYTES_FULL || core->writer.detached.length > GROUP_DETACHED_FULL;
    if (core->waiting_for_peers || (full && core->writer.count > 0)) {
        return gs_backlog_push(core, command, update);
    }
    if (allocate_results(command) != 0) {
        command->error = GS_ENOMEM;
        return gs_update_answer(update, command);
    }
    int error = rehearse(core, command);
    if (error == GS_EBUSY) {
        command->results = NULL;
        return gs_backlog_push(core, command, update);
    }
    uint64_t group = 0;
    for (uint32_t i = 0; error == 0 && i < command->write_count; i++) {
        int fatal = carry_out(core, command, i, &group);
        if (fatal != 0) {
            command->error = fatal;
            (void)gs_update_answer(update, command);
            return fatal;
        }
    }
    for (uint32_t i = 0; i < command->write_count; i++) {
        if (command->results[i].replayed || command->results[i].error != 0) {
            wait_for_shown(core, &command->writes[i], &group);
        }
    }
    return gs_group_answer(core, command, group, update);
}
