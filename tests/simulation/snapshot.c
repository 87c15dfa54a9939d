/* A node that begins with a snapshot (node/core/bootstrap.h): what the shell does of it. Its disk becomes one whose log
 * begins behind the snapshot; the records before that are those of the giver, gone already: checks over the whole
 * history still look at them, the node must not. What goes on in memory must be what a start makes of the disk. */
#include "node/core/core_impl.h"
#include "node/core/giving.h"
#include "tests/simulation/checks.h"

#include <stdlib.h>
#include <string.h>

static const struct sim_node *giver_of(const struct sim_world *world, const struct sim_node *node) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (memcmp(&world->nodes[i].keys.public_key, &node->core->bootstrap.key, sizeof(gs_public_key)) == 0) {
            return &world->nodes[i];
        }
    }
    return NULL; /* a guest */
}

/* Appends the giver's records within the heads. False: its disk is not what it was when it gave the snapshot. */
static bool copy_records(struct sim_disk *to, const struct sim_disk *from, const struct gs_vector *heads) {
    struct gs_vector copied = {0};
    for (uint32_t i = 0; i < from->count; i++) {
        const struct sim_record *record = &from->records[i];
        if (record->head.seq <= gs_vector_seq(heads, &record->head.origin)) {
            const struct gs_batch_head head = {.origin = record->head.origin,
                                               .first_seq = record->first_seq,
                                               .count = (uint32_t)(record->head.seq - record->first_seq + 1),
                                               .hash = record->head.hash};
            sim_disk_append(to, record->bytes, record->length, &head);
            to->records[to->count - 1].gone = true;
            (void)gs_vector_set(&copied, &record->head);
        }
    }
    bool whole = gs_vector_equal(&copied, heads);
    gs_vector_close(&copied);
    while (!whole && to->count > 0) {
        free(to->records[--to->count].bytes);
    }
    return whole;
}

static struct gs_slice copy_name(struct gs_keep *keep, struct gs_slice name) {
    return gs_slice_make(gs_arena_copy(&keep->arena, name.bytes, name.length), name.length);
}

static struct gs_keep *make_keep(const struct gs_staged *staged, const struct gs_besides *besides, uint64_t position) {
    struct gs_keep *keep = calloc(1, sizeof *keep);
    keep->low = keep->position = position;
    keep->states = gs_arena_alloc(&keep->arena, (staged->cells.count + 1) * sizeof *keep->states);
    for (struct gs_table_entry *entry = gs_table_next(&staged->cells, NULL); entry != NULL;
         entry = gs_table_next(&staged->cells, entry)) {
        const struct gs_cell *cell = (const struct gs_cell *)entry;
        struct gs_keep_state *state = &keep->states[keep->count++];
        *state = (struct gs_keep_state){.type = copy_name(keep, cell->type),
                                        .id = copy_name(keep, cell->id),
                                        .version = cell->version,
                                        .position = position,
                                        .updated = cell->updated};
        (void)gs_aggregate_encode(cell->aggregate, GS_ENCODE_FULL, &state->state);
    }
    gs_buffer_append(&keep->core, besides->checkpoint.bytes, besides->checkpoint.length);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        struct gs_keep_entries *journal = &keep->journals[i];
        journal->first = journal->oldest = besides->journals[i].first;
        journal->last = besides->journals[i].last;
        gs_buffer_append(&journal->entries, besides->journals[i].entries.bytes, besides->journals[i].entries.length);
    }
    return keep;
}

