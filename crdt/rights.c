/* Who holds the rights of bounded counters, and whether a delta takes more than its origin holds. */
#include "crdt/aggregate_impl.h"
#include "crdt/bounded_counter.h"
#include "crdt/kind.h"
#include "crdt/type.h"

#include <globalstate/rights.h>

#include <stdlib.h>

struct visiting {
    gs_rights_fn visit;
    void *context;
    struct gs_memory memory;
    struct gs_slice names[GS_PATH_DEPTH_MAX];
};

static int compare_origins(const void *a, const void *b) {
    return gs_origin_compare(a, b);
}

/* All origins in the counter's cells, sorted, each once; `origins` has room for those of every cell. */
static uint32_t list_origins(const struct gs_bounded_counter *counter, gs_origin *origins) {
    uint32_t count = 0;
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < counter->rights.count; i++) {
        origins[count++] = counter->rights.list[i].from;
        origins[count++] = counter->rights.list[i].to;
    }
    for (uint32_t i = 0; i < counter->spent.count; i++) {
        origins[count++] = counter->spent.list[i].from;
    }
    for (uint32_t i = 0; i < counter->taken.count; i++) {
        origins[count++] = counter->taken.list[i].from;
        origins[count++] = counter->taken.list[i].to;
    }
    if (count > 0) {
        qsort(origins, count, sizeof(*origins), compare_origins);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (distinct == 0 || !gs_origin_equal(&origins[distinct - 1], &origins[i])) {
            origins[distinct++] = origins[i];
        }
    }
    return distinct;
}

static int visit_counter(struct visiting *visiting, const struct gs_path *path,
                         const struct gs_bounded_counter *counter) {
    size_t room = 2 * ((size_t)counter->rights.count + counter->taken.count) + counter->spent.count + 1;
    size_t size = room * (sizeof(gs_origin) + sizeof(struct gs_rights_holder));
    struct gs_rights_holder *holders = gs_memory_alloc(&visiting->memory, size);
    if (!holders) {
        return GS_ENOMEM;
    }
    gs_origin *origins = (gs_origin *)(holders + room);
    uint32_t origin_count = list_origins(counter, origins);
    struct gs_rights rights = {.path = *path,
                               .bound = counter->bound,
                               .value = gs_wide_clamp(gs_bounded_counter_value(counter)),
                               .holders = holders};
    for (uint32_t i = 0; i < origin_count; i++) {
        gs_wide held = gs_bounded_counter_rights_of(counter, &origins[i]);
        if (held != 0) {
            holders[rights.count++] = (struct gs_rights_holder){.origin = origins[i], .rights = gs_wide_clamp(held)};
        }
    }
    int result = visiting->visit(visiting->context, &rights);
    gs_memory_free(&visiting->memory, holders, size);
    return result;
}

static int visit_map(struct visiting *visiting, const struct gs_dot_map *map, uint32_t depth) {
    int result = 0;
    for (struct gs_field *f = gs_dot_map_next_alive(map, NULL); f && result == 0; f = gs_dot_map_next_alive(map, f)) {
        visiting->names[depth] = gs_field_name(f);
        struct gs_path path = {.depth = depth + 1, .names = visiting->names};
        if (f->type == GS_TYPE_MAP) {
            /* Of one name the map comes first, and paths before those that they begin. */
            struct gs_field *counter = gs_dot_map_find_alive(map, gs_field_name(f), GS_TYPE_BOUNDED_COUNTER);
            result = counter ? visit_counter(visiting, &path, counter->store.bounded) : 0;
            result = result != 0 ? result : visit_map(visiting, f->store.map, depth + 1);
        } else if (f->type == GS_TYPE_BOUNDED_COUNTER && !gs_dot_map_find_alive(map, gs_field_name(f), GS_TYPE_MAP)) {
            result = visit_counter(visiting, &path, f->store.bounded);
        }
    }
    return result;
}

