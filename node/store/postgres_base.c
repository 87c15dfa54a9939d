#include "node/store/kept_hash.h"
#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"
#include "node/store/projection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hash_base(uint64_t position, struct gs_slice bytes, uint8_t ret_hash[GS_LOG_CHECKSUM_SIZE]) {
    gs_kept_row_hash("gs-log-base-v1", &position, 1, bytes, ret_hash);
}

static int load_row(const PGresult *result, struct gs_base *ret_base) {
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    uint64_t position = gs_pg_number(result, 0, 0);
    struct gs_slice body = gs_slice_make(PQgetvalue(result, 0, 2), (size_t)PQgetlength(result, 0, 2));
    struct gs_base base = {0};
    hash_base(position, body, hash);
    bool matches = PQgetlength(result, 0, 1) == sizeof hash && memcmp(hash, PQgetvalue(result, 0, 1), sizeof hash) == 0;
    int error = matches ? gs_base_read(body, &base) : GS_ECORRUPT;
    if (error == 0 && (base.position != position || position == 0)) {
        error = GS_ECORRUPT;
    }
    if (error == 0) {
        gs_base_close(ret_base);
        *ret_base = base;
    } else {
        gs_base_close(&base);
    }
    return error;
}

int gs_pg_read_base(struct gs_pg_link *link, struct gs_base *ret_base) {
    const struct gs_pg_parameters none = {.count = 0};
    PGresult *result = NULL;
    int error = gs_pg_link_run(link, "base", &none, &result);
    if (error == 0 && PQntuples(result) > 0) {
        error = load_row(result, ret_base);
    }
    PQclear(result);
    return error;
}

int gs_pg_write_base(struct gs_pg_link *link, const struct gs_base *base) {
    struct gs_pg_parameters parameters = {.count = 0};
    struct gs_buffer bytes = {0};
    PGresult *result = NULL;
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    int error = gs_base_write(base, &bytes);
    if (error == 0) {
        hash_base(base->position, gs_slice_make(bytes.bytes, bytes.length), hash);
        gs_pg_add_number(&parameters, base->position);
        gs_pg_add_bytes(&parameters, hash, sizeof hash);
        gs_pg_add_bytes(&parameters, bytes.bytes, bytes.length);
        error = gs_pg_link_run(link, "set_base", &parameters, &result);
    }
    PQclear(result);
    gs_buffer_close(&bytes);
    return error;
}

/* What the index has of aggregates whose events are gone, as rows for COPY. */
struct seeding {
    gs_origin *origins; /* by number − 1; owned */
    uint32_t origin_count;
    uint64_t aggregates;
    const struct gs_keep_state *state;
    struct gs_buffer rows;
};

static int load(void *context, struct gs_slice type, struct gs_slice id, uint64_t *ret_number, uint64_t *ret_version,
                struct gs_version_vector *ret_vector) {
    struct seeding *seeding = context;
    (void)type;
    (void)id;
    (void)ret_vector;
    *ret_number = ++seeding->aggregates;
    *ret_version = 0;
    return 0;
}

static int find_origin(void *context, const gs_origin *origin, uint32_t *ret_number) {
    struct seeding *seeding = context;
    uint32_t at = 0;
    while (at < seeding->origin_count && !gs_origin_equal(&seeding->origins[at], origin)) {
        at++;
    }
    if (at == seeding->origin_count) {
        gs_origin *origins = realloc(seeding->origins, (at + 1) * sizeof *origins);
        if (origins == NULL) {
            return GS_ENOMEM;
        }
        origins[at] = *origin;
        seeding->origins = origins;
        seeding->origin_count++;
    }
    *ret_number = at + 1;
    return 0;
}

static int store_row(void *context, uint64_t number, uint64_t version, const struct gs_version_vector *vector) {
    struct seeding *seeding = context;
    struct gs_buffer bytes = {0};
    gs_version_vector_write(vector, &bytes);
    gs_pg_copy_row(&seeding->rows, 5);
    gs_pg_put_int8(&seeding->rows, number);
    gs_pg_put_text(&seeding->rows, seeding->state->type);
    gs_pg_put_text(&seeding->rows, seeding->state->id);
    gs_pg_put_int8(&seeding->rows, version);
    gs_pg_put_bytes(&seeding->rows, gs_slice_make(bytes.bytes, bytes.length));
    int error = bytes.failed != 0 ? bytes.failed : seeding->rows.failed;
    gs_buffer_close(&bytes);
    return error;
}

