#include "crdt/bounded_counter.h"

#include <globalstate/error.h>

static int compare_cell(const struct gs_rights_cell *cell, const gs_origin *from, const gs_origin *to) {
    int order = gs_origin_compare(&cell->from, from);
    return order != 0 ? order : gs_origin_compare(&cell->to, to);
}

/* Index of the first cell that is not less. */
static uint32_t find_index(const struct gs_rights_cells *cells, const gs_origin *from, const gs_origin *to) {
    uint32_t low = 0;
    uint32_t high = cells->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_cell(&cells->list[middle], from, to) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int64_t gs_rights_find(const struct gs_rights_cells *cells, const gs_origin *from, const gs_origin *to) {
    uint32_t index = find_index(cells, from, to);
    bool found = index < cells->count && compare_cell(&cells->list[index], from, to) == 0;
    return found ? cells->list[index].total : 0;
}

static int grow(struct gs_rights_cells *cells, struct gs_memory *memory) {
    uint32_t capacity = cells->capacity > 0 ? cells->capacity * 2 : 1;
    struct gs_rights_cell *list =
        gs_memory_resize(memory, cells->list, cells->capacity * sizeof(*list), capacity * sizeof(*list));
    if (!list) {
        return GS_ENOMEM;
    }
    cells->list = list;
    cells->capacity = capacity;
    return 0;
}

int gs_rights_raise(struct gs_rights_cells *cells, struct gs_memory *memory, const struct gs_rights_cell *cell) {
    if (cell->total <= 0) {
        return 0;
    }
    uint32_t index = find_index(cells, &cell->from, &cell->to);
    if (index < cells->count && compare_cell(&cells->list[index], &cell->from, &cell->to) == 0) {
        int64_t *total = &cells->list[index].total;
        *total = cell->total > *total ? cell->total : *total;
        return 0;
    }
    if (cells->count == cells->capacity && grow(cells, memory) != 0) {
        return GS_ENOMEM;
    }
    memmove(&cells->list[index + 1], &cells->list[index], (cells->count - index) * sizeof(*cell));
    cells->list[index] = *cell;
    cells->count++;
    return 0;
}

void gs_rights_close(struct gs_rights_cells *cells, struct gs_memory *memory) {
    gs_memory_free(memory, cells->list, cells->capacity * sizeof(*cells->list));
    *cells = (struct gs_rights_cells){0};
}

gs_wide gs_bounded_counter_rights(const struct gs_bounded_counter *counter) {
    gs_wide rights = 0;
    for (uint32_t i = 0; counter && i < counter->rights.count; i++) {
        const struct gs_rights_cell *cell = &counter->rights.list[i];
        rights += gs_origin_equal(&cell->from, &cell->to) ? cell->total : 0;
    }
    for (uint32_t i = 0; counter && i < counter->spent.count; i++) {
        rights -= counter->spent.list[i].total;
    }
    return rights;
}

gs_wide gs_bounded_counter_rights_of(const struct gs_bounded_counter *counter, const gs_origin *origin) {
    if (!counter) {
        return 0;
    }
    gs_wide rights = -(gs_wide)gs_rights_find(&counter->spent, origin, origin);
    for (uint32_t i = 0; i < counter->rights.count; i++) {
        const struct gs_rights_cell *cell = &counter->rights.list[i];
        if (gs_origin_equal(&cell->to, origin)) {
            rights += cell->total;
        } else if (gs_origin_equal(&cell->from, origin)) {
            rights -= cell->total;
        }
    }
    for (uint32_t i = 0; i < counter->taken.count; i++) {
        const struct gs_rights_cell *cell = &counter->taken.list[i];
        rights += gs_origin_equal(&cell->from, origin) ? cell->total : 0;
        rights -= gs_origin_equal(&cell->to, origin) ? cell->total : 0;
    }
    return rights;
}

gs_wide gs_bounded_counter_value(const struct gs_bounded_counter *counter) {
    return (counter ? counter->bound : 0) + gs_bounded_counter_rights(counter);
}
