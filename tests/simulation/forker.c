#include "tests/simulation/forker.h"

#include "gossip/message.h"
#include "tests/simulation/checks.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_MS UINT64_C(1767225600000)

static struct gs_slice copy_text(struct gs_arena *arena, const char *text) {
    return gs_slice_make(gs_arena_copy(arena, text, strlen(text)), strlen(text));
}

static struct gs_slice copy_value(struct gs_arena *arena, struct gs_buffer *buffer) {
    struct gs_slice value = gs_slice_make(gs_arena_copy(arena, buffer->bytes, buffer->length), buffer->length);
    gs_buffer_close(buffer);
    return value;
}

/* An event "fk.N" on one aggregate: an increment of /n, and a register. */
static void write_batch(struct sim_world *world, struct sim_branch *branch, uint32_t number) {
    struct gs_arena arena = {0};
    struct gs_problem problem = {0};
    struct gs_buffer value = {0};
    struct gs_slice names[2] = {gs_slice_make("n", 1), gs_slice_make("fk", 2)};
    uint32_t on = (uint32_t)sim_below(&world->rng, SIM_AGGREGATES);
    char id[2] = {(char)('0' + on), '\0'};
    char type[32];
    snprintf(type, sizeof type, "fk.%u", number);
    gs_write_int(&value, 1 + (int64_t)sim_below(&world->rng, 1000));
    struct gs_slice amount = copy_value(&arena, &value);
    struct gs_op ops[2] = {{.kind = GS_OP_INCREMENT, .path = {.depth = 1, .names = &names[0]}, .value = amount},
                           {.kind = GS_OP_SET, .path = {.depth = 1, .names = &names[1]}, .value = amount}};
    struct gs_stamp stamp = {
        .origin = branch->author.origin, .seq = branch->author.next_seq, .clock = branch->author.clock + 1};
    struct gs_event_change change = {.aggregate_type = gs_slice_make("t", 1), .aggregate_id = copy_text(&arena, id)};
    int error = gs_aggregate_prepare(branch->states[on], ops, 2, &stamp, "/ops", &arena, &change.delta, &problem);
    if (error == 0) {
        error = gs_aggregate_apply(branch->states[on], &change.delta);
    }
    if (error != 0) {
        sim_fail(world, "the forker cannot write: %s", problem.detail);
    }
    struct gs_event event = {.seq = branch->author.next_seq,
                             .clock = branch->author.clock + 1,
                             .event_type = copy_text(&arena, type),
                             .actor = gs_slice_make("forker", 6),
                             .change_count = 1,
                             .changes = &change};
    if (error == 0 && branch->count < SIM_FORK_BATCHES_MAX) {
        test_author_seal(&branch->author, &event, 1, NULL, 0, &branch->records[branch->count++]);
    }
    gs_arena_close(&arena);
}

static void copy_branch(const struct sim_branch *from, struct sim_branch *to) {
    *to = *from;
    for (uint32_t i = 0; i < SIM_FORK_BATCHES_MAX; i++) {
        to->records[i] = (struct gs_buffer){0};
        gs_buffer_append(&to->records[i], from->records[i].bytes, from->records[i].length);
    }
    for (uint32_t i = 0; i < SIM_AGGREGATES; i++) {
        to->states[i] = gs_aggregate_new(NULL);
        (void)gs_aggregate_join(to->states[i], from->states[i]);
    }
}

void sim_forker_open(struct sim_world *world) {
    struct sim_forker *forker = calloc(1, sizeof *forker);
    struct sim_branch *first = &forker->branches[0];
    const uint8_t random[6] = {0xf0, 0x4b};
    world->forker = forker;
    first->author = (struct test_author){.keys = world->nodes[world->plan.nodes].keys,
                                         .cluster = world->cluster,
                                         .next_seq = 1,
                                         .clock = gs_hlc_from_ms(EPOCH_MS)};
    first->author.incarnation = gs_incarnation_make(EPOCH_MS, random);
    first->author.origin = gs_origin_derive(&first->author.keys.public_key, &first->author.incarnation);
    for (uint32_t i = 0; i < SIM_AGGREGATES; i++) {
        first->states[i] = gs_aggregate_new(NULL);
    }
    for (forker->common = (uint32_t)sim_below(&world->rng, 4); first->count < forker->common && !world->failed;) {
        write_batch(world, first, forker->number++);
    }
    copy_branch(first, &forker->branches[1]);
    forker->side = 2 | ((uint32_t)sim_random(&world->rng) & ~UINT32_C(1)); /* node 0 is shown the first, 1 the second */
    forker->part_ms = world->plan.chaos_ms / 4 + sim_below(&world->rng, world->plan.chaos_ms / 2);
    forker->decide_ms = forker->part_ms + sim_below(&world->rng, world->plan.chaos_ms);
}

