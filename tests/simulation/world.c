#include "tests/simulation/byzantine.h"
#include "tests/simulation/checks.h"
#include "tests/simulation/forker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RELINK_MS = 60, STEPS_MAX = 2000000, QUIET_MS = 4000, QUIET_EVERY = 8, REPAIR_EVERY = 8, REPAIR_NODES_MAX = 8 };

uint64_t sim_random(struct sim_rng *rng) {
    /* splitmix64 */
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim_rng *rng, uint64_t bound) {
    return sim_random(rng) % bound;
}

bool sim_chance(struct sim_rng *rng, uint32_t percent) {
    return sim_below(rng, 100) < percent;
}

void sim_fail(struct sim_world *world, const char *format, ...) {
    if (world->failed) {
        return;
    }
    world->failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof world->failure, format, arguments);
    va_end(arguments);
}

void sim_trace(struct sim_world *world, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        world->trace = (world->trace ^ at[i]) * UINT64_C(1099511628211);
    }
}

void sim_plan_draw(uint64_t seed, struct sim_plan *ret_plan) {
    struct sim_rng rng = {.state = seed};
    struct sim_plan plan = {.seed = seed};
    bool large = sim_chance(&rng, 1);
    bool largest = large && sim_chance(&rng, 10); /* what a world costs grows with the square of its nodes */
    plan.nodes = 2 + (uint32_t)sim_below(&rng, largest ? SIM_NODES_MAX - 1 : large ? 15 : 4);
    plan.calls = 10 + (uint32_t)sim_below(&rng, 50);
    plan.loss_percent = sim_chance(&rng, 50) ? (uint32_t)sim_below(&rng, 31) : 0;
    plan.dup_percent = sim_chance(&rng, 50) ? (uint32_t)sim_below(&rng, 51) : 0;
    plan.delay_ms_max = 1 + (uint32_t)sim_below(&rng, sim_chance(&rng, 30) ? 400 : 20);
    plan.disk_ms_max = 1 + (uint32_t)sim_below(&rng, sim_chance(&rng, 30) ? 100 : 6);
    plan.fault_every_ms = sim_chance(&rng, 85) ? 100 + (uint32_t)sim_below(&rng, 1500) : 0;
    plan.crashes = sim_chance(&rng, 60);
    plan.partitions = sim_chance(&rng, 60);
    plan.one_way = sim_chance(&rng, 30);
    plan.failed_commits = sim_chance(&rng, 30);
    plan.wiped_disks = sim_chance(&rng, 15);
    plan.restored_disks = sim_chance(&rng, 25);
    plan.lying_disks = sim_chance(&rng, 10);
    plan.pauses = sim_chance(&rng, 30);
    plan.bridges = sim_chance(&rng, 30);
    plan.slow_links = sim_chance(&rng, 20);
    plan.clock_drift = sim_chance(&rng, 20);
    plan.byzantine = sim_chance(&rng, 25);
    if (plan.byzantine) {
        /* Somebody who holds what a disk has lost, and says that he does not, can bring about a fork; no more. */
        plan.restored_disks = plan.lying_disks = false;
    }
    plan.clock_steps = sim_chance(&rng, 40);
    plan.chaos_ms = 2000 + sim_below(&rng, 6000);
    plan.settle_ms = 60000;
    plan.rights = seed % 4 == 3;
    plan.retires = seed % 8 == 3 && plan.nodes >= 3 && !plan.byzantine;
    plan.seeds = sim_chance(&rng, 40) ? 1 + (uint32_t)sim_below(&rng, 2) : SIM_SEEDS_ALL;
    plan.leaves = sim_chance(&rng, 30);
    plan.patient = sim_chance(&rng, 8);
    plan.kill_points = plan.crashes && !plan.patient && sim_chance(&rng, 60);
    plan.retention_ms = seed % 3 == 0 && !plan.retires ? 100 + sim_below(&rng, 2000) : 0;
    plan.found_disks = plan.wiped_disks && !plan.restored_disks && !plan.lying_disks && !plan.byzantine &&
                       !plan.rights && !plan.retires && plan.retention_ms == 0; /* what is truncated is not cut */
    if (plan.nodes > 5) {                                                       /* every message costs more of them */
        plan.calls = 10 + plan.calls % 10;
        plan.chaos_ms = 2000 + plan.chaos_ms % 1500;
    }
    if (plan.patient) {
        plan.chaos_ms += 20000;
        plan.byzantine = false; /* it scatters its batches, and each is an exchange away from the next */
    }
    *ret_plan = plan;
}

