/* Ordered collection of pointers: a two-level sorted array.
 *
 * Items lie in chunks of at most GS_ORDERED_CHUNK pointers; the chunks lie in one array. While everything fits into one
 * chunk there is no second level, and the chunk grows 4, 8, 16 … with its content. Search is binary on both levels;
 * insertion and removal move at most one chunk (and, once per half chunk of insertions, the array of chunks), so their
 * cost stays flat up to some hundred thousand items. The collection owns its chunks, never its items. */
#ifndef GS_CRDT_ORDERED_H
#define GS_CRDT_ORDERED_H

#include <globalstate/memory.h>

enum { GS_ORDERED_CHUNK = 128 };

struct gs_ordered_chunk {
    void **items;
    uint32_t count;
    uint32_t capacity;
};

/* Zero-initialise for the empty collection. */
struct gs_ordered {
    struct gs_ordered_chunk one;     /* the only chunk while `chunks` is NULL */
    struct gs_ordered_chunk *chunks; /* two or more, each with room for GS_ORDERED_CHUNK */
    uint32_t chunk_count;
    uint32_t chunk_capacity;
};

/* Order of a key against an item: <0, 0, >0. Items themselves must be ordered the same way. */
typedef int (*gs_ordered_compare_fn)(const void *key, const void *item);

/* Frees the chunks; the items are the caller's. */
void gs_ordered_close(struct gs_ordered *ordered, struct gs_memory *memory);

uint32_t gs_ordered_count(const struct gs_ordered *ordered);

/* The item equal to `key`, or NULL. */
void *gs_ordered_find(const struct gs_ordered *ordered, gs_ordered_compare_fn compare, const void *key);

/* The least item greater than `key`, or NULL. Safe to step with while items are inserted and removed. */
void *gs_ordered_after(const struct gs_ordered *ordered, gs_ordered_compare_fn compare, const void *key);

/* Inserts `item`, whose key is `key` and not yet in. 0 or GS_ENOMEM (then unchanged). */
int gs_ordered_insert(struct gs_ordered *ordered, struct gs_memory *memory, gs_ordered_compare_fn compare,
                      const void *key, void *item);

/* Takes out the item equal to `key` and returns it, NULL if there is none. Cannot fail otherwise. */
void *gs_ordered_remove(struct gs_ordered *ordered, struct gs_memory *memory, gs_ordered_compare_fn compare,
                        const void *key);

/* Walks forward: `struct gs_ordered_cursor c = {.ordered = &o}; while ((item = gs_ordered_next(&c)))`. The collection
 * must not change meanwhile. */
struct gs_ordered_cursor {
    const struct gs_ordered *ordered;
    uint32_t chunk;
    uint32_t index;
};

void *gs_ordered_next(struct gs_ordered_cursor *cursor);

#endif
