#include "crdt/aggregate_impl.h"
#include "crdt/type.h"

#include <stdlib.h>

struct visiting {
    gs_conflict_fn visit;
    void *context;
    struct gs_memory memory;
    struct gs_slice names[GS_PATH_DEPTH_MAX];
};

/* The shown one first, then from the latest to the earliest. */
static int compare_values(const void *a, const void *b) {
    const struct gs_conflict_value *x = a;
    const struct gs_conflict_value *y = b;
    return x->clock != y->clock ? (x->clock < y->clock ? 1 : -1) : -gs_dot_compare(&x->dot, &y->dot);
}

/* Entries of one register that stand side by side. */
static int visit_rivals(struct visiting *visiting, const struct gs_path *path, const struct gs_field *field) {
    const struct gs_dot_fun *fun = &field->store.fun;
    size_t size = fun->count * sizeof(struct gs_conflict_value);
    struct gs_conflict_value *values = gs_memory_alloc(&visiting->memory, size);
    if (!values) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < fun->count; i++) {
        const struct gs_entry *entry = gs_dot_fun_at(fun, i);
        values[i] = (struct gs_conflict_value){.dot = entry->dot,
                                               .clock = entry->clock,
                                               .type = (enum gs_type)field->type,
                                               .value = gs_entry_value(entry)};
    }
    qsort(values, fun->count, sizeof(*values), compare_values);
    struct gs_conflict conflict = {.path = *path,
                                   .type = (enum gs_type)field->type,
                                   .rule = gs_field_ops(field)->rule,
                                   .count = fun->count,
                                   .values = values};
    int result = visiting->visit(visiting->context, &conflict);
    gs_memory_free(&visiting->memory, values, size);
    return result;
}

static struct gs_conflict_value describe(const struct gs_field *field) {
    struct gs_conflict_value value = {.type = (enum gs_type)field->type};
    const struct gs_entry *entry = field->type == GS_TYPE_REGISTER ? gs_register_winner(&field->store.fun)
                                   : field->type == GS_TYPE_MAX    ? gs_max_winner(&field->store.fun)
                                                                   : NULL;
    if (entry) {
        value.dot = entry->dot;
        value.clock = entry->clock;
        value.value = gs_entry_value(entry);
    }
    return value;
}

/* Several types under one name: each has an entry in the table of types, so a byte's worth of room is enough. */
static int visit_types(struct visiting *visiting, const struct gs_path *path, const struct gs_dot_map *map,
                       const struct gs_field *shown) {
    struct gs_conflict_value values[GS_TYPE_REGISTER + 1];
    uint32_t count = 0;
    for (const struct gs_field *f = shown; f; f = gs_dot_map_next_type(map, f)) {
        values[count++] = describe(f);
    }
    struct gs_conflict conflict = {
        .path = *path, .type = (enum gs_type)shown->type, .rule = "type_precedence", .count = count, .values = values};
    return count > 1 ? visiting->visit(visiting->context, &conflict) : 0;
}

static int visit_map(struct visiting *visiting, const struct gs_dot_map *map, uint32_t depth) {
    int result = 0;
    for (struct gs_field *f = gs_dot_map_next_shown(map, NULL); f && result == 0; f = gs_dot_map_next_shown(map, f)) {
        visiting->names[depth] = gs_field_name(f);
        struct gs_path path = {.depth = depth + 1, .names = visiting->names};
        result = visit_types(visiting, &path, map, f);
        /* A path comes before those that it begins: the map's members last. */
        for (const struct gs_field *g = f; g && result == 0; g = gs_dot_map_next_type(map, g)) {
            if (gs_field_ops(g)->rule && g->store.fun.count > 1) {
                result = visit_rivals(visiting, &path, g);
            }
        }
        if (result == 0 && f->type == GS_TYPE_MAP) {
            result = visit_map(visiting, f->store.map, depth + 1);
        }
    }
    return result;
}

int gs_aggregate_visit_conflicts(const struct gs_aggregate *aggregate, gs_conflict_fn visit, void *context) {
    struct visiting visiting = {.visit = visit, .context = context, .memory = gs_memory_like(&aggregate->memory)};
    return visit_map(&visiting, &aggregate->root, 0);
}
