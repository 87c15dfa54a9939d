#include "node/store/failpoint.h"
#include "node/store/sqlite_impl.h"
#include "node/store/truncate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Errors travel as SQLite's beside the library's, so that the end of the step can tell a full disk from a broken one.
 */
struct step {
    struct gs_sqlite *sqlite;
    int result; /* SQLITE_OK, or the first error */
};

static int fail(struct step *step, int result) {
    if (result == SQLITE_OK) {
        return 0;
    }
    step->result = result;
    return gs_sqlite_error(result);
}

static void release(sqlite3_stmt *statement) {
    (void)sqlite3_reset(statement);          /* repeats the error of the step */
    (void)sqlite3_clear_bindings(statement); /* always SQLITE_OK; the bound bytes end here */
}

static int read_rows(void *context, uint64_t after, uint32_t max, gs_store_record_fn visit, void *visit_context) {
    struct step *step = context;
    sqlite3_stmt *replay = step->sqlite->statements[GS_SQLITE_REPLAY];
    int error = fail(step, sqlite3_bind_int64(replay, 1, (int64_t)after));
    for (uint32_t i = 0; error == 0 && i < max; i++) {
        struct gs_log_row row;
        int result = sqlite3_step(replay);
        if (result != SQLITE_ROW) {
            error = result == SQLITE_DONE ? 0 : fail(step, result);
            break;
        }
        error = gs_sqlite_row_load(replay, &row);
        error = error == 0 ? visit(visit_context, row.position, row.record) : error;
    }
    release(replay);
    return error;
}

/* Runs a statement with the names, if `type` is not NULL, and numbers after them. Its first column, if it has a row
 * that is not NULL there: `ret_found`. */
