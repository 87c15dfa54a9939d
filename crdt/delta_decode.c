/* Reading deltas from hostile bytes: everything that can be checked without the state. */
#include "crdt/kind.h"
#include "crdt/number.h"
#include "crdt/path.h"
#include "crdt/type.h"

#include <globalstate/json.h>

/* The least bytes that an element of each array takes. */
enum {
    NAME_BYTES_MIN = 1,
    DOT_BYTES_MIN = 3,
    MARK_BYTES_MIN = 4,
    NODE_BYTES_MIN = 3 + DOT_BYTES_MIN, /* array, type, array of a dot or more */
    CHANGE_BYTES_MIN = 5                /* array, kind, index, path, dots */
};

struct decoding {
    struct gs_reader *reader;
    const struct gs_origin_table *table;
    struct gs_arena *arena;
    size_t owed; /* bytes that elements not yet begun, of the arrays around, take at least */
    gs_origin own;
    gs_point now; /* of the change being read: its own origin's dots lie before */
};

/* An array in the arena whose elements take at least `least` bytes each; NULL if it is empty or the reader failed. No
 * byte may promise elements to two arrays: what nests would be reserved once for every level. */
static void *allocate(struct decoding *decoding, uint32_t count, size_t size, size_t least) {
    struct gs_reader *reader = decoding->reader;
    size_t left = (size_t)(reader->end - reader->at);
    if (reader->error != 0 || count == 0) {
        return NULL;
    }
    if (decoding->owed > left || count > (left - decoding->owed) / least) {
        gs_reader_fail(reader, GS_EFORMAT);
        return NULL;
    }
    void *array = gs_arena_alloc(decoding->arena, count * size);
    if (!array) {
        gs_reader_fail(reader, GS_ENOMEM);
    }
    return array;
}

/* An origin by its number in the table. */
static gs_origin read_origin(struct decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t number = gs_read_u32(reader, UINT32_MAX);
    if (reader->error == 0 && number >= decoding->table->count) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    return reader->error == 0 ? decoding->table->origins[number] : (gs_origin){{0}};
}

