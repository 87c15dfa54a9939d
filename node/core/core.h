/* The replica core: one region's state, log head, clock and gossip, as a step function.
 *
 *     gs_core_step(core, event, update)
 *
 * Events bring time, commands, messages and storage completions in; the update says what to store, send, answer and
 * publish, and when to call again. No callback leaves the core; it reads no clock and draws no entropy (a seeded
 * generator is part of it); it does no I/O. The same code runs under libuv in `globalstate serve` and under virtual
 * time in tests/simulation. One thread owns a core.
 *
 * Order of life: gs_core_new → NOTE (every stored note), RESTORE (what was kept, if anything) and RECOVER (every stored
 * record, in log order, or those after what was kept) → START → anything.
 *
 * Promises (G1–G4, G9 of the design, each checked by the simulator)
 * 1. An answer to a write leaves only after STORED for the commit that holds it; so do the batch's messages to peers
 * and the view that shows it.
 * 2. Commits are numbered 1, 2, … and stored in that order. A commit's records are in an order in which they can be
 * applied: causal.
 * 3. A remote batch is applied only when its signature verifies, its chain continues, its deps are applied, and its
 * claims are within them.
 * 4. If a commit fails, every command in it and after it is answered with an error, and `update->reload` asks the shell
 * to make a new core from the store: recovery is the only road back, and it is the one every start takes.
 * 5. While the store is away reads go on, with what is stored; a write that may be carried out later is answered with
 * GS_EUNCERTAIN, one that is not with GS_ESTORE.
 * 6. Queues are bounded: commands (GS_CORE_COMMANDS_MAX), causal queue (bytes), idempotency index (entries). */
#ifndef GS_NODE_CORE_CORE_H
#define GS_NODE_CORE_CORE_H

#include "gossip/batch.h"
#include "gossip/member.h"
#include "gossip/message.h"
#include "gossip/trust.h"
#include "gossip/vector.h"
#include "node/core/bootstrap.h"
#include "node/core/command.h"
#include "node/core/cut.h"
#include "node/core/keep.h"
#include "node/core/truncation.h"
#include "node/core/view.h"

#include <globalstate/aggregate.h>

struct gs_core;

enum {
    GS_CORE_COMMANDS_MAX = 65536,                       /* waiting for a place in a commit */
    GS_CORE_CAUSAL_BYTES_MAX = 64 * 1024 * 1024,        /* remote batches waiting for what they depend on … */
    GS_CORE_CAUSAL_ORIGIN_BYTES_MAX = 16 * 1024 * 1024, /* … of one origin */
    GS_CORE_HELD_MAX = 1024,                            /* batches in quarantine */
    GS_CORE_HELD_BYTES_MAX = 64 * 1024 * 1024,
    GS_CORE_PULL_BYTES = 256 * 1024, /* records in one part of an answer to a pull, the last one may go past it */
    GS_CORE_PEERS_MAX = 64,
    GS_CORE_LOST_WAIT_MS = 10000, /* see gs_core_config.lost */
    GS_CORE_NAME_MAX = 257,       /* bytes of "type/id" */
    GS_NOTE_NAME_MAX = 80
};

/* Notes of this beginning are sync jobs (jobs.h); others are of what the core holds. */
#define GS_JOB_NOTE_PREFIX "sync-"

