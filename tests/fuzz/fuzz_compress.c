/* Compressed answers to pulls: what comes out is what zstd's own one-step decoder makes of it, exactly as much as was
 * said, and memory follows what has come out. The first three bytes are the size that was said. */
#include "gossip/compress.h"
#include "tests/fuzz/fuzz.h"

#include <zstd.h>

enum { SIZE_BYTES = 3, SIZE_MAX_SAID = 4 * 1024 * 1024, STEP = 128 * 1024 };

static void compare(struct gs_slice frame, size_t size, const struct gs_buffer *out) {
    uint8_t *bytes = malloc(size + 1);
    FUZZ_REQUIRE(bytes != NULL);
    size_t made = ZSTD_decompress(bytes, size, frame.bytes, frame.length);
    if (!ZSTD_isError(made)) { /* it is the stricter one with empty blocks */
        fuzz_require_equal(out, bytes, made);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_count count;
    struct gs_memory memory = fuzz_memory(&count);
    struct gs_buffer out = {.memory = &memory};
    if (size < SIZE_BYTES) {
        return 0;
    }
    size_t said = ((size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % (SIZE_MAX_SAID + 1);
    struct gs_slice frame = gs_slice_make(data + SIZE_BYTES, size - SIZE_BYTES);
    int error = gs_decompress(frame, said, &out);
    FUZZ_REQUIRE(error == 0 || error == GS_EFORMAT);
    FUZZ_REQUIRE(out.failed == 0 && out.length <= said);
    fuzz_require_within(&count, out.length + STEP < said ? out.length + STEP : said, 2);
    if (error == 0) {
        FUZZ_REQUIRE(out.length == said);
        compare(frame, said, &out);
    }
    gs_buffer_close(&out);
    return 0;
}
