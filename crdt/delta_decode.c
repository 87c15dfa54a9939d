/* Reading deltas from hostile bytes: everything that can be checked without the state. */
#include "crdt/delta_format.h"
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

static gs_dot read_dot(struct decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    gs_dot dot = {0};
    uint32_t number = gs_read_u32(reader, UINT32_MAX);
    dot.at.seq = gs_read_uint(reader);
    dot.at.index = gs_read_u32(reader, UINT32_MAX);
    if (reader->error == 0 && (number >= decoding->table->count || dot.at.seq == 0)) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error == 0) {
        dot.origin = decoding->table->origins[number];
        if (gs_origin_equal(&dot.origin, &decoding->own) && gs_point_compare(dot.at, decoding->now) >= 0) {
            gs_reader_fail(reader, GS_EOVERCLAIM);
        }
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

static const struct gs_cleared *read_nodes(struct decoding *decoding, bool named, uint32_t depth, uint32_t *ret_count);

/* Something must be taken away at every node: nothing else is written. `depth` counts the names that lead here. */
static void read_payload(struct decoding *decoding, uint32_t depth, struct gs_cleared *node) {
    struct gs_reader *reader = decoding->reader;
    switch (node->type) {
    case GS_TYPE_MAP:
        gs_read_array_exact(reader, 2);
        node->dots = read_dots(decoding, &node->dot_count);
        node->children = read_nodes(decoding, true, depth + 1, &node->child_count);
        break;
    case GS_TYPE_COUNTER:
        node->marks = read_marks(decoding, &node->mark_count);
        break;
    default:
        node->dots = read_dots(decoding, &node->dot_count);
        break;
    }
    if (node->dot_count == 0 && node->mark_count == 0 && node->child_count == 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static bool in_order(const struct gs_cleared *a, const struct gs_cleared *b) {
    int order = gs_slice_compare(a->name, b->name);
    return order < 0 || (order == 0 && a->type < b->type);
}

static const struct gs_cleared *read_nodes(struct decoding *decoding, bool named, uint32_t depth, uint32_t *ret_count) {
    struct gs_reader *reader = decoding->reader;
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
        gs_read_array_exact(reader, named ? 3 : 2);
        if (named) {
            node->name = gs_read_str(reader, GS_NAME_BYTES_MAX);
        }
        node->type = (enum gs_type)gs_read_u32(reader, UINT8_MAX);
        if (reader->error == 0 && (!gs_type_find((int)node->type) || !gs_name_valid(node->name) ||
                                   (i > 0 && !in_order(&nodes[i - 1], node)))) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
        if (reader->error == 0) {
            read_payload(decoding, depth, node);
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

static bool value_fits(const struct gs_change *change) {
    enum gs_kind kind = gs_value_kind(change->value);
    switch (change->kind) {
    case GS_OP_SET:
        return kind != GS_KIND_MAP;
    case GS_OP_MAX:
        return gs_is_number(change->value);
    default:
        return kind != GS_KIND_MAP && kind != GS_KIND_ARRAY;
    }
}

static void read_increment(struct gs_reader *reader, uint32_t length, struct gs_change *change) {
    int64_t after = 0;
    change->fresh = length == 4;
    change->by = gs_read_int(reader);
    if (!change->fresh) {
        change->before = gs_read_int(reader);
        if (__builtin_add_overflow(change->before, change->by, &after)) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
}

static void read_body(struct decoding *decoding, uint32_t length, struct gs_change *change) {
    struct gs_reader *reader = decoding->reader;
    bool at_root = change->path.depth == 0;
    if (change->kind == GS_OP_INCREMENT) {
        read_increment(reader, length, change);
    } else if (change->kind == GS_OP_UNSET) {
        change->cleared = read_nodes(decoding, false, change->path.depth, &change->cleared_count);
        bool root_map = change->cleared_count == 1 && reader->error == 0 && change->cleared[0].type == GS_TYPE_MAP;
        if (change->cleared_count == 0 || (at_root && !root_map)) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
        return;
    } else {
        change->dots = read_dots(decoding, &change->dot_count);
    }
    if (change->kind == GS_OP_MAKE_MAP) {
        return;
    }
    if (change->kind != GS_OP_INCREMENT) {
        change->value = gs_read_value(reader);
    }
    bool bad = (change->kind != GS_OP_INCREMENT && reader->error == 0 && !value_fits(change)) || at_root ||
               (change->kind == GS_OP_REMOVE && change->dot_count == 0);
    if (bad) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static void read_change(struct decoding *decoding, struct gs_change *change) {
    struct gs_reader *reader = decoding->reader;
    *change = (struct gs_change){0};
    uint32_t length = gs_read_array(reader, 5);
    uint32_t kind = gs_read_u32(reader, UINT8_MAX);
    change->index = gs_read_u32(reader, UINT32_MAX);
    if (reader->error != 0) {
        return;
    }
    bool known = kind == GS_OP_UNSET || gs_type_of_kind((int)kind) != 0;
    change->kind = (enum gs_op_kind)kind;
    if (!known || length != gs_change_length(change->kind, length == 4)) {
        gs_reader_fail(reader, GS_EFORMAT);
        return;
    }
    decoding->now.index = change->index;
    read_path(decoding, &change->path);
    if (reader->error == 0) {
        read_body(decoding, length, change);
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
        if (reader->error == 0 && i > 0 && changes[i - 1].index >= changes[i].index) {
            gs_reader_fail(reader, GS_EFORMAT);
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
