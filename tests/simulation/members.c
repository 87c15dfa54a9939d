/* Membership: what each node makes of the others, against what is so. */
#include "tests/simulation/checks.h"

enum {
    STEADY_MS = 12000, /* time for several rounds of probes of a node that doubts itself as much as it can */
    STEADY_NODES_MAX = 8,
    MEMBERS_SETTLE_MS = 30000
};

static bool is_up(const struct sim_world *world, uint32_t node) {
    return world->nodes[node].core != NULL && world->nodes[node].paused_until_ms <= world->now_ms;
}

/* Messages go both ways between the two. */
static bool is_good(const struct sim_world *world, uint32_t a, uint32_t b) {
    const struct sim_link *link = a < b ? &world->links[a][b] : &world->links[b][a];
    return link->up && !link->cut[0] && !link->cut[1];
}

static bool can_hear_of(const struct sim_world *world, uint32_t a, uint32_t b) {
    if (!is_up(world, a) || !is_up(world, b)) {
        return false;
    }
    bool can = is_good(world, a, b);
    for (uint32_t i = 0; !can && i < world->plan.nodes; i++) {
        can = i != a && i != b && is_up(world, i) && is_good(world, a, i) && is_good(world, i, b);
    }
    return can;
}

void sim_check_steady(struct sim_world *world) {
    const struct sim_plan *plan = &world->plan;
    bool calm = (plan->loss_percent == 0 || world->healed) && !plan->slow_links;
    for (uint32_t a = 0; a < plan->nodes && plan->nodes <= STEADY_NODES_MAX; a++) {
        for (uint32_t b = 0; b < plan->nodes; b++) {
            bool direct = is_good(world, a, b);
            bool lost = world->direct[a][b] && !direct; /* from now on it is others who must help */
            world->direct[a][b] = direct;
            if (a == b || !calm || world->plan.retires || lost || !can_hear_of(world, a, b)) {
                world->steady_ms[a][b] = world->now_ms;
                continue;
            }
            enum gs_peer_life life;
            enum gs_peer_reach reach;
            gs_core_peer_life(world->nodes[a].core, &world->nodes[b].keys.public_key, &life, &reach);
            if (world->now_ms - world->steady_ms[a][b] >= STEADY_MS && life != GS_PEER_ALIVE) {
                sim_fail(world, "members: node %u can hear of node %u for %d ms and takes it for %s", a, b, STEADY_MS,
                         life == GS_PEER_SUSPECT ? "suspect"
                         : life == GS_PEER_DEAD  ? "dead"
                                                 : "left");
            }
        }
    }
}

/* The first pair that is not as it should be; false if there is none. */
static bool find_stranger(const struct sim_world *world, uint32_t *ret_a, uint32_t *ret_b) {
    for (uint32_t a = 0; a < world->plan.nodes; a++) {
        for (uint32_t b = 0; b < world->plan.nodes; b++) {
            enum gs_peer_life life = GS_PEER_DEAD;
            enum gs_peer_reach reach = GS_REACH_NONE;
            if (world->nodes[a].core != NULL) {
                gs_core_peer_life(world->nodes[a].core, &world->nodes[b].keys.public_key, &life, &reach);
            }
            if (a != b && (life != GS_PEER_ALIVE || reach != GS_REACH_DIRECT || !world->nodes[a].knows[b])) {
                *ret_a = a;
                *ret_b = b;
                return true;
            }
        }
    }
    return false;
}

void sim_check_members(struct sim_world *world) {
    uint32_t a = 0;
    uint32_t b = 0;
    for (uint64_t waited = 0; !world->failed && !world->plan.retires && find_stranger(world, &a, &b); waited += 500) {
        if (waited >= MEMBERS_SETTLE_MS) {
            sim_fail(world, "members: node %u does not come to know and hear node %u", a, b);
            return;
        }
        sim_run_for(world, 500);
    }
}
