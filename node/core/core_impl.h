/* What the files of the replica core share. Private to node/core/; README.md says what each file is.
 *
 * Two kinds of state: *applied* is what memory holds; *stored* is what the store has confirmed. Applied runs ahead of
 * stored by the open group and the commit in flight; only stored things are shown, sent or answered. */
#ifndef GS_NODE_CORE_CORE_IMPL_H
#define GS_NODE_CORE_CORE_IMPL_H

#include "gossip/message.h"
#include "node/core/bootstrap.h"
#include "node/core/closing.h"
#include "node/core/compact.h"
#include "node/core/compare.h"
#include "node/core/core.h"
#include "node/core/digest.h"
#include "node/core/document.h"
#include "node/core/fork.h"
#include "node/core/jobs.h"
#include "node/core/ledger.h"
#include "node/core/members.h"
#include "node/core/rng.h"

/* Notes (see gs_core_note): the incarnation that this disk has numbered events for; and, of a node that stopped for it,
 * the statement of the other run of its key, as a message. */
#define GS_NOTE_SELF "self"
#define GS_NOTE_RIVAL "rival"

/* Aggregates by which operators decide about batches in quarantine; only `internal` writes may touch them. */
#define GS_QUARANTINE_TYPE "gs.quarantine"

enum {
    TELL_PEERS_MAX = 8,     /* with more peers than this, only the random exchange tells them what we have */
    PEERS_PER_EXCHANGE = 8, /* one exchange an interval for so many peers */
    PING_INTERVAL_MS = 1000,
    PEER_SILENCE_MS = 15000,           /* a link on which nothing was heard for so long is dropped */
    PULL_TIMEOUT_MS = 5000,            /* an unanswered pull may be asked again after this … */
    GONE_PAUSE_MS = 250,               /* … and one of what the peer no longer has */
    VIEW_BYTES_MAX = 32 * 1024 * 1024, /* views kept here, the oldest go first; request threads have their own cache */
    OPEN_BYTES_MAX = 64 * 1024 * 1024, /* peers' records that wait for a slow disk; more are pulled again later */
    ENDS_KEPT = 64,                    /* batches an origin whose hashes are remembered, to notice another history */
    GS_HELD_ID_SIZE = 33,              /* with NUL */
    INSTANCES_MAX = 3 * GS_CORE_PEERS_MAX, /* runs of peers that are remembered; the oldest news goes first */
    WITNESS_MAX = 8192,                    /* steps remembered of one origin */
    COMMITS_KEPT = 1024,     /* entries that remember own commits, for the lag of peers; enough for 2^36 commits */
    JOB_LOOK_MS = 250,       /* a sync job that runs is looked after this often at least */
    DIGESTS_PER_TICK = 1024, /* changed aggregates that are hashed, so that few are left when a digest is wanted */
    WRITES_PER_COMMIT_MAX = GS_BATCH_EVENTS_MAX,
    GROUP_DETACHED_MAX = GS_RECORD_BYTES_MAX - GS_BATCH_BYTES_MAX /* a group's data beside its events */
};

/* Where a batch ends. */
struct gs_end {
    uint64_t seq;
    gs_hash hash;
};

/* A remote batch that waits for what it depends on. */
struct gs_waiting {
    struct gs_waiting *next; /* by first_seq */
    uint64_t first_seq;
    uint64_t last_seq;
    size_t length;
    struct gs_head blocker; /* a dep that was not applied when last looked, if its seq is not 0 */
    uint8_t record[];
};

/* witness.c */
struct gs_witness {
    struct gs_witness_step *steps; /* owned; in the order of batches */
    uint32_t count, capacity;
    uint64_t known_from; /* a seq; what was before is forgotten. 0: nothing is */
};

/* A batch in quarantine. */
struct gs_held {
    struct gs_held *next;
    char id[GS_HELD_ID_SIZE]; /* half of its hash, hexadecimal */
    gs_origin origin;
    uint64_t first_seq;
    uint64_t last_seq;
    gs_hlc clock_last;
    int reason;            /* GS_E… */
    uint64_t held_ms;      /* wall clock, when it was first met */
    uint64_t rights_moves; /* of the core, when it was last tried */
    size_t length;
    uint8_t record[];
};

/* What is known of one origin. The applied head is in core->applied. */
struct gs_origin_state {
    gs_origin origin;
    gs_incarnation incarnation;
    gs_public_key key;
    char region[GS_REGION_NAME_MAX + 1];
    bool is_latest;    /* the newest incarnation of its key: shown under the plain region name */
    gs_hlc clock_last; /* of its newest applied batch: the next one's clocks are greater */
    struct gs_witness witness;
    uint32_t number;            /* in a checkpoint (gs_witness_number) */
    struct gs_vector witnessed; /* what the origin had applied of others, by its last batch */
    struct gs_waiting *waiting; /* owned */
    struct gs_waiting *waiting_last;
    size_t waiting_bytes;
    bool closing;           /* somebody has proposed to close it */
    uint32_t closed;        /* its place among core->closings.closed, from 1 on; 0: none */
    bool folded;            /* closed, and every live member knows: not shown in vectors */
    uint64_t moved_mono_ms; /* when a batch of it was applied last */
    uint64_t stuck_seq;     /* the first that waits, when stuck queues were last looked for; 0: none */
    bool forked;            /* nothing of it is taken any more */
    bool located;           /* the proof is of the two batches after the point */
    bool has_here;          /* `here` is the first batch of the branch that we have applied */
    gs_hash here;
    char other_holder[GS_REGION_NAME_MAX + 1]; /* who has the branch that we have not; "": nobody has said so */
    struct gs_buffer evidence;                 /* a record that contradicts ours, until ours is read from the log */
    struct gs_buffer proof;                    /* both, as a message */
    struct gs_end ends[ENDS_KEPT];             /* of its newest applied batches, a ring */
    uint64_t end_count;                        /* that were ever put there */
    uint8_t tail_signature[GS_SIGNATURE_SIZE]; /* of the newest recovered batch, checked at START */
    /* vouch.c: of the newest applied batch, the own signature was not checked yet; it is bad (a relay's work: the chain
     * was vouched for). Of the newest recovered one that has to be good at START then: */
    bool tail_unchecked, tail_spoilt;
    gs_hash anchor_hash;
    uint8_t anchor_signature[GS_SIGNATURE_SIZE];
};

