#include "gossip/vector.h"

#include <stdlib.h>
#include <string.h>

/* Where `origin` is, or where it would go. */
static uint32_t lower_bound(const struct gs_vector *vector, const gs_origin *origin) {
    uint32_t low = 0;
    uint32_t high = vector->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_origin_compare(&vector->heads[middle].origin, origin) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool holds_at(const struct gs_vector *vector, uint32_t place, const gs_origin *origin) {
    return place < vector->count && gs_origin_equal(&vector->heads[place].origin, origin);
}

void gs_vector_close(struct gs_vector *vector) {
    if (vector == NULL) {
        return;
    }
    free(vector->heads);
    *vector = (struct gs_vector){0};
}

const struct gs_head *gs_vector_find(const struct gs_vector *vector, const gs_origin *origin) {
    uint32_t place = lower_bound(vector, origin);
    return holds_at(vector, place, origin) ? &vector->heads[place] : NULL;
}

uint64_t gs_vector_seq(const struct gs_vector *vector, const gs_origin *origin) {
    const struct gs_head *head = gs_vector_find(vector, origin);
    return head != NULL ? head->seq : 0;
}

static int make_room(struct gs_vector *vector) {
    if (vector->count >= GS_VECTOR_MAX) {
        return GS_ETOOBIG;
    }
    if (vector->count < vector->capacity) {
        return 0;
    }
    uint32_t capacity = vector->capacity == 0 ? 8 : vector->capacity * 2;
    struct gs_head *heads = realloc(vector->heads, capacity * sizeof *heads);
    if (heads == NULL) {
        return GS_ENOMEM;
    }
    vector->heads = heads;
    vector->capacity = capacity;
    return 0;
}

int gs_vector_set(struct gs_vector *vector, const struct gs_head *head) {
    uint32_t place = lower_bound(vector, &head->origin);
    if (holds_at(vector, place, &head->origin)) {
        vector->heads[place] = *head;
        return 0;
    }
    /* `head` may point into the array that is about to move. */
    struct gs_head copy = *head;
    int error = make_room(vector);
    if (error != 0) {
        return error;
    }
    memmove(&vector->heads[place + 1], &vector->heads[place], (vector->count - place) * sizeof *vector->heads);
    vector->heads[place] = copy;
    vector->count++;
    return 0;
}

void gs_vector_remove(struct gs_vector *vector, const gs_origin *origin) {
    const struct gs_head *head = gs_vector_find(vector, origin);
    if (head != NULL) {
        uint32_t at = (uint32_t)(head - vector->heads);
        vector->count--;
        memmove(&vector->heads[at], &vector->heads[at + 1], (vector->count - at) * sizeof *vector->heads);
    }
}

int gs_vector_copy(struct gs_vector *vector, const struct gs_vector *from) {
    if (vector == from) {
        return 0;
    }
    if (from->count > vector->capacity) {
        struct gs_head *heads = realloc(vector->heads, from->count * sizeof *heads);
        if (heads == NULL) {
            return GS_ENOMEM;
        }
        vector->heads = heads;
        vector->capacity = from->count;
    }
    if (from->count > 0) {
        memcpy(vector->heads, from->heads, from->count * sizeof *vector->heads);
    }
    vector->count = from->count;
    return 0;
}

static bool head_equal(const struct gs_head *a, const struct gs_head *b) {
    return gs_origin_equal(&a->origin, &b->origin) && a->seq == b->seq &&
           memcmp(a->hash.bytes, b->hash.bytes, GS_HASH_SIZE) == 0;
}

bool gs_vector_equal(const struct gs_vector *a, const struct gs_vector *b) {
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (!head_equal(&a->heads[i], &b->heads[i])) {
            return false;
        }
    }
    return true;
}

void gs_vector_meet(struct gs_vector *vector, const struct gs_vector *other) {
    for (uint32_t i = vector->count; i-- > 0;) {
        const struct gs_head *head = gs_vector_find(other, &vector->heads[i].origin);
        if (head == NULL) {
            gs_origin origin = vector->heads[i].origin;
            gs_vector_remove(vector, &origin);
        } else if (head->seq < vector->heads[i].seq) {
            vector->heads[i] = *head;
        }
    }
}

bool gs_vector_covers(const struct gs_vector *a, const struct gs_vector *b) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        while (at < a->count && gs_origin_compare(&a->heads[at].origin, &b->heads[i].origin) < 0) {
            at++;
        }
        if (!holds_at(a, at, &b->heads[i].origin) || a->heads[at].seq < b->heads[i].seq) {
            return false;
        }
    }
    return true;
}
