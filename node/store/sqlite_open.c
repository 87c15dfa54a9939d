#include "node/store/engines.h"
#include "node/store/failpoint.h"
#include "node/store/lock_file.h"
#include "node/store/sqlite_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gs_sqlite *gs_sqlite_of(struct gs_store *store) {
    return (struct gs_sqlite *)store;
}

static void sqlite_close(struct gs_store *store) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    gs_sqlite_finalize(sqlite);
    /* Without statements it cannot be busy; what its last checkpoint does not manage is still in the WAL. */
    (void)sqlite3_close(sqlite->db);
    gs_lock_file_release(sqlite->lock_fd);
    gs_chain_close(&sqlite->chain);
    gs_base_close(&store->log_base);
    free(sqlite);
}

static const struct gs_store_methods sqlite_methods = {
    .name = "sqlite",
    .append = gs_sqlite_append,
    .replay = gs_sqlite_replay,
    .read_lacking = gs_sqlite_read_lacking,
    .read_event = gs_sqlite_read_event,
    .project = gs_sqlite_project,
    .open_history = gs_sqlite_open_history,
    .replay_after = gs_sqlite_replay_after,
    .keep = gs_sqlite_keep,
    .visit_kept = gs_sqlite_visit_kept,
    .forget_kept = gs_sqlite_forget_kept,
    .install = gs_sqlite_install,
    .truncate = gs_sqlite_truncate,
    .cut = gs_sqlite_cut,
    .set_aside = gs_sqlite_set_aside,
    .rewrite = gs_sqlite_rewrite,
    .scrub = gs_sqlite_scrub,
    .inspect = gs_sqlite_inspect,
    .heal = gs_sqlite_heal,
    .close = sqlite_close,
};

/* One name for each file, so that two names do not lead to two locks; and never one of SQLite's special names
 * (":memory:", "file:…"). */
static int resolve_path(const char *path, char ret_path[PATH_MAX], struct gs_problem *problem) {
    char resolved[PATH_MAX];
    if (realpath(path, resolved) != NULL) {
        memcpy(ret_path, resolved, sizeof resolved);
        return 0;
    }
    if (errno != ENOENT) {
        return gs_problem_set(problem, GS_EIO, NULL, "%s: %s", path, strerror(errno));
    }
    int length = snprintf(ret_path, PATH_MAX, "%s%s", path[0] == '/' ? "" : "./", path);
    if (length < 0 || length >= PATH_MAX) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "the path is longer than %d bytes", PATH_MAX - 1);
    }
    return 0;
}

/* Runs a pragma and checks that it answers `expected`. SQLITE_OK or an SQLite error. */
static int pragma(sqlite3 *db, const char *sql, const char *expected) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
    }
    if (result == SQLITE_ROW) {
        const char *answer = (const char *)sqlite3_column_text(statement, 0);
        result = expected == NULL || (answer != NULL && strcmp(answer, expected) == 0) ? SQLITE_OK : SQLITE_ERROR;
    } else if (result == SQLITE_DONE) {
        result = expected == NULL ? SQLITE_OK : SQLITE_ERROR;
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    return result;
}

/* What is safe to set before it is known whose database it is. */
static int configure(sqlite3 *db) {
    int result = sqlite3_extended_result_codes(db, 1);
    if (result == SQLITE_OK) {
        result = sqlite3_busy_timeout(db, 0);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    }
    static const char *const pragmas[] = {
        "PRAGMA foreign_keys = OFF",   "PRAGMA trusted_schema = OFF",
        "PRAGMA cell_size_check = ON", /* notices more damage */
        "PRAGMA mmap_size = 0",        /* an error of the disk is a result, not SIGBUS */
        "PRAGMA cache_size = -32768",  /* KiB: an index over more aggregates than pages would be read with each slice */
        "PRAGMA synchronous = FULL",
    };
    for (size_t i = 0; i < sizeof pragmas / sizeof pragmas[0] && result == SQLITE_OK; i++) {
        result = pragma(db, pragmas[i], NULL);
    }
    return result;
}

