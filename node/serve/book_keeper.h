/* Keeps a node's books in its PostgreSQL (node/store/postgres_books.h): hands over what the core has to say, in time.
 *
 * Used on the loop's thread. A keeper that is NULL keeps nothing: the store is not PostgreSQL, and job notes are files
 * as all others. */
#ifndef GS_NODE_SERVE_BOOK_KEEPER_H
#define GS_NODE_SERVE_BOOK_KEEPER_H

#include "node/core/core.h"
#include "node/store/notes.h"

#include <stdbool.h>

struct gs_book_keeper;

/* `ret_keeper` is NULL unless `database_url` names a PostgreSQL. GS_ENOMEM, GS_EIO. */
int gs_book_keeper_new(const char *database_url, struct gs_book_keeper **ret_keeper);
/* Writes what waits, unless PostgreSQL is away. */
void gs_book_keeper_close(struct gs_book_keeper *keeper);

/* Takes a note that belongs into the books (a sync job's); false: it does not, and is left. */
bool gs_book_keeper_note(struct gs_book_keeper *keeper, const char *name, struct gs_buffer *bytes);
/* Walks all notes: the files, and the books'. Files of jobs, of a time when the log was elsewhere, move into the books.
 * Errors as gs_notes_visit, and GS_ESTORE. */
int gs_book_keeper_visit(struct gs_book_keeper *keeper, const char *notes_directory, gs_notes_fn visit, void *context,
                         struct gs_problem *problem);

/* There is a new core: its ledger is what counts. */
void gs_book_keeper_begin(struct gs_book_keeper *keeper, const struct gs_core *core);
/* Has the core anything new to say? Several times a second. */
void gs_book_keeper_look(struct gs_book_keeper *keeper, const struct gs_core *core);

#endif
