#include "crdt/list_diff.h"

#include <globalstate/json.h>

struct text {
    struct gs_slice *at; /* elements */
    uint32_t count;
    bool *stays; /* by element: it is in both */
};

/* Two lists, without the beginning and the end that they share. */
struct diffing {
    struct gs_arena *arena;
    struct text old;
    struct text new;
    uint32_t start; /* length of the common beginning */
};

static int allocate(struct gs_arena *arena, uint32_t count, struct text *ret_text) {
    ret_text->at = gs_arena_alloc(arena, ((size_t)count + 1) * sizeof(*ret_text->at));
    ret_text->stays = gs_arena_alloc(arena, (size_t)count + 1);
    ret_text->count = count;
    return ret_text->at && ret_text->stays ? 0 : GS_ENOMEM;
}

static int read_both(struct diffing *diffing, const struct gs_list *list, struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    reader.nodes_left = UINT32_MAX; /* what a past state shows may be larger than what one op brings */
    uint32_t count = gs_read_array(&reader, UINT32_MAX);
    if (allocate(diffing->arena, gs_list_length(list), &diffing->old) != 0 ||
        allocate(diffing->arena, count, &diffing->new) != 0) {
        return GS_ENOMEM;
    }
    struct gs_list_cursor cursor = {.list = list};
    gs_dot dot;
    for (uint32_t i = 0; gs_list_next(&cursor, &dot, &diffing->old.at[i]); i++) {
    }
    for (uint32_t i = 0; i < count; i++) {
        diffing->new.at[i] = gs_skip_value(&reader);
    }
    return 0;
}

static bool same(const struct diffing *diffing, uint32_t old, uint32_t new) {
    return gs_slice_compare(diffing->old.at[old], diffing->new.at[new]) == 0;
}

static void trim(struct diffing *diffing) {
    struct text *old = &diffing->old;
    struct text *new = &diffing->new;
    while (old->count > 0 && new->count > 0 && same(diffing, 0, 0)) {
        old->at++;
        new->at++;
        old->count--;
        new->count--;
        diffing->start++;
    }
    while (old->count > 0 && new->count > 0 && same(diffing, old->count - 1, new->count - 1)) {
        old->count--;
        new->count--;
    }
    memset(old->stays, 0, old->count + 1);
    memset(new->stays, 0, new->count + 1);
}

/* How far into the old list the furthest paths with `d` edits reach, on the diagonals -d, -d + 2 … d. */
static uint32_t *reach_from(const uint32_t *before, uint32_t d, struct diffing *diffing, bool *ret_done) {
    uint32_t *reach = gs_arena_alloc(diffing->arena, ((size_t)d + 1) * sizeof(*reach));
    for (uint32_t i = 0; reach && i <= d && !*ret_done; i++) {
        int64_t k = 2 * (int64_t)i - d;
        /* before[i] lies on diagonal k + 1 (an insertion leads here), before[i - 1] on k - 1 (a deletion). */
        bool inserts = i == 0 || (i < d && before[i - 1] < before[i]);
        int64_t x = d == 0 ? 0 : inserts ? before[i] : (int64_t)before[i - 1] + 1;
        while (x < diffing->old.count && x - k < diffing->new.count &&x - k >= 0 &&
               same(diffing, (uint32_t)x, (uint32_t)(x - k))) {
            x++;
        }
        reach[i] = (uint32_t)x;
        *ret_done = x >= diffing->old.count && x - k >= diffing->new.count;
    }
    return reach;
}

/* Marks what stays, from the end of the path back to its beginning. */
static void mark(struct diffing *diffing, uint32_t *const *reach, uint32_t d) {
    int64_t x = diffing->old.count;
    int64_t y = diffing->new.count;
    for (; d > 0; d--) {
        const uint32_t *before = reach[d - 1];
        uint32_t i = (uint32_t)((x - y + d) / 2);
        bool inserts = i == 0 || (i < d && before[i - 1] < before[i]);
        int64_t from = inserts ? before[i] : (int64_t)before[i - 1] + 1;
        while (x > from) {
            diffing->old.stays[--x] = true;
            diffing->new.stays[--y] = true;
        }
        x -= inserts ? 0 : 1;
        y -= inserts ? 1 : 0;
    }
    while (x > 0) {
        diffing->old.stays[--x] = true;
        diffing->new.stays[--y] = true;
    }
}

