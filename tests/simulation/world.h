/* A whole cluster in one process, in virtual time.
 *
 * The replica cores are the product's own; everything around them is simulated: a network with delay, loss,
 * duplication, reordering and partitions (harsher than TCP: any message may vanish), disks that lose what was not
 * synced at a crash, clocks that differ and step, clients that retry. One seed decides everything, the fault rates
 * included (swarm testing), and repeats a run to the byte.
 *
 * Phases: *safety* (faults for `chaos_ms`, clients write all the while), then *liveness*: everything heals, and all
 * nodes must agree within `settle_ms`. Checkers run all the time (checks.h). */
#ifndef GS_TESTS_SIMULATION_WORLD_H
#define GS_TESTS_SIMULATION_WORLD_H

#include "node/core/core.h"
#include "node/store/base.h"

enum {
    SIM_NODES_MAX = 64,
    /* and a Byzantine peer behind them */ SIM_CALLS_MAX = 512,
    SIM_AGGREGATES = 4,
    SIM_NOTES_MAX = 64
};

/* Everybody knows everybody; each node the one before it; all know the first. */
enum sim_seeds { SIM_SEEDS_ALL, SIM_SEEDS_CHAIN, SIM_SEEDS_STAR };

struct sim_rng {
    uint64_t state;
};

uint64_t sim_random(struct sim_rng *rng);
uint64_t sim_below(struct sim_rng *rng, uint64_t bound);
/* True with a probability of `percent` / 100. */
bool sim_chance(struct sim_rng *rng, uint32_t percent);

/* What the seed has drawn. */
struct sim_plan {
    uint64_t seed;
    uint32_t nodes;
    uint32_t calls;        /* that clients make */
    uint32_t loss_percent; /* of messages */
    uint32_t dup_percent;
    uint32_t delay_ms_max;
    uint32_t disk_ms_max;
    uint32_t fault_every_ms; /* mean time between faults, 0: none */
    bool crashes, partitions, one_way, failed_commits, wiped_disks, restored_disks, lying_disks, clock_steps;
    bool pauses, bridges, slow_links, clock_drift, byzantine;
    uint32_t seeds;        /* who knows whose address at first; see enum sim_seeds */
    bool patient;          /* the safety phase lasts long enough for somebody to be taken for dead */
    bool leaves;           /* nodes leave and come back */
    bool retires;          /* the last node is retired for good, whatever it does meanwhile */
    bool found_disks;      /* a disk that was lost may come back, whatever has become of its region meanwhile */
    bool rights;           /* clients make, spend and give rights of bounded counters */
    bool kill_points;      /* nodes die at named places of their work, and not only between two steps */
    uint64_t retention_ms; /* logs forget what is older; 0: nothing */
    bool asides;           /* nodes that are left behind put their logs aside by themselves (node/core/left_behind.c) */
    bool forks;            /* a member signs two histories, and an operator decides: forker.h */
    uint64_t chaos_ms;
    uint64_t settle_ms;
};

/* One record on a disk. */
struct sim_record {
    uint8_t *bytes; /* owned */
    size_t length;
    struct gs_head head; /* of the batch in it */
    uint64_t first_seq;
    bool gone; /* removed: only checks may still look at it */
};

enum { SIM_KEEPS_MAX = 4096 };

struct sim_disk {
    struct gs_keep **keeps; /* that were written, oldest first; owned */
    uint32_t keep_count;
    uint32_t safe_keeps;        /* of these, that a crash does not take: they were synced with a truncation */
    struct gs_base base;        /* where the log begins */
    struct sim_record *records; /* durable, in log order; owned */
    uint32_t count, capacity;
    struct gs_core_note notes[SIM_NOTES_MAX]; /* owned; an empty name: free */
};

