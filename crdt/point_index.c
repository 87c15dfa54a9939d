#include "crdt/point_index.h"

#include <globalstate/error.h>

enum { FIRST_CAPACITY = 2 };

static gs_point key_of(const struct gs_point_entry *entry) {
    return (gs_point){.seq = entry->seq, .index = entry->index};
}

static void chunk_free(struct gs_point_chunk *chunk, struct gs_memory *memory) {
    gs_memory_free(memory, chunk->entries, chunk->capacity * sizeof(*chunk->entries));
}

void gs_point_index_close(struct gs_point_index *index, struct gs_memory *memory) {
    for (uint32_t c = 0; c < index->chunk_count; c++) {
        chunk_free(&index->chunks[c], memory);
    }
    gs_memory_free(memory, index->chunks, index->chunk_capacity * sizeof(*index->chunks));
    *index = (struct gs_point_index){0};
}

/* Number of the last chunk whose first key is not after `point`; 0 if there is none. */
static uint32_t find_chunk(const struct gs_point_index *index, gs_point point) {
    uint32_t low = 0;
    uint32_t high = index->chunk_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_point_compare(key_of(index->chunks[middle].entries), point) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Number of the first entry whose key is after `point`. */
static uint32_t find_entry(const struct gs_point_chunk *chunk, gs_point point) {
    uint32_t low = 0;
    uint32_t high = chunk->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_point_compare(key_of(&chunk->entries[middle]), point) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const struct gs_point_entry *last_entry(const struct gs_point_index *index) {
    const struct gs_point_chunk *chunk = &index->chunks[index->chunk_count - 1];
    return &chunk->entries[chunk->count - 1];
}

uint32_t gs_point_index_floor(const struct gs_point_index *index, gs_point point) {
    if (index->chunk_count == 0) {
        return GS_POINT_INDEX_NONE;
    }
    const struct gs_point_entry *last = last_entry(index);
    if (gs_point_compare(key_of(last), point) <= 0) {
        return last->number;
    }
    const struct gs_point_chunk *chunk = &index->chunks[find_chunk(index, point)];
    uint32_t at = find_entry(chunk, point);
    return at > 0 ? chunk->entries[at - 1].number : GS_POINT_INDEX_NONE;
}

uint32_t gs_point_index_after(const struct gs_point_index *index, gs_point point, gs_point *ret_key) {
    if (index->chunk_count == 0 || gs_point_compare(key_of(last_entry(index)), point) <= 0) {
        return GS_POINT_INDEX_NONE;
    }
    uint32_t c = find_chunk(index, point);
    uint32_t at = find_entry(&index->chunks[c], point);
    if (at == index->chunks[c].count) {
        c++;
        at = 0;
    }
    const struct gs_point_entry *entry = &index->chunks[c].entries[at];
    if (ret_key) {
        *ret_key = key_of(entry);
    }
    return entry->number;
}

static int reserve_entry(struct gs_point_chunk *chunk, struct gs_memory *memory) {
    if (chunk->count < chunk->capacity) {
        return 0;
    }
    uint32_t capacity = chunk->capacity > 0 ? chunk->capacity * 2 : FIRST_CAPACITY;
    struct gs_point_entry *entries = gs_memory_resize(memory, chunk->entries, chunk->capacity * sizeof(*entries),
                                                      (size_t)capacity * sizeof(*entries));
    if (!entries) {
        return GS_ENOMEM;
    }
    chunk->entries = entries;
    chunk->capacity = capacity;
    return 0;
}

/* Puts a chunk with room for `capacity` entries at place `c`. */
static int insert_chunk(struct gs_point_index *index, struct gs_memory *memory, uint32_t c, uint32_t capacity) {
    if (index->chunk_count == index->chunk_capacity) {
        uint32_t wanted = index->chunk_capacity > 0 ? index->chunk_capacity * 2 : 1;
        struct gs_point_chunk *chunks = gs_memory_resize(memory, index->chunks, index->chunk_capacity * sizeof(*chunks),
                                                         (size_t)wanted * sizeof(*chunks));
        if (!chunks) {
            return GS_ENOMEM;
        }
        index->chunks = chunks;
        index->chunk_capacity = wanted;
    }
    struct gs_point_entry *entries = gs_memory_alloc(memory, capacity * sizeof(*entries));
    if (!entries) {
        return GS_ENOMEM;
    }
    memmove(&index->chunks[c + 1], &index->chunks[c], (index->chunk_count - c) * sizeof(*index->chunks));
    index->chunks[c] = (struct gs_point_chunk){.entries = entries, .capacity = capacity};
    index->chunk_count++;
    return 0;
}

/* Splits the full chunk `c`: in halves, but at its end if that is where entries come in order. */
static int split_chunk(struct gs_point_index *index, struct gs_memory *memory, uint32_t c, bool at_end) {
    if (insert_chunk(index, memory, c + 1, GS_POINT_INDEX_CHUNK) != 0) {
        return GS_ENOMEM;
    }
    struct gs_point_chunk *from = &index->chunks[c];
    struct gs_point_chunk *to = &index->chunks[c + 1];
    uint32_t moved = at_end ? 1 : from->count / 2;
    from->count -= moved;
    memcpy(to->entries, &from->entries[from->count], moved * sizeof(*to->entries));
    to->count = moved;
    return 0;
}

int gs_point_index_insert(struct gs_point_index *index, struct gs_memory *memory, gs_point key, uint32_t number) {
    if (index->chunk_count == 0 && insert_chunk(index, memory, 0, FIRST_CAPACITY) != 0) {
        return GS_ENOMEM;
    }
    uint32_t c = find_chunk(index, key);
    uint32_t at = find_entry(&index->chunks[c], key);
    if (index->chunks[c].count == GS_POINT_INDEX_CHUNK) {
        bool at_end = c + 1 == index->chunk_count && at == GS_POINT_INDEX_CHUNK;
        if (split_chunk(index, memory, c, at_end) != 0) {
            return GS_ENOMEM;
        }
        if (at > index->chunks[c].count) {
            at -= index->chunks[c].count;
            c++;
        }
    }
    struct gs_point_chunk *chunk = &index->chunks[c];
    if (reserve_entry(chunk, memory) != 0) {
        if (chunk->count == 0) {
            gs_point_index_close(index, memory);
        }
        return GS_ENOMEM;
    }
    memmove(&chunk->entries[at + 1], &chunk->entries[at], (chunk->count - at) * sizeof(*chunk->entries));
    chunk->entries[at] = (struct gs_point_entry){.seq = key.seq, .index = key.index, .number = number};
    chunk->count++;
    return 0;
}

/* The entry with exactly this key, or NULL. */
static struct gs_point_entry *find_exact(const struct gs_point_index *index, gs_point key, uint32_t *ret_chunk) {
    if (index->chunk_count == 0) {
        return NULL;
    }
    uint32_t c = find_chunk(index, key);
    uint32_t at = find_entry(&index->chunks[c], key);
    struct gs_point_entry *entry = at > 0 ? &index->chunks[c].entries[at - 1] : NULL;
    *ret_chunk = c;
    return entry && gs_point_compare(key_of(entry), key) == 0 ? entry : NULL;
}

void gs_point_index_remove(struct gs_point_index *index, struct gs_memory *memory, gs_point key) {
    uint32_t c = 0;
    struct gs_point_entry *entry = find_exact(index, key, &c);
    if (!entry) {
        return;
    }
    struct gs_point_chunk *chunk = &index->chunks[c];
    chunk->count--;
    memmove(entry, entry + 1, (size_t)(&chunk->entries[chunk->count] - entry) * sizeof(*entry));
    if (chunk->count == 0) {
        chunk_free(chunk, memory);
        index->chunk_count--;
        memmove(chunk, chunk + 1, (index->chunk_count - c) * sizeof(*chunk));
    }
}

void gs_point_index_rekey(struct gs_point_index *index, gs_point key, gs_point to) {
    uint32_t c = 0;
    struct gs_point_entry *entry = find_exact(index, key, &c);
    if (entry) {
        entry->seq = to.seq;
        entry->index = to.index;
    }
}

int gs_point_index_copy(struct gs_point_index *to, const struct gs_point_index *from, struct gs_memory *memory) {
    for (uint32_t c = 0; c < from->chunk_count; c++) {
        const struct gs_point_chunk *chunk = &from->chunks[c];
        if (insert_chunk(to, memory, c, chunk->capacity) != 0) {
            return GS_ENOMEM;
        }
        memcpy(to->chunks[c].entries, chunk->entries, chunk->count * sizeof(*chunk->entries));
        to->chunks[c].count = chunk->count;
    }
    return 0;
}

const struct gs_point_entry *gs_point_index_next(struct gs_point_cursor *cursor) {
    if (cursor->chunk == cursor->index->chunk_count) {
        return NULL;
    }
    const struct gs_point_chunk *chunk = &cursor->index->chunks[cursor->chunk];
    const struct gs_point_entry *entry = &chunk->entries[cursor->entry++];
    if (cursor->entry == chunk->count) {
        cursor->chunk++;
        cursor->entry = 0;
    }
    return entry;
}
