/* Erased data: taken out of the record, and of the rows that the projection made of it, in one transaction. The server
 * keeps old versions of both until VACUUM, and in its own write-ahead log and backups as long as these are kept. */
#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"

#include <stdio.h>

enum { PROJECTED = 6 };

/* Whether the row may be replaced; `ret_row` borrows from `result`. */
static int check_row(const PGresult *result, struct gs_slice record, struct gs_log_row *ret_row) {
    if (PQntuples(result) != 1) {
        return GS_ENOTFOUND;
    }
    int error = gs_pg_row_load(result, 0, ret_row);
    if (error == 0 && gs_pg_number(result, 0, PROJECTED) < ret_row->position) {
        return GS_EBUSY;
    }
    if (error == 0 && !gs_log_may_replace(ret_row->record, record)) {
        return GS_EINVAL;
    }
    return error;
}

/* The numbers of the events whose data is still there, as an array. */
static void put_kept(struct gs_slice bytes, struct gs_buffer *out) {
    struct gs_record record;
    struct gs_reader reader;
    if (gs_record_parse(bytes, &record) != 0) {
        out->failed = GS_ECORRUPT;
        return;
    }
    gs_reader_init(&reader, record.detached.bytes, record.detached.length);
    uint32_t count = gs_read_array(&reader, UINT32_MAX) / 2;
    gs_pg_put_array(out, count, GS_PG_OID_INT8);
    for (uint32_t i = 0; i < count && reader.error == 0; i++) {
        gs_pg_put_int8(out, gs_read_uint(&reader));
        (void)gs_read_bin(&reader, SIZE_MAX);
    }
    out->failed = out->failed != 0 ? out->failed : reader.error;
}

static int update(struct gs_postgres *postgres, const struct gs_log_row *row) {
    struct gs_pg_parameters parameters = {.count = 0};
    struct gs_buffer kept = {0};
    uint8_t checksum[GS_LOG_CHECKSUM_SIZE];
    PGresult *result = NULL;
    gs_log_row_checksum(row, checksum);
    put_kept(row->record, &kept);
    gs_pg_add_number(&parameters, row->position);
    gs_pg_add_bytes(&parameters, checksum, sizeof checksum);
    gs_pg_add_bytes(&parameters, row->record.bytes, row->record.length);
    gs_pg_add_bytes(&parameters, kept.bytes, kept.length);
    gs_pg_add_number(&parameters, postgres->epoch);
    int error = kept.failed;
    if (error == 0) {
        error = gs_pg_link_run(&postgres->link, "rewrite", &parameters, &result);
    }
    PQclear(result);
    gs_buffer_close(&kept);
    return error;
}

int gs_postgres_rewrite(struct gs_store *store, uint64_t position, struct gs_slice record) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    struct gs_pg_parameters parameters = {.count = 0};
    struct gs_log_row row = {.position = 0};
    PGresult *result = NULL;
    if (postgres->failed) {
        return GS_EIO;
    }
    gs_pg_add_number(&parameters, position);
    int error = gs_pg_connect(postgres, NULL);
    if (error == 0) {
        error = gs_pg_link_run(&postgres->link, "row_to_rewrite", &parameters, &result);
    }
    if (error == 0) {
        error = check_row(result, record, &row);
    }
    if (error == 0) {
        row.record = record;
        error = update(postgres, &row);
    }
    PQclear(result);
    return error == GS_ESTORE || error == GS_EIO ? gs_pg_trouble(postgres, GS_ESTORE) : error;
}

int gs_postgres_scrub(struct gs_store *store) {
    (void)store; /* nothing else of ours has it */
    return 0;
}
