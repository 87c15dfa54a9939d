#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

int gs_core_new(const struct gs_core_config *config, struct gs_core **ret_core) {
    if (gs_trust_find_key(config->trust, &config->keys.public_key) == NULL) {
        return GS_EUNTRUSTED;
    }
    struct gs_core *core = calloc(1, sizeof *core);
    if (core == NULL) {
        return GS_ENOMEM;
    }
    core->empty = gs_aggregate_new(NULL);
    if (core->empty == NULL) {
        free(core);
        return GS_ENOMEM;
    }
    core->config = *config;
    gs_keep_policy_fill(&core->config.keep);
    core->now_ms = config->now_ms;
    core->recovering = true;
    core->open.number = 1;
    gs_rng_init(&core->rng, config->seed);
    gs_rng_bytes(&core->rng, core->cells.secret, sizeof core->cells.secret);
    gs_rng_bytes(&core->rng, core->idempotency.secret, sizeof core->idempotency.secret);
    gs_instances_open(core);
    gs_digest_open(core);
    memcpy(core->bootstrap.staged.tree.key, core->digest.tree.key, sizeof core->bootstrap.staged.tree.key);
    memcpy(core->bootstrap.staged.cells.secret, core->cells.secret, sizeof core->cells.secret);
    core->bootstrap.rate = config->bootstrap_rate;
    *ret_core = core;
    return 0;
}

void gs_core_free(struct gs_core *core) {
    if (core == NULL) {
        return;
    }
    while (core->peer_count > 0) {
        gs_sync_peer_down(core, core->peers[0].id, false);
    }
    gs_group_close(&core->open);
    gs_group_close(&core->flight);
    gs_batch_writer_close(&core->writer);
    gs_idempotency_close(core);
    gs_fork_search_close(core);
    gs_decisions_close(core);
    gs_import_close(core);
    gs_jobs_close(core);
    gs_members_close(core);
    gs_compares_close(core);
    gs_bootstrap_close(core);
    gs_digest_close(core);
    gs_cells_free(&core->cells);
    gs_ledger_close(&core->ledger);
    gs_held_close(core);
    gs_registry_close(core);
    gs_closing_close(&core->closings);
    gs_update_clear(&core->later);
    gs_vector_close(&core->applied);
    gs_vector_close(&core->stored);
    gs_vector_close(&core->young);
    gs_vector_close(&core->aged);
    gs_vector_close(&core->base);
    gs_aggregate_free(core->empty);
    free(core->backlog);
    free(core);
}

static int step_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    switch (command->kind) {
    case GS_COMMAND_WRITE:
        if (core->store_away) {
            return gs_away_answer(command, update);
        }
        if (core->backlog_count >= GS_CORE_COMMANDS_MAX) {
            command->error = GS_EOVERLOADED;
            return gs_update_answer(update, command);
        }
        return core->backlog_count > 0 ? gs_backlog_push(core, command, update)
                                       : gs_write_command(core, command, update);
    case GS_COMMAND_READ:
        return gs_read_command(core, command, update);
    case GS_COMMAND_STATUS:
        return gs_status_command(core, command, update);
    case GS_COMMAND_RETIRE:
        return gs_retire_command(core, command, update);
    case GS_COMMAND_QUARANTINE:
        return gs_quarantine_command(core, command, update);
    case GS_COMMAND_LIST:
        return gs_list_command(core, command, update);
    case GS_COMMAND_SYNC:
        return gs_jobs_command(core, command, update);
    case GS_COMMAND_STABILITY:
        return gs_stability_command(core, command, update);
    case GS_COMMAND_DIGEST:
        return gs_digest_command(core, command, update);
    case GS_COMMAND_ORIGINS:
        return gs_origins_command(core, command, update);
    case GS_COMMAND_FORKS:
        return gs_forks_command(core, command, update);
    case GS_COMMAND_CONFLICTS:
        return gs_ledger_command(core, command, update);
    case GS_COMMAND_REWRITE:
        break;
    }
    command->error = GS_EUNSUPPORTED;
    return gs_update_answer(update, command);
}

/* A node that only receives says so now and then, so that others know what it has applied. */
static int write_ack(struct gs_core *core) {
    bool due = core->ack_due && core->mono_ms >= core->ack_mono_ms;
    if (!due || core->retired || core->waiting_for_peers || core->writer.count > 0) {
        return 0;
    }
    static const char type[] = GS_ACK_EVENT_TYPE;
    struct gs_event event = {
        .seq = core->writer.first_seq,
        .clock = gs_hlc_next(core->clock, core->now_ms),
        .event_type = gs_slice_make(type, sizeof type - 1),
    };
    int error = gs_batch_writer_add(&core->writer, &event);
    if (error == 0) {
        core->clock = event.clock;
        core->ack_due = false;
    }
    return error;
}