/* The sides see each other, or not. */
static void set_apart(struct sim_world *world, bool apart) {
    struct sim_forker *forker = world->forker;
    forker->apart = apart;
    for (uint32_t a = 0; a < world->plan.nodes; a++) {
        for (uint32_t b = a + 1; b < world->plan.nodes; b++) {
            if ((forker->side >> a & 1) != (forker->side >> b & 1)) {
                world->links[a][b].cut[0] = world->links[a][b].cut[1] = apart;
                if (apart) {
                    sim_link_down(world, a, b);
                }
            }
        }
    }
}

/* All that a node is to be shown, once more: it takes what is new to it. */
static void show(struct sim_world *world, struct sim_node *to) {
    const struct sim_link *link = &world->links[to->index][world->plan.nodes];
    const struct sim_branch *branch = &world->forker->branches[world->forker->side >> to->index & 1];
    struct gs_buffer records = {0};
    struct sim_event event = {.type = SIM_DELIVER, .node = to->index, .number = link->id};
    if (!link->up || branch->count == 0) {
        return;
    }
    for (uint32_t i = 0; i < branch->count; i++) {
        gs_buffer_append(&records, branch->records[i].bytes, branch->records[i].length);
    }
    gs_message_write_batches(GS_BATCHES_PUSH, branch->count, gs_slice_make(records.bytes, records.length),
                             &event.bytes);
    gs_buffer_close(&records);
    sim_schedule(world, 1 + sim_below(&world->rng, world->plan.delay_ms_max), event);
}

/* What the node may decide: 0, or why there is nothing to decide. */
static int ask(struct sim_world *world, struct sim_node *node, struct gs_fork_choice *ret_choice) {
    char id[2 * GS_ORIGIN_SIZE + 1];
    struct gs_command *command = gs_command_new(GS_COMMAND_FORKS);
    sodium_bin2hex(id, sizeof id, world->forker->branches[0].author.origin.bytes, GS_ORIGIN_SIZE);
    command->held_id = copy_text(&command->arena, id);
    world->asked = command;
    sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_COMMAND, .command = command});
    world->asked = NULL;
    int error = command->error;
    if (error == 0) {
        *ret_choice = *command->fork;
    }
    gs_command_free(command);
    return error;
}

static void make_decision(struct sim_world *world, const struct gs_fork_choice *choice, struct gs_command *command) {
    struct gs_arena *arena = &command->arena;
    struct gs_fork_verdict verdict = {.seq = choice->seq, .point = choice->point};
    uint32_t kept = (uint32_t)sim_below(&world->rng, 2);
    char id[2 * GS_ORIGIN_SIZE + 1];
    verdict.keep = choice->branches[kept];
    if (sim_chance(&world->rng, 60)) {
        uint32_t importer = (uint32_t)sim_below(&world->rng, world->plan.nodes);
        snprintf(verdict.importer, sizeof verdict.importer, "region-%u", (unsigned)importer);
        world->forker->importers |= UINT32_C(1) << importer;
    }
    struct gs_buffer value = {0};
    gs_fork_verdict_write(&verdict, &value);
    struct gs_slice *path = gs_arena_alloc(arena, sizeof *path);
    struct gs_op *op = gs_arena_alloc(arena, sizeof *op);
    struct gs_write_change *change = gs_arena_alloc(arena, sizeof *change);
    struct gs_write *write = gs_arena_alloc(arena, sizeof *write);
    *path = copy_text(arena, "decision");
    *op = (struct gs_op){.kind = GS_OP_SET, .path = {.depth = 1, .names = path}, .value = copy_value(arena, &value)};
    sodium_bin2hex(id, sizeof id, world->forker->branches[0].author.origin.bytes, GS_ORIGIN_SIZE);
    *change = (struct gs_write_change){.aggregate_type = copy_text(arena, GS_FORK_TYPE),
                                       .aggregate_id = copy_text(arena, id),
                                       .ops = op,
                                       .op_count = 1,
                                       .prefix = "/ops"};
    *write = (struct gs_write){.event_type = copy_text(arena, "gs.fork.decided"),
                               .actor = copy_text(arena, "operator"),
                               .internal = true,
                               .change_count = 1,
                               .changes = change};
    command->writes = write;
    command->write_count = 1;
}

