#include "node/core/behind.h"

#include "node/core/core_impl.h"
#include "node/core/giving.h"

#include <string.h>

int gs_behind_begin(struct gs_core *core, struct gs_behind *behind) {
    gs_behind_close(behind);
    gs_rng_bytes(&core->rng, &behind->session, sizeof behind->session);
    int error = gs_vector_copy(&behind->heads, &core->base);
    for (uint32_t i = 0; error == 0 && i < behind->heads.count; i++) {
        behind->total += behind->heads.heads[i].seq;
    }
    return error;
}

void gs_behind_close(struct gs_behind *behind) {
    gs_vector_close(&behind->heads);
    *behind = (struct gs_behind){0};
}

void gs_behind_resume(struct gs_behind *behind) {
    behind->state = GS_BEHIND_RUNNING;
    behind->asked = false;
    behind->asked_mono_ms = 0;
}

/* The next origin whose history has not been seen to its end. */
static const struct gs_head *next_head(struct gs_behind *behind) {
    while (behind->at < behind->heads.count && behind->reached.seq == behind->heads.heads[behind->at].seq) {
        behind->at++;
        behind->reached = (struct gs_head){0};
    }
    return behind->at < behind->heads.count ? &behind->heads.heads[behind->at] : NULL;
}

int gs_behind_step(struct gs_core *core, struct gs_behind *behind, gs_peer peer, struct gs_update *update) {
    uint64_t waited_ms = core->mono_ms - behind->asked_mono_ms;
    if (behind->state != GS_BEHIND_RUNNING) {
        return 0;
    }
    const struct gs_head *head = next_head(behind);
    if (head == NULL) {
        behind->state = GS_BEHIND_SHOWN;
        return 0;
    }
    if (behind->asked) {
        behind->state = waited_ms >= GS_BEHIND_ANSWER_MS ? GS_BEHIND_SILENT : GS_BEHIND_RUNNING;
        return 0;
    }
    if (behind->asked_mono_ms > 0 && waited_ms < GS_BEHIND_PAUSE_MS) {
        return 0;
    }
    const struct gs_snapshot question = {.op = GS_SNAPSHOT_RANGE,
                                         .session = behind->session,
                                         .origin = head->origin,
                                         .after = behind->reached.seq,
                                         .until = head->seq};
    behind->asked = true;
    behind->asked_mono_ms = core->mono_ms;
    return gs_snapshot_send(peer, &question, update);
}

/* One batch: does it go on where the last one ended, and, if it is the last, end as the snapshot says? */
static bool follows(const struct gs_core *core, struct gs_behind *behind, struct gs_slice bytes) {
    const struct gs_head *head = &behind->heads.heads[behind->at];
    struct gs_record record;
    struct gs_batch_head batch;
    if (gs_record_parse(bytes, &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &batch) != 0 ||
        !gs_origin_equal(&batch.origin, &head->origin) ||
        memcmp(&batch.cluster, &core->config.cluster, sizeof batch.cluster) != 0 ||
        gs_batch_check_chain(&batch, behind->reached.seq, &behind->reached.hash) != 0 ||
        gs_batch_last_seq(&batch) > head->seq) {
        return false;
    }
    behind->shown += batch.count;
    behind->reached.seq = gs_batch_last_seq(&batch);
    behind->reached.hash = batch.hash;
    return behind->reached.seq < head->seq || memcmp(&batch.hash, &head->hash, sizeof head->hash) == 0;
}

void gs_behind_records(struct gs_core *core, struct gs_behind *behind, const struct gs_snapshot *answer) {
    if (!behind->asked || answer->session != behind->session || behind->state != GS_BEHIND_RUNNING) {
        return;
    }
    behind->asked = false;
    if (answer->count == 0) {
        behind->state = GS_BEHIND_GONE;
    }
    for (uint32_t i = 0; i < answer->count && behind->state == GS_BEHIND_RUNNING; i++) {
        bool more = behind->reached.seq < behind->heads.heads[behind->at].seq;
        behind->state = more && follows(core, behind, answer->records[i]) ? GS_BEHIND_RUNNING : GS_BEHIND_WRONG;
    }
}
