/* The queue between the loop and the store's thread.
 *
 *     loop: submit → [waiting] → thread: perform → [done] → uv_async → loop: deliver → free
 *
 * Jobs are made and freed on the loop's thread; the other one only fills in results. `outstanding` counts them over the
 * whole round, so that neither list grows past it. */
#include "node/store/store_thread.h"

#include "node/store/failpoint.h"
#include "node/store/project_thread.h"
#include "node/store/store_rewrite.h"

#include <stdlib.h>
#include <string.h>

enum {
    INDEX_IDLE_MS = 20,          /* without work for so long, the log is indexed */
    INDEX_RECORDS_BEHIND = 1024, /* records not indexed: then between two appends, too */
    INDEX_SLICE = 256,           /* events a slice: an append that comes meanwhile waits a millisecond or two */
    INDEX_RECORDS_MAX = 16384,   /* records not indexed at which slices become, while there are ever more, … */
    INDEX_SLICE_LATE = 8192,     /* … this large, so that the lag stays bounded */
    INDEX_LONG_MS = 10,          /* a slice of so long, as a record of thousands of events makes it, … */
    INDEX_REST = 4,              /* … is followed by so many times its length without one, while appends come */
    APART_RECORDS_MAX = 65536,   /* records that a projection apart may be behind; then each append … */
    APART_YIELD_MS = 20          /* … gives way so long */
};

enum job_type { JOB_APPEND, JOB_READ, JOB_KEEP, JOB_REWRITE, JOB_TRUNCATE, JOB_CALL };

struct job {
    struct job *next;
    enum job_type type;
    uint64_t tag;
    int error;
    struct gs_buffer records; /* to append, or that were read */
    uint32_t count;
    struct gs_keep *keep;             /* owned */
    struct gs_truncation *truncation; /* owned */
    struct gs_truncated truncated;
    char reason[GS_PROBLEM_DETAIL_MAX]; /* of a truncation that failed */
    struct gs_vector have;
    size_t bytes_max;
    bool more;
    bool scrub;
    int (*call)(struct gs_store *store, void *context);
    void (*called)(void *context, int error);
    void *context;
};

struct job_list {
    struct job *first;
    struct job *last;
};

struct gs_store_thread {
    uv_thread_t thread;
    uv_async_t async;
    struct gs_store *store; /* the thread's; NULL if it should end without closing it */

    uv_mutex_t mutex; /* guards the next ten */
    uv_cond_t wake;
    struct job_list waiting;
    struct job_list done;
    bool stopping;
    bool hurry; /* somebody waits for the index */
    bool ended; /* the store is closed, the thread returns */
    bool away;
    char reason[GS_PROBLEM_DETAIL_MAX]; /* why it is */
    struct gs_breaker breaker;          /* of appends */

    struct gs_project_thread *projector; /* writes the index apart; NULL: this thread does */

    /* The thread's own. */
    bool behind;      /* there may be something to index */
    uint64_t lag;     /* records that were not indexed, before the last slice */
    uint64_t rest_ns; /* until then no slice between two appends */

    /* The loop's own. */
    struct gs_store_callbacks callbacks;
    uint32_t outstanding;
    bool told_away, told_open; /* what the loop has been told */
    bool stopped;              /* stop was called: nothing is delivered any more */
    void (*closed)(void *context);
    void *closed_context;
};

static void push(struct job_list *list, struct job *job) {
    job->next = NULL;
    if (list->last != NULL) {
        list->last->next = job;
    } else {
        list->first = job;
    }
    list->last = job;
}

static struct job *pop(struct job_list *list) {
    struct job *job = list->first;
    if (job != NULL) {
        list->first = job->next;
        list->last = list->first != NULL ? list->last : NULL;
    }
    return job;
}

static void job_free(struct job *job) {
    gs_buffer_close(&job->records);
    gs_vector_close(&job->have);
    gs_keep_free(job->keep);
    gs_truncation_free(job->truncation);
    gs_vector_close(&job->truncated.heads);
    free(job);
}

static uint64_t now_ms(void) {
    return uv_hrtime() / 1000000;
}

