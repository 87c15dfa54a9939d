#include "node/auth/auth.h"

#include <string.h>

static bool split(struct gs_slice pattern, struct gs_slice *ret_type, struct gs_slice *ret_id) {
    const uint8_t *slash = pattern.length == 0 ? NULL : memchr(pattern.bytes, '/', pattern.length);
    if (slash == NULL) {
        bool everything = pattern.length == 1 && pattern.bytes[0] == '*';
        *ret_type = *ret_id = pattern;
        return everything;
    }
    size_t at = (size_t)(slash - pattern.bytes);
    *ret_type = gs_slice_make(pattern.bytes, at);
    *ret_id = gs_slice_make(slash + 1, pattern.length - at - 1);
    return true;
}

static bool half_valid(struct gs_slice half) {
    for (size_t i = 0; i < half.length; i++) {
        uint8_t c = half.bytes[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                  c == ':' || c == '-' || c == '*';
        if (!ok) {
            return false;
        }
    }
    return half.length > 0;
}

bool gs_pattern_valid(struct gs_slice pattern) {
    struct gs_slice type;
    struct gs_slice id;
    return pattern.length <= GS_AGGREGATE_PATTERN_BYTES && split(pattern, &type, &id) && half_valid(type) &&
           half_valid(id);
}

/* Without recursion: at a mismatch the last "*" takes one byte more. O(pattern × name). */
static bool half_matches(struct gs_slice pattern, struct gs_slice name) {
    size_t p = 0;
    size_t n = 0;
    size_t star = SIZE_MAX;
    size_t taken = 0;
    while (n < name.length) {
        if (p < pattern.length && pattern.bytes[p] == '*') {
            star = p++;
            taken = n;
        } else if (p < pattern.length && pattern.bytes[p] == name.bytes[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern.bytes[p] == '*') {
        p++;
    }
    return p == pattern.length;
}

bool gs_pattern_matches(struct gs_slice pattern, struct gs_slice type, struct gs_slice id) {
    struct gs_slice type_pattern;
    struct gs_slice id_pattern;
    return split(pattern, &type_pattern, &id_pattern) && half_matches(type_pattern, type) &&
           half_matches(id_pattern, id);
}

bool gs_principal_covers(const struct gs_principal *principal, struct gs_slice type, struct gs_slice id) {
    bool covered = !principal->limited;
    for (uint32_t i = 0; i < principal->pattern_count && !covered; i++) {
        covered = gs_pattern_matches(principal->patterns[i], type, id);
    }
    return covered;
}

bool gs_principal_covers_type(const struct gs_principal *principal, struct gs_slice type) {
    bool covered = !principal->limited;
    for (uint32_t i = 0; i < principal->pattern_count && !covered; i++) {
        struct gs_slice type_pattern;
        struct gs_slice id_pattern;
        covered = split(principal->patterns[i], &type_pattern, &id_pattern) && half_matches(type_pattern, type) &&
                  id_pattern.length == 1 && id_pattern.bytes[0] == '*';
    }
    return covered;
}
