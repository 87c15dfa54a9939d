/* usage: simulate [--first SEED] [--seeds N] [--forks | --found | --snapshots] [--jobs N] [--verbose]
 *
 * --forks: in every world a member signs two histories (forker.h).
 * --found: in every world disks are lost, and some of them found again.
 * --snapshots: in every world disks are lost, and logs forget soon: others can help with a snapshot only.
 *
 * Runs N worlds, in as many processes as --jobs says. Every sixteenth is run twice: the same seed must give the same
 * trace. The first that fails is printed with its plan; run it again with --first SEED --seeds 1. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "tests/simulation/world.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { KIND_ANY, KIND_FORKS, KIND_FOUND, KIND_SNAPSHOTS };

enum {
    JOBS_MAX = 64,
    SEEDS_FOR_ALL_POINTS = 600 /* so many that none of the points is left out by chance */
};

struct options {
    uint64_t first, seeds;
    uint32_t jobs;
    bool verbose;
    enum kind kind;
};

/* Over the worlds of one process: a run in which nothing was decided, or found, proves nothing. */
struct totals {
    uint64_t seed; /* the last one begun, for a process that dies */
    uint64_t steps, removed, cleaned, reseeded, installed, aside, cuts, found, imported;
    uint64_t kills[SIM_KILL_POINTS];
};

/* Shared between the processes. */
struct run {
    atomic_bool failed;
    struct totals totals[JOBS_MAX];
};

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

/* Only worlds of any kind truncate. */
static bool print_kills(const struct totals *all, const struct options *options) {
    bool enough = true;
    printf("killed at");
    for (int i = 0; i < SIM_KILL_POINTS; i++) {
        printf(" %s %llu%s", sim_kill_point_names[i], (unsigned long long)all->kills[i],
               i + 1 < SIM_KILL_POINTS ? "," : "");
        bool is_truncation = i == SIM_TRUNCATE_BEFORE || i == SIM_TRUNCATE_AFTER;
        enough = enough && (all->kills[i] > 0 || (is_truncation && options->kind != KIND_ANY));
    }
    printf("\n");
    return enough || options->seeds < SEEDS_FOR_ALL_POINTS;
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

/* The same world with disks that are lost, and logs in which nothing old is left. */
static void add_snapshots(struct sim_plan *plan) {
    plan->retention_ms = 50 + plan->fault_every_ms % 200;
    plan->wiped_disks = plan->asides = true;
    plan->nodes = plan->nodes < 3 ? 3 : plan->nodes;
    plan->byzantine = plan->found_disks = plan->restored_disks = plan->lying_disks = plan->retires = false;
    plan->fault_every_ms = 200 + plan->fault_every_ms % 300;
    plan->chaos_ms += 15000; /* time for lives to be closed and logs to be cut meanwhile */
    plan->settle_ms *= 3;    /* who is left behind waits before it does something about that */
}

static bool run_seed(struct sim_world *world, uint64_t seed, enum kind kind, struct totals *totals,
                     uint64_t *ret_trace) {
    struct sim_plan plan;
    totals->seed = seed;
    sim_plan_draw(seed, &plan);
    static void (*const adds[])(struct sim_plan *) = {
        [KIND_FORKS] = add_fork, [KIND_FOUND] = add_found, [KIND_SNAPSHOTS] = add_snapshots};
    if (kind != KIND_ANY) {
        adds[kind](&plan);
    }
    bool ok = sim_world_run(world, &plan);
    if (!ok) {
        printf("FAILED seed %llu at %llu ms: %s\n", (unsigned long long)seed, (unsigned long long)world->now_ms,
               world->failure);
        print_plan(&plan);
    }
    *ret_trace = world->trace;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (world->nodes[i].core != NULL) {
            sim_count_cleaned(world, &world->nodes[i]);
        }
    }
    totals->steps += world->steps;
    totals->removed += world->removed;
    totals->cleaned += world->cleaned;
    totals->reseeded += world->reseeded;
    totals->installed += world->installed;
    totals->aside += world->aside;
    totals->cuts += world->cuts;
    totals->found += world->found;
    totals->imported += world->imported;
    for (int i = 0; i < SIM_KILL_POINTS; i++) {
        totals->kills[i] += world->kills[i];
    }
    sim_world_close(world);
    return ok;
}

/* Every jobs-th seed, from the job-th one on. */
static bool run_some(const struct options *options, struct run *run, uint32_t job) {
    struct sim_world *world = calloc(1, sizeof *world);
    bool ok = world != NULL;
    for (uint64_t i = job; ok && i < options->seeds && !atomic_load(&run->failed); i += options->jobs) {
        uint64_t seed = options->first + i;
        uint64_t trace = 0;
        uint64_t again = 0;
        ok = run_seed(world, seed, options->kind, &run->totals[job], &trace);
        if (ok && seed % 16 == 0) {
            ok = run_seed(world, seed, options->kind, &run->totals[job], &again);
            if (ok && trace != again) {
                printf("FAILED seed %llu: two runs differ\n", (unsigned long long)seed);
                ok = false;
            }
        }
        if (options->verbose && ok) {
            printf("seed %llu ok, trace %016llx\n", (unsigned long long)seed, (unsigned long long)trace);
        }
    }
    free(world);
    if (!ok) {
        atomic_store(&run->failed, true);
    }
    fflush(stdout);
    return ok;
}

