#include <globalstate/json.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deeper than any state: a path's names, a value at its end, and what a response wraps around them. */
enum { DEPTH_MAX = 64 };

static void fail(struct gs_buffer *out, int error) {
    out->failed = out->failed != 0 ? out->failed : error;
}

void gs_json_write_string(const void *bytes, size_t length, struct gs_buffer *out) {
    static const char escapes[32] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    const uint8_t *at = bytes;
    size_t run = 0; /* where the bytes begin that are copied as they are */
    gs_buffer_byte(out, '"');
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = at[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        gs_buffer_append(out, at + run, i - run);
        run = i + 1;
        if (byte >= 0x20 || escapes[byte] != '\0') {
            gs_buffer_byte(out, '\\');
            gs_buffer_byte(out, byte >= 0x20 ? byte : (uint8_t)escapes[byte]);
        } else {
            gs_buffer_printf(out, "\\u%04x", byte);
        }
    }
    if (run < length) {
        gs_buffer_append(out, at + run, length - run);
    }
    gs_buffer_byte(out, '"');
}

void gs_json_write_double(double value, struct gs_buffer *out) {
    if (!isfinite(value)) {
        fail(out, GS_EINVAL);
        return;
    }
    value = value == 0 ? 0 : value;
    /* Every precision past the least that reads back the same does so too, so it can be searched by halves. Normal
     * numbers of up to 15 digits print as they were written with %.15g already; subnormal ones have fewer. */
    int low = fabs(value) < DBL_MIN ? 1 : DBL_DIG;
    int high = DBL_DECIMAL_DIG;
    char text[320]; /* as large as gcc can imagine; %.17g needs 25 */
    while (low < high) {
        int middle = (low + high) / 2;
        (void)snprintf(text, sizeof text, "%.*g", middle, value);
        if (strtod(text, NULL) == value) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    (void)snprintf(text, sizeof text, "%.*g", low, value);
    gs_buffer_text(out, text);
    if (strpbrk(text, ".e") == NULL) {
        gs_buffer_text(out, ".0"); /* it stays a float when it is read back */
    }
}

static void write_int(int64_t number, struct gs_buffer *out) {
    if (number < 0) {
        gs_buffer_byte(out, '-');
    }
    gs_buffer_number(out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

/* RFC 4648, section 4. */
static void write_base64(struct gs_slice value, struct gs_buffer *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    gs_buffer_byte(out, '"');
    for (size_t i = 0; i < value.length; i += 3) {
        size_t left = value.length - i;
        uint32_t group = (uint32_t)value.bytes[i] << 16;
        group |= left > 1 ? (uint32_t)value.bytes[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)value.bytes[i + 2] : 0;
        char text[4] = {digits[group >> 18], digits[group >> 12 & 63], left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};
        gs_buffer_append(out, text, sizeof text);
    }
    gs_buffer_byte(out, '"');
}

/* An array or map that is being written. */
struct open_container {
    uint32_t left; /* elements; keys and values of a map count apart */
    bool is_map;
    bool begun;
};

/* What stands before the next element: a comma or, before a map's value, a colon. */
static void write_separator(struct open_container *open, struct gs_buffer *out) {
    bool is_value = open->is_map && open->left % 2 == 1;
    if (open->begun) {
        gs_buffer_byte(out, is_value ? ':' : ',');
    }
    open->begun = true;
    open->left--;
}

/* Writes a scalar, or the bracket that opens a container, which it then describes: true. */
static bool write_node(struct gs_reader *reader, struct gs_buffer *out, struct open_container *ret_open) {
    struct gs_slice text;
    switch (gs_peek_kind(reader)) {
    case GS_KIND_NIL:
        gs_read_nil(reader);
        gs_buffer_text(out, "null");
        return false;
    case GS_KIND_BOOL:
        gs_buffer_text(out, gs_read_bool(reader) ? "true" : "false");
        return false;
    case GS_KIND_INT:
        write_int(gs_read_int(reader), out);
        return false;
    case GS_KIND_DOUBLE:
        gs_json_write_double(gs_read_double(reader), out);
        return false;
    case GS_KIND_STR:
        text = gs_read_str(reader, SIZE_MAX);
        gs_json_write_string(text.bytes, text.length, out);
        return false;
    case GS_KIND_BIN:
        write_base64(gs_read_bin(reader, SIZE_MAX), out);
        return false;
    case GS_KIND_ARRAY:
        gs_buffer_byte(out, '[');
        *ret_open = (struct open_container){.left = gs_read_array(reader, UINT32_MAX)};
        return true;
    case GS_KIND_MAP:
        gs_buffer_byte(out, '{');
        *ret_open = (struct open_container){.left = 2 * gs_read_map(reader, UINT32_MAX / 2), .is_map = true};
        return true;
    }
    return false;
}

void gs_json_write(struct gs_slice value, struct gs_buffer *out) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    reader.nodes_left = UINT32_MAX; /* a whole state may be a value, and it was checked */
    struct open_container open[DEPTH_MAX];
    size_t depth = 0;
    do {
        if (depth > 0) {
            write_separator(&open[depth - 1], out);
        }
        struct open_container container;
        if (write_node(&reader, out, &container)) {
            if (depth == DEPTH_MAX) {
                gs_reader_fail(&reader, GS_EDEPTH);
                break;
            }
            open[depth++] = container;
        }
        while (depth > 0 && open[depth - 1].left == 0) {
            depth--;
            gs_buffer_byte(out, open[depth].is_map ? '}' : ']');
        }
    } while (depth > 0 && reader.error == 0 && out->failed == 0);
    if (gs_reader_finish(&reader) != 0) {
        fail(out, GS_EINVAL);
    }
}

struct gs_slice gs_map_get(struct gs_slice map, const char *key) {
    struct gs_reader reader;
    gs_reader_init(&reader, map.bytes, map.length);
    reader.nodes_left = UINT32_MAX;
    struct gs_slice wanted = gs_slice_make(key, strlen(key));
    uint32_t count = gs_read_map(&reader, UINT32_MAX);
    for (uint32_t i = 0; i < count && reader.error == 0; i++) {
        struct gs_slice found = gs_read_str(&reader, SIZE_MAX);
        struct gs_slice value = gs_skip_value(&reader);
        if (reader.error == 0 && gs_slice_compare(found, wanted) == 0) {
            return value;
        }
    }
    return (struct gs_slice){0};
}

enum gs_kind gs_value_kind(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_peek_kind(&reader);
}
