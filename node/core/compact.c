/* Cleaning up: bookkeeping of what was cancelled or deleted goes out of memory once no event to come can need it.
 *
 * Cells that changed since they were cleaned wait in the order of their last change. The first is cleaned when every
 * event that it has applied has been applied by every origin that may still write (stable.c): then each origin's next
 * increment of a counter begins a new frame, whatever it was, and the marks of cancelled ones say nothing any more.
 * Nothing behind the first is looked at before: what is newer is not stable either, or will be soon.
 *
 * It is no event, and changes no canonical byte: regions do it at different moments, or not at all, and agree. The log
 * knows nothing of it; a start cleans again what it makes of the log.
 *
 * What stays of a deleted aggregate: its context (one number an origin: without it an old delta would be news), rights
 * of bounded counters (they are for ever), hidden elements of remove-wins sets that no unset took away, and the places
 * of deleted list elements. Those would need more than stability: a region that comes back with an old disk begins a
 * new origin at once, and may insert beside an element that it does not know to be deleted, while every origin that
 * was known has applied the deletion. */
#include "node/core/core_impl.h"

enum {
    LOOK_MS = 1000,          /* between two looks, if the first cell is not stable */
    STEP_MS = 20,            /* between two steps, if there is more to do */
    CELLS_MAX = 256,         /* in one step */
    BYTES_MAX = 1024 * 1024, /* of the aggregates that one step walks; one more may go past it */
};

void gs_compact_forget(struct gs_core *core, struct gs_cell *cell) {
    struct gs_compaction *compaction = &core->compaction;
    if (!cell->unclean) {
        return;
    }
    *(cell->unclean_older != NULL ? &cell->unclean_older->unclean_newer : &compaction->oldest) = cell->unclean_newer;
    *(cell->unclean_newer != NULL ? &cell->unclean_newer->unclean_older : &compaction->newest) = cell->unclean_older;
    cell->unclean = false;
    core->stats.unclean--;
}

void gs_compact_changed(struct gs_core *core, struct gs_cell *cell) {
    struct gs_compaction *compaction = &core->compaction;
    gs_compact_forget(core, cell);
    cell->unclean = true;
    cell->unclean_older = compaction->newest;
    cell->unclean_newer = NULL;
    *(compaction->newest != NULL ? &compaction->newest->unclean_newer : &compaction->oldest) = cell;
    compaction->newest = cell;
    core->stats.unclean++;
}

/* An undecided fork may end with a history in which its origin has not seen what it says now. */
static bool is_possible(const struct gs_core *core) {
    return core->compaction.oldest != NULL && core->stats.started && core->stats.forks == 0 && !core->waiting_for_peers;
}

uint64_t gs_compact_deadline(const struct gs_core *core) {
    return is_possible(core) ? core->compaction.mono_ms : UINT64_MAX;
}

static bool is_stable(const struct gs_cell *cell, const struct gs_vector *stable) {
    const struct gs_context *context = gs_aggregate_context(cell->aggregate);
    for (uint32_t i = 0; i < context->count; i++) {
        const gs_origin *origin = &context->entries[i].origin;
        if (gs_vector_seq(stable, origin) < gs_context_seq(context, origin)) {
            return false;
        }
    }
    return true;
}

static int clean(struct gs_core *core, struct gs_cell *cell) {
    size_t before = gs_aggregate_bytes(cell->aggregate);
    const struct gs_stability stability = {.stable = gs_aggregate_context(cell->aggregate), .keep_places = true};
    int error = gs_aggregate_compact(cell->aggregate, &stability);
    size_t after = gs_aggregate_bytes(cell->aggregate);
    core->stats.aggregate_bytes = core->stats.aggregate_bytes - before + after;
    core->stats.compacted_bytes += before > after ? before - after : 0;
    core->stats.compacted += before > after ? 1 : 0;
    return error;
}

int gs_compact_consider(struct gs_core *core) {
    struct gs_compaction *compaction = &core->compaction;
    struct gs_vector stable = {0};
    bool known = false;
    if (!is_possible(core) || core->mono_ms < compaction->mono_ms) {
        return 0;
    }
    int error = gs_stable_everywhere(core, &stable, &known);
    size_t bytes = 0;
    uint32_t cells = 0;
    while (error == 0 && known && compaction->oldest != NULL && cells < CELLS_MAX && bytes < BYTES_MAX &&
           is_stable(compaction->oldest, &stable)) {
        struct gs_cell *cell = compaction->oldest;
        bytes += gs_aggregate_bytes(cell->aggregate);
        cells++;
        gs_compact_forget(core, cell);
        error = clean(core, cell);
    }
    compaction->mono_ms = core->mono_ms + (cells == CELLS_MAX || bytes >= BYTES_MAX ? STEP_MS : LOOK_MS);
    gs_vector_close(&stable);
    return error;
}
