/* The PostgreSQL engine: what its files share. Private to them.
 *
 *   postgres_link.c      one connection, every wait bounded
 *   postgres_session.c   what a connection must be before it is used: version, durability, encoding, time-outs
 *   postgres_lease.c     one node a database
 *   postgres_migrate.c   the schema
 *   postgres_statement.c prepared statements, rows, heads
 *   postgres_append.c    commits, and what became of those whose answer was lost
 *   postgres_read.c      the reading methods
 *   postgres_open.c      from a URL to a store
 *   postgres_copy.c      values and rows for COPY
 *   postgres_project.c, postgres_event_rows.c   events by aggregate, written behind on a connection of its own
 *   postgres_keep.c      states that are kept beside the log
 *   postgres_rewrite.c   data that is erased
 *   postgres_history.c   readers of the past, a connection each
 *
 * A commit is one round trip: the inserts of its records go out in pipeline mode behind each other and end in one Sync,
 * which makes them one transaction. Commits go one after another on one connection. If that is lost, nobody knows
 * whether the commit under way was carried out; the next connection looks: the log is then either as it was before the
 * commit or as it is after it. Anything else means that another node wrote (G1: stop), or that the store went back. */
#ifndef GS_NODE_STORE_POSTGRES_IMPL_H
#define GS_NODE_STORE_POSTGRES_IMPL_H

#include "node/store/chain.h"
#include "node/store/log_row.h"
#include "node/store/postgres_project.h"
#include "node/store/store.h"

enum {
    GS_PG_VERSION_MIN = 130000,
    GS_PG_LEASE_WAIT_MS = 3000, /* for the session of a node that was killed to be noticed by the server */
    GS_PG_HOLDER_MAX = 160,
    GS_PG_READ_ROWS = 4096 /* of read_lacking, at most */
};

struct gs_postgres {
    struct gs_store base;
    struct gs_pg_link link;
    char *url;       /* owned */
    uint64_t epoch;  /* of our lease; 0 before the first */
    int backend_pid; /* of the session that held it last */
    /* The writer's account of the log: what it acknowledged. */
    struct gs_chain chain;
    uint64_t next_position;
    struct gs_pg_projector projector; /* of the thread that calls `project` */
    bool failed;                      /* somebody else writes: nothing is written any more */
};

struct gs_postgres *gs_postgres_of(struct gs_store *store);

/* postgres_session.c: GS_EINVAL names the setting that will not do; GS_ESTORE, GS_EIO. Details are in the link's
 * trouble. */
int gs_pg_session_check(struct gs_pg_link *link);

/* postgres_lease.c: makes this session the one that writes. GS_EBUSY names the holder in the link's trouble; GS_ESTORE,
 * GS_EIO. Before the schema exists there is nothing to be raised: two calls. */
int gs_pg_lease_lock(struct gs_postgres *postgres);
int gs_pg_lease_raise(struct gs_postgres *postgres);

/* postgres_migrate.c: GS_EINVAL (a schema of another program), GS_EVERSION (newer), GS_ESTORE, GS_EIO. */
int gs_pg_migrate(struct gs_pg_link *link);

/* postgres_statement.c */
enum { GS_PG_WRITER = 1, GS_PG_PROJECTOR = 2, GS_PG_READER = 4 };
int gs_pg_prepare(struct gs_pg_link *link, unsigned role);
/* A row of the columns position, origin, first_seq, last_seq, checksum, record; it borrows from `result`. GS_ECORRUPT.
 */
int gs_pg_row_load(const PGresult *result, int index, struct gs_log_row *ret_row);
/* What is in the log: the position of its last record and, if asked for, every origin's head with its hash. */
int gs_pg_log_state(struct gs_postgres *postgres, uint64_t *ret_last_position, struct gs_vector *ret_heads);
/* Origins and seqs only: cheap. */
int gs_pg_log_seqs(struct gs_postgres *postgres, struct gs_vector *ret_heads);