/* One aggregate. */
struct gs_cell {
    struct gs_table_entry entry; /* key: "type/id" */
    struct gs_slice type;
    struct gs_slice id;
    struct gs_aggregate *aggregate;
    uint64_t version;    /* events applied */
    gs_hlc updated;      /* the greatest clock among them */
    uint64_t last_group; /* group of the newest change; shown once that group is stored */
    /* keep.c: what of it is kept, and the list of cells that are ahead of that, by when they came to be. */
    uint64_t kept_version;
    uint64_t kept_position;
    uint32_t kept_bytes;
    bool behind;
    uint64_t behind_position; /* the first event that is not kept comes after it */
    uint64_t behind_changes;
    uint64_t behind_mono_ms;
    struct gs_cell *behind_older, *behind_newer;
    uint64_t last_own_seq; /* our newest event on it: it is in the open batch if that begins no later */
    struct gs_view *view;  /* a picture of the current version, or NULL; then the cell is in the list of shown cells */
    struct gs_cell *shown_older, *shown_newer;
    uint64_t changed; /* digest.c: number of its last change, 0: none yet; the list of all cells by it */
    struct gs_cell *changed_older, *changed_newer;
    bool dirty; /* digest.c: its leaf is out of date; the list of those */
    struct gs_cell *dirty_next;
    bool unclean; /* compact.c: changed since it was cleaned; the list of those, by their last change */
    struct gs_cell *unclean_older, *unclean_newer;
    uint64_t check_round; /* of gs_events_check, which walks a batch without applying it: */
    uint64_t check_seq;   /* the seq that the batch's next event on this aggregate must name as previous */
    char name[];
};

struct gs_group {
    uint64_t number;
    struct gs_buffer records; /* in the order of application */
    uint32_t record_count;
    struct gs_command **commands; /* to answer once stored; owned array */
    uint32_t command_count, command_capacity;
    struct gs_cell **touched; /* owned array; may name a cell twice */
    uint32_t touched_count, touched_capacity;
    /* set when sealed */
    struct gs_vector heads;       /* applied, at the seal */
    struct gs_buffer own_records; /* our own batches, as they are in `records`; nearly always one */
    uint32_t own_count;
    uint64_t own_first_seq, own_last_seq;
};

/* late.c: events that a peer's batch waits for. */
struct gs_late {
    gs_origin origin;
    uint64_t seq;
    uint64_t due_mono_ms; /* when they are asked for; 0: not */
};

struct gs_peer_state {
    gs_peer id;
    gs_public_key key;
    char region[GS_REGION_NAME_MAX + 1];
    char address[128];
    bool heard;             /* its vector is known */
    bool has_lost;          /* it has answered that its log no longer has what we lack */
    bool vouched;           /* it has answered what it holds of our key */
    bool reading;           /* a log read for it is under way */
    bool reading_urgent;    /* that read was for an urgent vector */
    bool pulling;           /* we have asked and not been answered */
    uint64_t up_mono_ms;    /* when the link came up */
    uint32_t owed;          /* parts of its answer that came and are not stored yet: each grants another one then */
    uint32_t credit;        /* parts of our answer that it may still be sent */
    bool out_of_credit;     /* there are more parts for it */
    uint64_t pull_mono_ms;  /* when we asked */
    uint64_t heard_mono_ms; /* when anything came last */
    uint64_t ping_mono_ms;  /* when the last ping left */
    bool doubted;           /* its member is not alive: what comes of it is news */
    uint64_t acked_mono_ms; /* when the last answer to one came; at first, when the link came up */
    uint64_t vector_group;  /* stored_group when we last told it our vector */
    uint64_t round_trip_ms;
    struct gs_traffic traffic;
    struct gs_late late;
    uint64_t bulk_own_seq; /* our events up to here went to it in the bulk lane, and it has not said that it has them */
    struct gs_vector known;   /* what it has, or is about to get */
    struct gs_vector told;    /* what it said it has */
    struct gs_spared *spared; /* origins of which it takes nothing for now; owned */
    uint32_t spared_count;
    uint64_t forks_mono_ms;     /* when we last sent it proofs of forks */
    uint64_t decisions_mono_ms; /* … and decisions about them */
    struct {                    /* ranges.c: its question about one origin */
        bool reading;
        uint64_t session;
        gs_origin origin;
        uint64_t after, until;
    } range;
    /* A picture taken at one of its vectors and kept for at least an interval: what it lacked then and lacks still was
     * not merely on its way. */
    uint64_t base_mono_ms;
    struct gs_vector base_told;   /* what it said then */
    struct gs_vector base_stored; /* what we had then */
};

/* What is known of a run of somebody's process. */
struct gs_instance_seen {
    struct gs_statement statement; /* the newest, with a rival if one was ever named */
    gs_peer link;                  /* 0: none */
    uint64_t replaced_mono_ms;     /* when another link of its key took its link's place; 0: never, or it ended */
    uint64_t news_mono_ms;
};

