/* JSON text: what is accepted is written as text that is read as the same value, and written the same again. The first
 * byte is the depth that is allowed. */
#include "tests/fuzz/fuzz.h"

#include <globalstate/json.h>

#include <string.h>

enum { FACTOR = 16 };

static void require_readable(const struct gs_buffer *value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value->bytes, value->length);
    (void)gs_skip_value(&reader);
    FUZZ_REQUIRE(gs_reader_finish(&reader) == 0);
    gs_reader_init(&reader, value->bytes, value->length);
    (void)gs_read_value(&reader);
    int error = gs_reader_finish(&reader);
    FUZZ_REQUIRE(error == 0 || error == GS_EDEPTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_count count;
    struct gs_memory memory = fuzz_memory(&count);
    struct gs_buffer value = {.memory = &memory};
    struct gs_buffer text = {.memory = &memory};
    struct gs_buffer again = {.memory = &memory};
    struct gs_problem problem = {0};
    int depth = size > 0 ? data[0] % (GS_VALUE_DEPTH_MAX + 9) : 0;
    const char *from = size > 0 ? (const char *)data + 1 : "";
    size_t length = size > 0 ? size - 1 : 0;
    int error = gs_json_parse(from, length, depth, &value, &problem);
    fuzz_require_within(&count, size, FACTOR);
    FUZZ_REQUIRE(error == 0 || (problem.code == error && problem.detail[0] != '\0'));
    FUZZ_REQUIRE(gs_utf8_valid(problem.field, strlen(problem.field)));
    if (error == 0) {
        require_readable(&value);
        gs_json_write(gs_slice_make(value.bytes, value.length), &text);
        FUZZ_REQUIRE(text.failed == 0);
        FUZZ_REQUIRE(gs_json_parse((const char *)text.bytes, text.length, depth, &again, &problem) == 0);
        fuzz_require_equal(&again, value.bytes, value.length);
        size_t written = text.length;
        gs_json_write(gs_slice_make(again.bytes, again.length), &text);
        FUZZ_REQUIRE(text.length == 2 * written && memcmp(text.bytes, text.bytes + written, written) == 0);
    }
    gs_buffer_close(&value);
    gs_buffer_close(&text);
    gs_buffer_close(&again);
    FUZZ_REQUIRE(count.now == 0 && memory.used == 0);
    return 0;
}
