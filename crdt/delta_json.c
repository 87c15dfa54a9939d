/* Deltas for people, and what they claim to have seen. */
#include "crdt/kind.h"

#include <globalstate/json.h>

#include <inttypes.h>

static void write_members(const struct gs_change *change, const struct gs_kind_info *info, struct gs_buffer *out) {
    if (change->kind == GS_OP_MAKE_MAP) {
        gs_buffer_text(out, ",\"value\":{}");
    }
    if (info->parts & GS_PART_TYPE) {
        gs_buffer_printf(out, ",\"type\":\"%s\"", gs_type_name((int)change->type));
    }
    if (info->parts & GS_PART_MEMBER) {
        gs_buffer_text(out, change->kind == GS_OP_REMOVE_MEMBER ? ",\"value\":" : ",\"member\":");
        gs_json_write_string(change->member.bytes, change->member.length, out);
    }
    if (info->parts & GS_PART_TARGET) {
        gs_buffer_text(out, change->kind == GS_OP_TAKEOVER ? ",\"from\":\"" : ",\"to\":\"");
        for (int i = 0; i < GS_ORIGIN_SIZE; i++) {
            gs_buffer_printf(out, "%02x", change->target.bytes[i]);
        }
        gs_buffer_byte(out, '"');
    }
    if (info->parts & GS_PART_VALUE) {
        gs_buffer_printf(out, ",\"%s\":", info->member);
        gs_json_write(change->value, out);
    }
    if (change->kind == GS_OP_GRANT) { /* that the two sum to an int64, the decoder has checked */
        gs_buffer_printf(out, ",\"type\":\"%s\",\"bound\":%" PRId64 ",\"initial\":%" PRId64,
                         gs_type_name(GS_TYPE_BOUNDED_COUNTER), change->bound, change->bound + change->by);
    } else if (info->parts & (GS_PART_TALLY | GS_PART_SPAN)) {
        gs_buffer_printf(out, ",\"by\":%" PRId64, change->by);
    }
    if (change->kind == GS_OP_DELETE) {
        gs_buffer_printf(out, ",\"count\":%" PRIu32, change->dot_count);
    }
}

static void write_change(const struct gs_change *change, struct gs_buffer *out) {
    gs_buffer_printf(out, "{\"op\":\"%s\",\"path\":", gs_op_name((int)change->kind));
    struct gs_buffer path = {.memory = out->memory};
    gs_path_write(&change->path, &path);
    gs_json_write_string(path.bytes, path.length, out);
    if (path.failed) {
        out->failed = path.failed;
    }
    gs_buffer_close(&path);
    write_members(change, gs_kind_find((int)change->kind), out);
    gs_buffer_byte(out, '}');
}

void gs_delta_write_json(const struct gs_delta *delta, struct gs_buffer *out) {
    gs_buffer_byte(out, '[');
    for (uint32_t i = 0; i < delta->count; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        write_change(&delta->changes[i], out);
    }
    gs_buffer_byte(out, ']');
}

static int visit_dots(const gs_dot *dots, uint32_t count, gs_delta_visit_fn visit, void *context) {
    int result = 0;
    for (uint32_t i = 0; i < count && result == 0; i++) {
        result = visit(context, &dots[i].origin, dots[i].at);
    }
    return result;
}

static int visit_marks(const struct gs_counter_mark *marks, uint32_t count, gs_delta_visit_fn visit, void *context) {
    int result = 0;
    for (uint32_t i = 0; i < count && result == 0; i++) {
        result = visit(context, &marks[i].origin, marks[i].at);
    }
    return result;
}

static int visit_cleared(const struct gs_cleared *cleared, gs_delta_visit_fn visit, void *context) {
    int result = visit_dots(cleared->presence, cleared->presence_count, visit, context);
    result = result != 0 ? result : visit_dots(cleared->dots, cleared->dot_count, visit, context);
    result = result != 0 ? result : visit_marks(cleared->marks, cleared->mark_count, visit, context);
    for (uint32_t i = 0; i < cleared->child_count && result == 0; i++) {
        result = visit_cleared(&cleared->children[i], visit, context);
    }
    return result;
}

int gs_delta_visit_claims(const struct gs_delta *delta, gs_delta_visit_fn visit, void *context) {
    int result = 0;
    for (uint32_t i = 0; i < delta->count && result == 0; i++) {
        const struct gs_change *change = &delta->changes[i];
        result = visit_dots(change->dots, change->dot_count, visit, context);
        if (result == 0 && change->anchor) {
            result = visit(context, &change->anchor->dot.origin, change->anchor->dot.at);
        }
        result = result != 0 ? result : visit_marks(change->marks, change->mark_count, visit, context);
        for (uint32_t j = 0; j < change->cleared_count && result == 0; j++) {
            result = visit_cleared(&change->cleared[j], visit, context);
        }
    }
    return result;
}
