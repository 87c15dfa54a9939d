#include "node/store/postgres_impl.h"

#include <stdio.h>
#include <string.h>

#define ROW_COLUMNS "position, origin, first_seq, last_seq, checksum, record"

/* Jumps from origin to origin in the index (a "loose index scan"): the cost does not grow with the log. */
#define TAILS(columns)                                                                                          \
    "WITH RECURSIVE tail AS ("                                                                                  \
    "(SELECT " columns " FROM delta_log ORDER BY origin DESC, last_seq DESC LIMIT 1) UNION ALL "                \
    "SELECT next.* FROM tail CROSS JOIN LATERAL (SELECT " columns " FROM delta_log WHERE origin < tail.origin " \
    "ORDER BY origin DESC, last_seq DESC LIMIT 1) AS next) SELECT " columns " FROM tail"

static const struct {
    const char *name;
    const char *sql;
    unsigned roles; /* who needs it */
} statements[] = {
    {"append",
     "INSERT INTO delta_log (position, origin, first_seq, last_seq, checksum, record, epoch) "
     "SELECT $1::bigint, $2::bytea, $3::bigint, $4::bigint, $5::bytea, $6::bytea, epoch FROM lease "
     "WHERE epoch = $7::bigint",
     GS_PG_WRITER},
    {"last_position", "SELECT coalesce(max(position), 0) FROM delta_log", GS_PG_WRITER},
    {"heads", TAILS(ROW_COLUMNS), GS_PG_WRITER},
    {"seqs", TAILS("origin, last_seq"), GS_PG_WRITER},
    {"replay", "SELECT " ROW_COLUMNS " FROM delta_log WHERE position > $1::bigint ORDER BY position", GS_PG_WRITER},
    {"inspect", "SELECT " ROW_COLUMNS " FROM delta_log WHERE position > $1::bigint ORDER BY position LIMIT $2::bigint",
     GS_PG_WRITER},
    {"take_out", "DELETE FROM delta_log WHERE position = $1::bigint", GS_PG_WRITER},
    {"event",
     "SELECT " ROW_COLUMNS " FROM delta_log WHERE origin = $1::bytea AND last_seq > $2::bigint "
     "ORDER BY last_seq LIMIT 1",
     GS_PG_WRITER | GS_PG_READER},
    /* The first rows of every origin's tail, then the first of those by position, as long as they fit: the first one
     * always does. octet_length does not read the record. */
    {"lacking",
     "SELECT " ROW_COLUMNS " FROM (SELECT tail.*, sum(octet_length(record)) OVER (ORDER BY position) - "
     "octet_length(record) AS before FROM unnest($1::bytea[], $2::bigint[]) AS had(origin, seq) CROSS JOIN LATERAL "
     "(SELECT " ROW_COLUMNS " FROM delta_log WHERE delta_log.origin = had.origin AND last_seq > had.seq "
     "ORDER BY last_seq LIMIT $4::bigint) AS tail ORDER BY position LIMIT $4::bigint) AS merged "
     "WHERE before = 0 OR before < $3::bigint ORDER BY position",
     GS_PG_WRITER},

    {"row_to_rewrite",
     "SELECT " ROW_COLUMNS ", (SELECT position FROM projection) FROM delta_log WHERE position = $1::bigint",
     GS_PG_WRITER},
    /* Both in one statement: what is projected is a copy of what the record held. */
    {"rewrite",
     "WITH log AS (UPDATE delta_log SET checksum = $2::bytea, record = $3::bytea WHERE position = $1::bigint AND "
     "$5::bigint = (SELECT epoch FROM lease)) UPDATE event_store SET data = NULL, metadata = NULL WHERE "
     "position = $1::bigint AND NOT event = ANY ($4::bigint[]) AND (data IS NOT NULL OR metadata IS NOT NULL)",
     GS_PG_WRITER},

    {"unsynced", "SELECT set_config('synchronous_commit', 'off', true)", GS_PG_WRITER},
    {"keep_state",
     "INSERT INTO aggregate_states (type, id, version, position, updated, hash, state) VALUES ($1::text, $2::text, "
     "$3::bigint, $4::bigint, $5::bigint, $6::bytea, $7::bytea) ON CONFLICT (type, id, version) DO UPDATE SET "
     "position = excluded.position, updated = excluded.updated, hash = excluded.hash, state = excluded.state",
     GS_PG_WRITER},
    /* A state that is near enough to the one before it serves nobody who looks back, once a newer one is there for
     * starts. */
    {"thin_out",
     "WITH before AS (SELECT version FROM aggregate_states WHERE type = $1::text AND id = $2::text AND "
     "version < $3::bigint ORDER BY version DESC LIMIT 2) DELETE FROM aggregate_states WHERE type = $1::text AND "
     "id = $2::text AND version = (SELECT max(version) FROM before) AND $3::bigint - "
     "CASE WHEN (SELECT count(*) FROM before) = 2 THEN (SELECT min(version) FROM before) ELSE 0 END <= $4::bigint AND "
     "(SELECT count(*) FROM before) >= $5::bigint",
     GS_PG_WRITER},
    {"keep_entries",
     "INSERT INTO kept_entries (journal, last, first, hash, entries) VALUES ($1::bigint, $2::bigint, $3::bigint, "
     "$4::bytea, $5::bytea) ON CONFLICT (journal, last) DO UPDATE SET first = excluded.first, hash = excluded.hash, "
     "entries = excluded.entries",
     GS_PG_WRITER},
    {"drop_entries", "DELETE FROM kept_entries WHERE journal = $1::bigint AND last < $2::bigint", GS_PG_WRITER},
    {"checkpoint",
     "INSERT INTO checkpoints (low, position, hash, core) VALUES ($1::bigint, $2::bigint, $3::bytea, $4::bytea) "
     "ON CONFLICT (only_row) DO UPDATE SET low = excluded.low, position = excluded.position, hash = excluded.hash, "
     "core = excluded.core",
     GS_PG_WRITER},
    {"base", "SELECT position, hash, base FROM log_base", GS_PG_WRITER | GS_PG_READER},
    {"set_base",
     "INSERT INTO log_base (position, hash, base) VALUES ($1::bigint, $2::bytea, $3::bytea) "
     "ON CONFLICT (only_row) DO UPDATE SET position = excluded.position, hash = excluded.hash, base = excluded.base",
     GS_PG_WRITER},
    /* Aggregates whose events up to a position leave: how many of them there are, and how many have no kept state with
     * all of these. */
    {"cut",
     "WITH gone AS MATERIALIZED (SELECT a.number, a.type, a.id, coalesce((SELECT e.version - 1 FROM event_store e "
     "WHERE "
     "e.aggregate = a.number AND e.position > $3::bigint ORDER BY e.version LIMIT 1), a.version) AS version FROM "
     "unnest($1::text[], $2::text[]) AS named(type, id) JOIN aggregates a ON a.type = named.type AND a.id = named.id), "
     "first AS MATERIALIZED (SELECT gone.*, (SELECT min(s.version) FROM aggregate_states s WHERE s.type = gone.type "
     "AND "
     "s.id = gone.id AND s.version >= gone.version) AS oldest FROM gone), "
     "events AS (DELETE FROM event_store e USING first f WHERE e.aggregate = f.number AND e.version <= f.version), "
     "states AS (DELETE FROM aggregate_states s USING first f WHERE s.type = f.type AND s.id = f.id AND "
     "s.version < f.oldest) "
     "SELECT count(*), count(*) FILTER (WHERE oldest IS NULL) FROM first",
     GS_PG_WRITER},
    {"drop_records",
     "WITH lists AS (DELETE FROM event_versions WHERE position = ANY($1::bigint[])) "
     "DELETE FROM delta_log WHERE position = ANY($1::bigint[])",
     GS_PG_WRITER},
    {"kept_checkpoint", "SELECT low, position, hash, core FROM checkpoints", GS_PG_WRITER},
    {"kept_entries", "SELECT journal, last, first, hash, entries FROM kept_entries ORDER BY journal, last",
     GS_PG_WRITER},
    {"kept_states",
     "SELECT DISTINCT ON (type, id) version, position, updated, hash, state, type, id FROM aggregate_states "
     "ORDER BY type, id, version DESC",
     GS_PG_WRITER},

    {"projected", "SELECT position FROM projection", GS_PG_PROJECTOR},
    {"next_aggregate", "SELECT coalesce(max(number), 0) + 1 FROM aggregates", GS_PG_PROJECTOR},
    {"origins", "SELECT number, origin FROM origins ORDER BY number", GS_PG_PROJECTOR | GS_PG_READER},
    {"slice",
     "SELECT " ROW_COLUMNS " FROM (SELECT next.*, sum(octet_length(record)) OVER (ORDER BY position) - "
     "octet_length(record) AS before FROM (SELECT " ROW_COLUMNS " FROM delta_log WHERE position > $1::bigint "
     "ORDER BY position LIMIT $2::bigint) AS next) AS fitting WHERE before = 0 OR before < $3::bigint ORDER BY "
     "position",
     GS_PG_PROJECTOR | GS_PG_WRITER},
    {"know",
     "SELECT a.type, a.id, a.number, a.version, a.vector FROM (SELECT DISTINCT type, id FROM "
     "unnest($1::text[], $2::text[]) AS named(type, id)) AS wanted JOIN aggregates a ON a.type = wanted.type AND "
     "a.id = wanted.id",
     GS_PG_PROJECTOR},
    {"update_aggregates",
     "UPDATE aggregates SET version = now.version, vector = now.vector FROM "
     "unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS now(number, version, vector) "
     "WHERE aggregates.number = now.number",
     GS_PG_PROJECTOR},
    {"project", "UPDATE projection SET position = $2::bigint, written_at = now() WHERE position = $1::bigint",
     GS_PG_PROJECTOR},

    {"extent",
     "SELECT greatest((SELECT max(position) FROM delta_log), (SELECT max(position) FROM log_base), 0), "
     "(SELECT position FROM projection)",
     GS_PG_READER},
    {"row", "SELECT " ROW_COLUMNS " FROM delta_log WHERE position = $1::bigint", GS_PG_READER},
    {"versions", "SELECT list FROM event_versions WHERE position = $1::bigint", GS_PG_READER},
    {"state",
     "SELECT version, position, updated, hash, state FROM aggregate_states WHERE type = $1::text AND id = $2::text AND "
     "version <= $3::bigint ORDER BY version DESC LIMIT 1",
     GS_PG_READER},
    {"aggregate", "SELECT number, version FROM aggregates WHERE type = $1::text AND id = $2::text", GS_PG_READER},
    {"entries_up",
     "SELECT version, position, event, clock FROM event_store WHERE aggregate = $1::bigint AND version >= $2::bigint "
     "AND version <= $3::bigint ORDER BY version LIMIT $4::bigint",
     GS_PG_READER},
    {"entries_down",
     "SELECT version, position, event, clock FROM event_store WHERE aggregate = $1::bigint AND version >= $2::bigint "
     "AND version <= $3::bigint ORDER BY version DESC LIMIT $4::bigint",
     GS_PG_READER},
};

