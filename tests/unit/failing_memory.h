/* An allocator whose n-th allocation fails, and which notices blocks that are not given back. Tests only. */
#ifndef GS_TESTS_FAILING_MEMORY_H
#define GS_TESTS_FAILING_MEMORY_H

#include <globalstate/memory.h>

#include <stdlib.h>

struct failing_memory {
    uint64_t fail_at; /* the allocation, counted from 1, that fails; 0: none */
    uint64_t count;   /* allocations asked for */
    uint64_t live;    /* blocks given out and not returned */
};

static inline void *failing_resize(void *context, void *pointer, size_t size) {
    struct failing_memory *failing = context;
    if (size == 0) {
        failing->live -= pointer != NULL;
        free(pointer);
        return NULL;
    }
    if (++failing->count == failing->fail_at) {
        return NULL;
    }
    void *block = realloc(pointer, size);
    failing->live += pointer == NULL && block != NULL;
    return block;
}

static inline struct gs_memory failing_memory(struct failing_memory *failing) {
    return (struct gs_memory){.resize = failing_resize, .context = failing};
}

#endif
