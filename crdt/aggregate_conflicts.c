#include "crdt/aggregate_impl.h"
#include "crdt/flag.h"
#include "crdt/type.h"

#include <stdlib.h>

struct visiting {
    gs_conflict_fn visit;
    void *context;
    struct gs_memory memory;
    struct gs_slice names[GS_PATH_DEPTH_MAX];
};

static struct gs_conflict_value describe_entry(const struct gs_field *field, const struct gs_entry *entry) {
    const char *op = field->type == GS_TYPE_FLAG_EW || field->type == GS_TYPE_FLAG_DW
                         ? (gs_flag_says(entry) ? "enable" : "disable")
                         : "set";
    return (struct gs_conflict_value){.op = op,
                                      .dot = entry->dot,
                                      .clock = entry->clock,
                                      .type = (enum gs_type)field->type,
                                      .value = gs_entry_value(entry)};
}

/* From the latest to the earliest. */
static int compare_values(const void *a, const void *b) {
    const struct gs_conflict_value *x = a;
    const struct gs_conflict_value *y = b;
    return x->clock != y->clock ? (x->clock < y->clock ? 1 : -1) : -gs_dot_compare(&x->dot, &y->dot);
}

/* Puts the shown one first. */
static void lift(struct gs_conflict_value *values, uint32_t count, const gs_dot *shown) {
    for (uint32_t i = 1; i < count; i++) {
        if (gs_dot_compare(&values[i].dot, shown) == 0) {
            struct gs_conflict_value winner = values[i];
            memmove(&values[1], &values[0], i * sizeof(*values));
            values[0] = winner;
        }
    }
}

/* Entries of one field that stand side by side. */
static int visit_rivals(struct visiting *visiting, const struct gs_path *path, const struct gs_field *field) {
    const struct gs_dot_fun *fun = &field->store.fun;
    const struct gs_type_ops *ops = gs_field_ops(field);
    size_t size = fun->count * sizeof(struct gs_conflict_value);
    struct gs_conflict_value *values = gs_memory_alloc(&visiting->memory, size);
    if (!values) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < fun->count; i++) {
        values[i] = describe_entry(field, gs_dot_fun_at(fun, i));
    }
    qsort(values, fun->count, sizeof(*values), compare_values);
    lift(values, fun->count, &ops->winner(fun)->dot);
    struct gs_conflict conflict = {
        .path = *path, .type = (enum gs_type)field->type, .rule = ops->rule, .count = fun->count, .values = values};
    int result = visiting->visit(visiting->context, &conflict);
    gs_memory_free(&visiting->memory, values, size);
    return result;
}

/* What a type finds to report in one of its stores. */
static int visit_field(struct visiting *visiting, const struct gs_path *path, const struct gs_field *field) {
    const struct gs_type_ops *ops = gs_field_ops(field);
    if (ops->visit_conflicts) {
        return ops->visit_conflicts(&field->store, path, &visiting->memory, visiting->visit, visiting->context);
    }
    if (!ops->rule || !ops->winner || field->store.fun.count < 2) {
        return 0;
    }
    return ops->are_rivals && !ops->are_rivals(&field->store.fun) ? 0 : visit_rivals(visiting, path, field);
}

static struct gs_conflict_value describe(const struct gs_field *field) {
    const struct gs_type_ops *ops = gs_field_ops(field);
    const struct gs_entry *entry = ops->winner ? ops->winner(&field->store.fun) : NULL;
    struct gs_conflict_value value = {.type = (enum gs_type)field->type};
    if (entry) {
        value = describe_entry(field, entry);
    }
    value.op = "";
    return value;
}

/* Several types under one name. */
static int visit_types(struct visiting *visiting, const struct gs_path *path, const struct gs_dot_map *map,
                       const struct gs_field *shown) {
    struct gs_conflict_value values[GS_TYPE_COUNT];
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
            result = visit_field(visiting, &path, g);
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
