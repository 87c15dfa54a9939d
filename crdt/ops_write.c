/* Ops as the JSON that clients send. */
#include "crdt/kind.h"

#include <globalstate/json.h>

#include <inttypes.h>

static void write_path(const struct gs_path *path, struct gs_buffer *out) {
    struct gs_buffer text = {.memory = out->memory};
    gs_path_write(path, &text);
    gs_json_write_string(text.bytes, text.length, out);
    if (text.failed) {
        out->failed = text.failed;
    }
    gs_buffer_close(&text);
}

static void write_text(const char *member, struct gs_slice text, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"%s\":", member);
    gs_json_write_string(text.bytes, text.length, out);
}

static void write_value(const char *member, struct gs_slice value, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"%s\":", member);
    gs_json_write(value, out);
}

static void write_create(const struct gs_op *op, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"type\":\"%s\"", gs_type_name((int)op->type));
    if (op->type == GS_TYPE_BOUNDED_COUNTER) {
        gs_buffer_printf(out, ",\"bound\":%" PRId64 ",\"initial\":%" PRId64, op->bound, op->initial);
    }
}

/* The name that the client used; without one, the origin in hexadecimal. */
static void write_target(const struct gs_op *op, struct gs_buffer *out) {
    if (op->target_name.length > 0) {
        write_text("to", op->target_name, out);
        return;
    }
    gs_buffer_text(out, op->kind == GS_OP_TAKEOVER ? ",\"from\":\"" : ",\"to\":\"");
    for (int i = 0; i < GS_ORIGIN_SIZE; i++) {
        gs_buffer_printf(out, "%02x", op->target.bytes[i]);
    }
    gs_buffer_byte(out, '"');
}

static void write_members(const struct gs_op *op, struct gs_buffer *out) {
    const struct gs_kind_info *info = gs_kind_find((int)op->kind);
    switch (op->kind) {
    case GS_OP_MAKE_MAP:
        gs_buffer_text(out, ",\"value\":{}");
        return;
    case GS_OP_CREATE:
        write_create(op, out);
        return;
    case GS_OP_INCREMENT:
    case GS_OP_INCREMENT_BC:
        write_value("by", op->value, out);
        return;
    case GS_OP_TRANSFER:
    case GS_OP_TAKEOVER:
        write_target(op, out);
        write_value("by", op->value, out);
        return;
    case GS_OP_SCORE_TO:
    case GS_OP_SCORE_BY:
        write_text("member", op->member, out);
        write_value(op->kind == GS_OP_SCORE_TO ? "to" : "by", op->value, out);
        return;
    case GS_OP_REMOVE_MEMBER:
        write_text("value", op->member, out);
        return;
    case GS_OP_INSERT:
        gs_buffer_printf(out, ",\"index\":%" PRIu64, op->position);
        write_value("values", op->value, out);
        return;
    case GS_OP_DELETE:
        gs_buffer_printf(out, ",\"index\":%" PRIu64 ",\"count\":%" PRIu64, op->position, op->count);
        return;
    default:
        if (info && (info->parts & GS_PART_VALUE)) {
            write_value(info->member, op->value, out);
        }
        return;
    }
}

void gs_op_write_json(const struct gs_op *op, struct gs_buffer *out) {
    gs_buffer_printf(out, "{\"op\":\"%s\",\"path\":", gs_op_name((int)op->kind));
    write_path(&op->path, out);
    write_members(op, out);
    gs_buffer_byte(out, '}');
}
