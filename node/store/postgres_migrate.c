#include "node/store/migration.h"
#include "node/store/postgres_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One number that `sql` selects. */
static int query_number(struct gs_pg_link *link, const char *sql, long *ret_number) {
    PGresult *result = NULL;
    int error = gs_pg_link_query(link, sql, &result);
    if (error == 0) {
        *ret_number = PQntuples(result) == 1 ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : -1;
        PQclear(result);
    }
    return error;
}

/* The schema's version: 0 when there is none yet, −1 when it is not ours. */
static int schema_version(struct gs_pg_link *link, long *ret_version) {
    return query_number(link,
                        "SELECT CASE WHEN to_regclass('global_state.schema_migrations') IS NOT NULL THEN 1 "
                        "WHEN EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('global_state')) "
                        "THEN -1 ELSE 0 END",
                        ret_version);
}

static int read_version(struct gs_pg_link *link, long *ret_version) {
    long version = 0;
    int error = schema_version(link, &version);
    if (error == 0 && version > 0) {
        error = query_number(link, "SELECT coalesce(max(version), 0) FROM global_state.schema_migrations", &version);
    }
    if (error != 0) {
        return error;
    }
    if (version < 0) {
        (void)snprintf(link->trouble, sizeof link->trouble, "the schema global_state belongs to another program");
        return GS_EINVAL;
    }
    if (version > (long)gs_postgresql_migration_count) {
        (void)snprintf(link->trouble, sizeof link->trouble,
                       "the schema global_state was made by a newer program: it is version %ld, this one knows %zu",
                       version, gs_postgresql_migration_count);
        return GS_EVERSION;
    }
    *ret_version = version;
    return 0;
}

static int make_schema(struct gs_pg_link *link) {
    long exists = 0;
    int error = query_number(link, "SELECT (to_regnamespace('global_state') IS NOT NULL)::int", &exists);
    if (error == 0 && exists == 0) {
        error = gs_pg_link_command(link, "CREATE SCHEMA global_state");
    }
    if (error == 0) {
        error = gs_pg_link_command(link, "CREATE TABLE IF NOT EXISTS global_state.schema_migrations ("
                                         "version integer PRIMARY KEY, name text NOT NULL, "
                                         "applied_at timestamptz NOT NULL DEFAULT now())");
    }
    return error;
}

/* In one transaction; one that a failure leaves open is rolled back. */
static int run_migration(struct gs_pg_link *link, const struct gs_migration *migration) {
    size_t size = strlen(migration->sql) + strlen(migration->name) + 200;
    char *sql = malloc(size);
    if (sql == NULL) {
        return GS_ENOMEM;
    }
    (void)snprintf(sql, size, "BEGIN;\n%s;\nINSERT INTO schema_migrations (version, name) VALUES (%d, '%s');\nCOMMIT",
                   migration->sql, migration->version, migration->name);
    int error = gs_pg_link_command(link, sql);
    free(sql);
    if (error == GS_EIO) {
        char trouble[GS_PG_TROUBLE_MAX];
        (void)snprintf(trouble, sizeof trouble, "migration %.40s: %.140s", migration->name, link->trouble);
        (void)gs_pg_link_command(link, "ROLLBACK"); /* the error that counts is the first */
        memcpy(link->trouble, trouble, sizeof trouble);
    }
    return error;
}

int gs_pg_migrate(struct gs_pg_link *link) {
    long version = 0;
    int error = read_version(link, &version);
    if (error == 0 && version == 0) {
        error = make_schema(link);
    }
    for (size_t i = (size_t)version; error == 0 && i < gs_postgresql_migration_count; i++) {
        error = run_migration(link, &gs_postgresql_migrations[i]);
    }
    return error;
}