/* At a node that can; now and then at a second one that has not heard of it. */
static void decide(struct sim_world *world) {
    struct sim_forker *forker = world->forker;
    uint32_t index = (uint32_t)sim_below(&world->rng, world->plan.nodes);
    struct sim_node *node = &world->nodes[index];
    struct gs_fork_choice choice = {0};
    if (node->core == NULL || forker->command != NULL || (forker->decided && !sim_chance(&world->rng, 3)) ||
        ask(world, node, &choice) != 0 || !choice.located || choice.decided) {
        return;
    }
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    make_decision(world, &choice, command);
    forker->command = command;
    forker->decider = index;
    sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_COMMAND, .command = command});
}

void sim_forker_answered(struct sim_world *world, struct gs_command *command) {
    struct sim_forker *forker = world->forker;
    if (command->error == 0 && command->results[0].error != 0) {
        sim_fail(world, "a decision is refused: %s", command->results[0].problem.detail);
    }
    forker->decided = forker->decided || command->error == 0;
    forker->command = NULL;
    gs_command_free(command);
}

void sim_forker_crashed(struct sim_world *world, const struct sim_node *node) {
    if (world->forker != NULL && world->forker->command != NULL && world->forker->decider == node->index) {
        gs_command_free(world->forker->command);
        world->forker->command = NULL;
    }
}

void sim_forker_act(struct sim_world *world) {
    struct sim_forker *forker = world->forker;
    bool parted = world->now_ms < forker->part_ms && !world->healed;
    if (parted) {
        set_apart(world, true); /* whatever faults have mended */
        struct sim_branch *branch = &forker->branches[sim_below(&world->rng, 2)];
        if (branch->count < SIM_FORK_BATCHES_MAX && sim_chance(&world->rng, 30)) {
            write_batch(world, branch, forker->number++);
        }
    } else if (forker->apart) {
        set_apart(world, false);
    }
    if (!world->healed) {
        show(world, &world->nodes[sim_below(&world->rng, world->plan.nodes)]);
    }
    if (world->now_ms >= forker->decide_ms) {
        decide(world);
    }
    sim_schedule(world, 1 + sim_below(&world->rng, 80), (struct sim_event){.type = SIM_FORKER});
}

bool sim_forker_done(const struct sim_world *world) {
    for (uint32_t i = 0; world->forker != NULL && i < world->plan.nodes; i++) {
        struct gs_core_stats stats = {0};
        if (world->nodes[i].core == NULL) {
            return false;
        }
        gs_core_get_stats(world->nodes[i].core, &stats);
        if (stats.forks > 0 || stats.import_waiting > 0 || stats.causal_bytes > 0) {
            return false;
        }
    }
    return world->forker == NULL || world->forker->command == NULL;
}

static void count_events(struct sim_world *world, const struct sim_node *node, uint32_t *seen) {
    for (uint32_t i = 0; i < node->disk.count; i++) {
        struct gs_arena arena = {0};
        struct gs_event *events = NULL;
        struct gs_record record;
        struct gs_batch_head head;
        const struct sim_record *bytes = &node->disk.records[i];
        if (gs_record_parse(gs_slice_make(bytes->bytes, bytes->length), &record) != 0 ||
            gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0 ||
            gs_batch_decode(&head, &arena, &events) != 0) {
            sim_fail(world, "record %u of node %u does not decode", i, node->index);
        }
        for (uint32_t j = 0; !world->failed && j < head.count; j++) {
            char type[GS_ID_BYTES_MAX + 1] = "";
            unsigned number = 0;
            memcpy(type, events[j].event_type.bytes, events[j].event_type.length);
            if (sscanf(type, "fk.%u", &number) == 1 && number < 2 * SIM_FORK_BATCHES_MAX) {
                seen[number]++;
            }
        }
        gs_arena_close(&arena);
    }
}

