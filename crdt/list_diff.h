/* The edits that lead from a list to an array. */
#ifndef GS_CRDT_LIST_DIFF_H
#define GS_CRDT_LIST_DIFF_H

#include "crdt/list.h"
#include "crdt/type.h"

/* Scripts with more elements inserted and deleted than this are not looked for: what lies between the common beginning
 * and the common end is then replaced as a whole. */
enum { GS_LIST_DIFF_MAX = 512 };

/* Appends the fewest inserts and deletes that make the list show `value`: O((N + M) D) for D of them (Myers, "An O(ND)
 * difference algorithm and its variations", 1986). 0, GS_ETYPE if `value` is no array, GS_ENOMEM. */
int gs_list_diff(const struct gs_list *list, const struct gs_path *path, struct gs_slice value, struct gs_op_list *ops);

#endif
