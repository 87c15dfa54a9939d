/* Logs whose oldest records go: the stores' own step (node/store/truncate.h) over a simulated disk. Records that are
 * gone are only marked: checks over the whole history still look at them, nodes must not.
 *
 * A node that lacks what all others have removed cannot catch up by the log: it is made anew from the disk of one that
 * has all it has, as an operator would, and goes on as a new incarnation. */
#include "node/store/truncate.h"
#include "tests/simulation/checks.h"

#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 30000 };

struct cutting {
    struct sim_world *world;
    struct sim_node *node;
};

void sim_truncate_start(struct sim_world *world, struct sim_node *node, struct gs_truncation *truncation) {
    if (node->pending_truncation != NULL) {
        sim_fail(world, "node %u: a second truncation before the first was done", node->index);
        gs_truncation_free(truncation);
        return;
    }
    node->pending_truncation = truncation;
    node->truncation_members = sim_members(world, node);
    struct sim_event done = {.type = SIM_TRUNCATED, .node = node->index, .epoch = node->epoch};
    sim_schedule(world, 1 + sim_below(&world->rng, world->plan.disk_ms_max), done);
}

static int read_rows(void *context, uint64_t after, uint32_t max, gs_store_record_fn visit, void *visit_context) {
    const struct sim_disk *disk = &((struct cutting *)context)->node->disk;
    int result = 0;
    for (uint64_t i = after; result == 0 && max > 0 && i < disk->count; i++) {
        if (!disk->records[i].gone) {
            result = visit(visit_context, i + 1, gs_slice_make(disk->records[i].bytes, disk->records[i].length));
            max--;
        }
    }
    return result;
}

/* How many events of an aggregate the records up to `position` have, those that are gone included. */
static uint64_t count_events(const struct sim_disk *disk, struct gs_slice type, struct gs_slice id, uint64_t position) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < position; i++) {
        struct gs_record record;
        struct gs_batch_head head;
        struct gs_arena arena = {0};
        struct gs_event *events = NULL;
        if (gs_record_parse(gs_slice_make(disk->records[i].bytes, disk->records[i].length), &record) == 0 &&
            gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0) {
            (void)gs_batch_decode(&head, &arena, &events);
        }
        for (uint32_t j = 0; events != NULL && j < head.count; j++) {
            for (uint32_t k = 0; k < events[j].change_count; k++) {
                const struct gs_event_change *change = &events[j].changes[k];
                count += gs_slice_compare(change->aggregate_type, type) == 0 &&
                         gs_slice_compare(change->aggregate_id, id) == 0;
            }
        }
        gs_arena_close(&arena);
    }
    return count;
}

static int cut(void *context, struct gs_slice type, struct gs_slice id, uint64_t floor) {
    struct cutting *cutting = context;
    const struct sim_disk *disk = &cutting->node->disk;
    uint64_t gone = count_events(disk, type, id, floor);
    for (uint32_t i = 0; i < disk->keep_count; i++) {
        for (uint32_t j = 0; j < disk->keeps[i]->count; j++) {
            const struct gs_keep_state *state = &disk->keeps[i]->states[j];
            if (gs_slice_compare(state->type, type) == 0 && gs_slice_compare(state->id, id) == 0 &&
                state->version >= gone) {
                return 0;
            }
        }
    }
    sim_fail(cutting->world, "truncation: node %u removes %llu events of %.*s that no state on its disk has",
             cutting->node->index, (unsigned long long)gone, (int)id.length, (const char *)id.bytes);
    return GS_ECORRUPT;
}

/* Every other node that has lost no disk, ever, has it. */
static int drop(void *context, uint64_t position) {
    struct cutting *cutting = context;
    struct sim_world *world = cutting->world;
    struct sim_record *record = &cutting->node->disk.records[position - 1];
    if (record->gone) {
        sim_fail(world, "truncation: node %u removes record %llu twice", cutting->node->index,
                 (unsigned long long)position);
    }
    record->gone = true;
    world->removed++;
    sim_check_removed(world, cutting->node, &record->head);
    return 0;
}

