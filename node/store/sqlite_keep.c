/* Keeping states beside the log (node/core/keep.h): one transaction a keep, not synced, as nothing in it is the only
 * copy of anything. Every row has a hash over all of it; what does not match is named, and is not used. */
#include "node/store/failpoint.h"
#include "node/store/kept_hash.h"
#include "node/store/sqlite_impl.h"

#include <string.h>

static struct gs_slice slice_of(const struct gs_buffer *buffer) {
    return gs_slice_make(buffer->bytes, buffer->length);
}

/* Runs a statement whose parameters are bound. */
static int finish(sqlite3_stmt *statement, int bound) {
    int result = bound == SQLITE_OK ? sqlite3_step(statement) : bound;
    (void)sqlite3_reset(statement);          /* repeats the error of the step */
    (void)sqlite3_clear_bindings(statement); /* always SQLITE_OK; the bound bytes end here */
    return result == SQLITE_DONE ? SQLITE_OK : result == SQLITE_ROW ? SQLITE_MISUSE : result;
}

static int bind_blob(sqlite3_stmt *statement, int at, struct gs_slice bytes) {
    return bytes.length > 0 ? sqlite3_bind_blob64(statement, at, bytes.bytes, bytes.length, SQLITE_STATIC)
                            : sqlite3_bind_zeroblob(statement, at, 0);
}

static int bind_name(sqlite3_stmt *statement, int at, struct gs_slice name) {
    return sqlite3_bind_text(statement, at, (const char *)name.bytes, (int)name.length, SQLITE_STATIC);
}

static int insert_state(struct gs_sqlite *sqlite, const struct gs_keep_state *state) {
    sqlite3_stmt *insert = sqlite->statements[GS_SQLITE_STATE_ADD];
    const struct gs_kept_state kept = {
        .version = state->version, .position = state->position, .updated = state->updated, .state = state->state};
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    gs_kept_state_hash(state->type, state->id, &kept, hash);
    const int results[] = {
        bind_name(insert, 1, state->type),
        bind_name(insert, 2, state->id),
        sqlite3_bind_int64(insert, 3, (int64_t)state->version),
        sqlite3_bind_int64(insert, 4, (int64_t)state->position),
        sqlite3_bind_int64(insert, 5, (int64_t)state->updated),
        sqlite3_bind_blob(insert, 6, hash, sizeof hash, SQLITE_STATIC),
        bind_blob(insert, 7, slice_of(&state->state)),
    };
    int bound = SQLITE_OK;
    for (size_t i = 0; i < sizeof results / sizeof results[0] && bound == SQLITE_OK; i++) {
        bound = results[i];
    }
    return finish(insert, bound);
}

/* The two versions kept before; 0: none. */
static int find_before(struct gs_sqlite *sqlite, const struct gs_keep_state *state, uint64_t ret_versions[2]) {
    sqlite3_stmt *find = sqlite->statements[GS_SQLITE_STATES_BEFORE];
    int result = bind_name(find, 1, state->type);
    if (result == SQLITE_OK) {
        result = bind_name(find, 2, state->id);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(find, 3, (int64_t)state->version);
    }
    ret_versions[0] = ret_versions[1] = 0;
    for (int i = 0; i < 2 && result == SQLITE_OK; i++) {
        result = sqlite3_step(find);
        if (result == SQLITE_ROW) {
            ret_versions[i] = (uint64_t)sqlite3_column_int64(find, 0);
            result = SQLITE_OK;
        }
    }
    (void)sqlite3_reset(find);          /* repeats the error of the step */
    (void)sqlite3_clear_bindings(find); /* always SQLITE_OK; the bound bytes end here */
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* A state that is near enough to the one before it serves nobody who looks back, once a newer one is there for starts.
 */
static int thin_out(struct gs_sqlite *sqlite, const struct gs_keep_state *state) {
    uint64_t before[2];
    int result = find_before(sqlite, state, before);
    /* Where the first events are gone, the oldest state stands for them. */
    bool is_first = before[1] == 0 && gs_base_floor(&sqlite->base.log_base, state->type) > 0;
    if (result != SQLITE_OK || before[0] == 0 || is_first || state->version - before[1] > GS_KEEP_SPACING) {
        return result;
    }
    sqlite3_stmt *drop = sqlite->statements[GS_SQLITE_STATE_DROP];
    result = bind_name(drop, 1, state->type);
    if (result == SQLITE_OK) {
        result = bind_name(drop, 2, state->id);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(drop, 3, (int64_t)before[0]);
    }
    return finish(drop, result);
}

static int write_checkpoint(struct gs_sqlite *sqlite, const struct gs_keep *keep) {
    sqlite3_stmt *set = sqlite->statements[GS_SQLITE_CHECKPOINT_SET];
    const uint64_t numbers[] = {keep->low, keep->position};
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    gs_kept_row_hash("gs-keep-core-v1", numbers, 2, slice_of(&keep->core), hash);
    int bound = sqlite3_bind_int64(set, 1, (int64_t)keep->low);
    if (bound == SQLITE_OK) {
        bound = sqlite3_bind_int64(set, 2, (int64_t)keep->position);
    }
    if (bound == SQLITE_OK) {
        bound = sqlite3_bind_blob(set, 3, hash, sizeof hash, SQLITE_STATIC);
    }
    if (bound == SQLITE_OK) {
        bound = bind_blob(set, 4, slice_of(&keep->core));
    }
    return finish(set, bound);
}

static int write_entries(struct gs_sqlite *sqlite, int journal, const struct gs_keep_entries *entries) {
    sqlite3_stmt *add = sqlite->statements[GS_SQLITE_ENTRIES_ADD];
    const uint64_t numbers[] = {(uint64_t)journal, entries->last, entries->first};
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    int result = SQLITE_OK;
    if (entries->first <= entries->last) {
        gs_kept_row_hash("gs-keep-entry-v1", numbers, 3, slice_of(&entries->entries), hash);
        for (int i = 0; i < 3 && result == SQLITE_OK; i++) {
            result = sqlite3_bind_int64(add, i + 1, (int64_t)numbers[i]);
        }
        if (result == SQLITE_OK) {
            result = sqlite3_bind_blob(add, 4, hash, sizeof hash, SQLITE_STATIC);
        }
        if (result == SQLITE_OK) {
            result = bind_blob(add, 5, slice_of(&entries->entries));
        }
        result = finish(add, result);
    }
    sqlite3_stmt *drop = sqlite->statements[GS_SQLITE_ENTRIES_DROP];
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(drop, 1, journal);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_bind_int64(drop, 2, (int64_t)entries->oldest);
    }
    return result == SQLITE_OK ? finish(drop, result) : result;
}

