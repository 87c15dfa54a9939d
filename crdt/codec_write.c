#include <globalstate/codec.h>

#include <math.h>
#include <string.h>

/* A head: one byte, then `size` bytes of `value`, big-endian. */
static void put(struct gs_buffer *buffer, uint8_t head, uint64_t value, size_t size) {
    uint8_t bytes[9];
    bytes[0] = head;
    for (size_t i = 0; i < size; i++) {
        bytes[1 + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
    gs_buffer_append(buffer, bytes, 1 + size);
}

/* The heads of a length in 16 and 32 bits follow each other in the specification. */
static void put_long(struct gs_buffer *buffer, uint8_t head16, uint32_t length) {
    if (length <= UINT16_MAX) {
        put(buffer, head16, length, 2);
    } else {
        put(buffer, (uint8_t)(head16 + 1), length, 4);
    }
}

void gs_write_nil(struct gs_buffer *buffer) {
    gs_buffer_byte(buffer, 0xC0);
}

void gs_write_bool(struct gs_buffer *buffer, bool value) {
    gs_buffer_byte(buffer, value ? 0xC3 : 0xC2);
}

void gs_write_uint(struct gs_buffer *buffer, uint64_t value) {
    if (value <= 0x7F) {
        gs_buffer_byte(buffer, (uint8_t)value);
    } else if (value <= UINT8_MAX) {
        put(buffer, 0xCC, value, 1);
    } else if (value <= UINT16_MAX) {
        put(buffer, 0xCD, value, 2);
    } else if (value <= UINT32_MAX) {
        put(buffer, 0xCE, value, 4);
    } else {
        put(buffer, 0xCF, value, 8);
    }
}

void gs_write_int(struct gs_buffer *buffer, int64_t value) {
    if (value >= 0) {
        gs_write_uint(buffer, (uint64_t)value);
    } else if (value >= -32) {
        gs_buffer_byte(buffer, (uint8_t)value);
    } else if (value >= INT8_MIN) {
        put(buffer, 0xD0, (uint64_t)value, 1);
    } else if (value >= INT16_MIN) {
        put(buffer, 0xD1, (uint64_t)value, 2);
    } else if (value >= INT32_MIN) {
        put(buffer, 0xD2, (uint64_t)value, 4);
    } else {
        put(buffer, 0xD3, (uint64_t)value, 8);
    }
}

/* A value that has no canonical encoding is a bug of the caller; failing the buffer keeps it off disks and wires. */
static void refuse(struct gs_buffer *buffer) {
    buffer->failed = buffer->failed != 0 ? buffer->failed : GS_EINVAL;
}

void gs_write_double(struct gs_buffer *buffer, double value) {
    if (!isfinite(value)) {
        refuse(buffer);
        return;
    }
    if (value == 0) {
        value = 0; /* drops the sign */
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(buffer, 0xCB, bits, 8);
}

void gs_write_str(struct gs_buffer *buffer, const void *bytes, size_t length) {
    if (length > UINT32_MAX) {
        refuse(buffer);
        return;
    }
    if (length <= 31) {
        gs_buffer_byte(buffer, (uint8_t)(0xA0 | length));
    } else if (length <= UINT8_MAX) {
        put(buffer, 0xD9, length, 1);
    } else {
        put_long(buffer, 0xDA, (uint32_t)length);
    }
    gs_buffer_append(buffer, bytes, length);
}

void gs_write_bin(struct gs_buffer *buffer, const void *bytes, size_t length) {
    if (length > UINT32_MAX) {
        refuse(buffer);
        return;
    }
    if (length <= UINT8_MAX) {
        put(buffer, 0xC4, length, 1);
    } else {
        put_long(buffer, 0xC5, (uint32_t)length);
    }
    gs_buffer_append(buffer, bytes, length);
}

void gs_write_array(struct gs_buffer *buffer, uint32_t count) {
    if (count <= 15) {
        gs_buffer_byte(buffer, (uint8_t)(0x90 | count));
    } else {
        put_long(buffer, 0xDC, count);
    }
}

void gs_write_map(struct gs_buffer *buffer, uint32_t count) {
    if (count <= 15) {
        gs_buffer_byte(buffer, (uint8_t)(0x80 | count));
    } else {
        put_long(buffer, 0xDE, count);
    }
}