static int find_script(struct diffing *diffing) {
    uint32_t *reach[GS_LIST_DIFF_MAX + 1];
    bool done = false;
    for (uint32_t d = 0; d <= GS_LIST_DIFF_MAX && !done; d++) {
        reach[d] = reach_from(d > 0 ? reach[d - 1] : NULL, d, diffing, &done);
        if (!reach[d]) {
            return GS_ENOMEM;
        }
        if (done) {
            mark(diffing, reach, d);
        }
    }
    return 0;
}

static int push_insert(const struct diffing *diffing, uint32_t from, uint32_t to, uint64_t position,
                       const struct gs_path *path, struct gs_op_list *ops) {
    struct gs_slice first = diffing->new.at[from];
    struct gs_slice last = diffing->new.at[to - 1];
    struct gs_buffer array = {.memory = diffing->arena->memory};
    gs_write_array(&array, to - from);
    gs_buffer_append(&array, first.bytes, (size_t)(last.bytes + last.length - first.bytes));
    const uint8_t *bytes = array.failed ? NULL : gs_arena_copy(diffing->arena, array.bytes, array.length);
    int error = bytes ? gs_op_list_push(ops, GS_OP_INSERT, path, gs_slice_make(bytes, array.length)) : GS_ENOMEM;
    gs_buffer_close(&array);
    if (error == 0) {
        ops->ops[ops->count - 1].position = position;
    }
    return error;
}

static uint32_t count_nodes(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    gs_skip_value(&reader);
    return GS_VALUE_NODES_MAX - reader.nodes_left;
}

/* As few inserts as there can be whose arrays are values that others can read. */
static int push_inserts(const struct diffing *diffing, uint32_t from, uint32_t to, uint64_t position,
                        const struct gs_path *path, struct gs_op_list *ops) {
    int error = 0;
    while (from < to && error == 0) {
        uint32_t end = from + 1;
        uint32_t nodes = 1 + count_nodes(diffing->new.at[from]);
        uint32_t more = 0;
        while (end < to && nodes + (more = count_nodes(diffing->new.at[end])) <= GS_VALUE_NODES_MAX) {
            nodes += more;
            end++;
        }
        error = push_insert(diffing, from, end, position, path, ops);
        position += end - from;
        from = end;
    }
    return error;
}

static int push_delete(uint64_t count, uint64_t position, const struct gs_path *path, struct gs_op_list *ops) {
    int error = gs_op_list_push(ops, GS_OP_DELETE, path, (struct gs_slice){0});
    if (error == 0) {
        ops->ops[ops->count - 1].position = position;
        ops->ops[ops->count - 1].count = count;
    }
    return error;
}

/* What comes goes in before what goes is taken out: the list must not vanish in between. */
static int push_ops(const struct diffing *diffing, const struct gs_path *path, struct gs_op_list *ops) {
    const struct text *old = &diffing->old;
    const struct text *new = &diffing->new;
    uint64_t position = diffing->start;
    uint32_t i = 0;
    uint32_t j = 0;
    int error = 0;
    while (error == 0 && (i < old->count || j < new->count)) {
        uint32_t old_from = i;
        uint32_t new_from = j;
        while (i < old->count && !old->stays[i]) {
            i++;
        }
        while (j < new->count && !new->stays[j]) {
            j++;
        }
        if (j > new_from) {
            error = push_inserts(diffing, new_from, j, position, path, ops);
            position += j - new_from;
        }
        if (error == 0 && i > old_from) {
            error = push_delete(i - old_from, position, path, ops);
        }
        while (i < old->count && j < new->count && old->stays[i] && new->stays[j]) {
            i++;
            j++;
            position++;
        }
    }
    return error;
}

int gs_list_diff(const struct gs_list *list, const struct gs_path *path, struct gs_slice value,
                 struct gs_op_list *ops) {
    struct diffing diffing = {.arena = ops->arena};
    if (gs_value_kind(value) != GS_KIND_ARRAY) {
        return GS_ETYPE;
    }
    int error = read_both(&diffing, list, value);
    if (error == 0) {
        trim(&diffing);
        error = find_script(&diffing);
    }
    return error != 0 ? error : push_ops(&diffing, path, ops);
}