struct gs_idempotency_entry {
    struct gs_table_entry entry; /* key: `name` */
    struct gs_idempotency_entry *newer;
    uint64_t number;  /* 1, 2, 3 … */
    uint8_t name[20]; /* key ‖ item, big-endian */
    uint8_t request[16];
    gs_origin origin;
    uint64_t seq;
    gs_hlc clock;
    uint32_t version_count;
    uint64_t versions[]; /* of the aggregates it changed, after it */
};

struct gs_core {
    struct gs_core_config config;
    struct gs_rng rng;
    struct gs_core_stats stats;
    uint64_t now_ms;
    uint64_t mono_ms;
    gs_hlc clock;
    bool recovering;
    bool waiting_for_peers; /* before the first write after a start */
    bool names_changed;     /* a region's plain name has passed to another origin: views show the old names */
    bool begin_anew;        /* the wait for peers ends with a new incarnation */
    bool has_noted_self;    /* our own incarnation, as this disk remembers it, not as the log tells it */
    gs_incarnation noted_self;
    bool note_self;                /* the note of it must be written */
    gs_incarnation latest_told;    /* the latest of our incarnations that a peer has told of */
    struct gs_statement statement; /* of this run */
    uint64_t counter_mono_ms;      /* when we last answered a rival */
    struct gs_instance_seen instances[INSTANCES_MAX];
    uint32_t instance_count;
    struct gs_held *held; /* owned; oldest first */
    size_t held_bytes;
    bool look_at_releases; /* the log may have a new one */
    uint64_t rights_moves; /* deltas applied that may give an origin rights */
    bool reading_fork;     /* our side of fork_read's fork is being read from the log */
    gs_origin fork_read;
    struct gs_fork_read fork_log_read;
    struct gs_fork_search fork_search;
    struct gs_decision *decisions; /* owned */
    uint32_t decision_count, decision_capacity;
    uint64_t stuck_mono_ms; /* when stuck queues are looked for next */
    struct gs_cut cut;      /* that the store is to make; seq and origin are set when must_cut is */
    bool must_cut;
    uint64_t left_behind_mono_ms; /* since when others have been out of reach (left_behind.c); 0: they are not */
    bool must_set_aside;
    struct gs_import import;
    struct gs_update later; /* notes that leave with this step's update */
    bool halted;            /* a rival that began earlier lives */
    bool store_away;        /* nothing is known to get stored: see away.c */
    bool must_reload;       /* memory holds what must not be stored: see gs_core_reincarnate */
    uint64_t start_deadline_mono_ms;

    struct gs_origin_state **origins; /* sorted by origin; owned */
    uint32_t origin_count, origin_capacity;
    struct gs_origin_state *self;
    struct gs_vector applied;
    struct gs_vector stored;
    struct gs_vector young; /* stored, as of the last exchange; */
    struct gs_vector aged;  /* as of the one before it: what was pushed by then has arrived, or is lost */

    struct gs_closings closings;
    bool retired; /* this node's key has been ended for good: it takes no writes */

    struct gs_ledger ledger;
    struct gs_table cells;
    struct gs_cell *shown_oldest, *shown_newest; /* cells that keep a view */
    size_t shown_bytes;
    struct gs_aggregate *empty; /* stands for aggregates that were never written */
    uint64_t check_round;
    struct gs_digest digest;
    struct gs_compaction compaction;
    struct gs_compares compares;
    struct gs_jobs jobs;
    struct gs_members members;
    struct gs_bootstrap bootstrap;
    uint64_t pull_not_before_mono_ms; /* a sync job's rate cap */
    uint32_t heal_waiting;            /* rebuilds that wait for the log to be healed */
    uint64_t heal_deadline_mono_ms;
    bool heal_failed; /* not long ago */
    uint64_t heal_failed_mono_ms;
    struct gs_table idempotency;
    struct gs_idempotency_entry *idempotency_oldest, *idempotency_newest;
    struct gs_idempotency_entry *idempotency_unkept; /* the first that is in no keep; NULL: none */
    uint64_t idempotency_number;                     /* of the newest entry ever */

    uint64_t position;            /* of the last record applied, as the log will have it */
    uint64_t checkpoint_position; /* what a start found kept is as of there */
    uint64_t base_position;       /* records up to there may be gone; 0: none is */
    struct gs_vector base;        /* the heads there */
    gs_hlc base_clock;            /* the greatest clock up to there, if this core moved it; 0: not known */
    uint64_t keeping_low;         /* of the attested keep under way; 0: it is not attested */
    uint64_t truncate_low;        /* of the last attested keep that is written */
    uint64_t truncate_mono_ms;    /* the next step not before */
    uint32_t truncate_turn;
    bool truncating; /* a step is under way */
    bool attested;   /* the checkpoint that a start found says what root its states make: */
    gs_hash attested_root;
    uint64_t attested_count;
    uint64_t changes; /* applied to aggregates, ever */
    struct gs_cell *behind_oldest, *behind_newest;
    struct gs_cell *far[GS_KEEP_STATES_MAX]; /* that have many events since their kept state */
    uint32_t far_count;
    uint64_t kept_idempotency, kept_ledger; /* numbers of the last entries that are kept */
    bool keeping;                           /* a keep is under way */
    bool keep_failed;
    uint64_t keep_mono_ms; /* the next one not before */

    struct gs_batch_writer writer; /* own events of the open group */
    struct gs_group open;
    struct gs_group flight;
    bool in_flight;
    uint64_t stored_group;
    uint32_t tails_unchecked;    /* origins */
    struct gs_command **backlog; /* writes that found no room; a ring */
    uint32_t backlog_head, backlog_count, backlog_capacity;

