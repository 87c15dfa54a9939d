/* States as they were: the nearest kept state that has nothing too much in it, and the deltas after it. Deltas join in
 * any order and leave out what others do not need, so a choice of events that is causally closed gives the state that a
 * region would have had with exactly these. */
#include "node/history/past.h"

#include <stdlib.h>

enum { PAGE = 256 };

struct rebuild {
    const struct gs_past *past;
    struct gs_slice type;
    struct gs_slice id;
    const struct gs_past_point *point;
    struct gs_past_state *state;
    struct gs_past_record record; /* if the look shares none */
    struct gs_problem *problem;
    uint64_t from; /* the version that the kept state has */
    struct gs_past_oldest oldest;
};

void gs_past_state_close(struct gs_past_state *state) {
    gs_aggregate_free(state->aggregate);
    *state = (struct gs_past_state){0};
}

/* Is the entry within the point, as far as the index can tell? */
static bool may_be_in(const struct rebuild *rebuild, const struct gs_history_entry *entry) {
    const struct gs_past_point *point = rebuild->point;
    return point->kind == GS_POINT_VERSION ? entry->version <= point->version : gs_hlc_ms(entry->clock) <= point->ms;
}

static const struct gs_event_change *find_change(const struct rebuild *rebuild, const struct gs_event *event) {
    for (uint32_t i = 0; i < event->change_count; i++) {
        if (gs_slice_compare(event->changes[i].aggregate_type, rebuild->type) == 0 &&
            gs_slice_compare(event->changes[i].aggregate_id, rebuild->id) == 0) {
            return &event->changes[i];
        }
    }
    return NULL;
}

static int apply(struct rebuild *rebuild, const struct gs_history_entry *entry) {
    struct gs_past_record *record = &rebuild->record;
    struct gs_past_records *shared = rebuild->past->records;
    int error = shared != NULL ? gs_past_records_get(rebuild->past, shared, entry->position, &record, rebuild->problem)
                               : gs_past_record_load(rebuild->past, entry->position, record, rebuild->problem);
    if (error != 0) {
        return error;
    }
    if (rebuild->point->verify != NULL && !record->verified) {
        error = rebuild->point->verify(rebuild->point->verify_context, &record->head);
        if (error != 0) {
            return gs_problem_set(rebuild->problem, error == GS_ENOMEM ? error : GS_ECORRUPT, NULL,
                                  "the log's record %llu is not what its origin signed",
                                  (unsigned long long)entry->position);
        }
        record->verified = true;
    }
    const struct gs_event_change *change =
        entry->event < record->head.count ? find_change(rebuild, &record->events[entry->event]) : NULL;
    if (change == NULL) {
        return gs_problem_set(rebuild->problem, GS_ECORRUPT, NULL, "the index and the log's record %llu differ",
                              (unsigned long long)entry->position);
    }
    if (rebuild->point->kind == GS_POINT_CUT &&
        gs_vector_seq(rebuild->point->cut, &record->head.origin) < change->delta.seq) {
        return 0;
    }
    error = gs_aggregate_apply(rebuild->state->aggregate, &change->delta);
    rebuild->state->version++;
    rebuild->state->replayed++;
    rebuild->state->updated = gs_hlc_observe(rebuild->state->updated, change->delta.clock);
    return error;
}

/* The first version whose event is not within the point: a kept state of an earlier one has nothing too much. */
static int find_limit(struct rebuild *rebuild, uint64_t *ret_version) {
    struct gs_history_entry *entries = malloc(PAGE * sizeof *entries);
    struct gs_history_range range = {.first = 1, .last = rebuild->state->current};
    uint32_t count = PAGE;
    int error = entries == NULL ? GS_ENOMEM : 0;
    uint64_t limit = 0;
    while (error == 0 && limit == 0 && count == PAGE) {
        error = rebuild->past->reader->methods->entries(rebuild->past->reader, rebuild->type, rebuild->id, &range,
                                                        entries, PAGE, &count);
        for (uint32_t i = 0; error == 0 && limit == 0 && i < count; i++) {
            limit = may_be_in(rebuild, &entries[i]) ? 0 : entries[i].version;
        }
        range.first = error == 0 && count > 0 ? entries[count - 1].version + 1 : range.first;
    }
    free(entries);
    *ret_version = limit != 0 ? limit : rebuild->state->current + 1;
    return error;
}

static bool fits_cut(const struct gs_aggregate *aggregate, const struct gs_vector *cut) {
    const struct gs_context *context = gs_aggregate_context(aggregate);
    for (uint32_t i = 0; i < context->count; i++) {
        const gs_origin *origin = &context->entries[i].origin;
        if (gs_context_seq(context, origin) > gs_vector_seq(cut, origin)) {
            return false;
        }
    }
    return true;
}

/* The newest kept state up to `version` that fits, or an empty one. A damaged one is passed over: the log has it all.
 */