int gs_aggregate_visit_rights(const struct gs_aggregate *aggregate, gs_rights_fn visit, void *context) {
    struct visiting visiting = {.visit = visit, .context = context, .memory = gs_memory_like(&aggregate->memory)};
    return visit_map(&visiting, &aggregate->root, 0);
}

/* The counter that a path leads to, dead or alive, or NULL. */
static const struct gs_bounded_counter *find_counter(const struct gs_dot_map *map, const struct gs_path *path) {
    for (uint32_t i = 0; i + 1 < path->depth && map; i++) {
        const struct gs_field *below = gs_dot_map_find(map, path->names[i], GS_TYPE_MAP);
        map = below ? below->store.map : NULL;
    }
    const struct gs_field *field =
        map ? gs_dot_map_find(map, path->names[path->depth - 1], GS_TYPE_BOUNDED_COUNTER) : NULL;
    return field ? field->store.bounded : NULL;
}

/* The counter as the changes so far have left it, in `scratch`: copied when it is first asked for. NULL when out of
 * memory. */
static struct gs_field *obtain_copy(struct gs_dot_map *scratch, struct gs_memory *memory, const struct gs_dot_map *root,
                                    const struct gs_path *path) {
    struct gs_dot_map *map = scratch;
    for (uint32_t i = 0; i + 1 < path->depth; i++) {
        struct gs_field *below = gs_dot_map_obtain(map, memory, path->names[i], GS_TYPE_MAP);
        if (!below) {
            return NULL;
        }
        map = below->store.map;
    }
    struct gs_slice name = path->names[path->depth - 1];
    struct gs_field *copy = gs_dot_map_find(map, name, GS_TYPE_BOUNDED_COUNTER);
    if (copy) {
        return copy;
    }
    copy = gs_dot_map_obtain(map, memory, name, GS_TYPE_BOUNDED_COUNTER);
    const struct gs_bounded_counter *counter = find_counter(root, path);
    if (copy && counter) {
        union gs_store theirs = {.bounded = (struct gs_bounded_counter *)counter};
        struct gs_joining joining = {.memory = memory};
        return gs_type_bounded_counter.join(&copy->store, &theirs, &joining) == 0 ? copy : NULL;
    }
    return copy;
}

static int check_change(struct gs_dot_map *scratch, struct gs_memory *memory, const struct gs_dot_map *root,
                        const struct gs_delta *delta, const struct gs_change *change) {
    struct gs_field *copy = obtain_copy(scratch, memory, root, &change->path);
    if (!copy) {
        return GS_ENOMEM;
    }
    /* What its origin saw of the bound has been seen here as well: only a new `create` may be below. */
    const struct gs_bounded_counter *before = copy->store.bounded;
    if (change->kind != GS_OP_GRANT && (!before || change->bound < before->bound)) {
        return GS_EOVERSPENT;
    }
    struct gs_applying applying = {
        .memory = memory, .dot = {.origin = delta->origin, .at = {delta->seq, change->index}}, .change = change};
    if (gs_type_bounded_counter.apply(&copy->store, &applying) != 0) {
        return GS_ENOMEM;
    }
    const struct gs_bounded_counter *after = copy->store.bounded;
    bool overtaken = change->kind == GS_OP_TAKEOVER && gs_bounded_counter_rights_of(after, &change->target) < 0;
    return overtaken || gs_bounded_counter_rights_of(after, &delta->origin) < 0 ? GS_EOVERSPENT : 0;
}

int gs_aggregate_check_rights(const struct gs_aggregate *aggregate, const struct gs_delta *const *deltas,
                              uint32_t count) {
    struct gs_memory memory = gs_memory_like(&aggregate->memory);
    struct gs_dot_map scratch = {0};
    int error = 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        for (uint32_t j = 0; j < deltas[i]->count && error == 0; j++) {
            const struct gs_change *change = &deltas[i]->changes[j];
            if (gs_type_of_kind((int)change->kind) == GS_TYPE_BOUNDED_COUNTER) {
                error = check_change(&scratch, &memory, &aggregate->root, deltas[i], change);
            }
        }
    }
    gs_dot_map_close(&scratch, &memory);
    return error;
}
