#include <globalstate/memory.h>

#include <stdlib.h>
#include <string.h>

static void *resize(struct gs_memory *memory, void *pointer, size_t size) {
    if (memory != NULL && memory->resize != NULL) {
        return memory->resize(memory->context, pointer, size);
    }
    if (size == 0) {
        free(pointer); /* realloc(p, 0) means different things in different libcs */
        return NULL;
    }
    return realloc(pointer, size);
}

void *gs_memory_alloc(struct gs_memory *memory, size_t size) {
    return gs_memory_resize(memory, NULL, 0, size);
}

void *gs_memory_zalloc(struct gs_memory *memory, size_t size) {
    void *block = gs_memory_alloc(memory, size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

void *gs_memory_resize(struct gs_memory *memory, void *pointer, size_t old_size, size_t size) {
    void *block = resize(memory, pointer, size);
    if (block != NULL && memory != NULL) {
        memory->used = memory->used - old_size + size;
    }
    return block;
}

void gs_memory_free(struct gs_memory *memory, void *pointer, size_t size) {
    if (pointer == NULL) {
        return;
    }
    (void)resize(memory, pointer, 0);
    if (memory != NULL) {
        memory->used -= size;
    }
}

int gs_slice_compare(struct gs_slice a, struct gs_slice b) {
    size_t shared = a.length < b.length ? a.length : b.length;
    int order = shared > 0 ? memcmp(a.bytes, b.bytes, shared) : 0;
    if (order != 0) {
        return order;
    }
    return a.length < b.length ? -1 : a.length > b.length;
}
