#include "node/store/postgres_project.h"
#include "node/store/failpoint.h"

#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"
#include "node/store/projection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The log is rebuilt into these tables whenever they are lost, so their commits need not wait for the disk. */
static int connect(struct gs_pg_projector *projector, const char *url) {
    struct gs_pg_link *link = &projector->link;
    if (link->conn != NULL) {
        return 0;
    }
    projector->known = false;
    int error = gs_pg_link_open(link, url, "globalstate projection");
    if (error == 0) {
        error = gs_pg_session_check(link);
    }
    if (error == 0) {
        error = gs_pg_link_command(link, "SET synchronous_commit = off");
    }
    return error == 0 ? gs_pg_prepare(link, GS_PG_PROJECTOR) : error;
}

static int query_number(struct gs_pg_link *link, const char *name, uint64_t *ret_number) {
    const struct gs_pg_parameters none = {.count = 0};
    PGresult *result = NULL;
    int error = gs_pg_link_run(link, name, &none, &result);
    if (error == 0) {
        error = PQntuples(result) == 1 ? 0 : GS_ECORRUPT;
        *ret_number = gs_pg_number(result, 0, 0);
        PQclear(result);
    }
    return error;
}

static int load_origins(struct gs_pg_projector *projector) {
    const struct gs_pg_parameters none = {.count = 0};
    PGresult *result = NULL;
    int error = gs_pg_link_run(&projector->link, "origins", &none, &result);
    if (error != 0) {
        return error;
    }
    uint32_t count = (uint32_t)PQntuples(result);
    gs_origin *origins = realloc(projector->origins, (count + 1) * sizeof *origins);
    if (origins != NULL) {
        projector->origins = origins;
        projector->origin_count = count;
    }
    for (uint32_t i = 0; origins != NULL && i < count && error == 0; i++) {
        bool whole = gs_pg_number4(result, (int)i, 0) == i + 1 && PQgetlength(result, (int)i, 1) == GS_ORIGIN_SIZE;
        error = whole ? 0 : GS_ECORRUPT;
        if (whole) {
            memcpy(origins[i].bytes, PQgetvalue(result, (int)i, 1), GS_ORIGIN_SIZE);
        }
    }
    PQclear(result);
    return origins == NULL ? GS_ENOMEM : error;
}

static int load_state(struct gs_pg_projector *projector) {
    if (projector->known) {
        return 0;
    }
    projector->months.length = 0;
    int error = query_number(&projector->link, "projected", &projector->position);
    if (error == 0) {
        error = query_number(&projector->link, "next_aggregate", &projector->next_aggregate);
    }
    if (error == 0) {
        error = load_origins(projector);
    }
    projector->known = error == 0;
    return error;
}

/* The record of a row, decoded, with what travels beside its events. */
struct decoded {
    struct gs_arena arena;
    struct gs_batch_head head;
    struct gs_event *events;
};

static int decode(const PGresult *rows, int index, struct gs_log_row *ret_row, struct decoded *ret_decoded) {
    struct gs_record record;
    int error = gs_pg_row_load(rows, index, ret_row);
    if (error == 0) {
        error = gs_record_parse(ret_row->record, &record);
    }
    if (error == 0) {
        error = gs_batch_parse_head(record.batch.bytes, record.batch.length, &ret_decoded->head);
    }
    if (error == 0) {
        error = gs_batch_decode(&ret_decoded->head, &ret_decoded->arena, &ret_decoded->events);
    }
    if (error == 0) {
        error = gs_record_attach(&record, ret_decoded->events, ret_decoded->head.count);
    }
    return error == 0 || error == GS_ENOMEM ? error : GS_ECORRUPT;
}

/* Names of all aggregates that the rows change, as elements of two arrays; some come several times. */
static int collect_names(const PGresult *rows, struct gs_buffer *types, struct gs_buffer *ids, uint32_t *ret_count) {
    uint32_t count = 0;
    int error = 0;
    for (int i = 0; i < PQntuples(rows) && error == 0; i++) {
        struct decoded decoded = {.events = NULL};
        struct gs_log_row row;
        error = decode(rows, i, &row, &decoded);
        for (uint32_t j = 0; error == 0 && j < decoded.head.count; j++) {
            for (uint32_t k = 0; k < decoded.events[j].change_count; k++) {
                gs_pg_put_text(types, decoded.events[j].changes[k].aggregate_type);
                gs_pg_put_text(ids, decoded.events[j].changes[k].aggregate_id);
                count++;
            }
        }
        gs_arena_close(&decoded.arena);
    }
    *ret_count = count;
    return error != 0 ? error : types->failed != 0 ? types->failed : ids->failed;
}

