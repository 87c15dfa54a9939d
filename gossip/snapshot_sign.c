/* What a member signs of a snapshot: its root and its chunks (gossip/FORMAT.md, "Snapshot"). */
#include "gossip/bytes.h"
#include "gossip/snapshot.h"

#include <string.h>

static const char root_context[] = "globalstate/snapshot/v1";
static const char chunk_context[] = "globalstate/snapshot-chunk/v1";

void gs_snapshot_parts_add(gs_hash *hash, struct gs_slice part) {
    uint8_t both[2 * GS_HASH_SIZE];
    gs_hash of_part;
    gs_hash_bytes("gs-part-v1", part.bytes, part.length, &of_part);
    memcpy(both, hash->bytes, GS_HASH_SIZE);
    memcpy(both + GS_HASH_SIZE, of_part.bytes, GS_HASH_SIZE);
    gs_hash_bytes("gs-parts-v1", both, sizeof both, hash);
}

/* cluster | key | root | leaves u64 | parts u32 | parts' hash | heads u32 | (origin | seq u64 | hash)… */
static int hash_root(const struct gs_snapshot *root, const gs_cluster *cluster, const gs_public_key *key,
                     gs_hash *ret_hash) {
    struct gs_buffer bytes = {0};
    uint8_t number[8];
    gs_buffer_append(&bytes, cluster->bytes, GS_CLUSTER_SIZE);
    gs_buffer_append(&bytes, key->bytes, GS_PUBLIC_KEY_SIZE);
    gs_buffer_append(&bytes, root->root.bytes, GS_HASH_SIZE);
    gs_put_be(number, root->leaves, 8);
    gs_buffer_append(&bytes, number, 8);
    gs_put_be(number, root->part_count, 4);
    gs_buffer_append(&bytes, number, 4);
    gs_buffer_append(&bytes, root->parts.bytes, GS_HASH_SIZE);
    gs_put_be(number, root->vector.count, 4);
    gs_buffer_append(&bytes, number, 4);
    for (uint32_t i = 0; i < root->vector.count; i++) {
        const struct gs_head *head = &root->vector.heads[i];
        gs_buffer_append(&bytes, head->origin.bytes, GS_ORIGIN_SIZE);
        gs_put_be(number, head->seq, 8);
        gs_buffer_append(&bytes, number, 8);
        gs_buffer_append(&bytes, head->hash.bytes, GS_HASH_SIZE);
    }
    int error = bytes.failed;
    if (error == 0) {
        gs_hash_bytes("gs-snapshot-v1", bytes.bytes, bytes.length, ret_hash);
    }
    gs_buffer_close(&bytes);
    return error;
}

int gs_snapshot_sign(struct gs_snapshot *root, const gs_cluster *cluster, const struct gs_key_pair *keys,
                     gs_hash *ret_hash) {
    gs_hash hash;
    int error = hash_root(root, cluster, &keys->public_key, &hash);
    if (error == 0) {
        gs_sign(keys, root_context, &hash, root->signature);
    }
    if (error == 0 && ret_hash != NULL) {
        *ret_hash = hash;
    }
    return error;
}

int gs_snapshot_verify(const struct gs_snapshot *root, const gs_cluster *cluster, const gs_public_key *key,
                       gs_hash *ret_hash) {
    gs_hash hash;
    int error = hash_root(root, cluster, key, &hash);
    if (error == 0) {
        error = gs_verify(key, root_context, &hash, root->signature);
    }
    if (error == 0 && ret_hash != NULL) {
        *ret_hash = hash;
    }
    return error;
}

/* Of which snapshot, where in it, and what. */
static void hash_chunk(const struct gs_snapshot *chunk, const gs_hash *root_hash, gs_hash *ret_hash) {
    uint8_t bytes[2 * GS_HASH_SIZE + 1 + GS_COMPARE_PATH_SIZE];
    gs_hash of_body;
    gs_hash_bytes("gs-chunk-body-v1", chunk->body.bytes, chunk->body.length, &of_body);
    memcpy(bytes, root_hash->bytes, GS_HASH_SIZE);
    memcpy(bytes + GS_HASH_SIZE, of_body.bytes, GS_HASH_SIZE);
    bytes[2 * GS_HASH_SIZE] = chunk->prefixes->depth;
    memcpy(bytes + 2 * GS_HASH_SIZE + 1, chunk->prefixes->path, GS_COMPARE_PATH_SIZE);
    gs_hash_bytes("gs-chunk-v1", bytes, sizeof bytes, ret_hash);
}

void gs_snapshot_sign_chunk(struct gs_snapshot *chunk, const gs_hash *root_hash, const struct gs_key_pair *keys) {
    gs_hash hash;
    hash_chunk(chunk, root_hash, &hash);
    gs_sign(keys, chunk_context, &hash, chunk->signature);
}

int gs_snapshot_verify_chunk(const struct gs_snapshot *chunk, const gs_hash *root_hash, const gs_public_key *key) {
    gs_hash hash;
    hash_chunk(chunk, root_hash, &hash);
    return gs_verify(key, chunk_context, &hash, chunk->signature);
}