    struct gs_peer_state peers[GS_CORE_PEERS_MAX];
    uint32_t peer_count;
    uint64_t ping_mono_ms; /* next look at the links, if there are any */
    uint64_t sync_mono_ms; /* next exchange with a random peer */
    bool ack_due;          /* something was received that no own batch acknowledges yet */
    uint64_t ack_mono_ms;
    struct {
        uint64_t count; /* of commits, a power of two */
        uint64_t last_seq;
        uint64_t ms;           /* when the first of them was sealed */
        uint64_t bytes_before; /* own log bytes before them */
    } commits[COMMITS_KEPT];   /* own commits of this life, oldest first; see lag.c */
    uint32_t commit_count;
    uint64_t own_bytes;
};

/* registry.c */
struct gs_origin_state *gs_registry_find(const struct gs_core *core, const gs_origin *origin);
/* Adds an origin. NULL when out of memory or past GS_VECTOR_MAX. */
struct gs_origin_state *gs_registry_add(struct gs_core *core, const gs_origin *origin,
                                        const gs_incarnation *incarnation, const struct gs_trust_entry *trusted);
/* The origin of a batch, added if its key is trusted and has signed the batch. GS_EUNTRUSTED (also revoked keys),
 * GS_ESIGNATURE (only of origins not known yet), GS_ENOMEM. */
int gs_registry_resolve(struct gs_core *core, const struct gs_batch_head *head, struct gs_origin_state **ret_state);
/* Moves an origin's head and what it has witnessed past an applied batch. */
int gs_registry_advance(struct gs_core *core, struct gs_origin_state *state, const struct gs_batch_head *head);
/* What is known about a batch of the origin that ends at `seq`: 0 it is applied with this hash, or too old to say;
 * GS_EFORK: another one is applied. */
int gs_registry_check_end(const struct gs_origin_state *state, uint64_t seq, const gs_hash *hash);
/* Appends the origin's name as the API prints it: region, or region~XXXX for an earlier incarnation. */
void gs_registry_write_name(const struct gs_core *core, const gs_origin *origin, struct gs_buffer *out);
/* {"eu-west":12,…} of a version vector, without what is folded, and of an aggregate's context. */
void gs_registry_write_vector(const struct gs_core *core, const struct gs_vector *vector, struct gs_buffer *out);
void gs_registry_write_context(const struct gs_core *core, const struct gs_context *context, struct gs_buffer *out);
/* gs_registry_write_name for document.h; borrows the core. */
struct gs_namer gs_registry_namer(const struct gs_core *core);
void gs_registry_close(struct gs_core *core);

/* recover.c */
int gs_core_recover(struct gs_core *core, struct gs_slice record);
int gs_core_start(struct gs_core *core);
/* Our own origin ends; a new one begins with the next write. */
int gs_core_reincarnate(struct gs_core *core);
int gs_core_note(struct gs_core *core, const char *name, struct gs_slice bytes);

/* start.c: a start with an own log asks every other trusted key what it holds of us. */
void gs_start_begin(struct gs_core *core);
/* The answer to a peer's question. */
int gs_start_answer(struct gs_core *core, struct gs_peer_state *peer, const gs_instance *asker,
                    struct gs_update *update);
int gs_start_holdings(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                      struct gs_update *update);
/* A peer answered, or time passed: may the wait end? */
int gs_start_consider(struct gs_core *core, struct gs_update *update);

/* instances.c */
void gs_instances_open(struct gs_core *core);
/* Tells a peer who we are, which asks it what it holds of us. */
int gs_instances_tell(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update);
int gs_instances_statement(struct gs_core *core, struct gs_peer_state *peer, const struct gs_statement *statement,
                           struct gs_update *update);
void gs_instances_link_down(struct gs_core *core, gs_peer link, bool replaced);
/* True if an instance of `key` other than `asker` seems to be alive. */
bool gs_instances_rival_alive(const struct gs_core *core, const gs_public_key *key, const gs_instance *asker);

/* cells.c */
/* One that is in no core yet; takes the aggregate. NULL when out of memory, or without an aggregate. */
struct gs_cell *gs_cell_new(struct gs_slice type, struct gs_slice id, struct gs_aggregate *aggregate);
void gs_cell_free(struct gs_cell *cell); /* one that is in no table and no list */
struct gs_cell *gs_cell_find(const struct gs_core *core, struct gs_slice type, struct gs_slice id);
/* Finds or creates. NULL when out of memory, or for a name that is none. */
struct gs_cell *gs_cell_get(struct gs_core *core, struct gs_slice type, struct gs_slice id);
/* Joins a delta into a cell and counts the event; the cell is marked as touched by the open group. */
int gs_cell_apply(struct gs_core *core, struct gs_cell *cell, const struct gs_delta *delta);
/* A reference to a view of the aggregate as it is now; `cell` NULL: of one that was never written. NULL when out of
 * memory. */
struct gs_view *gs_cell_view(struct gs_core *core, struct gs_cell *cell, struct gs_slice type, struct gs_slice id);
/* Puts `aggregate` (taken), made of `version` events, in the place of the cell's; nothing of the cell may be on its way
 * to the store. */
int gs_cell_replace(struct gs_core *core, struct gs_cell *cell, struct gs_aggregate *aggregate, uint64_t version,
                    struct gs_update *update);
void gs_cell_etag(const struct gs_cell *cell, char ret_etag[GS_ETAG_SIZE]);
/* Forgets all views: the names of origins that they show have changed. */
void gs_cells_forget_views(struct gs_core *core);
/* Takes out a cell that a refused batch has left behind: one that no event was ever applied to. */
void gs_cell_discard(struct gs_core *core, struct gs_cell *cell);
/* Frees a table with the cells in it. */
void gs_cells_free(struct gs_table *cells);

