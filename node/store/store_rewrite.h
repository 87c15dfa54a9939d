/* Lists of records that take the places of stored ones (gs_store_methods.rewrite). */
#ifndef GS_NODE_STORE_STORE_REWRITE_H
#define GS_NODE_STORE_STORE_REWRITE_H

#include "node/store/store.h"

/* Appends one to a list. Errors are the buffer's. */
void gs_store_rewrite_add(struct gs_buffer *rewrites, uint64_t position, struct gs_slice record);
/* Rewrites all of a list, then scrubs if asked to. The first error ends it: GS_EFORMAT (not a list), else as the
 * methods. */
int gs_store_rewrite_all(struct gs_store *store, struct gs_slice rewrites, bool scrub);

#endif
