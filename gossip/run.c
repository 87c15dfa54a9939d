#include "gossip/run.h"

#include <string.h>

bool gs_run_is_anchor(const struct gs_batch_head *head) {
    uint64_t past = gs_batch_last_seq(head) % GS_RUN_EVENTS; /* events since the last multiple */
    return head->first_seq == 1 || past < head->count || head->signed_bytes.length >= GS_RUN_BATCH_BYTES;
}

bool gs_run_continues(const struct gs_batch_head *older, const struct gs_batch_head *newer) {
    return gs_origin_equal(&older->origin, &newer->origin) && newer->first_seq == gs_batch_last_seq(older) + 1 &&
           memcmp(older->hash.bytes, newer->prev_hash.bytes, GS_HASH_SIZE) == 0;
}
