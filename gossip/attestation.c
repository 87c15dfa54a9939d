#include "gossip/attestation.h"

#include "gossip/bytes.h"

#include <string.h>

static const char context[] = "globalstate/digest/v1";

/* cluster | key | root | count u64 | heads u32 | (origin | seq u64 | hash)… */
static int hash_attestation(const struct gs_attestation *attestation, const gs_cluster *cluster, gs_hash *ret_hash) {
    struct gs_buffer bytes = {0};
    uint8_t number[8];
    gs_buffer_append(&bytes, cluster->bytes, GS_CLUSTER_SIZE);
    gs_buffer_append(&bytes, attestation->key.bytes, GS_PUBLIC_KEY_SIZE);
    gs_buffer_append(&bytes, attestation->root.bytes, GS_HASH_SIZE);
    gs_put_be(number, attestation->count, 8);
    gs_buffer_append(&bytes, number, 8);
    gs_put_be(number, attestation->vector->count, 4);
    gs_buffer_append(&bytes, number, 4);
    for (uint32_t i = 0; i < attestation->vector->count; i++) {
        const struct gs_head *head = &attestation->vector->heads[i];
        gs_buffer_append(&bytes, head->origin.bytes, GS_ORIGIN_SIZE);
        gs_put_be(number, head->seq, 8);
        gs_buffer_append(&bytes, number, 8);
        gs_buffer_append(&bytes, head->hash.bytes, GS_HASH_SIZE);
    }
    int error = bytes.failed;
    if (error == 0) {
        gs_hash_bytes("gs-attest-v1", bytes.bytes, bytes.length, ret_hash);
    }
    gs_buffer_close(&bytes);
    return error;
}

int gs_attestation_sign(struct gs_attestation *attestation, const gs_cluster *cluster, const struct gs_key_pair *keys) {
    gs_hash hash;
    int error = hash_attestation(attestation, cluster, &hash);
    if (error == 0) {
        gs_sign(keys, context, &hash, attestation->signature);
    }
    return error;
}

int gs_attestation_verify(const struct gs_attestation *attestation, const gs_cluster *cluster) {
    gs_hash hash;
    int error = hash_attestation(attestation, cluster, &hash);
    return error != 0 ? error : gs_verify(&attestation->key, context, &hash, attestation->signature);
}