/* postgres_open.c: a usable connection, if there is none. With it come the lease, and the check that what was
 * acknowledged is there; `ret_pending` (optional) tells whether the records that gs_chain_check saw last are.
 * GS_ESTORE, GS_EWENTBACK, GS_EBUSY (another node has taken over), GS_ECORRUPT, and at the first connection whatever
 * gs_store_open says. */
int gs_pg_connect(struct gs_postgres *postgres, bool *ret_pending);
/* Says in the store's `trouble` what the link said. Returns `error`. */
int gs_pg_trouble(struct gs_postgres *postgres, int error);

/* postgres_base.c */
/* Reads the base into `ret_base` if there is one, on a writer's or a reader's connection. GS_ECORRUPT, GS_ENOMEM, or
 * the link's error. */
int gs_pg_read_base(struct gs_pg_link *link, struct gs_base *ret_base);
/* Writes it, in the transaction that is open. Errors as gs_pg_link_command. */
int gs_pg_write_base(struct gs_pg_link *link, const struct gs_base *base);
int gs_postgres_install(struct gs_store *store, const struct gs_base *base, gs_store_part_fn next, void *context);

/* postgres_append.c */
int gs_postgres_append(struct gs_store *store, struct gs_slice records, uint32_t count);
/* Inserts the links of the last chain check, as one transaction or in the one that is open. 0; GS_EIO: the server
 * refused; GS_ESTORE: the connection is gone. */
int gs_pg_insert_links(struct gs_postgres *postgres);

/* postgres_cut.c */
int gs_postgres_cut(struct gs_store *store, uint64_t after, struct gs_slice kept, uint32_t count);
int gs_postgres_set_aside(struct gs_store *store, uint64_t now_ms, char ret_where[GS_STORE_ASIDE_MAX]);

/* postgres_read.c */
int gs_postgres_replay(struct gs_store *store, gs_store_record_fn visit, void *context);
int gs_postgres_read_lacking(struct gs_store *store, const struct gs_vector *have, size_t bytes_max,
                             struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more);
int gs_postgres_read_event(struct gs_store *store, const gs_origin *origin, uint64_t seq, struct gs_buffer *ret_record);

int gs_postgres_replay_after(struct gs_store *store, uint64_t after, gs_store_record_fn visit, void *context);

/* postgres_keep.c */
/* Sends all of a keep in pipeline mode; the caller ends it with gs_pg_link_sync. 0 or GS_ESTORE. */
int gs_pg_send_keep(struct gs_pg_link *link, const struct gs_base *base, const struct gs_keep *keep);
int gs_postgres_keep(struct gs_store *store, const struct gs_keep *keep);
int gs_postgres_visit_kept(struct gs_store *store, const struct gs_kept_visitor *visitor, struct gs_problem *problem);
int gs_postgres_forget_kept(struct gs_store *store);
/* The first row: version, position, updated, hash, state. GS_ECORRUPT, GS_ENOMEM. */
int gs_pg_kept_state(const PGresult *row, struct gs_slice type, struct gs_slice id, struct gs_kept_state *ret_state);

/* postgres_rewrite.c */
int gs_postgres_rewrite(struct gs_store *store, uint64_t position, struct gs_slice record);
int gs_postgres_scrub(struct gs_store *store);
/* postgres_truncate.c */
int gs_postgres_truncate(struct gs_store *store, const struct gs_truncation *truncation,
                         struct gs_truncated *ret_truncated);
/* postgres_heal.c */
int gs_postgres_inspect(struct gs_store *store, uint64_t after, uint32_t rows_max, gs_store_row_fn visit, void *context,
                        uint64_t *ret_last);
int gs_postgres_heal(struct gs_store *store, const uint64_t *positions, const struct gs_slice *records, uint32_t count);

/* postgres_history.c */
int gs_postgres_open_history(struct gs_store *store, struct gs_history_reader **ret_reader);

#endif
