/* Leaderboards: who leads, and where somebody stands, without building the whole board.
 *
 * A board is in order from the highest score down, equal scores by the bytes of the member's name. Both queries look at
 * every member once and allocate nothing. */
#ifndef GLOBALSTATE_LEADERBOARD_H
#define GLOBALSTATE_LEADERBOARD_H

#include <globalstate/aggregate.h>

struct gs_leader {
    struct gs_slice member; /* UTF-8; borrowed until the aggregate changes */
    int64_t score;
};

/* The first `k` of the board at `path`, in order, fewer if the board has fewer: `ret_leaders` has room for `k`.
 * O(n log k) time. GS_ENOTFOUND if there is no board. */
int gs_leaderboard_top(const struct gs_aggregate *aggregate, const struct gs_path *path, uint32_t k,
                       struct gs_leader *ret_leaders, uint32_t *ret_count);

/* Where `member` stands, from 1, and its score. O(n) time. GS_ENOTFOUND if there is no board or no such member. */
int gs_leaderboard_rank(const struct gs_aggregate *aggregate, const struct gs_path *path, struct gs_slice member,
                        uint32_t *ret_rank, int64_t *ret_score);

#endif
