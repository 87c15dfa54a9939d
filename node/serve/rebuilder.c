#include "node/serve/rebuilder.h"

#include "node/history/past.h"
#include "node/serve/priority.h"

#include <stdlib.h>
#include <string.h>

enum { ROUND_MAX = 64 };

struct job {
    struct job *next;
    struct gs_core_rebuild rebuild;
    int error;
    uint64_t version;
    gs_hlc updated;
    struct gs_buffer state;
};

struct gs_rebuilder {
    uv_loop_t *loop;
    struct gs_history_pool *history;
    gs_rebuilt_fn rebuilt;
    void *context;
    struct job *first, *last;       /* waiting */
    struct job *round;              /* under way: the worker's */
    struct gs_trust_entry *trusted; /* owned; a copy for the worker, replaced between rounds */
    uint32_t trusted_count;
    struct gs_trust_entry *next_trusted; /* owned; as the last request had them, NULL: no news */
    uint32_t next_count;
    uv_work_t work;
    bool working;
    bool forgotten; /* nobody waits for the round under way */
    void (*closed)(void *context);
    void *closed_context;
    bool closing;
};

struct gs_rebuilder *gs_rebuilder_new(uv_loop_t *loop, struct gs_history_pool *history, gs_rebuilt_fn rebuilt,
                                      void *context) {
    struct gs_rebuilder *rebuilder = calloc(1, sizeof *rebuilder);
    if (rebuilder != NULL) {
        rebuilder->loop = loop;
        rebuilder->history = history;
        rebuilder->rebuilt = rebuilt;
        rebuilder->context = context;
        rebuilder->work.data = rebuilder;
    }
    return rebuilder;
}

static void free_jobs(struct job *job) {
    while (job != NULL) {
        struct job *next = job->next;
        gs_vector_close(&job->rebuild.cut);
        gs_buffer_close(&job->state);
        free(job);
        job = next;
    }
}

/* The newest signature of a run covers the older ones, but here each batch stands alone: its own has to hold. */
static int verify(void *context, const struct gs_batch_head *head) {
    const struct gs_rebuilder *rebuilder = context;
    const struct gs_trust trust = {.entries = rebuilder->trusted, .count = rebuilder->trusted_count};
    const struct gs_trust_entry *entry = gs_trust_find_origin(&trust, &head->origin, &head->incarnation);
    return entry != NULL ? gs_batch_verify(head, &entry->key) : GS_EUNTRUSTED;
}

static void rebuild_one(struct gs_rebuilder *rebuilder, const struct gs_past *past, struct job *job) {
    const char *slash = strchr(job->rebuild.name, '/');
    struct gs_past_point point = {.kind = GS_POINT_TIME, .ms = UINT64_MAX};
    struct gs_past_state state = {0};
    struct gs_problem problem = {0};
    if (job->rebuild.has_cut) {
        point.kind = GS_POINT_CUT;
        point.cut = &job->rebuild.cut;
    }
    if (job->rebuild.from_log) {
        point.verify = verify;
        point.verify_context = rebuilder;
    }
    job->error = gs_past_rebuild(past, gs_slice_make(job->rebuild.name, (size_t)(slash - job->rebuild.name)),
                                 gs_slice_make(slash + 1, strlen(slash + 1)), &point, &state, &problem);
    if (job->error == 0) {
        job->version = state.version;
        job->updated = state.updated;
        job->error = gs_aggregate_encode(state.aggregate, GS_ENCODE_FULL, &job->state);
    }
    gs_past_state_close(&state);
}

static void work_round(struct gs_rebuilder *rebuilder) {
    struct gs_past_records *records = calloc(1, sizeof *records);
    struct gs_past past = {.records = records}; /* without, it takes longer */
    int error = gs_history_borrow(rebuilder->history, &past.reader);
    for (struct job *job = rebuilder->round; job != NULL; job = job->next) {
        if (error == 0) {
            rebuild_one(rebuilder, &past, job);
        } else {
            job->error = error;
        }
    }
    if (past.reader != NULL) {
        gs_history_return(rebuilder->history, past.reader);
    }
    if (records != NULL) {
        gs_past_records_close(records);
        free(records);
    }
}