struct sim_node {
    uint32_t index;
    struct gs_key_pair keys;
    struct gs_core *core; /* NULL while it is down */
    uint64_t epoch;       /* rises with every crash: what was under way for an earlier one is void */
    struct sim_disk disk;
    struct sim_disk backup;       /* a copy of the disk at some time before */
    struct sim_disk lost;         /* a disk that may be found; empty: none */
    uint64_t behind_ms;           /* since when it has been behind others' logs; 0: it is not */
    bool wants_snapshot;          /* its core has one to install, whose giver has lost it meanwhile: sim_reseed */
    bool backup_due;              /* the next fault of this kind puts it back */
    uint64_t unaware;             /* a set of nodes that were cut off when it was taken */
    struct gs_buffer pending;     /* the commit on its way to the disk */
    struct gs_keep *pending_keep; /* on its way, too; owned */
    uint32_t pending_count;
    struct gs_truncation *pending_truncation; /* owned */
    uint64_t truncation_members;              /* a set of nodes, when it was asked for */
    int64_t clock_offset_ms;
    int64_t drift_ppm;                /* its clock gains this much */
    uint64_t paused_until_ms;         /* it does nothing until then; its links stay */
    bool knows[SIM_NODES_MAX + 1];    /* whose addresses it dials */
    uint64_t timer_ms;                /* when the core wants to be called */
    uint64_t shown[SIM_AGGREGATES];   /* the greatest version that any answer or published view has shown */
    uint64_t durable[SIM_AGGREGATES]; /* the version of each that the disk amounts to */
    /* What request threads would answer with, by themselves: the version of the published view. */
    struct {
        bool present;
        uint64_t version;
    } cached[SIM_AGGREGATES];
};

struct sim_link {
    bool up;
    uint64_t id;      /* the same on both sides; 0 before the first */
    uint32_t slow_ms; /* on top of the delay of all messages */
    bool cut[2];      /* messages from the lower (0) or the higher (1) node vanish */
};

/* One thing that a client wants, until it knows that it is done. */
struct sim_call {
    uint32_t number;
    uint32_t node;
    bool active; /* a command is with the core */
    bool acked;
    bool refused;  /* for lack of rights: it did nothing */
    bool forgiven; /* the only disk that held it was lost */
    bool is_lost;  /* … for as long as it is not found: its node's, after it was acknowledged */
    bool moved;    /* its region was retired */
    uint64_t epoch;
    struct gs_command *command; /* owned while active */
    uint32_t writes;            /* 0: a read */
};

enum sim_event_type {
    SIM_DELIVER,
    SIM_PEER_DOWN,
    SIM_DISK_DONE,
    SIM_KEPT,
    SIM_TRUNCATED,
    SIM_LOG_READ,
    SIM_REBUILD,
    SIM_TIMER,
    SIM_CLIENT,
    SIM_FAULT,
    SIM_RESTART,
    SIM_RELINK,
    SIM_RETIRE,
    SIM_BYZANTINE,
    SIM_FORKER
};

struct sim_event {
    uint64_t at_ms;
    uint64_t order; /* of creation: ties are broken the same way every time */
    enum sim_event_type type;
    uint32_t node;
    uint64_t epoch;
    uint64_t number;         /* link id, commit, call */
    struct gs_buffer bytes;  /* owned */
    struct gs_vector vector; /* owned */
    bool failed;
};

struct sim_byzantine;
struct sim_forker;

enum sim_kill_point {
    SIM_APPEND_BEFORE,
    SIM_APPEND_AFTER,
    SIM_APPLY_BEFORE, /* a batch of a peer is applied in memory, and nothing of it is on its way to the disk */
    SIM_APPLY_AFTER,
    SIM_ACK_BEFORE,
    SIM_ACK_BETWEEN, /* some clients have their answers, others do not */
    SIM_ACK_AFTER,
    SIM_KEEP_BEFORE,
    SIM_KEEP_AFTER,
    SIM_TRUNCATE_BEFORE,
    SIM_TRUNCATE_AFTER, /* records are gone, and the core has not heard of it */
    SIM_KILL_POINTS
};
extern const char *const sim_kill_point_names[SIM_KILL_POINTS];

