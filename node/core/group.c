/* Group commit. Commands and remote batches fill the open group; when no commit is in flight, the open group is sealed:
 * our events become one signed batch, its deps are whatever is applied, and the records go to the store as one commit,
 * in an order that equals the order of application for every aggregate: the peers', then ours, unless a peer's batch
 * changes an aggregate after one of our open events did; then ours are sealed before it. */
#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

int gs_group_touch(struct gs_core *core, struct gs_cell *cell) {
    if (cell->last_group == core->open.number) {
        return 0;
    }
    struct gs_group *group = &core->open;
    if (gs_array_reserve((void **)&group->touched, &group->touched_capacity, group->touched_count,
                         sizeof *group->touched) != 0) {
        return GS_ENOMEM;
    }
    group->touched[group->touched_count++] = cell;
    cell->last_group = group->number;
    return 0;
}

int gs_group_add_remote(struct gs_core *core, struct gs_slice record) {
    gs_buffer_append(&core->open.records, record.bytes, record.length);
    core->open.record_count++;
    return core->open.records.failed;
}

bool gs_group_is_empty(const struct gs_core *core) {
    return core->writer.count == 0 && core->open.record_count == 0;
}

static int add_command(struct gs_group *group, struct gs_command *command) {
    if (gs_array_reserve((void **)&group->commands, &group->command_capacity, group->command_count,
                         sizeof *group->commands) != 0) {
        return GS_ENOMEM;
    }
    group->commands[group->command_count++] = command;
    return 0;
}

int gs_group_answer(struct gs_core *core, struct gs_command *command, uint64_t group, struct gs_update *update) {
    if (group <= core->stored_group) {
        return gs_update_answer(update, command);
    }
    if (core->store_away) {
        return gs_away_answer(command, update);
    }
    bool flying = core->in_flight && group <= core->flight.number;
    int error = add_command(flying ? &core->flight : &core->open, command);
    if (error != 0) {
        command->error = error;
        (void)gs_update_answer(update, command);
    }
    return error;
}

/* deps: the heads of other origins that moved since our last batch. */
static int collect_deps(const struct gs_core *core, struct gs_head **ret_deps, uint32_t *ret_count) {
    struct gs_head *deps = calloc(core->applied.count + 1, sizeof *deps);
    if (deps == NULL) {
        return GS_ENOMEM;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->applied.count; i++) {
        const struct gs_head *head = &core->applied.heads[i];
        if (!gs_origin_equal(&head->origin, &core->self->origin) &&
            gs_vector_seq(&core->self->witnessed, &head->origin) < head->seq) {
            deps[count++] = *head;
        }
    }
    *ret_deps = deps;
    *ret_count = count;
    return 0;
}

/* Adds our batch, just signed, to its group. */
static int take_own(struct gs_core *core, struct gs_group *group, struct gs_slice bytes) {
    struct gs_record record;
    struct gs_batch_head head;
    int error = gs_record_parse(bytes, &record);
    if (error == 0) {
        error = gs_batch_parse_head(record.batch.bytes, record.batch.length, &head);
    }
    if (error == 0) {
        error = gs_witness_note(core, core->self, &head);
    }
    if (error == 0) {
        error = gs_registry_advance(core, core->self, &head);
    }
    if (error != 0) {
        return error;
    }
    group->own_first_seq = group->own_count == 0 ? head.first_seq : group->own_first_seq;
    group->own_last_seq = gs_batch_last_seq(&head);
    group->own_count++;
    group->record_count++;
    gs_buffer_append(&group->own_records, bytes.bytes, bytes.length);
    gs_buffer_append(&group->records, bytes.bytes, bytes.length);
    core->ack_due = false;
    gs_lag_remember(core, group->own_last_seq, bytes.length);
    gs_batch_writer_begin(&core->writer, &core->self->origin, group->own_last_seq + 1);
    return group->own_records.failed != 0 ? group->own_records.failed : group->records.failed;
}

/* Signs our open events, as a batch that continues our origin's chain. */
static int seal_own(struct gs_core *core, struct gs_group *group) {
    const struct gs_head *last = gs_vector_find(&core->applied, &core->self->origin);
    struct gs_batch_seal_input input = {
        .cluster = core->config.cluster,
        .incarnation = core->self->incarnation,
        .keys = &core->config.keys,
    };
    if (last != NULL) {
        input.prev_hash = last->hash;
    }
    struct gs_head *deps = NULL;
    int error = collect_deps(core, &deps, &input.dep_count);
    input.deps = deps;
    gs_hash hash;
    struct gs_buffer bytes = {0};
    if (error == 0) {
        error = gs_batch_seal(&core->writer, &input, &bytes, &hash);
    }
    free(deps);
    if (error == 0) {
        error = take_own(core, group, gs_slice_make(bytes.bytes, bytes.length));
    }
    gs_buffer_close(&bytes);
    return error;
}

int gs_group_keep_order(struct gs_core *core, const struct gs_event *events, uint32_t count) {
    bool ours = false;
    for (uint32_t i = 0; core->writer.count > 0 && !ours && i < count; i++) {
        for (uint32_t j = 0; !ours && j < events[i].change_count; j++) {
            const struct gs_event_change *change = &events[i].changes[j];
            const struct gs_cell *cell = gs_cell_find(core, change->aggregate_type, change->aggregate_id);
            ours = cell != NULL && cell->last_own_seq >= core->writer.first_seq;
        }
    }
    return ours ? seal_own(core, &core->open) : 0;
}

