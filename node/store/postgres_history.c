/* Readers of the past: a connection each, made when it is first needed and again when it is lost. What a reader sees
 * between `begin` and `end` is one snapshot. */
#include "node/store/postgres_impl.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct gs_history_reader base;
    struct gs_pg_link link;
    char *url;          /* owned */
    gs_origin *origins; /* by number − 1, as far as they were asked for; owned */
    uint32_t origin_count;
};

static struct reader *reader_of(struct gs_history_reader *base) {
    return (struct reader *)base;
}

/* To a reader's caller a store that is away and one that refuses are the same. */
static int shown(int error) {
    return error == GS_ECORRUPT || error == GS_ENOMEM || error == 0 ? error : GS_EIO;
}

static int connect(struct reader *reader) {
    if (reader->link.conn != NULL) {
        return 0;
    }
    int error = gs_pg_link_open(&reader->link, reader->url, "globalstate history");
    if (error == 0) {
        error = gs_pg_session_check(&reader->link);
    }
    return error == 0 ? gs_pg_prepare(&reader->link, GS_PG_READER) : error;
}

static int begin(struct gs_history_reader *base) {
    struct reader *reader = reader_of(base);
    int error = GS_ESTORE;
    for (int attempt = 0; attempt < 2 && error == GS_ESTORE; attempt++) {
        error = connect(reader);
        if (error == 0) {
            error = gs_pg_link_command(&reader->link, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        } else {
            break;
        }
    }
    return shown(error);
}

static void end(struct gs_history_reader *base) {
    struct reader *reader = reader_of(base);
    /* It also ends a transaction that an error has spoiled. Without an answer the connection goes, and a new one comes.
     */
    if (reader->link.conn != NULL && gs_pg_link_command(&reader->link, "ROLLBACK") != 0) {
        gs_pg_link_close(&reader->link);
    }
}

static int run(struct reader *reader, const char *name, const struct gs_pg_parameters *parameters, PGresult **ret) {
    return shown(gs_pg_link_run(&reader->link, name, parameters, ret));
}

static int run_number(struct reader *reader, const char *name, uint64_t number, PGresult **ret) {
    struct gs_pg_parameters parameters = {.count = 0};
    gs_pg_add_number(&parameters, number);
    return run(reader, name, &parameters, ret);
}

static int extent(struct gs_history_reader *base, uint64_t *ret_last, uint64_t *ret_indexed) {
    const struct gs_pg_parameters none = {.count = 0};
    PGresult *result = NULL;
    int error = run(reader_of(base), "extent", &none, &result);
    if (error == 0) {
        *ret_last = gs_pg_number(result, 0, 0);
        *ret_indexed = gs_pg_number(result, 0, 1);
    }
    PQclear(result);
    return error;
}

static int log_base(struct gs_history_reader *base, struct gs_base *ret_base) {
    return shown(gs_pg_read_base(&reader_of(base)->link, ret_base));
}

/* Appends the record of the only row, once its checksum matches. */
static int take_record(PGresult *result, struct gs_buffer *ret_record) {
    struct gs_log_row row;
    int error = PQntuples(result) == 1 ? gs_pg_row_load(result, 0, &row) : GS_ENOTFOUND;
    if (error == 0) {
        gs_buffer_append(ret_record, row.record.bytes, row.record.length);
        error = ret_record->failed;
    }
    PQclear(result);
    return error;
}

static uint64_t clamp(uint64_t number) {
    return number > GS_SEQ_MAX ? GS_SEQ_MAX : number;
}

static int record(struct gs_history_reader *base, uint64_t position, struct gs_buffer *ret_record) {
    PGresult *result = NULL;
    int error = run_number(reader_of(base), "row", clamp(position), &result);
    return error != 0 ? error : take_record(result, ret_record);
}

static int versions(struct gs_history_reader *base, uint64_t position, struct gs_buffer *ret_list) {
    PGresult *result = NULL;
    int error = run_number(reader_of(base), "versions", clamp(position), &result);
    if (error == 0 && PQntuples(result) != 1) {
        error = GS_ENOTFOUND;
    }
    if (error == 0) {
        gs_buffer_append(ret_list, PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0));
        error = ret_list->failed;
    }
    PQclear(result);
    return error;
}

/* Numbers are given out without gaps and never change, so they are read once. */
static int load_origins(struct reader *reader) {
    const struct gs_pg_parameters none = {.count = 0};
    PGresult *result = NULL;
    int error = run(reader, "origins", &none, &result);
    if (error != 0) {
        return error;
    }
    uint32_t count = (uint32_t)PQntuples(result);
    gs_origin *origins = realloc(reader->origins, (count + 1) * sizeof *origins);
    if (origins == NULL) {
        PQclear(result);
        return GS_ENOMEM;
    }
    reader->origins = origins;
    reader->origin_count = 0;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        bool whole = gs_pg_number4(result, (int)i, 0) == i + 1 && PQgetlength(result, (int)i, 1) == GS_ORIGIN_SIZE;
        error = whole ? 0 : GS_ECORRUPT;
        if (whole) {
            memcpy(origins[i].bytes, PQgetvalue(result, (int)i, 1), GS_ORIGIN_SIZE);
            reader->origin_count = i + 1;
        }
    }
    PQclear(result);
    return error;
}

