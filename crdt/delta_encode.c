#include "crdt/kind.h"
#include "crdt/type.h"

struct encoding {
    struct gs_origin_table *table;
    struct gs_buffer *out;
    int error;
};

static void write_origin(struct encoding *encoding, const gs_origin *origin) {
    uint32_t number = gs_origin_table_intern(encoding->table, origin);
    if (number == UINT32_MAX) {
        encoding->error = encoding->table->count >= GS_ORIGIN_TABLE_MAX ? GS_ETOOBIG : GS_ENOMEM;
    } else {
        gs_write_uint(encoding->out, number);
    }
}

static void write_dot(struct encoding *encoding, const gs_origin *origin, gs_point at) {
    write_origin(encoding, origin);
    gs_write_uint(encoding->out, at.seq);
    gs_write_uint(encoding->out, at.index);
}

static void write_dots(struct encoding *encoding, const gs_dot *dots, uint32_t count) {
    gs_write_array(encoding->out, 3 * count);
    for (uint32_t i = 0; i < count; i++) {
        write_dot(encoding, &dots[i].origin, dots[i].at);
    }
}

static void write_marks(struct encoding *encoding, const struct gs_counter_mark *marks, uint32_t count) {
    gs_write_array(encoding->out, 4 * count);
    for (uint32_t i = 0; i < count; i++) {
        write_dot(encoding, &marks[i].origin, marks[i].at);
        gs_write_int(encoding->out, marks[i].total);
    }
}

static void write_node(struct encoding *encoding, const struct gs_cleared *node, bool named) {
    gs_write_array(encoding->out, 2U + named + (node->presence_count > 0));
    if (named) {
        gs_write_str(encoding->out, node->name.bytes, node->name.length);
    }
    gs_write_uint(encoding->out, (uint64_t)node->type);
    switch (gs_type_find((int)node->type)->clears) {
    case GS_CLEARS_TREE:
        gs_write_array(encoding->out, 2);
        write_dots(encoding, node->dots, node->dot_count);
        gs_write_array(encoding->out, node->child_count);
        for (uint32_t i = 0; i < node->child_count; i++) {
            write_node(encoding, &node->children[i], true);
        }
        break;
    case GS_CLEARS_MARKS:
        write_marks(encoding, node->marks, node->mark_count);
        break;
    case GS_CLEARS_DOTS:
        write_dots(encoding, node->dots, node->dot_count);
        break;
    }
    if (node->presence_count > 0) {
        write_dots(encoding, node->presence, node->presence_count);
    }
}

static void write_anchor(struct encoding *encoding, const struct gs_list_anchor *anchor) {
    gs_write_array(encoding->out, anchor ? 4 : 0);
    if (anchor) {
        gs_write_uint(encoding->out, (uint64_t)anchor->side);
        write_dot(encoding, &anchor->dot.origin, anchor->dot.at);
    }
}

static void write_parts(struct encoding *encoding, const struct gs_change *change, uint32_t parts) {
    struct gs_buffer *out = encoding->out;
    if (parts & GS_PART_CLEARED) {
        gs_write_array(out, change->cleared_count);
        for (uint32_t i = 0; i < change->cleared_count; i++) {
            write_node(encoding, &change->cleared[i], false);
        }
    }
    if (parts & GS_PART_DOTS) {
        write_dots(encoding, change->dots, change->dot_count);
    }
    if (parts & GS_PART_TYPE) {
        gs_write_uint(out, (uint64_t)change->type);
    }
    if (parts & GS_PART_BOUND) {
        gs_write_int(out, change->bound);
    }
    if (parts & GS_PART_TARGET) {
        write_origin(encoding, &change->target);
    }
    if (parts & GS_PART_MEMBER) {
        gs_write_str(out, change->member.bytes, change->member.length);
    }
    if (parts & GS_PART_MARKS) {
        write_marks(encoding, change->marks, change->mark_count);
    }
    if (parts & GS_PART_VALUE) {
        gs_buffer_append(out, change->value.bytes, change->value.length);
    }
    if (parts & (GS_PART_TALLY | GS_PART_SPAN)) {
        gs_write_int(out, change->by);
    }
    if ((parts & GS_PART_SPAN) || ((parts & GS_PART_TALLY) && !change->fresh)) {
        gs_write_int(out, change->before);
    }
    if (parts & GS_PART_ANCHOR) {
        write_anchor(encoding, change->anchor);
    }
}

static void write_change(struct encoding *encoding, const struct gs_change *change) {
    struct gs_buffer *out = encoding->out;
    const struct gs_kind_info *info = gs_kind_find((int)change->kind);
    if (!info) {
        encoding->error = GS_EINVAL;
        return;
    }
    gs_write_array(out, gs_kind_length(info, change->fresh));
    gs_write_uint(out, (uint64_t)change->kind);
    gs_write_uint(out, change->index);
    gs_write_array(out, change->path.depth);
    for (uint32_t i = 0; i < change->path.depth; i++) {
        gs_write_str(out, change->path.names[i].bytes, change->path.names[i].length);
    }
    write_parts(encoding, change, info->parts);
}

int gs_delta_encode(const struct gs_delta *delta, struct gs_origin_table *table, struct gs_buffer *out) {
    uint32_t own = gs_origin_table_intern(table, &delta->origin);
    if (own != 0) {
        return own == UINT32_MAX ? GS_ENOMEM : GS_EINVAL;
    }
    struct encoding encoding = {.table = table, .out = out};
    gs_write_array(out, 2);
    gs_write_uint(out, delta->previous);
    gs_write_array(out, delta->count);
    for (uint32_t i = 0; i < delta->count && encoding.error == 0; i++) {
        write_change(&encoding, &delta->changes[i]);
    }
    return encoding.error != 0 ? encoding.error : out->failed;
}
