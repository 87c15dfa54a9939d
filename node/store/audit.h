/* The audit log: who did what, from where, when, with what outcome.
 *
 * Each write and each administrative call is an entry of its own. Reads and refusals are summed, one entry a subject,
 * action, outcome and minute, so that a flood of them cannot fill the disk. Entries are handed over without waiting and
 * written behind by the log's own thread, a few times a second: to a SQLite database of their own, or to the table
 * audit_log of the region's PostgreSQL. While that is away they wait, up to a bound; how many found no room is said by
 * an entry ("audit.lost") once it is back. What was not written when the machine failed is lost (the events themselves
 * are in the region's log, with their actors). Entries older than the retention are removed. Any thread may call. */
#ifndef GS_NODE_STORE_AUDIT_H
#define GS_NODE_STORE_AUDIT_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdbool.h>
#include <stdint.h>

struct gs_audit;

enum gs_audit_kind { GS_AUDIT_WRITE, GS_AUDIT_ADMIN, GS_AUDIT_READ, GS_AUDIT_REFUSAL, GS_AUDIT_KINDS };

enum {
    GS_AUDIT_TEXT_MAX = 300,     /* bytes kept of each text */
    GS_AUDIT_WAITING_MAX = 8192, /* entries not yet written; more are written by who adds them, or are lost */
    GS_AUDIT_PAGE_MAX = 1000
};

/* Texts are borrowed; longer ones are cut. */
struct gs_audit_entry {
    enum gs_audit_kind kind;
    uint64_t time_ms;
    struct gs_slice subject; /* empty: nobody known */
    struct gs_slice address;
    struct gs_slice action; /* "PUT /state/{}/{}" */
    struct gs_slice target; /* the path; not kept of what is summed */
    int status;
    struct gs_slice code;       /* of the problem; empty: none */
    struct gs_slice request_id; /* not kept of what is summed */
};

/* `path` of the database, made if absent; NULL: in memory, for tests. `retention_ms` 0: for ever. GS_EIO, GS_ECORRUPT,
 * GS_ENOMEM, with a line in `problem`. */
int gs_audit_open(const char *path, uint64_t retention_ms, struct gs_audit **ret_audit, struct gs_problem *problem);
/* The same in the region's PostgreSQL, whose schema the store makes; it may be away. GS_EIO, GS_ENOMEM. */
int gs_audit_open_postgres(const char *url, uint64_t retention_ms, struct gs_audit **ret_audit,
                           struct gs_problem *problem);
/* Writes what waits, unless it has to wait for PostgreSQL to come back. NULL is allowed. */
void gs_audit_close(struct gs_audit *audit);

/* NULL is allowed: nothing is kept. */
void gs_audit_add(struct gs_audit *audit, const struct gs_audit_entry *entry);

struct gs_audit_query {
    struct gs_slice subject; /* exactly; empty: any */
    struct gs_slice target;  /* begins with; empty: any */
    int kind;                /* −1: any */
    uint64_t since_ms, until_ms;
    uint64_t before; /* entries with a lesser number; 0: from the newest */
    uint32_t limit;
};

/* Appends entries, newest first, as a JSON array, those included that wait; `ret_next` is the number to go on before, 0
 * at the end. GS_EIO, GS_ENOMEM, GS_ESTORE (PostgreSQL is away). */
int gs_audit_query(struct gs_audit *audit, const struct gs_audit_query *query, struct gs_buffer *out,
                   uint64_t *ret_next);

/* "write", "admin", "read", "refusal"; −1 for other names. */
const char *gs_audit_kind_name(enum gs_audit_kind kind);
int gs_audit_kind_parse(struct gs_slice name);

#endif
