#include "node/cli/replay_store.h"

#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/progress.h"
#include "node/serve/recovery.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMIT_BYTES = 4 * 1024 * 1024 };

struct copying {
    struct gs_store *to;
    struct gs_buffer records;
    uint32_t count;
    uint64_t copied;
    struct gs_progress progress;
};

static int flush(struct copying *copying) {
    if (copying->count == 0) {
        return 0;
    }
    int error = copying->records.failed != 0
                    ? copying->records.failed
                    : copying->to->methods->append(
                          copying->to, gs_slice_make(copying->records.bytes, copying->records.length), copying->count);
    copying->records.length = 0;
    copying->count = 0;
    return error;
}

static int copy_record(void *context, uint64_t position, struct gs_slice record) {
    struct copying *copying = context;
    (void)position;
    gs_buffer_append(&copying->records, record.bytes, record.length);
    copying->count++;
    copying->copied++;
    gs_progress_update(&copying->progress, copying->copied);
    return copying->records.length >= COMMIT_BYTES ? flush(copying) : 0;
}

static int count_record(void *context, uint64_t position, struct gs_slice record) {
    (void)record;
    *(uint64_t *)context = position;
    return 0;
}

/* The canonical form: what is kept of the one may be cleaned up, the other has not had the time. */
static int encode(const struct gs_aggregate *aggregate, struct gs_buffer *out) {
    out->length = 0;
    return gs_aggregate_encode(aggregate, GS_ENCODE_CANONICAL, out);
}

static void hash_aggregate(crypto_generichash_state *hash, struct gs_slice type, struct gs_slice id, uint64_t version,
                           const struct gs_buffer *bytes) {
    crypto_generichash_update(hash, type.bytes, type.length);
    crypto_generichash_update(hash, (const uint8_t *)"/", 1);
    crypto_generichash_update(hash, id.bytes, id.length);
    crypto_generichash_update(hash, (const uint8_t *)&version, sizeof version);
    crypto_generichash_update(hash, bytes->bytes, bytes->length);
}

/* The sum of all aggregates' hashes does not depend on the order in which they are visited. */
struct digest {
    uint64_t words[4];
    uint64_t aggregates;
    struct gs_buffer bytes;
};

static int add_to_digest(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                         const struct gs_aggregate *aggregate) {
    struct digest *digest = context;
    crypto_generichash_state hash;
    uint64_t words[4];
    int error = encode(aggregate, &digest->bytes);
    if (error != 0) {
        return error;
    }
    crypto_generichash_init(&hash, NULL, 0, sizeof words);
    hash_aggregate(&hash, type, id, version, &digest->bytes);
    crypto_generichash_final(&hash, (uint8_t *)words, sizeof words);
    for (int i = 0; i < 4; i++) {
        digest->words[i] += words[i];
    }
    digest->aggregates++;
    return 0;
}

static int take_digest(struct gs_store *store, const struct gs_trust *trust, const struct gs_key_pair *keys,
                       struct digest *ret_digest, struct gs_vector *ret_applied, struct gs_problem *problem) {
    struct gs_core_config config = {
        .trust = trust, .keys = *keys, .idempotency_ms = 86400000, .idempotency_max = 1, .max_skew_ms = UINT64_MAX / 2};
    struct gs_recovery_report report;
    struct gs_core *core = NULL;
    int error = gs_recover_cluster(store, &config.cluster);
    if (error == 0) {
        error = gs_recover_core(store, &config, NULL, &core, &report, problem);
    }
    if (error == 0) {
        error = gs_core_visit(core, add_to_digest, ret_digest);
    }
    if (error == 0) {
        error = gs_vector_copy(ret_applied, gs_core_applied(core));
    }
    gs_core_free(core);
    gs_buffer_close(&ret_digest->bytes);
    return error;
}

