/* Ordered map from the points of one origin to numbers, searched by "the greatest key not after …".
 *
 * A two-level sorted array as in ordered.h, but the keys lie inside, so that a search touches few cache lines. Keys
 * that come in order go to the end without a search. Lookup O(log n); insertion and removal move at most one chunk. */
#ifndef GS_CRDT_POINT_INDEX_H
#define GS_CRDT_POINT_INDEX_H

#include <globalstate/dot.h>
#include <globalstate/memory.h>

enum { GS_POINT_INDEX_CHUNK = 128 };

/* No number; no number that is stored equals it. */
#define GS_POINT_INDEX_NONE UINT32_MAX

struct gs_point_entry {
    uint64_t seq;
    uint32_t index;
    uint32_t number;
};

struct gs_point_chunk {
    struct gs_point_entry *entries; /* owned; never empty */
    uint32_t count;
    uint32_t capacity;
};

/* Zero-initialise for the empty map. */
struct gs_point_index {
    struct gs_point_chunk *chunks; /* owned */
    uint32_t chunk_count;
    uint32_t chunk_capacity;
};

void gs_point_index_close(struct gs_point_index *index, struct gs_memory *memory);
/* The number of the greatest key that is not after `point`, or GS_POINT_INDEX_NONE. */
uint32_t gs_point_index_floor(const struct gs_point_index *index, gs_point point);
/* The number of the least key after `point`, or GS_POINT_INDEX_NONE; its key goes to `ret_key` if that is not NULL. */
uint32_t gs_point_index_after(const struct gs_point_index *index, gs_point point, gs_point *ret_key);
/* Adds a key that is not in. 0 or GS_ENOMEM (then unchanged). */
int gs_point_index_insert(struct gs_point_index *index, struct gs_memory *memory, gs_point key, uint32_t number);
/* Takes a key out; nothing if it is not in. */
void gs_point_index_remove(struct gs_point_index *index, struct gs_memory *memory, gs_point key);
/* Changes a key that is in to another that has the same place in the order. */
void gs_point_index_rekey(struct gs_point_index *index, gs_point key, gs_point to);
/* `to` becomes a copy; it must be empty. 0 or GS_ENOMEM (then partly done: close it). */
int gs_point_index_copy(struct gs_point_index *to, const struct gs_point_index *from, struct gs_memory *memory);

/* Walks in order: `struct gs_point_cursor c = {.index = &i}; while ((e = gs_point_index_next(&c)))`. The map must not
 * change meanwhile. */
struct gs_point_cursor {
    const struct gs_point_index *index;
    uint32_t chunk;
    uint32_t entry;
};

const struct gs_point_entry *gs_point_index_next(struct gs_point_cursor *cursor);

#endif