int gs_group_seal(struct gs_core *core, struct gs_update *update) {
    if (core->in_flight || gs_group_is_empty(core)) {
        return 0;
    }
    struct gs_group *group = &core->open;
    gs_vouch_seal(core);
    int error = core->writer.count > 0 ? seal_own(core, group) : 0;
    if (error == 0) {
        error = gs_vector_copy(&group->heads, &core->applied);
    }
    if (error == 0) {
        error = gs_digest_sealed(core);
    }
    if (error != 0) {
        return error;
    }
    struct gs_commit *commit = &update->commit;
    commit->number = group->number;
    commit->count = group->record_count;
    commit->records = group->records;
    group->records = (struct gs_buffer){0};
    update->has_commit = true;
    core->flight = *group;
    core->in_flight = true;
    core->open = (struct gs_group){.number = core->flight.number + 1};
    core->position += core->flight.record_count;
    for (uint32_t i = 0; i < core->flight.touched_count; i++) {
        gs_keep_note_far(core, core->flight.touched[i]);
    }
    return commit->records.failed;
}

/* What the commit changed is shown from now on: request threads forget their old views, and ask for new ones when they
 * need them. */
static int publish(const struct gs_group *group, struct gs_update *update) {
    for (uint32_t i = 0; i < group->touched_count; i++) {
        struct gs_cell *cell = group->touched[i];
        bool current = cell->last_group == group->number && cell->view != NULL;
        struct gs_view *view = current ? gs_view_retain(cell->view) : NULL;
        if (gs_update_publish(update, view, cell->entry.key) != 0) {
            gs_view_release(view);
            return GS_ENOMEM;
        }
    }
    return 0;
}

/* True if the commit changed an aggregate of the type: it may have released a batch, or decided about a fork. */
static bool touches(const struct gs_group *group, const char *type) {
    for (uint32_t i = 0; i < group->touched_count; i++) {
        if (gs_slice_compare(group->touched[i]->type, gs_slice_make(type, strlen(type))) == 0) {
            return true;
        }
    }
    return false;
}

static int note_own_decisions(struct gs_core *core, const struct gs_group *group) {
    struct gs_reader reader;
    int error = 0;
    gs_reader_init(&reader, group->own_records.bytes, group->own_records.length);
    reader.nodes_left = UINT32_MAX;
    for (uint32_t i = 0; error == 0 && i < group->own_count; i++) {
        struct gs_record record;
        struct gs_batch_head head;
        struct gs_arena arena = {0};
        struct gs_event *events = NULL;
        error = gs_record_read(&reader, &record);
        error = error != 0 ? error : gs_batch_parse_head(record.batch.bytes, record.batch.length, &head);
        error = error != 0 ? error : gs_batch_decode(&head, &arena, &events);
        error = error != 0 ? error : gs_decisions_note(core, &head, events);
        gs_arena_close(&arena);
    }
    return error;
}

int gs_group_stored(struct gs_core *core, uint64_t commit, int error, struct gs_update *update) {
    if (!core->in_flight || commit != core->flight.number) {
        return GS_EINVAL;
    }
    if (error != 0) {
        gs_group_fail_all(core, GS_ESTORE, update);
        update->reload = true;
        return 0;
    }
    struct gs_group group = core->flight;
    core->flight = (struct gs_group){0};
    core->in_flight = false;
    core->stored_group = commit;
    core->stats.commits++;
    int failed = gs_vector_copy(&core->stored, &group.heads);
    core->look_at_releases = core->stats.held > 0 && touches(&group, GS_QUARANTINE_TYPE);
    if (failed == 0 && group.own_count > 0 && touches(&group, GS_FORK_TYPE)) {
        failed = note_own_decisions(core, &group);
    }
    if (failed == 0) {
        failed = publish(&group, update);
    }
    if (failed == 0) {
        failed = gs_digest_stored(core, update);
    }
    for (uint32_t i = 0; i < group.command_count; i++) {
        if (failed != 0) {
            group.commands[i]->error = failed; /* it is stored, but the core is going to be made anew */
        }
        int lost = gs_update_answer(update, group.commands[i]);
        failed = failed != 0 ? failed : lost;
    }
    if (failed == 0 && group.own_count > 0) {
        failed = gs_sync_push(core, &group, update);
    }
    gs_group_close(&group);
    if (failed == 0) {
        failed = gs_credit_pay(core, update);
    }
    if (failed == 0 && core->stats.forks > 0) {
        failed = gs_forks_read(core, update);
    }
    if (failed == 0 && core->look_at_releases) {
        failed = gs_held_retry(core);
    }
    return failed != 0 ? failed : gs_backlog_drain(core, update);
}

static void fail_commands(struct gs_group *group, int error, struct gs_update *update) {
    for (uint32_t i = 0; i < group->command_count; i++) {
        group->commands[i]->error = error;
        (void)gs_update_answer(update, group->commands[i]);
    }
    group->command_count = 0;
}

void gs_group_fail_all(struct gs_core *core, int error, struct gs_update *update) {
    fail_commands(&core->flight, error, update);
    fail_commands(&core->open, error, update);
    gs_digest_fail_all(core, error, update);
    while (core->backlog_count > 0) {
        struct gs_command *command = gs_backlog_pop(core);
        command->error = error;
        (void)gs_update_answer(update, command);
    }
}

void gs_group_close(struct gs_group *group) {
    gs_buffer_close(&group->records);
    gs_buffer_close(&group->own_records);
    gs_vector_close(&group->heads);
    free(group->commands);
    free(group->touched);
    *group = (struct gs_group){0};
}
