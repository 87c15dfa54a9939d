#include "tests/simulation/checks.h"
#include "tests/simulation/forker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2026-01-01, so that clocks look like clocks. */
#define EPOCH_MS UINT64_C(1767225600000)

uint64_t sim_node_wall_ms(const struct sim_world *world, const struct sim_node *node) {
    int64_t drift_ms = (int64_t)world->now_ms * node->drift_ppm / 1000000;
    return EPOCH_MS + world->now_ms + (uint64_t)(node->clock_offset_ms + drift_ms + 1000000);
}

static struct gs_core *make_core(struct sim_world *world, const struct sim_node *node) {
    struct gs_core_config config = {
        .cluster = world->cluster,
        .keys = node->keys,
        .trust = &world->trust,
        .max_skew_ms = 60000,
        .sync_interval_ms = 500,
        .ack_interval_ms = 1500,
        .start_wait_ms = 1500,
        .close_after_ms = 1000,
        .verify_interval_ms = world->plan.seed % 4 == 0 ? 4000 : 0, /* in some runs: it costs steps */
        .idempotency_ms = 86400000,
        .idempotency_max = 100000,
        .now_ms = sim_node_wall_ms(world, node),
        .retention = world->plan.retention_ms > 0 ? &world->retention : NULL,
        .sets_log_aside = world->plan.asides,
        .keep = {.spacing = 4, .behind_events = 24, .behind_ms = 400, .interval_ms = 20},
    };
    config.address_count = 1;
    snprintf(config.addresses[0], sizeof config.addresses[0], "node-%u:1", node->index);
    for (size_t i = 0; i < sizeof config.seed; i += 8) {
        uint64_t word = sim_random(&world->rng);
        memcpy(config.seed + i, &word, 8);
    }
    struct gs_core *core = NULL;
    if (gs_core_new(&config, &core) != 0) {
        sim_fail(world, "node %u: no core", node->index);
    }
    return core;
}

static void recover_notes(struct sim_world *world, const struct sim_node *node, struct gs_core *core) {
    for (uint32_t i = 0; i < SIM_NOTES_MAX; i++) {
        const struct gs_core_note *note = &node->disk.notes[i];
        struct gs_update update = {0};
        struct gs_core_event event = {.type = GS_CORE_NOTE, .note = {.name = note->name}};
        event.note.bytes = gs_slice_make(note->bytes.bytes, note->bytes.length);
        if (note->name[0] != '\0' && gs_core_step(core, &event, &update) != 0) {
            sim_fail(world, "node %u cannot recover the note %s", node->index, note->name);
        }
        gs_update_clear(&update);
    }
}

struct gs_core *sim_node_new_core(struct sim_world *world, const struct sim_node *node) {
    struct gs_core *core = make_core(world, node);
    if (core != NULL) {
        recover_notes(world, node, core);
    }
    return core;
}

/* `whole`: for a check, records that are gone included. */
static void recover_log(struct sim_world *world, const struct sim_node *node, struct gs_core *core, uint64_t after,
                        bool whole) {
    for (uint64_t i = after; i < node->disk.count; i++) {
        if (!whole && node->disk.records[i].gone) {
            sim_fail(world, "removed: node %u needs record %u, which is gone", node->index, (unsigned)i + 1);
            return;
        }
        struct gs_update update = {0};
        struct gs_core_event event = {
            .type = GS_CORE_RECOVER,
            .now_ms = sim_node_wall_ms(world, node),
            .mono_ms = world->now_ms,
            .record = gs_slice_make(node->disk.records[i].bytes, node->disk.records[i].length),
        };
        int error = gs_core_step(core, &event, &update);
        gs_update_clear(&update);
        if (error != 0) {
            sim_fail(world, "node %u cannot recover record %u: %s", node->index, (unsigned)i, gs_error_name(error));
            return;
        }
    }
}

/* What it is told to dial. */
static void know_seeds(struct sim_world *world, struct sim_node *node) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        bool before = i + 1 == node->index;
        node->knows[i] = i != node->index &&
                         (world->plan.seeds == SIM_SEEDS_ALL || (world->plan.seeds == SIM_SEEDS_CHAIN && before) ||
                          (world->plan.seeds == SIM_SEEDS_STAR && i == 0));
    }
}