struct gs_core_config {
    gs_cluster cluster;
    struct gs_key_pair keys;
    const struct gs_trust *trust; /* borrowed; must hold our own key; may be replaced with gs_core_set_trust */
    uint64_t max_skew_ms;         /* batches stamped further ahead of our clock are held back; 60,000 by default */
    uint64_t sync_interval_ms;    /* how often to compare vectors with a random peer; 500 by default */
    uint64_t ack_interval_ms;     /* a node that only receives writes an acknowledgement this often; 5,000 by default */
    uint64_t start_wait_ms; /* how long a start with an own log waits for the answer of every other trusted key, before
                               it goes on as a new incarnation; 0: nobody is asked, the caller vouches for the disk */
    uint64_t
        close_after_ms; /* an earlier life of our key is closed once nothing has come of it for so long; 0: never */
    uint64_t verify_interval_ms;          /* how often to compare digests with all peers unasked; 0: never */
    uint64_t idempotency_ms;              /* how long keys are remembered; 24 h by default */
    uint32_t idempotency_max;             /* entries remembered at most */
    struct gs_keep_policy keep;           /* zeros: the defaults of keep.h */
    const struct gs_retention *retention; /* borrowed; how long events are to be remembered. NULL: for ever */
    uint64_t bootstrap_events; /* lacking so many, an empty node asks for a snapshot; 0: GS_BOOTSTRAP_EVENTS */
    bool sets_log_aside;       /* the shell does what update.set_aside says (left_behind.c) */
    bool heals_log;            /* the shell does what update.damaged says */
    uint64_t bootstrap_rate;   /* bytes a second that a snapshot may take; 0: no cap */
    bool attest_keeps;         /* checkpoints are attested: of a log that is whole, but is not to stay so */
    /* Where peers may dial us, as our member record says; GS_EINVAL at START if one is not valid. */
    uint32_t address_count;
    char addresses[GS_MEMBER_ADDRESSES_MAX][GS_MEMBER_ADDRESS_MAX + 1];
    uint8_t seed[32]; /* of the core's generator */
    uint64_t now_ms;  /* wall clock now: a new incarnation is stamped with it */
    /* The store has lost what it acknowledged: our own events up to `seq` of this origin, if `seq` is not 0. The core
     * begins a new incarnation, as numbering on would fork our own history, and takes writes once peers have given
     * those events back (a request that is sent again must find them), or after GS_CORE_LOST_WAIT_MS. */
    struct {
        gs_origin origin;
        uint64_t seq;
    } lost;
};

enum gs_core_event_type {
    GS_CORE_RESTORE, /* the base, if the log has one, then what was kept (keep.h): the checkpoint, then journals, then
                        states; before RECOVER */
    GS_CORE_RECOVER, /* a stored record, in log order, those after `low` of a checkpoint; before START */
    GS_CORE_NOTE,    /* a stored note; before START */
    GS_CORE_START,
    GS_CORE_COMMAND,    /* a client asks; the core takes the command until it is in `answers` */
    GS_CORE_PEER_UP,    /* a link to a peer is established */
    GS_CORE_PEER_DOWN,  /* … is gone */
    GS_CORE_MESSAGE,    /* a message from a peer */
    GS_CORE_STORED,     /* a commit is on disk, or failed */
    GS_CORE_LOG_READ,   /* the answer to update.log_reads */
    GS_CORE_STORE_AWAY, /* the commit in flight is late: who waits is told so, and writes are refused */
    GS_CORE_STORE_BACK, /* … and STORED comes after all */
    GS_CORE_KEPT,       /* a keep is written, or failed: then there will be no other */
    GS_CORE_REBUILT,    /* the answer to update.rebuilds */
    GS_CORE_LEAVE,      /* the node is about to stop: peers are told, before their links go */
    GS_CORE_TRUNCATED,  /* a step of removing records is done, or failed */
    GS_CORE_HEALED,     /* the answer to update.damaged */
    GS_CORE_STAGED,     /* what update.stages have left of an earlier process; before START, of an empty store */
    GS_CORE_INSTALLED,  /* the answer to update.install */
    GS_CORE_TICK        /* time has passed */
};

/* A peer is named by the number of its link; a link that comes back has a new number. */
typedef uint64_t gs_peer;

/* In place of a peer: a log read that the core makes for itself. */
#define GS_CORE_OWN_READ ((gs_peer)0)
#define GS_CORE_FORK_READ ((gs_peer)UINT64_MAX)
/* With the number of a link: a read for a question about one origin's events (ranges.c). */
#define GS_CORE_RANGE_READ ((gs_peer)1 << 63)