static int compare(struct gs_store *from, struct gs_store *to, const struct gs_trust *trust,
                   const struct gs_key_pair *keys, uint64_t records, bool json) {
    struct digest digests[2] = {0};
    struct gs_vector applied[2] = {0};
    struct gs_problem problem = {0};
    int error = take_digest(from, trust, keys, &digests[0], &applied[0], &problem);
    if (error == 0) {
        error = take_digest(to, trust, keys, &digests[1], &applied[1], &problem);
    }
    bool same = error == 0 && memcmp(digests[0].words, digests[1].words, sizeof digests[0].words) == 0 &&
                digests[0].aggregates == digests[1].aggregates && gs_vector_equal(&applied[0], &applied[1]);
    gs_vector_close(&applied[0]);
    gs_vector_close(&applied[1]);
    if (error != 0) {
        return gs_cli_fail("replay", "%s", problem.detail[0] != '\0' ? problem.detail : gs_error_message(error));
    }
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, (const uint8_t *)digests[1].words, sizeof digests[1].words);
    if (json) {
        printf("{\"identical\":%s,\"records\":%" PRIu64 ",\"aggregates\":%" PRIu64 ",\"digest\":\"%s\"}\n",
               same ? "true" : "false", records, digests[1].aggregates, hex);
    } else {
        printf("%" PRIu64 " records replayed into a fresh store; %" PRIu64 " aggregates: %s (digest %s)\n", records,
               digests[1].aggregates, same ? "byte for byte the same" : "THEY DIFFER", hex);
    }
    return same ? 0 : 1;
}

static int copy_log(struct gs_store *from, struct gs_store *to, bool json, uint64_t *ret_records) {
    uint64_t total = 0;
    uint64_t present = 0;
    if (from->log_base.position > 0) {
        return gs_cli_fail("replay",
                           "records up to %" PRIu64 " of the store are no longer kept: its log cannot be "
                           "replayed from the beginning",
                           from->log_base.position);
    }
    int error = to->methods->replay(to, count_record, &present);
    if (error == 0 && present > 0) {
        return gs_cli_fail("replay", "the store to replay into is not empty: it has %" PRIu64 " records", present);
    }
    if (error == 0) {
        error = from->methods->replay(from, count_record, &total);
    }
    struct copying copying = {.to = to};
    gs_progress_start(&copying.progress, "replaying", "records", total, json);
    if (error == 0) {
        error = from->methods->replay(from, copy_record, &copying);
    }
    if (error == 0) {
        error = flush(&copying);
    }
    gs_progress_finish(&copying.progress, copying.copied);
    gs_buffer_close(&copying.records);
    *ret_records = copying.copied;
    return error == 0 ? 0
                      : gs_cli_fail("replay", "after %" PRIu64 " records: %s", copying.copied, gs_error_message(error));
}

int gs_replay_store(const struct gs_replay_store *replay) {
    struct gs_store *from = NULL;
    struct gs_store *to = NULL;
    struct gs_trust trust = {0};
    struct gs_key_pair keys;
    struct gs_problem problem = {0};
    uint64_t records = 0;
    int status =
        gs_trust_file_read(replay->trust_file, &trust, &problem) != 0 ? gs_cli_fail("replay", "%s", problem.detail) : 0;
    if (status == 0 && gs_store_open(replay->from, &from, &problem) != 0) {
        status = gs_cli_fail("replay", "%s", problem.detail);
    }
    if (status == 0 && gs_store_open(replay->into, &to, &problem) != 0) {
        status = gs_cli_fail("replay", "%s", problem.detail);
    }
    if (status == 0) {
        status = copy_log(from, to, replay->json, &records);
    }
    if (status == 0) { /* a core must be somebody: anybody of the trust file, it signs nothing here */
        memset(&keys, 0, sizeof keys);
        keys.public_key = trust.entries[0].key;
        status = compare(from, to, &trust, &keys, records, replay->json);
    }
    if (from != NULL) {
        from->methods->close(from);
    }
    if (to != NULL) {
        to->methods->close(to);
    }
    gs_trust_close(&trust);
    return status;
}