void sim_forker_check(struct sim_world *world) {
    uint32_t allowed = 0;
    for (uint32_t left = world->forker != NULL ? world->forker->importers : 0; left != 0; left >>= 1) {
        allowed += left & 1;
    }
    allowed = allowed > 1 ? allowed : 1;
    for (uint32_t i = 0; world->forker != NULL && i < world->plan.nodes && !world->failed; i++) {
        uint32_t seen[2 * SIM_FORK_BATCHES_MAX] = {0};
        count_events(world, &world->nodes[i], seen);
        for (uint32_t j = 0; j < 2 * SIM_FORK_BATCHES_MAX; j++) {
            if (seen[j] > allowed) {
                sim_fail(world, "kept: event %u of the forked region is in the log of node %u %u times", j, i, seen[j]);
            }
        }
    }
}

void sim_forker_close(struct sim_world *world) {
    struct sim_forker *forker = world->forker;
    for (int i = 0; forker != NULL && i < 2; i++) {
        for (uint32_t j = 0; j < SIM_FORK_BATCHES_MAX; j++) {
            gs_buffer_close(&forker->branches[i].records[j]);
        }
        for (uint32_t j = 0; j < SIM_AGGREGATES; j++) {
            gs_aggregate_free(forker->branches[i].states[j]);
        }
    }
    if (forker != NULL) {
        gs_command_free(forker->command);
    }
    free(forker);
    world->forker = NULL;
}

/* What is to be imported is on the disk before the log is cut; a crash between the two does it all again. */
static void keep_decision(struct sim_world *world, struct sim_node *node, const struct sim_record *record) {
    struct gs_core_note note = {0};
    bool found = false;
    if (gs_cut_decision(gs_slice_make(record->bytes, record->length), note.name, &note.bytes, &found) != 0) {
        sim_fail(world, "node %u cannot read a record that it cuts", node->index);
    }
    if (found) {
        sim_disk_note(world, &node->disk, &note);
    }
    gs_buffer_close(&note.bytes);
}

void sim_node_cut(struct sim_world *world, struct sim_node *node, const struct gs_cut *cut) {
    struct gs_cut_walk walk;
    struct sim_disk kept = {0};
    struct gs_buffer ours = {0};
    gs_hash first = {{0}};
    uint32_t count = 0;
    char region[32];
    snprintf(region, sizeof region, "region-%u", (unsigned)node->index);
    gs_cut_begin(&walk, cut, &node->keys.public_key, region);
    for (uint32_t i = 0; i < node->disk.count; i++) {
        const struct sim_record *record = &node->disk.records[i];
        enum gs_cut_fate fate = GS_CUT_KEEPS;
        if (gs_cut_next(&walk, gs_slice_make(record->bytes, record->length), &fate) != 0) {
            sim_fail(world, "node %u cannot cut its log", node->index);
        }
        if (fate == GS_CUT_KEEPS) {
            struct gs_batch_head head = {.origin = record->head.origin,
                                         .first_seq = record->first_seq,
                                         .count = (uint32_t)(record->head.seq - record->first_seq + 1),
                                         .hash = record->head.hash};
            sim_disk_append(&kept, record->bytes, record->length, &head);
            continue;
        }
        keep_decision(world, node, record);
        if (fate == GS_CUT_OURS) {
            first = count++ == 0 ? record->head.hash : first;
            gs_buffer_append(&ours, record->bytes, record->length);
        }
    }
    gs_cut_close(&walk);
    struct gs_core_note note = {0};
    world->cuts++;
    world->imported += count;
    if (count > 0) {
        gs_cut_note_name(cut, true, &first, 0, note.name);
        gs_cut_note_begin(count, &note.bytes);
        gs_buffer_append(&note.bytes, ours.bytes, ours.length);
        sim_disk_note(world, &node->disk, &note);
    }
    gs_buffer_close(&ours);
    if (!world->healed && sim_chance(&world->rng, 20)) {
        sim_disk_clear(&kept); /* power is lost here */
        return;
    }
    struct gs_core_note self = {.name = "self"};
    sim_disk_note(world, &node->disk, &self);
    memcpy(kept.notes, node->disk.notes, sizeof kept.notes);
    memset(node->disk.notes, 0, sizeof node->disk.notes);
    gs_keep_free(node->pending_keep); /* the store has written it before, or never will */
    node->pending_keep = NULL;
    sim_disk_clear(&node->disk);
    node->disk = kept;
    sim_node_disk_changed(node);
}