/* One process goes through all of them itself: a debugger sees more then. */
static bool run_all(const struct options *options, struct run *run) {
    if (options->jobs == 1) {
        return run_some(options, run, 0);
    }
    pid_t workers[JOBS_MAX] = {0};
    bool ok = true;
    for (uint32_t job = 0; job < options->jobs; job++) {
        workers[job] = fork();
        if (workers[job] == 0) {
            _exit(run_some(options, run, job) ? 0 : 1);
        }
        ok = ok && workers[job] > 0;
    }
    for (uint32_t job = 0; job < options->jobs; job++) {
        int status = 0;
        bool ended = workers[job] > 0 && waitpid(workers[job], &status, 0) == workers[job];
        if (ended && WIFSIGNALED(status)) {
            printf("FAILED seed %llu: signal %d\n", (unsigned long long)run->totals[job].seed, WTERMSIG(status));
            atomic_store(&run->failed, true);
        }
        ok = ok && ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return ok;
}

static struct totals add_up(const struct options *options, const struct run *run) {
    struct totals all = {0};
    for (uint32_t i = 0; i < options->jobs; i++) {
        const struct totals *one = &run->totals[i];
        all.steps += one->steps;
        all.removed += one->removed;
        all.cleaned += one->cleaned;
        all.reseeded += one->reseeded;
        all.installed += one->installed;
        all.aside += one->aside;
        all.cuts += one->cuts;
        all.found += one->found;
        all.imported += one->imported;
        for (int j = 0; j < SIM_KILL_POINTS; j++) {
            all.kills[j] += one->kills[j];
        }
    }
    return all;
}

/* What was met on the way; false: too little of it for the run to prove anything. */
static bool report(const struct totals *all, const struct options *options) {
    bool enough = true;
    uint64_t seeds = options->seeds;
    if (options->kind == KIND_FOUND) {
        printf("%llu disks were found, %llu logs were cut, %llu batches imported\n", (unsigned long long)all->found,
               (unsigned long long)all->cuts, (unsigned long long)all->imported);
        enough = seeds < 200 || (all->found > seeds / 4 && all->cuts > seeds / 100);
    } else if (options->kind == KIND_FORKS) {
        printf("%llu logs were cut, %llu batches imported\n", (unsigned long long)all->cuts,
               (unsigned long long)all->imported);
        enough = seeds < 50 || (all->cuts > seeds / 4 && all->imported > seeds / 4);
    }
    if (options->kind == KIND_SNAPSHOTS) {
        printf("%llu logs were put aside\n", (unsigned long long)all->aside);
        enough = seeds < 50 || (all->installed > seeds / 4 && all->aside > seeds / 10);
    }
    printf("%llu seeds from %llu, %llu steps, %llu records removed, %llu aggregates cleaned, %llu nodes made anew, "
           "%llu snapshots installed: all checks held\n",
           (unsigned long long)seeds, (unsigned long long)options->first, (unsigned long long)all->steps,
           (unsigned long long)all->removed, (unsigned long long)all->cleaned, (unsigned long long)all->reseeded,
           (unsigned long long)all->installed);
    /* The member that forks is a trusted key that agrees to no closing: nothing is cleaned there. */
    bool cleaned = seeds < 50 || options->kind != KIND_ANY || all->cleaned > seeds;
    return print_kills(all, options) && enough && cleaned;
}

static bool read_options(int argc, char **argv, struct options *options) {
    *options = (struct options){.first = 1, .seeds = 100, .jobs = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--first") == 0 && i + 1 < argc) {
            options->first = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            options->seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc) {
            options->jobs = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--forks") == 0) {
            options->kind = KIND_FORKS;
        } else if (strcmp(argv[i], "--found") == 0) {
            options->kind = KIND_FOUND;
        } else if (strcmp(argv[i], "--snapshots") == 0) {
            options->kind = KIND_SNAPSHOTS;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options->verbose = true;
        } else {
            return false;
        }
    }
    return options->jobs >= 1 && options->jobs <= JOBS_MAX;
}

int main(int argc, char **argv) {
    struct options options;
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr,
                "usage: %s [--first SEED] [--seeds N] [--forks | --found | --snapshots] [--jobs 1..%d] [--verbose]\n",
                argv[0], JOBS_MAX);
        return 2;
    }
    struct run *run = mmap(NULL, sizeof *run, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run == MAP_FAILED || sodium_init() < 0) {
        fprintf(stderr, "%s: out of memory\n", argv[0]);
        return 1;
    }
    if (!run_all(&options, run)) {
        return 1;
    }
    struct totals all = add_up(&options, run);
    return report(&all, &options) ? 0 : 1;
}
