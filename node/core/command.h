/* Commands: what clients ask of the core, already parsed, and the results they get.
 *
 * A command is made by a request thread, handed to the core's thread, filled in there, and handed back. All its input
 * lives in its arena; the core only reads it, and writes `results`. It is owned by the core between GS_CORE_COMMAND and
 * `update.answers`. */
#ifndef GS_NODE_CORE_COMMAND_H
#define GS_NODE_CORE_COMMAND_H

#include "gossip/batch.h"
#include "node/core/sync_request.h"
#include "node/core/view.h"

#include <globalstate/delta.h>

struct gs_fork_choice;

enum gs_command_kind {
    GS_COMMAND_WRITE,     /* one or several events */
    GS_COMMAND_READ,      /* the views of one or several aggregates, at one cut */
    GS_COMMAND_STATUS,    /* the node's own view of the cluster, as JSON */
    GS_COMMAND_LIST,      /* ids of a type, in order */
    GS_COMMAND_SYNC,      /* sync jobs: started, shown, cancelled */
    GS_COMMAND_STABILITY, /* who holds one aggregate's bookkeeping back: keys[0]; as JSON. GS_ENOTFOUND */
    GS_COMMAND_DIGEST,    /* the signed root of the digest tree, as JSON */
    GS_COMMAND_ORIGINS,   /* who has written, under which names; what of the past is final */
    GS_COMMAND_CONFLICTS, /* the conflict ledger, newest first */
    GS_COMMAND_RETIRE,    /* a region is retired for good */
    GS_COMMAND_REWRITE,   /* not for the core: records that take the place of stored ones */
    GS_COMMAND_FORKS,     /* forked origins and what was decided about them, as JSON; or one of them */
    GS_COMMAND_QUARANTINE /* batches that are held and forks, as JSON; or one of them, with its bytes */
};

enum gs_write_kind {
    GS_WRITE_OPS,    /* ops as given: an event, even if they change nothing */
    GS_WRITE_PUT,    /* ops are the difference between the state and `document` */
    GS_WRITE_DELETE, /* unset "" */
    GS_WRITE_BACK    /* ops as given, which lead back to an earlier state: no event if they change nothing */
};

/* Precondition on one aggregate; all that are set must hold. */
struct gs_precondition {
    bool has_version;
    uint64_t version; /* expectedVersion: 0 = never written */
    bool has_etag;
    char etag[GS_ETAG_SIZE]; /* If-Match */
    bool must_exist;         /* If-Match: * */
    bool must_not_exist;     /* If-None-Match: * */
};

struct gs_write_change {
    struct gs_slice aggregate_type;
    struct gs_slice aggregate_id;
    enum gs_write_kind kind;
    const struct gs_op *ops; /* GS_WRITE_OPS, GS_WRITE_BACK */
    uint32_t op_count;
    struct gs_slice document; /* GS_WRITE_PUT: a canonical map */
    const char *prefix;       /* where the ops stand in the request, for errors: "/ops", "/changes/2/ops" */
    struct gs_precondition precondition;
};

/* One event to be. */
struct gs_write {
    struct gs_slice event_type;
    struct gs_slice actor;
    struct gs_idempotency idempotency;
    struct gs_slice detached; /* canonical map, or empty */
    bool internal;            /* may write aggregates that are the node's own */
    uint32_t change_count;
    const struct gs_write_change *changes;
};

/* What became of one aggregate. */
struct gs_change_result {
    uint64_t version;
    bool created;         /* the aggregate did not exist before */
    char *vector_json;    /* {"eu-west":12,…}, owned by the command's arena */
    struct gs_view *view; /* the state after it, if the command wants views; a reference */
};

/* What became of one write. `error` 0: accepted and stored. */
struct gs_write_result {
    int error;
    struct gs_problem problem;
    bool has_current_version; /* 409, 412: what the aggregate is at */
    uint64_t current_version;
    bool replayed;  /* the idempotency key was known: this is the earlier event */
    bool unchanged; /* nothing to do: no event was written (PUT of the same state, DELETE of nothing); seq is 0 */
    gs_origin origin;
    char *region; /* the origin's name, as the API prints it; in the command's arena. NULL if there is no event */
    uint64_t seq;
    gs_hlc clock;
    struct gs_change_result *changes; /* as many as the write has; in the command's arena */
};

