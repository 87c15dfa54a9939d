/* Where a log begins: the base of a store whose oldest records may be gone.
 *
 * Up to `position` records may be missing, one by one: those of types that are to be remembered longer are still there,
 * for people who look back. After it the log is whole. What a start needs of the time before are the heads at the base
 * (every later record chains to them) and the states that are kept beside the log (node/core/keep.h): the newest state
 * of every aggregate has all events up to the base, so states and the log after the base make the whole state.
 *
 * A floor says for a type up to where its events are gone from the past that can be asked for; the base is the highest
 * of them. Nothing above a floor, and no record with an event above its type's floor, is ever removed. */
#ifndef GS_NODE_STORE_BASE_H
#define GS_NODE_STORE_BASE_H

#include "gossip/vector.h"

#include <globalstate/hlc.h>
#include <globalstate/memory.h>

#define GS_FLOOR_OTHERS "*" /* the floor of all types that have none of their own */

/* The row that holds it is all that knows it: without it nothing of the log can be relied upon. */
#define GS_BASE_DAMAGED                                                                                             \
    "the base, which says where the log begins, is damaged: move the store away and start empty, the node takes a " \
    "snapshot from another region"

enum { GS_FLOORS_MAX = 256, GS_FLOOR_NAME_MAX = 128 };

struct gs_floor {
    char type[GS_FLOOR_NAME_MAX + 1];
    uint64_t position; /* events of the type in records up to there are gone; ≤ the base's */
};

/* Zero-initialise; gs_base_close. */
struct gs_base {
    gs_cluster cluster;
    uint64_t position;       /* 0: the store has no base, its log begins at the first record */
    gs_hlc clock;            /* the greatest clock of the events up to there */
    struct gs_vector heads;  /* of every origin, when the records up to there were applied */
    struct gs_floor *floors; /* owned */
    uint32_t floor_count;
};

void gs_base_close(struct gs_base *base);
/* 0 or GS_ENOMEM (then `to` is unchanged). */
int gs_base_copy(struct gs_base *to, const struct gs_base *from);

/* The floor of a type. */
uint64_t gs_base_floor(const struct gs_base *base, struct gs_slice type);
/* Raises (never lowers) the floor of a name; a type that gets one of its own begins with that of the others. 0,
 * GS_ENOMEM, GS_ETOOBIG (names, or a name). */
int gs_base_raise_floor(struct gs_base *base, const char *type, uint64_t position);

/* base := [1, cluster, position, clock, [origin, seq, hash, …], [type, position, …]], canonical. Reading: GS_ECORRUPT,
 * GS_EVERSION, GS_ENOMEM; `ret_base` is zero-initialised by the caller. */
int gs_base_write(const struct gs_base *base, struct gs_buffer *out);
int gs_base_read(struct gs_slice bytes, struct gs_base *ret_base);

/* Adds to `heads`, which the records that are there make, what only the base knows: origins whose last record is gone.
 * GS_ECORRUPT (a record of the same seq has another hash), GS_ENOMEM, GS_ETOOBIG. */
int gs_base_complete(const struct gs_base *base, struct gs_vector *heads);
/* Whether records that `have` lacks are gone. */
bool gs_base_is_behind(const struct gs_base *base, const struct gs_vector *have);

#endif
