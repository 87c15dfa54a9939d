#include "crdt/ordered.h"

#include <globalstate/error.h>

#include <stdbool.h>
#include <string.h>

enum { FIRST_CAPACITY = 4 };

static uint32_t chunk_count(const struct gs_ordered *ordered) {
    return ordered->chunks ? ordered->chunk_count : 1;
}

static struct gs_ordered_chunk *chunk_at(struct gs_ordered *ordered, uint32_t c) {
    return ordered->chunks ? &ordered->chunks[c] : &ordered->one;
}

static const struct gs_ordered_chunk *chunk_peek(const struct gs_ordered *ordered, uint32_t c) {
    return ordered->chunks ? &ordered->chunks[c] : &ordered->one;
}

static void free_items(struct gs_ordered_chunk *chunk, struct gs_memory *memory) {
    gs_memory_free(memory, chunk->items, chunk->capacity * sizeof(void *));
}

void gs_ordered_close(struct gs_ordered *ordered, struct gs_memory *memory) {
    for (uint32_t c = 0; c < chunk_count(ordered); c++) {
        free_items(chunk_at(ordered, c), memory);
    }
    gs_memory_free(memory, ordered->chunks, ordered->chunk_capacity * sizeof(*ordered->chunks));
    *ordered = (struct gs_ordered){0};
}

uint32_t gs_ordered_count(const struct gs_ordered *ordered) {
    uint32_t count = 0;
    for (uint32_t c = 0; c < chunk_count(ordered); c++) {
        count += chunk_peek(ordered, c)->count;
    }
    return count;
}

