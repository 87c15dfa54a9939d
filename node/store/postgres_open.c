#include "node/store/engines.h"
#include "node/store/postgres_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gs_postgres *gs_postgres_of(struct gs_store *store) {
    return (struct gs_postgres *)store;
}

int gs_pg_trouble(struct gs_postgres *postgres, int error) {
    (void)snprintf(postgres->base.trouble, sizeof postgres->base.trouble, "%s",
                   postgres->link.trouble[0] != '\0' ? postgres->link.trouble : gs_error_message(error));
    return error;
}

/* The log as it is found, against what was acknowledged and what was under way. The first time there is neither. */
static int reconcile(struct gs_postgres *postgres, bool *ret_pending) {
    struct gs_vector found = {0};
    uint64_t last = 0;
    int error = gs_pg_log_state(postgres, &last, &found);
    if (error == 0 && postgres->next_position == 0) {
        postgres->chain.heads = found;
        postgres->next_position = last + 1;
        postgres->base.stored = last;
        return 0;
    }
    const struct gs_chain *chain = &postgres->chain;
    const uint64_t acknowledged = postgres->next_position - 1;
    bool before = error == 0 && last == acknowledged && gs_vector_equal(&found, &chain->heads);
    bool after = error == 0 && chain->link_count > 0 && last == acknowledged + chain->link_count &&
                 gs_vector_equal(&found, &chain->next);
    if (error == 0 && !before && !after) {
        bool less = last < acknowledged || !gs_vector_covers(&found, &chain->heads);
        (void)snprintf(postgres->link.trouble, sizeof postgres->link.trouble,
                       less ? "the store went back: it acknowledged %llu records and holds %llu"
                            : "another node has written: this one has stored %llu records, and there are %llu",
                       (unsigned long long)acknowledged, (unsigned long long)last);
        error = less ? GS_EWENTBACK : GS_EBUSY;
    }
    gs_vector_close(&found);
    if (error == 0) {
        *ret_pending = after;
    }
    return error;
}

/* Another node that took the lease while we were away has raised the epoch: we do not come back. */
static int taken_over(struct gs_postgres *postgres) {
    PGresult *result = NULL;
    unsigned long long epoch = 0;
    if (postgres->epoch == 0 ||
        gs_pg_link_query(&postgres->link, "SELECT epoch FROM global_state.lease", &result) != 0) {
        return GS_EBUSY;
    }
    bool read = PQntuples(result) == 1 && sscanf(PQgetvalue(result, 0, 0), "%llu", &epoch) == 1;
    PQclear(result);
    return read && epoch == postgres->epoch ? GS_ESTORE : GS_EBUSY;
}

static int prepare_writer(struct gs_postgres *postgres, bool *ret_pending) {
    int error = gs_pg_lease_lock(postgres);
    if (error == GS_EBUSY) {
        return taken_over(postgres);
    }
    if (error == 0) {
        error = gs_pg_migrate(&postgres->link);
    }
    if (error == 0) {
        error = gs_pg_lease_raise(postgres);
    }
    if (error == 0) {
        error = gs_pg_prepare(&postgres->link, GS_PG_WRITER);
    }
    return error == 0 ? reconcile(postgres, ret_pending) : error;
}

int gs_pg_connect(struct gs_postgres *postgres, bool *ret_pending) {
    bool pending = false;
    bool first = postgres->epoch == 0;
    if (postgres->link.conn != NULL) {
        return 0;
    }
    int error = gs_pg_link_open(&postgres->link, postgres->url, "globalstate");
    if (error == 0) {
        error = gs_pg_session_check(&postgres->link);
    }
    if (error == 0) {
        error = prepare_writer(postgres, &pending);
    }
    if (error != 0) {
        gs_pg_link_close(&postgres->link);
        /* A server that is not (yet) as it has to be, after one that was: the next attempt may find a better one. */
        bool final = error == GS_EWENTBACK || error == GS_EBUSY || error == GS_ECORRUPT;
        return first || final ? error : GS_ESTORE;
    }
    if (ret_pending != NULL) {
        *ret_pending = pending;
    }
    return 0;
}

static void postgres_close(struct gs_store *store) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    gs_pg_link_close(&postgres->link);
    gs_pg_projector_close(&postgres->projector);
    gs_chain_close(&postgres->chain);
    gs_base_close(&store->log_base);
    free(postgres->url);
    free(postgres);
}

static int project(struct gs_store *store, uint32_t events_max, bool *ret_more) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    (void)events_max; /* nobody waits behind a slice: it is as large as pays */
    int error = gs_pg_project(&postgres->projector, postgres->url, ret_more);
    store->projected = postgres->projector.position; /* also after a failure: it stays where it was */
    return error;
}

static const struct gs_store_methods postgres_methods = {
    .name = "postgres",
    .projects_apart = true,
    .append = gs_postgres_append,
    .cut = gs_postgres_cut,
    .set_aside = gs_postgres_set_aside,
    .replay = gs_postgres_replay,
    .replay_after = gs_postgres_replay_after,
    .read_lacking = gs_postgres_read_lacking,
    .read_event = gs_postgres_read_event,
    .project = project,
    .open_history = gs_postgres_open_history,
    .keep = gs_postgres_keep,
    .visit_kept = gs_postgres_visit_kept,
    .forget_kept = gs_postgres_forget_kept,
    .install = gs_postgres_install,
    .rewrite = gs_postgres_rewrite,
    .scrub = gs_postgres_scrub,
    .truncate = gs_postgres_truncate,
    .inspect = gs_postgres_inspect,
    .heal = gs_postgres_heal,
    .close = postgres_close,
};

static struct gs_postgres *postgres_new(const char *url) {
    struct gs_postgres *postgres = calloc(1, sizeof *postgres);
    if (postgres == NULL) {
        return NULL;
    }
    postgres->base.methods = &postgres_methods;
    postgres->url = strdup(url);
    if (postgres->url == NULL) {
        postgres_close(&postgres->base);
        return NULL;
    }
    return postgres;
}

int gs_postgres_open(const char *url, struct gs_store **ret_store, struct gs_problem *problem) {
    struct gs_postgres *postgres = postgres_new(url);
    if (postgres == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "no memory for a store");
    }
    int error = gs_pg_connect(postgres, NULL);
    if (error != 0) {
        (void)gs_pg_trouble(postgres, error);
        gs_problem_set(problem, error, NULL, "PostgreSQL: %s", postgres->base.trouble);
        postgres_close(&postgres->base);
        return error;
    }
    *ret_store = &postgres->base;
    return 0;
}
