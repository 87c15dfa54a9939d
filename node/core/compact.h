/* Cleaning up behind causal stability (compact.c), and what has to be stable for it (stable.c). */
#ifndef GS_NODE_CORE_COMPACT_H
#define GS_NODE_CORE_COMPACT_H

#include "gossip/trust.h"
#include "gossip/vector.h"

struct gs_command;
struct gs_core;
struct gs_cell;
struct gs_origin_state;
struct gs_update;

/* Cells that changed since they were cleaned, by their last change. */
struct gs_compaction {
    struct gs_cell *oldest, *newest;
    uint64_t mono_ms; /* the next step not before */
};

/* An aggregate has changed; its cell goes. */
void gs_compact_changed(struct gs_core *core, struct gs_cell *cell);
void gs_compact_forget(struct gs_core *core, struct gs_cell *cell);
/* Cleans up what is due, a bounded part of it: 0 or GS_ENOMEM. */
int gs_compact_consider(struct gs_core *core);
/* When it wants to be called next, by the monotonic clock. */
uint64_t gs_compact_deadline(const struct gs_core *core);

/* Whether the owner of a trusted key has written something that is here. */
bool gs_stable_is_heard(const struct gs_core *core, const struct gs_trust_entry *trusted);
/* Whether an origin may still write something that is not here: not our own, not one that is closed and whole. */
bool gs_stable_may_write(const struct gs_core *core, const struct gs_origin_state *origin);
/* What an origin has shown to have applied: its own events that are stored, and what its last batch names. The caller
 * closes `ret_vector`. 0 or GS_ENOMEM. */
int gs_stable_shown(const struct gs_core *core, const struct gs_origin_state *origin, struct gs_vector *ret_vector);
/* What every origin that may still write has applied; a later life of its key does not speak for it. `*ret_known` is
 * false while a trusted key was never heard of: it may be writing all the while. The caller closes `ret_vector`. 0 or
 * GS_ENOMEM. */
int gs_stable_everywhere(const struct gs_core *core, struct gs_vector *ret_vector, bool *ret_known);

/* GS_COMMAND_STABILITY (stability.c): by name, who has not shown that it has applied all of one aggregate. */
int gs_stability_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);

#endif