/* An attempt to append found the store away. Whether the breaker is open. */
static bool note_away(struct gs_store_thread *thread, const char *reason) {
    uv_mutex_lock(&thread->mutex);
    gs_breaker_failed(&thread->breaker, now_ms());
    bool open = thread->breaker.state != GS_BREAKER_CLOSED;
    if (!thread->away) {
        memcpy(thread->reason, reason, sizeof thread->reason);
    }
    thread->away = true;
    uv_async_send(&thread->async);
    uv_mutex_unlock(&thread->mutex);
    return open;
}

static void note_back(struct gs_store_thread *thread) {
    uv_mutex_lock(&thread->mutex);
    gs_breaker_succeeded(&thread->breaker);
    if (thread->away) {
        thread->away = false;
        uv_async_send(&thread->async);
    }
    uv_mutex_unlock(&thread->mutex);
}

/* Waits before the next attempt, and lets it through; false when the thread is to stop. A wake-up for a new job does
 * not shorten it. */
static bool pause_append(struct gs_store_thread *thread, uint64_t ms) {
    const uint64_t end = uv_hrtime() + ms * 1000000;
    uv_mutex_lock(&thread->mutex);
    for (uint64_t now = uv_hrtime(); !thread->stopping && now < end; now = uv_hrtime()) {
        (void)uv_cond_timedwait(&thread->wake, &thread->mutex, end - now);
    }
    bool go_on = !thread->stopping;
    (void)gs_breaker_try(&thread->breaker, now_ms()); /* it says yes: nobody else tries, and the pause is over */
    uv_mutex_unlock(&thread->mutex);
    return go_on;
}

static uint64_t records_behind(const struct gs_store *store) {
    uint64_t projected = store->projected; /* first: it only grows */
    uint64_t stored = store->stored;
    return stored > projected ? stored - projected : 0;
}

/* A projection that cannot keep up gets time to: its lag is bounded by what one append adds in that time. */
static void give_way(struct gs_store_thread *thread) {
    if (thread->projector != NULL && records_behind(thread->store) > APART_RECORDS_MAX) {
        gs_project_thread_hurry(thread->projector);
        uv_sleep(APART_YIELD_MS);
    }
}

/* Until the store has it, or something else than being away is wrong. */
static int append(struct gs_store_thread *thread, const struct job *job) {
    struct gs_store *store = thread->store;
    const struct gs_slice records = gs_slice_make(job->records.bytes, job->records.length);
    give_way(thread);
    GS_FAILPOINT("append.before");
    int error = store->methods->append(store, records, job->count);
    for (uint64_t ms = GS_STORE_RETRY_FIRST_MS; error == GS_ESTORE; ms *= 2) {
        ms = note_away(thread, store->trouble) && ms < GS_BREAKER_PAUSE_MS ? GS_BREAKER_PAUSE_MS : ms;
        ms = ms < GS_STORE_RETRY_LAST_MS ? ms : GS_STORE_RETRY_LAST_MS;
        if (!pause_append(thread, ms)) {
            return GS_ESHUTDOWN;
        }
        error = store->methods->append(store, records, job->count);
    }
    if (error == 0) {
        GS_FAILPOINT("append.after");
        note_back(thread);
    }
    return error;
}

static int keep(struct gs_store *store, const struct gs_keep *keep) {
    if (store->methods->keep == NULL) {
        return GS_EUNSUPPORTED;
    }
    GS_FAILPOINT("keep.before");
    int error = store->methods->keep(store, keep);
    GS_FAILPOINT("keep.after");
    return error;
}

/* On the store's thread. A read that nobody will receive is skipped; appends were promised. */
static void perform(struct gs_store_thread *thread, struct job *job, bool stopping) {
    struct gs_store *store = thread->store;
    if (job->type == JOB_APPEND) {
        job->error = append(thread, job);
    } else if (job->type == JOB_KEEP) {
        job->error = keep(store, job->keep);
    } else if (stopping) {
        job->error = GS_ESHUTDOWN;
    } else if (job->type == JOB_REWRITE) {
        job->error = gs_store_rewrite_all(store, gs_slice_make(job->records.bytes, job->records.length), job->scrub);
    } else if (job->type == JOB_TRUNCATE) {
        GS_FAILPOINT("truncate.before");
        job->error = store->methods->truncate(store, job->truncation, &job->truncated);
        memcpy(job->reason, store->trouble, sizeof job->reason);
    } else if (job->type == JOB_CALL) {
        job->error = job->call(store, job->context);
    } else {
        job->error =
            store->methods->read_lacking(store, &job->have, job->bytes_max, &job->records, &job->count, &job->more);
        if (job->error == GS_ECORRUPT) {
            store->met_damage = true;
        }
    }
}

