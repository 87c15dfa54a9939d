/* The store of a leaderboard: a DotMap that has, under a member's name, a register for the score last set and a counter
 * for the increments since. */
#ifndef GS_CRDT_LEADERBOARD_H
#define GS_CRDT_LEADERBOARD_H

#include "crdt/type.h"

#include <globalstate/leaderboard.h>

struct gs_member {
    struct gs_slice name;
    const struct gs_field *to; /* alive, or NULL */
    const struct gs_field *by; /* alive, or NULL; one of the two is there */
};

/* Walks over the members that are there, by name. Zero-initialise but for `fields.ordered`. */
struct gs_member_cursor {
    struct gs_ordered_cursor fields;
    const struct gs_field *ahead; /* read, and not yet given out */
};

bool gs_member_next(struct gs_member_cursor *cursor, struct gs_member *ret_member);
/* One member; false if it is not there. */
bool gs_member_find(const struct gs_dot_map *board, struct gs_slice name, struct gs_member *ret_member);
/* The score, exactly: the winning `to`, 0 if there is none, and the increments. */
gs_wide gs_member_score(const struct gs_member *member);
/* Members that are there. */
uint32_t gs_board_count(const struct gs_dot_map *board);
/* The first `k` in order; as many as were found. */
uint32_t gs_board_top(const struct gs_dot_map *board, uint32_t k, struct gs_leader *ret_leaders);

#endif
