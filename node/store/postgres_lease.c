/* One node a database. The lease is an advisory lock of the session that appends: the server drops it with the session,
 * however that ends, and as appends go over no other connection, whoever has lost it cannot write. The epoch in the
 * table `lease` is raised with every lock and carried by every commit: it tells in the log who wrote what, and a commit
 * of an older epoch inserts nothing, also where the lock is not known (a standby that was promoted). */
#include "node/store/postgres_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* "gs" and the lease: two numbers, so that other programs' locks in this database are unlikely to meet it. */
#define LOCK_KEYS "26483, 1"
#define LOCK_IS_OURS                                                                            \
    "locktype = 'advisory' AND classid = 26483 AND objid = 1 AND objsubid = 2 AND granted AND " \
    "database = (SELECT oid FROM pg_database WHERE datname = current_database())"

static int query_text(struct gs_pg_link *link, const char *sql, char *ret_text, size_t size) {
    PGresult *result = NULL;
    int error = gs_pg_link_query(link, sql, &result);
    if (error == 0) {
        (void)snprintf(ret_text, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
        PQclear(result);
    }
    return error;
}

/* Who has it, for a person. */
static int name_holder(struct gs_pg_link *link) {
    char holder[GS_PG_HOLDER_MAX] = "";
    char exists[8] = "";
    int error = query_text(link, "SELECT to_regclass('global_state.lease') IS NOT NULL", exists, sizeof exists);
    if (error == 0 && strcmp(exists, "t") == 0) {
        error = query_text(
            link,
            "SELECT holder || ' since ' || to_char(since, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM global_state.lease",
            holder, sizeof holder);
    }
    if (error == GS_ESTORE) {
        return error;
    }
    (void)snprintf(link->trouble, sizeof link->trouble, "the database is in use by %s",
                   holder[0] != '\0' ? holder : "another process");
    return GS_EBUSY;
}

/* A session of ours that the server still believes in would keep us out until its time-outs. Only the one that we had,
 * and only if nobody has raised the epoch since. */
static int end_own_session(struct gs_postgres *postgres) {
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE pid = %d AND " LOCK_IS_OURS
                   " AND (SELECT epoch FROM global_state.lease) = %llu",
                   postgres->backend_pid, (unsigned long long)postgres->epoch);
    return gs_pg_link_command(&postgres->link, sql);
}

int gs_pg_lease_lock(struct gs_postgres *postgres) {
    static const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    for (int waited_ms = 0;; waited_ms += 100) {
        char locked[8] = "";
        int error = query_text(&postgres->link, "SELECT pg_try_advisory_lock(" LOCK_KEYS ")", locked, sizeof locked);
        if (error != 0 || strcmp(locked, "t") == 0) {
            return error;
        }
        if (waited_ms >= GS_PG_LEASE_WAIT_MS) {
            return name_holder(&postgres->link);
        }
        if (waited_ms == 0 && postgres->epoch > 0) {
            error = end_own_session(postgres);
        }
        if (error == GS_ESTORE) {
            return error;
        }
        (void)nanosleep(&pause, NULL);
    }
}

/* This commit also waits, where replication is synchronous, until everything before it is replicated: what a lost
 * connection left behind counts as stored only after that. */
int gs_pg_lease_raise(struct gs_postgres *postgres) {
    char host[65] = "";
    char sql[400];
    PGresult *result = NULL;
    (void)gethostname(host, sizeof host - 1);
    for (char *at = host; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\') {
            *at = '-';
        }
    }
    (void)snprintf(sql, sizeof sql,
                   "UPDATE lease SET epoch = epoch + 1, holder = 'process %ld on host %s', since = now() "
                   "RETURNING epoch, pg_backend_pid()",
                   (long)getpid(), host);
    int error = gs_pg_link_query(&postgres->link, sql, &result);
    if (error != 0) {
        return error;
    }
    unsigned long long epoch = 0;
    if (PQntuples(result) == 1 && sscanf(PQgetvalue(result, 0, 0), "%llu", &epoch) == 1 &&
        sscanf(PQgetvalue(result, 0, 1), "%d", &postgres->backend_pid) == 1) {
        postgres->epoch = epoch;
    } else {
        (void)snprintf(postgres->link.trouble, sizeof postgres->link.trouble,
                       "the table global_state.lease is damaged");
        error = GS_ECORRUPT;
    }
    PQclear(result);
    return error;
}