/* write.c */
int gs_write_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);

/* An event of the node's own; nobody is answered. 0; GS_EBUSY: there is no room for it now; GS_EINVAL: the state does
 * not allow it; else a failure of the core. */
int gs_write_own(struct gs_core *core, const struct gs_write *write);

/* write_prepare.c: resolves one write against the state, without changing it. */
struct gs_prepared {
    struct gs_event event;  /* its changes are in the arena */
    struct gs_cell **cells; /* of each change; NULL for an aggregate that does not exist yet */
    bool has_changes;       /* false: PUT or DELETE that finds nothing to do */
};
/* transfer.c: the change's ops with the origins that their transfers name; copied into the arena if there are any. 0,
 * GS_ENOMEM, or GS_EINVAL with the problem at PREFIX/N/to. */
int gs_transfers_resolve(const struct gs_core *core, const struct gs_write_change *change, struct gs_arena *arena,
                         const struct gs_op **ret_ops, struct gs_problem *problem);
/* Where a write finds an aggregate: in the cells (scratch NULL), or for atomic commands in copies of them. */
struct gs_write_scratch;
int gs_write_prepare(struct gs_core *core, struct gs_write_scratch *scratch, const struct gs_write *write,
                     struct gs_arena *arena, struct gs_prepared *ret_prepared, struct gs_write_result *result);

/* write_atomic.c: carries the writes out on copies of the aggregates; 0 if all would be accepted, GS_EBUSY if the
 * open group has no room for them, else the error of the first that is not accepted, with its number in `ret_failed`.
 */
int gs_write_rehearse(struct gs_core *core, struct gs_command *command, struct gs_arena *arena, uint32_t *ret_failed);
const struct gs_aggregate *gs_scratch_aggregate(const struct gs_write_scratch *scratch,
                                                const struct gs_write_change *change, uint64_t *ret_version);

/* apply.c: what the origin of a batch had applied of `of` when it sealed the batch. */
uint64_t gs_events_witnessed(const struct gs_origin_state *origin, const struct gs_batch_head *head,
                             const gs_origin *of);
/* 0 if a batch's clocks go on from its origin's last (else GS_EFORMAT), and its events claim nothing beyond
 * what their origin had applied (else GS_EOVERCLAIM) … */
int gs_events_check(struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head,
                    const struct gs_event *events);
/* The same, but for what an operator has released; see held.c. */
int gs_events_admit(struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head,
                    const struct gs_event *events);
/* rights.c: the last of these checks: no delta spends rights of a bounded counter that its origin does not hold (else
 * GS_EOVERSPENT). All cells are there. */
int gs_rights_check(const struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *events);
/* True if the delta may give rights to an origin that did not know of it. */
bool gs_rights_move(const struct gs_delta *delta);
/* … and applies them. */
int gs_events_apply(struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *events);

/* keep.c */
void gs_keep_policy_fill(struct gs_keep_policy *policy);
/* An event was applied to the cell. */
void gs_keep_touch(struct gs_core *core, struct gs_cell *cell);
/* The cell is as the group that was just sealed leaves it: should it be kept for those who look back? */
void gs_keep_note_far(struct gs_core *core, struct gs_cell *cell);
/* Adds a keep to the update if one is due and nothing is open. */
int gs_keep_consider(struct gs_core *core, struct gs_update *update);
void gs_keep_done(struct gs_core *core, int error);
/* When gs_keep_consider wants to be called next, by the monotonic clock. */
uint64_t gs_keep_deadline(const struct gs_core *core);

/* truncate.c */
/* Adds a truncation to the update if one is due. 0 or GS_ENOMEM. */
int gs_truncate_consider(struct gs_core *core, struct gs_update *update);
int gs_truncate_done(struct gs_core *core, int error, const struct gs_truncated *truncated);
uint64_t gs_truncate_deadline(const struct gs_core *core);

/* checkpoint.c: into a keep, and back. Reading: GS_ECORRUPT, GS_EUNTRUSTED, GS_EVERSION, GS_ENOMEM. */
int gs_checkpoint_write(struct gs_core *core, struct gs_keep *keep);
int gs_checkpoint_read(struct gs_core *core, uint64_t low, uint64_t position, struct gs_slice bytes);
int gs_checkpoint_read_journal(struct gs_core *core, enum gs_keep_journal journal, uint64_t first, uint64_t last,
                               struct gs_slice entries);
int gs_checkpoint_read_state(struct gs_core *core, const struct gs_keep_state *state);

/* base.c: a log that begins at a base; see node/store/base.h */
int gs_base_restore(struct gs_core *core, const struct gs_vector *heads, uint64_t position);
/* Are kept states the only copy of anything, now or soon? Then checkpoints are attested. */
bool gs_base_matters(const struct gs_core *core);
/* The attestation of a checkpoint: by this region, of the states at core->applied; nil if it does not matter. Reading:
 * GS_ECORRUPT, GS_EUNTRUSTED, GS_ENOMEM. */
int gs_base_write_attestation(struct gs_core *core, struct gs_buffer *out);
int gs_base_read_attestation(struct gs_core *core, struct gs_reader *reader);
/* Memory is as it was at the checkpoint: does it make the root that was attested? GS_ECORRUPT, GS_ENOMEM. */
int gs_base_check_root(struct gs_core *core);
/* At START: does what was recovered go on from the base? GS_ECORRUPT. */
int gs_base_check_heads(const struct gs_core *core);

