/* The engines behind gs_store_open. Private to node/store; everyone else opens a URL. */
#ifndef GS_NODE_STORE_ENGINES_H
#define GS_NODE_STORE_ENGINES_H

#include "node/store/store.h"

/* An empty log in memory that dies with the store. GS_ENOMEM. */
int gs_memory_open(struct gs_store **ret_store, struct gs_problem *problem);

/* The database that a libpq URL names; errors as gs_store_open. */
int gs_postgres_open(const char *url, struct gs_store **ret_store, struct gs_problem *problem);

/* The database file at `path`; errors as gs_store_open. */
int gs_sqlite_open(const char *path, struct gs_store **ret_store, struct gs_problem *problem);

#endif