static int step_tick(struct gs_core *core, struct gs_update *update) {
    gs_idempotency_expire(core);
    int error = gs_credit_tick(core, update);
    error = error != 0 ? error : gs_sync_tick(core, update);
    if (error == 0) {
        error = gs_start_consider(core, update);
    }
    if (error == 0 && core->stats.held > 0) {
        error = gs_held_retry(core);
    }
    if (error == 0 && core->stats.forks > 0) {
        error = gs_forks_read(core, update);
        error = error != 0 ? error : gs_fork_search_tick(core, update);
    }
    if (error == 0 && core->decision_count > 0) {
        error = gs_decisions_tick(core, update);
    }
    if (error == 0) {
        error = gs_import_tick(core, update);
    }
    if (error == 0) {
        error = gs_digest_flush(core, DIGESTS_PER_TICK);
    }
    if (error == 0) {
        error = gs_damage_tick(core, update);
    }
    if (error == 0) {
        error = gs_bootstrap_tick(core, update);
    }
    if (error == 0) {
        error = gs_compares_tick(core, update);
    }
    if (error == 0) {
        error = gs_closing_tick(core);
    }
    gs_left_behind_consider(core);
    return error != 0 ? error : write_ack(core);
}

static int restore(struct gs_core *core, const struct gs_core_event *event) {
    if (event->restore.base != NULL) {
        return gs_base_restore(core, event->restore.base, event->restore.position);
    }
    if (event->restore.staged != NULL) {
        return gs_staged_restore(core, event->restore.staged, event->restore.position);
    }
    if (event->restore.state != NULL) {
        return gs_checkpoint_read_state(core, event->restore.state);
    }
    if (event->restore.is_journal) {
        return gs_checkpoint_read_journal(core, event->restore.journal, event->restore.first, event->restore.last,
                                          event->restore.bytes);
    }
    return gs_checkpoint_read(core, event->restore.low, event->restore.position, event->restore.bytes);
}

static int dispatch(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    switch (event->type) {
    case GS_CORE_RESTORE:
        return restore(core, event);
    case GS_CORE_KEPT:
        gs_keep_done(core, event->kept);
        return 0;
    case GS_CORE_RECOVER:
        return gs_core_recover(core, event->record);
    case GS_CORE_NOTE:
        return gs_core_note(core, event->note.name, event->note.bytes);
    case GS_CORE_START:
        return gs_core_start(core);
    case GS_CORE_COMMAND:
        return step_command(core, event->command, update);
    case GS_CORE_PEER_UP:
        return gs_sync_peer_up(core, event, update);
    case GS_CORE_PEER_DOWN:
        gs_sync_peer_down(core, event->peer.peer, event->peer.replaced);
        return 0;
    case GS_CORE_MESSAGE:
        return gs_sync_message(core, event, update);
    case GS_CORE_STORED:
        return gs_group_stored(core, event->stored.commit, event->stored.error, update);
    case GS_CORE_STORE_AWAY:
        gs_away_begin(core, update);
        return 0;
    case GS_CORE_STORE_BACK:
        gs_away_end(core);
        return 0;
    case GS_CORE_LOG_READ:
        return gs_sync_log_read(core, event, update);
    case GS_CORE_REBUILT:
        return gs_compares_rebuilt(core, event, update);
    case GS_CORE_LEAVE:
        return gs_members_leave(core, update);
    case GS_CORE_TRUNCATED:
        return gs_truncate_done(core, event->truncated.error, event->truncated.result);
    case GS_CORE_STAGED:
        return gs_bootstrap_staged(core, event->staged);
    case GS_CORE_INSTALLED:
        return gs_bootstrap_installed(core, event->installed, update);
    case GS_CORE_HEALED:
        return gs_damage_healed(core, event, update);
    case GS_CORE_TICK:
        return step_tick(core, update);
    }
    return GS_EINVAL;
}

/* The earliest of everything that time brings: pings, vectors, acknowledgements, the end of the wait for peers. */
static uint64_t next_deadline(const struct gs_core *core) {
    uint64_t next = core->sync_mono_ms;
    if (core->ack_due && core->ack_mono_ms < next) {
        next = core->ack_mono_ms;
    }
    if (core->waiting_for_peers && core->start_deadline_mono_ms < next) {
        next = core->start_deadline_mono_ms;
    }
    if (core->peer_count > 0 && core->ping_mono_ms < next) {
        next = core->ping_mono_ms;
    }
    uint64_t late = gs_late_deadline(core);
    next = late < next ? late : next;
    uint64_t keep = gs_keep_deadline(core);
    next = keep < next ? keep : next;
    uint64_t members = gs_members_deadline(core);
    next = members < next ? members : next;
    uint64_t truncation = gs_truncate_deadline(core);
    next = truncation < next ? truncation : next;
    uint64_t compaction = gs_compact_deadline(core);
    next = compaction < next ? compaction : next;
    if (core->bootstrap.active && next > core->mono_ms + 50) {
        next = core->mono_ms + 50;
    }
    if (gs_scrub_busy(core)) {
        next = core->mono_ms + 1;
    } else if (core->jobs.active > 0 && next > core->mono_ms + JOB_LOOK_MS) {
        next = core->mono_ms + JOB_LOOK_MS;
    }
    return next > core->mono_ms ? next : core->mono_ms + 1;
}

