#include "gossip/identity.h"

#include "gossip/bytes.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { CONTEXT_MAX = 63, MESSAGE_MAX = CONTEXT_MAX + 1 + GS_HASH_SIZE };

static_assert(GS_PUBLIC_KEY_SIZE == crypto_sign_PUBLICKEYBYTES, "libsodium's Ed25519");
static_assert(GS_SECRET_KEY_SIZE == crypto_sign_SECRETKEYBYTES, "libsodium's Ed25519");
static_assert(GS_SEED_SIZE == crypto_sign_SEEDBYTES, "libsodium's Ed25519");
static_assert(GS_SIGNATURE_SIZE == crypto_sign_BYTES, "libsodium's Ed25519");

static void hash_begin(crypto_generichash_blake2b_state *state, const char *personal, size_t size) {
    unsigned char padded[crypto_generichash_blake2b_PERSONALBYTES] = {0};
    size_t length = strlen(personal);
    memcpy(padded, personal, length < sizeof padded ? length : sizeof padded);
    crypto_generichash_blake2b_init_salt_personal(state, NULL, 0, size, NULL, padded);
}

static void hash_add(crypto_generichash_blake2b_state *state, const void *bytes, size_t length) {
    if (length > 0) {
        crypto_generichash_blake2b_update(state, bytes, length);
    }
}

void gs_key_pair_from_seed(const uint8_t seed[GS_SEED_SIZE], struct gs_key_pair *ret_pair) {
    crypto_sign_seed_keypair(ret_pair->public_key.bytes, ret_pair->secret_key, seed);
}

gs_cluster gs_cluster_from_name(const char *name) {
    gs_cluster cluster;
    crypto_generichash_blake2b_state state;
    hash_begin(&state, "gs-cluster-v1", sizeof cluster.bytes);
    hash_add(&state, name, strlen(name));
    crypto_generichash_blake2b_final(&state, cluster.bytes, sizeof cluster.bytes);
    return cluster;
}

gs_incarnation gs_incarnation_make(uint64_t now_ms, const uint8_t random[6]) {
    gs_incarnation incarnation;
    gs_put_be(incarnation.bytes, now_ms, 6);
    memcpy(incarnation.bytes + 6, random, 6);
    return incarnation;
}

gs_origin gs_origin_derive(const gs_public_key *key, const gs_incarnation *incarnation) {
    gs_origin origin;
    crypto_generichash_blake2b_state state;
    hash_begin(&state, "gs-origin-v1", sizeof origin.bytes);
    hash_add(&state, key->bytes, sizeof key->bytes);
    hash_add(&state, incarnation->bytes, sizeof incarnation->bytes);
    crypto_generichash_blake2b_final(&state, origin.bytes, sizeof origin.bytes);
    return origin;
}

bool gs_region_name_valid(const char *name, size_t length) {
    if (length < 1 || length > GS_REGION_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                  c == '-';
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* The bytes that are signed. Ed25519's prehashed variant is not used: the hash is the message, and the context in front
 * of it says what it is the hash of. */
static size_t signed_message(const char *context, const gs_hash *hash, uint8_t ret_message[MESSAGE_MAX]) {
    size_t length = strnlen(context, CONTEXT_MAX);
    memcpy(ret_message, context, length);
    ret_message[length] = 0;
    memcpy(ret_message + length + 1, hash->bytes, GS_HASH_SIZE);
    return length + 1 + GS_HASH_SIZE;
}

void gs_sign(const struct gs_key_pair *pair, const char *context, const gs_hash *hash,
             uint8_t ret_signature[GS_SIGNATURE_SIZE]) {
    uint8_t message[MESSAGE_MAX];
    size_t length = signed_message(context, hash, message);
    crypto_sign_detached(ret_signature, NULL, message, length, pair->secret_key);
}

int gs_verify(const gs_public_key *key, const char *context, const gs_hash *hash,
              const uint8_t signature[GS_SIGNATURE_SIZE]) {
    uint8_t message[MESSAGE_MAX];
    size_t length = signed_message(context, hash, message);
    return crypto_sign_verify_detached(signature, message, length, key->bytes) == 0 ? 0 : GS_ESIGNATURE;
}

void gs_hash_bytes(const char *personal, const void *bytes, size_t length, gs_hash *ret_hash) {
    crypto_generichash_blake2b_state state;
    hash_begin(&state, personal, sizeof ret_hash->bytes);
    hash_add(&state, bytes, length);
    crypto_generichash_blake2b_final(&state, ret_hash->bytes, sizeof ret_hash->bytes);
}

void gs_hash16(const char *personal, const void *a, size_t a_length, const void *b, size_t b_length, uint8_t ret[16]) {
    crypto_generichash_blake2b_state state;
    hash_begin(&state, personal, 16);
    hash_add(&state, a, a_length);
    hash_add(&state, "", 1);
    hash_add(&state, b, b_length);
    crypto_generichash_blake2b_final(&state, ret, 16);
}