/* read.c */
int gs_read_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);
int gs_list_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);
int gs_status_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);
/* What is known of the region of a key, as GET /peers shows it. */
/* acknowledged.c: {"gone":…,"acknowledged":[…]} */
void gs_status_write_log(const struct gs_core *core, struct gs_buffer *out);
void gs_status_write_peer(const struct gs_core *core, const struct gs_trust_entry *trusted, struct gs_buffer *out);
/* origins.c */
int gs_origins_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);

/* group.c */
/* Answers the command once everything up to `group` is stored: at once if it is. Out of memory, it is answered so. */
int gs_group_answer(struct gs_core *core, struct gs_command *command, uint64_t group, struct gs_update *update);
int gs_group_touch(struct gs_core *core, struct gs_cell *cell);
int gs_group_add_remote(struct gs_core *core, struct gs_slice record);
/* Seals our open events now if one of them is on an aggregate that `events` are going to change: the log then has both
 * in the order in which they were applied, so that versions mean the same in memory, in history and after a restart. */
int gs_group_keep_order(struct gs_core *core, const struct gs_event *events, uint32_t count);
bool gs_group_is_empty(const struct gs_core *core);
/* Seals the open group into a commit if none is in flight and there is something to store. */
int gs_group_seal(struct gs_core *core, struct gs_update *update);
int gs_group_stored(struct gs_core *core, uint64_t commit, int error, struct gs_update *update);
/* Fails every command that waits for anything. */
void gs_group_fail_all(struct gs_core *core, int error, struct gs_update *update);
void gs_group_close(struct gs_group *group);
/* Takes the command, or answers it when there is no memory for it. */
int gs_backlog_push(struct gs_core *core, struct gs_command *command, struct gs_update *update);
struct gs_command *gs_backlog_pop(struct gs_core *core);
void gs_backlog_unpop(struct gs_core *core, struct gs_command *command);
/* Carries out waiting writes as far as there is room for them. */
int gs_backlog_drain(struct gs_core *core, struct gs_update *update);

/* away.c */
void gs_away_begin(struct gs_core *core, struct gs_update *update);
void gs_away_end(struct gs_core *core);
/* Answers a command that what is stored does not answer. */
int gs_away_answer(struct gs_command *command, struct gs_update *update);

/* vouch.c: a record that came from a peer, parsed; slices borrow from the message. */
struct gs_arrival {
    struct gs_slice bytes;
    struct gs_record record;
    struct gs_batch_head head; /* unless GS_EFORMAT */
    int error; /* 0: its origin's key vouches for it; GS_EBUSY: it is there already, and was not looked at; GS_EFORMAT,
                  GS_ECLUSTER, GS_EUNTRUSTED, GS_ESIGNATURE */
    bool checked; /* vouched for by its own signature, not only by a later one */
};
/* Parses the records of a message and finds out who vouches for them; the caller frees the array. 0 or GS_ENOMEM. */
int gs_vouch(const struct gs_core *core, const struct gs_slice *records, uint32_t count,
             struct gs_arrival **ret_arrivals);
/* A batch of the origin was applied: was its own signature checked? */
void gs_vouch_applied(struct gs_core *core, struct gs_origin_state *origin, bool checked);
/* Before a commit: checks the newest batches whose own signatures were not. */
void gs_vouch_seal(struct gs_core *core);
/* True if the newest batch of every origin is well signed. */
bool gs_vouch_whole(const struct gs_core *core);
/* Of records that were read for a peer, appends to `ret_records` those that may be sent: each origin's part ends where
 * the signature is good. They are parsed in `ret_arrivals`, the caller's to free. GS_ENOMEM, or what is wrong. */
int gs_vouch_cut(const struct gs_core *core, struct gs_slice records, uint32_t count, struct gs_buffer *ret_records,
                 struct gs_arrival **ret_arrivals, uint32_t *ret_count);

/* remote.c */
int gs_remote_record(struct gs_core *core, struct gs_peer_state *peer, const struct gs_arrival *arrival,
                     struct gs_update *update);
/* A batch from the causal queue, whose signature was verified before: 0 when it is applied, was already there, or is
 * held; GS_ECHAIN when it can not be applied, GS_ENOMEM. */
int gs_remote_apply_waiting(struct gs_core *core, struct gs_origin_state *origin, struct gs_slice bytes);
/* A batch from the quarantine: 0 when it is applied, GS_ENOMEM, else why not. */
int gs_remote_apply_held(struct gs_core *core, struct gs_origin_state *origin, const struct gs_held *held);

/* retire.c */
int gs_retire_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);

/* stable.c */
/* What the owner of a key has applied at least, by its own log: a lower bound that outlives its link. */
int gs_stable_known(const struct gs_core *core, const gs_public_key *key, struct gs_vector *ret_vector);
/* Whether the owner of a key, other than us, is one of those whose applied log counts, once it has written. */
bool gs_stable_counts(const struct gs_core *core, const struct gs_trust_entry *trusted);
/* What every member has applied. */
int gs_stable_vector(const struct gs_core *core, struct gs_vector *ret_vector);

/* held.c */
/* Keeps a verified batch whose turn has come, with the reason for which it was not applied. */
int gs_held_put(struct gs_core *core, const struct gs_batch_head *head, struct gs_slice record, int reason);
/* The batch of an origin that is held, if it is the next one to apply; or NULL. */
const struct gs_held *gs_held_find(const struct gs_core *core, const gs_origin *origin);
/* Applies what is due or released, forgets what is there already. */
int gs_held_retry(struct gs_core *core);
bool gs_held_releasable(int reason);
/* True if the log has a stored release of the batch with this hash. */
bool gs_held_is_released(const struct gs_core *core, const gs_hash *hash);
int gs_held_recover(struct gs_core *core, const char *name, struct gs_slice bytes);
void gs_held_close(struct gs_core *core);
/* quarantine.c */
int gs_quarantine_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);