/* Notes of this step. Our own incarnation is written down when it begins. */
static int hand_out_notes(struct gs_core *core, struct gs_update *update) {
    int error = 0;
    if (core->note_self) {
        struct gs_buffer bytes = {0};
        gs_buffer_append(&bytes, core->self->incarnation.bytes, GS_INCARNATION_SIZE);
        core->note_self = false;
        error = gs_update_note(update, GS_NOTE_SELF, &bytes);
    }
    for (uint32_t i = 0; error == 0 && i < core->later.note_count; i++) {
        error = gs_update_note(update, core->later.notes[i].name, &core->later.notes[i].bytes);
    }
    gs_update_clear(&core->later);
    return error;
}

int gs_core_step(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    core->now_ms = event->now_ms;
    core->mono_ms = event->mono_ms;
    gs_detector_wake(core);
    int error = dispatch(core, event, update);
    if (error == 0) {
        error = gs_closing_end_self(core);
    }
    if (error == 0 && !core->recovering && !update->reload && !core->must_reload && !core->halted) {
        error = gs_members_step(core, update);
        error = error != 0 ? error : gs_jobs_step(core, update);
    }
    if (error == 0 && !core->recovering && !update->reload && !core->must_reload && !core->must_cut &&
        !core->must_set_aside && !core->halted) {
        error = gs_group_seal(core, update);
        error = error != 0 ? error : gs_keep_consider(core, update);
        error = error != 0 ? error : gs_truncate_consider(core, update);
        error = error != 0 ? error : gs_compact_consider(core);
    }
    if (error == 0 && !core->recovering) {
        error = hand_out_notes(core, update);
    }
    gs_sync_count_sends(core, update);
    if (core->halted) {
        gs_group_fail_all(core, GS_ESHUTDOWN, update);
        update->halt = true;
    }
    if (core->names_changed) {
        core->names_changed = false;
        gs_cells_forget_views(core);
        update->forget_views = true;
    }
    bool cuts = core->must_cut && !core->in_flight;
    bool set_aside = error == 0 && core->must_set_aside && !core->in_flight && !cuts;
    if (error != 0 || core->must_reload || cuts || set_aside) {
        gs_group_fail_all(core, error != 0 ? error : GS_ESTORE, update);
        update->has_commit = false;
        update->reload = true;
        update->has_cut = cuts;
        update->cut = core->cut;
        update->set_aside = set_aside;
    }
    if (cuts && error == 0) {
        error = gs_decisions_keep(core, update);
    }
    int failed = gs_import_answered(core, update);
    error = error != 0 ? error : failed;
    update->next_mono_ms = next_deadline(core);
    core->members.due_mono_ms = core->recovering ? 0 : update->next_mono_ms;
    return error;
}

void gs_core_set_trust(struct gs_core *core, const struct gs_trust *trust) {
    core->config.trust = trust;
    core->members.trust_changed = true;
    core->members.look_mono_ms = 0;
}

void gs_core_get_stats(const struct gs_core *core, struct gs_core_stats *ret_stats) {
    *ret_stats = core->stats;
    ret_stats->peers = core->peer_count;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        ret_stats->behind_base += core->peers[i].has_lost ? 1 : 0;
    }
    ret_stats->conflicts = core->ledger.recorded;
    ret_stats->open_events = core->writer.count;
    gs_members_count(core, ret_stats);
    ret_stats->imported = core->import.done;
    ret_stats->import_refused = core->import.refused;
    for (uint32_t i = 0; i < core->import.item_count; i++) {
        ret_stats->import_waiting += core->import.items[i].done ? 0 : 1;
    }
    ret_stats->requests_known = core->idempotency.count;
    ret_stats->conflicts_known = core->ledger.count;
    ret_stats->keep_behind = core->behind_oldest != NULL ? core->changes - core->behind_oldest->behind_changes + 1 : 0;
}

const struct gs_vector *gs_core_applied(const struct gs_core *core) {
    return &core->applied;
}

const struct gs_vector *gs_core_stored(const struct gs_core *core) {
    return &core->stored;
}

bool gs_core_origin_key(const struct gs_core *core, const gs_origin *origin, gs_public_key *ret_key) {
    const struct gs_origin_state *state = gs_registry_find(core, origin);
    if (state != NULL) {
        *ret_key = state->key;
    }
    return state != NULL;
}

bool gs_core_closed(const struct gs_core *core, const gs_origin *origin, uint64_t *ret_final) {
    const struct gs_closed *closed = gs_closing_find(core, origin);
    if (closed != NULL) {
        *ret_final = closed->final;
    }
    return closed != NULL;
}

int gs_core_stable(const struct gs_core *core, struct gs_vector *ret_vector) {
    return gs_stable_vector(core, ret_vector);
}

gs_origin gs_core_origin(const struct gs_core *core) {
    return core->self->origin;
}
