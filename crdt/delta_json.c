/* Deltas for people, and what they claim to have seen. */
#include <globalstate/delta.h>
#include <globalstate/json.h>

#include <inttypes.h>

static void write_change(const struct gs_change *change, struct gs_buffer *out) {
    gs_buffer_printf(out, "{\"op\":\"%s\",\"path\":", gs_op_name((int)change->kind));
    struct gs_buffer path = {.memory = out->memory};
    gs_path_write(&change->path, &path);
    gs_json_write_string(path.bytes, path.length, out);
    if (path.failed) {
        out->failed = path.failed;
    }
    gs_buffer_close(&path);
    switch (change->kind) {
    case GS_OP_UNSET:
        break;
    case GS_OP_INCREMENT:
        gs_buffer_printf(out, ",\"by\":%" PRId64, change->by);
        break;
    case GS_OP_MAKE_MAP:
        gs_buffer_text(out, ",\"value\":{}");
        break;
    default:
        gs_buffer_text(out, change->kind == GS_OP_MAX ? ",\"by\":" : ",\"value\":");
        gs_json_write(change->value, out);
        break;
    }
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

static int visit_cleared(const struct gs_cleared *cleared, gs_delta_visit_fn visit, void *context) {
    int result = visit_dots(cleared->dots, cleared->dot_count, visit, context);
    for (uint32_t i = 0; i < cleared->mark_count && result == 0; i++) {
        result = visit(context, &cleared->marks[i].origin, cleared->marks[i].at);
    }
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
        for (uint32_t j = 0; j < change->cleared_count && result == 0; j++) {
            result = visit_cleared(&change->cleared[j], visit, context);
        }
    }
    return result;
}
