#include "node/serve/log.h"

#include <globalstate/codec.h>
#include <globalstate/hlc.h>
#include <globalstate/json.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1024 };

void gs_log_begin(enum gs_log_level level, const char *event, struct gs_buffer *line) {
    static const char *const levels[] = {"info", "warning", "error"};
    struct timespec now;
    char time[25];
    clock_gettime(CLOCK_REALTIME, &now);
    gs_hlc_format(gs_hlc_from_ms((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000), time);
    gs_buffer_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", time, levels[level], event);
}

void gs_log_write(struct gs_buffer *line) {
    gs_buffer_byte(line, '\n');
    if (line->failed == 0) {
        ssize_t written = write(STDERR_FILENO, line->bytes, line->length);
        (void)written;
    }
}

/* A path may hold any bytes, and a message may have been cut in the middle of a character; JSON is UTF-8. */
static void mend(char *message, size_t length) {
    bool valid = gs_utf8_valid(message, length);
    for (size_t i = 0; i < length && !valid; i++) {
        message[i] = (unsigned char)message[i] < 0x80 ? message[i] : '?';
    }
}

void gs_log(enum gs_log_level level, const char *event, const char *format, ...) {
    char message[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    struct gs_buffer line = {0};
    if (length < 0) {
        return;
    }
    if (isatty(STDERR_FILENO)) {
        gs_buffer_printf(&line, "globalstate: %s", message);
    } else {
        gs_log_begin(level, event, &line);
        gs_buffer_text(&line, ",\"message\":");
        mend(message, strlen(message));
        gs_json_write_string(message, strlen(message), &line);
        gs_buffer_byte(&line, '}');
    }
    gs_log_write(&line);
    gs_buffer_close(&line);
}
