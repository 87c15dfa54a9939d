#include "node/cli/subject_path.h"

#include <stdbool.h>
#include <string.h>

void gs_subject_path_write(const char *subject, const char *call, struct gs_buffer *out) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    bool dots = strcmp(subject, ".") == 0 || strcmp(subject, "..") == 0; /* not steps of a path */
    gs_buffer_text(out, "/subjects/");
    for (const char *at = subject; *at != '\0'; at++) {
        if (strchr(plain, *at) != NULL && !dots) {
            gs_buffer_byte(out, (uint8_t)*at);
        } else {
            gs_buffer_printf(out, "%%%02X", (unsigned)(uint8_t)*at);
        }
    }
    gs_buffer_printf(out, "/%s", call);
}