static gs_dot read_dot(struct decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    gs_dot dot = {.origin = read_origin(decoding)};
    dot.at.seq = gs_read_uint(reader);
    dot.at.index = gs_read_u32(reader, UINT32_MAX);
    if (reader->error == 0 && dot.at.seq == 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (gs_origin_equal(&dot.origin, &decoding->own) && gs_point_compare(dot.at, decoding->now) >= 0) {
        gs_reader_fail(reader, GS_EOVERCLAIM);
    }
    return dot;
}

static const gs_dot *read_dots(struct decoding *decoding, uint32_t *ret_count) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % 3 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    count /= 3;
    *ret_count = count;
    if (count == 0 || reader->error != 0) {
        return NULL;
    }
    gs_dot *dots = allocate(decoding, count, sizeof(*dots), DOT_BYTES_MIN);
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        dots[i] = read_dot(decoding);
        if (reader->error == 0 && i > 0 && gs_dot_compare(&dots[i - 1], &dots[i]) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return dots;
}

static const struct gs_counter_mark *read_marks(struct decoding *decoding, uint32_t *ret_count) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % 4 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    count /= 4;
    *ret_count = count;
    struct gs_counter_mark *marks = allocate(decoding, count, sizeof(*marks), MARK_BYTES_MIN);
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        gs_dot dot = read_dot(decoding);
        marks[i] = (struct gs_counter_mark){.origin = dot.origin, .at = dot.at, .total = gs_read_int(reader)};
        if (reader->error == 0 && i > 0 && gs_origin_compare(&marks[i - 1].origin, &marks[i].origin) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return marks;
}

static const struct gs_cleared *read_nodes(struct decoding *decoding, const struct gs_type_ops *around, uint32_t depth,
                                           uint32_t *ret_count);

/* Something must be taken away at every node: nothing else is written. `depth` counts the names that lead here. */
static void read_payload(struct decoding *decoding, uint32_t depth, bool present, struct gs_cleared *node) {
    struct gs_reader *reader = decoding->reader;
    const struct gs_type_ops *ops = gs_type_find((int)node->type);
    switch (ops->clears) {
    case GS_CLEARS_TREE:
        gs_read_array_exact(reader, 2);
        node->dots = read_dots(decoding, &node->dot_count);
        node->children = read_nodes(decoding, ops, depth + !ops->holds, &node->child_count);
        if (ops->holds && node->dot_count > 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
        break;
    case GS_CLEARS_MARKS:
        node->marks = read_marks(decoding, &node->mark_count);
        break;
    case GS_CLEARS_DOTS:
        node->dots = read_dots(decoding, &node->dot_count);
        break;
    }
    if (present) {
        node->presence = read_dots(decoding, &node->presence_count);
    }
    bool nothing = node->dot_count == 0 && node->mark_count == 0 && node->child_count == 0;
    if (node->type == GS_TYPE_BOUNDED_COUNTER && node->dot_count > 0) { /* it has no dots but presence */
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if ((present && node->presence_count == 0) || (!present && nothing) ||
        (present && !gs_type_has_presence((int)node->type))) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static bool in_order(const struct gs_cleared *a, const struct gs_cleared *b) {
    int order = gs_slice_compare(a->name, b->name);
    return order < 0 || (order == 0 && a->type < b->type);
}

/* The nodes in a tree of type `around`, which have names; NULL: those at the top. */
static const struct gs_cleared *read_nodes(struct decoding *decoding, const struct gs_type_ops *around, uint32_t depth,
                                           uint32_t *ret_count) {
    struct gs_reader *reader = decoding->reader;
    bool named = around != NULL;
    bool held = around && around->holds;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count > 0 && depth > GS_PATH_DEPTH_MAX) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    *ret_count = count;
    const size_t least = NODE_BYTES_MIN + (named ? NAME_BYTES_MIN : 0);
    struct gs_cleared *nodes = allocate(decoding, count, sizeof(*nodes), least);
    decoding->owed += count * least;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        struct gs_cleared *node = &nodes[i];
        *node = (struct gs_cleared){0};
        decoding->owed -= least;
        uint32_t members = named ? 3 : 2;
        uint32_t length = gs_read_array(reader, UINT32_MAX);
        if (length < members || length > members + !held) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
        if (named) {
            node->name = gs_read_str(reader, GS_NAME_BYTES_MAX);
        }
        node->type = (enum gs_type)gs_read_u32(reader, UINT8_MAX);
        if (reader->error == 0 && (!gs_type_find((int)node->type) || (held && !around->holds((int)node->type)) ||
                                   !gs_name_valid(node->name) || (i > 0 && !in_order(&nodes[i - 1], node)))) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
        if (reader->error == 0) {
            read_payload(decoding, depth, length > members, node);
        }
    }
    return nodes;
}

static void read_path(struct decoding *decoding, struct gs_path *ret_path) {
    struct gs_reader *reader = decoding->reader;
    uint32_t depth = gs_read_array(reader, GS_PATH_DEPTH_MAX);
    struct gs_slice *names = allocate(decoding, depth, sizeof(*names), NAME_BYTES_MIN);
    for (uint32_t i = 0; i < depth && reader->error == 0; i++) {
        names[i] = gs_read_str(reader, GS_NAME_BYTES_MAX);
        if (!gs_name_valid(names[i])) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    *ret_path = (struct gs_path){.depth = depth, .names = names};
}

/* A tally: what the counter's part amounts to after it must be an int64. */
static void read_sum(struct decoding *decoding, bool fresh, struct gs_change *change) {
    struct gs_reader *reader = decoding->reader;
    int64_t after = 0;
    change->fresh = fresh;
    change->by = gs_read_int(reader);
    if (!fresh) {
        change->before = gs_read_int(reader);
        if (__builtin_add_overflow(change->before, change->by, &after)) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
}

/* What an origin's cell of a bounded counter grows by, and what it was. A decrement counts in the cell of what is
 * spent.
 */
static void read_span(struct decoding *decoding, struct gs_change *change) {
    struct gs_reader *reader = decoding->reader;
    change->by = gs_read_int(reader);
    change->before = gs_read_int(reader);
    bool moves = change->kind == GS_OP_TRANSFER || change->kind == GS_OP_TAKEOVER;
    bool small = change->kind == GS_OP_INCREMENT_BC ? change->by > INT64_MIN : change->by >= (moves ? 1 : 0);
    int64_t size = !small ? 0 : change->by < 0 ? -change->by : change->by;
    bool above = change->kind != GS_OP_GRANT || change->bound <= 0 || size <= INT64_MAX - change->bound;
    if (reader->error == 0 && (!small || change->before < 0 || size > INT64_MAX - change->before || !above)) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static void read_cleared(struct decoding *decoding, struct gs_change *change) {
    change->cleared = read_nodes(decoding, NULL, change->path.depth, &change->cleared_count);
    bool root_map =
        change->cleared_count == 1 && decoding->reader->error == 0 && change->cleared[0].type == GS_TYPE_MAP;
    if (change->cleared_count == 0 || (change->path.depth == 0 && !root_map)) {
        gs_reader_fail(decoding->reader, GS_EFORMAT);
    }
}

static void read_type(struct gs_reader *reader, struct gs_change *change) {
    change->type = (enum gs_type)gs_read_u32(reader, UINT8_MAX);
    const struct gs_type_ops *ops = reader->error == 0 ? gs_type_find((int)change->type) : NULL;
    if (!ops || !ops->creatable) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static const struct gs_list_anchor *read_anchor(struct decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t length = gs_read_array(reader, 4);
    if (length == 0 || reader->error != 0) {
        return NULL;
    }
    struct gs_list_anchor *anchor = allocate(decoding, 1, sizeof(*anchor), DOT_BYTES_MIN);
    uint32_t side = gs_read_u32(reader, GS_LIST_BEFORE);
    gs_dot dot = read_dot(decoding);
    if (length != 4 || side == GS_LIST_START || !anchor) {
        gs_reader_fail(reader, GS_EFORMAT);
        return NULL;
    }
    *anchor = (struct gs_list_anchor){.side = (enum gs_list_side)side, .dot = dot};
    return anchor;
}

static void read_value(struct gs_reader *reader, const struct gs_kind_info *info, struct gs_change *change) {
    change->value = gs_read_value(reader);
    if (reader->error == 0 && info->fits && !info->fits(change->value)) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static void read_parts(struct decoding *decoding, const struct gs_kind_info *info, bool fresh,
                       struct gs_change *change) {
    struct gs_reader *reader = decoding->reader;
    uint32_t parts = info->parts;
    if (parts & GS_PART_CLEARED) {
        read_cleared(decoding, change);
    }
    if (parts & GS_PART_DOTS) {
        change->dots = read_dots(decoding, &change->dot_count);
    }
    if (parts & GS_PART_TYPE) {
        read_type(reader, change);
    }
    if (parts & GS_PART_BOUND) {
        change->bound = gs_read_int(reader);
    }
    if (parts & GS_PART_TARGET) {
        change->target = read_origin(decoding);
        if (reader->error == 0 && gs_origin_equal(&change->target, &decoding->own)) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    if (parts & GS_PART_MEMBER) {
        change->member = gs_read_str(reader, GS_NAME_BYTES_MAX);
        if (!gs_name_valid(change->member)) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    if (parts & GS_PART_MARKS) {
        change->marks = read_marks(decoding, &change->mark_count);
    }
    if (parts & GS_PART_VALUE) {
        read_value(reader, info, change);
    }
    if (parts & GS_PART_TALLY) {
        read_sum(decoding, fresh, change);
    }
    if (parts & GS_PART_SPAN) {
        read_span(decoding, change);
    }
    if (parts & GS_PART_ANCHOR) {
        change->anchor = read_anchor(decoding);
    }
    if ((info->traits & GS_KIND_TAKES) && change->dot_count == 0 && change->mark_count == 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static void read_change(struct decoding *decoding, struct gs_change *change) {
    struct gs_reader *reader = decoding->reader;
    *change = (struct gs_change){0};
    uint32_t length = gs_read_array(reader, UINT32_MAX);
    uint32_t kind = gs_read_u32(reader, UINT8_MAX);
    change->index = gs_read_u32(reader, UINT32_MAX);
    if (reader->error != 0) {
        return;
    }
    const struct gs_kind_info *info = gs_kind_find((int)kind);
    bool fresh = info && (info->parts & GS_PART_TALLY) && length == gs_kind_length(info, true);
    if (!info || length != gs_kind_length(info, fresh)) {
        gs_reader_fail(reader, GS_EFORMAT);
        return;
    }
    change->kind = (enum gs_op_kind)kind;
    decoding->now.index = change->index;
    read_path(decoding, &change->path);
    if (change->path.depth == 0 && !(info->traits & GS_KIND_AT_ROOT)) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error == 0) {
        read_parts(decoding, info, fresh, change);
    }
}

int gs_delta_decode(struct gs_reader *reader, const struct gs_origin_table *table, struct gs_arena *arena,
                    struct gs_delta *ret_delta) {
    struct decoding decoding = {
        .reader = reader, .table = table, .arena = arena, .own = ret_delta->origin, .now = {.seq = ret_delta->seq}};
    gs_read_array_exact(reader, 2);
    uint64_t previous = gs_read_uint(reader);
    uint32_t count = gs_read_array(reader, GS_CHANGES_PER_DELTA_MAX);
    if (reader->error == 0 && previous >= ret_delta->seq) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    struct gs_change *changes = allocate(&decoding, count, sizeof(*changes), CHANGE_BYTES_MIN);
    decoding.owed = (size_t)count * CHANGE_BYTES_MIN;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        decoding.owed -= CHANGE_BYTES_MIN;
        read_change(&decoding, &changes[i]);
        bool in_order = i == 0 || (reader->error == 0 && gs_change_last_index(&changes[i - 1]) < changes[i].index);
        if (!in_order || (reader->error == 0 && gs_change_last_index(&changes[i]) < changes[i].index)) {
            gs_reader_fail(reader, GS_EFORMAT); /* the latter: a run past the last index there is */
        }
    }
    if (reader->error != 0) {
        return reader->error;
    }
    ret_delta->previous = previous;
    ret_delta->count = count;
    ret_delta->changes = changes;
    return 0;
}
