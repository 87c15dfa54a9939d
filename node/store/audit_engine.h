/* Where the audit log's entries go: what audit.c asks of an engine. Private to the audit log.
 *
 * An engine is used by one thread at a time. */
#ifndef GS_NODE_STORE_AUDIT_ENGINE_H
#define GS_NODE_STORE_AUDIT_ENGINE_H

#include "node/core/table.h"
#include "node/store/audit.h"

/* An entry, or the sum of several, that waits to be written. Its texts follow it: they are UTF-8 without NULs. */
struct gs_audit_row {
    struct gs_table_entry entry; /* sums: key over what they are summed by */
    struct gs_audit_row *next;
    struct gs_audit_entry kept;
    bool summed;
    uint64_t last_ms;
    uint64_t count;
    uint8_t text[];
};

/* A row as it is shown. */
struct gs_audit_shown {
    uint64_t number;
    uint64_t time_ms, last_ms;
    struct gs_slice kind, subject, address, action, target, code, request_id;
    int status;
    uint64_t count;
};

enum { GS_AUDIT_MINUTE_MS = 60000 };

struct gs_audit_engine;

struct gs_audit_engine_methods {
    /* Writing costs no more than a moment: who finds no room for an entry may do it. */
    bool local;
    /* Writes the rows, all of them or none. `batch` is another number for each list. 0; GS_ESTORE: away or full, the
     * same list with the same number may be tried again and counts once; others: they are lost. */
    int (*write)(struct gs_audit_engine *engine, const struct gs_audit_row *first, uint64_t batch);
    /* Removes some of the entries that are older. What fails is tried again later. */
    void (*trim)(struct gs_audit_engine *engine, uint64_t before_ms);
    /* gs_audit_query, without the brackets. */
    int (*query)(struct gs_audit_engine *engine, const struct gs_audit_query *query, struct gs_buffer *out,
                 uint64_t *ret_next);
    void (*close)(struct gs_audit_engine *engine); /* frees it */
};

/* Engines embed this as their first member. */
struct gs_audit_engine {
    const struct gs_audit_engine_methods *methods;
};

/* Errors as gs_audit_open. */
int gs_audit_sqlite_open(const char *path, struct gs_audit_engine **ret_engine, struct gs_problem *problem);
/* Connects when there is something to do. GS_ENOMEM. */
int gs_audit_postgres_open(const char *url, struct gs_audit_engine **ret_engine);

/* Appends a row as JSON, behind others if there are any. */
void gs_audit_show(const struct gs_audit_shown *row, bool first, struct gs_buffer *out);

#endif
