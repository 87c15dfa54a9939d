/* Bodies of snapshots: what is accepted encodes to the same bytes, and what it reserves follows them. */
#include "tests/fuzz/fuzz.h"

#include "gossip/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gs_snapshot snapshot;
    struct gs_buffer again = {0};
    if (gs_snapshot_decode(gs_slice_make(data, size), &snapshot) != 0) {
        return 0;
    }
    FUZZ_REQUIRE(snapshot.count <= GS_SNAPSHOT_RECORDS_MAX);
    FUZZ_REQUIRE(snapshot.vector.capacity * sizeof *snapshot.vector.heads <= 2 * size);
    for (uint32_t i = 0; snapshot.prefixes != NULL && i < snapshot.count; i++) {
        FUZZ_REQUIRE(snapshot.prefixes[i].depth <= GS_COMPARE_DEPTH_MAX);
    }
    for (uint32_t i = 0; snapshot.children != NULL && i < snapshot.count; i++) {
        FUZZ_REQUIRE((snapshot.children[i].inner & snapshot.children[i].leaf) == 0);
    }
    gs_snapshot_write(&snapshot, &again);
    fuzz_require_equal(&again, data, size);
    gs_buffer_close(&again);
    gs_snapshot_close(&snapshot);
    return 0;
}