static int run(struct step *step, enum gs_sqlite_statement which, const struct gs_slice *type,
               const struct gs_slice *id, const uint64_t numbers[2], int count, bool *ret_found, uint64_t *ret_number) {
    sqlite3_stmt *statement = step->sqlite->statements[which];
    int at = 1;
    int result = SQLITE_OK;
    if (type != NULL) {
        result = sqlite3_bind_text(statement, at++, (const char *)type->bytes, (int)type->length, SQLITE_STATIC);
    }
    if (type != NULL && result == SQLITE_OK) {
        result = sqlite3_bind_text(statement, at++, (const char *)id->bytes, (int)id->length, SQLITE_STATIC);
    }
    for (int i = 0; i < count && result == SQLITE_OK; i++) {
        result = sqlite3_bind_int64(statement, at++, (int64_t)numbers[i]);
    }
    result = result == SQLITE_OK ? sqlite3_step(statement) : result;
    bool found = result == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL;
    if (found && ret_number != NULL) {
        *ret_number = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    release(statement);
    if (ret_found != NULL) {
        *ret_found = found;
    }
    return result == SQLITE_ROW || result == SQLITE_DONE ? 0 : fail(step, result);
}

static int no_state(struct step *step, struct gs_slice type, struct gs_slice id, uint64_t version) {
    (void)snprintf(step->sqlite->base.trouble, sizeof step->sqlite->base.trouble,
                   "no kept state of %.*s/%.*s has its events up to version %" PRIu64 ": they stay", (int)type.length,
                   (const char *)type.bytes, (int)id.length, (const char *)id.bytes, version);
    return GS_ECORRUPT;
}

/* The aggregate's number, and how many of its events are gone once those up to `floor` are. */
static int find_gone(struct step *step, struct gs_slice type, struct gs_slice id, uint64_t floor, uint64_t *ret_number,
                     uint64_t *ret_gone) {
    bool found = false;
    uint64_t version = 0;
    int error = run(step, GS_SQLITE_AGGREGATE_VERSION, &type, &id, NULL, 0, &found, &version);
    error = error == 0 ? run(step, GS_SQLITE_AGGREGATE_FIND, &type, &id, NULL, 0, &found, ret_number) : error;
    if (error != 0 || !found) {
        return error != 0 ? error : GS_ECORRUPT;
    }
    uint64_t next = version + 1;
    const uint64_t numbers[] = {*ret_number, floor};
    error = run(step, GS_SQLITE_EVENT_AFTER, NULL, NULL, numbers, 2, &found, &next);
    *ret_gone = next - 1;
    return error;
}

static int cut(void *context, struct gs_slice type, struct gs_slice id, uint64_t floor) {
    struct step *step = context;
    uint64_t number = 0;
    uint64_t gone = 0;
    uint64_t oldest = 0;
    bool found = false;
    int error = find_gone(step, type, id, floor, &number, &gone);
    if (error == 0) {
        error = run(step, GS_SQLITE_STATE_FROM, &type, &id, (const uint64_t[]){gone, 0}, 1, &found, &oldest);
    }
    if (error == 0 && !found) {
        error = no_state(step, type, id, gone);
    }
    if (error == 0) {
        error = run(step, GS_SQLITE_EVENTS_DROP, NULL, NULL, (const uint64_t[]){number, gone}, 2, NULL, NULL);
    }
    GS_FAILPOINT("truncate.states");
    if (error == 0) {
        error = run(step, GS_SQLITE_STATES_DROP, &type, &id, (const uint64_t[]){oldest, 0}, 1, NULL, NULL);
    }
    return error;
}

static int drop(void *context, uint64_t position) {
    const uint64_t numbers[] = {position, 0};
    GS_FAILPOINT("truncate.drop");
    int error = run(context, GS_SQLITE_RECORD_DROP, NULL, NULL, numbers, 1, NULL, NULL);
    return error == 0 ? run(context, GS_SQLITE_VERSIONS_DROP, NULL, NULL, numbers, 1, NULL, NULL) : error;
}

static int set_base(void *context, const struct gs_base *base) {
    struct step *step = context;
    GS_FAILPOINT("truncate.base");
    return fail(step, gs_sqlite_write_base(step->sqlite, base));
}

int gs_sqlite_truncate(struct gs_store *store, const struct gs_truncation *truncation,
                       struct gs_truncated *ret_truncated) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    struct step step = {.sqlite = sqlite, .result = SQLITE_OK};
    const struct gs_truncate_engine engine = {
        .context = &step,
        .base = &store->log_base,
        .indexed = sqlite->indexed_known ? sqlite->indexed : 0,
        .read = read_rows,
        .cut = cut,
        .drop = drop,
        .set_base = set_base,
    };
    struct gs_base base = {0};
    if (sqlite->failed) {
        return GS_EIO;
    }
    int error = fail(&step, gs_sqlite_run(sqlite, GS_SQLITE_BEGIN_WRITE));
    error = error == 0 ? gs_truncate_step(&engine, truncation, &base, ret_truncated) : error;
    if (error != 0) {
        char trouble[sizeof store->trouble];
        memcpy(trouble, store->trouble, sizeof trouble);
        int undone = gs_sqlite_undo(sqlite, step.result != SQLITE_OK ? step.result : SQLITE_FULL, false);
        if (error == GS_ECORRUPT) {
            memcpy(store->trouble, trouble, sizeof trouble);
        }
        return undone == GS_EIO || step.result != SQLITE_OK ? undone : error;
    }
    /* Synced, as an append is: and everything that was kept before it is in the same file before it. */
    if (base.position > 0) {
        GS_FAILPOINT("truncate.commit");
    }
    int result = gs_sqlite_run(sqlite, GS_SQLITE_COMMIT);
    if (result != SQLITE_OK) {
        gs_base_close(&base);
        return gs_sqlite_undo(sqlite, result, true);
    }
    if (base.position > 0) {
        GS_FAILPOINT("truncate.after");
        gs_base_close(&store->log_base);
        store->log_base = base;
    }
    return gs_truncated_describe(&store->log_base, ret_truncated);
}
