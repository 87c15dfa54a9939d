#include "gossip/compress.h"

#include "gossip/message.h"

#include <zstd.h>

enum {
    LEVEL = 1,           /* several times as fast as the disk that it comes from; higher ones gain few per cent here */
    WINDOW_LOG_MAX = 23, /* 8 MiB: a message */
    STEP = 128 * 1024
};

void gs_compress(struct gs_buffer *message) {
    struct gs_buffer packed = {.memory = message->memory};
    size_t bound = ZSTD_compressBound(message->length);
    if (message->failed != 0 || message->length < GS_COMPRESS_MIN || ZSTD_isError(bound)) {
        return;
    }
    struct gs_buffer frame = {.memory = message->memory};
    uint8_t *room = gs_buffer_reserve(&frame, bound);
    size_t length = room != NULL ? ZSTD_compress(room, bound, message->bytes, message->length, LEVEL) : 0;
    if (room != NULL && !ZSTD_isError(length) && length < message->length - message->length / 8) {
        gs_message_write_packed(message->length, gs_slice_make(frame.bytes, length), &packed);
    }
    gs_buffer_close(&frame);
    if (packed.length == 0 || packed.failed != 0) {
        gs_buffer_close(&packed);
        return;
    }
    gs_buffer_close(message);
    *message = packed;
}

/* Decompresses step by step; `left` bytes are still to come out. */
static int inflate(ZSTD_DStream *stream, ZSTD_inBuffer *in, size_t left, struct gs_buffer *out) {
    size_t wanted = 1;
    while (wanted != 0) {
        size_t step = left < STEP ? left : STEP;
        size_t before = out->length;
        uint8_t spare = 0; /* one byte too many shows that there is more than was said */
        uint8_t *room = step > 0 ? gs_buffer_reserve(out, step) : &spare;
        if (room == NULL) {
            return GS_ENOMEM;
        }
        ZSTD_outBuffer to = {.dst = room, .size = step > 0 ? step : 1, .pos = 0};
        size_t from = in->pos;
        wanted = ZSTD_decompressStream(stream, &to, in);
        if (ZSTD_isError(wanted) || (step == 0 && to.pos > 0) || (wanted != 0 && to.pos == 0 && in->pos == from)) {
            return GS_EFORMAT;
        }
        if (step > 0) {
            out->length = before + to.pos;
            left -= to.pos;
        }
    }
    return left == 0 && in->pos == in->size ? 0 : GS_EFORMAT;
}

int gs_decompress(struct gs_slice frame, size_t size, struct gs_buffer *out) {
    unsigned long long claimed = ZSTD_getFrameContentSize(frame.bytes, frame.length);
    if (claimed == ZSTD_CONTENTSIZE_ERROR || (claimed != ZSTD_CONTENTSIZE_UNKNOWN && claimed != size)) {
        return GS_EFORMAT;
    }
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (stream == NULL) {
        return GS_ENOMEM;
    }
    ZSTD_inBuffer in = {.src = frame.bytes, .size = frame.length, .pos = 0};
    (void)ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    int error = inflate(stream, &in, size, out);
    ZSTD_freeDStream(stream);
    return error;
}
