/* usage: simulate [--first SEED] [--seeds N] [--forks | --found] [--verbose]
 *
 * --forks: in every world a member signs two histories (forker.h).
 * --found: in every world disks are lost, and some of them found again.
 *
 * Runs N worlds. Every sixteenth is run twice: the same seed must give the same trace. The first that fails is printed
 * with its plan; run it again with
 * --first SEED --seeds 1. */
#include "tests/simulation/world.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_ANY, KIND_FORKS, KIND_FOUND };

/* Over all worlds: a run in which nothing was decided, or found, proves nothing. */
static uint64_t cuts, found, imported;

static void print_plan(const struct sim_plan *plan) {
    const struct {
        bool on;
        const char *name;
    } faults[] = {
        {plan->crashes, "crashes"},
        {plan->partitions, "partitions"},
        {plan->one_way, "one-way"},
        {plan->failed_commits, "failed-commits"},
        {plan->wiped_disks, "wiped-disks"},
        {plan->restored_disks, "restored-disks"},
        {plan->found_disks, "found-disks"},
        {plan->lying_disks, "lying-disks"},
        {plan->clock_steps, "clock-steps"},
        {plan->clock_drift, "clock-drift"},
        {plan->pauses, "pauses"},
        {plan->bridges, "bridges"},
        {plan->slow_links, "slow-links"},
        {plan->byzantine, "byzantine"},
        {plan->rights, "rights"},
        {plan->leaves, "leaves"},
        {plan->retires, "retires"},
        {plan->patient, "patient"},
        {plan->seeds == SIM_SEEDS_CHAIN, "chain"},
        {plan->seeds == SIM_SEEDS_STAR, "star"},
        {plan->kill_points, "kill-points"},
    };
    printf("  %u nodes, %u calls, loss %u%%, dup %u%%, delay ≤ %u ms, disk ≤ %u ms, faults every %u ms, %llu ms:",
           plan->nodes, plan->calls, plan->loss_percent, plan->dup_percent, plan->delay_ms_max, plan->disk_ms_max,
           plan->fault_every_ms, (unsigned long long)plan->chaos_ms);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        printf("%s%s", faults[i].on ? " " : "", faults[i].on ? faults[i].name : "");
    }
    printf("\n");
}

static uint64_t removed;
static uint64_t cleaned;
static uint64_t reseeded;
static uint64_t kills[SIM_KILL_POINTS];

/* So many seeds that none of the points is left out by chance. */
enum { SEEDS_FOR_ALL_POINTS = 600 };

/* Only worlds of any kind truncate. */
static bool print_kills(uint64_t seeds, enum kind kind) {
    bool all = true;
    printf("killed at");
    for (int i = 0; i < SIM_KILL_POINTS; i++) {
        printf(" %s %llu%s", sim_kill_point_names[i], (unsigned long long)kills[i], i + 1 < SIM_KILL_POINTS ? "," : "");
        bool is_truncation = i == SIM_TRUNCATE_BEFORE || i == SIM_TRUNCATE_AFTER;
        all = all && (kills[i] > 0 || (is_truncation && kind != KIND_ANY));
    }
    printf("\n");
    return all || seeds < SEEDS_FOR_ALL_POINTS;
}

/* The same world with a member that forks, and without what would make checks moot. */
static void add_fork(struct sim_plan *plan) {
    plan->forks = true;
    plan->retention_ms = 0; /* a fork whose point is gone from every log cannot be decided any more */
    plan->byzantine = plan->rights = false;
    plan->wiped_disks = plan->restored_disks = plan->lying_disks = plan->retires = false;
}

/* The same world with disks that are lost, and without what keeps their events from being written again. */
static void add_found(struct sim_plan *plan) {
    plan->retention_ms = 0;
    plan->wiped_disks = plan->found_disks = true;
    plan->byzantine = plan->rights = plan->restored_disks = plan->lying_disks = plan->retires = false;
    plan->fault_every_ms = 100 + plan->fault_every_ms % 300;
    plan->chaos_ms += plan->patient ? 0 : 15000; /* time for lives to be closed meanwhile */
}

static bool run_seed(struct sim_world *world, uint64_t seed, enum kind kind, uint64_t *ret_trace, uint64_t *ret_steps) {
    struct sim_plan plan;
    sim_plan_draw(seed, &plan);
    if (kind != KIND_ANY) {
        (kind == KIND_FORKS ? add_fork : add_found)(&plan);
    }
    bool ok = sim_world_run(world, &plan);
    if (!ok) {
        printf("FAILED seed %llu at %llu ms: %s\n", (unsigned long long)seed, (unsigned long long)world->now_ms,
               world->failure);
        print_plan(&plan);
    }
    *ret_trace = world->trace;
    *ret_steps += world->steps;
    removed += world->removed;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (world->nodes[i].core != NULL) {
            sim_count_cleaned(world, &world->nodes[i]);
        }
    }
    cleaned += world->cleaned;
    reseeded += world->reseeded;
    for (int i = 0; i < SIM_KILL_POINTS; i++) {
        kills[i] += world->kills[i];
    }
    cuts += world->cuts;
    found += world->found;
    imported += world->imported;
    sim_world_close(world);
    return ok;
}

int main(int argc, char **argv) {
    uint64_t first = 1;
    uint64_t seeds = 100;
    bool verbose = false;
    enum kind kind = KIND_ANY;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--first") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--forks") == 0) {
            kind = KIND_FORKS;
        } else if (strcmp(argv[i], "--found") == 0) {
            kind = KIND_FOUND;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            fprintf(stderr, "usage: %s [--first SEED] [--seeds N] [--forks | --found] [--verbose]\n", argv[0]);
            return 2;
        }
    }
    struct sim_world *world = calloc(1, sizeof *world);
    uint64_t steps = 0;
    bool ok = world != NULL && sodium_init() >= 0;
    for (uint64_t seed = first; ok && seed < first + seeds; seed++) {
        uint64_t trace = 0;
        uint64_t again = 0;
        ok = run_seed(world, seed, kind, &trace, &steps);
        if (ok && seed % 16 == 0) {
            ok = run_seed(world, seed, kind, &again, &steps);
            if (ok && trace != again) {
                printf("FAILED seed %llu: two runs differ\n", (unsigned long long)seed);
                ok = false;
            }
        }
        if (verbose && ok) {
            printf("seed %llu ok, trace %016llx\n", (unsigned long long)seed, (unsigned long long)trace);
        }
    }
    if (ok && kind == KIND_FOUND) {
        printf("%llu disks were found, %llu logs were cut, %llu batches imported\n", (unsigned long long)found,
               (unsigned long long)cuts, (unsigned long long)imported);
        ok = seeds < 200 || (found > seeds / 4 && cuts > seeds / 100);
    }
    if (ok && kind == KIND_FORKS) {
        printf("%llu logs were cut, %llu batches imported\n", (unsigned long long)cuts, (unsigned long long)imported);
        ok = seeds < 50 || (cuts > seeds / 4 && imported > seeds / 4);
    }
    if (ok) {
        printf("%llu seeds from %llu, %llu steps, %llu records removed, %llu aggregates cleaned, %llu nodes made anew: "
               "all checks held\n",
               (unsigned long long)seeds, (unsigned long long)first, (unsigned long long)steps,
               (unsigned long long)removed, (unsigned long long)cleaned, (unsigned long long)reseeded);
        /* The member that forks is a trusted key that agrees to no closing: nothing is cleaned there. */
        ok = print_kills(seeds, kind) && (seeds < 50 || kind != KIND_ANY || cleaned > seeds);
    }
    free(world);
    return ok ? 0 : 1;
}
