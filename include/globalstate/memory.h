/* Memory: an explicit allocator that accounts for what it gave out.
 *
 * Every structure of the CRDT library is told which gs_memory it lives in; nothing calls malloc by itself. That gives
 * per-aggregate accounting, makes each allocation fail on demand in tests, and keeps the library free of globals.
 * A gs_memory is not thread-safe; use one per thread or per aggregate. Where a `struct gs_memory *` is NULL, libc's
 * allocator is used and nothing is accounted. */
#ifndef GLOBALSTATE_MEMORY_H
#define GLOBALSTATE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Reallocates like realloc(3): `pointer` NULL allocates, `size` 0 frees and returns NULL. Returns NULL when out of
 * memory, leaving the old block as it was. */
typedef void *(*gs_resize_fn)(void *context, void *pointer, size_t size);

struct gs_memory {
    gs_resize_fn resize; /* NULL means realloc/free of libc */
    void *context;       /* passed to resize */
    size_t used;         /* bytes handed out and not yet returned, as requested by callers */
};

/* Allocate `size` > 0 bytes (zeroed by gs_memory_zalloc), or NULL. */
void *gs_memory_alloc(struct gs_memory *memory, size_t size);
void *gs_memory_zalloc(struct gs_memory *memory, size_t size);

/* Grow or shrink a block from `old_size` to `size` > 0; NULL on failure, the old block then stays valid. */
void *gs_memory_resize(struct gs_memory *memory, void *pointer, size_t old_size, size_t size);

/* Return a block of `size` bytes; NULL is allowed. */
void gs_memory_free(struct gs_memory *memory, void *pointer, size_t size);

/* An arena: blocks that live and die together. Zero-initialise. Blocks are aligned for any type and never move. It uses
 * libc's allocator unless `memory` is set. */
struct gs_arena {
    struct gs_arena_chunk *chunks; /* owned, newest first */
    struct gs_memory *memory;
};

/* `size` bytes that live until gs_arena_close, or NULL. */
void *gs_arena_alloc(struct gs_arena *arena, size_t size);
/* A copy of `length` bytes (one byte is allocated when length is 0), or NULL. */
void *gs_arena_copy(struct gs_arena *arena, const void *bytes, size_t length);
/* Frees everything and makes the arena empty and reusable. */
void gs_arena_close(struct gs_arena *arena);

/* A growable byte buffer. Zero-initialise, then append; an append that fails sets `failed` and later appends do
 * nothing, so that a writer checks once at its end. The buffer uses libc's allocator unless `memory` is set. */
struct gs_buffer {
    uint8_t *bytes; /* owned */
    size_t length;
    size_t capacity;
    int failed; /* 0, GS_ENOMEM, or GS_EINVAL when asked to write what cannot be encoded (a caller's bug) */
    struct gs_memory *memory;
};

void gs_buffer_append(struct gs_buffer *buffer, const void *bytes, size_t length);
void gs_buffer_byte(struct gs_buffer *buffer, uint8_t byte);
/* Appends the text of a NUL-terminated string, without the NUL. */
void gs_buffer_text(struct gs_buffer *buffer, const char *text);
/* A number in decimal, and bytes as two hexadecimal digits each: what printf is slow at. */
void gs_buffer_number(struct gs_buffer *buffer, uint64_t number);
void gs_buffer_hex(struct gs_buffer *buffer, const void *bytes, size_t length);
void gs_buffer_printf(struct gs_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for `length` more bytes and returns where they go (already counted in), or NULL. */
uint8_t *gs_buffer_reserve(struct gs_buffer *buffer, size_t length);
/* Frees the bytes and makes the buffer empty and reusable. */
void gs_buffer_close(struct gs_buffer *buffer);

/* A borrowed run of bytes: valid as long as what it points into. */
struct gs_slice {
    const uint8_t *bytes;
    size_t length;
};

static inline struct gs_slice gs_slice_make(const void *bytes, size_t length) {
    return (struct gs_slice){.bytes = (const uint8_t *)bytes, .length = length};
}

/* Lexicographic order of bytes, a prefix first: <0, 0, >0. */
int gs_slice_compare(struct gs_slice a, struct gs_slice b);

#endif
