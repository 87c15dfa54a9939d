/* Bounded counters under whatever happens (G6): no node ever shows one below its bound, and no origin holds fewer
 * rights than none; at the end each is what its log sums to. */
#include "tests/simulation/checks.h"

#include <globalstate/rights.h>

static int check_counter(void *context, const struct gs_rights *rights) {
    struct sim_world *world = context;
    if (rights->value < rights->bound) {
        sim_fail(world, "bound: a counter shows %lld, below its bound %lld", (long long)rights->value,
                 (long long)rights->bound);
    }
    for (uint32_t i = 0; i < rights->count; i++) {
        if (rights->holders[i].rights < 0) {
            sim_fail(world, "bound: an origin has spent %lld more than it held", -(long long)rights->holders[i].rights);
        }
    }
    return 0;
}

static int check_aggregate(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                           const struct gs_aggregate *aggregate) {
    (void)type;
    (void)id;
    (void)version;
    return gs_aggregate_visit_rights(aggregate, check_counter, context);
}

void sim_check_rights(struct sim_world *world, const struct sim_node *node) {
    if (world->plan.rights && node->core != NULL && gs_core_visit(node->core, check_aggregate, world) != 0) {
        sim_fail(world, "node %u: rights cannot be read", node->index);
    }
}

struct sum {
    struct sim_world *world;
    int64_t expected;
};

static int check_total(void *context, const struct gs_rights *rights) {
    const struct sum *sum = context;
    if (rights->value - rights->bound != sum->expected) {
        sim_fail(sum->world, "exact: a bounded counter is %lld above its bound, its log sums to %lld",
                 (long long)(rights->value - rights->bound), (long long)sum->expected);
    }
    return 0;
}

int sim_check_rights_sum(struct sim_world *world, const struct gs_aggregate *aggregate, int64_t expected) {
    struct sum sum = {world, expected};
    return gs_aggregate_visit_rights(aggregate, check_total, &sum);
}