static void make_keys(struct sim_world *world) {
    struct gs_buffer text = {0};
    struct gs_problem problem = {0};
    for (uint32_t i = 0; i < world->plan.nodes + (world->plan.byzantine || world->plan.forks ? 1 : 0); i++) {
        uint8_t seed[GS_SEED_SIZE] = {(uint8_t)(i + 1), 0x5e};
        char key[45];
        gs_key_pair_from_seed(seed, &world->nodes[i].keys);
        gs_public_key_text(&world->nodes[i].keys.public_key, key);
        gs_buffer_printf(&text, "region-%u %s\n", i, key);
    }
    if (gs_trust_parse((const char *)text.bytes, text.length, &world->trust, &problem) != 0) {
        sim_fail(world, "the trust file: %s", problem.detail);
    }
    gs_buffer_close(&text);
}

/* Puts off what a paused node cannot do now. */
static bool put_off(struct sim_world *world, struct sim_event *event) {
    uint32_t index = event->type == SIM_CLIENT ? world->calls[event->number].node : event->node;
    struct sim_node *node = &world->nodes[index];
    bool its_own = event->type == SIM_DELIVER || event->type == SIM_PEER_DOWN || event->type == SIM_DISK_DONE ||
                   event->type == SIM_LOG_READ || event->type == SIM_TIMER || event->type == SIM_CLIENT;
    if (!its_own || node->paused_until_ms <= world->now_ms) {
        return false;
    }
    uint64_t delay_ms = node->paused_until_ms - world->now_ms;
    if (event->type == SIM_TIMER && node->timer_ms == event->at_ms) {
        node->timer_ms += delay_ms;
    }
    sim_schedule(world, delay_ms, *event);
    *event = (struct sim_event){0};
    return true;
}

/* What happens to a node that lives; what was on its way to an earlier life is nothing any more. */
static void dispatch_to_node(struct sim_world *world, struct sim_node *node, struct sim_event *event) {
    switch (event->type) {
    case SIM_PEER_DOWN:
        sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = event->number}});
        break;
    case SIM_DISK_DONE:
        sim_node_disk_done(world, node, event);
        break;
    case SIM_KEPT:
        sim_keep_done(world, node);
        break;
    case SIM_LOG_READ:
        sim_node_log_read(world, node, event);
        break;
    case SIM_REBUILD:
        sim_node_rebuilt(world, node, event);
        break;
    case SIM_TRUNCATED:
        sim_truncate_done(world, node);
        break;
    case SIM_TIMER:
        if (node->timer_ms == world->now_ms) {
            sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_TICK});
        }
        break;
    default:
        break;
    }
}

static void dispatch(struct sim_world *world, struct sim_event *event) {
    struct sim_node *node = &world->nodes[event->node];
    if (put_off(world, event)) {
        return;
    }
    switch (event->type) {
    case SIM_DELIVER:
        sim_deliver(world, event);
        break;
    case SIM_CLIENT:
        sim_client_act(world, (uint32_t)event->number);
        break;
    case SIM_FAULT:
        sim_fault(world);
        break;
    case SIM_RESTART:
        if (node->core == NULL && event->epoch == node->epoch) {
            sim_node_start(world, node);
        }
        break;
    case SIM_BYZANTINE:
        sim_byzantine_act(world);
        break;
    case SIM_RETIRE:
        sim_retire(world);
        break;
    case SIM_FORKER:
        sim_forker_act(world);
        break;
    case SIM_RELINK:
        sim_relink(world);
        sim_check_steady(world);
        sim_reseed(world);
        sim_schedule(world, RELINK_MS, (struct sim_event){.type = SIM_RELINK});
        break;
    default:
        if (node->core != NULL && event->epoch == node->epoch) {
            dispatch_to_node(world, node, event);
        }
    }
}