static int begin_with(struct rebuild *rebuild, uint64_t version) {
    struct gs_kept_state kept = {0};
    struct gs_history_reader *reader = rebuild->past->reader;
    struct gs_aggregate *aggregate = NULL;
    int error = 0;
    if (rebuild->point->verify != NULL && rebuild->oldest.gone > 0) {
        version = rebuild->oldest.version; /* the one that stands for what is gone; the rest is of signed batches */
    }
    bool kept_counts = rebuild->point->verify == NULL || rebuild->oldest.gone > 0;
    while (error == 0 && aggregate == NULL && version > 0 && kept_counts) {
        error = reader->methods->state(reader, rebuild->type, rebuild->id, version, &kept);
        if (error == GS_ECORRUPT) {
            error = 0;
            version = kept.version <= version && kept.version > 0 ? kept.version - 1 : 0;
            continue;
        }
        if (error == 0) {
            error = gs_aggregate_decode(kept.state.bytes, kept.state.length, NULL, &aggregate);
            error = error == GS_ENOMEM ? error : 0;
        }
        if (error == 0 && aggregate != NULL && rebuild->point->kind == GS_POINT_CUT &&
            !fits_cut(aggregate, rebuild->point->cut)) {
            gs_aggregate_free(aggregate);
            aggregate = NULL;
        }
        if (error == 0 && aggregate != NULL && rebuild->point->kind != GS_POINT_VERSION &&
            gs_hlc_ms(kept.updated) > rebuild->point->ms) {
            gs_aggregate_free(aggregate); /* events of later are in it, whose entries may be gone */
            aggregate = NULL;
        }
        version = kept.version > 0 ? kept.version - 1 : 0;
    }
    gs_buffer_close(&kept.state);
    if (error != 0 && error != GS_ENOTFOUND) {
        return error;
    }
    if (aggregate != NULL) {
        rebuild->state->aggregate = aggregate;
        rebuild->state->version = rebuild->from = kept.version;
        rebuild->state->updated = kept.updated;
        return 0;
    }
    if (rebuild->oldest.gone > 0) {
        char time[25];
        gs_hlc_format(rebuild->oldest.updated, time);
        return gs_problem_set(rebuild->problem, GS_EGONE, NULL,
                              "its first %llu events are no longer kept: the oldest state is of version %llu, %s",
                              (unsigned long long)rebuild->oldest.gone, (unsigned long long)rebuild->oldest.version,
                              time);
    }
    rebuild->state->aggregate = gs_aggregate_new(NULL);
    return rebuild->state->aggregate == NULL ? GS_ENOMEM : 0;
}

static int replay(struct rebuild *rebuild) {
    struct gs_history_entry *entries = malloc(PAGE * sizeof *entries);
    struct gs_history_range range = {.first = rebuild->from + 1, .last = rebuild->state->current};
    if (rebuild->point->kind == GS_POINT_VERSION && rebuild->point->version < range.last) {
        range.last = rebuild->point->version;
    }
    uint32_t count = PAGE;
    int error = entries == NULL ? GS_ENOMEM : 0;
    while (error == 0 && count == PAGE && range.first <= range.last) {
        error = rebuild->past->reader->methods->entries(rebuild->past->reader, rebuild->type, rebuild->id, &range,
                                                        entries, PAGE, &count);
        for (uint32_t i = 0; error == 0 && i < count; i++) {
            error = may_be_in(rebuild, &entries[i]) ? apply(rebuild, &entries[i]) : 0;
        }
        range.first = error == 0 && count > 0 ? entries[count - 1].version + 1 : range.first;
    }
    free(entries);
    return error;
}

int gs_past_rebuild(const struct gs_past *past, struct gs_slice type, struct gs_slice id,
                    const struct gs_past_point *point, struct gs_past_state *ret_state, struct gs_problem *problem) {
    struct gs_past_state state = {0};
    struct rebuild rebuild = {
        .past = past, .type = type, .id = id, .point = point, .state = &state, .problem = problem};
    int error = past->reader->methods->version(past->reader, type, id, &state.current);
    if (error == 0 && point->kind == GS_POINT_VERSION && point->version > state.current) {
        error = GS_ENOTFOUND;
    }
    error = error == 0 ? gs_past_oldest(past, type, id, &rebuild.oldest) : error;
    uint64_t limit = point->version + 1;
    if (error == 0 && point->kind != GS_POINT_VERSION) {
        error = find_limit(&rebuild, &limit);
    }
    if (error == 0) {
        error = begin_with(&rebuild, limit - 1);
    }
    if (error == 0) {
        error = replay(&rebuild);
    }
    gs_past_record_close(&rebuild.record);
    if (error != 0) {
        gs_past_state_close(&state);
        return error;
    }
    *ret_state = state;
    return 0;
}
