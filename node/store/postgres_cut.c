#include "node/store/postgres_impl.h"

#include <inttypes.h>
#include <stdio.h>

/* In a transaction. What was made of the log goes with its end: versions and vector clocks are counted from its
 * beginning. */
static int forget_after(struct gs_postgres *postgres, uint64_t after) {
    char sql[320];
    (void)snprintf(
        sql, sizeof sql,
        "DELETE FROM delta_log WHERE position > %" PRIu64 "; TRUNCATE event_store, event_versions, "
        "aggregates, origins, checkpoints, kept_entries, aggregate_states; UPDATE projection SET position = 0",
        after);
    return gs_pg_link_command(&postgres->link, sql);
}

static int append_kept(struct gs_postgres *postgres, uint64_t after, struct gs_slice kept, uint32_t count) {
    uint64_t last = 0;
    gs_vector_close(&postgres->chain.heads);
    int error = gs_pg_log_state(postgres, &last, &postgres->chain.heads);
    if (error == 0 && last != after) {
        error = GS_ECORRUPT;
    }
    postgres->next_position = after + 1;
    if (error == 0 && count > 0) {
        error = gs_chain_check(&postgres->chain, kept, count);
    }
    return error == 0 && count > 0 ? gs_pg_insert_links(postgres) : error;
}

int gs_postgres_set_aside(struct gs_store *store, uint64_t now_ms, char ret_where[GS_STORE_ASIDE_MAX]) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    char sql[400];
    (void)snprintf(ret_where, GS_STORE_ASIDE_MAX, "global_state.delta_log_aside_%" PRIu64, now_ms);
    (void)snprintf(sql, sizeof sql,
                   "BEGIN; CREATE TABLE delta_log_aside_%" PRIu64 " AS TABLE delta_log; CREATE TABLE "
                   "log_base_aside_%" PRIu64 " AS TABLE log_base",
                   now_ms, now_ms);
    int error = postgres->failed ? GS_EIO : gs_pg_connect(postgres, NULL);
    error = error == 0 ? gs_pg_link_command(&postgres->link, sql) : error;
    postgres->failed = true; /* what follows leaves nothing in memory that fits it */
    error = error == 0 ? forget_after(postgres, 0) : error;
    error = error == 0 ? gs_pg_link_command(&postgres->link, "DELETE FROM log_base; COMMIT") : error;
    if (error != 0) {
        gs_pg_link_close(&postgres->link); /* which undoes it, or it is done: the next open sees */
        return gs_pg_trouble(postgres, error == GS_ENOMEM ? error : GS_ESTORE);
    }
    return 0;
}

int gs_postgres_cut(struct gs_store *store, uint64_t after, struct gs_slice kept, uint32_t count) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    int error = postgres->failed ? GS_EIO : gs_pg_connect(postgres, NULL);
    if (error == 0 && (store->log_base.position > 0 || after >= postgres->next_position)) {
        return GS_EINVAL;
    }
    if (error == 0) {
        error = gs_pg_link_command(&postgres->link, "BEGIN");
    }
    if (error == 0) {
        error = forget_after(postgres, after);
    }
    if (error == 0) {
        error = append_kept(postgres, after, kept, count);
    }
    if (error == 0) {
        error = gs_pg_link_command(&postgres->link, "COMMIT");
    }
    if (error != 0) {
        gs_pg_link_close(&postgres->link); /* which undoes it, or it is done: the next open sees */
        postgres->failed = true;
        return gs_pg_trouble(postgres,
                             error == GS_ENOMEM || error == GS_ECHAIN || error == GS_ECORRUPT ? error : GS_ESTORE);
    }
    if (count > 0) {
        gs_chain_accept(&postgres->chain);
    }
    postgres->next_position = after + count + 1;
    store->stored = after + count;
    store->projected = 0;
    return 0;
}
