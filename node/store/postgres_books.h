/* What a node writes beside its log into PostgreSQL (sql/postgresql/0004_books.sql): its sync jobs, which a start reads
 * back, and for people the conflicts and peers that it knows.
 *
 * Rows are handed over without waiting and written by a thread of its own, over a connection of its own: neither
 * commits nor requests wait for it. While PostgreSQL is away they wait, up to a bound, and newer ones of the same name
 * take the places of older ones. */
#ifndef GS_NODE_STORE_POSTGRES_BOOKS_H
#define GS_NODE_STORE_POSTGRES_BOOKS_H

#include "node/store/notes.h"

#include <stdint.h>

struct gs_books;

enum gs_book {
    GS_BOOK_JOBS,         /* a note as the core writes it: the start's milliseconds, a newline, the job's JSON */
    GS_BOOK_CONFLICTS,    /* gs_core_write_conflicts */
    GS_BOOK_NO_CONFLICTS, /* the number of the last entry of the ledger: what has a greater one is of another life */
    GS_BOOK_PEERS,        /* gs_core_write_peers */
    GS_BOOKS
};

enum {
    GS_BOOKS_WAITING_MAX = 1024, /* rows, or lists of them; the oldest give way */
    GS_BOOKS_CONFLICTS_KEPT = 1000000
};

/* `url` is copied; it may be away. GS_ENOMEM, GS_EIO (no thread). */
int gs_books_open(const char *url, struct gs_books **ret_books);
/* Writes what waits, unless PostgreSQL is away. NULL is allowed. */
void gs_books_close(struct gs_books *books);

/* Takes the buffer. What waits under the same `name` in the same book is replaced. An empty buffer removes a job. */
void gs_books_put(struct gs_books *books, enum gs_book book, const char *name, struct gs_buffer *bytes);
/* How many wait. */
uint32_t gs_books_waiting(struct gs_books *books);
/* Walks the jobs, those included that wait; the calling thread waits for the answer. 0, the visitor's result,
 * GS_ESTORE, GS_ENOMEM. */
int gs_books_visit_jobs(struct gs_books *books, gs_notes_fn visit, void *context, struct gs_problem *problem);

#endif
