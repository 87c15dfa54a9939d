#include "gossip/frame.h"

#include "gossip/bytes.h"

enum { KEEP_BYTES = 64 * 1024 /* an idle link gives larger buffers back */ };

static struct gs_slice advance(struct gs_slice *input, size_t length) {
    struct gs_slice taken = gs_slice_make(input->bytes, length);
    input->bytes = length > 0 ? input->bytes + length : input->bytes;
    input->length -= length;
    return taken;
}

/* Moves bytes into the partial frame until it has `wanted` of them; false when the input ends first. */
static bool gather(struct gs_frame_reader *reader, struct gs_slice *input, size_t wanted) {
    size_t missing = wanted - reader->partial.length;
    struct gs_slice taken = advance(input, missing < input->length ? missing : input->length);
    gs_buffer_append(&reader->partial, taken.bytes, taken.length);
    return taken.length == missing;
}

int gs_frame_next(struct gs_frame_reader *reader, size_t body_max, struct gs_slice *input, struct gs_slice *ret_body) {
    struct gs_buffer *partial = &reader->partial;
    if (reader->complete) {
        reader->complete = false;
        partial->length = 0;
        if (partial->capacity > KEEP_BYTES) {
            gs_buffer_close(partial);
        }
    }
    if (partial->length == 0 && input->length >= GS_FRAME_HEAD_SIZE) {
        /* Most frames arrive whole; they are not copied. */
        size_t length = (size_t)gs_get_be(input->bytes, GS_FRAME_HEAD_SIZE);
        if (length > body_max) {
            return GS_EFORMAT;
        }
        if (input->length - GS_FRAME_HEAD_SIZE >= length) {
            (void)advance(input, GS_FRAME_HEAD_SIZE);
            *ret_body = advance(input, length);
            return 1;
        }
    }
    if (partial->length < GS_FRAME_HEAD_SIZE && !gather(reader, input, GS_FRAME_HEAD_SIZE)) {
        return partial->failed;
    }
    if (partial->failed != 0) {
        return partial->failed;
    }
    size_t length = (size_t)gs_get_be(partial->bytes, GS_FRAME_HEAD_SIZE);
    if (length > body_max) {
        return GS_EFORMAT;
    }
    bool whole = gather(reader, input, GS_FRAME_HEAD_SIZE + length);
    if (partial->failed != 0 || !whole) {
        return partial->failed;
    }
    reader->complete = true;
    *ret_body = gs_slice_make(partial->bytes + GS_FRAME_HEAD_SIZE, length);
    return 1;
}

void gs_frame_reader_close(struct gs_frame_reader *reader) {
    gs_buffer_close(&reader->partial);
    reader->complete = false;
}