/* One slice of the index. What fails is tried again after the next append; readers say that they wait in vain. */
static void index_slice(struct gs_store_thread *thread) {
    struct gs_store *store = thread->store;
    uint64_t lag = records_behind(store);
    bool late = lag > INDEX_RECORDS_MAX && lag > thread->lag;
    bool more = false;
    uint64_t begun_ns = uv_hrtime();
    thread->lag = lag;
    thread->hurry = false;
    uv_mutex_unlock(&thread->mutex);
    GS_FAILPOINT("project.before");
    int error = store->methods->project(store, late ? INDEX_SLICE_LATE : INDEX_SLICE, &more);
    GS_FAILPOINT("project.after");
    uint64_t took_ns = uv_hrtime() - begun_ns;
    thread->rest_ns = took_ns > INDEX_LONG_MS * UINT64_C(1000000) ? begun_ns + (INDEX_REST + 1) * took_ns : 0;
    if (error == GS_ECORRUPT) {
        store->met_damage = true;
    }
    uv_mutex_lock(&thread->mutex);
    thread->behind = error == 0 && more;
}

/* Nothing to store or read: waits for work, and indexes when it is time to. */
static void idle(struct gs_store_thread *thread) {
    uint64_t lag = records_behind(thread->store);
    bool rests = uv_hrtime() < thread->rest_ns && lag <= INDEX_RECORDS_MAX;
    bool due = thread->hurry || (lag >= INDEX_RECORDS_BEHIND && !rests);
    if (!thread->behind) {
        thread->hurry = false;
        uv_cond_wait(&thread->wake, &thread->mutex);
    } else if (due || uv_cond_timedwait(&thread->wake, &thread->mutex, INDEX_IDLE_MS * UINT64_C(1000000)) != 0) {
        if (thread->waiting.first == NULL && !thread->stopping) {
            index_slice(thread);
        }
    }
}

static void note_append(struct gs_store_thread *thread) {
    if (thread->projector != NULL) {
        gs_project_thread_wake(thread->projector);
    } else {
        thread->behind = true;
    }
}

/* With the mutex held. Where there is no thread for it, this one indexes. */
static void start_projector(struct gs_store_thread *thread) {
    if (thread->store == NULL || !thread->store->methods->projects_apart ||
        gs_project_thread_start(thread->store, &thread->projector) != 0) {
        thread->behind = true; /* the process before may have left the log ahead of its index */
    }
}

static void run(void *argument) {
    struct gs_store_thread *thread = argument;
    uv_mutex_lock(&thread->mutex);
    start_projector(thread);
    for (;;) {
        struct job *job = pop(&thread->waiting);
        if (job != NULL) {
            bool stopping = thread->stopping;
            uv_mutex_unlock(&thread->mutex);
            perform(thread, job, stopping);
            if ((job->type == JOB_APPEND || job->type == JOB_CALL) && job->error == 0) {
                note_append(thread);
            }
            uv_mutex_lock(&thread->mutex);
            push(&thread->done, job);
            /* Sent under the mutex: after `ended` is seen, nothing of this thread touches the handle. */
            uv_async_send(&thread->async);
        } else if (thread->stopping) {
            break;
        } else {
            idle(thread);
        }
    }
    struct gs_store *store = thread->store;
    struct gs_project_thread *projector = thread->projector;
    thread->projector = NULL;
    uv_mutex_unlock(&thread->mutex);
    gs_project_thread_stop(projector);
    if (store == NULL) {
        return;
    }
    store->methods->close(store);
    uv_mutex_lock(&thread->mutex);
    thread->ended = true;
    uv_async_send(&thread->async);
    uv_mutex_unlock(&thread->mutex);
}