/* … and what it has learned. The Byzantine peer links by itself. */
static void learn(struct sim_world *world, struct sim_node *node, const struct gs_core_dial *dial) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        char address[32];
        if (memcmp(&world->nodes[i].keys.public_key, &dial->key, sizeof dial->key) != 0) {
            continue;
        }
        snprintf(address, sizeof address, "node-%u:1", i);
        if (dial->count != 1 || strcmp(dial->addresses[0], address) != 0) {
            sim_fail(world, "members: node %u is to dial a wrong address of node %u", node->index, i);
        }
        node->knows[i] = true;
    }
}

/* From what was kept, if anything was, and then it must be the same as from the log alone. */
void sim_node_start(struct sim_world *world, struct sim_node *node) {
    struct gs_core *core = sim_node_new_core(world, node);
    uint64_t low = 0;
    if (core != NULL) {
        bool kept = sim_keep_restore(world, node, core, &low, true);
        recover_log(world, node, core, low, false);
        struct gs_core *whole = kept && !world->failed ? sim_node_new_core(world, node) : NULL;
        if (whole != NULL) {
            recover_log(world, node, whole, 0, true);
            sim_keep_check(world, node, core, whole);
            gs_core_free(whole);
        }
    }
    node->core = core;
    know_seeds(world, node);
    sim_check_shown(world, node);
    sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_START});
}

static void count_versions(struct sim_node *node, const struct gs_batch_head *head) {
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    (void)gs_batch_decode(head, &arena, &events);
    for (uint32_t i = 0; events != NULL && i < head->count; i++) {
        for (uint32_t j = 0; j < events[i].change_count && !sim_is_internal(events[i].changes[j].aggregate_type); j++) {
            node->durable[events[i].changes[j].aggregate_id.bytes[0] - '0']++;
        }
    }
    gs_arena_close(&arena);
}

void sim_node_disk_changed(struct sim_node *node) {
    memset(node->shown, 0, sizeof node->shown);
    memset(node->durable, 0, sizeof node->durable);
    for (uint32_t i = 0; i < node->disk.count; i++) {
        struct gs_record record;
        struct gs_batch_head head;
        const struct sim_record *bytes = &node->disk.records[i];
        if (gs_record_parse(gs_slice_make(bytes->bytes, bytes->length), &record) == 0 &&
            gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0) {
            count_versions(node, &head);
        }
    }
}

/* Appends the records of a finished commit to the disk. */
static void make_durable(struct sim_world *world, struct sim_node *node) {
    struct gs_reader reader;
    gs_reader_init(&reader, node->pending.bytes, node->pending.length);
    for (uint32_t i = 0; i < node->pending_count; i++) {
        const uint8_t *start = reader.at;
        struct gs_record record;
        struct gs_batch_head head;
        if (gs_record_read(&reader, &record) != 0 ||
            gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0) {
            sim_fail(world, "node %u stores a record that does not parse", node->index);
            return;
        }
        size_t length = (size_t)(reader.at - start);
        sim_disk_append(&node->disk, start, length, &head);
        count_versions(node, &head);
        sim_check_identity(world, gs_slice_make(start, length));
    }
    gs_buffer_close(&node->pending);
    node->pending_count = 0;
}

void sim_count_cleaned(struct sim_world *world, const struct sim_node *node) {
    struct gs_core_stats stats = {0};
    gs_core_get_stats(node->core, &stats);
    world->cleaned += stats.compacted;
}

void sim_node_crash(struct sim_world *world, struct sim_node *node) {
    if (node->core == NULL) {
        return;
    }
    sim_client_crashed(world, node);
    sim_forker_crashed(world, node);
    sim_count_cleaned(world, node);
    gs_core_free(node->core);
    node->core = NULL;
    node->epoch++;
    memset(node->cached, 0, sizeof node->cached);
    /* What was on its way to the disk may have got there, with nobody left to hear of it. */
    if (node->pending_count > 0 && sim_chance(&world->rng, 50)) {
        make_durable(world, node);
    }
    gs_buffer_close(&node->pending);
    node->pending_count = 0;
    sim_truncate_crash(world, node);
    sim_keep_crash(world, node);
    for (uint32_t i = 0; i < world->plan.nodes + (sim_has_guest(world) ? 1 : 0); i++) {
        if (i != node->index) {
            sim_link_down(world, node->index, i);
        }
    }
    if (world->plan.lying_disks && !world->healed && sim_chance(&world->rng, 20)) {
        /* It said that it had them. */
        sim_disk_cut(&node->disk, 1 + (uint32_t)sim_below(&world->rng, 4));
        sim_node_disk_changed(node);
        sim_forgive(world, node);
    }
    sim_check_chain(world, node);
    struct sim_event restart = {.type = SIM_RESTART, .node = node->index, .epoch = node->epoch};
    sim_schedule(world, 20 + sim_below(&world->rng, 1500), restart);
}

