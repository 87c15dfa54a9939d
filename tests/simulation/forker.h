/* A member whose key signs two histories: some batches that all may take, then two branches, one of which it shows to
 * half of the nodes and the other to the other half, while these cannot see each other. Clients write on both sides all
 * the while, so honest batches come to depend on either branch. Some time later an operator decides, at a random node
 * that knows where the histories part: a random branch is kept, the other one dropped or imported by a random region
 * (as a rule one that has it); now and then a second operator decides somewhere else who has not heard of it. In the
 * end all must agree, with every acknowledged write once. Of the forked region's own events none may be there more
 * often than operators have named different regions to import them. */
#ifndef GS_TESTS_SIMULATION_FORKER_H
#define GS_TESTS_SIMULATION_FORKER_H

#include "tests/simulation/world.h"
#include "tests/support/batches.h"

enum { SIM_FORK_BATCHES_MAX = 12 };

/* One of its histories. */
struct sim_branch {
    struct test_author author;
    struct gs_aggregate *states[SIM_AGGREGATES]; /* as it thinks they are; owned */
    uint64_t last_seq[SIM_AGGREGATES];
    struct gs_buffer records[SIM_FORK_BATCHES_MAX]; /* in order; owned */
    uint32_t count;
};

struct sim_forker {
    struct sim_branch branches[2];
    uint32_t common;            /* batches that both have */
    uint32_t side;              /* nodes that are shown branch 1: a set */
    uint32_t number;            /* of its next event */
    uint64_t part_ms;           /* until then the sides do not see each other */
    uint64_t decide_ms;         /* not before */
    bool apart;                 /* the sides are cut off from each other */
    uint32_t importers;         /* that decisions have named: a set */
    bool decided;               /* and stored, as far as anybody was told */
    struct gs_command *command; /* the decision under way; owned while nobody has answered */
    uint32_t decider;
    uint64_t epoch;
};

void sim_forker_open(struct sim_world *world);
void sim_forker_act(struct sim_world *world);
void sim_forker_answered(struct sim_world *world, struct gs_command *command);
void sim_forker_crashed(struct sim_world *world, const struct sim_node *node);
/* True if nothing of a fork is left to be done at any node. */
bool sim_forker_done(const struct sim_world *world);
/* Of the forker's events none is there twice. */
void sim_forker_check(struct sim_world *world);
void sim_forker_close(struct sim_world *world);
/* Carries out what a core asks of its store. */
void sim_node_cut(struct sim_world *world, struct sim_node *node, const struct gs_cut *cut);

#endif
