/* What a bootstrap has fetched so far (update.stages): a file beside the store, so that a node that dies half-way goes
 * on where it was; and the installation of all of it.
 *
 *   file   := record …      record := length u32 | BLAKE2b-128(bytes, "gs-stage-v1") | bytes     big-endian
 *   bytes  := leaves of gossip/FORMAT.md, "Snapshot"; a leaf of version 0 takes an earlier one out
 *
 * It is not synced: what a power cut takes is fetched again. What comes after a record that does not match its hash is
 * cut off. Calls block; one thread at a time. */
#ifndef GS_NODE_SERVE_STAGE_H
#define GS_NODE_SERVE_STAGE_H

#include "node/core/core.h"
#include "node/store/store.h"

/* Of the base of a log that begins with a snapshot; its states are kept there. */
enum { GS_STAGE_POSITION = 1 };

/* 0, GS_EIO. */
int gs_stage_append(const char *path, struct gs_slice bytes);
/* Visits the records; the file is cut where it ends being whole. 0 (also without a file), the visitor's result, GS_EIO,
 * GS_ENOMEM. */
int gs_stage_visit(const char *path, int (*visit)(void *context, struct gs_slice bytes), void *context);
void gs_stage_remove(const char *path);
/* Makes the empty store one that begins with what is staged and `install`. GS_ECORRUPT, and what
 * gs_store_methods.install says. */
int gs_stage_install(const char *path, struct gs_store *store, const gs_cluster *cluster,
                     const struct gs_core_install *install);

#endif
