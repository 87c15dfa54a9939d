/* The first cache level: the current view of every aggregate that somebody has read and nobody has changed since.
 *
 * The loop puts and forgets (when what it shows is stored, before the writer gets its answer); any thread reads.
 * Sharded by key, one lock a shard, held for a lookup only. Bounded in bytes: a shard that is full forgets views that
 * were not read lately. */
#ifndef GS_NODE_SERVE_VIEW_CACHE_H
#define GS_NODE_SERVE_VIEW_CACHE_H

#include "node/core/view.h"

struct gs_view_cache;

/* `bytes_max`: of the views' JSON and keys, over all shards. NULL when out of memory. */
struct gs_view_cache *gs_view_cache_new(size_t bytes_max, const uint8_t secret[16]);
void gs_view_cache_free(struct gs_view_cache *cache);

/* A reference, or NULL. */
struct gs_view *gs_view_cache_get(struct gs_view_cache *cache, struct gs_slice key);
/* Takes over from whatever was there; retains `view`. Out of memory: the key is forgotten instead. */
void gs_view_cache_put(struct gs_view_cache *cache, struct gs_view *view);
void gs_view_cache_forget(struct gs_view_cache *cache, struct gs_slice key);
void gs_view_cache_clear(struct gs_view_cache *cache);

struct gs_view_cache_stats {
    uint64_t hits, misses;
    size_t bytes;
};
void gs_view_cache_get_stats(struct gs_view_cache *cache, struct gs_view_cache_stats *ret_stats);

#endif
