#include <globalstate/delta.h>

enum { CAPACITY_MIN = 8 };

static int grow(struct gs_origin_table *table) {
    /* Without capacity the origins are borrowed, and not ours to resize. */
    if (table->count >= GS_ORIGIN_TABLE_MAX || (table->capacity == 0 && table->count > 0)) {
        return GS_ETOOBIG;
    }
    uint32_t capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2;
    gs_origin *origins =
        gs_memory_resize(NULL, table->origins, table->capacity * sizeof *origins, capacity * sizeof *origins);
    if (origins == NULL) {
        return GS_ENOMEM;
    }
    table->origins = origins;
    table->capacity = capacity;
    return 0;
}

uint32_t gs_origin_table_intern(struct gs_origin_table *table, const gs_origin *origin) {
    /* Linear: a batch names the few origins that its writer superseded dots of. */
    for (uint32_t i = 0; i < table->count; i++) {
        if (gs_origin_equal(&table->origins[i], origin)) {
            return i;
        }
    }
    if (table->count >= table->capacity && grow(table) != 0) {
        return UINT32_MAX;
    }
    table->origins[table->count] = *origin;
    return table->count++;
}

void gs_origin_table_close(struct gs_origin_table *table) {
    if (table->capacity > 0) {
        gs_memory_free(NULL, table->origins, table->capacity * sizeof *table->origins);
    }
    *table = (struct gs_origin_table){0};
}
