/* Who vouches for what a peer brings, and for what it is sent (gossip/run.h). Of the batches of one message, each
 * origin's are looked at from the last one on: one that names the one before it vouches for it, and only anchors, and
 * batches that nothing vouches for, have their own signatures checked. So a long history costs a signature in 64 events
 * and not one a batch; what follows the last good signature of a run is not taken, and who sent it is blamed.
 *
 * The bytes of signatures in between are stored as they came, unchecked: a relay may have spoilt them. Hence what is
 * sent ends each origin's part at an anchor, or at our newest batch, whose signature is checked before it is stored. */
#include "node/core/core_impl.h"

#include "gossip/run.h"

#include <stdlib.h>
#include <string.h>

/* In one message, of batches that are no anchors: then nothing else in it is worth a look. */
enum { FAILED_CHECKS_MAX = GS_RUN_EVENTS };

static void parse(struct gs_slice bytes, struct gs_arrival *ret_arrival) {
    *ret_arrival = (struct gs_arrival){.bytes = bytes};
    struct gs_record *record = &ret_arrival->record;
    int error = gs_record_parse(bytes, record);
    if (error == 0) {
        error = gs_batch_parse_head(record->batch.bytes, record->batch.length, &ret_arrival->head);
    }
    ret_arrival->error = error != 0 ? GS_EFORMAT : 0;
}

/* By who has signed it. */
static int check(const struct gs_core *core, const struct gs_batch_head *head) {
    const struct gs_origin_state *origin = gs_registry_find(core, &head->origin);
    if (memcmp(head->cluster.bytes, core->config.cluster.bytes, GS_CLUSTER_SIZE) != 0) {
        return GS_ECLUSTER;
    }
    if (origin != NULL) {
        return gs_batch_verify(head, &origin->key);
    }
    const struct gs_trust_entry *trusted = gs_trust_find_origin(core->config.trust, &head->origin, &head->incarnation);
    return trusted != NULL ? gs_batch_verify(head, &trusted->key) : GS_EUNTRUSTED;
}

static bool is_there(const struct gs_core *core, const struct gs_batch_head *head) {
    const struct gs_origin_state *origin = gs_registry_find(core, &head->origin);
    uint64_t last = gs_batch_last_seq(head);
    return origin != NULL && last <= gs_vector_seq(&core->applied, &head->origin) &&
           gs_registry_check_end(origin, last, &head->hash) == 0;
}

static void judge(const struct gs_core *core, struct gs_arrival *arrival, const struct gs_arrival *newer,
                  uint32_t *failed) {
    const struct gs_batch_head *head = &arrival->head;
    if (is_there(core, head)) {
        arrival->error = GS_EBUSY;
        return;
    }
    bool anchor = gs_run_is_anchor(head);
    if (!anchor && newer != NULL && newer->error == 0 && gs_run_continues(head, &newer->head)) {
        return;
    }
    if (!anchor && *failed >= FAILED_CHECKS_MAX) {
        arrival->error = GS_ESIGNATURE;
        return;
    }
    arrival->error = check(core, head);
    arrival->checked = arrival->error == 0;
    *failed += arrival->error == GS_ESIGNATURE ? 1 : 0;
}

/* For each origin that was met from the end on, where it was met last. */
struct tails {
    uint32_t *at;
    uint32_t count;
};

static uint32_t *find_tail(const struct tails *tails, const struct gs_arrival *arrivals, const gs_origin *origin) {
    for (uint32_t i = tails->count; i > 0; i--) {
        if (gs_origin_equal(&arrivals[tails->at[i - 1]].head.origin, origin)) {
            return &tails->at[i - 1];
        }
    }
    return NULL;
}

int gs_vouch(const struct gs_core *core, const struct gs_slice *records, uint32_t count,
             struct gs_arrival **ret_arrivals) {
    struct gs_arrival *arrivals = calloc(count + 1, sizeof *arrivals);
    struct tails tails = {.at = calloc(count + 1, sizeof *tails.at)};
    uint32_t failed = 0;
    if (arrivals == NULL || tails.at == NULL) {
        free(arrivals);
        free(tails.at);
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        parse(records[i], &arrivals[i]);
    }
    for (uint32_t i = count; i > 0; i--) {
        struct gs_arrival *arrival = &arrivals[i - 1];
        if (arrival->error != 0) {
            continue;
        }
        uint32_t *tail = find_tail(&tails, arrivals, &arrival->head.origin);
        judge(core, arrival, tail != NULL ? &arrivals[*tail] : NULL, &failed);
        *(tail != NULL ? tail : &tails.at[tails.count++]) = i - 1;
    }
    free(tails.at);
    *ret_arrivals = arrivals;
    return 0;
}

