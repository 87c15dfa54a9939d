#include "node/store/memory_impl.h"

#include <stdlib.h>
#include <string.h>

/* Every keep as it came, oldest first: for tests, where there are few. */
struct gs_memory_kept {
    struct gs_memory_kept *older;
    struct gs_keep keep; /* a copy */
};

static int copy_buffer(const struct gs_buffer *from, struct gs_buffer *to) {
    gs_buffer_append(to, from->bytes, from->length);
    return to->failed;
}

static int copy_state(struct gs_arena *arena, const struct gs_keep_state *from, struct gs_keep_state *to) {
    *to = *from;
    to->state = (struct gs_buffer){0};
    to->type = gs_slice_make(gs_arena_copy(arena, from->type.bytes, from->type.length), from->type.length);
    to->id = gs_slice_make(gs_arena_copy(arena, from->id.bytes, from->id.length), from->id.length);
    return to->type.bytes == NULL || to->id.bytes == NULL ? GS_ENOMEM : copy_buffer(&from->state, &to->state);
}

static void kept_free(struct gs_memory_kept *kept) {
    for (uint32_t i = 0; i < kept->keep.count; i++) {
        gs_buffer_close(&kept->keep.states[i].state);
    }
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        gs_buffer_close(&kept->keep.journals[i].entries);
    }
    gs_buffer_close(&kept->keep.core);
    gs_arena_close(&kept->keep.arena);
    free(kept);
}

static int copy_keep(const struct gs_keep *from, struct gs_keep *to) {
    to->low = from->low;
    to->position = from->position;
    to->states = gs_arena_alloc(&to->arena, from->count * sizeof *to->states + 1);
    int error = to->states == NULL ? GS_ENOMEM : copy_buffer(&from->core, &to->core);
    for (uint32_t i = 0; error == 0 && i < from->count; i++) {
        error = copy_state(&to->arena, &from->states[i], &to->states[i]);
        to->count++;
    }
    for (int i = 0; error == 0 && i < GS_KEEP_JOURNALS; i++) {
        to->journals[i] = from->journals[i];
        to->journals[i].entries = (struct gs_buffer){0};
        error = copy_buffer(&from->journals[i].entries, &to->journals[i].entries);
    }
    return error;
}

int gs_memory_put_keep(struct gs_memory_data *data, const struct gs_keep *keep) {
    struct gs_memory_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        return GS_ENOMEM;
    }
    int error = copy_keep(keep, &kept->keep);
    if (error != 0) {
        kept_free(kept);
        return error;
    }
    kept->older = data->kept;
    data->kept = kept;
    return 0;
}

int gs_memory_keep(struct gs_store *store, const struct gs_keep *keep) {
    struct gs_memory_data *data = ((struct gs_memory_store *)store)->data;
    pthread_mutex_lock(&data->lock);
    int error = keep->position > data->count ? GS_ESTORE : gs_memory_put_keep(data, keep);
    pthread_mutex_unlock(&data->lock);
    return error != 0 ? GS_ESTORE : 0;
}

static bool is_of(const struct gs_keep_state *state, struct gs_slice type, struct gs_slice id) {
    return gs_slice_compare(state->type, type) == 0 && gs_slice_compare(state->id, id) == 0;
}

const struct gs_keep_state *gs_memory_state(const struct gs_memory_data *data, struct gs_slice type, struct gs_slice id,
                                            uint64_t version) {
    const struct gs_keep_state *newest = NULL;
    for (const struct gs_memory_kept *kept = data->kept; kept != NULL; kept = kept->older) {
        for (uint32_t i = 0; i < kept->keep.count; i++) {
            const struct gs_keep_state *state = &kept->keep.states[i];
            if (is_of(state, type, id) && state->version <= version &&
                (newest == NULL || state->version > newest->version)) {
                newest = state;
            }
        }
    }
    return newest;
}

static void drop_states(struct gs_keep *keep, struct gs_slice type, struct gs_slice id, uint64_t version) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < keep->count; i++) {
        if (is_of(&keep->states[i], type, id) && keep->states[i].version < version) {
            gs_buffer_close(&keep->states[i].state);
        } else {
            keep->states[kept++] = keep->states[i];
        }
    }
    keep->count = kept;
}

int gs_memory_drop_states(struct gs_memory_data *data, struct gs_slice type, struct gs_slice id, uint64_t version) {
    uint64_t oldest = UINT64_MAX;
    for (const struct gs_memory_kept *kept = data->kept; kept != NULL; kept = kept->older) {
        for (uint32_t i = 0; i < kept->keep.count; i++) {
            const struct gs_keep_state *state = &kept->keep.states[i];
            if (is_of(state, type, id) && state->version >= version && state->version < oldest) {
                oldest = state->version;
            }
        }
    }
    for (struct gs_memory_kept *kept = data->kept; oldest != UINT64_MAX && kept != NULL; kept = kept->older) {
        drop_states(&kept->keep, type, id, oldest);
    }
    return oldest != UINT64_MAX ? 0 : GS_ECORRUPT;
}

/* Entries of the oldest keep first. */
static int visit_entries(const struct gs_memory_kept *kept, const struct gs_keep *newest, int journal,
                         const struct gs_kept_visitor *visitor) {
    if (kept == NULL) {
        return 0;
    }
    int error = visit_entries(kept->older, newest, journal, visitor);
    const struct gs_keep_entries *entries = &kept->keep.journals[journal];
    if (error == 0 && entries->first <= entries->last && entries->last >= newest->journals[journal].oldest) {
        error = visitor->entries(visitor->context, (enum gs_keep_journal)journal, entries->first, entries->last,
                                 gs_slice_make(entries->entries.bytes, entries->entries.length));
    }
    return error;
}

int gs_memory_visit_kept(struct gs_store *store, const struct gs_kept_visitor *visitor, struct gs_problem *problem) {
    const struct gs_memory_data *data = ((struct gs_memory_store *)store)->data;
    (void)problem;
    if (data->kept == NULL) {
        return GS_ENOTFOUND;
    }
    const struct gs_memory_kept *last = data->kept;
    while (last->keep.core.length == 0 && last->older != NULL) {
        last = last->older; /* a part of an installation */
    }
    const struct gs_keep *newest = &last->keep;
    int error = visitor->checkpoint(visitor->context, newest->low, newest->position,
                                    gs_slice_make(newest->core.bytes, newest->core.length));
    for (int i = 0; error == 0 && i < GS_KEEP_JOURNALS; i++) {
        error = visit_entries(data->kept, newest, i, visitor);
    }
    for (const struct gs_memory_kept *kept = data->kept; error == 0 && kept != NULL; kept = kept->older) {
        for (uint32_t i = 0; error == 0 && i < kept->keep.count; i++) {
            const struct gs_keep_state *state = &kept->keep.states[i];
            if (gs_memory_state(data, state->type, state->id, UINT64_MAX) == state) {
                error = visitor->state(visitor->context, state);
            }
        }
    }
    return error;
}

void gs_memory_kept_close(struct gs_memory_data *data) {
    while (data->kept != NULL) {
        struct gs_memory_kept *kept = data->kept;
        data->kept = kept->older;
        kept_free(kept);
    }
}

int gs_memory_forget_kept(struct gs_store *store) {
    struct gs_memory_data *data = ((struct gs_memory_store *)store)->data;
    pthread_mutex_lock(&data->lock);
    gs_memory_kept_close(data);
    pthread_mutex_unlock(&data->lock);
    return 0;
}
