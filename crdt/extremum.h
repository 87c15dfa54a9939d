/* What max and min share: numbers of which the one furthest out is shown. */
#ifndef GS_CRDT_EXTREMUM_H
#define GS_CRDT_EXTREMUM_H

#include "crdt/type.h"

/* 1: the greatest number is shown; -1: the least. */
enum gs_direction { GS_LEAST = -1, GS_GREATEST = 1 };

/* The entry that is shown, or NULL if there is none: numbers are compared as numbers, and of equal ones the integer is
 * shown. */
const struct gs_entry *gs_extremum_winner(const struct gs_dot_fun *fun, enum gs_direction direction);
void gs_extremum_write_value(const union gs_store *store, enum gs_direction direction, struct gs_buffer *out);
void gs_extremum_write_json(const union gs_store *store, enum gs_direction direction, struct gs_buffer *out);
int gs_extremum_resolve(const union gs_store *store, enum gs_direction direction, const struct gs_op *op,
                        struct gs_arena *arena, struct gs_change *change);
/* Leads to `value` by ops of `kind`. */
int gs_extremum_diff(const union gs_store *store, enum gs_direction direction, enum gs_op_kind kind,
                     const struct gs_path *path, struct gs_slice value, struct gs_op_list *list);
/* A store that has numbers, without clocks. */
void gs_extremum_decode(union gs_store *store, struct gs_decoding *decoding);
int gs_extremum_apply(union gs_store *store, const struct gs_applying *applying);

#endif