/* forks.c */
/* A verified record contradicts what is applied of its origin. `update` NULL: our side is read later, and what waits of
 * the origin is the caller's to drop. */
int gs_forks_found(struct gs_core *core, struct gs_origin_state *origin, const struct gs_record *record,
                   struct gs_update *update);
/* Reads our side of forks that were found, as far as it is stored. */
int gs_forks_read(struct gs_core *core, struct gs_update *update);
int gs_forks_log_read(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);
int gs_forks_message(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                     struct gs_update *update);
int gs_forks_recover(struct gs_core *core, const char *name, struct gs_slice bytes);
/* Two verified records that prove the fork better than what there is. */
int gs_forks_prove(struct gs_core *core, struct gs_origin_state *origin, const struct gs_record *a,
                   const struct gs_record *b, struct gs_update *update);
/* The record without what travels beside the batch: it proves nothing. */
void gs_forks_write_bare(const struct gs_record *record, struct gs_buffer *out);
void gs_forks_freeze(struct gs_core *core, struct gs_origin_state *origin);
void gs_forks_thaw(struct gs_core *core, struct gs_origin_state *origin);
/* True if the vector is known to have another history of an origin than is applied here, or may have one. */
bool gs_forks_part(const struct gs_core *core, const struct gs_vector *vector);
/* True if the peer says that it takes nothing of the origin for its fork. */
bool gs_forks_known_by(const struct gs_peer_state *peer, const gs_origin *origin);
/* Sends a peer the proofs that it does not know of. */
int gs_forks_tell(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update);

/* fork_point.c */
/* Asks for the record of our own log that holds the event; GS_EBUSY: not now. */
int gs_fork_read_begin(struct gs_core *core, enum gs_fork_reader reader, const gs_origin *origin, uint64_t seq,
                       gs_peer peer, struct gs_update *update);
int gs_fork_read_done(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);
int gs_fork_asked(struct gs_core *core, const struct gs_peer_state *peer, const struct gs_message *message,
                  struct gs_update *update);
int gs_fork_told(struct gs_core *core, const struct gs_peer_state *peer, const struct gs_message *message,
                 struct gs_update *update);
int gs_fork_search_tick(struct gs_core *core, struct gs_update *update);
void gs_fork_search_close(struct gs_core *core);

/* fork_decision.c */
/* The decision about an origin that counts, or NULL. */
struct gs_decision *gs_decision_find(const struct gs_core *core, const gs_origin *origin);
/* True if a decision says what to do with a record that contradicts what is applied: it is no new fork. */
bool gs_decision_expects(struct gs_core *core, struct gs_origin_state *origin, const struct gs_record *record);
/* True if the batch is the first of a branch that was decided against. */
bool gs_decision_forbids(const struct gs_core *core, const struct gs_batch_head *head);
int gs_decisions_start(struct gs_core *core);
/* The notes of all decisions once more: a note may be lost, and a cut may take the event itself out of the log. */
int gs_decisions_keep(const struct gs_core *core, struct gs_update *update);
/* Events of a verified batch were applied, or its record came by itself: any decisions in it are taken over. */
int gs_decisions_note(struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *events);
int gs_decision_message(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                        struct gs_update *update);
int gs_decision_recover(struct gs_core *core, const char *name, struct gs_slice bytes);
int gs_decisions_tell(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update);
/* Follows decisions, as far as can be told which branch is ours. */
int gs_decisions_tick(struct gs_core *core, struct gs_update *update);
/* The record of our log that was asked for to find out. */
int gs_decision_read(struct gs_core *core, const gs_origin *origin, uint64_t seq, struct gs_slice record);
/* True if a decision is not followed yet. */
bool gs_decisions_pending(const struct gs_core *core);
void gs_decisions_close(struct gs_core *core);

/* fork_import.c */
int gs_import_recover(struct gs_core *core, const char *name, struct gs_slice bytes);
int gs_import_tick(struct gs_core *core, struct gs_update *update);
/* Takes the answers to our own command out of the update. */
int gs_import_answered(struct gs_core *core, struct gs_update *update);
void gs_import_close(struct gs_core *core);

/* fork_show.c */
int gs_forks_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);

/* causal.c */
/* Puts a verified record into its origin's queue; over the cap it is dropped, and pulled again later. */
int gs_causal_put(struct gs_core *core, struct gs_origin_state *origin, const struct gs_batch_head *head,
                  struct gs_slice record);
/* Applies whatever has become applicable. */
int gs_causal_drain(struct gs_core *core);
void gs_causal_clear(struct gs_core *core, struct gs_origin_state *origin);
bool gs_causal_ready(const struct gs_core *core, const struct gs_batch_head *head);
/* False, and the first dep that is not applied, or is not the one that is applied: its origin has forked. */
bool gs_causal_unblocked(const struct gs_core *core, const struct gs_batch_head *head, struct gs_head *ret_blocker);

/* credit.c: who answers: a vector that wants has come; a part was sent and there are more: true if the next one may be
 * sent, too; credit has come: true if a part waited for it. Who asked: grants what was stored meanwhile. */
void gs_credit_begin(struct gs_peer_state *peer);
bool gs_credit_spend(struct gs_peer_state *peer);
bool gs_credit_granted(struct gs_peer_state *peer, uint32_t parts);
int gs_credit_pay(struct gs_core *core, struct gs_update *update);
int gs_credit_tick(struct gs_core *core, struct gs_update *update); /* what a rate cap had put off */