static int set_base(void *context, const struct gs_base *base) {
    struct cutting *cutting = context;
    struct sim_disk *disk = &cutting->node->disk;
    disk->safe_keeps = disk->keep_count; /* synced with it */
    return gs_base_copy(&disk->base, base);
}

static int carry_out(struct sim_world *world, struct sim_node *node, struct gs_truncated *ret_truncated) {
    struct cutting cutting = {.world = world, .node = node};
    struct gs_base base = {0};
    const struct gs_truncate_engine engine = {
        .context = &cutting,
        .base = &node->disk.base,
        .indexed = UINT64_MAX,
        .read = read_rows,
        .cut = cut,
        .drop = drop,
        .set_base = set_base,
    };
    int error = gs_truncate_step(&engine, node->pending_truncation, &base, ret_truncated);
    gs_base_close(&base);
    gs_truncation_free(node->pending_truncation);
    node->pending_truncation = NULL;
    return error == 0 ? gs_truncated_describe(&node->disk.base, ret_truncated) : error;
}

void sim_truncate_done(struct sim_world *world, struct sim_node *node) {
    struct gs_truncated truncated = {0};
    struct gs_core_event done = {.type = GS_CORE_TRUNCATED};
    done.truncated.error = carry_out(world, node, &truncated);
    done.truncated.result = &truncated;
    if (done.truncated.error != 0) {
        sim_fail(world, "truncation: node %u: %s", node->index, gs_error_name(done.truncated.error));
    }
    if (truncated.records > 0 && sim_dies_at(world, node, SIM_TRUNCATE_AFTER)) {
        gs_vector_close(&truncated.heads);
        return;
    }
    sim_node_step(world, node, &done);
    gs_vector_close(&truncated.heads);
}

void sim_truncate_crash(struct sim_world *world, struct sim_node *node) {
    struct gs_truncated truncated = {0};
    if (node->pending_truncation == NULL) {
        return;
    }
    if (sim_chance(&world->rng, 50)) {
        (void)carry_out(world, node, &truncated); /* it was done, with nobody left to hear of it */
    }
    gs_truncation_free(node->pending_truncation);
    node->pending_truncation = NULL;
    gs_vector_close(&truncated.heads);
}

static uint32_t behind(const struct sim_node *node) {
    struct gs_core_stats stats = {0};
    if (node->core != NULL) {
        gs_core_get_stats(node->core, &stats);
    }
    return stats.behind_base;
}

/* A running node that has all that `node` has, and is not behind itself. */
static struct sim_node *find_source(struct sim_world *world, const struct sim_node *node) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        struct sim_node *other = &world->nodes[i];
        bool may = other->disk.base.position > 0 || node->wants_snapshot;
        if (other != node && other->core != NULL && behind(other) == 0 && may &&
            gs_vector_covers(gs_core_stored(other->core), gs_core_stored(node->core))) {
            return other;
        }
    }
    return NULL;
}

void sim_reseed(struct sim_world *world) {
    for (uint32_t i = 0; i < world->plan.nodes && !world->failed; i++) {
        struct sim_node *node = &world->nodes[i];
        bool lost = node->core != NULL && (behind(node) > 0 || node->wants_snapshot);
        node->behind_ms = !lost ? 0 : node->behind_ms == 0 ? world->now_ms : node->behind_ms;
        if (world->plan.asides && world->now_ms - node->behind_ms < PATIENCE_MS) {
            continue; /* it may find a way by itself */
        }
        struct sim_node *source = lost ? find_source(world, node) : NULL;
        if (source == NULL || !sim_chance(&world->rng, 10)) {
            continue;
        }
        sim_node_crash(world, node);
        node->wants_snapshot = false;
        sim_disk_copy(&node->disk, &source->disk);
        for (uint32_t j = 0; j < SIM_NOTES_MAX; j++) { /* they are the other node's */
            gs_buffer_close(&node->disk.notes[j].bytes);
            node->disk.notes[j] = (struct gs_core_note){0};
        }
        sim_node_disk_changed(node);
        sim_forgive(world, node);
        world->reseeded++;
    }
}
