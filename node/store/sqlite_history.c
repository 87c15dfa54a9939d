/* Readers of the past: read-only connections of their own, which neither checkpoint nor delay a commit (WAL). */
#include "node/store/history.h"
#include "node/store/sqlite_impl.h"

#include <stdlib.h>
#include <string.h>

enum statement {
    BEGIN,
    END,
    LAST,
    INDEXED,
    RECORD,
    VERSIONS,
    ORIGIN,
    AGGREGATE,
    ENTRIES_UP,
    ENTRIES_DOWN,
    ORIGIN_RECORD,
    STATE,
    INDEXED_STATE,
    STATEMENT_COUNT
};

#define ROW_COLUMNS "position, origin, first_seq, last_seq, checksum, record"
#define BASE_POSITION "(SELECT coalesce(max(position), 0) FROM log_base)"
#define INDEXED_POSITION "max((SELECT coalesce(max(position), 0) FROM event_versions), " BASE_POSITION ")"
#define ENTRY_QUERY                                                                                                    \
    "SELECT version, position, event, clock FROM aggregate_events WHERE aggregate = ?1 AND version >= ?2 AND version " \
    "<= ?3 ORDER BY version"

static const char *const texts[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN",
    [END] = "ROLLBACK",
    [LAST] = "SELECT max((SELECT coalesce(max(position), 0) FROM delta_log), " BASE_POSITION ")",
    [INDEXED] = "SELECT " INDEXED_POSITION,
    [RECORD] = "SELECT " ROW_COLUMNS " FROM delta_log WHERE position = ?1",
    [VERSIONS] = "SELECT list FROM event_versions WHERE position = ?1",
    [ORIGIN] = "SELECT origin FROM origins WHERE number = ?1",
    [AGGREGATE] = "SELECT number, version FROM aggregates WHERE type = ?1 AND id = ?2",
    [ENTRIES_UP] = ENTRY_QUERY " LIMIT ?4",
    [ENTRIES_DOWN] = ENTRY_QUERY " DESC LIMIT ?4",
    [ORIGIN_RECORD] =
        "SELECT " ROW_COLUMNS " FROM delta_log WHERE origin = ?1 AND last_seq >= ?2 ORDER BY last_seq LIMIT 1",
    [STATE] = "SELECT version, position, updated, hash, state FROM aggregate_states WHERE type = ?1 AND id = ?2 AND "
              "version <= ?3 ORDER BY version DESC LIMIT 1",
    [INDEXED_STATE] = "SELECT version FROM aggregate_states WHERE type = ?1 AND id = ?2 AND position <= "
                      "(SELECT " INDEXED_POSITION ") ORDER BY version DESC LIMIT 1",
};

struct reader {
    struct gs_history_reader base;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    gs_origin *origins; /* by number − 1, as far as they were asked for; owned */
    uint32_t origin_count;
};

static struct reader *reader_of(struct gs_history_reader *base) {
    return (struct reader *)base;
}

static void release(sqlite3_stmt *statement) {
    (void)sqlite3_reset(statement);          /* repeats the error of the step */
    (void)sqlite3_clear_bindings(statement); /* always SQLITE_OK; the bound bytes end here */
}

static int run(sqlite3_stmt *statement) {
    int result = sqlite3_step(statement);
    (void)sqlite3_reset(statement); /* repeats the error of the step */
    return result == SQLITE_DONE ? 0 : gs_sqlite_error(result);
}

/* 0 on a row, GS_ENOTFOUND, or an error. `bound` is what binding said. */
static int step(sqlite3_stmt *statement, int bound) {
    int result = bound == SQLITE_OK ? sqlite3_step(statement) : bound;
    return result == SQLITE_ROW ? 0 : result == SQLITE_DONE ? GS_ENOTFOUND : gs_sqlite_error(result);
}

static int begin(struct gs_history_reader *base) {
    return run(reader_of(base)->statements[BEGIN]);
}

static void end(struct gs_history_reader *base) {
    struct reader *reader = reader_of(base);
    if (!sqlite3_get_autocommit(reader->db)) {
        (void)run(reader->statements[END]); /* a read transaction loses nothing */
    }
}

static int number_of(sqlite3_stmt *statement, uint64_t *ret_number) {
    int error = step(statement, SQLITE_OK);
    uint64_t number = error == 0 ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    release(statement);
    *ret_number = number;
    return error;
}

