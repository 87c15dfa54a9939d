/* Keeping states beside the log (node/core/keep.h): one transaction a keep, sent in one go, not synced, as nothing in
 * it is the only copy of anything. Every row has a hash over all of it; what does not match is named, and is not used.
 */
#include "node/store/failpoint.h"
#include "node/store/kept_hash.h"
#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"

#include <string.h>

static struct gs_slice slice_of(const struct gs_buffer *buffer) {
    return gs_slice_make(buffer->bytes, buffer->length);
}

static void add_slice(struct gs_pg_parameters *parameters, struct gs_slice bytes) {
    gs_pg_add_bytes(parameters, bytes.length > 0 ? (const void *)bytes.bytes : "", bytes.length);
}

static int send_state(struct gs_pg_link *link, const struct gs_base *base, const struct gs_keep_state *state) {
    const struct gs_kept_state kept = {
        .version = state->version, .position = state->position, .updated = state->updated, .state = state->state};
    struct gs_pg_parameters add = {.count = 0};
    struct gs_pg_parameters thin = {.count = 0};
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    gs_kept_state_hash(state->type, state->id, &kept, hash);
    add_slice(&add, state->type);
    add_slice(&add, state->id);
    gs_pg_add_number(&add, state->version);
    gs_pg_add_number(&add, state->position);
    gs_pg_add_number(&add, state->updated);
    gs_pg_add_bytes(&add, hash, sizeof hash);
    add_slice(&add, slice_of(&state->state));
    int error = gs_pg_link_send(link, "keep_state", &add);
    if (error != 0) {
        return error;
    }
    add_slice(&thin, state->type);
    add_slice(&thin, state->id);
    gs_pg_add_number(&thin, state->version);
    gs_pg_add_number(&thin, GS_KEEP_SPACING);
    /* Where the first events are gone, the oldest state stands for them. */
    gs_pg_add_number(&thin, gs_base_floor(base, state->type) > 0 ? 2 : 1);
    return gs_pg_link_send(link, "thin_out", &thin);
}

static int send_entries(struct gs_pg_link *link, uint64_t journal, const struct gs_keep_entries *entries) {
    int error = 0;
    if (entries->first <= entries->last) {
        const uint64_t numbers[] = {journal, entries->last, entries->first};
        struct gs_pg_parameters add = {.count = 0};
        uint8_t hash[GS_LOG_CHECKSUM_SIZE];
        gs_kept_row_hash("gs-keep-entry-v1", numbers, 3, slice_of(&entries->entries), hash);
        for (int i = 0; i < 3; i++) {
            gs_pg_add_number(&add, numbers[i]);
        }
        gs_pg_add_bytes(&add, hash, sizeof hash);
        add_slice(&add, slice_of(&entries->entries));
        error = gs_pg_link_send(link, "keep_entries", &add);
    }
    if (error == 0) {
        struct gs_pg_parameters drop = {.count = 0};
        gs_pg_add_number(&drop, journal);
        gs_pg_add_number(&drop, entries->oldest);
        error = gs_pg_link_send(link, "drop_entries", &drop);
    }
    return error;
}

static int send_checkpoint(struct gs_pg_link *link, const struct gs_keep *keep) {
    const uint64_t numbers[] = {keep->low, keep->position};
    struct gs_pg_parameters set = {.count = 0};
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    gs_kept_row_hash("gs-keep-core-v1", numbers, 2, slice_of(&keep->core), hash);
    gs_pg_add_number(&set, keep->low);
    gs_pg_add_number(&set, keep->position);
    gs_pg_add_bytes(&set, hash, sizeof hash);
    add_slice(&set, slice_of(&keep->core));
    return gs_pg_link_send(link, "checkpoint", &set);
}

int gs_pg_send_keep(struct gs_pg_link *link, const struct gs_base *base, const struct gs_keep *keep) {
    int error = 0;
    for (uint32_t i = 0; i < keep->count && error == 0; i++) {
        error = send_state(link, base, &keep->states[i]);
    }
    for (int i = 0; i < GS_KEEP_JOURNALS && error == 0; i++) {
        error = send_entries(link, (uint64_t)i, &keep->journals[i]);
    }
    return error == 0 && keep->core.length > 0 ? send_checkpoint(link, keep) : error;
}

int gs_postgres_keep(struct gs_store *store, const struct gs_keep *keep) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    struct gs_pg_link *link = &postgres->link;
    if (postgres->failed) {
        return GS_EIO;
    }
    if (keep->position >= postgres->next_position) {
        return GS_ESTORE; /* the commit that it goes with has failed */
    }
    int error = gs_pg_connect(postgres, NULL);
    if (error == 0 && PQenterPipelineMode(link->conn) == 0) {
        error = gs_pg_link_lose(link, "the connection is lost");
    }
    const struct gs_pg_parameters none = {.count = 0};
    if (error == 0) {
        error = gs_pg_link_send(link, "unsynced", &none);
    }
    if (error == 0) {
        error = gs_pg_send_keep(link, &store->log_base, keep);
        GS_FAILPOINT("keep.commit");
    }
    if (error == 0) {
        error = gs_pg_link_sync(link);
    }
    return error != 0 ? gs_pg_trouble(postgres, GS_ESTORE) : 0;
}

struct visit {
    const struct gs_postgres *postgres;
    const struct gs_kept_visitor *visitor;
    struct gs_problem *problem;
};

static struct gs_slice value_of(const PGresult *row, int column) {
    return gs_slice_make(PQgetvalue(row, 0, column), (size_t)PQgetlength(row, 0, column));
}

