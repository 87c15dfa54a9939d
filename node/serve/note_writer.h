/* Writes notes (node/store/notes.h) off the loop, one after another, in the order in which they were given. */
#ifndef GS_NODE_SERVE_NOTE_WRITER_H
#define GS_NODE_SERVE_NOTE_WRITER_H

#include <globalstate/memory.h>

#include <uv.h>

struct gs_note_writer;

enum { GS_NOTE_QUEUE_MAX = 4096 };

/* `directory` is copied. `failed` is called on the loop when a note could not be written: it is lost. NULL: out of
 * memory. */
struct gs_note_writer *gs_note_writer_new(uv_loop_t *loop, const char *directory,
                                          void (*failed)(void *context, const char *name, int error), void *context);
/* Takes the buffer; empty: the note is removed. A note that finds no room in the queue is lost, and reported so. */
void gs_note_writer_put(struct gs_note_writer *writer, const char *name, struct gs_buffer *bytes);
/* Finishes what is queued, frees, then calls `closed`. NULL is allowed: `closed` is called at once. */
void gs_note_writer_close(struct gs_note_writer *writer, void (*closed)(void *context), void *context);

#endif
