/* Digests between simulated nodes: what the log makes of an aggregate, memory that changes by itself, and the sync jobs
 * that must find and mend it. */
#include "node/core/core_impl.h"
#include "tests/simulation/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOB_LOOK_EVERY_MS = 50, JOB_MS_MAX = 30000 };

void sim_rebuild(struct sim_world *world, struct sim_node *node, const struct gs_core_rebuild *rebuild) {
    struct sim_event event = {.type = SIM_REBUILD, .node = node->index, .epoch = node->epoch};
    event.number = rebuild->number;
    event.failed = rebuild->has_cut; /* borrowed to say so */
    gs_buffer_append(&event.bytes, rebuild->name, strlen(rebuild->name));
    if (rebuild->has_cut && gs_vector_copy(&event.vector, &rebuild->cut) != 0) {
        sim_fail(world, "out of memory");
    }
    sim_schedule(world, 1 + sim_below(&world->rng, world->plan.disk_ms_max), event);
}

struct making {
    const struct sim_event *event;
    struct gs_aggregate *aggregate;
    uint64_t version;
    gs_hlc updated;
};

static void apply_record(struct sim_world *world, const struct sim_record *record, struct making *making) {
    struct gs_slice name = gs_slice_make(making->event->bytes.bytes, making->event->bytes.length);
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    struct gs_record parts;
    struct gs_batch_head head;
    struct gs_slice type, id;
    if (gs_record_parse(gs_slice_make(record->bytes, record->length), &parts) != 0 ||
        gs_batch_parse_head(parts.batch.bytes, parts.batch.length, &head) != 0 ||
        gs_batch_decode(&head, &arena, &events) != 0 || !gs_name_split(name, &type, &id)) {
        sim_fail(world, "a record on disk does not decode");
    }
    for (uint32_t i = 0; events != NULL && i < head.count; i++) {
        bool within = !making->event->failed || events[i].seq <= gs_vector_seq(&making->event->vector, &head.origin);
        for (uint32_t j = 0; within && j < events[i].change_count; j++) {
            const struct gs_event_change *change = &events[i].changes[j];
            if (gs_slice_compare(change->aggregate_type, type) == 0 &&
                gs_slice_compare(change->aggregate_id, id) == 0) {
                making->version++;
                making->updated = gs_hlc_observe(making->updated, change->delta.clock);
                (void)gs_aggregate_apply(making->aggregate, &change->delta);
            }
        }
    }
    gs_arena_close(&arena);
}

void sim_node_rebuilt(struct sim_world *world, struct sim_node *node, const struct sim_event *event) {
    struct making making = {.event = event, .aggregate = gs_aggregate_new(NULL)};
    struct gs_buffer state = {0};
    for (uint32_t i = 0; i < node->disk.count; i++) {
        apply_record(world, &node->disk.records[i], &making);
    }
    if (gs_aggregate_encode(making.aggregate, GS_ENCODE_FULL, &state) != 0) {
        sim_fail(world, "out of memory");
    }
    struct gs_core_event rebuilt = {
        .type = GS_CORE_REBUILT,
        .rebuilt = {.number = event->number, .version = making.version, .updated = making.updated}};
    rebuilt.rebuilt.state = gs_slice_make(state.bytes, state.length);
    sim_node_step(world, node, &rebuilt);
    gs_buffer_close(&state);
    gs_aggregate_free(making.aggregate);
}

void sim_check_verified(struct sim_world *world, const struct sim_node *node) {
    struct gs_core_stats stats = {0};
    if (node->core != NULL) {
        gs_core_get_stats(node->core, &stats);
    }
    if (stats.verify_differing > 0 && !world->flipped) {
        sim_fail(world, "verify: node %u finds a difference where there is none", node->index);
    }
}

