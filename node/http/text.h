/* Small questions about bytes, for this folder. */
#ifndef GS_NODE_HTTP_TEXT_H
#define GS_NODE_HTTP_TEXT_H

#include <globalstate/memory.h>

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static inline struct gs_slice gs_text_slice(const char *text) {
    return gs_slice_make(text, strlen(text));
}

static inline bool gs_slice_is(struct gs_slice slice, const char *text) {
    return slice.length == strlen(text) && (slice.length == 0 || memcmp(slice.bytes, text, slice.length) == 0);
}

/* The same but for ASCII case. `text` must not be empty. */
static inline bool gs_slice_is_nocase(struct gs_slice slice, const char *text) {
    return slice.length == strlen(text) && strncasecmp((const char *)slice.bytes, text, slice.length) == 0;
}

/* Without blanks and tabs at both ends. */
static inline struct gs_slice gs_slice_trim(struct gs_slice slice) {
    while (slice.length > 0 && (slice.bytes[0] == ' ' || slice.bytes[0] == '\t')) {
        slice = gs_slice_make(slice.bytes + 1, slice.length - 1);
    }
    while (slice.length > 0 && (slice.bytes[slice.length - 1] == ' ' || slice.bytes[slice.length - 1] == '\t')) {
        slice.length--;
    }
    return slice;
}

/* Cuts the part before the next `separator` off `rest` (trimmed); false when nothing is left. */
static inline bool gs_slice_next(struct gs_slice *rest, char separator, struct gs_slice *ret_part) {
    if (rest->bytes == NULL) {
        return false;
    }
    const uint8_t *at = rest->length == 0 ? NULL : memchr(rest->bytes, separator, rest->length);
    size_t length = at == NULL ? rest->length : (size_t)(at - rest->bytes);
    *ret_part = gs_slice_trim(gs_slice_make(rest->bytes, length));
    *rest = at == NULL ? (struct gs_slice){0} : gs_slice_make(at + 1, rest->length - length - 1);
    return true;
}

#endif
