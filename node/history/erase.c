#include "node/history/erase.h"

#include <stdlib.h>

enum { ONE_READ = 1 };

struct run {
    const struct gs_erasure *erasure;
    struct gs_erasure_report *report;
    uint64_t *positions; /* of records that hold data of the actor; owned */
    size_t count, capacity;
    struct gs_buffer record;   /* the one being rewritten */
    struct gs_erasable erased; /* of it */
};

static int decode(struct gs_slice bytes, struct gs_arena *arena, struct gs_record *ret_record,
                  struct gs_batch_head *ret_head, struct gs_event **ret_events) {
    int error = gs_record_parse(bytes, ret_record);
    if (error == 0) {
        error = gs_batch_parse_head(ret_record->batch.bytes, ret_record->batch.length, ret_head);
    }
    if (error == 0) {
        error = gs_batch_decode(ret_head, arena, ret_events);
    }
    if (error == 0) {
        error = gs_record_attach(ret_record, *ret_events, ret_head->count);
    }
    return error == 0 || error == GS_ENOMEM ? error : GS_ECORRUPT;
}

static bool is_kept(const struct gs_event *event, struct gs_slice actor) {
    return event->detached.length > 0 && gs_slice_compare(event->actor, actor) != 0;
}

/* The same record without the actor's data. */
static void write_without(const struct gs_record *record, const struct gs_event *events, uint32_t count,
                          struct gs_slice actor, struct gs_buffer *out) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        kept += is_kept(&events[i], actor) ? 1 : 0;
    }
    gs_write_array(out, 2);
    gs_write_bin(out, record->batch.bytes, record->batch.length);
    gs_write_array(out, 2 * kept);
    for (uint32_t i = 0; i < count; i++) {
        if (is_kept(&events[i], actor)) {
            gs_write_uint(out, i);
            gs_write_bin(out, events[i].detached.bytes, events[i].detached.length);
        }
    }
}

int gs_erase_from_record(struct gs_slice bytes, struct gs_slice actor, struct gs_buffer *ret_record,
                         struct gs_erasable *ret_found) {
    struct gs_arena arena = {0};
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_event *events = NULL;
    struct gs_erasable found = {0};
    int error = decode(bytes, &arena, &record, &head, &events);
    for (uint32_t i = 0; error == 0 && i < head.count; i++) {
        bool actors = gs_slice_compare(events[i].actor, actor) == 0;
        found.events += actors ? 1 : 0;
        found.with_data += actors && events[i].detached.length > 0 ? 1 : 0;
    }
    if (error == 0 && ret_record != NULL && found.with_data > 0) {
        write_without(&record, events, head.count, actor, ret_record);
        error = ret_record->failed;
    }
    gs_arena_close(&arena);
    if (error == 0) {
        *ret_found = found;
    }
    return error;
}

static int note(struct run *run, uint64_t position) {
    if (run->count == run->capacity) {
        size_t capacity = run->capacity == 0 ? 64 : run->capacity * 2;
        uint64_t *positions = realloc(run->positions, capacity * sizeof *positions);
        if (positions == NULL) {
            return GS_ENOMEM;
        }
        run->positions = positions;
        run->capacity = capacity;
    }
    run->positions[run->count++] = position;
    return 0;
}

static int look(void *context, uint64_t position, struct gs_slice bytes) {
    struct run *run = context;
    struct gs_erasable found;
    int error = gs_erase_from_record(bytes, run->erasure->actor, NULL, &found);
    if (error == 0) {
        run->report->events += found.events;
        error = found.with_data > 0 ? note(run, position) : 0;
    }
    run->erasure->progress(run->erasure->context, position);
    return error;
}

static int rewrite(void *context, uint64_t position, struct gs_slice bytes) {
    struct run *run = context;
    (void)position;
    run->record.length = 0;
    int error = gs_erase_from_record(bytes, run->erasure->actor, &run->record, &run->erased);
    return error != 0 ? error : ONE_READ;
}

/* A stopped node may have left its index behind its log. */
static int project_all(struct gs_store *store) {
    bool more = true;
    int error = 0;
    while (error == 0 && more) {
        error = store->methods->project(store, UINT32_MAX, &more);
    }
    return error;
}

int gs_erase_actor(struct gs_store *store, const struct gs_erasure *erasure, struct gs_erasure_report *ret_report) {
    struct run run = {.erasure = erasure, .report = ret_report};
    int error = store->methods->replay(store, look, &run);
    if (error == 0 && run.count > 0) {
        error = project_all(store);
    }
    for (size_t i = 0; error == 0 && i < run.count; i++) {
        error = store->methods->replay_after(store, run.positions[i] - 1, rewrite, &run);
        if (error == ONE_READ) {
            error =
                store->methods->rewrite(store, run.positions[i], gs_slice_make(run.record.bytes, run.record.length));
            ret_report->records += error == 0 ? 1 : 0;
            ret_report->erased += error == 0 ? run.erased.with_data : 0;
        }
    }
    error = error == 0 ? store->methods->scrub(store) : error;
    gs_buffer_close(&run.record);
    free(run.positions);
    return error;
}
