#include <globalstate/memory.h>

#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

enum {
    CHUNK_SIZE_MIN = 1024,
    CHUNK_SIZE_MAX = 64 * 1024,
};

struct gs_arena_chunk {
    struct gs_arena_chunk *next;
    size_t size; /* of data */
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

static struct gs_arena_chunk *chunk_new(struct gs_arena *arena, size_t size) {
    if (size > SIZE_MAX - sizeof(struct gs_arena_chunk)) {
        return NULL;
    }
    struct gs_arena_chunk *chunk = gs_memory_alloc(arena->memory, sizeof *chunk + size);
    if (chunk != NULL) {
        chunk->size = size;
        chunk->used = 0;
    }
    return chunk;
}

/* Chunks double, so that small arenas stay small. A block too large for the next chunk gets one of its own, put behind
 * the newest: what is left there is still used. */
static struct gs_arena_chunk *chunk_add(struct gs_arena *arena, size_t size) {
    struct gs_arena_chunk *head = arena->chunks;
    size_t next_size = head == NULL ? CHUNK_SIZE_MIN : head->size * 2;
    next_size = next_size > CHUNK_SIZE_MAX ? CHUNK_SIZE_MAX : next_size;
    bool own = size > next_size / 2 && head != NULL;
    struct gs_arena_chunk *chunk = chunk_new(arena, own || size > next_size ? size : next_size);
    if (chunk == NULL) {
        return NULL;
    }
    if (own) {
        chunk->next = head->next;
        head->next = chunk;
    } else {
        chunk->next = head;
        arena->chunks = chunk;
    }
    return chunk;
}

void *gs_arena_alloc(struct gs_arena *arena, size_t size) {
    const size_t alignment = alignof(max_align_t);
    if (size > SIZE_MAX - alignment) {
        return NULL;
    }
    size = size == 0 ? alignment : (size + alignment - 1) / alignment * alignment;
    struct gs_arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        chunk = chunk_add(arena, size);
        if (chunk == NULL) {
            return NULL;
        }
    }
    void *block = chunk->data + chunk->used;
    chunk->used += size;
    return block;
}

void *gs_arena_copy(struct gs_arena *arena, const void *bytes, size_t length) {
    void *copy = gs_arena_alloc(arena, length > 0 ? length : 1);
    if (copy != NULL && length > 0) {
        memcpy(copy, bytes, length);
    }
    return copy;
}

void gs_arena_close(struct gs_arena *arena) {
    while (arena->chunks != NULL) {
        struct gs_arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        gs_memory_free(arena->memory, chunk, sizeof *chunk + chunk->size);
    }
}
