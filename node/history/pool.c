#include "node/history/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { INDEX_LOOK_MS = 1 };

struct gs_history_pool {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct gs_history_reader *idle[GS_HISTORY_READERS];
    struct gs_history_reader *lent[GS_HISTORY_READERS]; /* of the attached store */
    uint32_t idle_count, lent_count;
    bool attached;
    void (*hurry)(void *context);
    void *hurry_context;
};

struct gs_history_pool *gs_history_pool_new(void) {
    struct gs_history_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->returned, &attributes);
    pthread_condattr_destroy(&attributes);
    return pool;
}

void gs_history_pool_free(struct gs_history_pool *pool) {
    if (pool == NULL) {
        return;
    }
    gs_history_pool_detach(pool);
    pthread_cond_destroy(&pool->returned);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

int gs_history_pool_attach(struct gs_history_pool *pool, struct gs_store *store) {
    int error = 0;
    pthread_mutex_lock(&pool->lock);
    while (error == 0 && pool->idle_count < GS_HISTORY_READERS) {
        error = store->methods->open_history(store, &pool->idle[pool->idle_count]);
        pool->idle_count += error == 0 ? 1 : 0;
    }
    pool->attached = error == 0;
    pthread_mutex_unlock(&pool->lock);
    if (error != 0) {
        gs_history_pool_detach(pool);
    }
    return error;
}

void gs_history_pool_set_hurry(struct gs_history_pool *pool, void (*hurry)(void *context), void *context) {
    pthread_mutex_lock(&pool->lock);
    pool->hurry = hurry;
    pool->hurry_context = context;
    pthread_mutex_unlock(&pool->lock);
}

void gs_history_pool_detach(struct gs_history_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    while (pool->idle_count > 0) {
        struct gs_history_reader *reader = pool->idle[--pool->idle_count];
        reader->methods->close(reader);
    }
    pool->lent_count = 0;
    pool->attached = false;
    pool->hurry = NULL;
    pthread_cond_broadcast(&pool->returned);
    pthread_mutex_unlock(&pool->lock);
}

static struct timespec later(uint32_t ms) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += ms / 1000;
    time.tv_nsec += (long)(ms % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

static bool is_past(const struct timespec *deadline) {
    struct timespec now = later(0);
    return now.tv_sec > deadline->tv_sec || (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

static int take(struct gs_history_pool *pool, const struct timespec *deadline, struct gs_history_reader **ret_reader) {
    int error = 0;
    pthread_mutex_lock(&pool->lock);
    while (error == 0 && pool->attached && pool->idle_count == 0) {
        error = pthread_cond_timedwait(&pool->returned, &pool->lock, deadline);
    }
    if (!pool->attached) {
        error = GS_ESTORE;
    } else if (error != 0) {
        error = GS_EOVERLOADED;
    } else {
        *ret_reader = pool->lent[pool->lent_count++] = pool->idle[--pool->idle_count];
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

static void hurry(struct gs_history_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    if (pool->hurry != NULL) {
        pool->hurry(pool->hurry_context);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Begins cuts until one is indexed as far as the log reached at the first. */
static int settle(struct gs_history_pool *pool, struct gs_history_reader *reader, const struct timespec *deadline) {
    static const struct timespec pause = {.tv_nsec = INDEX_LOOK_MS * 1000000L};
    uint64_t wanted = 0;
    for (;;) {
        uint64_t last = 0;
        uint64_t indexed = 0;
        int error = reader->methods->begin(reader);
        if (error == 0) {
            error = reader->methods->extent(reader, &last, &indexed);
        }
        wanted = wanted == 0 ? last : wanted;
        if (error == 0 && indexed >= wanted) {
            return 0;
        }
        reader->methods->end(reader);
        if (error != 0 || is_past(deadline)) {
            return error != 0 ? error : GS_EOVERLOADED;
        }
        hurry(pool);
        nanosleep(&pause, NULL);
    }
}

int gs_history_borrow(struct gs_history_pool *pool, struct gs_history_reader **ret_reader) {
    struct gs_history_reader *reader = NULL;
    struct timespec deadline = later(GS_HISTORY_WAIT_MS);
    int error = take(pool, &deadline, &reader);
    if (error != 0) {
        return error;
    }
    error = settle(pool, reader, &deadline);
    if (error != 0) {
        gs_history_return(pool, reader);
        return error;
    }
    *ret_reader = reader;
    return 0;
}

void gs_history_return(struct gs_history_pool *pool, struct gs_history_reader *reader) {
    reader->methods->end(reader);
    pthread_mutex_lock(&pool->lock);
    uint32_t at = 0;
    while (at < pool->lent_count && pool->lent[at] != reader) {
        at++;
    }
    if (at < pool->lent_count) {
        pool->lent[at] = pool->lent[--pool->lent_count];
        pool->idle[pool->idle_count++] = reader;
        pthread_cond_signal(&pool->returned);
    } else {
        reader->methods->close(reader); /* of a store that is gone */
    }
    pthread_mutex_unlock(&pool->lock);
}