static bool hash_matches(const PGresult *row, int column, const uint8_t hash[GS_LOG_CHECKSUM_SIZE]) {
    struct gs_slice stored = value_of(row, column);
    return stored.length == GS_LOG_CHECKSUM_SIZE && memcmp(stored.bytes, hash, GS_LOG_CHECKSUM_SIZE) == 0;
}

static int visit_checkpoint(struct visit *visit, const PGresult *row) {
    const uint64_t numbers[] = {gs_pg_number(row, 0, 0), gs_pg_number(row, 0, 1)};
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    gs_kept_row_hash("gs-keep-core-v1", numbers, 2, value_of(row, 3), hash);
    if (!hash_matches(row, 2, hash) || numbers[0] > numbers[1] || numbers[1] >= visit->postgres->next_position) {
        return gs_problem_set(visit->problem, GS_ECORRUPT, NULL, "the checkpoint is damaged");
    }
    return visit->visitor->checkpoint(visit->visitor->context, numbers[0], numbers[1], value_of(row, 3));
}

static int visit_entries(struct visit *visit, const PGresult *row) {
    const uint64_t numbers[] = {gs_pg_number(row, 0, 0), gs_pg_number(row, 0, 1), gs_pg_number(row, 0, 2)};
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    gs_kept_row_hash("gs-keep-entry-v1", numbers, 3, value_of(row, 4), hash);
    if (!hash_matches(row, 3, hash) || numbers[0] >= GS_KEEP_JOURNALS) {
        return gs_problem_set(visit->problem, GS_ECORRUPT, NULL, "kept entries up to %llu are damaged",
                              (unsigned long long)numbers[1]);
    }
    return visit->visitor->entries(visit->visitor->context, (enum gs_keep_journal)numbers[0], numbers[2], numbers[1],
                                   value_of(row, 4));
}

int gs_pg_kept_state(const PGresult *row, struct gs_slice type, struct gs_slice id, struct gs_kept_state *ret_state) {
    struct gs_slice bytes = value_of(row, 4);
    uint8_t hash[GS_LOG_CHECKSUM_SIZE];
    if (type.length > GS_ID_BYTES_MAX || id.length > GS_ID_BYTES_MAX) {
        return GS_ECORRUPT;
    }
    ret_state->version = gs_pg_number(row, 0, 0);
    ret_state->position = gs_pg_number(row, 0, 1);
    ret_state->updated = gs_pg_number(row, 0, 2);
    ret_state->state.length = 0;
    gs_buffer_append(&ret_state->state, bytes.bytes, bytes.length);
    if (ret_state->state.failed != 0) {
        return ret_state->state.failed;
    }
    gs_kept_state_hash(type, id, ret_state, hash);
    return hash_matches(row, 3, hash) ? 0 : GS_ECORRUPT;
}

static int visit_state(struct visit *visit, const PGresult *row) {
    struct gs_keep_state state = {.type = value_of(row, 5), .id = value_of(row, 6)};
    struct gs_kept_state kept = {0};
    int error = gs_pg_kept_state(row, state.type, state.id, &kept);
    if (error == 0) {
        state.version = kept.version;
        state.position = kept.position;
        state.updated = kept.updated;
        state.state = kept.state;
        error = visit->visitor->state(visit->visitor->context, &state);
    }
    if (error == GS_ECORRUPT) {
        gs_problem_set(visit->problem, error, NULL, "the kept state of %.*s/%.*s is damaged", (int)state.type.length,
                       (const char *)state.type.bytes, (int)state.id.length, (const char *)state.id.bytes);
    }
    gs_buffer_close(&kept.state);
    return error;
}

/* Row by row; `ret_count` of them. A walk that ends early gives the connection up: what is still on its way goes with
 * it. */
static int walk(struct gs_postgres *postgres, const char *name, struct visit *visit,
                int (*row)(struct visit *visit, const PGresult *row), uint64_t *ret_count) {
    const struct gs_pg_parameters none = {.count = 0};
    struct gs_pg_link *link = &postgres->link;
    uint64_t count = 0;
    int error = gs_pg_connect(postgres, NULL);
    if (error == 0) {
        error = gs_pg_link_send(link, name, &none);
    }
    if (error == 0 && PQsetSingleRowMode(link->conn) == 0) {
        error = gs_pg_link_lose(link, "the connection is out of step");
    }
    while (error == 0) {
        PGresult *result = NULL;
        error = gs_pg_link_next(link, &result);
        if (error != 0 || result == NULL) {
            break;
        }
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_SINGLE_TUPLE) {
            error = row(visit, result);
            count++;
        } else if (status != PGRES_TUPLES_OK) {
            error = gs_pg_link_refused(link, result);
        }
        PQclear(result);
    }
    if (error != 0) {
        gs_pg_link_close(link);
    }
    *ret_count = count;
    return error;
}

int gs_postgres_visit_kept(struct gs_store *store, const struct gs_kept_visitor *visitor, struct gs_problem *problem) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    struct visit visit = {.postgres = postgres, .visitor = visitor, .problem = problem};
    uint64_t count = 0;
    int error = walk(postgres, "kept_checkpoint", &visit, visit_checkpoint, &count);
    if (error == 0 && count == 0) {
        return GS_ENOTFOUND;
    }
    if (error == 0) {
        error = walk(postgres, "kept_entries", &visit, visit_entries, &count);
    }
    return error == 0 ? walk(postgres, "kept_states", &visit, visit_state, &count) : error;
}

int gs_postgres_forget_kept(struct gs_store *store) {
    struct gs_postgres *postgres = gs_postgres_of(store);
    int error = gs_pg_connect(postgres, NULL);
    if (error == 0) {
        error = gs_pg_link_command(&postgres->link, "TRUNCATE checkpoints, kept_entries, aggregate_states");
    }
    return error != 0 ? gs_pg_trouble(postgres, GS_ESTORE) : 0;
}
