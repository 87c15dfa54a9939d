#include "node/store/postgres_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(struct gs_pg_link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct gs_pg_link *link, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(link->trouble, sizeof link->trouble, format, arguments);
    va_end(arguments);
    return GS_EINVAL;
}

/* Everything that decides whether an answered COMMIT is on a disk, in one row of text. */
static const char settings_query[] =
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('server_encoding'), "
    "pg_is_in_recovery()::text, current_setting('transaction_read_only'), current_setting('server_version')";

enum { SYNCHRONOUS_COMMIT, FSYNC, ENCODING, IN_RECOVERY, READ_ONLY, VERSION };

static int check_settings(struct gs_pg_link *link, const PGresult *settings) {
    if (PQserverVersion(link->conn) < GS_PG_VERSION_MIN) {
        return refuse(link, "the server is PostgreSQL %s; version 13 or newer is needed",
                      PQgetvalue(settings, 0, VERSION));
    }
    if (strcmp(PQgetvalue(settings, 0, SYNCHRONOUS_COMMIT), "off") == 0) {
        return refuse(link, "synchronous_commit is %s: an acknowledged write could be lost; set it to on",
                      PQgetvalue(settings, 0, SYNCHRONOUS_COMMIT));
    }
    if (strcmp(PQgetvalue(settings, 0, FSYNC), "on") != 0) {
        return refuse(link, "fsync is %s: an acknowledged write would not survive a power cut; set it to on",
                      PQgetvalue(settings, 0, FSYNC));
    }
    if (strcmp(PQgetvalue(settings, 0, ENCODING), "UTF8") != 0) {
        return refuse(link, "the database's encoding is %s, not UTF8", PQgetvalue(settings, 0, ENCODING));
    }
    bool read_only = strcmp(PQgetvalue(settings, 0, IN_RECOVERY), "true") == 0 ||
                     strcmp(PQgetvalue(settings, 0, READ_ONLY), "on") == 0;
    return read_only ? refuse(link, "the server is read-only") : 0;
}

/* Pins what was checked against a later reload of the server's configuration, and bounds how long a session of a node
 * that has vanished keeps its lock. Every statement names its table by the search path. */
static int pin_settings(struct gs_pg_link *link, const char *synchronous_commit) {
    char sql[600];
    (void)snprintf(sql, sizeof sql,
                   "SET synchronous_commit = '%s'; SET search_path = global_state, pg_catalog; SET timezone = 'UTC'; "
                   "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0; "
                   "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
                   synchronous_commit);
    return gs_pg_link_command(link, sql);
}

int gs_pg_session_check(struct gs_pg_link *link) {
    PGresult *settings = NULL;
    char synchronous_commit[32];
    int error = gs_pg_link_query(link, settings_query, &settings);
    if (error != 0) {
        return error;
    }
    error = check_settings(link, settings);
    (void)snprintf(synchronous_commit, sizeof synchronous_commit, "%s", PQgetvalue(settings, 0, SYNCHRONOUS_COMMIT));
    PQclear(settings);
    return error != 0 ? error : pin_settings(link, synchronous_commit);
}
