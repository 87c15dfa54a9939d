/* Answers to pulls, compressed (zstd, RFC 8878). History repeats itself: origins, keys of maps, types. Only parts of
 * COMPRESS_MIN bytes or more are tried, and sent compressed where that saves an eighth; a push never is. */
#ifndef GS_GOSSIP_COMPRESS_H
#define GS_GOSSIP_COMPRESS_H

#include <globalstate/codec.h>

enum { GS_COMPRESS_MIN = 16 * 1024 };

/* Replaces an encoded `batches` message by the `packed` one (gossip/FORMAT.md) if that pays; else, or when memory is
 * short, it stays as it is. */
void gs_compress(struct gs_buffer *message);

/* Appends what `frame` decompresses to: one whole zstd frame of exactly `size` bytes. `size` is the caller's to cap;
 * memory grows with what has come out, and no further than `size`. GS_EFORMAT (also a frame that needs a window or a
 * dictionary larger than its content), GS_ENOMEM. */
int gs_decompress(struct gs_slice frame, size_t size, struct gs_buffer *out);

#endif