/* late.c */
/* A batch of the peer's was put into the queue: what it waits for is asked for, now or later. */
int gs_late_wait(struct gs_core *core, struct gs_peer_state *peer, const struct gs_batch_head *head,
                 struct gs_update *update);
int gs_late_tick(struct gs_core *core, struct gs_update *update);
/* When gs_late_tick wants to be called next, by the monotonic clock. */
uint64_t gs_late_deadline(const struct gs_core *core);

/* sync.c */
struct gs_peer_state *gs_peer_find(struct gs_core *core, gs_peer id);
int gs_sync_peer_up(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);
void gs_sync_peer_down(struct gs_core *core, gs_peer id, bool replaced);
int gs_sync_message(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);
int gs_sync_log_read(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);
int gs_sync_tick(struct gs_core *core, struct gs_update *update);
/* Counts what a step sends, for the traffic of peers. */
void gs_sync_count_sends(struct gs_core *core, const struct gs_update *update);
/* Pushes our own batch of a stored commit to every peer that has what comes before it. */
int gs_sync_push(struct gs_core *core, const struct gs_group *group, struct gs_update *update);
/* A sync job's rate cap lets nothing be asked for yet. */
bool gs_sync_is_paced(const struct gs_core *core);
/* Asks a peer for what we lack, unless an answer is under way. */
int gs_sync_pull(struct gs_core *core, struct gs_peer_state *peer, bool urgent, struct gs_update *update);

/* ranges.c */
int gs_snapshot_message(struct gs_core *core, struct gs_peer_state *peer, struct gs_slice body,
                        struct gs_update *update);
int gs_snapshot_send(gs_peer peer, const struct gs_snapshot *snapshot, struct gs_update *update);
int gs_ranges_ask(struct gs_core *core, struct gs_peer_state *peer, const struct gs_snapshot *ask,
                  struct gs_update *update);
int gs_ranges_log_read(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);

/* damage_wait.c */
bool gs_is_damage(int error);
int gs_damage_healed(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);
int gs_damage_tick(struct gs_core *core, struct gs_update *update);

/* witness.c */
/* A batch of the origin was applied, or is ours. 0 or GS_ENOMEM. */
int gs_witness_note(const struct gs_core *core, struct gs_origin_state *origin, const struct gs_batch_head *head);
/* What `origin` had applied of `of` when it wrote its event `seq`; false: too long ago to be remembered. */
bool gs_witness_at(const struct gs_core *core, const struct gs_origin_state *origin, uint64_t seq, const gs_origin *of,
                   uint64_t *ret_seq);
/* Numbers the origins that have a batch as a checkpoint has them, from 0 on, and returns how many there are. */
uint32_t gs_witness_number(struct gs_core *core);
/* known_from and the steps, as checkpoint.c has them; read back, steps hold numbers of origins (gs_witness_number)
 * until gs_witness_resolve. */
void gs_witness_write(const struct gs_witness *witness, struct gs_buffer *out);
int gs_witness_read(struct gs_reader *reader, struct gs_witness *witness);
int gs_witness_resolve(struct gs_core *core);
void gs_witness_close(struct gs_witness *witness);

/* idempotency.c */
struct gs_idempotency_entry *gs_idempotency_find(struct gs_core *core, const struct gs_idempotency *key);
/* Remembers an event that was applied; `versions` of the aggregates it changed, in order. 0 or GS_ENOMEM. */
int gs_idempotency_add(struct gs_core *core, const struct gs_event *event, const gs_origin *origin,
                       const uint64_t *versions);
void gs_idempotency_expire(struct gs_core *core);
void gs_idempotency_close(struct gs_core *core);

/* update.c: appending to an update; 0 or GS_ENOMEM. */
int gs_update_answer(struct gs_update *update, struct gs_command *command);
int gs_update_publish(struct gs_update *update, struct gs_view *view, struct gs_slice key);
/* Takes the buffer's contents, also when it fails; the first by the control lane. */
int gs_update_send_in(struct gs_update *update, gs_peer peer, enum gs_lane lane, struct gs_buffer *message);
int gs_update_send(struct gs_update *update, gs_peer peer, struct gs_buffer *message);
/* Takes the buffer's contents. */
int gs_update_stage(struct gs_update *update, struct gs_buffer *bytes);
/* Takes the buffer's contents; empty: forget the note. */
int gs_update_note(struct gs_update *update, const char *name, struct gs_buffer *bytes);
int gs_update_log_read(struct gs_update *update, gs_peer peer, const struct gs_vector *have);
/* left_behind.c: whether this region can never be whole again but by a snapshot; then must_set_aside. */
void gs_left_behind_consider(struct gs_core *core);
/* Copies the request, its cut too. */
int gs_update_rebuild(struct gs_update *update, const struct gs_core_rebuild *rebuild);
/* `name`: at most GS_CORE_NAME_MAX bytes. */
int gs_update_repaired(struct gs_update *update, struct gs_slice name);
int gs_update_drop(struct gs_update *update, gs_peer peer);
int gs_update_dial(struct gs_update *update, const struct gs_core_dial *dial);

/* lag.c */
/* Our own commit, just sealed. */
void gs_lag_remember(struct gs_core *core, uint64_t last_seq, size_t bytes);
/* How far behind a peer is that has our own events up to `seq`: bytes of our log, and milliseconds since the oldest
 * event it lacks was sealed. Both 0 if it lacks none of this life. Never too little, too much by at most a thirtieth.
 */
void gs_lag_own(const struct gs_core *core, uint64_t seq, uint64_t *ret_bytes, uint64_t *ret_age_ms);

/* Doubles an array of `size`-byte items when it is full. 0 or GS_ENOMEM. */
int gs_array_reserve(void **items, uint32_t *capacity, uint32_t count, size_t size);

#endif
