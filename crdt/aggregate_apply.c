/* Joining a delta without building a state of it.
 *
 * join(X, apply(∅, d)), step by step: the dots that d supersedes enter the context first, so that those which have not
 * arrived never will; then each change takes away what it supersedes and adds its own dot, unless the context has that
 * dot already (it was superseded on its own, earlier, out of order); last, the context takes the events of d. */
#include "crdt/aggregate_impl.h"

#include <stdlib.h>

/* True if the delta's own events cover the dot: the context gets it with them. */
static bool is_own(const struct gs_delta *delta, const gs_dot *dot) {
    return gs_origin_equal(&delta->origin, &dot->origin) && dot->at.seq > delta->previous && dot->at.seq <= delta->seq;
}

/* Dots that a delta supersedes and that have not arrived; deltas that come in order have none. Collected first, so that
 * the context takes them in one pass: one by one, each could move all intervals that are there. */
struct claims {
    struct gs_aggregate *aggregate;
    const struct gs_delta *delta;
    gs_dot *dots; /* owned */
    size_t count;
    size_t capacity;
};

static int push(struct claims *claims, const gs_dot *dot) {
    if (claims->count == claims->capacity) {
        size_t capacity = claims->capacity > 0 ? claims->capacity * 2 : 16;
        gs_dot *dots = gs_memory_resize(&claims->aggregate->memory, claims->dots, claims->capacity * sizeof(*dots),
                                        capacity * sizeof(*dots));
        if (!dots) {
            return GS_ENOMEM;
        }
        claims->dots = dots;
        claims->capacity = capacity;
    }
    claims->dots[claims->count++] = *dot;
    return 0;
}

static int collect_dots(struct claims *claims, const gs_dot *dots, uint32_t count) {
    int error = 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        if (!is_own(claims->delta, &dots[i]) && !gs_context_contains(&claims->aggregate->context, &dots[i])) {
            error = push(claims, &dots[i]);
        }
    }
    return error;
}

static int collect_cleared(struct claims *claims, const struct gs_cleared *cleared) {
    int error = collect_dots(claims, cleared->presence, cleared->presence_count);
    error = error != 0 ? error : collect_dots(claims, cleared->dots, cleared->dot_count);
    for (uint32_t i = 0; i < cleared->child_count && error == 0; i++) {
        error = collect_cleared(claims, &cleared->children[i]);
    }
    return error;
}

static int collect_change(struct claims *claims, const struct gs_change *change) {
    int error = collect_dots(claims, change->dots, change->dot_count);
    for (uint32_t i = 0; i < change->cleared_count && error == 0; i++) {
        error = collect_cleared(claims, &change->cleared[i]);
    }
    return error;
}

static int compare_dots(const void *a, const void *b) {
    return gs_dot_compare(a, b);
}

/* Puts the dots into the context, in order. */
static int enter(struct claims *claims) {
    struct gs_memory *memory = &claims->aggregate->memory;
    struct gs_context context = {0};
    int error = 0;
    if (claims->count == 0) {
        return 0;
    }
    qsort(claims->dots, claims->count, sizeof(*claims->dots), compare_dots);
    for (size_t i = 0; i < claims->count && error == 0; i++) {
        error = gs_context_add_dot(&context, memory, &claims->dots[i]);
    }
    error = error != 0 ? error : gs_context_join(&claims->aggregate->context, memory, &context);
    gs_context_close(&context, memory);
    return error;
}

static int claim(struct gs_aggregate *aggregate, const struct gs_delta *delta) {
    struct claims claims = {.aggregate = aggregate, .delta = delta};
    int error = 0;
    for (uint32_t i = 0; i < delta->count && error == 0; i++) {
        error = collect_change(&claims, &delta->changes[i]);
    }
    error = error != 0 ? error : enter(&claims);
    gs_memory_free(&aggregate->memory, claims.dots, claims.capacity * sizeof(*claims.dots));
    return error;
}

static int apply_changes(struct gs_aggregate *aggregate, const struct gs_delta *delta) {
    int error = claim(aggregate, delta);
    struct gs_applying applying = {.memory = &aggregate->memory, .seen = &aggregate->context, .clock = delta->clock};
    for (uint32_t i = 0; i < delta->count && error == 0; i++) {
        applying.change = &delta->changes[i];
        applying.dot = (gs_dot){.origin = delta->origin, .at = {delta->seq, delta->changes[i].index}};
        error = gs_dot_map_apply(&aggregate->root, &applying);
    }
    return error;
}

int gs_aggregate_apply(struct gs_aggregate *aggregate, const struct gs_delta *delta) {
    if (delta->previous >= delta->seq) {
        return GS_EINVAL;
    }
    if (gs_context_contains_events(&aggregate->context, &delta->origin, delta->previous, delta->seq)) {
        return 0;
    }
    int error = apply_changes(aggregate, delta);
    if (error == 0) {
        error =
            gs_context_add_events(&aggregate->context, &aggregate->memory, &delta->origin, delta->previous, delta->seq);
    }
    if (error != 0) {
        /* As in gs_aggregate_join: nothing stays whose dot is not in the context. Only here the cost is the state's. */
        gs_dot_map_retain(&aggregate->root, &aggregate->memory, &aggregate->context);
    }
    return error;
}
