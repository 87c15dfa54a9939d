#include "gossip/fork.h"

#include <string.h>

static bool same(const gs_hash *a, const gs_hash *b) {
    return memcmp(a->bytes, b->bytes, GS_HASH_SIZE) == 0;
}

/* An origin writes each of its events in one batch, and each batch names the one before it. */
static bool contradict(const struct gs_batch_head *a, const struct gs_batch_head *b) {
    uint64_t a_last = gs_batch_last_seq(a);
    uint64_t b_last = gs_batch_last_seq(b);
    if (a->first_seq <= b_last && b->first_seq <= a_last) {
        return !same(&a->hash, &b->hash);
    }
    return (a_last + 1 == b->first_seq && !same(&a->hash, &b->prev_hash)) ||
           (b_last + 1 == a->first_seq && !same(&b->hash, &a->prev_hash));
}

int gs_fork_check(const struct gs_batch_head *a, const struct gs_batch_head *b, const gs_public_key *key) {
    gs_origin origin = gs_origin_derive(key, &a->incarnation);
    bool one = memcmp(a->cluster.bytes, b->cluster.bytes, GS_CLUSTER_SIZE) == 0 &&
               gs_origin_equal(&a->origin, &b->origin) && gs_origin_equal(&a->origin, &origin);
    if (!one || !contradict(a, b)) {
        return GS_EINVAL;
    }
    int error = gs_batch_verify(a, key);
    return error != 0 ? error : gs_batch_verify(b, key);
}
