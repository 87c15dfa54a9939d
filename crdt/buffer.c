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

/* The way most bytes go: encoders and decoders write heads one by one. */
void gs_buffer_byte(struct gs_buffer *buffer, uint8_t byte) {
    if (buffer->failed == 0 && buffer->bytes != NULL && buffer->length < buffer->capacity) {
        buffer->bytes[buffer->length++] = byte;
        return;
    }
    gs_buffer_append(buffer, &byte, 1);
}

void gs_buffer_text(struct gs_buffer *buffer, const char *text) {
    gs_buffer_append(buffer, text, strlen(text));
}

void gs_buffer_number(struct gs_buffer *buffer, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    gs_buffer_append(buffer, digits + at, sizeof digits - at);
}

void gs_buffer_hex(struct gs_buffer *buffer, const void *bytes, size_t length) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    uint8_t *to = length <= SIZE_MAX / 2 ? gs_buffer_reserve(buffer, 2 * length) : NULL;
    for (size_t i = 0; to != NULL && i < length; i++) {
        to[2 * i] = (uint8_t)digits[from[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[from[i] & 15];
    }
}

/* Most texts fit into the room that there is: then one pass does. vsnprintf ends with a NUL, for which room is made and
 * then given back. */
void gs_buffer_printf(struct gs_buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t room = buffer->failed == 0 && buffer->bytes != NULL ? buffer->capacity - buffer->length : 0;
    char *at = room > 0 ? (char *)buffer->bytes + buffer->length : NULL;
    int length = vsnprintf(at, room, format, arguments);
    if (length < 0) {
        buffer->failed = buffer->failed != 0 ? buffer->failed : GS_ENOMEM;
    } else if ((size_t)length < room) {
        buffer->length += (size_t)length;
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
