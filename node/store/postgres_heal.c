/* Looking at damaged rows, and putting sound records in their place. */
#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"

#include <string.h>

static void load_any(const PGresult *result, int index, struct gs_stored_row *ret_row) {
    struct gs_log_row row;
    ret_row->position = gs_pg_number(result, index, 0);
    ret_row->intact = gs_pg_row_load(result, index, &row) == 0;
    if (PQgetlength(result, index, 1) == GS_ORIGIN_SIZE) {
        memcpy(ret_row->origin.bytes, PQgetvalue(result, index, 1), GS_ORIGIN_SIZE);
    }
    ret_row->first_seq = gs_pg_number(result, index, 2);
    ret_row->last_seq = gs_pg_number(result, index, 3);
    ret_row->record = gs_slice_make(PQgetvalue(result, index, 5), (size_t)PQgetlength(result, index, 5));
}

int gs_postgres_inspect(struct gs_store *store, uint64_t after, uint32_t rows_max, gs_store_row_fn visit, void *context,
                        uint64_t *ret_last) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    *ret_last = after;
    gs_pg_add_number(&parameters, after);
    gs_pg_add_number(&parameters, rows_max);
    int error = gs_pg_connect(postgres, NULL);
    if (error == 0) {
        error = gs_pg_link_run(&postgres->link, "inspect", &parameters, &result);
    }
    if (error != 0) {
        return gs_pg_trouble(postgres, error);
    }
    for (int i = 0; error == 0 && i < PQntuples(result); i++) {
        struct gs_stored_row row = {.position = 0};
        load_any(result, i, &row);
        *ret_last = row.position;
        error = visit(context, &row);
    }
    PQclear(result);
    return error;
}

/* One statement; `one`: it must touch a row. */
static int run(struct gs_postgres *postgres, const char *name, const struct gs_pg_parameters *parameters, bool one) {
    PGresult *result = NULL;
    int error = gs_pg_link_run(&postgres->link, name, parameters, &result);
    if (error == GS_EIO && strcmp(postgres->link.sqlstate, "23505") == 0) {
        return GS_ECORRUPT; /* another row holds that record */
    }
    if (error == 0 && one && strcmp(PQcmdTuples(result), "1") != 0) {
        error = GS_ESTORE; /* the lease is another node's by now */
    }
    PQclear(result);
    return error;
}

static int put(struct gs_postgres *postgres, uint64_t position, struct gs_slice record) {
    struct gs_pg_parameters parameters = {.count = 0};
    struct gs_log_row row;
    uint8_t checksum[GS_LOG_CHECKSUM_SIZE];
    int error = gs_log_row_of(position, record, &row);
    if (error != 0) {
        return error;
    }
    gs_log_row_checksum(&row, checksum);
    gs_pg_add_number(&parameters, row.position);
    gs_pg_add_bytes(&parameters, row.origin.bytes, GS_ORIGIN_SIZE);
    gs_pg_add_number(&parameters, row.first_seq);
    gs_pg_add_number(&parameters, row.last_seq);
    gs_pg_add_bytes(&parameters, checksum, sizeof checksum);
    gs_pg_add_bytes(&parameters, row.record.bytes, row.record.length);
    gs_pg_add_number(&parameters, postgres->epoch);
    return run(postgres, "append", &parameters, true);
}

static int replace(struct gs_postgres *postgres, const uint64_t *positions, const struct gs_slice *records,
                   uint32_t count) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        struct gs_pg_parameters parameters = {.count = 0};
        gs_pg_add_number(&parameters, positions[i]);
        error = run(postgres, "take_out", &parameters, false);
    }
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        error = put(postgres, positions[i], records[i]);
    }
    return error;
}

/* What is in the log now counts as what was acknowledged. */
static int reload(struct gs_postgres *postgres) {
    struct gs_vector found = {0};
    uint64_t last = 0;
    postgres->base.damaged = false;
    int error = gs_pg_log_state(postgres, &last, &found);
    if (error != 0) {
        gs_vector_close(&found);
        return error;
    }
    gs_vector_close(&postgres->chain.heads);
    postgres->chain.heads = found;
    postgres->next_position = last + 1;
    return 0;
}

int gs_postgres_heal(struct gs_store *store, const uint64_t *positions, const struct gs_slice *records,
                     uint32_t count) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    if (postgres->failed) {
        return GS_EIO;
    }
    int error = gs_pg_connect(postgres, NULL);
    if (error == 0) {
        error = gs_pg_link_command(&postgres->link, "BEGIN");
    }
    if (error != 0) {
        return gs_pg_trouble(postgres, error);
    }
    error = replace(postgres, positions, records, count);
    int ended = postgres->link.conn == NULL ? GS_ESTORE
                                            : gs_pg_link_command(&postgres->link, error == 0 ? "COMMIT" : "ROLLBACK");
    error = error != 0 ? error : ended;
    if (error == 0) {
        error = reload(postgres);
    }
    return error != 0 ? gs_pg_trouble(postgres, error) : 0;
}