struct gs_core_event {
    enum gs_core_event_type type;
    uint64_t now_ms;  /* wall clock, milliseconds since 1970; may jump */
    uint64_t mono_ms; /* monotonic clock, milliseconds; never goes back */
    union {
        struct gs_slice record; /* RECOVER; borrowed */
        struct {
            const struct gs_vector *base; /* the heads of the log's base, at `position`, if not NULL; … */
            struct gs_staged *staged; /* … else all states of a snapshot that was installed, kept at `position`, if not
                                         NULL: taken; the core has no other; … */
            const struct gs_keep_state *state; /* … else a state, if not NULL; else a journal's entries, … */
            bool is_journal;
            enum gs_keep_journal journal;
            uint64_t first, last;
            uint64_t low, position; /* … else the checkpoint */
            struct gs_slice bytes;
        } restore; /* RESTORE; borrowed */
        int kept;  /* KEPT: 0 or GS_E… */
        struct {
            const char *name;
            struct gs_slice bytes;
        } note; /* NOTE; borrowed */
        struct gs_command *command;
        struct {
            gs_peer peer;
            gs_public_key key;       /* PEER_UP */
            struct gs_slice address; /* PEER_UP; borrowed text, for people */
            struct gs_slice message; /* MESSAGE; borrowed */
            bool replaced;           /* PEER_DOWN: the same key has linked anew in its place */
        } peer;
        struct {
            uint64_t commit;
            int error; /* 0 or GS_E… */
        } stored;
        struct {
            gs_peer peer;
            int error;
            bool more; /* there are more records than these */
            uint32_t count;
            struct gs_slice records; /* encoded records, one after another; borrowed */
        } log_read;
        struct {
            int error;
            const struct gs_truncated *result; /* borrowed; of no meaning after an error */
        } truncated;
        struct {
            uint64_t number;
            int error;             /* 0, or GS_ECORRUPT, GS_EIO, GS_ESTORE …: the log could not be read */
            uint64_t version;      /* events in it; 0: the aggregate has none */
            gs_hlc updated;        /* the greatest clock among them */
            struct gs_slice state; /* GS_ENCODE_FULL; borrowed */
        } rebuilt;
        struct {
            uint32_t records; /* that were damaged, and are what they were again */
            uint32_t left;    /* that still are */
            bool refused;     /* nobody has looked: there is no way to, or it has failed a moment ago */
        } healed;
        struct gs_slice staged; /* STAGED; borrowed */
        int installed;          /* INSTALLED: 0 or GS_E… */
    };
};

/* Append these records to the log, atomically and durably, then step with STORED. Commits are handed out one at a time,
 * in order. */
struct gs_commit {
    uint64_t number;
    uint32_t count;
    struct gs_buffer records; /* encoded records, one after another, in log order */
};

struct gs_core_send {
    gs_peer peer;
    enum gs_lane lane; /* messages of one lane must arrive in order */
    struct gs_buffer message;
};

/* Read the log for a peer: records it lacks, in log order, about GS_CORE_PULL_BYTES of them; then step with LOG_READ.
 */
struct gs_core_log_read {
    gs_peer peer;
    struct gs_vector have; /* what the peer has */
};

/* Make an aggregate of what the log says, and step with REBUILT. */
struct gs_core_rebuild {
    uint64_t number;
    char name[GS_CORE_NAME_MAX + 1]; /* "type/id" */
    bool from_log;                   /* of signed batches alone, each verified; else a kept state may save work */
    bool has_cut;
    struct gs_vector cut; /* of the events within it only; else of all that are stored */
};

/* Keep a note beside the log, in place of the one with the same name, or forget it. Notes are what a node remembers
 * that no other node has to know. They may reach the disk later than what comes after them, and may be lost: the core
 * then knows less, and is the more careful for it. */
struct gs_core_note {
    char name[GS_NOTE_NAME_MAX + 1]; /* [a-z0-9-] */
    struct gs_buffer bytes;          /* empty: forget it */
};

/* Where a member can be dialed, in place of what was said of it before; none: nowhere. */
struct gs_core_dial {
    gs_public_key key;
    uint32_t count;
    char addresses[GS_MEMBER_ADDRESSES_MAX][GS_MEMBER_ADDRESS_MAX + 1];
};

/* What changed in the set of views; see view.h. */
struct gs_core_publish {
    struct gs_view *view; /* a reference; NULL: forget the view of the aggregate named by key */
    struct gs_slice key;  /* "type/id", borrowed until the next step */
};

/* What a step asks for. Zero-initialise once; gs_core_step appends; the shell carries out `publishes` first, then the
 * rest, and empties it with gs_update_clear. Everything in it is owned by the update, but for `answers` (they go back
 * to whoever sent them). */
