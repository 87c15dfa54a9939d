/* What the fuzz targets share: the entry point, an oracle that ends the process, and an allocator that counts.
 *
 * A target is one `fuzz_NAME.c` with LLVMFuzzerTestOneInput; run.sh builds it with libFuzzer. Tests only. */
#ifndef GS_TESTS_FUZZ_H
#define GS_TESTS_FUZZ_H

#include <globalstate/memory.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that libFuzzer keeps the input, unless `condition` holds. */
#define FUZZ_REQUIRE(condition)                                                     \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

struct fuzz_count {
    size_t now;
    size_t peak;
};

static inline void *fuzz_resize(void *context, void *pointer, size_t size) {
    struct fuzz_count *count = context;
    size_t before = pointer != NULL ? malloc_usable_size(pointer) : 0;
    if (size == 0) {
        free(pointer);
        count->now -= before;
        return NULL;
    }
    void *block = realloc(pointer, size);
    if (block != NULL) {
        count->now += malloc_usable_size(block) - before;
        count->peak = count->now > count->peak ? count->now : count->peak;
    }
    return block;
}

static inline struct gs_memory fuzz_memory(struct fuzz_count *count) {
    *count = (struct fuzz_count){0};
    return (struct gs_memory){.resize = fuzz_resize, .context = count};
}

/* At most `factor` bytes of memory for one of input, and a little to begin with. */
static inline void fuzz_require_within(const struct fuzz_count *count, size_t size, size_t factor) {
    if (count->peak > factor * size + 64 * 1024) {
        fprintf(stderr, "%zu bytes of input took %zu bytes of memory\n", size, count->peak);
        abort();
    }
}

static inline void fuzz_require_equal(const struct gs_buffer *buffer, const void *bytes, size_t size) {
    FUZZ_REQUIRE(buffer->failed == 0);
    FUZZ_REQUIRE(gs_slice_compare(gs_slice_make(buffer->bytes, buffer->length), gs_slice_make(bytes, size)) == 0);
}

#endif
