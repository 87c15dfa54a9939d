/* Notes: what a node remembers beside its log, a small file each in one directory (see gs_core_note in
 * node/core/core.h). Engine-independent, but for sync jobs: those of a node whose log is in PostgreSQL are rows there
 * (postgres_books.h).
 *
 * A note is replaced whole or not at all: written under another name, synced, renamed. Functions block. */
#ifndef GS_NODE_STORE_NOTES_H
#define GS_NODE_STORE_NOTES_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdbool.h>

enum {
    GS_NOTES_MAX = 4096,                  /* files that are read */
    GS_NOTES_NAME_MAX = 80,               /* bytes of a name, [a-z0-9-] */
    GS_NOTES_BYTES_MAX = 16 * 1024 * 1024 /* of one note */
};

/* Bytes are borrowed. Non-zero stops the walk and is returned by it. */
typedef int (*gs_notes_fn)(void *context, const char *name, struct gs_slice bytes);

bool gs_notes_name_valid(const char *name);
/* Walks all notes, in no particular order; makes the directory if it is absent. Files with other names are not notes.
 * 0, the visitor's result, or GS_EIO, GS_ETOOBIG, GS_ENOMEM with a line in `problem`. */
int gs_notes_visit(const char *directory, gs_notes_fn visit, void *context, struct gs_problem *problem);
/* 0 once the note survives a power cut; GS_EIO, GS_EINVAL (name, size). */
int gs_notes_put(const char *directory, const char *name, struct gs_slice bytes);
/* 0, also if there is no such note. */
int gs_notes_remove(const char *directory, const char *name);

#endif
