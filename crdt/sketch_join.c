/* Taking entries out of sketches, and joining two. */
#include "crdt/sketch.h"

#include <stdlib.h>

static int compare_dots(const void *a, const void *b) {
    return gs_dot_compare(a, b);
}

void gs_sketch_subtract(struct gs_sketch *sketch, uint32_t cell, const gs_dot *dots, uint32_t count) {
    uint32_t here = 0;
    uint32_t first = gs_sketch_find(sketch, cell, &here);
    uint32_t kept = first;
    for (uint32_t i = first; i < first + here; i++) {
        gs_dot dot = gs_sketch_dot(sketch, &sketch->entries[i]);
        if (count == 0 || !bsearch(&dot, dots, count, sizeof(dot), compare_dots)) {
            sketch->entries[kept++] = sketch->entries[i];
        }
    }
    if (kept < first + here) {
        memmove(&sketch->entries[kept], &sketch->entries[first + here],
                (sketch->count - first - here) * sizeof(*sketch->entries));
        sketch->count -= first + here - kept;
    }
}

void gs_sketch_filter(struct gs_sketch *sketch, gs_sketch_keep_fn keep, const void *context) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sketch->count; i++) {
        gs_dot dot = gs_sketch_dot(sketch, &sketch->entries[i]);
        if (keep(context, &sketch->entries[i], &dot)) {
            sketch->entries[kept++] = sketch->entries[i];
        }
    }
    sketch->count = kept;
}

static bool contains(const struct gs_sketch *sketch, uint32_t cell, const gs_dot *dot) {
    bool found = false;
    gs_sketch_locate(sketch, cell, dot, &found);
    return found;
}

struct other_side {
    const struct gs_sketch *sketch;
    const struct gs_context *context;
};

static bool stays(const void *context, const struct gs_sketch_entry *entry, const gs_dot *dot) {
    const struct other_side *other = context;
    return contains(other->sketch, entry->cell, dot) || !gs_context_contains(other->context, dot);
}

int gs_sketch_join(struct gs_sketch *sketch, const struct gs_sketch *other, const struct gs_joining *joining) {
    gs_sketch_filter(sketch, stays, &(struct other_side){.sketch = other, .context = joining->theirs});
    int error = 0;
    for (uint32_t i = 0; i < other->count && error == 0; i++) {
        const struct gs_sketch_entry *entry = &other->entries[i];
        gs_dot dot = gs_sketch_dot(other, entry);
        if (!gs_context_contains(joining->mine, &dot)) {
            struct gs_observation observation = {.cell = entry->cell, .rank = entry->rank};
            error = gs_sketch_add(sketch, joining->memory, &observation, &dot);
        }
    }
    return error;
}