/* The chunk that holds `key` or where it belongs: the first whose last item is not less, else the last chunk. */
static uint32_t find_chunk(const struct gs_ordered *ordered, gs_ordered_compare_fn compare, const void *key) {
    uint32_t low = 0;
    uint32_t high = chunk_count(ordered) - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct gs_ordered_chunk *chunk = chunk_peek(ordered, middle);
        if (compare(key, chunk->items[chunk->count - 1]) > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Index of the first item that is not less than `key` (not less or equal, if `after`). */
static uint32_t find_index(const struct gs_ordered_chunk *chunk, gs_ordered_compare_fn compare, const void *key,
                           bool after) {
    uint32_t low = 0;
    uint32_t high = chunk->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(key, chunk->items[middle]);
        if (order > 0 || (after && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void *gs_ordered_find(const struct gs_ordered *ordered, gs_ordered_compare_fn compare, const void *key) {
    const struct gs_ordered_chunk *chunk = chunk_peek(ordered, find_chunk(ordered, compare, key));
    uint32_t index = find_index(chunk, compare, key, false);
    return index < chunk->count && compare(key, chunk->items[index]) == 0 ? chunk->items[index] : NULL;
}

void *gs_ordered_after(const struct gs_ordered *ordered, gs_ordered_compare_fn compare, const void *key) {
    uint32_t c = find_chunk(ordered, compare, key);
    const struct gs_ordered_chunk *chunk = chunk_peek(ordered, c);
    uint32_t index = find_index(chunk, compare, key, true);
    if (index < chunk->count) {
        return chunk->items[index];
    }
    return c + 1 < chunk_count(ordered) ? chunk_peek(ordered, c + 1)->items[0] : NULL;
}

/* Makes room for one more chunk in the second level, creating it around the single chunk if need be. */
static int reserve_chunk(struct gs_ordered *ordered, struct gs_memory *memory) {
    size_t size = sizeof(*ordered->chunks);
    if (!ordered->chunks) {
        ordered->chunks = gs_memory_alloc(memory, FIRST_CAPACITY * size);
        if (!ordered->chunks) {
            return GS_ENOMEM;
        }
        ordered->chunks[0] = ordered->one;
        ordered->one = (struct gs_ordered_chunk){0};
        ordered->chunk_count = 1;
        ordered->chunk_capacity = FIRST_CAPACITY;
    } else if (ordered->chunk_count == ordered->chunk_capacity) {
        uint32_t capacity = ordered->chunk_capacity * 2;
        void *chunks = gs_memory_resize(memory, ordered->chunks, ordered->chunk_capacity * size, capacity * size);
        if (!chunks) {
            return GS_ENOMEM;
        }
        ordered->chunks = chunks;
        ordered->chunk_capacity = capacity;
    }
    return 0;
}

/* Goes back to one level when one chunk is left, and gives back what the second level no longer needs. */
static void tidy_chunks(struct gs_ordered *ordered, struct gs_memory *memory) {
    size_t size = sizeof(*ordered->chunks);
    if (ordered->chunk_count <= 1) {
        struct gs_ordered_chunk one = ordered->chunk_count == 1 ? ordered->chunks[0] : (struct gs_ordered_chunk){0};
        gs_memory_free(memory, ordered->chunks, ordered->chunk_capacity * size);
        *ordered = (struct gs_ordered){.one = one};
        return;
    }
    uint32_t capacity = ordered->chunk_capacity / 2;
    if (capacity >= FIRST_CAPACITY && ordered->chunk_count <= capacity / 2) {
        void *chunks = gs_memory_resize(memory, ordered->chunks, ordered->chunk_capacity * size, capacity * size);
        if (chunks) {
            ordered->chunks = chunks;
            ordered->chunk_capacity = capacity;
        }
    }
}

/* Splits the full chunk `c`, keeping its first `keep` items; the rest goes to a new chunk behind it. */
static int split_chunk(struct gs_ordered *ordered, struct gs_memory *memory, uint32_t c, uint32_t keep) {
    if (reserve_chunk(ordered, memory) != 0) {
        return GS_ENOMEM;
    }
    void **items = gs_memory_alloc(memory, GS_ORDERED_CHUNK * sizeof(void *));
    if (!items) {
        tidy_chunks(ordered, memory);
        return GS_ENOMEM;
    }
    struct gs_ordered_chunk *chunk = &ordered->chunks[c];
    uint32_t moved = chunk->count - keep;
    memcpy(items, chunk->items + keep, moved * sizeof(void *));
    chunk->count = keep;
    memmove(chunk + 2, chunk + 1, (ordered->chunk_count - c - 1) * sizeof(*chunk));
    chunk[1] = (struct gs_ordered_chunk){.items = items, .count = moved, .capacity = GS_ORDERED_CHUNK};
    ordered->chunk_count++;
    return 0;
}

static int grow_chunk(struct gs_ordered_chunk *chunk, struct gs_memory *memory) {
    uint32_t capacity = chunk->capacity > 0 ? chunk->capacity * 2 : FIRST_CAPACITY;
    void **items = gs_memory_resize(memory, chunk->items, chunk->capacity * sizeof(void *), capacity * sizeof(void *));
    if (!items) {
        return GS_ENOMEM;
    }
    chunk->items = items;
    chunk->capacity = capacity;
    return 0;
}

int gs_ordered_insert(struct gs_ordered *ordered, struct gs_memory *memory, gs_ordered_compare_fn compare,
                      const void *key, void *item) {
    uint32_t c = find_chunk(ordered, compare, key);
    struct gs_ordered_chunk *chunk = chunk_at(ordered, c);
    uint32_t index = find_index(chunk, compare, key, false);
    if (chunk->count == GS_ORDERED_CHUNK) {
        /* Appending leaves full chunks behind, so that sorted input packs tightly. */
        bool append = index == chunk->count && c + 1 == chunk_count(ordered);
        uint32_t keep = append ? GS_ORDERED_CHUNK : GS_ORDERED_CHUNK / 2;
        if (split_chunk(ordered, memory, c, keep) != 0) {
            return GS_ENOMEM;
        }
        if (index > keep || append) {
            c++;
            index -= keep;
        }
        chunk = chunk_at(ordered, c);
    } else if (chunk->count == chunk->capacity && grow_chunk(chunk, memory) != 0) {
        return GS_ENOMEM;
    }
    memmove(chunk->items + index + 1, chunk->items + index, (chunk->count - index) * sizeof(void *));
    chunk->items[index] = item;
    chunk->count++;
    return 0;
}

static void drop_chunk(struct gs_ordered *ordered, struct gs_memory *memory, uint32_t c) {
    free_items(&ordered->chunks[c], memory);
    memmove(&ordered->chunks[c], &ordered->chunks[c + 1],
            (ordered->chunk_count - c - 1) * sizeof(struct gs_ordered_chunk));
    ordered->chunk_count--;
    tidy_chunks(ordered, memory);
}

/* Appends chunk c + 1 to chunk c if both together are at most half full. */
static bool merge_chunks(struct gs_ordered *ordered, struct gs_memory *memory, uint32_t c) {
    if (c + 1 >= ordered->chunk_count) {
        return false;
    }
    struct gs_ordered_chunk *left = &ordered->chunks[c];
    struct gs_ordered_chunk *right = &ordered->chunks[c + 1];
    if (left->count + right->count > GS_ORDERED_CHUNK / 2) {
        return false;
    }
    memcpy(left->items + left->count, right->items, right->count * sizeof(void *));
    left->count += right->count;
    drop_chunk(ordered, memory, c + 1);
    return true;
}

static void shrink_single(struct gs_ordered *ordered, struct gs_memory *memory) {
    struct gs_ordered_chunk *one = &ordered->one;
    if (one->count == 0) {
        gs_ordered_close(ordered, memory);
    } else if (one->capacity > FIRST_CAPACITY && one->count <= one->capacity / 4) {
        uint32_t capacity = one->capacity / 2;
        void **items = gs_memory_resize(memory, one->items, one->capacity * sizeof(void *), capacity * sizeof(void *));
        if (items) {
            one->items = items;
            one->capacity = capacity;
        }
    }
}

void *gs_ordered_remove(struct gs_ordered *ordered, struct gs_memory *memory, gs_ordered_compare_fn compare,
                        const void *key) {
    uint32_t c = find_chunk(ordered, compare, key);
    struct gs_ordered_chunk *chunk = chunk_at(ordered, c);
    uint32_t index = find_index(chunk, compare, key, false);
    if (index == chunk->count || compare(key, chunk->items[index]) != 0) {
        return NULL;
    }
    void *item = chunk->items[index];
    chunk->count--;
    memmove(chunk->items + index, chunk->items + index + 1, (chunk->count - index) * sizeof(void *));
    if (!ordered->chunks) {
        shrink_single(ordered, memory);
    } else if (chunk->count == 0) {
        drop_chunk(ordered, memory, c);
    } else if (!merge_chunks(ordered, memory, c) && c > 0) {
        merge_chunks(ordered, memory, c - 1);
    }
    return item;
}

void *gs_ordered_next(struct gs_ordered_cursor *cursor) {
    const struct gs_ordered *ordered = cursor->ordered;
    while (cursor->chunk < chunk_count(ordered)) {
        const struct gs_ordered_chunk *chunk = chunk_peek(ordered, cursor->chunk);
        if (cursor->index < chunk->count) {
            return chunk->items[cursor->index++];
        }
        cursor->chunk++;
        cursor->index = 0;
    }
    return NULL;
}
