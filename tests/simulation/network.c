#include "tests/simulation/byzantine.h"
#include "tests/simulation/checks.h"

static struct sim_link *link_of(struct sim_world *world, uint32_t a, uint32_t b) {
    return a < b ? &world->links[a][b] : &world->links[b][a];
}

struct sim_node *sim_link_other(struct sim_world *world, const struct sim_node *node, uint64_t id) {
    for (uint32_t i = 0; i < world->plan.nodes + (sim_has_guest(world) ? 1 : 0); i++) {
        const struct sim_link *link = link_of(world, node->index, i);
        if (i != node->index && link->up && link->id == id) {
            return &world->nodes[i];
        }
    }
    return NULL;
}

static void schedule_copy(struct sim_world *world, const struct sim_link *link, const struct sim_node *to,
                          const struct gs_core_send *send) {
    struct sim_event event = {.type = SIM_DELIVER, .node = to->index, .number = send->peer};
    gs_buffer_append(&event.bytes, send->message.bytes, send->message.length);
    sim_schedule(world, 1 + link->slow_ms + sim_below(&world->rng, world->plan.delay_ms_max), event);
}

void sim_send(struct sim_world *world, struct sim_node *from, const struct gs_core_send *send) {
    sim_check_sent(world, from, gs_slice_make(send->message.bytes, send->message.length));
    sim_trace(world, send->message.bytes, send->message.length);
    struct sim_node *to = sim_link_other(world, from, send->peer);
    if (to == NULL) {
        return;
    }
    const struct sim_link *link = link_of(world, from->index, to->index);
    bool lost =
        link->cut[from->index > to->index] || (!world->healed && sim_chance(&world->rng, world->plan.loss_percent));
    if (lost) {
        return;
    }
    schedule_copy(world, link, to, send);
    if (!world->healed && sim_chance(&world->rng, world->plan.dup_percent)) {
        schedule_copy(world, link, to, send);
    }
}

void sim_send_now(struct sim_world *world, struct sim_node *from, const struct gs_core_send *send) {
    struct sim_node *to = sim_link_other(world, from, send->peer);
    bool lost = to == NULL || link_of(world, from->index, to->index)->cut[from->index > to->index] ||
                to->paused_until_ms > world->now_ms;
    if (!lost) {
        struct sim_event event = {.node = to->index, .number = send->peer};
        gs_buffer_append(&event.bytes, send->message.bytes, send->message.length);
        sim_deliver(world, &event);
        sim_event_close(&event);
    }
}

void sim_deliver(struct sim_world *world, const struct sim_event *event) {
    struct sim_node *to = &world->nodes[event->node];
    if (world->byzantine != NULL && to->index == sim_byzantine_index(world)) {
        sim_byzantine_receive(world, event->number, gs_slice_make(event->bytes.bytes, event->bytes.length));
        return;
    }
    if (to->index == world->plan.nodes) {
        return; /* the forker hears nothing */
    }
    if (to->core == NULL || sim_link_other(world, to, event->number) == NULL) {
        return;
    }
    sim_node_step(world, to,
                  &(struct gs_core_event){.type = GS_CORE_MESSAGE,
                                          .peer = {.peer = event->number,
                                                   .message = gs_slice_make(event->bytes.bytes, event->bytes.length)}});
}

void sim_link_down(struct sim_world *world, uint32_t a, uint32_t b) {
    struct sim_link *link = link_of(world, a, b);
    if (!link->up) {
        return;
    }
    link->up = false;
    uint32_t ends[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        struct sim_node *node = &world->nodes[ends[i]];
        if (node->paused_until_ms > world->now_ms) { /* it hears of it when it wakes */
            struct sim_event event = {
                .type = SIM_PEER_DOWN, .node = node->index, .epoch = node->epoch, .number = link->id};
            sim_schedule(world, 0, event);
        } else {
            sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = link->id}});
        }
    }
}

static void link_up(struct sim_world *world, uint32_t a, uint32_t b) {
    struct sim_link *link = link_of(world, a, b);
    link->up = true;
    link->id = ++world->links_made;
    uint64_t id = link->id;
    uint32_t ends[2] = {a, b};
    for (int i = 0; i < 2 && link->up && link->id == id; i++) { /* the first end may crash over it */
        struct gs_core_event event = {.type = GS_CORE_PEER_UP,
                                      .peer = {.peer = link->id, .key = world->nodes[ends[1 - i]].keys.public_key}};
        sim_node_step(world, &world->nodes[ends[i]], &event);
    }
}

bool sim_all_linked(struct sim_world *world) {
    for (uint32_t a = 0; a < world->plan.nodes; a++) {
        for (uint32_t b = a + 1; b < world->plan.nodes; b++) {
            if (!link_of(world, a, b)->up) {
                return false;
            }
        }
    }
    return true;
}

void sim_relink(struct sim_world *world) {
    for (uint32_t a = 0; a < world->plan.nodes; a++) {
        for (uint32_t b = a + 1; b < world->plan.nodes; b++) {
            const struct sim_link *link = link_of(world, a, b);
            bool awake =
                world->nodes[a].paused_until_ms <= world->now_ms && world->nodes[b].paused_until_ms <= world->now_ms;
            bool known = awake && (world->nodes[a].knows[b] || world->nodes[b].knows[a]);
            bool possible =
                known && world->nodes[a].core != NULL && world->nodes[b].core != NULL && !link->cut[0] && !link->cut[1];
            if (possible && !link->up && sim_chance(&world->rng, 50)) {
                link_up(world, a, b);
            }
        }
        uint32_t evil = world->plan.nodes;
        if (sim_has_guest(world) && world->nodes[a].core != NULL && !world->links[a][evil].up && !world->healed) {
            link_up(world, a, evil);
        }
    }
}
