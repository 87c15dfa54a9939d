#include "tests/simulation/checks.h"

static void cut_link(struct sim_world *world) {
    uint32_t a = (uint32_t)sim_below(&world->rng, world->plan.nodes);
    uint32_t b = (uint32_t)sim_below(&world->rng, world->plan.nodes);
    if (a == b) {
        return;
    }
    struct sim_link *link = a < b ? &world->links[a][b] : &world->links[b][a];
    bool one_way = world->plan.one_way && sim_chance(&world->rng, 50);
    link->cut[0] = true;
    link->cut[1] = !one_way;
    if (!one_way) {
        sim_link_down(world, a, b);
    }
}

static void mend_links(struct sim_world *world) {
    for (uint32_t a = 0; a < world->plan.nodes; a++) {
        for (uint32_t b = a + 1; b < world->plan.nodes; b++) {
            if (sim_chance(&world->rng, 60) || world->healed) {
                world->links[a][b].cut[0] = world->links[a][b].cut[1] = false;
            }
        }
    }
}

/* One node against all others. */
static void isolate(struct sim_world *world) {
    uint32_t node = (uint32_t)sim_below(&world->rng, world->plan.nodes);
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (i != node) {
            struct sim_link *link = i < node ? &world->links[i][node] : &world->links[node][i];
            link->cut[0] = link->cut[1] = true;
            sim_link_down(world, i, node);
        }
    }
}

/* The disk that was lost is found, and put in the place of the one that was used since. */
static void find(struct sim_world *world, struct sim_node *node) {
    world->found++;
    sim_node_crash(world, node);
    sim_disk_copy(&node->disk, &node->lost);
    sim_disk_clear(&node->lost);
    sim_node_disk_changed(node);
    sim_forgive(world, node);
    for (uint32_t i = 0; i < world->call_count; i++) {
        struct sim_call *call = &world->calls[i];
        if (call->is_lost && call->node == node->index) {
            call->forgiven = call->is_lost = false;
        }
    }
}

/* The disk is lost, maybe for good; the key is kept. Where disks are found again, one region loses its own only: what
 * others have decided without it, and remember, is what a found disk is measured by. */
static void wipe(struct sim_world *world, struct sim_node *node) {
    bool spared = world->plan.found_disks && node->index != world->plan.seed % world->plan.nodes;
    if (node->core == NULL || spared) {
        return;
    }
    if (node->lost.count > 0 && sim_chance(&world->rng, 70)) {
        find(world, node);
        return;
    }
    bool kept = world->plan.found_disks && node->lost.count == 0;
    sim_node_crash(world, node);
    if (kept) {
        sim_disk_copy(&node->lost, &node->disk);
    }
    sim_disk_clear(&node->disk);
    sim_node_disk_changed(node);
    bool forgiven[SIM_CALLS_MAX];
    for (uint32_t i = 0; i < world->call_count; i++) {
        forgiven[i] = world->calls[i].forgiven;
    }
    sim_forgive(world, node);
    for (uint32_t i = 0; i < world->call_count; i++) {
        struct sim_call *call = &world->calls[i];
        bool lost = kept && call->forgiven && !forgiven[i] && call->acked && call->node == node->index;
        call->is_lost = call->is_lost || lost;
    }
}

/* Cuts or mends the links between a node and those of a set. */
static void set_links(struct sim_world *world, const struct sim_node *node, uint64_t set, bool cut) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (i != node->index && (set >> i & 1) != 0) {
            struct sim_link *link = i < node->index ? &world->links[i][node->index] : &world->links[node->index][i];
            link->cut[0] = link->cut[1] = cut;
            if (cut) {
                sim_link_down(world, i, node->index);
            }
        }
    }
}

/* A backup is taken, or the disk is put back to the last one. The worst that can come with it: after the backup some
 * nodes hear nothing, and when it is put back these are the only ones in reach. */
static void restore(struct sim_world *world, struct sim_node *node) {
    if (!node->backup_due) {
        sim_disk_copy(&node->backup, &node->disk);
        node->backup_due = node->backup.count > 0;
        node->unaware = sim_chance(&world->rng, 50) ? sim_random(&world->rng) : 0;
        set_links(world, node, node->unaware, true);
        return;
    }
    if (node->core == NULL) {
        return;
    }
    node->backup_due = false;
    sim_node_crash(world, node);
    sim_disk_copy(&node->disk, &node->backup);
    sim_node_disk_changed(node);
    sim_forgive(world, node);
    sim_check_chain(world, node);
    if (node->unaware != 0) {
        set_links(world, node, ~node->unaware, true);
        set_links(world, node, node->unaware, false);
    }
}

