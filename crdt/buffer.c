#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BUFFER_SIZE_MIN = 64 };

/* Doubles, so that appending is linear in total. */
static int make_room(struct gs_buffer *buffer, size_t length) {
    if (buffer->failed != 0) {
        return buffer->failed;
    }
    if (buffer->bytes != NULL && length <= buffer->capacity - buffer->length) {
        return 0;
    }
    if (length > SIZE_MAX / 2 - buffer->length) {
        return buffer->failed = GS_ENOMEM;
    }
    size_t capacity = buffer->capacity < BUFFER_SIZE_MIN ? BUFFER_SIZE_MIN : buffer->capacity * 2;
    if (capacity < buffer->length + length) {
        capacity = buffer->length + length;
    }
    uint8_t *bytes = gs_memory_resize(buffer->memory, buffer->bytes, buffer->capacity, capacity);
    if (bytes == NULL) {
        return buffer->failed = GS_ENOMEM;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return 0;
}

uint8_t *gs_buffer_reserve(struct gs_buffer *buffer, size_t length) {
    if (make_room(buffer, length) != 0) {
        return NULL;
    }
    uint8_t *room = buffer->bytes + buffer->length;
    buffer->length += length;
    return room;
}

void gs_buffer_append(struct gs_buffer *buffer, const void *bytes, size_t length) {
    if (length == 0) {
        return;
    }
    uint8_t *room = gs_buffer_reserve(buffer, length);
    if (room != NULL) {
        memcpy(room, bytes, length);
    }
}

void gs_buffer_byte(struct gs_buffer *buffer, uint8_t byte) {
    gs_buffer_append(buffer, &byte, 1);
}

void gs_buffer_text(struct gs_buffer *buffer, const char *text) {
    gs_buffer_append(buffer, text, strlen(text));
}

void gs_buffer_printf(struct gs_buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    /* vsnprintf ends with a NUL, for which room is made and then given back. */
    if (length < 0) {
        buffer->failed = buffer->failed != 0 ? buffer->failed : GS_ENOMEM;
    } else if (make_room(buffer, (size_t)length + 1) == 0) {
        (void)vsnprintf((char *)buffer->bytes + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void gs_buffer_close(struct gs_buffer *buffer) {
    gs_memory_free(buffer->memory, buffer->bytes, buffer->capacity);
    buffer->bytes = NULL;
    buffer->length = 0;
    buffer->capacity = 0;
    buffer->failed = 0;
}
