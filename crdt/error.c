#include <globalstate/error.h>

#include "utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *gs_error_name(int code) {
    switch (code) {
    case GS_OK:
        return "ok";
#define NAME_CASE(id, value, name, message) \
    case id:                                \
        return name;
        GS_ERROR_TABLE(NAME_CASE)
#undef NAME_CASE
    default:
        return "unknown_error";
    }
}

const char *gs_error_message(int code) {
    switch (code) {
    case GS_OK:
        return "no error";
#define MESSAGE_CASE(id, value, name, message) \
    case id:                                   \
        return message;
        GS_ERROR_TABLE(MESSAGE_CASE)
#undef MESSAGE_CASE
    default:
        return "an error that this program does not know";
    }
}

/* Both texts may quote what a client or peer sent, and may have been cut inside a character. */
static void make_utf8(char *text, bool cut) {
    size_t length = strlen(text);
    size_t at = 0;
    while (at < length) {
        size_t size = gs_utf8_sequence((const uint8_t *)text + at, length - at);
        if (size > 0) {
            at += size;
        } else if (cut && length - at < 4 && ((uint8_t)text[at] & 0xC0) == 0xC0) {
            text[at] = '\0';
            return;
        } else {
            text[at++] = '?';
        }
    }
}

int gs_problem_set(struct gs_problem *problem, int code, const char *field, const char *format, ...) {
    if (problem == NULL) {
        return code;
    }
    problem->code = code;
    /* memmove: a caller may extend the field that is already there. */
    size_t length = field == NULL ? 0 : strlen(field);
    bool cut = length >= sizeof problem->field;
    length = cut ? sizeof problem->field - 1 : length;
    if (length > 0) {
        memmove(problem->field, field, length);
    }
    problem->field[length] = '\0';
    make_utf8(problem->field, cut);

    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(problem->detail, sizeof problem->detail, format, arguments);
    va_end(arguments);
    if (written < 0) {
        problem->detail[0] = '\0';
    }
    make_utf8(problem->detail, written >= (int)sizeof problem->detail);
    return code;
}
