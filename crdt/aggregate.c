#include "crdt/aggregate_impl.h"
#include "crdt/type.h"

struct gs_aggregate *gs_aggregate_new(const struct gs_memory *memory) {
    struct gs_memory own = gs_memory_like(memory);
    struct gs_aggregate *aggregate = gs_memory_zalloc(&own, sizeof(*aggregate));
    if (aggregate) {
        aggregate->memory = own;
    }
    return aggregate;
}

void gs_aggregate_free(struct gs_aggregate *aggregate) {
    if (aggregate) {
        struct gs_memory own = aggregate->memory;
        gs_dot_map_close(&aggregate->root, &own);
        gs_context_close(&aggregate->context, &own);
        gs_memory_free(&own, aggregate, sizeof(*aggregate));
    }
}

size_t gs_aggregate_bytes(const struct gs_aggregate *aggregate) {
    return aggregate->memory.used;
}

const struct gs_context *gs_aggregate_context(const struct gs_aggregate *aggregate) {
    return &aggregate->context;
}

bool gs_aggregate_exists(const struct gs_aggregate *aggregate) {
    return gs_dot_map_is_alive(&aggregate->root);
}

int gs_aggregate_join(struct gs_aggregate *aggregate, const struct gs_aggregate *other) {
    if (aggregate == other) {
        return 0;
    }
    struct gs_joining joining = {.memory = &aggregate->memory, .mine = &aggregate->context, .theirs = &other->context};
    int error = gs_dot_map_join(&aggregate->root, &other->root, &joining);
    if (error == 0) {
        error = gs_context_join(&aggregate->context, &aggregate->memory, &other->context);
    }
    if (error != 0) {
        /* What came in but is not in the context (yet) goes again: the state stays one that could have been, and the
         * next attempt adds it. */
        gs_dot_map_retain(&aggregate->root, &aggregate->memory, &aggregate->context);
    }
    return error;
}

struct gs_aggregate *gs_aggregate_clone(const struct gs_aggregate *aggregate, const struct gs_memory *memory) {
    struct gs_aggregate *clone = gs_aggregate_new(memory ? memory : &aggregate->memory);
    if (clone && gs_aggregate_join(clone, aggregate) != 0) {
        gs_aggregate_free(clone);
        clone = NULL;
    }
    return clone;
}

int gs_aggregate_write_json(const struct gs_aggregate *aggregate, struct gs_buffer *out) {
    union gs_store root = {.map = (struct gs_dot_map *)&aggregate->root};
    gs_type_map.write_json(&root, out);
    return out->failed;
}

int gs_aggregate_write_value(const struct gs_aggregate *aggregate, struct gs_buffer *out) {
    union gs_store root = {.map = (struct gs_dot_map *)&aggregate->root};
    gs_type_map.write_value(&root, out);
    return out->failed;
}