void sim_node_leave(struct sim_world *world, struct sim_node *node) {
    struct gs_update update = {0};
    struct gs_core_event event = {
        .type = GS_CORE_LEAVE, .now_ms = sim_node_wall_ms(world, node), .mono_ms = world->now_ms};
    if (node->core == NULL || node->paused_until_ms > world->now_ms) {
        return;
    }
    if (gs_core_step(node->core, &event, &update) != 0) {
        sim_fail(world, "node %u cannot leave", node->index);
    }
    for (uint32_t i = 0; i < update.send_count; i++) {
        sim_send_now(world, node, &update.sends[i]); /* the goodbye comes after what was sent before it */
    }
    for (uint32_t i = 0; i < update.note_count; i++) {
        sim_disk_note(world, &node->disk, &update.notes[i]);
    }
    gs_update_clear(&update);
    sim_node_crash(world, node);
}

static void start_commit(struct sim_world *world, struct sim_node *node, struct gs_commit *commit) {
    if (node->pending_count > 0) {
        sim_fail(world, "node %u: a second commit before the first was stored", node->index);
        return;
    }
    node->pending = commit->records;
    node->pending_count = commit->count;
    commit->records = (struct gs_buffer){0};
    struct sim_event done = {
        .type = SIM_DISK_DONE, .node = node->index, .epoch = node->epoch, .number = commit->number};
    done.failed = world->plan.failed_commits && !world->healed && sim_chance(&world->rng, 2);
    sim_schedule(world, 1 + sim_below(&world->rng, world->plan.disk_ms_max), done);
}

/* False: it died of it. */
static bool store(struct sim_world *world, struct sim_node *node, enum gs_core_event_type event,
                  struct gs_update *update) {
    bool applied = event == GS_CORE_MESSAGE;
    if (update->has_commit) {
        if (sim_dies_at(world, node, applied ? SIM_APPLY_BEFORE : SIM_APPEND_BEFORE)) {
            return false;
        }
        start_commit(world, node, &update->commit);
        if (applied && sim_dies_at(world, node, SIM_APPLY_AFTER)) {
            return false;
        }
    }
    if (update->keep != NULL) {
        if (sim_dies_at(world, node, SIM_KEEP_BEFORE)) {
            return false;
        }
        sim_keep_start(world, node, update->keep);
        update->keep = NULL;
    }
    if (update->truncation != NULL) {
        if (sim_dies_at(world, node, SIM_TRUNCATE_BEFORE)) {
            return false;
        }
        sim_truncate_start(world, node, update->truncation);
        update->truncation = NULL;
    }
    return true;
}

static bool answer(struct sim_world *world, struct sim_node *node, enum gs_core_event_type event,
                   const struct gs_update *update) {
    bool stored = event == GS_CORE_STORED && update->answer_count > 0;
    if (stored && sim_dies_at(world, node, SIM_ACK_BEFORE)) {
        return false;
    }
    for (uint32_t i = 0; i < update->answer_count; i++) {
        if (stored && i > 0 && sim_dies_at(world, node, SIM_ACK_BETWEEN)) {
            return false;
        }
        sim_client_answered(world, node, update->answers[i]);
    }
    return !stored || !sim_dies_at(world, node, SIM_ACK_AFTER);
}

