#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"

#include <string.h>

/* A read finds the connection gone: one more attempt on a new one. */
static int run(struct gs_postgres *postgres, const char *name, const struct gs_pg_parameters *parameters,
               PGresult **ret_result) {
    int error = GS_ESTORE;
    for (int attempt = 0; attempt < 2 && error == GS_ESTORE; attempt++) {
        error = gs_pg_connect(postgres, NULL);
        if (error == 0) {
            error = gs_pg_link_run(&postgres->link, name, parameters, ret_result);
        } else {
            break;
        }
    }
    return error != 0 ? gs_pg_trouble(postgres, error) : 0;
}

struct walk {
    uint64_t position; /* the last one visited */
    uint64_t base;     /* up to there records may be gone */
    gs_store_record_fn visit;
    void *context;
};

static int visit_rows(const PGresult *result, struct walk *walk) {
    for (int i = 0; i < PQntuples(result); i++) {
        struct gs_log_row row;
        int error = gs_pg_row_load(result, i, &row);
        uint64_t before = walk->position < walk->base ? walk->base : walk->position;
        bool follows = row.position == before + 1 || (row.position <= walk->base && row.position > walk->position);
        if (error == 0 && !follows) {
            error = GS_ECORRUPT;
        }
        if (error == 0) {
            walk->position = row.position;
            error = walk->visit(walk->context, row.position, row.record);
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* Row by row, so that memory holds one record at a time. A walk that ends early drops what the server still sends. */
static int stream(struct gs_postgres *postgres, struct walk *walk) {
    struct gs_pg_parameters parameters = {.count = 0};
    struct gs_pg_link *link = &postgres->link;
    int error = 0;
    gs_pg_add_number(&parameters, walk->position);
    error = gs_pg_link_send(link, "replay", &parameters);
    if (error == 0 && PQsetSingleRowMode(link->conn) == 0) {
        return gs_pg_link_lose(link, "the connection is out of step");
    }
    bool cancelled = false;
    while (error == 0 || cancelled) {
        PGresult *result = NULL;
        int lost = gs_pg_link_next(link, &result);
        if (lost != 0 || result == NULL) {
            return cancelled ? error : lost;
        }
        ExecStatusType status = PQresultStatus(result);
        if (!cancelled && status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK) {
            error = gs_pg_link_refused(link, result);
        } else if (!cancelled) {
            error = visit_rows(result, walk);
        }
        PQclear(result);
        if (error != 0 && !cancelled && link->conn != NULL) {
            char why[64];
            PGcancel *cancel = PQgetCancel(link->conn);
            (void)PQcancel(cancel, why, sizeof why); /* if it fails, the rest is read and dropped */
            PQfreeCancel(cancel);
            cancelled = true;
        }
    }
    return error;
}

int gs_postgres_replay(struct gs_store *store, gs_store_record_fn visit, void *context) {
    return gs_postgres_replay_after(store, 0, visit, context);
}

int gs_postgres_replay_after(struct gs_store *store, uint64_t after, gs_store_record_fn visit, void *context) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    struct walk walk = {.position = after, .visit = visit, .context = context};
    int error = GS_ESTORE;
    for (int attempt = 0; attempt < 2 && error == GS_ESTORE && walk.position == after; attempt++) {
        error = gs_pg_connect(postgres, NULL);
        if (error != 0) {
            break;
        }
        walk.base = store->log_base.position;
        error = stream(postgres, &walk);
    }
    walk.position = walk.position < walk.base ? walk.base : walk.position;
    if (error == 0 && walk.position != postgres->next_position - 1) {
        error = GS_ECORRUPT; /* rows are missing at the end */
    }
    return error == GS_ESTORE ? gs_pg_trouble(postgres, error) : error;
}

/* What `have` lacks of each origin, as the two arrays that the statement takes; how many there are. */
static uint32_t write_arrays(const struct gs_vector *heads, const struct gs_vector *have, struct gs_buffer *origins,
                             struct gs_buffer *seqs) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < heads->count; i++) {
        count += gs_vector_seq(have, &heads->heads[i].origin) < heads->heads[i].seq ? 1 : 0;
    }
    gs_pg_put_array(origins, count, GS_PG_OID_BYTEA);
    gs_pg_put_array(seqs, count, GS_PG_OID_INT8);
    for (uint32_t i = 0; i < heads->count; i++) {
        uint64_t seq = gs_vector_seq(have, &heads->heads[i].origin);
        if (seq < heads->heads[i].seq) {
            gs_pg_put_bytes(origins, gs_slice_make(heads->heads[i].origin.bytes, GS_ORIGIN_SIZE));
            gs_pg_put_int8(seqs, seq);
        }
    }
    return count;
}

