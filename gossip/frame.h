/* Frames: a big-endian u32 of length, then that many bytes. Cuts a stream of bytes into them; private to gossip. */
#ifndef GS_GOSSIP_FRAME_H
#define GS_GOSSIP_FRAME_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdbool.h>

enum { GS_FRAME_HEAD_SIZE = 4 };

/* Zero-initialise. Holds the part of a frame that has arrived; never reserves by what a length claims. */
struct gs_frame_reader {
    struct gs_buffer partial; /* owned: head and body so far */
    bool complete;            /* `partial` was handed out and is dropped at the next call */
};

/* Takes bytes from the front of `input`. 1: a frame is complete, `ret_body` borrows from the input or the reader until
 * the next call. 0: all input is taken and more is needed. GS_EFORMAT: the body would be longer than `body_max`,
 * noticed on the head alone. GS_ENOMEM. */
int gs_frame_next(struct gs_frame_reader *reader, size_t body_max, struct gs_slice *input, struct gs_slice *ret_body);
void gs_frame_reader_close(struct gs_frame_reader *reader);

#endif