static void schedule_beginning(struct sim_world *world) {
    const struct sim_plan *plan = &world->plan;
    world->call_count = plan->calls;
    for (uint32_t i = 0; i < plan->calls; i++) {
        world->calls[i].number = i;
        sim_schedule(world, sim_below(&world->rng, plan->chaos_ms),
                     (struct sim_event){.type = SIM_CLIENT, .number = i});
    }
    if (plan->fault_every_ms > 0) {
        sim_schedule(world, sim_below(&world->rng, plan->fault_every_ms) + 1, (struct sim_event){.type = SIM_FAULT});
    }
    sim_schedule(world, 1, (struct sim_event){.type = SIM_RELINK});
    if (plan->retires) {
        sim_schedule(world, sim_below(&world->rng, plan->chaos_ms), (struct sim_event){.type = SIM_RETIRE});
    }
    if (world->byzantine != NULL) {
        sim_schedule(world, 10, (struct sim_event){.type = SIM_BYZANTINE});
    }
    if (world->forker != NULL) {
        sim_schedule(world, 10, (struct sim_event){.type = SIM_FORKER});
    }
}

static bool calls_done(const struct sim_world *world) {
    for (uint32_t i = 0; i < world->call_count; i++) {
        if (!world->calls[i].acked) {
            return false;
        }
    }
    return true;
}

/* Events until `until_ms`, or until everything is said and done. */
static void run_until(struct sim_world *world, uint64_t until_ms, bool may_end) {
    struct sim_event event;
    while (!world->failed && sim_next(world, &event)) {
        if (event.at_ms > until_ms) {
            world->now_ms = until_ms;
            sim_schedule(world, event.at_ms - until_ms, event);
            return;
        }
        world->now_ms = event.at_ms;
        uint64_t head[3] = {event.at_ms, event.type, event.node};
        sim_trace(world, head, sizeof head);
        dispatch(world, &event);
        sim_event_close(&event);
        if (++world->steps > STEPS_MAX) {
            sim_fail(world, "more than %d steps: something goes round in circles", STEPS_MAX);
        }
        if (may_end && world->steps % 16 == 0 && calls_done(world) && sim_all_agree(world) && sim_all_closed(world) &&
            sim_forker_done(world)) {
            return;
        }
    }
}

void sim_run_for(struct sim_world *world, uint64_t ms) {
    run_until(world, world->now_ms + ms, false);
}

/* The last acknowledgements are written; then nothing more. */
static void check_quiet(struct sim_world *world) {
    struct gs_vector before = {0};
    run_until(world, world->now_ms + QUIET_MS, false);
    if (!world->failed && gs_vector_copy(&before, gs_core_stored(world->nodes[0].core)) == 0) {
        run_until(world, world->now_ms + QUIET_MS, false);
    }
    if (!world->failed && (!sim_all_agree(world) || !gs_vector_equal(&before, gs_core_stored(world->nodes[0].core)))) {
        sim_fail(world, "quiet: nobody writes, and the log grows");
    }
    gs_vector_close(&before);
}

/* Origins, as far as each node has them stored, with a byte of the hash. */
static void print_vectors(const struct sim_world *world) {
    for (uint32_t i = 0; getenv("SIM_DUMP") != NULL && i < world->plan.nodes; i++) {
        const struct gs_core *core = world->nodes[i].core;
        printf("node %u:%s", i, core == NULL ? " down" : "");
        for (uint32_t j = 0; core != NULL && j < gs_core_stored(core)->count; j++) {
            const struct gs_head *head = &gs_core_stored(core)->heads[j];
            printf(" %02x%02x:%llu/%02x", head->origin.bytes[0], head->origin.bytes[1], (unsigned long long)head->seq,
                   head->hash.bytes[0]);
        }
        struct gs_core_stats stats = {0};
        if (core != NULL) {
            gs_core_get_stats(core, &stats);
        }
        printf(" (%u origins, causal %llu, held %llu, forks %llu, refused %llu)\n",
               core != NULL ? gs_core_stored(core)->count : 0, (unsigned long long)stats.causal_bytes,
               (unsigned long long)stats.held, (unsigned long long)stats.forks,
               (unsigned long long)stats.batches_refused);
    }
}

