/* The check "closed": lives of keys that have ended. */
#include "node/core/core_impl.h"
#include "tests/simulation/checks.h"

#include <globalstate/rights.h>

#include <stdio.h>
#include <string.h>

bool sim_is_internal(struct gs_slice type) {
    return type.length > 3 && memcmp(type.bytes, "gs.", 3) == 0;
}

/* True if some node goes by the origin now, or its key is nobody's here. */
static bool is_alive(const struct sim_world *world, const struct gs_core *core, const gs_origin *origin) {
    gs_public_key key;
    if (!gs_core_origin_key(core, origin, &key)) {
        return true;
    }
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const struct sim_node *node = &world->nodes[i];
        if (memcmp(&node->keys.public_key, &key, sizeof key) == 0 && sim_is_out(world, i)) {
            return false;
        }
        if (memcmp(&node->keys.public_key, &key, sizeof key) == 0) {
            gs_origin now = gs_core_origin(node->core);
            return gs_origin_equal(&now, origin);
        }
    }
    return true;
}

bool sim_is_out(const struct sim_world *world, uint32_t node) {
    return world->retiring && node == world->plan.nodes - 1;
}

static bool is_forgotten(const struct sim_world *world) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const struct gs_core *core = world->nodes[i].core;
        if (!sim_is_out(world, i) && (core == NULL || core->closings.retired_count > 0)) {
            return false;
        }
    }
    return true;
}

void sim_retire(struct sim_world *world) {
    struct sim_node *node = &world->nodes[sim_below(&world->rng, world->plan.nodes - 1)];
    if (world->retired && is_forgotten(world)) {
        world->retired = false; /* a disk has lied: nobody knows of it any more, and the operator orders it again */
    }
    if (world->retired) {
        sim_schedule(world, 5000, (struct sim_event){.type = SIM_RETIRE});
        return;
    }
    sim_schedule(world, 500, (struct sim_event){.type = SIM_RETIRE}); /* the command may be lost with its node */
    if (world->retirement == NULL) {
        sim_order_retirement(world, node);
    }
}

void sim_order_retirement(struct sim_world *world, struct sim_node *node) {
    struct gs_command *command = node->core != NULL ? gs_command_new(GS_COMMAND_RETIRE) : NULL;
    if (command != NULL) {
        char region[32];
        int length = snprintf(region, sizeof region, "region-%u", world->plan.nodes - 1);
        command->retire.region = gs_slice_make(gs_arena_copy(&command->arena, region, (size_t)length), (size_t)length);
        world->retiring = true;
        world->retirement = command;
        world->retirement_node = node->index;
        sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_COMMAND, .command = command});
    }
}

bool sim_retire_answered(struct sim_world *world, const struct gs_command *command) {
    if (command->kind != GS_COMMAND_RETIRE) {
        return false;
    }
    world->retirement = NULL;
    /* GS_ENOTFOUND: another node's decision has arrived, whose answer was lost */
    world->retired =
        world->retired ||
        (command->error == 0 && (command->retire.problem.code == 0 || command->retire.problem.code == GS_ENOTFOUND));
    return true;
}

struct looking {
    const struct gs_core *core;
    bool left;
};

static int look_at_counter(void *context, const struct gs_rights *rights) {
    struct looking *looking = context;
    uint64_t final = 0;
    for (uint32_t i = 0; i < rights->count; i++) {
        looking->left = looking->left || gs_core_closed(looking->core, &rights->holders[i].origin, &final);
    }
    return 0;
}

static int look_at_aggregate(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                             const struct gs_aggregate *aggregate) {
    (void)type;
    (void)id;
    (void)version;
    return gs_aggregate_visit_rights(aggregate, look_at_counter, context);
}

/* True if an origin that is closed holds rights that its heir has not taken over. */
static bool has_rights_left(const struct sim_world *world, const struct gs_core *core) {
    struct looking looking = {.core = core};
    return world->plan.rights && (gs_core_visit(core, look_at_aggregate, &looking) != 0 || looking.left);
}

bool sim_all_closed(struct sim_world *world) {
    if (sim_has_guest(world)) {
        return true; /* one that does not vote can put it off for ever */
    }
    bool all = !world->plan.retires || world->retired;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const struct gs_core *core = world->nodes[i].core;
        if (sim_is_out(world, i)) {
            continue;
        }
        all = all && (core == NULL || !has_rights_left(world, core));
        for (uint32_t j = 0; core != NULL && j < gs_core_stored(core)->count; j++) {
            const struct gs_head *head = &gs_core_stored(core)->heads[j];
            uint64_t final = 0;
            if (is_alive(world, core, &head->origin)) {
                continue;
            }
            bool closed = gs_core_closed(core, &head->origin, &final);
            if (closed && head->seq > final) {
                sim_fail(world, "closed: node %u has %llu events of an origin that is closed at %llu", i,
                         (unsigned long long)head->seq, (unsigned long long) final);
            }
            all = all && closed && head->seq == final;
        }
    }
    return all;
}