int gs_pg_prepare(struct gs_pg_link *link, unsigned role) {
    int error = 0;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && error == 0; i++) {
        if ((statements[i].roles & role) != 0) {
            error = gs_pg_link_prepare(link, statements[i].name, statements[i].sql);
        }
    }
    return error;
}

int gs_pg_row_load(const PGresult *result, int index, struct gs_log_row *ret_row) {
    struct gs_log_row row = {
        .position = gs_pg_number(result, index, 0),
        .first_seq = gs_pg_number(result, index, 2),
        .last_seq = gs_pg_number(result, index, 3),
        .record = gs_slice_make(PQgetvalue(result, index, 5), (size_t)PQgetlength(result, index, 5)),
    };
    uint8_t computed[GS_LOG_CHECKSUM_SIZE];
    if (PQgetlength(result, index, 1) != GS_ORIGIN_SIZE || PQgetlength(result, index, 4) != GS_LOG_CHECKSUM_SIZE) {
        return GS_ECORRUPT;
    }
    memcpy(row.origin.bytes, PQgetvalue(result, index, 1), GS_ORIGIN_SIZE);
    gs_log_row_checksum(&row, computed);
    if (memcmp(PQgetvalue(result, index, 4), computed, sizeof computed) != 0) {
        return GS_ECORRUPT;
    }
    *ret_row = row;
    return 0;
}

