#include "node/serve/book_keeper.h"

#include "node/core/books.h"
#include "node/store/postgres_books.h"
#include "node/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONFLICTS_A_LOOK = 128, /* a fraction of a millisecond */
    WAITING_MAX = 64,       /* with so many lists waiting, the ledger keeps the rest */
    PEERS_EVERY = 50,       /* looks */
    PEERS_FIRST = 5
};

struct gs_book_keeper {
    struct gs_books *books;
    uint64_t conflicts; /* entries up to this number were handed over */
    uint32_t looks;
};

int gs_book_keeper_new(const char *database_url, struct gs_book_keeper **ret_keeper) {
    *ret_keeper = NULL;
    if (!gs_store_url_is_postgres(database_url)) {
        return 0;
    }
    struct gs_book_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return GS_ENOMEM;
    }
    int error = gs_books_open(database_url, &keeper->books);
    if (error != 0) {
        free(keeper);
        return error;
    }
    *ret_keeper = keeper;
    return 0;
}

void gs_book_keeper_close(struct gs_book_keeper *keeper) {
    if (keeper != NULL) {
        gs_books_close(keeper->books);
        free(keeper);
    }
}

static bool is_job(const char *name) {
    static const char prefix[] = GS_JOB_NOTE_PREFIX;
    return strncmp(name, prefix, sizeof prefix - 1) == 0;
}

bool gs_book_keeper_note(struct gs_book_keeper *keeper, const char *name, struct gs_buffer *bytes) {
    if (keeper == NULL || !is_job(name)) {
        return false;
    }
    gs_books_put(keeper->books, GS_BOOK_JOBS, name, bytes);
    return true;
}

struct move {
    struct gs_book_keeper *keeper;
    const char *directory;
    gs_notes_fn visit;
    void *context;
    bool remove; /* the jobs' files: they are in the books by now */
};

static int visit_file(void *context, const char *name, struct gs_slice bytes) {
    const struct move *move = context;
    if (!is_job(name)) {
        return move->remove ? 0 : move->visit(move->context, name, bytes);
    }
    if (move->remove) {
        return gs_notes_remove(move->directory, name);
    }
    struct gs_buffer copy = {0};
    gs_buffer_append(&copy, bytes.bytes, bytes.length);
    if (copy.failed == 0 && copy.length > 0) {
        gs_books_put(move->keeper->books, GS_BOOK_JOBS, name, &copy);
    }
    int error = copy.failed;
    gs_buffer_close(&copy);
    return error;
}

int gs_book_keeper_visit(struct gs_book_keeper *keeper, const char *notes_directory, gs_notes_fn visit, void *context,
                         struct gs_problem *problem) {
    if (keeper == NULL) {
        return gs_notes_visit(notes_directory, visit, context, problem);
    }
    struct move move = {.keeper = keeper, .directory = notes_directory, .visit = visit, .context = context};
    int error = gs_notes_visit(notes_directory, visit_file, &move, problem);
    if (error == 0) {
        error = gs_books_visit_jobs(keeper->books, visit, context, problem);
    }
    if (error == 0) {
        move.remove = true;
        error = gs_notes_visit(notes_directory, visit_file, &move, problem);
    }
    return error;
}

void gs_book_keeper_begin(struct gs_book_keeper *keeper, const struct gs_core *core) {
    if (keeper == NULL) {
        return;
    }
    struct gs_buffer number = {0};
    gs_buffer_printf(&number, "%" PRIu64, gs_core_conflicts_recorded(core));
    if (number.failed == 0) {
        gs_books_put(keeper->books, GS_BOOK_NO_CONFLICTS, "", &number);
    }
    gs_buffer_close(&number);
    keeper->conflicts = 0;
    keeper->looks = 0;
}

static void look_for_conflicts(struct gs_book_keeper *keeper, const struct gs_core *core) {
    if (gs_core_conflicts_recorded(core) <= keeper->conflicts || gs_books_waiting(keeper->books) >= WAITING_MAX) {
        return;
    }
    struct gs_buffer list = {0};
    uint64_t last = keeper->conflicts;
    if (gs_core_write_conflicts(core, keeper->conflicts, CONFLICTS_A_LOOK, &list, &last) == 0 &&
        last > keeper->conflicts) {
        char name[24];
        snprintf(name, sizeof name, "%" PRIu64, last);
        gs_books_put(keeper->books, GS_BOOK_CONFLICTS, name, &list);
        keeper->conflicts = last;
    }
    gs_buffer_close(&list);
}

void gs_book_keeper_look(struct gs_book_keeper *keeper, const struct gs_core *core) {
    if (keeper == NULL) {
        return;
    }
    look_for_conflicts(keeper, core);
    if (keeper->looks++ % PEERS_EVERY == PEERS_FIRST) {
        struct gs_buffer list = {0};
        if (gs_core_write_peers(core, &list) == 0 && list.length > 2) {
            gs_books_put(keeper->books, GS_BOOK_PEERS, "", &list);
        }
        gs_buffer_close(&list);
    }
}
