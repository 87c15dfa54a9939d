#include "node/history/erase.h"

#include <stdlib.h>

enum { ONE_READ = 1 };

struct run {
    const struct gs_erasure *erasure;
    struct gs_erasure_report *report;
    uint64_t *positions; /* of records that hold data of the actor; owned */
    size_t count, capacity;
    struct gs_arena arena;
    struct gs_buffer record; /* the one being rewritten */
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

static bool is_actors(const struct run *run, const struct gs_event *event) {
    return gs_slice_compare(event->actor, run->erasure->actor) == 0;
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
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_event *events = NULL;
    int error = decode(bytes, &run->arena, &record, &head, &events);
    bool found = false;
    for (uint32_t i = 0; error == 0 && i < head.count; i++) {
        if (is_actors(run, &events[i])) {
            run->report->events++;
            found = found || events[i].detached.length > 0;
        }
    }
    if (error == 0 && found) {
        error = note(run, position);
    }
    gs_arena_close(&run->arena);
    run->erasure->progress(run->erasure->context, position);
    return error;
}

/* The same record without the actor's data. */
static int rewrite(void *context, uint64_t position, struct gs_slice bytes) {
    struct run *run = context;
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_event *events = NULL;
    uint32_t kept = 0;
    (void)position;
    int error = decode(bytes, &run->arena, &record, &head, &events);
    for (uint32_t i = 0; error == 0 && i < head.count; i++) {
        kept += events[i].detached.length > 0 && !is_actors(run, &events[i]) ? 1 : 0;
    }
    run->record.length = 0;
    if (error == 0) {
        gs_write_array(&run->record, 2);
        gs_write_bin(&run->record, record.batch.bytes, record.batch.length);
        gs_write_array(&run->record, 2 * kept);
        for (uint32_t i = 0; i < head.count; i++) {
            if (events[i].detached.length > 0 && !is_actors(run, &events[i])) {
                gs_write_uint(&run->record, i);
                gs_write_bin(&run->record, events[i].detached.bytes, events[i].detached.length);
            } else if (events[i].detached.length > 0) {
                run->report->erased++;
            }
        }
        error = run->record.failed;
    }
    gs_arena_close(&run->arena);
    return error != 0 ? error : ONE_READ;
}

int gs_erase_actor(struct gs_store *store, const struct gs_erasure *erasure, struct gs_erasure_report *ret_report) {
    struct run run = {.erasure = erasure, .report = ret_report};
    if (store->methods->rewrite == NULL) {
        return GS_EUNSUPPORTED;
    }
    int error = store->methods->replay(store, look, &run);
    for (size_t i = 0; error == 0 && i < run.count; i++) {
        error = store->methods->replay_after(store, run.positions[i] - 1, rewrite, &run);
        if (error == ONE_READ) {
            error =
                store->methods->rewrite(store, run.positions[i], gs_slice_make(run.record.bytes, run.record.length));
            ret_report->records += error == 0 ? 1 : 0;
        }
    }
    gs_buffer_close(&run.record);
    free(run.positions);
    return error;
}
