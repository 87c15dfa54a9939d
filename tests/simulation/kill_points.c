/* The failpoints of a real node (node/store/failpoint.h), in virtual time. */
#include "tests/simulation/world.h"

enum { ONE_IN = 250, ONE_IN_RARE = 6 }; /* times that a node comes by: two answers at once are rare, as are cuts */

const char *const sim_kill_point_names[SIM_KILL_POINTS] = {
    "append.before", "append.after", "apply.before", "apply.after",     "ack.before",    "ack.between",
    "ack.after",     "keep.before",  "keep.after",   "truncate.before", "truncate.after"};

static bool is_rare(enum sim_kill_point point) {
    return point == SIM_ACK_BETWEEN || point == SIM_TRUNCATE_BEFORE || point == SIM_TRUNCATE_AFTER;
}

bool sim_dies_at(struct sim_world *world, struct sim_node *node, enum sim_kill_point point) {
    bool may = world->plan.kill_points && !world->healed && world->asked == NULL && node->core != NULL;
    if (!may || sim_below(&world->rng, is_rare(point) ? ONE_IN_RARE : ONE_IN) != 0) {
        return false;
    }
    world->kills[point]++;
    sim_node_crash(world, node);
    return true;
}
