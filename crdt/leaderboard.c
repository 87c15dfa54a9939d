#include "crdt/leaderboard.h"

#include "crdt/aggregate_impl.h"
#include "crdt/number.h"

bool gs_member_next(struct gs_member_cursor *cursor, struct gs_member *ret_member) {
    const struct gs_field *field = cursor->ahead ? cursor->ahead : gs_ordered_next(&cursor->fields);
    cursor->ahead = NULL;
    while (field && !gs_field_is_alive(field)) {
        field = gs_ordered_next(&cursor->fields);
    }
    if (!field) {
        return false;
    }
    *ret_member = (struct gs_member){.name = gs_field_name(field)};
    while (field && gs_slice_compare(gs_field_name(field), ret_member->name) == 0) {
        const struct gs_field **side = field->type == GS_TYPE_REGISTER ? &ret_member->to : &ret_member->by;
        *side = gs_field_is_alive(field) ? field : NULL;
        field = gs_ordered_next(&cursor->fields);
    }
    cursor->ahead = field;
    return true;
}

bool gs_member_find(const struct gs_dot_map *board, struct gs_slice name, struct gs_member *ret_member) {
    ret_member->name = name;
    ret_member->to = gs_dot_map_find_alive(board, name, GS_TYPE_REGISTER);
    ret_member->by = gs_dot_map_find_alive(board, name, GS_TYPE_COUNTER);
    return ret_member->to || ret_member->by;
}

gs_wide gs_member_score(const struct gs_member *member) {
    int64_t to = 0;
    if (member->to) {
        gs_integer_read(gs_entry_value(gs_store_fun_latest(&member->to->store.fun)), &to);
    }
    return to + (member->by ? gs_counter_sum(&member->by->store.counter) : 0);
}

uint32_t gs_board_count(const struct gs_dot_map *board) {
    struct gs_member_cursor cursor = {.fields = {.ordered = &board->fields}};
    struct gs_member member;
    uint32_t count = 0;
    while (gs_member_next(&cursor, &member)) {
        count++;
    }
    return count;
}

static struct gs_leader leader_of(const struct gs_member *member) {
    return (struct gs_leader){.member = member->name, .score = gs_saturate(gs_member_score(member))};
}

/* True if `a` stands before `b`. */
static bool leads(const struct gs_leader *a, const struct gs_leader *b) {
    return a->score != b->score ? a->score > b->score : gs_slice_compare(a->member, b->member) < 0;
}

/* Restores the heap below `at`: at the root is the one that stands last. */
static void sift_down(struct gs_leader *heap, uint32_t count, uint32_t at) {
    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && leads(&heap[child], &heap[child + 1])) {
            child++;
        }
        if (!leads(&heap[at], &heap[child])) {
            return;
        }
        struct gs_leader last = heap[child];
        heap[child] = heap[at];
        heap[at] = last;
        at = child;
    }
}

/* A heap of the k best so far, whose last one gives way; then taken apart from the last to the first. */
uint32_t gs_board_top(const struct gs_dot_map *board, uint32_t k, struct gs_leader *ret_leaders) {
    struct gs_member_cursor cursor = {.fields = {.ordered = &board->fields}};
    struct gs_member member;
    uint32_t count = 0;
    while (k > 0 && gs_member_next(&cursor, &member)) {
        struct gs_leader leader = leader_of(&member);
        if (count < k) {
            ret_leaders[count++] = leader;
            for (uint32_t i = count / 2; count == k && i-- > 0;) {
                sift_down(ret_leaders, count, i);
            }
        } else if (leads(&leader, &ret_leaders[0])) {
            ret_leaders[0] = leader;
            sift_down(ret_leaders, count, 0);
        }
    }
    for (uint32_t i = count / 2; count < k && i-- > 0;) {
        sift_down(ret_leaders, count, i);
    }
    for (uint32_t left = count; left > 1; left--) {
        struct gs_leader last = ret_leaders[0];
        ret_leaders[0] = ret_leaders[left - 1];
        ret_leaders[left - 1] = last;
        sift_down(ret_leaders, left - 1, 0);
    }
    return count;
}

/* The board at a path, or NULL. */
static const struct gs_dot_map *find_board(const struct gs_aggregate *aggregate, const struct gs_path *path) {
    const struct gs_dot_map *map = path->depth > 0 ? &aggregate->root : NULL;
    for (uint32_t i = 0; map && i < path->depth; i++) {
        int type = i + 1 < path->depth ? GS_TYPE_MAP : GS_TYPE_LEADERBOARD;
        const struct gs_field *field = gs_dot_map_find_alive(map, path->names[i], type);
        map = field ? field->store.map : NULL;
    }
    return map;
}

int gs_leaderboard_top(const struct gs_aggregate *aggregate, const struct gs_path *path, uint32_t k,
                       struct gs_leader *ret_leaders, uint32_t *ret_count) {
    const struct gs_dot_map *board = find_board(aggregate, path);
    if (!board) {
        return GS_ENOTFOUND;
    }
    *ret_count = gs_board_top(board, k, ret_leaders);
    return 0;
}

int gs_leaderboard_rank(const struct gs_aggregate *aggregate, const struct gs_path *path, struct gs_slice member,
                        uint32_t *ret_rank, int64_t *ret_score) {
    const struct gs_dot_map *board = find_board(aggregate, path);
    struct gs_member wanted;
    if (!board || !gs_member_find(board, member, &wanted)) {
        return GS_ENOTFOUND;
    }
    struct gs_leader own = leader_of(&wanted);
    struct gs_member_cursor cursor = {.fields = {.ordered = &board->fields}};
    struct gs_member other;
    uint32_t rank = 1;
    while (gs_member_next(&cursor, &other)) {
        struct gs_leader leader = leader_of(&other);
        rank += leads(&leader, &own);
    }
    *ret_rank = rank;
    *ret_score = own.score;
    return 0;
}
