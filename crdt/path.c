/* JSON Pointers (RFC 6901) and the paths that they name. */
#include "crdt/path.h"

#include <string.h>

bool gs_name_valid(struct gs_slice name) {
    return name.length <= GS_NAME_BYTES_MAX && (name.length == 0 || !memchr(name.bytes, 0, name.length));
}

int gs_path_compare(const struct gs_path *a, const struct gs_path *b) {
    for (uint32_t i = 0; i < a->depth && i < b->depth; i++) {
        int order = gs_slice_compare(a->names[i], b->names[i]);
        if (order != 0) {
            return order;
        }
    }
    return a->depth < b->depth ? -1 : a->depth > b->depth;
}

int gs_path_append(const struct gs_path *path, struct gs_slice name, struct gs_arena *arena, struct gs_path *ret_path) {
    struct gs_slice *names = gs_arena_alloc(arena, ((size_t)path->depth + 1) * sizeof(*names));
    if (!names) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < path->depth; i++) {
        names[i] = path->names[i];
    }
    names[path->depth] = name;
    *ret_path = (struct gs_path){.depth = path->depth + 1, .names = names};
    return 0;
}

int gs_path_check(const struct gs_path *path) {
    if (path->depth > GS_PATH_DEPTH_MAX) {
        return GS_EDEPTH;
    }
    for (uint32_t i = 0; i < path->depth; i++) {
        if (path->names[i].length > GS_NAME_BYTES_MAX) {
            return GS_ETOOBIG;
        }
        if (!gs_name_valid(path->names[i])) {
            return GS_EPATH;
        }
    }
    return 0;
}

struct gs_slice gs_read_nested(struct gs_reader *reader) {
    const uint8_t *start = reader->at;
    uint64_t left = 1;
    while (left > 0 && reader->error == 0) {
        left--;
        switch (gs_peek_kind(reader)) {
        case GS_KIND_ARRAY:
            left += gs_read_array(reader, UINT32_MAX);
            break;
        case GS_KIND_MAP:
            left += 2 * (uint64_t)gs_read_map(reader, UINT32_MAX);
            break;
        default:
            gs_read_value(reader);
            break;
        }
    }
    return reader->error != 0 ? (struct gs_slice){0} : gs_slice_make(start, (size_t)(reader->at - start));
}

/* Copies one name of the pointer, unescaping ~0 and ~1; -1 if the escape is another one. */
static long unescape(const uint8_t *from, const uint8_t *to, uint8_t *out) {
    long length = 0;
    for (; from < to; from++) {
        uint8_t byte = *from;
        if (byte == '~') {
            if (++from == to || (*from != '0' && *from != '1')) {
                return -1;
            }
            byte = *from == '0' ? '~' : '/';
        }
        out[length++] = byte;
    }
    return length;
}

int gs_path_parse(struct gs_slice text, struct gs_arena *arena, struct gs_path *ret_path) {
    if (text.length == 0) {
        *ret_path = (struct gs_path){0};
        return 0;
    }
    if (text.bytes[0] != '/') {
        return GS_EPATH;
    }
    if (!gs_utf8_valid(text.bytes, text.length)) {
        return GS_EUTF8;
    }
    uint32_t depth = 0;
    for (size_t i = 0; i < text.length; i++) {
        depth += text.bytes[i] == '/';
        if (depth > GS_PATH_DEPTH_MAX) {
            return GS_EDEPTH;
        }
    }
    struct gs_slice *names = gs_arena_alloc(arena, depth * sizeof(*names));
    uint8_t *bytes = gs_arena_alloc(arena, text.length);
    if (!names || !bytes) {
        return GS_ENOMEM;
    }
    const uint8_t *at = text.bytes + 1;
    const uint8_t *end = text.bytes + text.length;
    for (uint32_t i = 0; i < depth; i++) {
        const uint8_t *slash = memchr(at, '/', (size_t)(end - at));
        const uint8_t *stop = slash ? slash : end;
        long length = unescape(at, stop, bytes);
        if (length < 0) {
            return GS_EPATH;
        }
        names[i] = gs_slice_make(bytes, (size_t)length);
        bytes += length;
        at = stop + (slash ? 1 : 0);
    }
    struct gs_path path = {.depth = depth, .names = names};
    int error = gs_path_check(&path);
    if (error == 0) {
        *ret_path = path;
    }
    return error;
}

void gs_path_write(const struct gs_path *path, struct gs_buffer *out) {
    for (uint32_t i = 0; i < path->depth; i++) {
        gs_buffer_byte(out, '/');
        for (size_t j = 0; j < path->names[i].length; j++) {
            uint8_t byte = path->names[i].bytes[j];
            if (byte == '~' || byte == '/') {
                gs_buffer_text(out, byte == '~' ? "~0" : "~1");
            } else {
                gs_buffer_byte(out, byte);
            }
        }
    }
}
