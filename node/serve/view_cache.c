#include "node/serve/view_cache.h"

#include "node/core/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS = 16 };

struct cached {
    struct gs_table_entry entry; /* key: the view's */
    struct gs_view *view;
    struct cached *older, *newer; /* the clock's circle: CLOCK eviction, as in any pager */
    bool used;                    /* read since the hand last passed */
};

struct shard {
    pthread_mutex_t lock;
    struct gs_table table;
    struct cached *hand; /* any entry of the circle, NULL when empty */
    size_t bytes;
    uint64_t hits, misses;
};

struct gs_view_cache {
    size_t shard_bytes_max;
    struct shard shards[SHARDS];
};

static size_t view_bytes(const struct gs_view *view) {
    return sizeof *view + view->key.length + view->json.length;
}

static struct shard *shard_of(struct gs_view_cache *cache, struct gs_slice key) {
    uint32_t hash = 2166136261U; /* FNV-1a: only spreads keys over locks; the tables have a keyed hash */
    for (size_t i = 0; i < key.length; i++) {
        hash = (hash ^ key.bytes[i]) * 16777619U;
    }
    return &cache->shards[hash % SHARDS];
}

struct gs_view_cache *gs_view_cache_new(size_t bytes_max, const uint8_t secret[16]) {
    struct gs_view_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        return NULL;
    }
    cache->shard_bytes_max = bytes_max / SHARDS;
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&cache->shards[i].lock, NULL);
        memcpy(cache->shards[i].table.secret, secret, 16);
    }
    return cache;
}

static void link_in(struct shard *shard, struct cached *cached) {
    if (shard->hand == NULL) {
        cached->older = cached->newer = cached;
        shard->hand = cached;
        return;
    }
    cached->newer = shard->hand;
    cached->older = shard->hand->older;
    cached->older->newer = cached;
    shard->hand->older = cached;
}

/* Takes an entry out and frees it. */
static void drop(struct shard *shard, struct cached *cached) {
    if (cached->newer == cached) {
        shard->hand = NULL;
    } else {
        cached->newer->older = cached->older;
        cached->older->newer = cached->newer;
        if (shard->hand == cached) {
            shard->hand = cached->newer;
        }
    }
    gs_table_remove(&shard->table, &cached->entry);
    shard->bytes -= view_bytes(cached->view);
    gs_view_release(cached->view);
    free(cached);
}

static void evict(struct shard *shard, size_t bytes_max) {
    while (shard->bytes > bytes_max && shard->hand != NULL) {
        struct cached *cached = shard->hand;
        shard->hand = cached->newer;
        if (cached->used) {
            cached->used = false;
        } else {
            drop(shard, cached);
        }
    }
}

struct gs_view *gs_view_cache_get(struct gs_view_cache *cache, struct gs_slice key) {
    struct shard *shard = shard_of(cache, key);
    struct gs_view *view = NULL;
    pthread_mutex_lock(&shard->lock);
    struct cached *cached = (struct cached *)gs_table_find(&shard->table, key);
    if (cached != NULL) {
        cached->used = true;
        view = gs_view_retain(cached->view);
        shard->hits++;
    } else {
        shard->misses++;
    }
    pthread_mutex_unlock(&shard->lock);
    return view;
}

void gs_view_cache_put(struct gs_view_cache *cache, struct gs_view *view) {
    struct shard *shard = shard_of(cache, view->key);
    struct cached *fresh = calloc(1, sizeof *fresh);
    pthread_mutex_lock(&shard->lock);
    struct cached *old = (struct cached *)gs_table_find(&shard->table, view->key);
    if (old != NULL) {
        drop(shard, old);
    }
    if (fresh != NULL) {
        fresh->view = view;
        fresh->entry.key = view->key;
    }
    if (fresh != NULL && gs_table_insert(&shard->table, &fresh->entry) == 0) {
        gs_view_retain(view);
        shard->bytes += view_bytes(view);
        link_in(shard, fresh);
        evict(shard, cache->shard_bytes_max);
        fresh = NULL;
    }
    pthread_mutex_unlock(&shard->lock);
    free(fresh);
}

void gs_view_cache_forget(struct gs_view_cache *cache, struct gs_slice key) {
    struct shard *shard = shard_of(cache, key);
    pthread_mutex_lock(&shard->lock);
    struct cached *cached = (struct cached *)gs_table_find(&shard->table, key);
    if (cached != NULL) {
        drop(shard, cached);
    }
    pthread_mutex_unlock(&shard->lock);
}

void gs_view_cache_clear(struct gs_view_cache *cache) {
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&cache->shards[i].lock);
        while (cache->shards[i].hand != NULL) {
            drop(&cache->shards[i], cache->shards[i].hand);
        }
        pthread_mutex_unlock(&cache->shards[i].lock);
    }
}

void gs_view_cache_free(struct gs_view_cache *cache) {
    if (cache == NULL) {
        return;
    }
    gs_view_cache_clear(cache);
    for (int i = 0; i < SHARDS; i++) {
        gs_table_close(&cache->shards[i].table);
        pthread_mutex_destroy(&cache->shards[i].lock);
    }
    free(cache);
}

void gs_view_cache_get_stats(struct gs_view_cache *cache, struct gs_view_cache_stats *ret_stats) {
    struct gs_view_cache_stats stats = {0};
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&cache->shards[i].lock);
        stats.hits += cache->shards[i].hits;
        stats.misses += cache->shards[i].misses;
        stats.bytes += cache->shards[i].bytes;
        pthread_mutex_unlock(&cache->shards[i].lock);
    }
    *ret_stats = stats;
}
