/* The states of a snapshot that are fetched (bootstrap.h): what they hash to, and the aggregates themselves, as they
 * were decoded to be checked. The core that begins with the snapshot takes them as its cells and its digest tree, and
 * decodes and hashes nothing again; a later start reads them from the store. */
#ifndef GS_NODE_CORE_STAGED_H
#define GS_NODE_CORE_STAGED_H

#include "node/core/digest_tree.h"
#include "node/core/table.h"

struct gs_cell;
struct gs_core;

/* Exactly the cells are the tree's leaves. Cells are in no list of a core yet. */
struct gs_staged {
    struct gs_digest_tree tree;
    struct gs_table cells; /* struct gs_cell; owned */
};

/* An empty one; with the same key and secret as `like`. */
struct gs_staged gs_staged_like(const struct gs_staged *like);
void gs_staged_close(struct gs_staged *staged);

/* Adds or replaces one; takes the cell, also after an error. 0, GS_ENOMEM. */
int gs_staged_set(struct gs_staged *staged, const gs_digest_path *path, struct gs_cell *cell, const gs_hash *hash);
/* Takes one out, if it is there. 0, GS_ENOMEM. */
int gs_staged_remove(struct gs_staged *staged, const gs_digest_path *path, struct gs_slice name);
/* A core without cells begins with all of them, kept at `position`; takes them. 0, or GS_EINVAL: it has some. */
int gs_staged_restore(struct gs_core *core, struct gs_staged *staged, uint64_t position);
/* Moves all of `from`, which is empty afterwards. GS_ENOMEM: some may have been moved. */
int gs_staged_merge(struct gs_staged *staged, struct gs_staged *from);

#endif
