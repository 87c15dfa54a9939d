#include "node/store/version_list.h"

#include <stdlib.h>

enum { PAIRS_MAX = 65536 };

void gs_version_vector_close(struct gs_version_vector *vector) {
    free(vector->pairs);
    *vector = (struct gs_version_vector){0};
}

int gs_version_vector_set(struct gs_version_vector *vector, uint32_t origin, uint64_t seq) {
    for (uint32_t i = 0; i < vector->count; i++) {
        if (vector->pairs[i].origin == origin) {
            vector->pairs[i].seq = seq;
            return 0;
        }
    }
    if (vector->count == vector->capacity) {
        uint32_t capacity = vector->capacity == 0 ? 4 : vector->capacity * 2;
        struct gs_version_pair *pairs = realloc(vector->pairs, capacity * sizeof *pairs);
        if (pairs == NULL) {
            return GS_ENOMEM;
        }
        vector->pairs = pairs;
        vector->capacity = capacity;
    }
    vector->pairs[vector->count++] = (struct gs_version_pair){.origin = origin, .seq = seq};
    return 0;
}

void gs_version_number_write(uint64_t number, struct gs_buffer *out) {
    while (number >= 0x80) {
        gs_buffer_byte(out, (uint8_t)(number | 0x80));
        number >>= 7;
    }
    gs_buffer_byte(out, (uint8_t)number);
}

int gs_version_number_read(struct gs_slice *bytes, uint64_t *ret_number) {
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && bytes->length > 0; shift += 7) {
        uint8_t byte = bytes->bytes[0];
        *bytes = gs_slice_make(bytes->bytes + 1, bytes->length - 1);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_number = number;
            return 0;
        }
    }
    return GS_ECORRUPT;
}

void gs_version_vector_write(const struct gs_version_vector *vector, struct gs_buffer *out) {
    gs_version_number_write(vector->count, out);
    for (uint32_t i = 0; i < vector->count; i++) {
        gs_version_number_write(vector->pairs[i].origin, out);
        gs_version_number_write(vector->pairs[i].seq, out);
    }
}

int gs_version_vector_read(struct gs_slice *bytes, struct gs_version_vector *ret_vector) {
    uint64_t count = 0;
    int error = gs_version_number_read(bytes, &count);
    if (error == 0 && count > PAIRS_MAX) {
        error = GS_ECORRUPT;
    }
    ret_vector->count = 0;
    for (uint64_t i = 0; error == 0 && i < count; i++) {
        uint64_t origin = 0;
        uint64_t seq = 0;
        error = gs_version_number_read(bytes, &origin);
        if (error == 0) {
            error = gs_version_number_read(bytes, &seq);
        }
        if (error == 0 && origin > UINT32_MAX) {
            error = GS_ECORRUPT;
        }
        if (error == 0) {
            error = gs_version_vector_set(ret_vector, (uint32_t)origin, seq);
        }
    }
    return error;
}

/* Moves past one entry. */
static int skip_entry(struct gs_slice *bytes) {
    uint64_t number = 0;
    uint64_t count = 0;
    int error = gs_version_number_read(bytes, &number);
    if (error == 0) {
        error = gs_version_number_read(bytes, &count);
    }
    for (uint64_t i = 0; error == 0 && i < count; i++) {
        error = gs_version_number_read(bytes, &number);
        if (error == 0) {
            error = gs_version_number_read(bytes, &number);
        }
    }
    return error;
}

int gs_version_list_get(struct gs_slice list, uint32_t index, uint64_t *ret_version,
                        struct gs_version_vector *ret_vector) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < index; i++) {
        error = skip_entry(&list);
    }
    if (error == 0) {
        error = gs_version_number_read(&list, ret_version);
    }
    return error != 0 ? error : gs_version_vector_read(&list, ret_vector);
}
