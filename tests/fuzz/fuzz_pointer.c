/* JSON Pointers: a text that is taken for a path is written as the same text; nothing else of a text gets through. */
#include "tests/fuzz/fuzz.h"

#include <globalstate/codec.h>
#include <globalstate/delta.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gs_arena arena = {0};
    struct gs_buffer text = {0};
    struct gs_path path;
    bool utf8 = gs_utf8_valid(data, size);
    int error = utf8 ? gs_path_parse(gs_slice_make(data, size), &arena, &path) : GS_EPATH;
    if (error == 0) {
        FUZZ_REQUIRE(size == 0 || data[0] == '/');
        FUZZ_REQUIRE(path.depth <= GS_PATH_DEPTH_MAX);
        for (uint32_t i = 0; i < path.depth; i++) {
            FUZZ_REQUIRE(path.names[i].length <= GS_NAME_BYTES_MAX);
            FUZZ_REQUIRE(gs_utf8_valid(path.names[i].bytes, path.names[i].length));
        }
        gs_path_write(&path, &text);
        fuzz_require_equal(&text, data, size);
    }
    gs_buffer_close(&text);
    gs_arena_close(&arena);
    return 0;
}
