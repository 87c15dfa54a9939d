#include "node/store/failpoint.h"
#include "node/store/postgres_impl.h"

#include <stdio.h>
#include <string.h>

/* The inserts of one commit, behind each other; the Sync at the end makes them one transaction. */
static int send_commit(struct gs_postgres *postgres) {
    struct gs_pg_link *link = &postgres->link;
    int error = 0;
    for (uint32_t i = 0; i < postgres->chain.link_count && error == 0; i++) {
        const struct gs_chain_link *entry = &postgres->chain.links[i];
        const struct gs_log_row row = {
            .position = postgres->next_position + i,
            .origin = entry->origin,
            .first_seq = entry->first_seq,
            .last_seq = entry->last_seq,
            .record = entry->record,
        };
        struct gs_pg_parameters parameters = {.count = 0};
        uint8_t checksum[GS_LOG_CHECKSUM_SIZE];
        gs_log_row_checksum(&row, checksum);
        gs_pg_add_number(&parameters, row.position);
        gs_pg_add_bytes(&parameters, row.origin.bytes, GS_ORIGIN_SIZE);
        gs_pg_add_number(&parameters, row.first_seq);
        gs_pg_add_number(&parameters, row.last_seq);
        gs_pg_add_bytes(&parameters, checksum, sizeof checksum);
        gs_pg_add_bytes(&parameters, row.record.bytes, row.record.length);
        gs_pg_add_number(&parameters, postgres->epoch);
        error = gs_pg_link_send(link, "append", &parameters);
    }
    GS_FAILPOINT("commit.before");
    if (error == 0 && PQpipelineSync(link->conn) == 0) {
        error = gs_pg_link_lose(link, "the connection is lost");
    }
    (void)PQflush(link->conn);
    GS_FAILPOINT("commit.sent");
    return error;
}

/* Another writer: its row is at our place, or our epoch is over. What that means, the next connection finds out. */
static int overtaken(struct gs_pg_link *link) {
    (void)snprintf(link->trouble, sizeof link->trouble, "another node has written to this database");
    gs_pg_link_close(link);
    return GS_ESTORE;
}

static int look_at(struct gs_pg_link *link, const PGresult *result, uint32_t *inserted) {
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
        *inserted += strcmp(PQcmdTuples((PGresult *)result), "1") == 0 ? 1 : 0;
        return 0;
    case PGRES_PIPELINE_ABORTED:
        return 0; /* an error came before it */
    default: {
        int error = gs_pg_link_refused(link, result);
        bool collision = error == GS_EIO && strcmp(link->sqlstate, "23505") == 0;
        return collision ? overtaken(link) : error;
    }
    }
}

/* Everything up to the answer to the Sync: it comes after the commit, and only then is it one. */
static int take_answers(struct gs_postgres *postgres) {
    struct gs_pg_link *link = &postgres->link;
    uint32_t inserted = 0;
    int refused = 0;
    for (;;) {
        PGresult *result = NULL;
        int error = gs_pg_link_next(link, &result);
        if (error != 0) {
            return error;
        }
        if (result == NULL) {
            continue; /* the end of one statement's results */
        }
        bool end = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        error = end ? 0 : look_at(link, result, &inserted);
        PQclear(result);
        if (error == GS_ESTORE) {
            return error;
        }
        refused = refused != 0 ? refused : error;
        if (end) {
            break;
        }
    }
    if (refused != 0) {
        return refused;
    }
    return inserted == postgres->chain.link_count ? 0 : overtaken(link);
}

/* 0; GS_EIO: the server refused, nothing was written; GS_ESTORE: the connection is gone, nobody knows. */
int gs_pg_insert_links(struct gs_postgres *postgres) {
    struct gs_pg_link *link = &postgres->link;
    if (PQenterPipelineMode(link->conn) == 0) {
        return gs_pg_link_lose(link, "the connection is lost");
    }
    int error = send_commit(postgres);
    if (error == 0) {
        error = take_answers(postgres);
        GS_FAILPOINT("commit.after");
    }
    if (link->conn != NULL && PQexitPipelineMode(link->conn) == 0) {
        error = gs_pg_link_lose(link, "the connection is out of step");
    }
    return error;
}

static void accept_chain(struct gs_postgres *postgres) {
    postgres->next_position += postgres->chain.link_count;
    gs_chain_accept(&postgres->chain);
    postgres->base.stored = postgres->next_position - 1;
}

/* A connection that was idle may be dead without our knowing: then the second attempt, after a look at what is there,
 * spares the caller the trouble. */
int gs_postgres_append(struct gs_store *store, struct gs_slice records, uint32_t count) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    if (postgres->failed || store->damaged) {
        return postgres->failed ? GS_EIO : GS_ECORRUPT;
    }
    int error = gs_chain_check(&postgres->chain, records, count);
    if (error != 0) {
        return error == GS_ENOMEM ? GS_ESTORE : error;
    }
    for (int attempt = 0; attempt < 2; attempt++) {
        bool there = false;
        error = gs_pg_connect(postgres, &there);
        if (error == 0 && there) {
            accept_chain(postgres);
            return 0;
        }
        if (error != 0) {
            break;
        }
        error = gs_pg_insert_links(postgres);
        if (error == 0) {
            accept_chain(postgres);
            return 0;
        }
        if (error != GS_ESTORE) {
            error = GS_ESTORE; /* refused, and rolled back */
            break;
        }
    }
    postgres->failed = error == GS_ECORRUPT || error == GS_EBUSY || error == GS_EWENTBACK;
    return gs_pg_trouble(postgres, error);
}
