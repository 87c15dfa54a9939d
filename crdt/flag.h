/* What the two flags share: a DotFun of booleans, where every enable and disable supersedes those that its writer saw.
 */
#ifndef GS_CRDT_FLAG_H
#define GS_CRDT_FLAG_H

#include "crdt/type.h"

/* The entry that is shown: the latest that says `winner`, else the latest. NULL if there is none. */
const struct gs_entry *gs_flag_winner(const struct gs_dot_fun *fun, bool winner);
/* True if entries say different things. */
bool gs_flag_are_rivals(const struct gs_dot_fun *fun);
/* What `entry`, which may be NULL, says. */
bool gs_flag_says(const struct gs_entry *entry);
void gs_flag_write_value(const struct gs_entry *entry, struct gs_buffer *out);
void gs_flag_write_json(const struct gs_entry *entry, struct gs_buffer *out);
void gs_flag_decode(union gs_store *store, struct gs_decoding *decoding);
/* Adds an entry that says `on`. */
int gs_flag_apply(union gs_store *store, const struct gs_applying *applying, bool on);
/* Saying what is shown already is an op too: it counts against what is concurrent. */
int gs_flag_resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer,
                    struct gs_arena *arena, struct gs_change *change);
/* Leads from what `shown` says to `value`, a boolean. */
int gs_flag_diff(const struct gs_entry *shown, const struct gs_path *path, struct gs_slice value,
                 struct gs_op_list *list);

#endif
