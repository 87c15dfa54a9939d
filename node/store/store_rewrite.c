#include "node/store/store_rewrite.h"

void gs_store_rewrite_add(struct gs_buffer *rewrites, uint64_t position, struct gs_slice record) {
    gs_write_uint(rewrites, position);
    gs_write_bin(rewrites, record.bytes, record.length);
}

int gs_store_rewrite_all(struct gs_store *store, struct gs_slice rewrites, bool scrub) {
    struct gs_reader reader;
    int error = 0;
    gs_reader_init(&reader, rewrites.bytes, rewrites.length);
    reader.nodes_left = UINT32_MAX;
    while (error == 0 && reader.at < reader.end) {
        uint64_t position = gs_read_uint(&reader);
        struct gs_slice record = gs_read_bin(&reader, SIZE_MAX);
        error = reader.error != 0 ? reader.error : store->methods->rewrite(store, position, record);
    }
    return error == 0 && scrub ? store->methods->scrub(store) : error;
}