/* Two halves, one of which may still hear the other, or which one node still reaches both of. */
static void split(struct sim_world *world) {
    uint64_t side = sim_random(&world->rng);
    uint32_t bridge = (uint32_t)sim_below(&world->rng, world->plan.nodes);
    bool one_way = world->plan.one_way && sim_chance(&world->rng, 40);
    bool bridged = world->plan.bridges && sim_chance(&world->rng, 50);
    for (uint32_t a = 0; a < world->plan.nodes; a++) {
        for (uint32_t b = a + 1; b < world->plan.nodes; b++) {
            bool crosses = (side >> a & 1) != (side >> b & 1);
            if (!crosses || (bridged && (a == bridge || b == bridge))) {
                continue;
            }
            struct sim_link *link = &world->links[a][b];
            link->cut[0] = !one_way || (side >> a & 1) != 0;
            link->cut[1] = !one_way || (side >> b & 1) != 0;
            if (!one_way) {
                sim_link_down(world, a, b);
            }
        }
    }
}

static void slow_down(struct sim_world *world) {
    uint32_t a = (uint32_t)sim_below(&world->rng, world->plan.nodes);
    for (uint32_t b = 0; b < world->plan.nodes; b++) {
        if (b != a && sim_chance(&world->rng, 50)) {
            struct sim_link *link = a < b ? &world->links[a][b] : &world->links[b][a];
            link->slow_ms = sim_chance(&world->rng, 40) ? 0 : (uint32_t)sim_below(&world->rng, 2500);
        }
    }
}

/* More of them in worlds whose plan has them. */
static void swarm_fault(struct sim_world *world, struct sim_node *node) {
    const struct sim_plan *plan = &world->plan;
    switch (sim_below(&world->rng, 4)) {
    case 0:
        if (plan->partitions) {
            split(world);
        }
        break;
    case 1:
        if (plan->slow_links) {
            slow_down(world);
        }
        break;
    case 2:
        if (plan->pauses) {
            node->paused_until_ms =
                world->now_ms + 50 + sim_below(&world->rng, sim_chance(&world->rng, 20) ? 20000 : 2000);
        }
        break;
    default:
        if (plan->clock_drift) {
            node->drift_ppm = (int64_t)sim_below(&world->rng, 400000) - 200000;
        }
        break;
    }
}

void sim_fault(struct sim_world *world) {
    const struct sim_plan *plan = &world->plan;
    if (world->healed) {
        return;
    }
    struct sim_node *node = &world->nodes[sim_below(&world->rng, plan->nodes)];
    switch (sim_below(&world->rng, 14)) {
    case 0:
    case 1:
        if (plan->crashes) {
            sim_node_crash(world, node);
        }
        break;
    case 2:
        if (plan->partitions) {
            cut_link(world);
        }
        break;
    case 3:
        if (plan->partitions) {
            isolate(world);
        }
        break;
    case 4:
    case 5:
        mend_links(world);
        break;
    case 6:
        if (plan->wiped_disks) {
            wipe(world, node);
        }
        break;
    case 7:
    case 8:
        if (plan->restored_disks) {
            restore(world, node);
        }
        break;
    case 9:
    case 10:
    case 11:
        swarm_fault(world, node);
        break;
    case 12:
        if (plan->leaves) {
            sim_node_leave(world, node);
        }
        break;
    default:
        if (plan->clock_steps) {
            node->clock_offset_ms = (int64_t)sim_below(&world->rng, 40000) - 20000;
        }
        break;
    }
    sim_check_agreement(world);
    sim_check_stable(world);
    sim_schedule(world, 1 + sim_below(&world->rng, 2 * plan->fault_every_ms), (struct sim_event){.type = SIM_FAULT});
}

void sim_heal(struct sim_world *world) {
    world->healed = true;
    for (uint32_t a = 0; a < world->plan.nodes; a++) {
        world->nodes[a].paused_until_ms = 0;
        for (uint32_t b = a + 1; b < world->plan.nodes; b++) {
            world->links[a][b].slow_ms = 0;
        }
        if (sim_has_guest(world)) {
            sim_link_down(world, a, world->plan.nodes);
        }
    }
    mend_links(world);
}
