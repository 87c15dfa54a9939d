#include "node/store/sqlite_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What was made of the log goes with its end: versions and vector clocks are counted from its beginning. */
static int forget_after(struct gs_sqlite *sqlite, uint64_t after) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(sqlite->db, "DELETE FROM delta_log WHERE position > ?1", -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(statement, 1, (int64_t)after);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    return result != SQLITE_OK
               ? result
               : sqlite3_exec(sqlite->db,
                              "DELETE FROM aggregate_events; DELETE FROM event_versions; DELETE FROM aggregates; "
                              "DELETE FROM origins; DELETE FROM checkpoints; DELETE FROM kept_entries; "
                              "DELETE FROM aggregate_states",
                              NULL, NULL, NULL);
}

/* 0 or why the records do not continue what is left; `ret_result` is SQLite's. */
static int append_kept(struct gs_sqlite *sqlite, struct gs_slice kept, uint32_t count, int *ret_result) {
    gs_vector_close(&sqlite->chain.heads);
    int error = gs_sqlite_load_heads(sqlite);
    if (error == 0 && count > 0) {
        error = gs_chain_check(&sqlite->chain, kept, count);
    }
    for (uint32_t i = 0; error == 0 && i < count && *ret_result == SQLITE_OK; i++) {
        *ret_result = gs_sqlite_insert_link(sqlite, &sqlite->chain.links[i], sqlite->next_position + i);
    }
    return error;
}

/* The copy is a database like this one: whatever reads a store reads it. */
static int copy_whole(struct gs_sqlite *sqlite, const char *path) {
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(sqlite->db, "VACUUM INTO ?1", -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        result = result == SQLITE_DONE ? SQLITE_OK : result;
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    return result;
}

/* SQLite leaves that to us. */
static int sync_copy(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int result = file >= 0 ? fsync(file) : -1;
    if (file >= 0) {
        close(file);
    }
    return result == 0 ? gs_sqlite_sync_directory(path, NULL) : GS_EIO;
}

int gs_sqlite_set_aside(struct gs_store *store, uint64_t now_ms, char ret_where[GS_STORE_ASIDE_MAX]) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    int length = snprintf(ret_where, GS_STORE_ASIDE_MAX, "%s.aside-%llu", sqlite3_db_filename(sqlite->db, "main"),
                          (unsigned long long)now_ms);
    if (sqlite->failed || length < 0 || length >= GS_STORE_ASIDE_MAX) {
        return GS_EIO;
    }
    if (access(ret_where, F_OK) == 0) {
        (void)snprintf(store->trouble, sizeof store->trouble, "%.200s is there already", ret_where);
        return GS_ESTORE;
    }
    int result = copy_whole(sqlite, ret_where);
    if (result != SQLITE_OK) {
        (void)snprintf(store->trouble, sizeof store->trouble, "%s", sqlite3_errmsg(sqlite->db));
        (void)remove(ret_where);
        return result == SQLITE_FULL || result == SQLITE_CANTOPEN ? GS_ESTORE : GS_EIO;
    }
    if (sync_copy(ret_where) != 0) {
        (void)remove(ret_where);
        return GS_EIO;
    }
    sqlite->failed = true; /* what follows leaves nothing in memory that fits it */
    result = gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_WRITE);
    if (result == SQLITE_OK) {
        result = forget_after(sqlite, 0);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_exec(sqlite->db, "DELETE FROM log_base", NULL, NULL, NULL);
    }
    if (result != SQLITE_OK) {
        return gs_sqlite_undo(sqlite, result, false);
    }
    result = gs_sqlite_run(sqlite, GS_SQLITE_COMMIT);
    return result == SQLITE_OK ? 0 : gs_sqlite_undo(sqlite, result, true);
}

int gs_sqlite_cut(struct gs_store *store, uint64_t after, struct gs_slice kept, uint32_t count) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    if (sqlite->failed) {
        return GS_EIO;
    }
    if (store->log_base.position > 0 || after >= sqlite->next_position) {
        return GS_EINVAL;
    }
    int result = gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_WRITE);
    if (result == SQLITE_OK) {
        result = forget_after(sqlite, after);
    }
    int error = result == SQLITE_OK ? append_kept(sqlite, kept, count, &result) : 0;
    if (result != SQLITE_OK || error != 0) {
        int undone = gs_sqlite_undo(sqlite, result != SQLITE_OK ? result : SQLITE_FULL, false);
        sqlite->failed = true; /* the heads in memory are those of a log that is not */
        return undone == GS_EIO || error == 0 ? undone : error;
    }
    result = gs_sqlite_run(sqlite, GS_SQLITE_COMMIT);
    if (result != SQLITE_OK) {
        return gs_sqlite_undo(sqlite, result, true);
    }
    if (count > 0) {
        gs_chain_accept(&sqlite->chain);
    }
    sqlite->next_position = after + count + 1;
    sqlite->indexed_known = false;
    store->stored = after + count;
    store->projected = 0;
    return 0;
}