int gs_pg_log_state(struct gs_postgres *postgres, uint64_t *ret_last_position, struct gs_vector *ret_heads) {
    const struct gs_pg_parameters none = {.count = 0};
    PGresult *result = NULL;
    int error = gs_pg_link_run(&postgres->link, "last_position", &none, &result);
    if (error != 0) {
        return error;
    }
    *ret_last_position = gs_pg_number(result, 0, 0);
    PQclear(result);
    error = gs_pg_read_base(&postgres->link, &postgres->base.log_base);
    if (error == GS_ECORRUPT) {
        (void)snprintf(postgres->link.trouble, sizeof postgres->link.trouble, "%s", GS_BASE_DAMAGED);
    }
    if (error != 0) {
        return error;
    }
    if (*ret_last_position < postgres->base.log_base.position) {
        *ret_last_position = postgres->base.log_base.position;
    }
    error = gs_pg_link_run(&postgres->link, "heads", &none, &result);
    if (error != 0) {
        return error;
    }
    for (int i = 0; i < PQntuples(result) && error == 0; i++) {
        struct gs_log_row row;
        struct gs_head head;
        error = gs_pg_row_load(result, i, &row);
        if (error == 0) {
            error = gs_log_row_head(&row, &head);
        }
        bool leave_out = error == GS_ECORRUPT && (postgres->next_position == 0 || postgres->base.damaged);
        if (leave_out) { /* the database is sound, a row of it is not: it can be put right */
            postgres->base.damaged = true;
            error = 0;
        } else if (error == 0) {
            error = gs_vector_set(ret_heads, &head);
        }
    }
    PQclear(result);
    return error == 0 ? gs_base_complete(&postgres->base.log_base, ret_heads) : error;
}

int gs_pg_log_seqs(struct gs_postgres *postgres, struct gs_vector *ret_heads) {
    const struct gs_pg_parameters none = {.count = 0};
    PGresult *result = NULL;
    int error = gs_pg_link_run(&postgres->link, "seqs", &none, &result);
    for (int i = 0; error == 0 && i < PQntuples(result); i++) {
        struct gs_head head = {.seq = gs_pg_number(result, i, 1)};
        if (PQgetlength(result, i, 0) != GS_ORIGIN_SIZE) {
            error = GS_ECORRUPT;
            break;
        }
        memcpy(head.origin.bytes, PQgetvalue(result, i, 0), GS_ORIGIN_SIZE);
        error = gs_vector_set(ret_heads, &head);
    }
    PQclear(result);
    return error;
}
