/* Migrations of a schema, embedded from sql/ at build time (sql/README.md). */
#ifndef GS_NODE_STORE_MIGRATION_H
#define GS_NODE_STORE_MIGRATION_H

#include <stddef.h>

struct gs_migration {
    int version; /* 1, 2, 3 … */
    const char *name;
    const char *sql;
};

/* In order of version, without gaps; the count is the version that this program makes and knows. */
extern const struct gs_migration gs_sqlite_migrations[];
extern const size_t gs_sqlite_migration_count;
extern const struct gs_migration gs_postgresql_migrations[];
extern const size_t gs_postgresql_migration_count;

#endif
