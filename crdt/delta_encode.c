#include "crdt/delta_format.h"

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

static void write_node(struct encoding *encoding, const struct gs_cleared *node, bool named) {
    gs_write_array(encoding->out, named ? 3 : 2);
    if (named) {
        gs_write_str(encoding->out, node->name.bytes, node->name.length);
    }
    gs_write_uint(encoding->out, (uint64_t)node->type);
    switch (node->type) {
    case GS_TYPE_MAP:
        gs_write_array(encoding->out, 2);
        write_dots(encoding, node->dots, node->dot_count);
        gs_write_array(encoding->out, node->child_count);
        for (uint32_t i = 0; i < node->child_count; i++) {
            write_node(encoding, &node->children[i], true);
        }
        break;
    case GS_TYPE_COUNTER:
        gs_write_array(encoding->out, 4 * node->mark_count);
        for (uint32_t i = 0; i < node->mark_count; i++) {
            write_dot(encoding, &node->marks[i].origin, node->marks[i].at);
            gs_write_int(encoding->out, node->marks[i].total);
        }
        break;
    default:
        write_dots(encoding, node->dots, node->dot_count);
        break;
    }
}

static void write_change(struct encoding *encoding, const struct gs_change *change) {
    struct gs_buffer *out = encoding->out;
    gs_write_array(out, gs_change_length(change->kind, change->fresh));
    gs_write_uint(out, (uint64_t)change->kind);
    gs_write_uint(out, change->index);
    gs_write_array(out, change->path.depth);
    for (uint32_t i = 0; i < change->path.depth; i++) {
        gs_write_str(out, change->path.names[i].bytes, change->path.names[i].length);
    }
    if (change->kind == GS_OP_INCREMENT) {
        gs_write_int(out, change->by);
        if (!change->fresh) {
            gs_write_int(out, change->before);
        }
        return;
    }
    if (change->kind == GS_OP_UNSET) {
        gs_write_array(out, change->cleared_count);
        for (uint32_t i = 0; i < change->cleared_count; i++) {
            write_node(encoding, &change->cleared[i], false);
        }
        return;
    }
    write_dots(encoding, change->dots, change->dot_count);
    if (change->kind != GS_OP_MAKE_MAP) {
        gs_buffer_append(out, change->value.bytes, change->value.length);
    }
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
