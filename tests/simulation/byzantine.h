/* A peer with a trusted key that keeps to no rule: it links to every node and sends whatever may do harm, from noise to
 * validly signed batches that must not be applied. It does not sign two histories: what follows from that is left to an
 * operator (tests/unit/test_core_forks.c). It falls silent when everything heals. */
#ifndef GS_TESTS_SIMULATION_BYZANTINE_H
#define GS_TESTS_SIMULATION_BYZANTINE_H

#include "gossip/statement.h"
#include "tests/simulation/world.h"
#include "tests/support/batches.h"

enum { SIM_CAPTURED_MAX = 8, SIM_LIVES_MAX = 6 };

struct sim_byzantine {
    struct test_author author; /* its present life */
    uint32_t lives;
    struct gs_buffer captured[SIM_CAPTURED_MAX]; /* messages that it was sent, a ring; owned */
    uint32_t captured_count;
    uint64_t question;                    /* the id of the last probe that it was asked */
    struct gs_buffer kept;                /* a batch that it sends later, after its successor; owned */
    gs_instance asker[SIM_NODES_MAX + 1]; /* the runs that asked it last */
};

/* Its place among world->nodes, behind the honest ones. */
static inline uint32_t sim_byzantine_index(const struct sim_world *world) {
    return world->plan.nodes;
}
void sim_byzantine_open(struct sim_world *world);
/* Does something to a node that is linked. */
void sim_byzantine_act(struct sim_world *world);
/* It is sent a message by a node. */
void sim_byzantine_receive(struct sim_world *world, uint64_t link, struct gs_slice message);
void sim_byzantine_close(struct sim_world *world);

#endif
