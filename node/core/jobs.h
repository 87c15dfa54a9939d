/* Sync jobs: what an operator starts, watches and cancels (POST /sync), and what the node starts by itself.
 *
 *     delta    exchange events with each peer now, then compare roots
 *     verify   compare digest trees at a common cut, down to the aggregate and field that differ; changes nothing
 *     bootstrap  begun by an empty node itself: a snapshot, then as delta (bootstrap.h)
 *     history    begun after a bootstrap: the log behind its snapshot is looked at (behind.h)
 *     full     verify, then each side rebuilds what is at fault from its own log; then compare again. Meanwhile all of
 *              this region's log is read, and what is damaged is fetched again
 *
 * A job works on all its peers at once, each for itself: one that fails takes no other with it. Percentages never go
 * back. A job that is asked for while one of the same mode and scope is under way is that job. Finished ones are kept,
 * the newest GS_JOBS_KEPT; each is a note beside the log (in PostgreSQL, a row), so that one that a restart interrupts
 * goes on after it. */
#ifndef GS_NODE_CORE_JOBS_H
#define GS_NODE_CORE_JOBS_H

#include "node/core/behind.h"
#include "node/core/sync_request.h"
#include "node/core/verify.h"

struct gs_command;

enum {
    GS_JOBS_KEPT = 64,
    GS_JOBS_RUNNING = 4,         /* at once; others wait */
    GS_JOB_RESUMES_MAX = 3,      /* a job that does not survive this many starts is given up */
    GS_JOB_LINK_WAIT_MS = 10000, /* for a peer that is not linked */
    GS_JOB_EXCHANGE_MS = 60000,  /* without anything moving */
    GS_JOB_GONE_MS = 3000,       /* the same, while the peer says that it no longer has what is lacking */
    GS_JOB_SCAN_MS = 3600000     /* for a walk through the log */
};

#define GS_JOB_GONE "its log no longer has what this region lacks; another one's may, or this region begins anew, empty"

/* What has gone over a link, as messages, before encryption. */
struct gs_traffic {
    uint64_t bytes_in, bytes_out;
    uint64_t events_in, events_out;
};

enum gs_sync_status { GS_SYNC_QUEUED, GS_SYNC_RUNNING, GS_SYNC_COMPLETED, GS_SYNC_FAILED, GS_SYNC_CANCELLED };

/* full: the walk through the own log. */
enum gs_job_scan { GS_SCAN_NONE, GS_SCAN_RUNNING, GS_SCAN_DONE, GS_SCAN_REFUSED };

enum gs_sync_stage {
    GS_SYNC_LINKING,
    GS_SYNC_SNAPSHOT, /* bootstrap: its own file says how far */
    GS_SYNC_EXCHANGE,
    GS_SYNC_COMPARE, /* the verify says how far */
    GS_SYNC_RECHECK,
    GS_SYNC_BEHIND, /* history: behind.h says how far */
    GS_SYNC_OVER
};

struct gs_sync_peer {
    char region[GS_REGION_NAME_MAX + 1];
    enum gs_sync_status status;
    enum gs_sync_stage stage;
    gs_peer link; /* 0: none yet */
    uint64_t began_mono_ms, moved_mono_ms, ended_mono_ms;
    struct gs_vector want_here, want_there; /* EXCHANGE ends when both are where they are wanted */
    uint64_t missing_first, missing_last;   /* events */
    struct gs_traffic base, traffic;
    struct gs_verify found, recheck;
    struct gs_behind behind;
    char first_region[GS_REGION_NAME_MAX + 1]; /* history: that was asked; others follow in the order of names */
    uint32_t percent;
    bool converged;
    char error[GS_VERIFY_REASON_SIZE];
    /* dryRun */
    uint64_t plan_receive, plan_send, plan_bytes; /* events, events, bytes */
    const char *plan_method;
};

struct gs_job {
    char id[GS_SYNC_ID_SIZE];
    enum gs_sync_mode mode;
    enum gs_sync_status status;
    bool dry_run, scheduled;
    uint64_t rate; /* bytes a second; 0: no cap */
    bool quiet;    /* nobody asked for it, and it found nothing */
    uint32_t resumes;
    uint64_t started_ms, finished_ms, began_mono_ms;
    char types[GS_JOB_TYPES_MAX][GS_ID_BYTES_MAX + 1];
    uint32_t type_count;
    struct gs_sync_peer *peers; /* owned; NULL once it is over */
    uint32_t peer_count;
    enum gs_job_scan scan;
    uint64_t scan_mono_ms;            /* when it began */
    uint32_t log_healed, log_damaged; /* records */
    char error[GS_VERIFY_REASON_SIZE];
    struct gs_buffer json; /* once it is over */
};

struct gs_jobs {
    struct gs_job *jobs[GS_JOBS_KEPT]; /* owned, oldest first */
    uint32_t count;
    uint32_t active; /* queued or running */
    uint64_t next_verify_mono_ms;
    uint64_t rate;                           /* the least of those that run; 0: none has one */
    char history_of[GS_REGION_NAME_MAX + 1]; /* a bootstrap from there is over: what was before comes next; "" */
};

void gs_jobs_close(struct gs_core *core);
/* A note of a job, at start. */
int gs_jobs_note(struct gs_core *core, const char *name, struct gs_slice bytes);
int gs_jobs_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);
/* Goes on with what is under way: after every step. */
int gs_jobs_step(struct gs_core *core, struct gs_update *update);

/* The log was looked through: what was damaged, and what still is; or it could not be (`refused`). */
void gs_jobs_scanned(struct gs_core *core, uint32_t healed, uint32_t left, bool refused);

/* A bootstrap begins, with this region. 0 or GS_ENOMEM. */
int gs_jobs_begin_bootstrap(struct gs_core *core, const char *region);
/* Records that a peer has sent on a question. */
void gs_jobs_records(struct gs_core *core, const struct gs_peer_state *peer, const struct gs_snapshot *answer);
/* What a restart would go on with has changed. */
int gs_jobs_remember(struct gs_core *core, const struct gs_job *job);
/* job_peer.c: one peer of a job that is running goes on. */
int gs_job_peer_step(struct gs_core *core, struct gs_job *job, struct gs_sync_peer *peer, struct gs_update *update);
/* How many events `has` lacks of `wanted`. */
uint64_t gs_vector_lacking(const struct gs_vector *has, const struct gs_vector *wanted);
/* job_json.c */
void gs_job_write(const struct gs_core *core, const struct gs_job *job, struct gs_buffer *out);
/* job_restore.c: from a note: a line with the start's milliseconds, then what gs_job_write made. NULL in `ret_job`: it
 * is not one. GS_ENOMEM. */
int gs_job_restore(struct gs_slice json, struct gs_job **ret_job);
void gs_job_free(struct gs_job *job);
extern const char *const gs_sync_mode_names[GS_SYNC_MODES];
extern const char *const gs_sync_status_names[5];

#endif
