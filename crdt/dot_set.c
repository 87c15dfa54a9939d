#include "crdt/dot_set.h"

#include <globalstate/error.h>

#include <stdlib.h>

void gs_dot_set_close(struct gs_dot_set *set, struct gs_memory *memory) {
    if (set->capacity > 0) {
        gs_memory_free(memory, set->as.many, set->capacity * sizeof(gs_dot));
    }
    *set = (struct gs_dot_set){0};
}

const gs_dot *gs_dot_set_dots(const struct gs_dot_set *set) {
    return set->capacity > 0 ? set->as.many : &set->as.one;
}

/* Index of the first dot that is not less than `dot`. */
static uint32_t find_index(const struct gs_dot_set *set, const gs_dot *dot) {
    const gs_dot *dots = gs_dot_set_dots(set);
    uint32_t low = 0;
    uint32_t high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_dot_compare(&dots[middle], dot) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool gs_dot_set_contains(const struct gs_dot_set *set, const gs_dot *dot) {
    uint32_t index = find_index(set, dot);
    return index < set->count && gs_dot_compare(&gs_dot_set_dots(set)[index], dot) == 0;
}

static int grow(struct gs_dot_set *set, struct gs_memory *memory) {
    uint32_t capacity = set->capacity > 0 ? set->capacity * 2 : 2;
    gs_dot *many = gs_memory_resize(memory, set->capacity > 0 ? set->as.many : NULL, set->capacity * sizeof(gs_dot),
                                    capacity * sizeof(gs_dot));
    if (!many) {
        return GS_ENOMEM;
    }
    if (set->capacity == 0) {
        many[0] = set->as.one;
    }
    set->as.many = many;
    set->capacity = capacity;
    return 0;
}

int gs_dot_set_add(struct gs_dot_set *set, struct gs_memory *memory, const gs_dot *dot) {
    uint32_t index = find_index(set, dot);
    if (index < set->count && gs_dot_compare(&gs_dot_set_dots(set)[index], dot) == 0) {
        return 0;
    }
    if (set->count == 0 && set->capacity == 0) {
        set->as.one = *dot;
        set->count = 1;
        return 0;
    }
    if (set->count >= set->capacity && grow(set, memory) != 0) {
        return GS_ENOMEM;
    }
    memmove(&set->as.many[index + 1], &set->as.many[index], (set->count - index) * sizeof(gs_dot));
    set->as.many[index] = *dot;
    set->count++;
    return 0;
}

/* Back to the form that owns nothing, once one dot is left or none. */
static void tidy(struct gs_dot_set *set, struct gs_memory *memory) {
    if (set->capacity > 0 && set->count <= 1) {
        struct gs_dot_set small = {.count = set->count, .as.one = set->as.many[0]};
        gs_memory_free(memory, set->as.many, set->capacity * sizeof(gs_dot));
        *set = small;
    }
}

void gs_dot_set_remove(struct gs_dot_set *set, struct gs_memory *memory, const gs_dot *dot) {
    uint32_t index = find_index(set, dot);
    if (index == set->count || gs_dot_compare(&gs_dot_set_dots(set)[index], dot) != 0) {
        return;
    }
    if (set->capacity == 0) {
        *set = (struct gs_dot_set){0};
        return;
    }
    set->count--;
    memmove(&set->as.many[index], &set->as.many[index + 1], (set->count - index) * sizeof(gs_dot));
    tidy(set, memory);
}

static int compare_dots(const void *a, const void *b) {
    return gs_dot_compare(a, b);
}

void gs_dot_set_subtract(struct gs_dot_set *set, struct gs_memory *memory, const gs_dot *dots, uint32_t count) {
    if (count == 0 || set->count == 0) {
        return;
    }
    if (count == 1) {
        gs_dot_set_remove(set, memory, dots);
        return;
    }
    gs_dot *own = set->capacity > 0 ? set->as.many : &set->as.one;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (!bsearch(&own[i], dots, count, sizeof(*dots), compare_dots)) {
            own[kept++] = own[i];
        }
    }
    set->count = kept;
    tidy(set, memory);
}

int gs_dot_set_join(struct gs_dot_set *set, const struct gs_dot_set *other, const struct gs_joining *joining) {
    for (uint32_t i = set->count; i > 0; i--) {
        gs_dot dot = gs_dot_set_dots(set)[i - 1];
        if (gs_context_contains(joining->theirs, &dot) && !gs_dot_set_contains(other, &dot)) {
            gs_dot_set_remove(set, joining->memory, &dot);
        }
    }
    const gs_dot *dots = gs_dot_set_dots(other);
    for (uint32_t i = 0; i < other->count; i++) {
        if (!gs_context_contains(joining->mine, &dots[i]) && gs_dot_set_add(set, joining->memory, &dots[i]) != 0) {
            return GS_ENOMEM;
        }
    }
    return 0;
}

void gs_dot_set_retain(struct gs_dot_set *set, struct gs_memory *memory, const struct gs_context *seen) {
    for (uint32_t i = set->count; i > 0; i--) {
        gs_dot dot = gs_dot_set_dots(set)[i - 1];
        if (!gs_context_contains(seen, &dot)) {
            gs_dot_set_remove(set, memory, &dot);
        }
    }
}