static int origin(struct gs_history_reader *base, uint32_t number, gs_origin *ret_origin) {
    struct reader *reader = reader_of(base);
    if (number == 0 || number > GS_VECTOR_MAX) {
        return GS_ENOTFOUND;
    }
    int error = number > reader->origin_count ? load_origins(reader) : 0;
    if (error == 0 && number > reader->origin_count) {
        error = GS_ENOTFOUND;
    }
    if (error == 0) {
        *ret_origin = reader->origins[number - 1];
    }
    return error;
}

/* The number and version of an aggregate; GS_ENOTFOUND. */
static int find_aggregate(struct reader *reader, struct gs_slice type, struct gs_slice id, uint64_t *ret_number,
                          uint64_t *ret_version) {
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    gs_pg_add_bytes(&parameters, type.bytes, type.length);
    gs_pg_add_bytes(&parameters, id.bytes, id.length);
    int error = run(reader, "aggregate", &parameters, &result);
    if (error == 0 && PQntuples(result) != 1) {
        error = GS_ENOTFOUND;
    }
    if (error == 0) {
        *ret_number = gs_pg_number(result, 0, 0);
        *ret_version = gs_pg_number(result, 0, 1);
    }
    PQclear(result);
    return error;
}

static int version(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id, uint64_t *ret_version) {
    uint64_t number = 0;
    *ret_version = 0;
    int error = find_aggregate(reader_of(base), type, id, &number, ret_version);
    return error == GS_ENOTFOUND ? 0 : error;
}

static int entries(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id,
                   const struct gs_history_range *range, struct gs_history_entry *ret_entries, uint32_t max,
                   uint32_t *ret_count) {
    struct reader *reader = reader_of(base);
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    uint64_t number = 0;
    uint64_t last = 0;
    *ret_count = 0;
    int error = find_aggregate(reader, type, id, &number, &last);
    if (error != 0) {
        return error == GS_ENOTFOUND ? 0 : error;
    }
    gs_pg_add_number(&parameters, number);
    gs_pg_add_number(&parameters, clamp(range->first));
    gs_pg_add_number(&parameters, clamp(range->last));
    gs_pg_add_number(&parameters, max);
    error = run(reader, range->descending ? "entries_down" : "entries_up", &parameters, &result);
    if (error != 0) {
        return error;
    }
    uint32_t count = (uint32_t)PQntuples(result);
    for (uint32_t i = 0; i < count && i < max; i++) {
        ret_entries[i] = (struct gs_history_entry){
            .version = gs_pg_number(result, (int)i, 0),
            .position = gs_pg_number(result, (int)i, 1),
            .event = gs_pg_number4(result, (int)i, 2),
            .clock = gs_pg_number(result, (int)i, 3),
        };
    }
    *ret_count = count < max ? count : max;
    PQclear(result);
    return 0;
}

static int origin_record(struct gs_history_reader *base, const gs_origin *wanted, uint64_t seq,
                         struct gs_buffer *ret_record) {
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    gs_pg_add_bytes(&parameters, wanted->bytes, GS_ORIGIN_SIZE);
    gs_pg_add_number(&parameters, seq > 0 ? clamp(seq) - 1 : 0);
    int error = run(reader_of(base), "event", &parameters, &result);
    return error != 0 ? error : take_record(result, ret_record);
}

static int state(struct gs_history_reader *base, struct gs_slice type, struct gs_slice id, uint64_t version_max,
                 struct gs_kept_state *ret_state) {
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    gs_pg_add_bytes(&parameters, type.bytes, type.length);
    gs_pg_add_bytes(&parameters, id.bytes, id.length);
    gs_pg_add_number(&parameters, clamp(version_max));
    int error = run(reader_of(base), "state", &parameters, &result);
    if (error == 0) {
        error = PQntuples(result) == 1 ? gs_pg_kept_state(result, type, id, ret_state) : GS_ENOTFOUND;
    }
    PQclear(result);
    return error;
}

static void close_reader(struct gs_history_reader *base) {
    struct reader *reader = reader_of(base);
    gs_pg_link_close(&reader->link);
    free(reader->origins);
    free(reader->url);
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

int gs_postgres_open_history(struct gs_store *store, struct gs_history_reader **ret_reader) {
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return GS_ENOMEM;
    }
    reader->base.methods = &methods;
    reader->url = strdup(gs_postgres_of(store)->url);
    if (reader->url == NULL) {
        close_reader(&reader->base);
        return GS_ENOMEM;
    }
    *ret_reader = &reader->base;
    return 0;
}