/* One bit of an aggregate in memory changes, so that it is still a state, and another one with the same history. */
static bool flip(struct sim_world *world, struct gs_cell *cell) {
    struct gs_buffer full = {0};
    bool done = false;
    (void)gs_aggregate_encode(cell->aggregate, GS_ENCODE_FULL, &full);
    for (int i = 0; !done && i < 2000; i++) {
        size_t at = sim_below(&world->rng, full.length);
        uint8_t bit = (uint8_t)(1U << sim_below(&world->rng, 8));
        struct gs_aggregate *other = NULL;
        struct gs_buffer before = {0};
        struct gs_buffer after = {0};
        full.bytes[at] ^= bit;
        if (gs_aggregate_decode(full.bytes, full.length, NULL, &other) == 0) {
            (void)gs_aggregate_write_json(cell->aggregate, &before);
            (void)gs_aggregate_write_json(other, &after);
            done = gs_context_equal(gs_aggregate_context(cell->aggregate), gs_aggregate_context(other)) &&
                   gs_slice_compare(gs_slice_make(before.bytes, before.length),
                                    gs_slice_make(after.bytes, after.length)) != 0;
        }
        if (done) {
            gs_aggregate_free(cell->aggregate);
            cell->aggregate = other;
        } else {
            gs_aggregate_free(other);
        }
        full.bytes[at] ^= bit;
        gs_buffer_close(&before);
        gs_buffer_close(&after);
    }
    gs_buffer_close(&full);
    return done;
}

/* Asks a node's jobs; the answer's text is the caller's. */
static char *ask(struct sim_world *world, struct sim_node *node, struct gs_sync_request *request) {
    struct gs_command *command = gs_command_new(GS_COMMAND_SYNC);
    char *text = NULL;
    struct gs_core_event event = {.type = GS_CORE_COMMAND, .command = command};
    command->sync = *request;
    struct sim_call call = {0};
    command->owner = &call;
    world->asked = command;
    sim_node_step(world, node, &event);
    world->asked = NULL;
    *request = command->sync;
    if (command->error != 0) {
        sim_fail(world, "verify: a sync job is answered with %s", gs_error_name(command->error));
    } else {
        text = calloc(1, command->json.length + 1);
        memcpy(text, command->json.bytes, command->json.length);
    }
    gs_command_free(command);
    return text;
}

/* Runs a job to its end; its text. */
static char *run(struct sim_world *world, struct sim_node *node, enum gs_sync_mode mode) {
    struct gs_sync_request request = {.ask = GS_SYNC_START, .mode = mode};
    uint64_t until = world->now_ms + JOB_MS_MAX;
    char id[GS_SYNC_ID_SIZE];
    char *text = ask(world, node, &request);
    while (!world->failed && !request.over) {
        free(text);
        sim_run_for(world, JOB_LOOK_EVERY_MS);
        memcpy(id, request.ret_id, sizeof id);
        request = (struct gs_sync_request){.ask = GS_SYNC_GET, .id = gs_slice_make(id, strlen(id))};
        text = ask(world, node, &request);
        if (world->now_ms > until) {
            sim_fail(world, "verify: a job has not ended after %d ms: %s", JOB_MS_MAX, text);
        }
    }
    return text;
}

static void expect(struct sim_world *world, const char *text, const char *part) {
    if (!world->failed && strstr(text, part) == NULL) {
        sim_fail(world, "verify: not %s in %.4000s", part, text);
    }
}

void sim_check_repair(struct sim_world *world) {
    struct sim_node *damaged = &world->nodes[sim_below(&world->rng, world->plan.nodes)];
    struct sim_node *asker = &world->nodes[sim_below(&world->rng, world->plan.nodes)];
    struct gs_cell *cell = (struct gs_cell *)gs_table_next(&damaged->core->cells, NULL);
    char name[64];
    if (cell == NULL || !sim_all_linked(world)) {
        return;
    }
    char *text = run(world, asker, GS_SYNC_VERIFY);
    expect(world, text, "\"converged\":true");
    free(text);
    if (world->failed || !flip(world, cell)) {
        return;
    }
    world->flipped = true;
    snprintf(name, sizeof name, "\"aggregateId\":\"%.*s\"", (int)cell->id.length, (const char *)cell->id.bytes);
    text = run(world, asker, GS_SYNC_VERIFY);
    expect(world, text, name);
    expect(world, text, "\"aggregatesDiffering\":1");
    expect(world, text, asker == damaged ? "\"fault\":\"local\"" : "\"fault\":\"remote\"");
    expect(world, text, "\"path\":\"/");
    expect(world, text, "\"aggregatesRepaired\":0");
    free(text);
    text = run(world, asker, GS_SYNC_FULL);
    expect(world, text, "\"aggregatesRepaired\":1");
    free(text);
    text = run(world, asker, GS_SYNC_VERIFY);
    expect(world, text, "\"status\":\"completed\"");
    expect(world, text, "\"converged\":true");
    free(text);
    sim_check_agreement(world);
}