static int write_part(struct gs_pg_link *link, struct seeding *seeding, const struct gs_keep *keep) {
    const struct gs_projection_sink sink = {
        .context = seeding, .load = load, .store = store_row, .origin = find_origin};
    static const struct gs_base no_base; /* nothing is there that could be thinned out */
    int error = PQenterPipelineMode(link->conn) == 0 ? gs_pg_link_lose(link, "the connection is lost") : 0;
    error = error == 0 ? gs_pg_send_keep(link, &no_base, keep) : error;
    error = error == 0 ? gs_pg_link_sync(link) : error;
    for (uint32_t i = 0; error == 0 && i < keep->count; i++) {
        seeding->state = &keep->states[i];
        error = gs_projection_state(&sink, seeding->state);
    }
    if (error == 0) {
        error = gs_pg_copy(link, "COPY aggregates (number, type, id, version, vector) FROM STDIN (FORMAT binary)",
                           &seeding->rows);
        gs_buffer_close(&seeding->rows);
    }
    return error;
}

static int write_parts(struct gs_pg_link *link, struct seeding *seeding, uint64_t position, gs_store_part_fn next,
                       void *context) {
    const struct gs_keep *keep = NULL;
    bool complete = false;
    int error = next(context, &keep);
    for (; error == 0 && keep != NULL; error = next(context, &keep)) {
        error = write_part(link, seeding, keep);
        if (error != 0) {
            return error;
        }
        complete = keep->core.length > 0 ? keep->low == position && keep->position == position : complete;
    }
    return error == 0 && !complete ? GS_EINVAL : error;
}

static int write_origins(struct gs_pg_link *link, const struct seeding *seeding) {
    struct gs_buffer rows = {0};
    for (uint32_t i = 0; i < seeding->origin_count; i++) {
        gs_pg_copy_row(&rows, 2);
        gs_pg_put_int4(&rows, i + 1);
        gs_pg_put_bytes(&rows, gs_slice_make(seeding->origins[i].bytes, GS_ORIGIN_SIZE));
    }
    int error = rows.failed != 0 ? rows.failed
                                 : gs_pg_copy(link, "COPY origins (number, origin) FROM STDIN (FORMAT binary)", &rows);
    gs_buffer_close(&rows);
    return error;
}

static int write_all(struct gs_pg_link *link, const struct gs_base *base, gs_store_part_fn next, void *context) {
    struct seeding seeding = {0};
    char sql[100];
    (void)snprintf(sql, sizeof sql, "UPDATE projection SET position = %llu, written_at = now()",
                   (unsigned long long)base->position);
    int error = gs_pg_link_command(link, "BEGIN; DELETE FROM checkpoints; DELETE FROM kept_entries; "
                                         "DELETE FROM aggregate_states");
    error = error == 0 ? write_parts(link, &seeding, base->position, next, context) : error;
    error = error == 0 ? write_origins(link, &seeding) : error;
    error = error == 0 ? gs_pg_link_command(link, sql) : error;
    error = error == 0 ? gs_pg_write_base(link, base) : error;
    gs_buffer_close(&seeding.rows);
    free(seeding.origins);
    return error;
}

int gs_postgres_install(struct gs_store *store, const struct gs_base *base, gs_store_part_fn next, void *context) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    struct gs_base copy = {0};
    struct gs_vector heads = {0};
    int error = postgres->failed ? GS_EIO : gs_pg_connect(postgres, NULL);
    if (error == 0 && (postgres->next_position != 1 || base->position == 0)) {
        error = GS_EINVAL;
    }
    error = error == 0 ? gs_base_copy(&copy, base) : error;
    error = error == 0 ? gs_vector_copy(&heads, &base->heads) : error;
    error = error == 0 ? write_all(&postgres->link, base, next, context) : error;
    if (error == 0) {
        error = gs_pg_link_command(&postgres->link, "COMMIT");
        postgres->failed = error != 0; /* nobody knows: the next open looks */
        error = error != 0 ? GS_EIO : 0;
    } else if (postgres->link.conn != NULL) {
        (void)gs_pg_link_command(&postgres->link, "ROLLBACK"); /* the error that counts is the first */
    }
    if (error != 0) {
        gs_base_close(&copy);
        gs_vector_close(&heads);
        return error == GS_ESTORE || error == GS_EIO ? gs_pg_trouble(postgres, error) : error;
    }
    store->log_base = copy;
    postgres->chain.heads = heads;
    postgres->next_position = base->position + 1;
    store->stored = store->projected = base->position;
    return 0;
}