static void carry_out(struct sim_world *world, struct sim_node *node, enum gs_core_event_type event,
                      struct gs_update *update) {
    for (uint32_t i = 0; i < update->publish_count; i++) {
        sim_client_published(world, node, &update->publishes[i]);
    }
    if (!store(world, node, event, update) || !answer(world, node, event, update)) {
        return;
    }
    for (uint32_t i = 0; i < update->send_count; i++) {
        sim_send(world, node, &update->sends[i]);
    }
    for (uint32_t i = 0; i < update->log_read_count; i++) {
        struct sim_event read = {
            .type = SIM_LOG_READ, .node = node->index, .epoch = node->epoch, .number = update->log_reads[i].peer};
        read.vector = update->log_reads[i].have;
        update->log_reads[i].have = (struct gs_vector){0};
        sim_schedule(world, 1 + sim_below(&world->rng, world->plan.disk_ms_max), read);
    }
    for (uint32_t i = 0; i < update->rebuild_count; i++) {
        sim_rebuild(world, node, &update->rebuilds[i]);
    }
    for (uint32_t i = 0; i < update->note_count; i++) {
        /* Notes may be lost. */
        if (update->has_cut || world->healed || !sim_chance(&world->rng, 5)) {
            sim_disk_note(world, &node->disk, &update->notes[i]);
        }
    }
    for (uint32_t i = 0; i < update->dial_count; i++) {
        learn(world, node, &update->dials[i]);
    }
    for (uint32_t i = 0; i < update->drop_count; i++) {
        struct sim_node *other = sim_link_other(world, node, update->drops[i]);
        if (other != NULL) {
            sim_link_down(world, node->index, other->index);
        }
    }
}

void sim_node_step(struct sim_world *world, struct sim_node *node, struct gs_core_event *event) {
    if (node->core == NULL || world->failed) {
        return;
    }
    struct gs_update update = {0};
    uint64_t epoch = node->epoch;
    event->now_ms = sim_node_wall_ms(world, node);
    event->mono_ms = world->now_ms;
    int error = gs_core_step(node->core, event, &update);
    if (error != 0) {
        sim_fail(world, "node %u: step %d failed: %s", node->index, (int)event->type, gs_error_name(error));
    }
    uint64_t next = update.next_mono_ms;
    bool reload = update.reload;
    bool has_cut = update.has_cut;
    bool set_aside = update.set_aside;
    struct gs_cut cut = update.cut;
    struct gs_core_install *install = update.install;
    update.install = NULL;
    carry_out(world, node, event->type, &update);
    sim_check_fresh(world, node);
    sim_check_verified(world, node);
    gs_update_clear(&update);
    if (reload) {
        if (has_cut) {
            sim_node_cut(world, node, &cut);
        }
        sim_node_crash(world, node);
        if (set_aside) {
            sim_set_aside(world, node);
        }
    } else if (node->core != NULL && node->epoch == epoch) {
        node->timer_ms = next > world->now_ms ? next : world->now_ms + 1;
        struct sim_event timer = {.type = SIM_TIMER, .node = node->index, .epoch = node->epoch};
        sim_schedule(world, node->timer_ms - world->now_ms, timer);
    }
    if (install != NULL && node->core != NULL && node->epoch == epoch) {
        sim_install(world, node, install);
    } else {
        gs_core_install_free(install); /* it has died meanwhile */
    }
}

void sim_node_disk_done(struct sim_world *world, struct sim_node *node, const struct sim_event *event) {
    if (event->failed) {
        gs_buffer_close(&node->pending);
        node->pending_count = 0;
    } else {
        make_durable(world, node);
        if (sim_dies_at(world, node, SIM_APPEND_AFTER)) {
            return;
        }
    }
    struct gs_core_event stored = {.type = GS_CORE_STORED,
                                   .stored = {.commit = event->number, .error = event->failed ? GS_ESTORE : 0}};
    sim_node_step(world, node, &stored);
}

/* What a store answers: records that `have` lacks, in log order, a few at a time so that paging is exercised. */
void sim_node_log_read(struct sim_world *world, struct sim_node *node, const struct sim_event *event) {
    enum { RECORDS_MAX = 8 };
    struct gs_buffer records = {0};
    struct gs_core_event read = {.type = GS_CORE_LOG_READ, .log_read = {.peer = event->number}};
    if (gs_base_is_behind(&node->disk.base, &event->vector)) {
        read.log_read.error = GS_EGONE;
        sim_node_step(world, node, &read);
        return;
    }
    for (uint32_t i = 0; i < node->disk.count; i++) {
        const struct sim_record *record = &node->disk.records[i];
        if (gs_vector_seq(&event->vector, &record->head.origin) >= record->head.seq) {
            continue;
        }
        if (read.log_read.count == RECORDS_MAX) {
            read.log_read.more = true;
            break;
        }
        gs_buffer_append(&records, record->bytes, record->length);
        read.log_read.count++;
    }
    read.log_read.records = gs_slice_make(records.bytes, records.length);
    sim_node_step(world, node, &read);
    gs_buffer_close(&records);
}
