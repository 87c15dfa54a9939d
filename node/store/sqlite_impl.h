/* The SQLite engine: what its files share. Private to them.
 *
 * One connection reads, writes and checkpoints: SQLite before 3.51.3 may lose commits when one connection checkpoints
 * while another one resets the WAL (sqlite.org/wal.html#walresetbug). Checkpoints are ours rather than automatic: the
 * automatic ones ignore errors of fsync, after which Linux drops the pages that were not written. */
#ifndef GS_NODE_STORE_SQLITE_IMPL_H
#define GS_NODE_STORE_SQLITE_IMPL_H

#include "node/store/chain.h"
#include "node/store/history.h"
#include "node/store/log_row.h"
#include "node/store/store.h"

#include <sqlite3.h>

enum {
    GS_SQLITE_WAL_PAGES = 2000,                 /* checkpoint before the next append when the WAL is longer */
    GS_SQLITE_WAL_BYTES_KEPT = 64 * 1024 * 1024 /* a WAL that grew past it is cut when it is reset */
};

enum gs_sqlite_statement {
    GS_SQLITE_BEGIN_WRITE,
    GS_SQLITE_BEGIN_READ,
    GS_SQLITE_COMMIT,
    GS_SQLITE_ROLLBACK,
    GS_SQLITE_INSERT,        /* position, origin, first_seq, last_seq, checksum, record */
    GS_SQLITE_REPLAY,        /* rows in log order */
    GS_SQLITE_ROW,           /* the row at ?1 */
    GS_SQLITE_FIND,          /* position, last_seq of the first row of origin ?1 that ends after ?2 */
    GS_SQLITE_EVENT,         /* that row itself */
    GS_SQLITE_LAST,          /* the last row of origin ?1 */
    GS_SQLITE_NEXT_ORIGIN,   /* the least origin greater than ?1 */
    GS_SQLITE_LAST_POSITION, /* 0 when the log is empty */
    GS_SQLITE_INDEXED,       /* the last position that is indexed */
    GS_SQLITE_AGGREGATE_FIND,
    GS_SQLITE_AGGREGATE_ADD,
    GS_SQLITE_AGGREGATE_SET,
    GS_SQLITE_ORIGIN_FIND,
    GS_SQLITE_ORIGIN_ADD,
    GS_SQLITE_EVENT_ADD,
    GS_SQLITE_VERSIONS_ADD,
    GS_SQLITE_STATE_ADD,
    GS_SQLITE_STATE_BEFORE,
    GS_SQLITE_STATES_BEFORE,
    GS_SQLITE_STATE_DROP,
    GS_SQLITE_CHECKPOINT_SET,
    GS_SQLITE_ENTRIES_ADD,
    GS_SQLITE_ENTRIES_DROP,
    GS_SQLITE_AGGREGATE_VERSION,
    GS_SQLITE_EVENT_AFTER, /* the first version of aggregate ?1 that a record after position ?2 made */
    GS_SQLITE_EVENTS_DROP,
    GS_SQLITE_STATE_FROM, /* the version of the oldest kept state that has version ?3 */
    GS_SQLITE_STATES_DROP,
    GS_SQLITE_RECORD_DROP,
    GS_SQLITE_VERSIONS_DROP
};
enum { GS_SQLITE_STATEMENT_COUNT = GS_SQLITE_VERSIONS_DROP + 1 };

struct gs_sqlite {
    struct gs_store base;
    int lock_fd;
    sqlite3 *db;
    sqlite3_stmt *statements[GS_SQLITE_STATEMENT_COUNT];
    struct gs_chain chain;
    uint64_t next_position;
    uint64_t indexed; /* the last position that is indexed, once it is known */
    bool indexed_known;
    int wal_pages;  /* in the WAL after the last commit */
    bool unsettled; /* see gs_sqlite_settle */
    bool failed;    /* what is on disk is not known: nothing is written any more */
};

/* The engine of `store`. */
struct gs_sqlite *gs_sqlite_of(struct gs_store *store);

/* sqlite_row.c */
/* The row on which `statement` stands, if its checksum matches; its record lives until the statement moves.
 * GS_ECORRUPT. */
int gs_sqlite_row_load(sqlite3_stmt *statement, struct gs_log_row *ret_row);

/* sqlite_migrate.c: refuses databases that are not ours (GS_EINVAL) or newer (GS_EVERSION), then brings the schema up
 * to date. GS_EIO, GS_ECORRUPT, GS_EBUSY. */
int gs_sqlite_check_schema(sqlite3 *db, const char *path, struct gs_problem *problem);
int gs_sqlite_migrate(sqlite3 *db, const char *path, struct gs_problem *problem);

/* sqlite_statement.c */
int gs_sqlite_prepare(struct gs_sqlite *sqlite);
void gs_sqlite_finalize(struct gs_sqlite *sqlite);
/* Runs a statement that yields no rows. SQLITE_OK or an SQLite error. */
int gs_sqlite_run(struct gs_sqlite *sqlite, enum gs_sqlite_statement statement);
/* What an SQLite error at a read or at open is to a caller: GS_ECORRUPT, GS_EBUSY, GS_ENOMEM or GS_EIO. */
int gs_sqlite_error(int result);
/* The same, with what the connection says about it. */
int gs_sqlite_problem(struct gs_problem *problem, sqlite3 *db, const char *path, int result);

