/* Stores: where a region's log lives. One interface, one conformance suite (tests/conformance), several engines.
 *
 * The log is the truth: an append of records, in the order in which this node applied them (causal order); positions
 * are 1, 2, 3 … Methods block and are called from one thread at a time; `node/store/store_thread.h` gives the engine a
 * thread of its own. An error after which nobody can find out whether something is on disk is GS_EIO, and the engine
 * refuses every later append (fsync errors are never retried over). */
#ifndef GS_NODE_STORE_STORE_H
#define GS_NODE_STORE_STORE_H

#include "gossip/batch.h"
#include "gossip/vector.h"
#include "node/core/keep.h"
#include "node/core/truncation.h"
#include "node/store/base.h"
#include "node/store/history.h"

#include <stdatomic.h>

struct gs_store;

/* Receives one stored record; bytes are borrowed. Non-zero stops the walk and is returned by it. */
typedef int (*gs_store_record_fn)(void *context, uint64_t position, struct gs_slice record);

/* What was kept (node/core/keep.h), in the order in which a core restores it: the checkpoint, then journals' entries in
 * order, then the newest state of each aggregate. Everything is borrowed. Non-zero stops the walk and is returned. */
struct gs_kept_visitor {
    void *context;
    int (*checkpoint)(void *context, uint64_t low, uint64_t position, struct gs_slice core);
    int (*entries)(void *context, enum gs_keep_journal journal, uint64_t first, uint64_t last, struct gs_slice entries);
    int (*state)(void *context, const struct gs_keep_state *state);
};

/* Hands over the next part of what is installed; `ret_keep` is borrowed until the next call, NULL at the end. Parts
 * without a checkpoint have an empty `core`; the last checkpoint counts. Non-zero ends the installation. */
typedef int (*gs_store_part_fn)(void *context, const struct gs_keep **ret_keep);
/* A row of the log as it lies on the disk, good or not. */
struct gs_stored_row {
    uint64_t position;
    bool intact;      /* its checksum matches */
    gs_origin origin; /* as its columns say */
    uint64_t first_seq, last_seq;
    struct gs_slice record; /* borrowed */
};
typedef int (*gs_store_row_fn)(void *context, const struct gs_stored_row *row);

enum { GS_STORE_ASIDE_MAX = 4096 + 40 }; /* the longest path, and what is added to it */

struct gs_store_methods {
    const char *name; /* "sqlite", "postgres", "memory" */

    /* `project` may be called by a thread of its own, at the same time as the other methods. */
    bool projects_apart;

    /* Appends `count` encoded records (one after another in `records`) atomically and durably: when it returns 0, they
     * survive a power cut.
     *
     * GS_ESTORE: the store is away or full. The same append may be tried again until it succeeds, and counts once:
     * where the answer to a commit was lost, the engine looks what is there. Other records may be appended only after
     * it. Final, nothing can be appended any more: GS_EIO (unknown what is on disk), GS_EBUSY (another node has taken
     * the store over), GS_EWENTBACK (the store holds less than it acknowledged), GS_ECORRUPT. A caller's mistakes,
     * after which nothing was written: GS_ECHAIN (a record does not continue its origin), GS_EINVAL (there are not
     * `count` ≥ 1 records), GS_EFORMAT, GS_EVERSION, GS_ETOOBIG (a record, or past GS_VECTOR_MAX origins). */
    int (*append)(struct gs_store *store, struct gs_slice records, uint32_t count);

    /* Walks all records that are there, in log order: up to the base some may be gone, after it none is. 0, the
     * visitor's result, GS_EIO, GS_ECORRUPT (a row's checksum does not match), or GS_ESTORE (the store is away), as all
     * methods that read. */
    int (*replay)(struct gs_store *store, gs_store_record_fn visit, void *context);

    /* The same for the records after position `after`. */
    int (*replay_after)(struct gs_store *store, uint64_t after, gs_store_record_fn visit, void *context);

