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
    struct gs_breaker breaker;
    void (*hurry)(void *context);
    void *hurry_context;
};

struct gs_history_pool *gs_history_pool_new(void) {
    struct gs_history_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    gs_breaker_set(&pool->breaker, 0);
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

void gs_history_pool_set_breaker(struct gs_history_pool *pool, uint32_t threshold) {
    pthread_mutex_lock(&pool->lock);
    gs_breaker_set(&pool->breaker, threshold);
    pthread_mutex_unlock(&pool->lock);
}

void gs_history_pool_breaker(struct gs_history_pool *pool, struct gs_breaker *ret_breaker) {
    pthread_mutex_lock(&pool->lock);
    *ret_breaker = pool->breaker;
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
    gs_breaker_succeeded(&pool->breaker); /* of the next store nothing is known */
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

static uint64_t mono_ms(void) {
    struct timespec now = later(0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Whoever gets one says how it went (note). */
static int take(struct gs_history_pool *pool, const struct timespec *deadline, struct gs_history_reader **ret_reader) {
    int error = 0;
    pthread_mutex_lock(&pool->lock);
    uint64_t now_ms = mono_ms();
    while (error == 0 && pool->attached && pool->idle_count == 0 && !gs_breaker_refuses(&pool->breaker, now_ms)) {
        error = pthread_cond_timedwait(&pool->returned, &pool->lock, deadline);
        now_ms = mono_ms();
    }
    if (!pool->attached) {
        error = GS_ESTORE;
    } else if (error != 0) {
        error = GS_EOVERLOADED;
    } else if (!gs_breaker_try(&pool->breaker, now_ms)) {
        error = GS_ESTORE;
    } else {
        *ret_reader = pool->lent[pool->lent_count++] = pool->idle[--pool->idle_count];
    }
    pthread_mutex_unlock(&pool->lock);
    return error;
}

/* Did the store answer? Others may wait for a reader in vain. */
static void note(struct gs_history_pool *pool, bool answered) {
    pthread_mutex_lock(&pool->lock);
    if (answered) {
        gs_breaker_succeeded(&pool->breaker);
    } else {
        gs_breaker_failed(&pool->breaker, mono_ms());
        pthread_cond_broadcast(&pool->returned);
    }
    pthread_mutex_unlock(&pool->lock);
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
    note(pool, error != GS_ESTORE && error != GS_EIO);
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