static struct gs_slice value_of(const PGresult *result, int row, int column) {
    return gs_slice_make(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

/* One query for all aggregates of the slice that are there already. */
static int know_aggregates(struct gs_pg_slice *slice, const PGresult *rows) {
    struct gs_buffer types = {0};
    struct gs_buffer ids = {0};
    struct gs_buffer arrays[2] = {{0}, {0}};
    PGresult *found = NULL;
    uint32_t count = 0;
    int error = collect_names(rows, &types, &ids, &count);
    gs_pg_put_array(&arrays[0], count, GS_PG_OID_TEXT);
    gs_pg_put_array(&arrays[1], count, GS_PG_OID_TEXT);
    gs_buffer_append(&arrays[0], types.bytes, types.length);
    gs_buffer_append(&arrays[1], ids.bytes, ids.length);
    if (error == 0) {
        error = arrays[0].failed != 0 ? arrays[0].failed : arrays[1].failed;
    }
    if (error == 0 && count > 0) {
        struct gs_pg_parameters parameters = {.count = 0};
        gs_pg_add_bytes(&parameters, arrays[0].bytes, arrays[0].length);
        gs_pg_add_bytes(&parameters, arrays[1].bytes, arrays[1].length);
        error = gs_pg_link_run(&slice->projector->link, "know", &parameters, &found);
    }
    for (int i = 0; error == 0 && found != NULL && i < PQntuples(found); i++) {
        error = gs_pg_slice_know(slice, value_of(found, i, 0), value_of(found, i, 1), gs_pg_number(found, i, 2),
                                 gs_pg_number(found, i, 3), value_of(found, i, 4));
    }
    PQclear(found);
    gs_buffer_close(&types);
    gs_buffer_close(&ids);
    gs_buffer_close(&arrays[0]);
    gs_buffer_close(&arrays[1]);
    return error;
}

static int project_rows(struct gs_pg_slice *slice, const PGresult *rows, uint64_t *ret_position) {
    struct gs_projection projection = {.sink = gs_pg_slice_sink(slice)};
    uint64_t position = slice->projector->position;
    int error = 0;
    for (int i = 0; i < PQntuples(rows) && error == 0; i++) {
        struct decoded decoded = {.events = NULL};
        struct gs_log_row row;
        error = decode(rows, i, &row, &decoded);
        if (error == 0 && row.position != ++position) {
            error = GS_ECORRUPT;
        }
        if (error == 0) {
            slice->head = &decoded.head;
            slice->batch = decoded.events;
            error = gs_projection_record(&projection, position, row.record);
        }
        gs_arena_close(&decoded.arena);
    }
    if (error == 0) {
        error = gs_projection_finish(&projection);
    }
    gs_projection_reset(&projection);
    *ret_position = position;
    return error;
}

static int make_partitions(struct gs_pg_slice *slice) {
    struct gs_pg_projector *projector = slice->projector;
    int error = 0;
    for (size_t at = 0; at < slice->months.length && error == 0; at += sizeof(int)) {
        int month;
        memcpy(&month, slice->months.bytes + at, sizeof month);
        if (gs_pg_has_month(&projector->months, month)) {
            continue;
        }
        char sql[300];
        (void)snprintf(sql, sizeof sql,
                       "CREATE TABLE IF NOT EXISTS event_store_%04d_%02d PARTITION OF event_store "
                       "FOR VALUES FROM ('%04d-%02d-01') TO ('%04d-%02d-01')",
                       month / 12, month % 12 + 1, month / 12, month % 12 + 1, (month + 1) / 12, (month + 1) % 12 + 1);
        error = gs_pg_link_command(&projector->link, sql);
    }
    return error;
}

static int update_aggregates(struct gs_pg_slice *slice) {
    static const uint32_t types[] = {GS_PG_OID_INT8, GS_PG_OID_INT8, GS_PG_OID_BYTEA};
    const struct gs_buffer *elements[] = {&slice->numbers, &slice->new_versions, &slice->vectors};
    struct gs_buffer arrays[3] = {{0}, {0}, {0}};
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    int error = 0;
    for (int i = 0; i < 3; i++) {
        gs_pg_put_array(&arrays[i], slice->changed, types[i]);
        gs_buffer_append(&arrays[i], elements[i]->bytes, elements[i]->length);
        gs_pg_add_bytes(&parameters, arrays[i].bytes, arrays[i].length);
        error = error != 0 ? error : arrays[i].failed;
    }
    if (error == 0 && slice->changed > 0) {
        error = gs_pg_link_run(&slice->projector->link, "update_aggregates", &parameters, &result);
    }
    PQclear(result);
    for (int i = 0; i < 3; i++) {
        gs_buffer_close(&arrays[i]);
    }
    return error;
}

/* Another node's projector may be at work, or have been: then the position is not where we left it. */
static int move_position(struct gs_pg_projector *projector, uint64_t position) {
    struct gs_pg_parameters parameters = {.count = 0};
    PGresult *result = NULL;
    gs_pg_add_number(&parameters, projector->position);
    gs_pg_add_number(&parameters, position);
    int error = gs_pg_link_run(&projector->link, "project", &parameters, &result);
    if (error == 0 && strcmp(PQcmdTuples(result), "1") != 0) {
        (void)snprintf(projector->link.trouble, sizeof projector->link.trouble, "another node has written events");
        error = GS_ESTORE;
    }
    PQclear(result);
    return error;
}

static int write_slice(struct gs_pg_slice *slice, uint64_t position) {
    struct gs_pg_link *link = &slice->projector->link;
    const struct {
        const char *sql;
        struct gs_buffer *rows;
    } copies[] = {
        {"COPY origins (number, origin) FROM STDIN (FORMAT binary)", &slice->new_origins},
        {"COPY aggregates (number, type, id, version, vector) FROM STDIN (FORMAT binary)", &slice->new_aggregates},
        {"COPY event_store (at, position, event, change, origin, seq, aggregate, aggregate_type, aggregate_id, "
         "version, "
         "event_type, actor, clock, vector, ops, data, metadata) FROM STDIN (FORMAT binary)",
         &slice->events},
        {"COPY event_versions (position, list) FROM STDIN (FORMAT binary)", &slice->versions},
    };
    int error = gs_pg_link_command(link, "BEGIN");
    if (error == 0) {
        error = move_position(slice->projector, position);
    }
    if (error == 0) {
        error = make_partitions(slice);
    }
    for (size_t i = 0; i < sizeof copies / sizeof copies[0] && error == 0; i++) {
        error = gs_pg_copy(link, copies[i].sql, copies[i].rows);
    }
    if (error == 0) {
        error = update_aggregates(slice);
    }
    GS_FAILPOINT("project.commit");
    return error == 0 ? gs_pg_link_command(link, "COMMIT") : error;
}

static int project_slice(struct gs_pg_projector *projector, bool *ret_more) {
    struct gs_pg_parameters parameters = {.count = 0};
    struct gs_pg_slice slice = {.projector = projector};
    PGresult *rows = NULL;
    uint64_t position = 0;
    gs_pg_add_number(&parameters, projector->position);
    gs_pg_add_number(&parameters, GS_PG_SLICE_ROWS);
    gs_pg_add_number(&parameters, GS_PG_SLICE_BYTES);
    int error = gs_pg_link_run(&projector->link, "slice", &parameters, &rows);
    if (error == 0 && PQntuples(rows) > 0) {
        error = know_aggregates(&slice, rows);
        if (error == 0) {
            error = project_rows(&slice, rows, &position);
        }
        if (error == 0) {
            error = write_slice(&slice, position);
        }
        if (error == 0) {
            projector->position = position;
            gs_buffer_append(&projector->months, slice.months.bytes, slice.months.length);
            *ret_more = true;
        }
    }
    PQclear(rows);
    gs_pg_slice_close(&slice);
    return error;
}

int gs_pg_project(struct gs_pg_projector *projector, const char *url, bool *ret_more) {
    *ret_more = false;
    int error = connect(projector, url);
    if (error == 0) {
        error = load_state(projector);
    }
    if (error == 0) {
        error = project_slice(projector, ret_more);
    }
    if (error != 0) {
        projector->known = false;
        if (projector->link.conn != NULL) {
            char trouble[GS_PG_TROUBLE_MAX];
            memcpy(trouble, projector->link.trouble, sizeof trouble);
            (void)gs_pg_link_command(&projector->link, "ROLLBACK"); /* the error that counts is the first */
            memcpy(projector->link.trouble, trouble, sizeof trouble);
        }
    }
    return error == GS_EIO || error == GS_EINVAL ? GS_ESTORE : error;
}

void gs_pg_projector_close(struct gs_pg_projector *projector) {
    gs_pg_link_close(&projector->link);
    gs_buffer_close(&projector->months);
    free(projector->origins);
    *projector = (struct gs_pg_projector){0};
}