    /* Appends to `ret_records` the records that `have` lacks, in log order, until `bytes_max` is reached (at least one
     * if there is any); `ret_count` of them; `ret_more` if there are others. GS_EGONE: `have` is behind the base. */
    int (*read_lacking)(struct gs_store *store, const struct gs_vector *have, size_t bytes_max,
                        struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more);

    /* The record that holds event `seq` of `origin`, appended to `ret_record`. GS_ENOTFOUND. */
    int (*read_event)(struct gs_store *store, const gs_origin *origin, uint64_t seq, struct gs_buffer *ret_record);

    /* Indexes the log further for readers of the past (history.h), about `events_max` events of it; `ret_more` if there
     * is more to do. What it writes is not synced: it is rebuilt from the log if it is lost. GS_ESTORE (nothing was
     * done; may be tried again), GS_ECORRUPT (a record; the index ends before it), GS_ENOMEM, GS_EIO (fail-stop). */
    int (*project)(struct gs_store *store, uint32_t events_max, bool *ret_more);

    /* A reader of the past; any number of them, and each may be used by another thread than the store's. They must be
     * closed before the store is, unless the engine is on disk. GS_ENOMEM, GS_EIO, GS_ECORRUPT. */
    int (*open_history)(struct gs_store *store, struct gs_history_reader **ret_reader);

    /* NULL, and `visit_kept`, `forget_kept` and `replay_after` with it: the engine keeps nothing, and every start
     * replays the whole log. Else: keeps states beside the log, all of it or nothing; not synced, it may be lost in
     * favour of an earlier keep. GS_ESTORE (nothing was written: no room, or `position` is past the log), GS_EIO
     * (fail-stop). */
    int (*keep)(struct gs_store *store, const struct gs_keep *keep);
    /* GS_ENOTFOUND (nothing was ever kept), GS_ECORRUPT (something does not match its hash: `problem` names it), the
     * visitor's result, GS_EIO, GS_ENOMEM. */
    int (*visit_kept)(struct gs_store *store, const struct gs_kept_visitor *visitor, struct gs_problem *problem);
    /* Forgets all that was kept: it was damaged, and the log has it all. GS_ESTORE, GS_EIO. */
    int (*forget_kept)(struct gs_store *store);

    /* Makes an empty store one whose log begins at `base`, with what is kept as of there or later: all of it, durable,
     * or nothing. Replay is then that of what the parts' checkpoint says. GS_EINVAL (the store is not empty, the base
     * is at 0, or no part has a checkpoint that fits the base), the result of `next`, GS_ESTORE, GS_EIO, GS_ENOMEM. */
    int (*install)(struct gs_store *store, const struct gs_base *base, gs_store_part_fn next, void *context);

    /* Takes all records after position `after` out of the log and appends `kept` (`count` encoded records, one after
     * another; may be none) in their place, durably, all or nothing. The index over the log and all that was kept are
     * forgotten: they are made anew. No reader of the past is open. GS_EINVAL (the log ends before, or it begins at a
     * base), GS_ECHAIN (`kept` does not continue what is left), GS_ESTORE, GS_EIO, GS_ECORRUPT, GS_ENOMEM; after an
     * error the store may only be closed. */
    int (*cut)(struct gs_store *store, uint64_t after, struct gs_slice kept, uint32_t count);

    /* NULL: the engine cannot. Copies the log to where nothing of this program writes any more, then makes the store an
     * empty one, durably; ended in between, it can be done again. `ret_where` names the copy: for SQLite a store of its
     * own, for PostgreSQL a table beside (and one with its base). No reader of the past is open; afterwards the
     * store may only be closed. GS_ESTORE (no room for the copy), GS_EIO. */
    int (*set_aside)(struct gs_store *store, uint64_t now_ms, char ret_where[GS_STORE_ASIDE_MAX]);