static int extent(struct gs_history_reader *base, uint64_t *ret_last, uint64_t *ret_indexed) {
    struct reader *reader = reader_of(base);
    int error = number_of(reader->statements[LAST], ret_last);
    return error != 0 ? error : number_of(reader->statements[INDEXED], ret_indexed);
}

static int log_base(struct gs_history_reader *reader, struct gs_base *ret_base) {
    return gs_sqlite_read_base(reader_of(reader)->db, ret_base);
}

/* Appends the record on which `statement` stands, once its checksum matches. */
static int take_record(sqlite3_stmt *statement, struct gs_buffer *ret_record) {
    struct gs_log_row row;
    int error = gs_sqlite_row_load(statement, &row);
    if (error == 0) {
        gs_buffer_append(ret_record, row.record.bytes, row.record.length);
        error = ret_record->failed;
    }
    return error;
}

static int record(struct gs_history_reader *base, uint64_t position, struct gs_buffer *ret_record) {
    sqlite3_stmt *statement = reader_of(base)->statements[RECORD];
    int error = step(statement, sqlite3_bind_int64(statement, 1, (int64_t)position));
    if (error == 0) {
        error = take_record(statement, ret_record);
    }
    release(statement);
    return error;
}

static int versions(struct gs_history_reader *base, uint64_t position, struct gs_buffer *ret_list) {
    sqlite3_stmt *statement = reader_of(base)->statements[VERSIONS];
    int error = step(statement, sqlite3_bind_int64(statement, 1, (int64_t)position));
    if (error == 0) {
        gs_buffer_append(ret_list, sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
        error = ret_list->failed;
    }
    release(statement);
    return error;
}

/* Numbers are given out without gaps and never change, so they are read once. */
static int load_origins(struct reader *reader, uint32_t number) {
    gs_origin *origins = realloc(reader->origins, number * sizeof *origins);
    if (origins == NULL) {
        return GS_ENOMEM;
    }
    reader->origins = origins;
    sqlite3_stmt *statement = reader->statements[ORIGIN];
    for (uint32_t next = reader->origin_count + 1; next <= number; next++) {
        int error = step(statement, sqlite3_bind_int64(statement, 1, next));
        if (error == 0 && sqlite3_column_bytes(statement, 0) != GS_ORIGIN_SIZE) {
            error = GS_ECORRUPT;
        }
        if (error == 0) {
            memcpy(origins[next - 1].bytes, sqlite3_column_blob(statement, 0), GS_ORIGIN_SIZE);
            reader->origin_count = next;
        }
        release(statement);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int origin(struct gs_history_reader *base, uint32_t number, gs_origin *ret_origin) {
    struct reader *reader = reader_of(base);
    if (number == 0 || number > GS_VECTOR_MAX) {
        return GS_ENOTFOUND;
    }
    int error = number > reader->origin_count ? load_origins(reader, number) : 0;
    if (error == 0) {
        *ret_origin = reader->origins[number - 1];
    }
    return error;
}

static int bind_names(sqlite3_stmt *statement, struct gs_slice type, struct gs_slice id) {
    int result = sqlite3_bind_text(statement, 1, (const char *)type.bytes, (int)type.length, SQLITE_STATIC);
    return result != SQLITE_OK ? result
                               : sqlite3_bind_text(statement, 2, (const char *)id.bytes, (int)id.length, SQLITE_STATIC);
}

static int find_aggregate(struct reader *reader, struct gs_slice type, struct gs_slice id, int64_t *ret_number,
                          uint64_t *ret_version) {
    sqlite3_stmt *statement = reader->statements[AGGREGATE];
    int error = step(statement, bind_names(statement, type, id));
    if (error == 0) {
        *ret_number = sqlite3_column_int64(statement, 0);
        *ret_version = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    release(statement);
    return error;
}

static int version(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id, uint64_t *ret_version) {
    int64_t number = 0;
    *ret_version = 0;
    int error = find_aggregate(reader_of(base), type, id, &number, ret_version);
    if (error == GS_ENOTFOUND) { /* no event since the base: then a state says what it was there (sqlite_project.c) */
        sqlite3_stmt *statement = reader_of(base)->statements[INDEXED_STATE];
        error = step(statement, bind_names(statement, type, id));
        *ret_version = error == 0 ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
        release(statement);
    }
    return error == GS_ENOTFOUND ? 0 : error;
}

static int64_t clamp(uint64_t number) {
    return number > INT64_MAX ? INT64_MAX : (int64_t)number;
}

static int entries(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id,
                   const struct gs_history_range *range, struct gs_history_entry *ret_entries, uint32_t max,
                   uint32_t *ret_count) {
    struct reader *reader = reader_of(base);
    int64_t number = 0;
    uint64_t last = 0;
    *ret_count = 0;
    int error = find_aggregate(reader, type, id, &number, &last);
    if (error != 0) {
        return error == GS_ENOTFOUND ? 0 : error;
    }
    sqlite3_stmt *statement = reader->statements[range->descending ? ENTRIES_DOWN : ENTRIES_UP];
    const int64_t values[] = {number, clamp(range->first), clamp(range->last), max};
    int bound = SQLITE_OK;
    for (int i = 0; i < 4 && bound == SQLITE_OK; i++) {
        bound = sqlite3_bind_int64(statement, i + 1, values[i]);
    }
    uint32_t count = 0;
    while (count < max && (error = step(statement, bound)) == 0) {
        ret_entries[count++] = (struct gs_history_entry){
            .version = (uint64_t)sqlite3_column_int64(statement, 0),
            .position = (uint64_t)sqlite3_column_int64(statement, 1),
            .event = (uint32_t)sqlite3_column_int64(statement, 2),
            .clock = (uint64_t)sqlite3_column_int64(statement, 3),
        };
    }
    release(statement);
    *ret_count = count;
    return error == GS_ENOTFOUND ? 0 : error;
}

static int origin_record(struct gs_history_reader *base, const gs_origin *wanted, uint64_t seq,
                         struct gs_buffer *ret_record) {
    sqlite3_stmt *statement = reader_of(base)->statements[ORIGIN_RECORD];
    int bound = sqlite3_bind_blob(statement, 1, wanted->bytes, GS_ORIGIN_SIZE, SQLITE_STATIC);
    if (bound == SQLITE_OK) {
        bound = sqlite3_bind_int64(statement, 2, clamp(seq));
    }
    int error = step(statement, bound);
    if (error == 0) {
        error = take_record(statement, ret_record);
    }
    release(statement);
    return error;
}

static int state(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id, uint64_t version_max,
                 struct gs_kept_state *ret_state) {
    sqlite3_stmt *statement = reader_of(base)->statements[STATE];
    if (statement == NULL) {
        return GS_ENOTFOUND;
    }
    int bound = bind_names(statement, type, id);
    if (bound == SQLITE_OK) {
        bound = sqlite3_bind_int64(statement, 3, clamp(version_max));
    }
    int error = step(statement, bound);
    if (error == 0) {
        error = gs_sqlite_state_load(statement, type, id, ret_state);
    }
    release(statement);
    return error;
}

static void close_reader(struct gs_history_reader *base) {
    struct reader *reader = reader_of(base);
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(reader->statements[i]); /* repeats the error of the last step */
    }
    (void)sqlite3_close(reader->db); /* without statements it cannot be busy */
    free(reader->origins);
    free(reader);
}

static const struct gs_history_methods methods = {
    .begin = begin,
    .end = end,
    .extent = extent,
    .base = log_base,
    .record = record,
    .versions = versions,
    .origin = origin,
    .version = version,
    .entries = entries,
    .origin_record = origin_record,
    .state = state,
    .close = close_reader,
};

int gs_sqlite_open_history(struct gs_store *store, struct gs_history_reader **ret_reader) {
    struct gs_sqlite *sqlite = gs_sqlite_of(store);
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return GS_ENOMEM;
    }
    reader->base.methods = &methods;
    const char *path = sqlite3_db_filename(sqlite->db, NULL);
    int result = sqlite3_open_v2(path, &reader->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_exec(reader->db, "PRAGMA mmap_size = 0; PRAGMA query_only = ON", NULL, NULL, NULL);
    }
    for (int i = 0; result == SQLITE_OK && i < STATEMENT_COUNT; i++) {
        result = sqlite3_prepare_v3(reader->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &reader->statements[i], NULL);
    }
    if (result != SQLITE_OK) {
        close_reader(&reader->base);
        return gs_sqlite_error(result);
    }
    *ret_reader = &reader->base;
    return 0;
}