int gs_sqlite_write_keep(struct gs_sqlite *sqlite, const struct gs_keep *keep, bool first) {
    int result = SQLITE_OK;
    for (uint32_t i = 0; i < keep->count && result == SQLITE_OK; i++) {
        result = insert_state(sqlite, &keep->states[i]);
        if (result == SQLITE_OK && !first) {
            result = thin_out(sqlite, &keep->states[i]);
        }
    }
    for (int i = 0; i < GS_KEEP_JOURNALS && result == SQLITE_OK; i++) {
        result = write_entries(sqlite, i, &keep->journals[i]);
    }
    return result == SQLITE_OK && keep->core.length > 0 ? write_checkpoint(sqlite, keep) : result;
}

static int write_all(struct gs_sqlite *sqlite, const struct gs_keep *keep) {
    int result = gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_WRITE);
    if (result == SQLITE_OK) {
        result = gs_sqlite_write_keep(sqlite, keep, false);
    }
    GS_FAILPOINT("keep.commit");
    return result == SQLITE_OK ? gs_sqlite_run(sqlite, GS_SQLITE_COMMIT) : result;
}

int gs_sqlite_keep(struct gs_store *store, const struct gs_keep *keep) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    if (sqlite->failed) {
        return GS_EIO;
    }
    if (keep->position >= sqlite->next_position) {
        return GS_ESTORE; /* the commit that it goes with has failed */
    }
    int result = gs_sqlite_sync_lazily(sqlite, true);
    if (result == SQLITE_OK) {
        result = write_all(sqlite, keep);
    }
    int error = result == SQLITE_OK ? 0 : gs_sqlite_undo(sqlite, result, false);
    return gs_sqlite_sync_lazily(sqlite, false) == SQLITE_OK ? error : gs_sqlite_undo(sqlite, SQLITE_IOERR, false);
}

static bool hash_matches(sqlite3_stmt *statement, int column, const uint8_t hash[GS_LOG_CHECKSUM_SIZE]) {
    const void *stored = sqlite3_column_blob(statement, column);
    return stored != NULL && sqlite3_column_bytes(statement, column) == GS_LOG_CHECKSUM_SIZE &&
           memcmp(stored, hash, GS_LOG_CHECKSUM_SIZE) == 0;
}

static struct gs_slice column_slice(sqlite3_stmt *statement, int column) {
    const void *bytes = sqlite3_column_blob(statement, column);
    return gs_slice_make(bytes, (size_t)sqlite3_column_bytes(statement, column));
}

struct visiting {
    struct gs_sqlite *sqlite;
    const struct gs_kept_visitor *visitor;
    struct gs_problem *problem;
};

static int visit_checkpoint(const struct visiting *visiting, sqlite3_stmt *statement) {
    const uint64_t numbers[] = {(uint64_t)sqlite3_column_int64(statement, 0),
                                (uint64_t)sqlite3_column_int64(statement, 1)};
    struct gs_slice bytes = column_slice(statement, 3);
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    gs_kept_row_hash("gs-keep-core-v1", numbers, 2, bytes, hash);
    if (!hash_matches(statement, 2, hash) || numbers[0] > numbers[1] || numbers[1] >= visiting->sqlite->next_position) {
        return gs_problem_set(visiting->problem, GS_ECORRUPT, NULL, "the checkpoint is damaged");
    }
    return visiting->visitor->checkpoint(visiting->visitor->context, numbers[0], numbers[1], bytes);
}

