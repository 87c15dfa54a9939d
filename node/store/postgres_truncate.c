/* A step is a handful of statements, however many aggregates it touches: what is to be cut and dropped is gathered, and
 * goes in arrays. Its commit waits for the disk, and so for everything that was kept before it. */
#include "node/store/failpoint.h"
#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"
#include "node/store/truncate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BYTES_MAX = 8 * 1024 * 1024 };

struct step {
    struct gs_postgres *postgres;
    struct gs_buffer types, ids; /* elements of arrays: aggregates to cut … */
    uint32_t cut_count;
    uint64_t floor;         /* … at this position */
    struct gs_buffer drops; /* and positions of records */
    uint32_t drop_count;
};

static int read_rows(void *context, uint64_t after, uint32_t max, gs_store_record_fn visit, void *visit_context) {
    struct step *step = context;
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *rows = NULL;
    gs_pg_add_number(&parameters, after);
    gs_pg_add_number(&parameters, max);
    gs_pg_add_number(&parameters, READ_BYTES_MAX);
    int error = gs_pg_link_run(&step->postgres->link, "slice", &parameters, &rows);
    for (int i = 0; error == 0 && i < PQntuples(rows); i++) {
        struct gs_log_row row;
        error = gs_pg_row_load(rows, i, &row);
        error = error == 0 ? visit(visit_context, row.position, row.record) : error;
    }
    PQclear(rows);
    return error;
}

/* Builds an array of gathered elements. */
static void make_array(const struct gs_buffer *elements, uint32_t count, uint32_t type, struct gs_buffer *ret_array) {
    gs_pg_put_array(ret_array, count, type);
    gs_buffer_append(ret_array, elements->bytes, elements->length);
}

static int flush_cuts(struct step *step) {
    struct gs_buffer arrays[2] = {{0}, {0}};
    struct gs_pg_parameters parameters = {.count = 0};
    struct gs_pg_link *link = &step->postgres->link;
    PGresult *result = NULL;
    if (step->cut_count == 0) {
        return 0;
    }
    make_array(&step->types, step->cut_count, GS_PG_OID_TEXT, &arrays[0]);
    make_array(&step->ids, step->cut_count, GS_PG_OID_TEXT, &arrays[1]);
    int error = arrays[0].failed != 0 ? arrays[0].failed : arrays[1].failed;
    if (error == 0) {
        gs_pg_add_bytes(&parameters, arrays[0].bytes, arrays[0].length);
        gs_pg_add_bytes(&parameters, arrays[1].bytes, arrays[1].length);
        gs_pg_add_number(&parameters, step->floor);
        error = gs_pg_link_run(link, "cut", &parameters, &result);
    }
    if (error == 0 && (gs_pg_number(result, 0, 0) != step->cut_count || gs_pg_number(result, 0, 1) != 0)) {
        (void)snprintf(link->trouble, sizeof link->trouble,
                       "no kept state has all of an aggregate's events up to record %llu: they stay",
                       (unsigned long long)step->floor);
        error = GS_ECORRUPT;
    }
    PQclear(result);
    gs_buffer_close(&arrays[0]);
    gs_buffer_close(&arrays[1]);
    step->types.length = step->ids.length = 0;
    step->cut_count = 0;
    return error;
}

static int flush_drops(struct step *step) {
    struct gs_buffer array = {0};
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    if (step->drop_count == 0) {
        return 0;
    }
    make_array(&step->drops, step->drop_count, GS_PG_OID_INT8, &array);
    int error = array.failed;
    if (error == 0) {
        gs_pg_add_bytes(&parameters, array.bytes, array.length);
        error = gs_pg_link_run(&step->postgres->link, "drop_records", &parameters, &result);
    }
    PQclear(result);
    gs_buffer_close(&array);
    return error;
}

static int cut(void *context, struct gs_slice type, struct gs_slice id, uint64_t floor) {
    struct step *step = context;
    int error = floor != step->floor ? flush_cuts(step) : 0;
    step->floor = floor;
    gs_pg_put_text(&step->types, type);
    gs_pg_put_text(&step->ids, id);
    step->cut_count++;
    return error != 0 ? error : step->types.failed != 0 ? step->types.failed : step->ids.failed;
}

static int drop(void *context, uint64_t position) {
    struct step *step = context;
    gs_pg_put_int8(&step->drops, position);
    step->drop_count++;
    return step->drops.failed;
}

static int set_base(void *context, const struct gs_base *base) {
    struct step *step = context;
    int error = flush_cuts(step);
    GS_FAILPOINT("truncate.drop");
    error = error == 0 ? flush_drops(step) : error;
    GS_FAILPOINT("truncate.base");
    return error == 0 ? gs_pg_write_base(&step->postgres->link, base) : error;
}

/* Only who holds the lease may: as an append, a step of an older epoch does nothing. */
static int check_lease(struct gs_postgres *postgres) {
    PGresult *result = NULL;
    unsigned long long epoch = 0;
    int error = gs_pg_link_query(&postgres->link, "SELECT epoch FROM lease FOR SHARE", &result);
    if (error == 0) {
        bool read = PQntuples(result) == 1 && sscanf(PQgetvalue(result, 0, 0), "%llu", &epoch) == 1;
        error = read && epoch == postgres->epoch ? 0 : GS_EBUSY;
    }
    PQclear(result);
    return error;
}

static int take_step(struct step *step, const struct gs_truncation *truncation, struct gs_base *ret_base,
                     struct gs_truncated *ret_truncated) {
    struct gs_postgres *postgres = step->postgres;
    const struct gs_truncate_engine engine = {
        .context = step,
        .base = &postgres->base.log_base,
        .indexed = postgres->base.projected, /* it only grows, and what it counts is committed */
        .read = read_rows,
        .cut = cut,
        .drop = drop,
        .set_base = set_base,
    };
    struct gs_pg_link *link = &postgres->link;
    int error = gs_pg_link_command(link, "BEGIN");
    error = error == 0 ? check_lease(postgres) : error;
    error = error == 0 ? gs_truncate_step(&engine, truncation, ret_base, ret_truncated) : error;
    if (error == 0) {
        if (ret_base->position > 0) {
            GS_FAILPOINT("truncate.commit");
        }
        error = gs_pg_link_command(link, "COMMIT");
    } else if (link->conn != NULL) {
        char trouble[GS_PG_TROUBLE_MAX];
        memcpy(trouble, link->trouble, sizeof trouble);
        (void)gs_pg_link_command(link, "ROLLBACK"); /* the error that counts is the first */
        memcpy(link->trouble, trouble, sizeof trouble);
    }
    return error;
}

/* Where the answer to COMMIT is lost, the next connection reads the base again. */
int gs_postgres_truncate(struct gs_store *store, const struct gs_truncation *truncation,
                         struct gs_truncated *ret_truncated) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    struct step step = {.postgres = postgres};
    struct gs_base base = {0};
    int error = postgres->failed ? GS_EIO : gs_pg_connect(postgres, NULL);
    error = error == 0 ? take_step(&step, truncation, &base, ret_truncated) : error;
    gs_buffer_close(&step.types);
    gs_buffer_close(&step.ids);
    gs_buffer_close(&step.drops);
    if (error != 0) {
        gs_base_close(&base);
        return gs_pg_trouble(postgres, error == GS_EIO ? GS_ESTORE : error);
    }
    if (base.position > 0) {
        GS_FAILPOINT("truncate.after");
        gs_base_close(&store->log_base);
        store->log_base = base;
    }
    return gs_truncated_describe(&store->log_base, ret_truncated);
}