static void deliver(const struct gs_store_callbacks *callbacks, const struct job *job) {
    if (job->type == JOB_APPEND) {
        callbacks->appended(callbacks->context, job->tag, job->error);
    } else if (job->type == JOB_KEEP) {
        callbacks->kept(callbacks->context, job->error);
    } else if (job->type == JOB_REWRITE) {
        callbacks->rewritten(callbacks->context, job->tag, job->error);
    } else if (job->type == JOB_TRUNCATE) {
        callbacks->truncated(callbacks->context, job->error, &job->truncated, job->reason);
    } else if (job->type == JOB_CALL) {
        job->called(job->context, job->error);
    } else {
        callbacks->log_read(callbacks->context, job->tag, job->error,
                            gs_slice_make(job->records.bytes, job->records.length), job->count, job->more);
    }
}

static void destroy(struct gs_store_thread *thread) {
    uv_cond_destroy(&thread->wake);
    uv_mutex_destroy(&thread->mutex);
    free(thread);
}

static void on_async_closed(uv_handle_t *handle) {
    struct gs_store_thread *thread = handle->data;
    void (*closed)(void *context) = thread->closed;
    void *context = thread->closed_context;
    destroy(thread);
    closed(context);
}

static void on_async(uv_async_t *async) {
    struct gs_store_thread *thread = async->data;
    uv_mutex_lock(&thread->mutex);
    struct job_list done = thread->done;
    bool ended = thread->ended;
    bool away = thread->away;
    bool open = thread->breaker.state != GS_BREAKER_CLOSED;
    char reason[sizeof thread->reason];
    memcpy(reason, thread->reason, sizeof reason);
    thread->done = (struct job_list){0};
    uv_mutex_unlock(&thread->mutex);
    bool news = away != thread->told_away || open != thread->told_open;
    if (news && !thread->stopped && thread->callbacks.away != NULL) {
        thread->told_away = away;
        thread->told_open = open;
        thread->callbacks.away(thread->callbacks.context, away, open, reason);
    }
    for (struct job *job = pop(&done); job != NULL; job = pop(&done)) {
        thread->outstanding--;
        if (!thread->stopped) {
            deliver(&thread->callbacks, job);
        }
        job_free(job);
    }
    if (ended) {
        (void)uv_thread_join(&thread->thread); /* fails only for a thread that is not there */
        uv_close((uv_handle_t *)&thread->async, on_async_closed);
    }
}

/* Makes the thread end and waits for it; the store is left as it is. */
static void abandon(struct gs_store_thread *thread) {
    uv_mutex_lock(&thread->mutex);
    thread->store = NULL;
    thread->stopping = true;
    uv_cond_signal(&thread->wake);
    uv_mutex_unlock(&thread->mutex);
    (void)uv_thread_join(&thread->thread); /* fails only for a thread that is not there */
}

/* The handle comes last: closing one would need a turn of the loop. */
static int start(uv_loop_t *loop, struct gs_store_thread *thread) {
    if (uv_mutex_init(&thread->mutex) != 0) {
        return GS_EIO;
    }
    if (uv_cond_init(&thread->wake) != 0) {
        uv_mutex_destroy(&thread->mutex);
        return GS_EIO;
    }
    bool running = uv_thread_create(&thread->thread, run, thread) == 0;
    if (running && uv_async_init(loop, &thread->async, on_async) == 0) {
        thread->async.data = thread;
        return 0;
    }
    if (running) {
        abandon(thread);
    }
    uv_cond_destroy(&thread->wake);
    uv_mutex_destroy(&thread->mutex);
    return GS_EIO;
}

int gs_store_thread_start(uv_loop_t *loop, struct gs_store *store, const struct gs_store_callbacks *callbacks,
                          struct gs_store_thread **ret_thread) {
    struct gs_store_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        return GS_ENOMEM;
    }
    thread->store = store;
    thread->callbacks = *callbacks;
    gs_breaker_set(&thread->breaker, callbacks->breaker_threshold);
    int error = start(loop, thread);
    if (error != 0) {
        free(thread);
        return error;
    }
    *ret_thread = thread;
    return 0;
}

static int make_job(const struct gs_store_thread *thread, enum job_type type, uint64_t tag, struct job **ret_job) {
    if (thread->stopped) {
        return GS_ESHUTDOWN;
    }
    if (thread->outstanding >= GS_STORE_JOBS_MAX) {
        return GS_EOVERLOADED;
    }
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return GS_ENOMEM;
    }
    job->type = type;
    job->tag = tag;
    *ret_job = job;
    return 0;
}