void gs_vouch_applied(struct gs_core *core, struct gs_origin_state *origin, bool checked) {
    core->tails_unchecked += (checked ? 0u : 1u) - (origin->tail_unchecked ? 1u : 0u);
    origin->tail_unchecked = !checked;
    origin->tail_spoilt = false;
}

void gs_vouch_seal(struct gs_core *core) {
    for (uint32_t i = 0; i < core->origin_count && core->tails_unchecked > 0; i++) {
        struct gs_origin_state *origin = core->origins[i];
        const struct gs_head *head = gs_vector_find(&core->applied, &origin->origin);
        if (origin->tail_unchecked && head != NULL) {
            bool good = gs_batch_verify_hash(&origin->key, &head->hash, origin->tail_signature) == 0;
            gs_vouch_applied(core, origin, true);
            origin->tail_spoilt = !good;
        }
    }
}

bool gs_vouch_whole(const struct gs_core *core) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        if (core->origins[i]->tail_spoilt) {
            return false;
        }
    }
    return true;
}

/* True if a receiver will find the batch's own signature good. */
static bool may_end(const struct gs_core *core, const struct gs_batch_head *head) {
    const struct gs_origin_state *origin = gs_registry_find(core, &head->origin);
    const struct gs_head *newest = gs_vector_find(&core->stored, &head->origin);
    bool is_newest = newest != NULL && newest->seq == gs_batch_last_seq(head);
    return gs_run_is_anchor(head) || (is_newest && (origin == NULL || !origin->tail_spoilt));
}

static bool is_spoilt(const struct gs_core *core, const struct gs_batch_head *head) {
    const struct gs_origin_state *origin = gs_registry_find(core, &head->origin);
    return origin != NULL && origin->tail_spoilt;
}

int gs_vouch_cut(const struct gs_core *core, struct gs_slice records, uint32_t count, struct gs_buffer *ret_records,
                 struct gs_arrival **ret_arrivals, uint32_t *ret_count) {
    struct gs_arrival *arrivals = calloc(count + 1, sizeof *arrivals);
    struct tails tails = {.at = calloc(count + 1, sizeof *tails.at)};
    struct gs_reader reader;
    struct gs_record record;
    bool any = false;
    gs_reader_init(&reader, records.bytes, records.length);
    reader.nodes_left = UINT32_MAX; /* each record is bounded by itself */
    int error = arrivals == NULL || tails.at == NULL ? GS_ENOMEM : 0;
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        const uint8_t *start = reader.at;
        error = gs_record_read(&reader, &record);
        parse(gs_slice_make(start, error == 0 ? (size_t)(reader.at - start) : 0), &arrivals[i]);
        error = error != 0 ? error : arrivals[i].error;
    }
    for (uint32_t i = count; error == 0 && i > 0; i--) {
        struct gs_arrival *arrival = &arrivals[i - 1];
        bool ended = find_tail(&tails, arrivals, &arrival->head.origin) != NULL;
        if (!ended && may_end(core, &arrival->head)) {
            tails.at[tails.count++] = i - 1;
            ended = true;
        }
        arrival->checked = ended;
        any = any || ended;
    }
    /* A part without any anchor is as good as its origin's or its relay's work was: better than none. */
    uint32_t kept = 0;
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        if (arrivals[i].checked || (!any && !is_spoilt(core, &arrivals[i].head))) {
            gs_buffer_append(ret_records, arrivals[i].bytes.bytes, arrivals[i].bytes.length);
            arrivals[kept++] = arrivals[i];
        }
    }
    free(tails.at);
    error = error != 0 ? error : ret_records->failed;
    if (error != 0) {
        free(arrivals);
        return error;
    }
    *ret_arrivals = arrivals;
    *ret_count = kept;
    return 0;
}