/* The core that a shell goes on with, and the one that a start makes of the disk. */
static void check_successor(struct sim_world *world, const struct sim_node *node, struct gs_staged *staged) {
    struct gs_core *memory = sim_node_new_core(world, node);
    struct gs_core *disk = sim_node_new_core(world, node);
    struct gs_update update = {0};
    uint64_t low = 0;
    struct gs_core_event all = {.type = GS_CORE_RESTORE,
                                .now_ms = sim_node_wall_ms(world, node),
                                .mono_ms = world->now_ms,
                                .restore = {.staged = staged, .position = node->disk.base.position}};
    if (memory != NULL && disk != NULL) {
        gs_hash roots[2];
        uint64_t counts[2];
        (void)sim_keep_restore(world, node, disk, &low, true);
        (void)sim_keep_restore(world, node, memory, &low, false);
        if (gs_core_step(memory, &all, &update) != 0) {
            sim_fail(world, "snapshot: node %u cannot go on with what is in memory", node->index);
        }
        gs_update_clear(&update);
        sim_keep_check(world, node, memory, disk);
        (void)gs_digest_flush(disk, UINT64_MAX);
        gs_digest_tree_root(&memory->digest.tree, &roots[0], &counts[0]);
        gs_digest_tree_root(&disk->digest.tree, &roots[1], &counts[1]);
        if (counts[0] != counts[1] || memcmp(&roots[0], &roots[1], sizeof roots[0]) != 0 ||
            memory->digest.dirty_count > 0) {
            sim_fail(world, "snapshot: node %u goes on with another digest than a start has", node->index);
        }
    }
    gs_core_free(memory);
    gs_core_free(disk);
}

/* False: there is nobody whose disk has what was given. */
static bool install(struct sim_world *world, struct sim_node *node, const struct gs_core_install *install) {
    const struct sim_node *giver = giver_of(world, node);
    struct gs_besides besides;
    struct gs_staged staged;
    struct sim_disk *disk = &node->disk;
    if (disk->count > 0 || disk->keep_count > 0 ||
        gs_besides_read(gs_slice_make(install->besides.bytes, install->besides.length), &besides) != 0) {
        sim_fail(world, "snapshot: node %u installs what is none, or over a log", node->index);
        return false;
    }
    if (giver == NULL || !copy_records(disk, &giver->disk, &install->heads)) {
        return false;
    }
    gs_core_take_staged(node->core, &staged);
    disk->base = (struct gs_base){.cluster = world->cluster, .position = disk->count, .clock = install->clock};
    (void)gs_vector_copy(&disk->base.heads, &install->heads);
    (void)gs_base_raise_floor(&disk->base, GS_FLOOR_OTHERS, disk->count);
    disk->keeps = disk->keeps != NULL ? disk->keeps : calloc(SIM_KEEPS_MAX, sizeof *disk->keeps);
    disk->keeps[0] = make_keep(&staged, &besides, disk->count);
    disk->keep_count = disk->safe_keeps = 1;
    check_successor(world, node, &staged);
    gs_staged_close(&staged);
    sim_node_disk_changed(node);
    world->installed++;
    return true;
}

void sim_install(struct sim_world *world, struct sim_node *node, struct gs_core_install *wanted) {
    struct gs_core_event done = {.type = GS_CORE_INSTALLED};
    if (!world->healed && sim_chance(&world->rng, 10)) {
        done.installed = GS_ESTORE;
    } else if (!install(world, node, wanted)) {
        node->wants_snapshot = true; /* sim_reseed */
        gs_core_install_free(wanted);
        return;
    }
    gs_core_install_free(wanted);
    sim_node_step(world, node, &done);
}

void sim_set_aside(struct sim_world *world, struct sim_node *node) {
    struct gs_core_note notes[SIM_NOTES_MAX];
    memcpy(notes, node->disk.notes, sizeof notes);
    memset(node->disk.notes, 0, sizeof notes);
    sim_disk_clear(&node->disk);
    for (uint32_t i = 0; i < SIM_NOTES_MAX; i++) {
        if (strcmp(notes[i].name, GS_NOTE_SELF) == 0) {
            gs_buffer_close(&notes[i].bytes);
            notes[i] = (struct gs_core_note){0};
        }
    }
    memcpy(node->disk.notes, notes, sizeof notes);
    sim_node_disk_changed(node);
    world->aside++;
}