/* Appends the rows' records; `have` moves along. */
static int take_rows(const PGresult *result, struct gs_vector *have, struct gs_buffer *records) {
    for (int i = 0; i < PQntuples(result); i++) {
        struct gs_log_row row;
        int error = gs_pg_row_load(result, i, &row);
        struct gs_head head = {.origin = row.origin, .seq = row.last_seq};
        if (error == 0) {
            error = gs_vector_set(have, &head);
        }
        if (error != 0) {
            return error;
        }
        gs_buffer_append(records, row.record.bytes, row.record.length);
    }
    return records->failed;
}

struct lacking {
    struct gs_vector heads;
    struct gs_vector have;
    struct gs_buffer origins;
    struct gs_buffer seqs;
    PGresult *result;
};

static int query_lacking(struct gs_postgres *postgres, struct lacking *lacking, size_t bytes_max) {
    struct gs_pg_parameters parameters = {.count = 0};
    if (lacking->origins.failed != 0 || lacking->seqs.failed != 0) {
        return GS_ENOMEM;
    }
    gs_pg_add_bytes(&parameters, lacking->origins.bytes, lacking->origins.length);
    gs_pg_add_bytes(&parameters, lacking->seqs.bytes, lacking->seqs.length);
    gs_pg_add_number(&parameters, bytes_max < (size_t)INT64_MAX ? bytes_max : (uint64_t)INT64_MAX);
    gs_pg_add_number(&parameters, GS_PG_READ_ROWS);
    return run(postgres, "lacking", &parameters, &lacking->result);
}

static int read_lacking(struct gs_postgres *postgres, struct lacking *lacking, size_t bytes_max,
                        struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more) {
    int error = gs_pg_connect(postgres, NULL);
    if (error == 0 && gs_base_is_behind(&postgres->base.log_base, &lacking->have)) {
        return GS_EGONE;
    }
    if (error == 0) {
        error = gs_pg_log_seqs(postgres, &lacking->heads);
    }
    if (error != 0) {
        return error == GS_ESTORE ? gs_pg_trouble(postgres, error) : error;
    }
    uint32_t count = write_arrays(&lacking->heads, &lacking->have, &lacking->origins, &lacking->seqs);
    if (count == 0) {
        *ret_count = 0;
        *ret_more = false;
        return 0;
    }
    error = query_lacking(postgres, lacking, bytes_max);
    if (error == 0) {
        error = take_rows(lacking->result, &lacking->have, ret_records);
    }
    if (error == 0) {
        *ret_count = (uint32_t)PQntuples(lacking->result);
        *ret_more = !gs_vector_covers(&lacking->have, &lacking->heads);
    }
    return error == 0 && *ret_count == 0 ? GS_ECORRUPT : error;
}

int gs_postgres_read_lacking(struct gs_store *store, const struct gs_vector *have, size_t bytes_max,
                             struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more) {
    struct lacking lacking = {.result = NULL};
    if (ret_records->failed != 0) {
        return ret_records->failed;
    }
    const size_t length = ret_records->length;
    int error = gs_vector_copy(&lacking.have, have);
    if (error == 0) {
        error = read_lacking(gs_postgres_of(store), &lacking, bytes_max, ret_records, ret_count, ret_more);
    }
    if (error != 0) {
        ret_records->length = length;
        ret_records->failed = 0;
    }
    PQclear(lacking.result);
    gs_vector_close(&lacking.heads);
    gs_vector_close(&lacking.have);
    gs_buffer_close(&lacking.origins);
    gs_buffer_close(&lacking.seqs);
    return error;
}

int gs_postgres_read_event(struct gs_store *store, const gs_origin *origin, uint64_t seq,
                           struct gs_buffer *ret_record) {
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    struct gs_log_row row = {.position = 0};
    if (seq == 0 || seq > GS_SEQ_MAX) {
        return GS_ENOTFOUND;
    }
    gs_pg_add_bytes(&parameters, origin->bytes, GS_ORIGIN_SIZE);
    gs_pg_add_number(&parameters, seq - 1);
    int error = run(gs_postgres_of(store), "event", &parameters, &result);
    if (error == 0) {
        error = PQntuples(result) == 1 ? gs_pg_row_load(result, 0, &row) : GS_ENOTFOUND;
    }
    if (error == 0 && (!gs_origin_equal(&row.origin, origin) || row.last_seq < seq)) {
        error = GS_ECORRUPT;
    }
    if (error == 0 && row.first_seq > seq) {
        error = GS_ENOTFOUND;
    }
    if (error == 0) {
        gs_buffer_append(ret_record, row.record.bytes, row.record.length);
        error = ret_record->failed;
    }
    PQclear(result);
    return error;
}
