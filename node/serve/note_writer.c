#include "node/serve/note_writer.h"

#include "node/store/notes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct job *next;
    char name[GS_NOTES_NAME_MAX + 1];
    struct gs_buffer bytes; /* owned */
};

struct gs_note_writer {
    uv_loop_t *loop;
    char *directory; /* owned */
    void (*failed)(void *context, const char *name, int error);
    void *context;
    struct job *first, *last;
    uint32_t count;
    uv_work_t work;
    bool working;
    int error; /* of the job under way; the worker's while it works */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

struct gs_note_writer *gs_note_writer_new(uv_loop_t *loop, const char *directory,
                                          void (*failed)(void *context, const char *name, int error), void *context) {
    struct gs_note_writer *writer = calloc(1, sizeof *writer);
    char *copy = strdup(directory);
    if (writer == NULL || copy == NULL) {
        free(writer);
        free(copy);
        return NULL;
    }
    *writer = (struct gs_note_writer){.loop = loop, .directory = copy, .failed = failed, .context = context};
    writer->work.data = writer;
    return writer;
}

static void on_work(uv_work_t *work) {
    struct gs_note_writer *writer = work->data;
    const struct job *job = writer->first;
    writer->error = job->bytes.length > 0
                        ? gs_notes_put(writer->directory, job->name, gs_slice_make(job->bytes.bytes, job->bytes.length))
                        : gs_notes_remove(writer->directory, job->name);
}

static void pop(struct gs_note_writer *writer) {
    struct job *job = writer->first;
    writer->first = job->next;
    writer->last = job->next == NULL ? NULL : writer->last;
    writer->count--;
    gs_buffer_close(&job->bytes);
    free(job);
}

static void finish(struct gs_note_writer *writer) {
    void (*closed)(void *context) = writer->closed;
    void *context = writer->closed_context;
    free(writer->directory);
    free(writer);
    closed(context);
}

static void go_on(struct gs_note_writer *writer);

static void on_worked(uv_work_t *work, int status) {
    struct gs_note_writer *writer = work->data;
    int error = status == 0 ? writer->error : GS_EIO;
    writer->working = false;
    if (error != 0) {
        writer->failed(writer->context, writer->first->name, error);
    }
    pop(writer);
    go_on(writer);
}

static void go_on(struct gs_note_writer *writer) {
    while (!writer->working && writer->first != NULL) {
        if (uv_queue_work(writer->loop, &writer->work, on_work, on_worked) == 0) {
            writer->working = true;
        } else {
            writer->failed(writer->context, writer->first->name, GS_ENOMEM);
            pop(writer);
        }
    }
    if (!writer->working && writer->closing) {
        finish(writer);
    }
}

void gs_note_writer_put(struct gs_note_writer *writer, const char *name, struct gs_buffer *bytes) {
    struct job *job = writer->count < GS_NOTE_QUEUE_MAX ? calloc(1, sizeof *job) : NULL;
    if (job == NULL) {
        writer->failed(writer->context, name, GS_ENOMEM);
        gs_buffer_close(bytes);
        return;
    }
    strncpy(job->name, name, GS_NOTES_NAME_MAX);
    job->bytes = *bytes;
    *bytes = (struct gs_buffer){0};
    *(writer->last != NULL ? &writer->last->next : &writer->first) = job;
    writer->last = job;
    writer->count++;
    go_on(writer);
}

void gs_note_writer_close(struct gs_note_writer *writer, void (*closed)(void *context), void *context) {
    if (writer == NULL) {
        closed(context);
        return;
    }
    writer->closing = true;
    writer->closed = closed;
    writer->closed_context = context;
    go_on(writer);
}