struct sim_world {
    struct sim_plan plan;
    struct sim_rng rng;
    uint64_t now_ms;
    uint64_t orders;
    uint64_t links_made;
    bool healed;
    struct gs_trust trust;
    gs_cluster cluster;
    struct sim_node nodes[SIM_NODES_MAX + 1];
    struct sim_link links[SIM_NODES_MAX + 1][SIM_NODES_MAX + 1]; /* [lower][higher] */
    struct sim_byzantine *byzantine;                             /* owned; NULL: none */
    struct sim_forker *forker;                                   /* owned; NULL: none */
    struct sim_call calls[SIM_CALLS_MAX];
    uint32_t call_count;
    struct sim_event *events; /* a heap; owned */
    uint32_t event_count, event_capacity;
    struct sim_identity *identities; /* checks.c: (origin, first_seq) → hash, over the whole history */
    uint32_t identity_count, identity_capacity;
    bool retiring;                 /* the last node's retirement is asked for, */
    bool retired;                  /* … and decided */
    struct gs_command *retirement; /* owned while it is with a core, */
    uint32_t retirement_node;      /* … this node's */
    bool flipped;                  /* verify.c: memory of a node has been changed */
    struct gs_retention retention;
    uint64_t removed;   /* records, of all nodes */
    uint64_t cleaned;   /* times that bookkeeping of an aggregate went out of a node's memory */
    uint32_t reseeded;  /* nodes that were made anew from another one's disk */
    uint32_t installed; /* snapshots */
    uint32_t aside;     /* logs that were put aside */
    uint64_t kills[SIM_KILL_POINTS];
    struct gs_command *asked; /* verify.c: the command that is being answered, if it is its own */
    uint64_t steady_ms[SIM_NODES_MAX][SIM_NODES_MAX]; /* members.c: since when one can hear of the other, */
    bool direct[SIM_NODES_MAX][SIM_NODES_MAX];        /* … and whether on their link */
    uint64_t trace;                                   /* running hash of everything that happened */
    uint64_t steps;
    uint64_t cuts;     /* logs that were cut after a decision */
    uint64_t found;    /* disks that were lost and came back */
    uint64_t imported; /* batches that were to be written again after one */
    bool failed;
    char failure[4096];
};

/* Draws a plan from a seed. */
void sim_plan_draw(uint64_t seed, struct sim_plan *ret_plan);
/* Makes a world and starts its nodes; sim_run lets time pass in it. */
void sim_world_open(struct sim_world *world, const struct sim_plan *plan);
void sim_run(struct sim_world *world, uint64_t for_ms);
/* Runs one world from beginning to end. True if every check held; else `failure` says what did not. */
bool sim_world_run(struct sim_world *world, const struct sim_plan *plan);
void sim_world_close(struct sim_world *world);

/* True if there is a member behind the honest ones. */
static inline bool sim_has_guest(const struct sim_world *world) {
    return world->byzantine != NULL || world->forker != NULL;
}