struct gs_update {
    bool has_commit;
    struct gs_commit commit;
    struct gs_core_publish *publishes;
    uint32_t publish_count, publish_capacity;
    struct gs_command **answers; /* commands with their results filled in */
    uint32_t answer_count, answer_capacity;
    struct gs_core_send *sends;
    uint32_t send_count, send_capacity;
    struct gs_core_log_read *log_reads;
    uint32_t log_read_count, log_read_capacity;
    struct gs_core_rebuild *rebuilds;
    uint32_t rebuild_count, rebuild_capacity;
    char (*repaired)[GS_CORE_NAME_MAX + 1]; /* "type/id" of aggregates that gave way to what the log makes of them */
    uint32_t repaired_count, repaired_capacity;
    gs_peer *drops; /* links that misbehaved: close them */
    uint32_t drop_count, drop_capacity;
    struct gs_core_note *notes;
    uint32_t note_count, note_capacity;
    struct gs_core_dial *dials; /* keep dialing these while they are not linked */
    uint32_t dial_count, dial_capacity;
    struct gs_keep
        *keep; /* NULL, or what to keep beside the log once the commits so far are stored; then step with KEPT */
    struct gs_truncation *truncation; /* NULL, or let the store remove what this allows, one step; then TRUNCATED */
    struct gs_buffer *stages;         /* keep these beside the store, in order, until an install */
    uint32_t stage_count, stage_capacity;
    struct gs_core_install *install; /* NULL, or what the store is to begin with, with all that is staged; then step
                                        with INSTALLED */
    bool damaged; /* the log could not be read, or is to be looked through: look for what is damaged, fetch it again,
                     then step with HEALED */
    bool forget_views;     /* before `publishes`: all views that were published show names that no longer hold */
    uint64_t next_mono_ms; /* step with TICK at this time at the latest */
    bool has_cut; /* with `reload`: before recovery, take this out of the store (node/core/cut.h), once the notes
                     of this update are durable: what was decided must not be forgotten when its event goes */
    struct gs_cut cut;
    bool set_aside; /* with `reload`: before recovery, put the store's log aside and forget the note of our own life:
                     all that it has is elsewhere, and it cannot go on (left_behind.c) */
    bool reload;    /* the core is of no more use: close it and recover a new one from the store */
    bool halt;      /* another node runs with our key, and began earlier: this one must stop for good */
};

void gs_update_clear(struct gs_update *update);

/* A new core, not yet started. GS_EUNTRUSTED if the trust set lacks our key, GS_ENOMEM. */
int gs_core_new(const struct gs_core_config *config, struct gs_core **ret_core);
void gs_core_free(struct gs_core *core);

/* 0, or GS_ENOMEM / GS_ECORRUPT (RECOVER: the record does not continue the log). After an error the core may only be
 * freed. */
int gs_core_step(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);

/* The states of the snapshot that update.install speaks of, for RESTORE of another core; this one needs them no more.
 * The caller closes `ret_staged`. */
void gs_core_take_staged(struct gs_core *core, struct gs_staged *ret_staged);

/* Another core, not started yet, knows the sync jobs of this one, as a restart would. 0 or GS_ENOMEM. */
int gs_core_hand_on_jobs(const struct gs_core *core, struct gs_core *to);

/* The trust file was read again; `trust` is borrowed in place of the old one. */
void gs_core_set_trust(struct gs_core *core, const struct gs_trust *trust);

