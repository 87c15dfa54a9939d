/* Letting go of bookkeeping that no event to come can need. */
#include "crdt/aggregate_impl.h"
#include "crdt/type.h"

static bool is_retired(const struct gs_stability *stability, const gs_origin *origin) {
    for (uint32_t i = 0; i < stability->retired_count; i++) {
        if (gs_origin_equal(&stability->retired[i], origin)) {
            return true;
        }
    }
    return false;
}

static bool has_retired(const struct gs_aggregate *aggregate, const struct gs_stability *stability) {
    bool found = false;
    for (uint32_t i = 0; i < aggregate->context.count && !found; i++) {
        found = is_retired(stability, &aggregate->context.entries[i].origin);
    }
    return found;
}

/* Takes the entry out of the context if it is all stable; what is stable need not be remembered once nothing of it is
 * left and nothing of it can come. */
static void fold(struct gs_aggregate *aggregate, const struct gs_stability *stability, uint32_t at) {
    struct gs_context *context = &aggregate->context;
    const struct gs_context one = {.entries = &context->entries[at], .count = 1};
    if (gs_context_includes(stability->stable, &one)) {
        gs_context_remove_origin(context, &aggregate->memory, &context->entries[at].origin);
    }
}

/* An encoding says which origins something refers to. */
static int fold_retired(struct gs_aggregate *aggregate, const struct gs_stability *stability) {
    struct gs_buffer scratch = {.memory = NULL};
    struct gs_memory memory = gs_memory_like(&aggregate->memory);
    scratch.memory = &memory;
    struct gs_origins origins = {0};
    int error = gs_origins_collect(&origins, &memory, aggregate, GS_ENCODE_FULL);
    size_t size = (size_t)origins.count + 1;
    bool *used = error == 0 ? gs_memory_zalloc(&memory, size) : NULL;
    error = error == 0 && !used ? GS_ENOMEM : error;
    if (error == 0) {
        const union gs_store root = {.map = &aggregate->root};
        gs_type_map.encode(
            &root, &(struct gs_encoding){.origins = &origins, .form = GS_ENCODE_FULL, .out = &scratch, .used = used});
        error = scratch.failed;
    }
    for (uint32_t i = aggregate->context.count; i > 0 && error == 0; i--) {
        gs_origin origin = aggregate->context.entries[i - 1].origin;
        if (is_retired(stability, &origin) && !used[gs_origins_number(&origins, &origin)]) {
            fold(aggregate, stability, i - 1);
        }
    }
    gs_memory_free(&memory, used, size);
    gs_origins_close(&origins, &memory);
    gs_buffer_close(&scratch);
    return error;
}

int gs_aggregate_compact(struct gs_aggregate *aggregate, const struct gs_stability *stability) {
    struct gs_compacting compacting = {
        .memory = &aggregate->memory,
        .stable = stability->stable,
        .all = gs_context_includes(stability->stable, &aggregate->context),
        .keep_places = stability->keep_places,
    };
    union gs_store root = {.map = &aggregate->root};
    gs_type_map.compact(&root, &compacting);
    return has_retired(aggregate, stability) ? fold_retired(aggregate, stability) : 0;
}
