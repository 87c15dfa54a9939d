/* Who writes: keys, clusters, incarnations, origins (gossip/FORMAT.md, "Identity").
 *
 * A region has one long-term Ed25519 key; each life of its log is an incarnation of that key, and the pair hashes to
 * the origin id that dots carry. Randomness is an argument: nothing here draws entropy. */
#ifndef GS_GOSSIP_IDENTITY_H
#define GS_GOSSIP_IDENTITY_H

#include <globalstate/dot.h>
#include <globalstate/error.h>

#include <stddef.h>

enum {
    GS_PUBLIC_KEY_SIZE = 32,
    GS_SECRET_KEY_SIZE = 64,
    GS_SEED_SIZE = 32,
    GS_CLUSTER_SIZE = 16,
    GS_INCARNATION_SIZE = 12,
    GS_HASH_SIZE = 32,
    GS_SIGNATURE_SIZE = 64,
    GS_REGION_NAME_MAX = 64 /* bytes of a region's name, [A-Za-z0-9_.-] */
};

typedef struct {
    uint8_t bytes[GS_PUBLIC_KEY_SIZE];
} gs_public_key;

typedef struct {
    uint8_t bytes[GS_CLUSTER_SIZE];
} gs_cluster;

typedef struct {
    uint8_t bytes[GS_INCARNATION_SIZE];
} gs_incarnation;

typedef struct {
    uint8_t bytes[GS_HASH_SIZE];
} gs_hash;

struct gs_key_pair {
    gs_public_key public_key;
    uint8_t secret_key[GS_SECRET_KEY_SIZE];
};

/* The key pair of a 32-byte seed (RFC 8032). */
void gs_key_pair_from_seed(const uint8_t seed[GS_SEED_SIZE], struct gs_key_pair *ret_pair);

/* Id of the cluster called `name`. */
gs_cluster gs_cluster_from_name(const char *name);

/* An incarnation that begins at `now_ms` (milliseconds since 1970, < 2^48) with 6 random bytes. */
gs_incarnation gs_incarnation_make(uint64_t now_ms, const uint8_t random[6]);

gs_origin gs_origin_derive(const gs_public_key *key, const gs_incarnation *incarnation);

/* True for 1..GS_REGION_NAME_MAX bytes of [A-Za-z0-9_.-]. */
bool gs_region_name_valid(const char *name, size_t length);

/* Signs `context` NUL `hash`; verifies the same. `context` (at most 63 bytes count) names the kind of thing that is
 * signed and ends up in the signed bytes, so that a signature for one kind never passes for another. gs_verify: 0 or
 * GS_ESIGNATURE. */
void gs_sign(const struct gs_key_pair *pair, const char *context, const gs_hash *hash,
             uint8_t ret_signature[GS_SIGNATURE_SIZE]);
int gs_verify(const gs_public_key *key, const char *context, const gs_hash *hash,
              const uint8_t signature[GS_SIGNATURE_SIZE]);

/* BLAKE2b-256 with a personalisation of at most 16 bytes. */
void gs_hash_bytes(const char *personal, const void *bytes, size_t length, gs_hash *ret_hash);
/* BLAKE2b-128 of two runs of bytes with a NUL between them. */
void gs_hash16(const char *personal, const void *a, size_t a_length, const void *b, size_t b_length, uint8_t ret[16]);

#endif