static void on_work(uv_work_t *work) {
    gs_priority_background();
    work_round(work->data);
}

static void begin_round(struct gs_rebuilder *rebuilder);

static void finish_close(struct gs_rebuilder *rebuilder) {
    void (*closed)(void *) = rebuilder->closed;
    void *context = rebuilder->closed_context;
    free(rebuilder->trusted);
    free(rebuilder->next_trusted);
    free(rebuilder);
    closed(context);
}

static void on_worked(uv_work_t *work, int status) {
    struct gs_rebuilder *rebuilder = work->data;
    struct job *round = rebuilder->round;
    bool forgotten = rebuilder->forgotten;
    rebuilder->round = NULL;
    for (struct job *job = round; job != NULL && !forgotten; job = job->next) {
        rebuilder->rebuilt(rebuilder->context, job->rebuild.number, status != 0 ? GS_ESHUTDOWN : job->error,
                           job->version, job->updated, gs_slice_make(job->state.bytes, job->state.length));
        forgotten = rebuilder->forgotten; /* by what the answer led to */
    }
    rebuilder->working = false; /* not before: what answers lead to must neither begin a round nor end it all */
    free_jobs(round);
    if (rebuilder->closing) {
        finish_close(rebuilder);
    } else {
        begin_round(rebuilder);
    }
}

static void begin_round(struct gs_rebuilder *rebuilder) {
    struct job **end = &rebuilder->first;
    if (rebuilder->working || rebuilder->first == NULL) {
        return;
    }
    if (rebuilder->next_trusted != NULL) {
        free(rebuilder->trusted);
        rebuilder->trusted = rebuilder->next_trusted;
        rebuilder->trusted_count = rebuilder->next_count;
        rebuilder->next_trusted = NULL;
    }
    for (int i = 0; i < ROUND_MAX && *end != NULL; i++) {
        end = &(*end)->next;
    }
    rebuilder->round = rebuilder->first;
    rebuilder->first = *end;
    *end = NULL;
    rebuilder->last = rebuilder->first == NULL ? NULL : rebuilder->last;
    rebuilder->working = true;
    rebuilder->forgotten = false;
    if (uv_queue_work(rebuilder->loop, &rebuilder->work, on_work, on_worked) != 0) {
        work_round(rebuilder);
        on_worked(&rebuilder->work, 0);
    }
}

static bool copy_trust(struct gs_rebuilder *rebuilder, const struct gs_trust *trust) {
    bool known = rebuilder->trusted_count == trust->count && rebuilder->trusted != NULL &&
                 memcmp(rebuilder->trusted, trust->entries, trust->count * sizeof *trust->entries) == 0;
    if (known) {
        return true;
    }
    struct gs_trust_entry *copy = malloc((trust->count + 1) * sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, trust->entries, trust->count * sizeof *copy);
    free(rebuilder->next_trusted);
    rebuilder->next_trusted = copy;
    rebuilder->next_count = trust->count;
    return true;
}

void gs_rebuilder_put(struct gs_rebuilder *rebuilder, struct gs_core_rebuild *rebuild, const struct gs_trust *trust) {
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL || !copy_trust(rebuilder, trust)) {
        free(job);
        rebuilder->rebuilt(rebuilder->context, rebuild->number, GS_ENOMEM, 0, 0, (struct gs_slice){0});
        return;
    }
    job->rebuild = *rebuild;
    rebuild->cut = (struct gs_vector){0};
    *(rebuilder->last != NULL ? &rebuilder->last->next : &rebuilder->first) = job;
    rebuilder->last = job;
    begin_round(rebuilder);
}

void gs_rebuilder_forget(struct gs_rebuilder *rebuilder) {
    free_jobs(rebuilder->first);
    rebuilder->first = rebuilder->last = NULL;
    rebuilder->forgotten = true;
}

void gs_rebuilder_close(struct gs_rebuilder *rebuilder, void (*closed)(void *context), void *context) {
    if (rebuilder == NULL) {
        closed(context);
        return;
    }
    gs_rebuilder_forget(rebuilder);
    rebuilder->closing = true;
    rebuilder->closed = closed;
    rebuilder->closed_context = context;
    if (!rebuilder->working) {
        finish_close(rebuilder);
    }
}
