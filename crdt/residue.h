/* Cancelled counter marks, wherever they are in a tree of maps: what the full encoding keeps beside the visible state.
 */
#ifndef GS_CRDT_RESIDUE_H
#define GS_CRDT_RESIDUE_H

#include "crdt/type.h"

/* Calls `visit` for every counter, alive or not, in the order of paths; stops at the first non-zero result. */
typedef int (*gs_counter_visit_fn)(void *context, const struct gs_path *path, const struct gs_counter *counter);
int gs_counters_visit(const struct gs_dot_map *root, gs_counter_visit_fn visit, void *context);

/* Appends the residue array of crdt/FORMAT.md; reads it into `root`, errors stay in the reader. */
void gs_residue_encode(const struct gs_dot_map *root, const struct gs_origins *origins, struct gs_buffer *out);
void gs_residue_decode(struct gs_dot_map *root, struct gs_decoding *decoding);

#endif