static int visit_entries(const struct visiting *visiting, sqlite3_stmt *statement) {
    const uint64_t numbers[] = {(uint64_t)sqlite3_column_int64(statement, 0),
                                (uint64_t)sqlite3_column_int64(statement, 1),
                                (uint64_t)sqlite3_column_int64(statement, 2)};
    struct gs_slice bytes = column_slice(statement, 4);
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    gs_kept_row_hash("gs-keep-entry-v1", numbers, 3, bytes, hash);
    if (!hash_matches(statement, 3, hash) || numbers[0] >= GS_KEEP_JOURNALS) {
        return gs_problem_set(visiting->problem, GS_ECORRUPT, NULL, "kept entries up to %llu are damaged",
                              (unsigned long long)numbers[1]);
    }
    return visiting->visitor->entries(visiting->visitor->context, (enum gs_keep_journal)numbers[0], numbers[2],
                                      numbers[1], bytes);
}

static int visit_state(const struct visiting *visiting, sqlite3_stmt *statement, struct gs_kept_state *kept) {
    struct gs_keep_state state = {
        .type = gs_slice_make(sqlite3_column_text(statement, 5), (size_t)sqlite3_column_bytes(statement, 5)),
        .id = gs_slice_make(sqlite3_column_text(statement, 6), (size_t)sqlite3_column_bytes(statement, 6))};
    int error = gs_sqlite_state_load(statement, state.type, state.id, kept);
    if (error == 0) {
        state.version = kept->version;
        state.position = kept->position;
        state.updated = kept->updated;
        state.state = kept->state;
        error = visiting->visitor->state(visiting->visitor->context, &state);
    }
    if (error == GS_ECORRUPT) {
        gs_problem_set(visiting->problem, error, NULL, "the kept state of %.*s/%.*s is damaged", (int)state.type.length,
                       (const char *)state.type.bytes, (int)state.id.length, (const char *)state.id.bytes);
    }
    return error;
}

typedef int (*row_fn)(const struct visiting *visiting, sqlite3_stmt *statement, struct gs_kept_state *kept);

static int checkpoint_row(const struct visiting *visiting, sqlite3_stmt *statement, struct gs_kept_state *kept) {
    (void)kept;
    return visit_checkpoint(visiting, statement);
}

static int entries_row(const struct visiting *visiting, sqlite3_stmt *statement, struct gs_kept_state *kept) {
    (void)kept;
    return visit_entries(visiting, statement);
}

/* Walks the rows of `sql`; `ret_count` of them. */
static int walk(const struct visiting *visiting, const char *sql, row_fn row, uint64_t *ret_count) {
    sqlite3_stmt *statement = NULL;
    struct gs_kept_state kept = {0};
    int result = sqlite3_prepare_v2(visiting->sqlite->db, sql, -1, &statement, NULL);
    int error = result == SQLITE_OK ? 0 : gs_sqlite_error(result);
    uint64_t count = 0;
    while (error == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        error = row(visiting, statement, &kept);
        count++;
    }
    if (error == 0 && result != SQLITE_DONE) {
        error = gs_sqlite_error(result);
    }
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    gs_buffer_close(&kept.state);
    *ret_count = count;
    return error;
}

int gs_sqlite_visit_kept(struct gs_store *store, const struct gs_kept_visitor *visitor, struct gs_problem *problem) {
    const struct visiting visiting = {.sqlite = gs_sqlite_of(store), .visitor = visitor, .problem = problem};
    uint64_t count = 0;
    int error =
        walk(&visiting, "SELECT low, position, hash, core FROM checkpoints WHERE number = 1", checkpoint_row, &count);
    if (error == 0 && count == 0) {
        return GS_ENOTFOUND;
    }
    if (error == 0) {
        error = walk(&visiting, "SELECT journal, last, first, hash, entries FROM kept_entries ORDER BY journal, last",
                     entries_row, &count);
    }
    /* With max() SQLite takes the other columns from the row that has it (sqlite.org/lang_select.html#bareagg). */
    if (error == 0) {
        error = walk(&visiting,
                     "SELECT max(version), position, updated, hash, state, type, id FROM aggregate_states GROUP BY "
                     "type, id",
                     visit_state, &count);
    }
    return error;
}

int gs_sqlite_forget_kept(struct gs_store *store) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    int result = sqlite->failed ? SQLITE_IOERR
                                : sqlite3_exec(sqlite->db,
                                               "BEGIN IMMEDIATE; DELETE FROM checkpoints; DELETE FROM kept_entries; "
                                               "DELETE FROM aggregate_states; COMMIT",
                                               NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : gs_sqlite_undo(sqlite, result, false);
}