static void submit(struct gs_store_thread *thread, struct job *job) {
    thread->outstanding++;
    uv_mutex_lock(&thread->mutex);
    push(&thread->waiting, job);
    uv_cond_signal(&thread->wake);
    uv_mutex_unlock(&thread->mutex);
}

int gs_store_thread_append(struct gs_store_thread *thread, uint64_t tag, struct gs_buffer *records, uint32_t count) {
    struct job *job;
    int error = records->failed != 0 ? records->failed : make_job(thread, JOB_APPEND, tag, &job);
    if (error != 0) {
        return error;
    }
    job->records = *records;
    job->count = count;
    *records = (struct gs_buffer){.memory = records->memory};
    submit(thread, job);
    return 0;
}

int gs_store_thread_read(struct gs_store_thread *thread, uint64_t tag, struct gs_vector *have, size_t bytes_max) {
    struct job *job;
    int error = make_job(thread, JOB_READ, tag, &job);
    if (error != 0) {
        return error;
    }
    job->have = *have;
    job->bytes_max = bytes_max;
    *have = (struct gs_vector){0};
    submit(thread, job);
    return 0;
}

int gs_store_thread_call(struct gs_store_thread *thread, int (*call)(struct gs_store *store, void *context),
                         void (*called)(void *context, int error), void *context) {
    struct job *job;
    int error = make_job(thread, JOB_CALL, 0, &job);
    if (error == 0) {
        job->call = call;
        job->called = called;
        job->context = context;
        submit(thread, job);
    }
    return error;
}

bool gs_store_thread_met_damage(struct gs_store_thread *thread) {
    return atomic_exchange(&thread->store->met_damage, false);
}

void gs_store_thread_keep(struct gs_store_thread *thread, struct gs_keep *keep) {
    struct job *job;
    if (make_job(thread, JOB_KEEP, 0, &job) != 0) {
        gs_keep_free(keep); /* the core keeps on waiting for it, and keeps no more: the log has it all */
        return;
    }
    job->keep = keep;
    submit(thread, job);
}

int gs_store_thread_rewrite(struct gs_store_thread *thread, uint64_t tag, struct gs_buffer *rewrites, bool scrub) {
    struct job *job;
    int error = rewrites->failed != 0 ? rewrites->failed : make_job(thread, JOB_REWRITE, tag, &job);
    if (error != 0) {
        return error;
    }
    job->records = *rewrites;
    job->scrub = scrub;
    *rewrites = (struct gs_buffer){.memory = rewrites->memory};
    submit(thread, job);
    return 0;
}

void gs_store_thread_truncate(struct gs_store_thread *thread, struct gs_truncation *truncation) {
    struct job *job;
    if (make_job(thread, JOB_TRUNCATE, 0, &job) != 0) {
        gs_truncation_free(truncation); /* the core keeps on waiting for it, and nothing is removed any more */
        return;
    }
    job->truncation = truncation;
    submit(thread, job);
}

void gs_store_thread_hurry(struct gs_store_thread *thread) {
    uv_mutex_lock(&thread->mutex);
    if (thread->projector != NULL) {
        gs_project_thread_hurry(thread->projector);
    } else {
        thread->hurry = true;
        uv_cond_signal(&thread->wake);
    }
    uv_mutex_unlock(&thread->mutex);
}

uint64_t gs_store_thread_behind(const struct gs_store_thread *thread) {
    return records_behind(thread->store);
}

void gs_store_thread_breaker(struct gs_store_thread *thread, struct gs_breaker *ret_breaker) {
    uv_mutex_lock(&thread->mutex);
    *ret_breaker = thread->breaker;
    uv_mutex_unlock(&thread->mutex);
}

void gs_store_thread_stop(struct gs_store_thread *thread, void (*closed)(void *context), void *context) {
    if (thread->stopped) {
        return;
    }
    thread->stopped = true;
    thread->closed = closed;
    thread->closed_context = context;
    uv_mutex_lock(&thread->mutex);
    thread->stopping = true;
    uv_cond_signal(&thread->wake);
    uv_mutex_unlock(&thread->mutex);
}
