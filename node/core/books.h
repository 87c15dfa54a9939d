/* What a node knows besides its log, as rows for tables that people ask (node/store/postgres_books.h): conflicts that
 * the ledger has recorded, and the regions it knows of. JSON, in the API's shapes. */
#ifndef GS_NODE_CORE_BOOKS_H
#define GS_NODE_CORE_BOOKS_H

#include <globalstate/memory.h>

struct gs_core;

/* How many conflicts the ledger has ever recorded: the greatest number of an entry. */
uint64_t gs_core_conflicts_recorded(const struct gs_core *core);
/* Appends entries of the ledger that are stored and have a greater number than `after`, oldest first, at most `max`, as
 * a JSON array; `ret_last` is the number of the last one, `after` if there is none. 0 or GS_ENOMEM. */
int gs_core_write_conflicts(const struct gs_core *core, uint64_t after, uint32_t max, struct gs_buffer *out,
                            uint64_t *ret_last);
/* Appends an array of {"key" (hex), "lastSeenMs" | null, "head": {"origin" (hex), "seq"} | null: the region's newest
 * incarnation and what is stored of it here, "peer": as in GET /peers}. 0 or GS_ENOMEM. */
int gs_core_write_peers(const struct gs_core *core, struct gs_buffer *out);

#endif