void sim_run(struct sim_world *world, uint64_t for_ms) {
    run_until(world, world->now_ms + for_ms, false);
}

void sim_world_open(struct sim_world *world, const struct sim_plan *plan) {
    *world = (struct sim_world){.plan = *plan, .rng = {.state = plan->seed ^ UINT64_C(0xa5a5a5a5)}};
    world->trace = UINT64_C(14695981039346656037);
    world->cluster = gs_cluster_from_name("simulation");
    world->retention = (struct gs_retention){.count = 1, .rules = {{.type = "t", .ms = plan->retention_ms}}};
    if (plan->seed % 2 == 0) { /* acknowledgements and decisions are forgotten later */
        world->retention.rules[1] = (struct gs_retention_rule){.type = "*", .ms = 2 * plan->retention_ms};
        world->retention.count = 2;
    }
    make_keys(world);
    if (plan->byzantine) {
        world->nodes[plan->nodes].index = plan->nodes;
        sim_byzantine_open(world);
    }
    if (plan->forks) {
        world->nodes[plan->nodes].index = plan->nodes;
        sim_forker_open(world);
    }
    for (uint32_t i = 0; i < plan->nodes && !world->failed; i++) {
        world->nodes[i].index = i;
        world->nodes[i].clock_offset_ms = (int64_t)sim_below(&world->rng, 10000) - 5000;
        sim_node_start(world, &world->nodes[i]);
    }
    schedule_beginning(world);
}

bool sim_world_run(struct sim_world *world, const struct sim_plan *plan) {
    sim_world_open(world, plan);
    run_until(world, plan->chaos_ms, false);
    sim_check_agreement(world);
    sim_check_stable(world);
    sim_heal(world);
    run_until(world, plan->chaos_ms + plan->settle_ms, true);
    if (!world->failed &&
        (!calls_done(world) || !sim_all_agree(world) || !sim_all_closed(world) || !sim_forker_done(world))) {
        print_vectors(world);
        sim_fail(world, "not settled %llu ms after everything healed: calls %s, vectors %s, ended lives %s",
                 (unsigned long long)plan->settle_ms, calls_done(world) ? "done" : "open",
                 sim_all_agree(world) ? "equal" : "differ", sim_all_closed(world) ? "closed" : "open");
    }
    sim_check_agreement(world);
    sim_check_end(world);
    sim_check_members(world);
    sim_forker_check(world);
    if (!world->failed && plan->seed % QUIET_EVERY == 0) {
        check_quiet(world);
    }
    if (!world->failed) {
        sim_client_repeat_elsewhere(world);
    }
    if (!world->failed && plan->seed % REPAIR_EVERY == 0 && plan->nodes <= REPAIR_NODES_MAX) {
        sim_run_for(world, 500); /* links are up */
        sim_check_repair(world);
    }
    return !world->failed;
}

void sim_world_close(struct sim_world *world) {
    sim_byzantine_close(world);
    sim_forker_close(world);
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        struct sim_node *node = &world->nodes[i];
        gs_core_free(node->core);
        gs_buffer_close(&node->pending);
        gs_keep_free(node->pending_keep);
        gs_truncation_free(node->pending_truncation);
        sim_disk_clear(&node->disk);
        sim_disk_clear(&node->backup);
        sim_disk_clear(&node->lost);
    }
    for (uint32_t i = 0; i < world->call_count; i++) {
        gs_command_free(world->calls[i].command);
    }
    gs_command_free(world->retirement);
    struct sim_event event;
    while (sim_next(world, &event)) {
        sim_event_close(&event);
    }
    free(world->events);
    free(world->identities);
    gs_trust_close(&world->trust);
}