struct gs_read_key {
    struct gs_slice aggregate_type;
    struct gs_slice aggregate_id;
};

/* What readers of the past need to know of an origin. */
struct gs_origin_name {
    gs_origin origin;
    gs_public_key key;
    char region[GS_REGION_NAME_MAX + 1]; /* plain */
    char name[GS_REGION_NAME_MAX + 8];   /* as the API prints it: an earlier incarnation is "region~XXXX" */
    bool is_latest;                      /* the one that goes by the plain name */
};

/* An entry of the conflict ledger. */
struct gs_conflict_item {
    uint64_t number;
    struct gs_slice type; /* of its aggregate */
    struct gs_slice id;
    struct gs_slice json;
};

struct gs_command {
    enum gs_command_kind kind;
    struct gs_arena arena; /* input and results */
    void *owner;           /* the shell's */

    /* WRITE */
    const struct gs_write *writes;
    uint32_t write_count;
    bool atomic;                     /* all or none */
    bool want_views;                 /* fill in gs_change_result.view */
    struct gs_write_result *results; /* as many as writes; set by the core, in the arena */

    /* READ */
    const struct gs_read_key *keys;
    uint32_t key_count;
    struct gs_view **views; /* as many as keys; references, set by the core; an aggregate never written has a view too
                               (exists = false) */

    /* LIST */
    struct gs_slice list_type;
    struct gs_slice list_after; /* ids greater than this */
    uint32_t list_limit;

    /* ORIGINS; in the arena */
    const struct gs_origin_name *origins; /* sorted by origin */
    uint32_t origin_count;
    uint64_t final_ms; /* no event stamped before this millisecond can still arrive */

    /* CONFLICTS: of all aggregates, or of list_type/list_id; list_limit at most */
    struct gs_slice list_id;
    uint64_t list_before;               /* numbers less than this; 0: from the newest */
    struct gs_conflict_item *conflicts; /* set by the core, in the arena */
    uint32_t conflict_count;
    bool conflict_more;         /* there are older ones */
    uint64_t conflict_recorded; /* how many there ever were since the start */
    /* QUARANTINE, FORKS */
    struct gs_slice held_id;     /* empty: all of them; GS_ENOTFOUND if there is no such one */
    int held_reason;             /* set by the core: GS_E… of the one */
    bool held_releasable;        /* … */
    struct gs_slice importer;    /* FORKS of one: a region that may be asked to import; may be empty */
    struct gs_fork_choice *fork; /* FORKS of one: what may be decided about it; the command's arena's */

    /* RETIRE */
    struct {
        struct gs_slice region;    /* its name */
        struct gs_slice heir;      /* the region that gets its rights of bounded counters; empty: this one */
        struct gs_slice reason;    /* a canonical text, or empty */
        struct gs_slice actor;     /* who decides */
        struct gs_problem problem; /* set by the core if its code is not 0: GS_EINVAL, GS_ENOTFOUND */
    } retire;

    /* REWRITE: gs_store_thread_rewrite; GS_EBUSY, GS_EINVAL as there */
    struct gs_buffer rewrites; /* owned */
    bool scrub;

    /* SYNC */
    struct gs_sync_request sync;

    /* all */
    int error; /* 0, or why the whole command failed: GS_EOVERLOADED, GS_ESTORE, GS_ESHUTDOWN, GS_ENOMEM, GS_EBUSY
                  (starting) */
    struct gs_buffer json; /* STATUS, QUARANTINE, LIST, STABILITY, DIGEST, SYNC: the answer */
};

struct gs_command *gs_command_new(enum gs_command_kind kind);
/* Drops the references to views, too. NULL is allowed. */
void gs_command_free(struct gs_command *command);

#endif