/* Notes the first failure; the run ends. */
void sim_fail(struct sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Mixes bytes into the trace. */
void sim_trace(struct sim_world *world, const void *bytes, size_t length);

/* Goes on for a while. */
void sim_run_for(struct sim_world *world, uint64_t ms);

/* events.c: the heap. `event` is taken. */
void sim_schedule(struct sim_world *world, uint64_t delay_ms, struct sim_event event);
bool sim_next(struct sim_world *world, struct sim_event *ret_event);
void sim_event_close(struct sim_event *event);

/* keeps.c: states kept beside the log. */
void sim_keep_start(struct sim_world *world, struct sim_node *node, struct gs_keep *keep);
void sim_keep_done(struct sim_world *world, struct sim_node *node);
/* The node crashes: what was on its way is written, or not. */
void sim_keep_crash(struct sim_world *world, struct sim_node *node);
/* Restores what was kept into a new core, with or without the states; `ret_low`: where the replay begins. False:
 * nothing was. */
bool sim_keep_restore(struct sim_world *world, const struct sim_node *node, struct gs_core *core, uint64_t *ret_low,
                      bool states);
void sim_keep_clear(struct sim_disk *disk);
/* All but the first `count` are gone. */
void sim_keep_cut(struct sim_disk *disk, uint32_t count);
/* That a core made from what was kept equals one made from the whole log. */
void sim_keep_check(struct sim_world *world, const struct sim_node *node, const struct gs_core *kept,
                    const struct gs_core *whole);

/* A copy; NULL is not returned. */
struct gs_keep *sim_keep_copy(const struct gs_keep *keep);

/* truncation.c */
void sim_truncate_start(struct sim_world *world, struct sim_node *node, struct gs_truncation *truncation);
void sim_truncate_done(struct sim_world *world, struct sim_node *node);
/* The node crashes: what was under way is done, or not. */
void sim_truncate_crash(struct sim_world *world, struct sim_node *node);
/* Nodes that cannot catch up by the log begin anew with another one's disk. */
void sim_reseed(struct sim_world *world);

/* snapshot.c */
/* A core has one to install; taken. */
void sim_install(struct sim_world *world, struct sim_node *node, struct gs_core_install *wanted);
/* The disk of a node that is down becomes empty, but for its notes; nobody is forgiven for what was on it. */
void sim_set_aside(struct sim_world *world, struct sim_node *node);

/* disk.c */
void sim_disk_append(struct sim_disk *disk, const uint8_t *bytes, size_t length, const struct gs_batch_head *head);
/* Takes the note's bytes. */
void sim_disk_note(struct sim_world *world, struct sim_disk *disk, struct gs_core_note *note);
/* `to` is overwritten. */
void sim_disk_copy(struct sim_disk *to, const struct sim_disk *from);
/* The last records are gone. */
void sim_disk_cut(struct sim_disk *disk, uint32_t records);
void sim_disk_clear(struct sim_disk *disk);

/* nodes.c */
/* The disk is another one now: what it amounts to. The node must be down. */
void sim_node_disk_changed(struct sim_node *node);
void sim_node_start(struct sim_world *world, struct sim_node *node);
/* A core that knows the notes of the node's disk, and nothing else. NULL: the world has failed. */
struct gs_core *sim_node_new_core(struct sim_world *world, const struct sim_node *node);
void sim_node_crash(struct sim_world *world, struct sim_node *node);
/* Adds to world->cleaned what the core of a node that runs has cleaned up. */
void sim_count_cleaned(struct sim_world *world, const struct sim_node *node);
/* Tells its peers that it leaves, says goodbye, and is gone for a while. */
void sim_node_leave(struct sim_world *world, struct sim_node *node);
void sim_node_step(struct sim_world *world, struct sim_node *node, struct gs_core_event *event);
void sim_node_disk_done(struct sim_world *world, struct sim_node *node, const struct sim_event *event);
void sim_node_log_read(struct sim_world *world, struct sim_node *node, const struct sim_event *event);
uint64_t sim_node_wall_ms(const struct sim_world *world, const struct sim_node *node);

/* kill_points.c: now and then true; then the node has crashed there. */
bool sim_dies_at(struct sim_world *world, struct sim_node *node, enum sim_kill_point point);

/* verify.c */
void sim_rebuild(struct sim_world *world, struct sim_node *node, const struct gs_core_rebuild *rebuild);
void sim_node_rebuilt(struct sim_world *world, struct sim_node *node, const struct sim_event *event);

/* network.c */
bool sim_all_linked(struct sim_world *world);
void sim_send(struct sim_world *world, struct sim_node *from, const struct gs_core_send *send);
/* The same, but it arrives at once, or not at all. */
void sim_send_now(struct sim_world *world, struct sim_node *from, const struct gs_core_send *send);
void sim_deliver(struct sim_world *world, const struct sim_event *event);
void sim_link_down(struct sim_world *world, uint32_t a, uint32_t b);
void sim_relink(struct sim_world *world);
/* The node at the other end of a link, NULL if that link is gone. */
struct sim_node *sim_link_other(struct sim_world *world, const struct sim_node *node, uint64_t id);

/* clients.c */
void sim_client_act(struct sim_world *world, uint32_t number);
void sim_client_answered(struct sim_world *world, struct sim_node *node, struct gs_command *command);
void sim_client_crashed(struct sim_world *world, const struct sim_node *node);
/* A view is published, or taken back. */
void sim_client_published(struct sim_world *world, struct sim_node *node, const struct gs_core_publish *publish);
/* Repeats every acknowledged write at a node that did not take it: it must be recognised there. At the end. */
void sim_client_repeat_elsewhere(struct sim_world *world);

/* closings.c: the last node's retirement is asked of another one, until it is decided; true if the command was that. */
void sim_retire(struct sim_world *world);
/* An operator asks the node to retire the region of the last one. */
void sim_order_retirement(struct sim_world *world, struct sim_node *node);
bool sim_retire_answered(struct sim_world *world, const struct gs_command *command);
/* True for a node that does not count any more, or may not. */
bool sim_is_out(const struct sim_world *world, uint32_t node);

/* faults.c */
void sim_fault(struct sim_world *world);
void sim_heal(struct sim_world *world);

#endif
