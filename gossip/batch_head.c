#include "gossip/batch_impl.h"
#include "gossip/bytes.h"

#include <string.h>

enum { ORIGIN_AT = 17, MIN_SIZE = GS_BATCH_HEAD_SIZE + GS_SIGNATURE_SIZE };

void gs_batch_head_write(const struct gs_batch_head *head, struct gs_buffer *out) {
    uint8_t *at = gs_buffer_reserve(out, GS_BATCH_HEAD_SIZE);
    if (at == NULL) {
        return;
    }
    at[0] = GS_BATCH_VERSION;
    memcpy(at + 1, head->cluster.bytes, GS_CLUSTER_SIZE);
    memcpy(at + ORIGIN_AT, head->origin.bytes, GS_ORIGIN_SIZE);
    memcpy(at + 33, head->incarnation.bytes, GS_INCARNATION_SIZE);
    gs_put_be(at + 45, head->first_seq, 8);
    gs_put_be(at + 53, head->count, 4);
    gs_put_be(at + 57, head->clock_first, 8);
    gs_put_be(at + 65, head->clock_last, 8);
    memcpy(at + 73, head->prev_hash.bytes, GS_HASH_SIZE);
    gs_put_be(at + 105, head->dep_count, 2);
    gs_put_be(at + GS_BATCH_BODY_LENGTH_AT, head->body.length, 4);
}

void gs_batch_dep_write(const struct gs_head *dep, struct gs_buffer *out) {
    uint8_t seq[8];
    gs_put_be(seq, dep->seq, 8);
    gs_buffer_append(out, dep->origin.bytes, sizeof dep->origin.bytes);
    gs_buffer_append(out, seq, sizeof seq);
    gs_buffer_append(out, dep->hash.bytes, sizeof dep->hash.bytes);
}

static void read_dep(const uint8_t *at, struct gs_head *ret_dep) {
    memcpy(ret_dep->origin.bytes, at, GS_ORIGIN_SIZE);
    ret_dep->seq = gs_get_be(at + GS_ORIGIN_SIZE, 8);
    memcpy(ret_dep->hash.bytes, at + GS_ORIGIN_SIZE + 8, GS_HASH_SIZE);
}

static void read_fields(const uint8_t *at, struct gs_batch_head *head) {
    memcpy(head->cluster.bytes, at + 1, GS_CLUSTER_SIZE);
    memcpy(head->origin.bytes, at + ORIGIN_AT, GS_ORIGIN_SIZE);
    memcpy(head->incarnation.bytes, at + 33, GS_INCARNATION_SIZE);
    head->first_seq = gs_get_be(at + 45, 8);
    head->count = (uint32_t)gs_get_be(at + 53, 4);
    head->clock_first = gs_get_be(at + 57, 8);
    head->clock_last = gs_get_be(at + 65, 8);
    memcpy(head->prev_hash.bytes, at + 73, GS_HASH_SIZE);
    head->dep_count = (uint32_t)gs_get_be(at + 105, 2);
}

static int check_ranges(const struct gs_batch_head *head) {
    if (head->count > GS_BATCH_EVENTS_MAX || head->dep_count > GS_BATCH_DEPS_MAX) {
        return GS_ETOOBIG;
    }
    if (head->count < 1 || head->first_seq < 1 || head->first_seq > GS_SEQ_MAX ||
        head->count - 1 > GS_SEQ_MAX - head->first_seq) {
        return GS_EFORMAT;
    }
    /* Clocks rise by at least 1 an event, and one event has one clock. */
    if (head->clock_last < head->clock_first || head->clock_last - head->clock_first < head->count - 1 ||
        (head->count == 1 && head->clock_last != head->clock_first)) {
        return GS_EFORMAT;
    }
    static const gs_hash none;
    bool has_previous = memcmp(head->prev_hash.bytes, none.bytes, GS_HASH_SIZE) != 0;
    return has_previous == (head->first_seq > 1) ? 0 : GS_EFORMAT;
}

static int check_deps(const struct gs_batch_head *head) {
    struct gs_head before;
    for (uint32_t i = 0; i < head->dep_count; i++) {
        struct gs_head dep;
        gs_batch_dep(head, i, &dep);
        if (dep.seq < 1 || dep.seq > GS_SEQ_MAX || gs_origin_equal(&dep.origin, &head->origin) ||
            (i > 0 && gs_origin_compare(&before.origin, &dep.origin) >= 0)) {
            return GS_EFORMAT;
        }
        before = dep;
    }
    return 0;
}

int gs_batch_parse_head(const void *bytes, size_t length, struct gs_batch_head *ret_head) {
    const uint8_t *at = bytes;
    struct gs_batch_head head = {0};
    if (length > GS_BATCH_BYTES_MAX) {
        return GS_ETOOBIG;
    }
    if (length >= 1 && at[0] != GS_BATCH_VERSION) {
        return GS_EVERSION;
    }
    if (length < MIN_SIZE) {
        return GS_EFORMAT;
    }
    read_fields(at, &head);
    int error = check_ranges(&head);
    if (error != 0) {
        return error;
    }
    size_t deps_size = (size_t)head.dep_count * GS_BATCH_DEP_SIZE;
    size_t body_size = (size_t)gs_get_be(at + GS_BATCH_BODY_LENGTH_AT, 4);
    if (length - MIN_SIZE < deps_size || length - MIN_SIZE - deps_size != body_size) {
        return GS_EFORMAT;
    }
    head.deps = gs_slice_make(at + GS_BATCH_HEAD_SIZE, deps_size);
    head.body = gs_slice_make(at + GS_BATCH_HEAD_SIZE + deps_size, body_size);
    head.signed_bytes = gs_slice_make(at, GS_BATCH_HEAD_SIZE + deps_size + body_size);
    head.signature = at + head.signed_bytes.length;
    error = check_deps(&head);
    if (error != 0) {
        return error;
    }
    gs_hash_bytes(GS_BATCH_PERSONAL, head.signed_bytes.bytes, head.signed_bytes.length, &head.hash);
    *ret_head = head;
    return 0;
}

int gs_batch_verify(const struct gs_batch_head *head, const gs_public_key *key) {
    return gs_batch_verify_hash(key, &head->hash, head->signature);
}

int gs_batch_verify_hash(const gs_public_key *key, const gs_hash *hash, const uint8_t signature[GS_SIGNATURE_SIZE]) {
    return gs_verify(key, GS_BATCH_CONTEXT, hash, signature);
}

void gs_batch_dep(const struct gs_batch_head *head, uint32_t index, struct gs_head *ret_dep) {
    read_dep(head->deps.bytes + (size_t)index * GS_BATCH_DEP_SIZE, ret_dep);
}

int gs_batch_check_chain(const struct gs_batch_head *head, uint64_t seq, const gs_hash *hash) {
    if (head->first_seq > seq && head->first_seq - seq > 1) {
        return GS_EGAP;
    }
    if (head->first_seq <= seq) {
        return GS_ECHAIN;
    }
    return memcmp(head->prev_hash.bytes, hash->bytes, GS_HASH_SIZE) == 0 ? 0 : GS_ECHAIN;
}
