#include "json_token.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES_MAX = 1024 }; /* no double needs more to be told from its neighbours */

int gs_json_text_fail(struct gs_json_text *text, const uint8_t *at, int error, const char *wrong) {
    text->at = at;
    text->wrong = wrong;
    return error;
}

void gs_json_skip_space(struct gs_json_text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\r' || *text->at == '\t')) {
        text->at++;
    }
}

int gs_json_token_word(struct gs_json_text *text, struct gs_buffer *out) {
    size_t left = (size_t)(text->end - text->at);
    if (left >= 4 && memcmp(text->at, "null", 4) == 0) {
        text->at += 4;
        gs_write_nil(out);
    } else if (left >= 4 && memcmp(text->at, "true", 4) == 0) {
        text->at += 4;
        gs_write_bool(out, true);
    } else if (left >= 5 && memcmp(text->at, "false", 5) == 0) {
        text->at += 5;
        gs_write_bool(out, false);
    } else {
        return gs_json_text_fail(text, text->at, GS_EJSON, "a JSON value was expected");
    }
    return out->failed;
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

/* Finds the end of a number by RFC 8259, section 6. */
static int measure_number(struct gs_json_text *text, const uint8_t **ret_end, bool *ret_integer) {
    const uint8_t *at = text->at + (*text->at == '-');
    const uint8_t *digits = at;
    bool integer = true;
    at = at < text->end && *at == '0' ? at + 1 : skip_digits(at, text->end);
    if (at == digits) {
        return gs_json_text_fail(text, at, GS_EJSON, "a digit was expected");
    }
    if (at < text->end && *at == '.') {
        integer = false;
        digits = ++at;
        at = skip_digits(at, text->end);
        if (at == digits) {
            return gs_json_text_fail(text, at, GS_EJSON, "a digit was expected after the point");
        }
    }
    if (at < text->end && (*at == 'e' || *at == 'E')) {
        integer = false;
        at++;
        at += at < text->end && (*at == '+' || *at == '-');
        digits = at;
        at = skip_digits(at, text->end);
        if (at == digits) {
            return gs_json_text_fail(text, at, GS_EJSON, "a digit was expected in the exponent");
        }
    }
    *ret_end = at;
    *ret_integer = integer;
    return 0;
}

static bool parse_integer(const uint8_t *at, const uint8_t *end, int64_t *ret_value) {
    bool negative = *at == '-';
    uint64_t limit = negative ? UINT64_C(1) << 63 : INT64_MAX;
    uint64_t magnitude = 0;
    for (at += negative; at < end; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (magnitude > (limit - digit) / 10) {
            return false;
        }
        magnitude = magnitude * 10 + digit;
    }
    *ret_value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

/* strtod rounds correctly; it follows the locale, which this program leaves at "C". What is too small rounds to 0. */
static bool parse_double(const uint8_t *at, size_t length, double *ret_value) {
    char copy[NUMBER_BYTES_MAX + 1];
    memcpy(copy, at, length);
    copy[length] = '\0';
    *ret_value = strtod(copy, NULL);
    return isfinite(*ret_value);
}

int gs_json_token_number(struct gs_json_text *text, struct gs_buffer *out) {
    const uint8_t *end = NULL;
    bool integer = false;
    int result = measure_number(text, &end, &integer);
    if (result != 0) {
        return result;
    }
    size_t length = (size_t)(end - text->at);
    if (length > NUMBER_BYTES_MAX) {
        return gs_json_text_fail(text, text->at, GS_ERANGE, "the number has more than 1024 characters");
    }
    if (integer) {
        int64_t value;
        if (!parse_integer(text->at, end, &value)) {
            return gs_json_text_fail(text, text->at, GS_ERANGE, "the integer is outside of 64 bits");
        }
        gs_write_int(out, value);
    } else {
        double value;
        if (!parse_double(text->at, length, &value)) {
            return gs_json_text_fail(text, text->at, GS_ERANGE, "the number is too great for a 64-bit float");
        }
        gs_write_double(out, value);
    }
    text->at = end;
    return out->failed;
}

/* Four hexadecimal digits, or -1. */
static int32_t parse_hex4(const uint8_t *at, const uint8_t *end) {
    if (end - at < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = at[i];
        uint8_t lower = byte | 0x20;
        if (byte >= '0' && byte <= '9') {
            value = value * 16 + (byte - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value * 16 + (lower - 'a' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

/* A \u escape whose digits are at `*at`, or a surrogate pair of two; moves past it. */
static int parse_unicode_escape(struct gs_json_text *text, const uint8_t **at, uint32_t *ret_point) {
    const uint8_t *start = *at;
    int32_t first = parse_hex4(start, text->end);
    if (first < 0) {
        return gs_json_text_fail(text, start, GS_EJSON, "four hexadecimal digits were expected");
    }
    *at = start + 4;
    *ret_point = (uint32_t)first;
    if (first < 0xD800 || first > 0xDFFF) {
        return 0;
    }
    int32_t second = -1;
    if (first <= 0xDBFF && text->end - *at >= 2 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        second = parse_hex4(*at + 2, text->end);
    }
    if (second < 0xDC00 || second > 0xDFFF) {
        return gs_json_text_fail(text, start, GS_EUTF8, "the surrogate is not one of a pair");
    }
    *at += 6;
    *ret_point = 0x10000 + (((uint32_t)first - 0xD800) << 10) + ((uint32_t)second - 0xDC00);
    return 0;
}

/* The escape whose backslash is at `*at`; moves past it. */
static int parse_escape(struct gs_json_text *text, const uint8_t **at, uint32_t *ret_point) {
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const uint8_t *start = *at;
    uint8_t name = text->end - start >= 2 ? start[1] : '\0';
    *at = start + 2;
    if (name == 'u') {
        return parse_unicode_escape(text, at, ret_point);
    }
    const char *found = name != '\0' ? strchr(names, name) : NULL;
    if (found == NULL) {
        return gs_json_text_fail(text, start, GS_EJSON, "the escape is not one of JSON's");
    }
    *ret_point = (uint8_t)meanings[found - names];
    return 0;
}

static size_t utf8_size(uint32_t point) {
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t point) {
    static const uint8_t leads[] = {0x00, 0x00, 0xC0, 0xE0, 0xF0};
    size_t size = utf8_size(point);
    for (size_t i = size - 1; i > 0; i--) {
        to[i] = (uint8_t)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    to[0] = (uint8_t)(leads[size] | point);
    return to + size;
}

/* Checks the string up to its closing quote, which `*ret_end` points at; `*ret_size` is its size without escapes. */
static int measure_string(struct gs_json_text *text, bool is_key, const uint8_t **ret_end, size_t *ret_size) {
    const uint8_t *at = text->at + 1;
    size_t saved = 0;
    for (;;) {
        if (at >= text->end) {
            return gs_json_text_fail(text, text->end, GS_EJSON, "the string does not end");
        }
        if (*at == '"') {
            break;
        }
        if (*at < 0x20) {
            return gs_json_text_fail(text, at, GS_EJSON, "control characters in strings must be escaped");
        }
        if (*at != '\\') {
            at++;
            continue;
        }
        const uint8_t *escape = at;
        uint32_t point = 0;
        int result = parse_escape(text, &at, &point);
        if (result != 0) {
            return result;
        }
        if (is_key && point == 0) {
            return gs_json_text_fail(text, escape, GS_EJSON, "U+0000 is not allowed in keys");
        }
        saved += (size_t)(at - escape) - utf8_size(point);
    }
    size_t length = (size_t)(at - text->at - 1);
    if (!gs_utf8_valid(text->at + 1, length)) {
        return gs_json_text_fail(text, text->at, GS_EUTF8, "the string is not valid UTF-8");
    }
    *ret_end = at;
    *ret_size = length - saved;
    return 0;
}

int gs_json_token_string(struct gs_json_text *text, bool is_key, struct gs_buffer *out) {
    const uint8_t *end = NULL;
    size_t size = 0;
    int result = measure_string(text, is_key, &end, &size);
    if (result != 0) {
        return result;
    }
    const uint8_t *at = text->at + 1;
    gs_write_str(out, at, size);
    if (out->failed == 0 && size != (size_t)(end - at)) {
        /* There were escapes: what was just written, a prefix of the text of the right size, is written over. */
        uint8_t *to = out->bytes + out->length - size;
        while (at < end) {
            if (*at == '\\') {
                uint32_t point = 0;
                (void)parse_escape(text, &at, &point);
                to = put_utf8(to, point);
            } else {
                *to++ = *at++;
            }
        }
    }
    text->at = end + 1;
    return out->failed;
}
