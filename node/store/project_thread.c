#include "node/store/project_thread.h"

#include "node/store/failpoint.h"

#include <stdlib.h>
#include <uv.h>

enum {
    GATHER_MS = 50, /* after the log has grown: one large slice costs less than many small ones */
    RETRY_MS = 1000 /* after a slice that failed */
};

struct gs_project_thread {
    uv_thread_t thread;
    struct gs_store *store;
    uv_mutex_t mutex; /* guards what follows */
    uv_cond_t changed;
    bool grown;
    bool hurry;
    bool stopping;
};

/* With the mutex held: waits so long, or until somebody is in a hurry. */
static void pause_for(struct gs_project_thread *thread, uint64_t ms) {
    const uint64_t end = uv_hrtime() + ms * 1000000;
    for (uint64_t now = uv_hrtime(); !thread->stopping && !thread->hurry && now < end; now = uv_hrtime()) {
        (void)uv_cond_timedwait(&thread->changed, &thread->mutex, end - now);
    }
}

static void run(void *argument) {
    struct gs_project_thread *thread = argument;
    uv_mutex_lock(&thread->mutex);
    while (!thread->stopping) {
        if (!thread->grown && !thread->hurry) {
            uv_cond_wait(&thread->changed, &thread->mutex);
            continue;
        }
        pause_for(thread, GATHER_MS);
        thread->grown = thread->hurry = false;
        bool more = false;
        uv_mutex_unlock(&thread->mutex);
        GS_FAILPOINT("project.before");
        int error = thread->store->methods->project(thread->store, UINT32_MAX, &more);
        GS_FAILPOINT("project.after");
        uv_mutex_lock(&thread->mutex);
        if (error == GS_ECORRUPT) {
            thread->store->met_damage = true;
        }
        if (error != 0) {
            thread->hurry = false; /* or whoever waits would keep it busy with failing */
            thread->grown = true;
            pause_for(thread, RETRY_MS);
        } else if (more) {
            thread->hurry = true;
        }
    }
    uv_mutex_unlock(&thread->mutex);
}

static void destroy(struct gs_project_thread *thread) {
    uv_cond_destroy(&thread->changed);
    uv_mutex_destroy(&thread->mutex);
    free(thread);
}

int gs_project_thread_start(struct gs_store *store, struct gs_project_thread **ret_thread) {
    struct gs_project_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        return GS_ENOMEM;
    }
    thread->store = store;
    thread->grown = true; /* the process before may have left something to do */
    if (uv_mutex_init(&thread->mutex) != 0) {
        free(thread);
        return GS_EIO;
    }
    if (uv_cond_init(&thread->changed) != 0) {
        uv_mutex_destroy(&thread->mutex);
        free(thread);
        return GS_EIO;
    }
    if (uv_thread_create(&thread->thread, run, thread) != 0) {
        destroy(thread);
        return GS_EIO;
    }
    *ret_thread = thread;
    return 0;
}

static void set(struct gs_project_thread *thread, bool *flag) {
    uv_mutex_lock(&thread->mutex);
    *flag = true;
    uv_cond_signal(&thread->changed);
    uv_mutex_unlock(&thread->mutex);
}

void gs_project_thread_wake(struct gs_project_thread *thread) {
    set(thread, &thread->grown);
}

void gs_project_thread_hurry(struct gs_project_thread *thread) {
    set(thread, &thread->hurry);
}

void gs_project_thread_stop(struct gs_project_thread *thread) {
    if (thread == NULL) {
        return;
    }
    set(thread, &thread->stopping);
    (void)uv_thread_join(&thread->thread); /* fails only for a thread that is not there */
    destroy(thread);
}
