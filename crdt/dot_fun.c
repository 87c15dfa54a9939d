#include "crdt/dot_fun.h"

#include <globalstate/error.h>

#include <stddef.h>
#include <stdlib.h>

static size_t entry_size(uint32_t length) {
    return offsetof(struct gs_entry, bytes) + length;
}

static void entry_free(struct gs_entry *entry, struct gs_memory *memory) {
    gs_memory_free(memory, entry, entry_size(entry->length));
}

const struct gs_entry *gs_dot_fun_at(const struct gs_dot_fun *fun, uint32_t i) {
    return fun->capacity > 0 ? fun->as.many[i] : fun->as.one;
}

void gs_dot_fun_close(struct gs_dot_fun *fun, struct gs_memory *memory) {
    if (fun->capacity > 0) {
        for (uint32_t i = 0; i < fun->count; i++) {
            entry_free(fun->as.many[i], memory);
        }
        gs_memory_free(memory, fun->as.many, fun->capacity * sizeof(struct gs_entry *));
    } else if (fun->count > 0) {
        entry_free(fun->as.one, memory);
    }
    *fun = (struct gs_dot_fun){0};
}

/* Index of the first entry whose dot is not less than `dot`. */
static uint32_t find_index(const struct gs_dot_fun *fun, const gs_dot *dot) {
    uint32_t low = 0;
    uint32_t high = fun->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_dot_compare(&gs_dot_fun_at(fun, middle)->dot, dot) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct gs_dot_fun *fun, uint32_t index, const gs_dot *dot) {
    return index < fun->count && gs_dot_compare(&gs_dot_fun_at(fun, index)->dot, dot) == 0;
}

bool gs_dot_fun_contains(const struct gs_dot_fun *fun, const gs_dot *dot) {
    return is_at(fun, find_index(fun, dot), dot);
}

/* Makes room for one entry more. */
static int reserve(struct gs_dot_fun *fun, struct gs_memory *memory) {
    size_t size = sizeof(struct gs_entry *);
    if (fun->count == 0 || fun->count < fun->capacity) {
        return 0;
    }
    uint32_t capacity = fun->capacity > 0 ? fun->capacity * 2 : 2;
    struct gs_entry **many =
        gs_memory_resize(memory, fun->capacity > 0 ? fun->as.many : NULL, fun->capacity * size, capacity * size);
    if (!many) {
        return GS_ENOMEM;
    }
    if (fun->capacity == 0) {
        many[0] = fun->as.one;
    }
    fun->as.many = many;
    fun->capacity = capacity;
    return 0;
}

/* Goes back to the inline form when at most one entry is left. */
static void tidy(struct gs_dot_fun *fun, struct gs_memory *memory) {
    if (fun->capacity > 0 && fun->count <= 1) {
        struct gs_dot_fun small = {.count = fun->count, .as.one = fun->count == 1 ? fun->as.many[0] : NULL};
        gs_memory_free(memory, fun->as.many, fun->capacity * sizeof(struct gs_entry *));
        *fun = small;
    }
}

int gs_dot_fun_add(struct gs_dot_fun *fun, struct gs_memory *memory, const gs_dot *dot, gs_hlc clock,
                   struct gs_slice value) {
    uint32_t index = find_index(fun, dot);
    if (is_at(fun, index, dot)) {
        return 0;
    }
    uint32_t length = (uint32_t)value.length;
    struct gs_entry *entry = gs_memory_alloc(memory, entry_size(length));
    if (!entry) {
        return GS_ENOMEM;
    }
    entry->dot = *dot;
    entry->clock = clock;
    entry->length = length;
    memcpy(entry->bytes, value.bytes, length);
    if (reserve(fun, memory) != 0) {
        entry_free(entry, memory);
        return GS_ENOMEM;
    }
    if (fun->capacity == 0) {
        fun->as.one = entry;
    } else {
        memmove(&fun->as.many[index + 1], &fun->as.many[index], (fun->count - index) * sizeof(struct gs_entry *));
        fun->as.many[index] = entry;
    }
    fun->count++;
    return 0;
}

void gs_dot_fun_remove(struct gs_dot_fun *fun, struct gs_memory *memory, const gs_dot *dot) {
    uint32_t index = find_index(fun, dot);
    if (!is_at(fun, index, dot)) {
        return;
    }
    fun->count--;
    if (fun->capacity == 0) {
        entry_free(fun->as.one, memory);
        fun->as.one = NULL;
        return;
    }
    entry_free(fun->as.many[index], memory);
    memmove(&fun->as.many[index], &fun->as.many[index + 1], (fun->count - index) * sizeof(struct gs_entry *));
    tidy(fun, memory);
}

static int compare_dots(const void *a, const void *b) {
    return gs_dot_compare(a, b);
}

void gs_dot_fun_subtract(struct gs_dot_fun *fun, struct gs_memory *memory, const gs_dot *dots, uint32_t count) {
    if (count == 0 || fun->count == 0) {
        return;
    }
    if (count == 1) {
        gs_dot_fun_remove(fun, memory, dots);
        return;
    }
    struct gs_entry **own = fun->capacity > 0 ? fun->as.many : &fun->as.one;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fun->count; i++) {
        if (bsearch(&own[i]->dot, dots, count, sizeof(*dots), compare_dots)) {
            entry_free(own[i], memory);
        } else {
            own[kept++] = own[i];
        }
    }
    fun->count = kept;
    tidy(fun, memory);
}

int gs_dot_fun_join(struct gs_dot_fun *fun, const struct gs_dot_fun *other, const struct gs_joining *joining) {
    for (uint32_t i = fun->count; i > 0; i--) {
        gs_dot dot = gs_dot_fun_at(fun, i - 1)->dot;
        if (gs_context_contains(joining->theirs, &dot) && !gs_dot_fun_contains(other, &dot)) {
            gs_dot_fun_remove(fun, joining->memory, &dot);
        }
    }
    for (uint32_t i = 0; i < other->count; i++) {
        const struct gs_entry *entry = gs_dot_fun_at(other, i);
        if (!gs_context_contains(joining->mine, &entry->dot) &&
            gs_dot_fun_add(fun, joining->memory, &entry->dot, entry->clock, gs_entry_value(entry)) != 0) {
            return GS_ENOMEM;
        }
    }
    return 0;
}

void gs_dot_fun_retain(struct gs_dot_fun *fun, struct gs_memory *memory, const struct gs_context *seen) {
    for (uint32_t i = fun->count; i > 0; i--) {
        gs_dot dot = gs_dot_fun_at(fun, i - 1)->dot;
        if (!gs_context_contains(seen, &dot)) {
            gs_dot_fun_remove(fun, memory, &dot);
        }
    }
}