/* Counters for /health, /metrics and tests; monotonic since gs_core_new unless said otherwise. */
struct gs_core_stats {
    bool started;               /* START was given and the wait for peers is over: writes are taken */
    uint64_t events_local;      /* accepted from clients */
    uint64_t events_remote;     /* applied from peers */
    uint64_t batches_refused;   /* signature, chain, cluster, form */
    uint64_t batches_duplicate; /* received although already there */
    uint64_t batches_held;      /* validly signed but not to be applied: skew, claims */
    uint64_t held;              /* now, in quarantine */
    uint64_t forks;             /* origins of which nothing is taken for a fork, now */
    uint64_t decisions;         /* about forks, that are known, now */
    uint64_t imported;          /* events of branches that were decided against, written again */
    uint64_t import_waiting;    /* now, events that are still to be */
    uint64_t import_refused;    /* now, those of them that could not be */
    uint64_t commits;
    uint64_t requests_known;     /* now, idempotency keys that are remembered */
    uint64_t conflicts_known;    /* now, in the ledger */
    uint64_t keep_behind;        /* now, changes that a start would have to replay at most */
    uint64_t conflicts;          /* recorded in the ledger, those of recovery included */
    uint64_t aggregates;         /* now */
    uint64_t aggregate_bytes;    /* now */
    uint64_t compacted;          /* times that bookkeeping of an aggregate went out of memory */
    uint64_t compacted_bytes;    /* that went */
    uint64_t unclean;            /* now, aggregates that changed and were not looked at since */
    uint64_t causal_bytes;       /* now, waiting for what they depend on */
    uint64_t incarnations;       /* how often this core took a new incarnation */
    uint64_t verify_runs;        /* comparisons of digests with a peer that came to an end */
    uint64_t verify_differing;   /* aggregates that were found to differ */
    uint64_t verify_repaired;    /* aggregates replaced by what the log makes of them */
    uint64_t pull_bytes;         /* sent in answers to pulls */
    uint64_t push_bytes;         /* sent unasked */
    uint64_t truncated;          /* records removed */
    uint64_t truncations_failed; /* steps of that */
    uint32_t behind_base;        /* now, linked peers whose log no longer has what we lack: a snapshot is needed */
    uint64_t snapshot_chunks;    /* taken over from others */
    uint64_t snapshots_refused;  /* whose sender was caught */
    uint32_t peers;              /* now, linked */
    uint32_t members;            /* now, other trusted keys that are known to run, or to have run */
    uint32_t members_alive, members_suspect, members_dead, members_left; /* of these */
    uint32_t distress;    /* now, 0 … 8: how far we doubt our own observations of others */
    uint64_t probes;      /* rounds of questions to others about a member that is silent here */
    uint64_t suspicions;  /* members that began to be suspected */
    uint64_t refutations; /* records of ours made because somebody asked, or held an older life's for the newest */
    uint32_t open_events; /* now, ours, applied and not yet in a batch: memory is ahead of `applied` by them */
};
void gs_core_get_stats(const struct gs_core *core, struct gs_core_stats *ret_stats);

/* What is applied / what is stored; borrowed until the next step. Our own origin and its last seq. */
const struct gs_vector *gs_core_applied(const struct gs_core *core);
const struct gs_vector *gs_core_stored(const struct gs_core *core);
gs_origin gs_core_origin(const struct gs_core *core);
/* What every live member has applied, by the applied log alone; the caller closes `ret_vector`. 0 or GS_ENOMEM. */
int gs_core_stable(const struct gs_core *core, struct gs_vector *ret_vector);
/* True if the log has closed the origin: `ret_final` is the last seq of it that is ever taken. */
bool gs_core_closed(const struct gs_core *core, const gs_origin *origin, uint64_t *ret_final);
/* The key whose life an origin is; false if the origin is not known. */
bool gs_core_origin_key(const struct gs_core *core, const gs_origin *origin, gs_public_key *ret_key);
/* An origin's name as the API prints it, cut to fit. */
void gs_core_write_name(const struct gs_core *core, const gs_origin *origin, char *ret_name, size_t size);

/* What we make of another region. */
enum gs_peer_life { GS_PEER_ALIVE, GS_PEER_SUSPECT, GS_PEER_DEAD, GS_PEER_LEFT };
enum gs_peer_reach {
    GS_REACH_DIRECT,   /* heard on its link, and it hears us */
    GS_REACH_ONE_WAY,  /* heard on its link, but it answers nothing: what we send may not get there */
    GS_REACH_INDIRECT, /* not heard, but others bring its answers */
    GS_REACH_NONE
};
/* Of a trusted key other than ours; one that was never met is dead. */
void gs_core_peer_life(const struct gs_core *core, const gs_public_key *key, enum gs_peer_life *ret_life,
                       enum gs_peer_reach *ret_reach);

/* How far another region is behind, as `/peers` says it. */
struct gs_peer_lag {
    char region[GS_REGION_NAME_MAX + 1];
    enum gs_peer_life life;
    bool linked;
    uint64_t round_trip_ms; /* of the link; 0 without one */
    uint64_t events;        /* that we have stored and it has not */
    uint64_t bytes;         /* of our own log that it lacks … */
    uint64_t age_ms;        /* … and how old the oldest of that is */
};
/* Of all trusted regions but ours, revoked and retired ones, at most `max`; returns how many. */
uint32_t gs_core_peer_lags(const struct gs_core *core, struct gs_peer_lag *ret_lags, uint32_t max);

/* Visits every aggregate, in no particular order; stops at the first non-zero result and returns it. For tests and
 * digests. */
typedef int (*gs_core_aggregate_fn)(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                                    const struct gs_aggregate *aggregate);
int gs_core_visit(const struct gs_core *core, gs_core_aggregate_fn visit, void *context);

#endif