/* sqlite_append.c */
int gs_sqlite_append(struct gs_store *store, struct gs_slice records, uint32_t count);
/* One row of the log, inside of a transaction. SQLITE_OK or an SQLite error. */
int gs_sqlite_insert(struct gs_sqlite *sqlite, const struct gs_log_row *row);
int gs_sqlite_insert_link(struct gs_sqlite *sqlite, const struct gs_chain_link *link, uint64_t position);
/* An earlier process may have ended after an fsync of the WAL that failed: then what is read from it is not on disk.
 * So at open all of the WAL is written to the database, and that fsynced. Where there is no room for that
 * the log can be read, but nothing is appended until there is. SQLITE_OK (also without room) or an SQLite error. */
int gs_sqlite_settle(struct gs_sqlite *sqlite);
/* Rolls back after `result`: GS_ESTORE if nothing was written, else GS_EIO, and the engine stops (fail-stop). */
int gs_sqlite_undo(struct gs_sqlite *sqlite, int result, bool committing);
/* A wal_hook: remembers how long the WAL is. */
int gs_sqlite_wal_grew(void *context, sqlite3 *db, const char *name, int pages);

/* sqlite_read.c */
int gs_sqlite_replay(struct gs_store *store, gs_store_record_fn visit, void *context);
int gs_sqlite_replay_after(struct gs_store *store, uint64_t after, gs_store_record_fn visit, void *context);
int gs_sqlite_read_lacking(struct gs_store *store, const struct gs_vector *have, size_t bytes_max,
                           struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more);
int gs_sqlite_read_event(struct gs_store *store, const gs_origin *origin, uint64_t seq, struct gs_buffer *ret_record);

/* sqlite_truncate.c */
int gs_sqlite_truncate(struct gs_store *store, const struct gs_truncation *truncation,
                       struct gs_truncated *ret_truncated);

/* sqlite_project.c, sqlite_history.c */
int gs_sqlite_project(struct gs_store *store, uint32_t events_max, bool *ret_more);
int gs_sqlite_open_history(struct gs_store *store, struct gs_history_reader **ret_reader);

/* Whether commits from now on are left to be synced by the next one that is. SQLITE_OK or an SQLite error. */
int gs_sqlite_sync_lazily(struct gs_sqlite *sqlite, bool lazily);

/* sqlite_base.c */
/* Reads the base into `ret_base` if there is one, on any connection. GS_ECORRUPT, GS_EIO, GS_ENOMEM. */
int gs_sqlite_read_base(sqlite3 *db, struct gs_base *ret_base);
/* Writes it, in the transaction that is open. SQLITE_OK or an SQLite error. */
int gs_sqlite_write_base(struct gs_sqlite *sqlite, const struct gs_base *base);
int gs_sqlite_install(struct gs_store *store, const struct gs_base *base, gs_store_part_fn next, void *context);

/* sqlite_keep.c */
/* Writes all of a keep, in the transaction that is open. `first`: no earlier states are there, to be thinned out.
 * SQLITE_OK or an SQLite error. */
int gs_sqlite_write_keep(struct gs_sqlite *sqlite, const struct gs_keep *keep, bool first);
int gs_sqlite_keep(struct gs_store *store, const struct gs_keep *keep);
int gs_sqlite_visit_kept(struct gs_store *store, const struct gs_kept_visitor *visitor, struct gs_problem *problem);
int gs_sqlite_forget_kept(struct gs_store *store);

/* sqlite_open.c: makes the names in the directory of `path` durable. GS_EIO. */
int gs_sqlite_sync_directory(const char *path, struct gs_problem *problem);

/* sqlite_cut.c */
int gs_sqlite_cut(struct gs_store *store, uint64_t after, struct gs_slice kept, uint32_t count);
int gs_sqlite_set_aside(struct gs_store *store, uint64_t now_ms, char ret_where[GS_STORE_ASIDE_MAX]);

/* sqlite_rewrite.c */
int gs_sqlite_rewrite(struct gs_store *store, uint64_t position, struct gs_slice record);
int gs_sqlite_scrub(struct gs_store *store);

/* sqlite_heal.c */
int gs_sqlite_inspect(struct gs_store *store, uint64_t after, uint32_t rows_max, gs_store_row_fn visit, void *context,
                      uint64_t *ret_last);
int gs_sqlite_heal(struct gs_store *store, const uint64_t *positions, const struct gs_slice *records, uint32_t count);

/* sqlite_state.c: the row (version, position, updated, hash, state) on which `statement` stands. GS_ECORRUPT,
 * GS_ENOMEM. */
int gs_sqlite_state_load(sqlite3_stmt *statement, struct gs_slice type, struct gs_slice id,
                         struct gs_kept_state *ret_state);

/* sqlite_heads.c: fills chain.heads and next_position from the log and its base, which is read; an origin whose last
 * record is damaged is left out, and the store marked as damaged. GS_ECORRUPT, GS_EIO, GS_ENOMEM. */
int gs_sqlite_load_heads(struct gs_sqlite *sqlite);

#endif
