#include "gossip/statement.h"

#include "gossip/bytes.h"

#include <string.h>

static const char context[] = "globalstate/instance/v1";

enum { SIGNED_SIZE = GS_CLUSTER_SIZE + GS_PUBLIC_KEY_SIZE + 2 * GS_INSTANCE_SIZE + 8 };

bool gs_instance_equal(const gs_instance *a, const gs_instance *b) {
    return memcmp(a->bytes, b->bytes, GS_INSTANCE_SIZE) == 0;
}

bool gs_statement_equal(const struct gs_statement *a, const struct gs_statement *b) {
    return memcmp(&a->key, &b->key, sizeof a->key) == 0 && gs_instance_equal(&a->instance, &b->instance) &&
           a->started_ms == b->started_ms && gs_instance_equal(&a->rival, &b->rival) &&
           memcmp(a->signature, b->signature, sizeof a->signature) == 0;
}

int gs_statement_compare(const struct gs_statement *a, const struct gs_statement *b) {
    if (a->started_ms != b->started_ms) {
        return a->started_ms < b->started_ms ? -1 : 1;
    }
    return memcmp(a->instance.bytes, b->instance.bytes, GS_INSTANCE_SIZE);
}

static void hash_statement(const struct gs_statement *statement, const gs_cluster *cluster, gs_hash *ret_hash) {
    uint8_t bytes[SIGNED_SIZE];
    uint8_t *at = bytes;
    memcpy(at, cluster->bytes, GS_CLUSTER_SIZE);
    at += GS_CLUSTER_SIZE;
    memcpy(at, statement->key.bytes, GS_PUBLIC_KEY_SIZE);
    at += GS_PUBLIC_KEY_SIZE;
    memcpy(at, statement->instance.bytes, GS_INSTANCE_SIZE);
    at += GS_INSTANCE_SIZE;
    gs_put_be(at, statement->started_ms, 8);
    at += 8;
    memcpy(at, statement->rival.bytes, GS_INSTANCE_SIZE);
    gs_hash_bytes("gs-instance-v1", bytes, sizeof bytes, ret_hash);
}

void gs_statement_sign(struct gs_statement *statement, const gs_cluster *cluster, const struct gs_key_pair *keys) {
    gs_hash hash;
    hash_statement(statement, cluster, &hash);
    gs_sign(keys, context, &hash, statement->signature);
}

int gs_statement_verify(const struct gs_statement *statement, const gs_cluster *cluster) {
    gs_hash hash;
    hash_statement(statement, cluster, &hash);
    return gs_verify(&statement->key, context, &hash, statement->signature);
}