    /* One step of removing what the log no longer needs (node/core/truncation.h, node/store/truncate.h): records, what
     * the index has of them, kept states that only they made worth keeping; and the base moves. All of it is durable,
     * together with whatever was kept before, or nothing is done. `ret_truncated->heads` is owned by the caller.
     * GS_ECORRUPT (a record, or no kept state has what is to go: `trouble` says what; nothing was done), GS_ESTORE,
     * GS_EBUSY, GS_EIO, GS_ENOMEM. */
    int (*truncate)(struct gs_store *store, const struct gs_truncation *truncation, struct gs_truncated *ret_truncated);

    /* NULL: the engine cannot. Puts `record` in the place of the one at `position`, whose batch it holds unchanged:
     * some of the data beside it is erased, and is gone from the disk when this returns 0. GS_EINVAL (another batch),
     * GS_ENOTFOUND, GS_ESTORE, GS_EIO. */
    int (*rewrite)(struct gs_store *store, uint64_t position, struct gs_slice record);
    /* When it returns 0, what `rewrite` has taken out is gone from everything that the engine keeps itself. GS_EBUSY (a
     * reader still stands before it: to be tried again), GS_ESTORE, GS_EIO. */
    int (*scrub)(struct gs_store *store);

    /* NULL (both): the engine cannot. Visits up to `rows_max` rows after position `after`, those that are there,
     * whatever they hold; `ret_last` is the position of the last one visited (`after`: there are no more). The
     * visitor's result, GS_EIO, GS_ECORRUPT (the database itself cannot be read), GS_ESTORE. */
    int (*inspect)(struct gs_store *store, uint64_t after, uint32_t rows_max, gs_store_row_fn visit, void *context,
                   uint64_t *ret_last);
    /* Puts each record in the place of the row at its position, atomically and durably: they were damaged, and the
     * caller has verified these (node/store/damage.h). GS_ECORRUPT: afterwards two rows would hold one event, nothing
     * was written; GS_ESTORE, GS_EIO, GS_EFORMAT. */
    int (*heal)(struct gs_store *store, const uint64_t *positions, const struct gs_slice *records, uint32_t count);

    void (*close)(struct gs_store *store); /* frees `store` */
};

/* Engines embed this as their first member. */
struct gs_store {
    const struct gs_store_methods *methods;
    char trouble[GS_PROBLEM_DETAIL_MAX]; /* why a method failed last, one line for a log; may be empty */
    struct gs_base log_base; /* where the log begins; of the store's thread, readers of the past ask theirs */
    /* Positions of the last record stored and of the last one projected, for a gauge: any thread may look. At an open
     * they are not known before the first append or slice. */
    _Atomic uint64_t stored;
    _Atomic uint64_t projected;
    /* Somebody has met a record that is damaged; whoever deals with that resets it. Any thread may look. */
    _Atomic bool met_damage;
    /* The newest record of some origin is damaged: nothing is appended, and the origin is missing in what
     * `read_lacking` says, until the log is healed. */
    bool damaged;
};

/* Opens what `url` names: "sqlite:PATH" (made if absent), "postgres://…" (or postgresql://; any URL that libpq takes,
 * the schema global_state is made if absent) or "memory:". A store belongs to one process: GS_EBUSY names the holder.
 * `problem->detail` says what is wrong in one line. GS_EINVAL (also a server that would lose what it acknowledges),
 * GS_EBUSY, GS_EIO, GS_ESTORE (not to be reached), GS_ECORRUPT, GS_EVERSION (made by a newer program). */
int gs_store_open(const char *url, struct gs_store **ret_store, struct gs_problem *problem);

/* Whether `url` names a PostgreSQL database. */
bool gs_store_url_is_postgres(const char *url);

/* `url` as it may be shown: without user, password and options. */
enum { GS_STORE_URL_SHOWN_MAX = 160 };
void gs_store_url_shown(const char *url, char ret_text[GS_STORE_URL_SHOWN_MAX]);

#endif
