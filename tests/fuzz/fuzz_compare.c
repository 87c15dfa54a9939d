/* Bodies of comparisons: what is accepted encodes to the same bytes, and what it reserves follows them. */
#include "tests/fuzz/fuzz.h"

#include "gossip/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gs_compare compare;
    struct gs_buffer again = {0};
    if (gs_compare_decode(gs_slice_make(data, size), &compare) != 0) {
        return 0;
    }
    FUZZ_REQUIRE(compare.count <= GS_COMPARE_OPEN_MAX);
    FUZZ_REQUIRE(compare.vector.capacity * sizeof *compare.vector.heads <= 2 * size);
    for (uint32_t i = 0; compare.prefixes != NULL && i < compare.count; i++) {
        FUZZ_REQUIRE(compare.prefixes[i].depth <= GS_COMPARE_DEPTH_MAX);
    }
    for (uint32_t i = 0; compare.children != NULL && i < compare.count; i++) {
        FUZZ_REQUIRE((compare.children[i].inner & compare.children[i].leaf) == 0);
    }
    gs_compare_write(&compare, &again);
    fuzz_require_equal(&again, data, size);
    gs_buffer_close(&again);
    gs_compare_close(&compare);
    return 0;
}