static int enable_wal(struct gs_sqlite *sqlite, const char *path, struct gs_problem *problem) {
    int result = pragma(sqlite->db, "PRAGMA journal_mode = WAL", "wal");
    if (result == SQLITE_ERROR) {
        return gs_problem_set(problem, GS_EIO, NULL, "%s: the file system does not support SQLite's write-ahead log",
                              path);
    }
    char text[64];
    (void)snprintf(text, sizeof text, "PRAGMA journal_size_limit = %d", GS_SQLITE_WAL_BYTES_KEPT);
    if (result == SQLITE_OK) {
        result = pragma(sqlite->db, text, NULL);
    }
    if (result == SQLITE_OK) {
        result = pragma(sqlite->db, "PRAGMA synchronous", "2");
    }
    (void)sqlite3_wal_hook(sqlite->db, gs_sqlite_wal_grew, sqlite); /* ends automatic checkpoints */
    return result == SQLITE_OK ? 0 : gs_sqlite_problem(problem, sqlite->db, path, result);
}

/* The file's name is durable only once its directory is. */
int gs_sqlite_sync_directory(const char *path, struct gs_problem *problem) {
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int cause = errno;
    if (fd >= 0) {
        close(fd);
    }
    return synced ? 0 : gs_problem_set(problem, GS_EIO, NULL, "the directory of %s: %s", path, strerror(cause));
}

static int open_schema(struct gs_sqlite *sqlite, const char *path, struct gs_problem *problem) {
    int error = gs_sqlite_check_schema(sqlite->db, path, problem);
    if (error == 0) {
        error = enable_wal(sqlite, path, problem);
    }
    if (error == 0) {
        error = gs_sqlite_migrate(sqlite->db, path, problem);
    }
    if (error == 0) {
        GS_FAILPOINT("settle.before");
        int result = gs_sqlite_settle(sqlite);
        GS_FAILPOINT("settle.after");
        error = result == SQLITE_OK ? 0 : gs_sqlite_problem(problem, sqlite->db, path, result);
    }
    return error == 0 ? gs_sqlite_sync_directory(path, problem) : error;
}

static int open_database(struct gs_sqlite *sqlite, const char *path, struct gs_problem *problem) {
    int error = gs_lock_file_acquire(path, &sqlite->lock_fd, problem);
    if (error != 0) {
        return error;
    }
    int result =
        sqlite3_open_v2(path, &sqlite->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result == SQLITE_OK) {
        result = configure(sqlite->db);
    }
    if (result != SQLITE_OK) {
        return gs_sqlite_problem(problem, sqlite->db, path, result);
    }
    error = open_schema(sqlite, path, problem);
    if (error != 0) {
        return error;
    }
    result = gs_sqlite_prepare(sqlite);
    if (result != SQLITE_OK) {
        return gs_sqlite_problem(problem, sqlite->db, path, result);
    }
    error = gs_sqlite_load_heads(sqlite);
    const char *trouble = sqlite->base.trouble;
    return error == 0 ? 0
                      : gs_problem_set(problem, error, NULL, "%s: %s", path,
                                       trouble[0] != '\0' ? trouble : gs_error_message(error));
}

int gs_sqlite_open(const char *path, struct gs_store **ret_store, struct gs_problem *problem) {
    char resolved[PATH_MAX];
    int error = resolve_path(path, resolved, problem);
    if (error != 0) {
        return error;
    }
    struct gs_sqlite *sqlite = calloc(1, sizeof *sqlite);
    if (sqlite == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "%s: no memory for a store", path);
    }
    sqlite->base.methods = &sqlite_methods;
    sqlite->lock_fd = -1;
    error = open_database(sqlite, resolved, problem);
    if (error != 0) {
        sqlite_close(&sqlite->base);
        return error;
    }
    *ret_store = &sqlite->base;
    return 0;
}
