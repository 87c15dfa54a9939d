#include "gossip/handshake.h"

#include "gossip/bytes.h"
#include "gossip/frame.h"

#include <assert.h>
#include <string.h>

static const uint8_t MAGIC[GS_HANDSHAKE_MAGIC_SIZE] = {'g', 's', '-', 'l', 'i', 'n', 'k', 0};

/* Contexts of signatures and labels of keys; no two are equal, so nothing made for one purpose serves another. */
static const char SIGN_RESPONDER[] = "globalstate/link/v1 responder";
static const char SIGN_INITIATOR[] = "globalstate/link/v1 initiator";
static const char MASTER[] = "globalstate/link/v1 master";
static const char RESPONDER_SEAL[] = "globalstate/link/v1 responder seal";
static const char RESPONDER_MAC[] = "globalstate/link/v1 responder mac";
static const char INITIATOR_SEAL[] = "globalstate/link/v1 initiator seal";
static const char INITIATOR_MAC[] = "globalstate/link/v1 initiator mac";
static const char INITIATOR_STREAM[] = "globalstate/link/v1 initiator stream";
static const char RESPONDER_STREAM[] = "globalstate/link/v1 responder stream";

enum {
    KEY_SIZE = GS_HANDSHAKE_KEY_SIZE,
    MAC_SIZE = 32,
    PROOF_SIZE = GS_PUBLIC_KEY_SIZE + GS_SIGNATURE_SIZE + MAC_SIZE, /* id | signature | mac */
    SEALED_SIZE = PROOF_SIZE + crypto_aead_chacha20poly1305_IETF_ABYTES,
    M1_SIZE_MIN = GS_HANDSHAKE_MAGIC_SIZE + 1 + GS_CLUSTER_SIZE + KEY_SIZE, /* and a byte per version */
    M1_SIZE_MAX = M1_SIZE_MIN + GS_HANDSHAKE_VERSIONS_MAX,
    M2_CLEAR_SIZE = 1 + KEY_SIZE, /* version | ephemeral */
    M2_SIZE = M2_CLEAR_SIZE + SEALED_SIZE,
    M3_SIZE = SEALED_SIZE
};

static_assert(KEY_SIZE == crypto_scalarmult_BYTES && KEY_SIZE == crypto_scalarmult_SCALARBYTES, "X25519");
static_assert(KEY_SIZE == crypto_aead_chacha20poly1305_IETF_KEYBYTES, "one key size throughout");
static_assert((int)KEY_SIZE == (int)GS_LINK_SEED_SIZE, "the seed is the ephemeral secret");
static_assert((int)M2_SIZE <= (int)GS_LINK_HANDSHAKE_BYTES_MAX, "M2, the longest, fits a frame");

struct proof_labels {
    const char *sign, *seal, *mac;
};
static const struct proof_labels BY_RESPONDER = {SIGN_RESPONDER, RESPONDER_SEAL, RESPONDER_MAC};
static const struct proof_labels BY_INITIATOR = {SIGN_INITIATOR, INITIATOR_SEAL, INITIATOR_MAC};

static void transcript_add(struct gs_handshake *handshake, const void *bytes, size_t length) {
    crypto_generichash_blake2b_update(&handshake->transcript, bytes, length);
}

/* The length in front of a message is part of what both sides must agree on. */
static void transcript_add_head(struct gs_handshake *handshake, size_t body_length) {
    uint8_t head[GS_FRAME_HEAD_SIZE];
    gs_put_be(head, body_length, GS_FRAME_HEAD_SIZE);
    transcript_add(handshake, head, sizeof head);
}

static gs_hash transcript_now(const struct gs_handshake *handshake) {
    gs_hash hash;
    crypto_generichash_blake2b_state copy = handshake->transcript;
    crypto_generichash_blake2b_final(&copy, hash.bytes, sizeof hash.bytes);
    return hash;
}

/* BLAKE2b-256, keyed, of label NUL transcript: a different key for every purpose and every handshake. */
static void derive(const uint8_t key[KEY_SIZE], const char *label, const gs_hash *transcript, uint8_t ret[KEY_SIZE]) {
    crypto_generichash_blake2b_state state;
    crypto_generichash_blake2b_init(&state, key, KEY_SIZE, KEY_SIZE);
    crypto_generichash_blake2b_update(&state, (const uint8_t *)label, strlen(label) + 1);
    crypto_generichash_blake2b_update(&state, transcript->bytes, sizeof transcript->bytes);
    crypto_generichash_blake2b_final(&state, ret, KEY_SIZE);
    sodium_memzero(&state, sizeof state);
}

/* Call with the transcript at the end of M2's clear part. False for a low-order point of the peer: the shared secret
 * would be zero, whatever our secret. */
static bool agree(struct gs_handshake *handshake, const uint8_t peer_ephemeral[KEY_SIZE]) {
    uint8_t shared[KEY_SIZE];
    bool ok = crypto_scalarmult(shared, handshake->ephemeral_secret, peer_ephemeral) == 0;
    if (ok) {
        gs_hash hash = transcript_now(handshake);
        derive(shared, MASTER, &hash, handshake->master);
    }
    sodium_memzero(shared, sizeof shared);
    sodium_memzero(handshake->ephemeral_secret, sizeof handshake->ephemeral_secret);
    return ok;
}

/* The MAC of the signer's own identity is what binds it to the session (SIGMA's answer to misbinding). */
static void identity_mac(const uint8_t key[KEY_SIZE], const uint8_t id[GS_PUBLIC_KEY_SIZE], uint8_t ret[MAC_SIZE]) {
    crypto_generichash_blake2b(ret, MAC_SIZE, id, GS_PUBLIC_KEY_SIZE, key, KEY_SIZE);
}

/* Each sealing key is used for one message, so the nonce can be zero. */
static const uint8_t NONCE[crypto_aead_chacha20poly1305_IETF_NPUBBYTES] = {0};

static void proof_seal(struct gs_handshake *handshake, const struct proof_labels *labels, uint8_t ret[SEALED_SIZE]) {
    uint8_t key[KEY_SIZE];
    uint8_t proof[PROOF_SIZE];
    gs_hash hash = transcript_now(handshake);
    memcpy(proof, handshake->keys->public_key.bytes, GS_PUBLIC_KEY_SIZE);
    gs_sign(handshake->keys, labels->sign, &hash, proof + GS_PUBLIC_KEY_SIZE);
    derive(handshake->master, labels->mac, &hash, key);
    identity_mac(key, proof, proof + GS_PUBLIC_KEY_SIZE + GS_SIGNATURE_SIZE);
    derive(handshake->master, labels->seal, &hash, key);
    crypto_aead_chacha20poly1305_ietf_encrypt(ret, NULL, proof, sizeof proof, hash.bytes, sizeof hash.bytes, NULL,
                                              NONCE, key);
    sodium_memzero(key, sizeof key);
    sodium_memzero(proof, sizeof proof);
}

/* Whom the proof names, once it is known to be true, must be somebody else, trusted and not revoked. */
static bool peer_accept(struct gs_handshake *handshake, const gs_public_key *key) {
    if (sodium_memcmp(key->bytes, handshake->keys->public_key.bytes, sizeof key->bytes) == 0) {
        handshake->met_itself = true;
        return false;
    }
    const struct gs_trust_entry *entry = handshake->trust != NULL ? gs_trust_find_key(handshake->trust, key) : NULL;
    if (entry == NULL || entry->revoked) {
        return false;
    }
    handshake->peer_key = *key;
    memcpy(handshake->peer_region, entry->region, sizeof handshake->peer_region);
    return true;
}

static bool proof_open(struct gs_handshake *handshake, const struct proof_labels *labels,
                       const uint8_t sealed[SEALED_SIZE]) {
    uint8_t key[KEY_SIZE];
    uint8_t proof[PROOF_SIZE];
    uint8_t mac[MAC_SIZE];
    gs_public_key peer;
    gs_hash hash = transcript_now(handshake);
    derive(handshake->master, labels->seal, &hash, key);
    bool ok = crypto_aead_chacha20poly1305_ietf_decrypt(proof, NULL, NULL, sealed, SEALED_SIZE, hash.bytes,
                                                        sizeof hash.bytes, NONCE, key) == 0;
    if (ok) {
        memcpy(peer.bytes, proof, sizeof peer.bytes);
        derive(handshake->master, labels->mac, &hash, key);
        identity_mac(key, peer.bytes, mac);
        ok = sodium_memcmp(mac, proof + GS_PUBLIC_KEY_SIZE + GS_SIGNATURE_SIZE, MAC_SIZE) == 0 &&
             gs_verify(&peer, labels->sign, &hash, proof + GS_PUBLIC_KEY_SIZE) == 0 && peer_accept(handshake, &peer);
    }
    sodium_memzero(key, sizeof key);
    sodium_memzero(proof, sizeof proof);
    return ok;
}

/* Stream keys cover all three messages; each direction has its own, so nothing can be reflected. */
static void finish(struct gs_handshake *handshake, bool initiator) {
    gs_hash hash = transcript_now(handshake);
    derive(handshake->master, initiator ? INITIATOR_STREAM : RESPONDER_STREAM, &hash, handshake->send_key);
    derive(handshake->master, initiator ? RESPONDER_STREAM : INITIATOR_STREAM, &hash, handshake->receive_key);
    sodium_memzero(handshake->master, sizeof handshake->master);
    sodium_memzero(&handshake->transcript, sizeof handshake->transcript);
    handshake->step = GS_HANDSHAKE_DONE;
}

/* Room for a frame in `out`, its head written; NULL when out of memory. */
static uint8_t *frame_begin(struct gs_buffer *out, size_t body_length) {
    uint8_t *frame = gs_buffer_reserve(out, GS_FRAME_HEAD_SIZE + body_length);
    if (frame == NULL) {
        return NULL;
    }
    gs_put_be(frame, body_length, GS_FRAME_HEAD_SIZE);
    return frame + GS_FRAME_HEAD_SIZE;
}

void gs_handshake_init(struct gs_handshake *handshake, const struct gs_link_config *config) {
    memset(handshake, 0, sizeof *handshake);
    handshake->step = config->role == GS_LINK_INITIATOR ? GS_HANDSHAKE_EXPECT_M2 : GS_HANDSHAKE_EXPECT_M1;
    handshake->keys = config->keys;
    handshake->trust = config->trust;
    handshake->cluster = config->cluster;
    handshake->versions[0] = GS_HANDSHAKE_VERSION;
    handshake->version_count = 1;
    memcpy(handshake->ephemeral_secret, config->seed, sizeof handshake->ephemeral_secret);
    crypto_scalarmult_base(handshake->ephemeral_public, handshake->ephemeral_secret);
    crypto_generichash_blake2b_init(&handshake->transcript, NULL, 0, GS_HASH_SIZE);
}

int gs_handshake_start(struct gs_handshake *handshake, struct gs_buffer *out) {
    size_t length = (size_t)M1_SIZE_MIN + handshake->version_count;
    uint8_t *m1 = frame_begin(out, length);
    if (m1 == NULL) {
        return GS_ENOMEM;
    }
    uint8_t *at = m1;
    memcpy(at, MAGIC, sizeof MAGIC);
    at += sizeof MAGIC;
    *at++ = handshake->version_count;
    memcpy(at, handshake->versions, handshake->version_count);
    at += handshake->version_count;
    memcpy(at, handshake->cluster.bytes, GS_CLUSTER_SIZE);
    at += GS_CLUSTER_SIZE;
    memcpy(at, handshake->ephemeral_public, KEY_SIZE);
    transcript_add_head(handshake, length);
    transcript_add(handshake, m1, length);
    return 0;
}

/* Our best version among the offered ones; 0 when there is none. */
static uint8_t version_choose(const struct gs_handshake *handshake, const uint8_t *offered, size_t count) {
    for (size_t i = 0; i < handshake->version_count; i++) {
        if (memchr(offered, handshake->versions[i], count) != NULL) {
            return handshake->versions[i];
        }
    }
    return 0;
}

static int receive_m1(struct gs_handshake *handshake, struct gs_slice m1, struct gs_buffer *out) {
    if (m1.length < M1_SIZE_MIN || memcmp(m1.bytes, MAGIC, sizeof MAGIC) != 0) {
        return GS_EHANDSHAKE;
    }
    size_t count = m1.bytes[GS_HANDSHAKE_MAGIC_SIZE];
    const uint8_t *versions = m1.bytes + GS_HANDSHAKE_MAGIC_SIZE + 1;
    const uint8_t *cluster = versions + count;
    if (count < 1 || count > GS_HANDSHAKE_VERSIONS_MAX || m1.length != M1_SIZE_MIN + count ||
        memcmp(cluster, handshake->cluster.bytes, GS_CLUSTER_SIZE) != 0) {
        return GS_EHANDSHAKE;
    }
    handshake->version = version_choose(handshake, versions, count);
    if (handshake->version == 0) {
        return GS_EHANDSHAKE;
    }
    uint8_t m2[M2_SIZE];
    m2[0] = handshake->version;
    memcpy(m2 + 1, handshake->ephemeral_public, KEY_SIZE);
    transcript_add_head(handshake, m1.length);
    transcript_add(handshake, m1.bytes, m1.length);
    transcript_add_head(handshake, M2_SIZE);
    transcript_add(handshake, m2, M2_CLEAR_SIZE);
    if (!agree(handshake, cluster + GS_CLUSTER_SIZE)) {
        return GS_EHANDSHAKE;
    }
    proof_seal(handshake, &BY_RESPONDER, m2 + M2_CLEAR_SIZE);
    transcript_add(handshake, m2 + M2_CLEAR_SIZE, SEALED_SIZE);
    uint8_t *frame = frame_begin(out, M2_SIZE);
    if (frame == NULL) {
        return GS_ENOMEM;
    }
    memcpy(frame, m2, M2_SIZE);
    transcript_add_head(handshake, M3_SIZE);
    handshake->step = GS_HANDSHAKE_EXPECT_M3;
    return 0;
}

static int receive_m2(struct gs_handshake *handshake, struct gs_slice m2, struct gs_buffer *out) {
    if (m2.length != M2_SIZE || memchr(handshake->versions, m2.bytes[0], handshake->version_count) == NULL) {
        return GS_EHANDSHAKE;
    }
    handshake->version = m2.bytes[0];
    transcript_add_head(handshake, M2_SIZE);
    transcript_add(handshake, m2.bytes, M2_CLEAR_SIZE);
    if (!agree(handshake, m2.bytes + 1) || !proof_open(handshake, &BY_RESPONDER, m2.bytes + M2_CLEAR_SIZE)) {
        return GS_EHANDSHAKE;
    }
    transcript_add(handshake, m2.bytes + M2_CLEAR_SIZE, SEALED_SIZE);
    transcript_add_head(handshake, M3_SIZE);
    uint8_t *m3 = frame_begin(out, M3_SIZE);
    if (m3 == NULL) {
        return GS_ENOMEM;
    }
    proof_seal(handshake, &BY_INITIATOR, m3);
    transcript_add(handshake, m3, M3_SIZE);
    finish(handshake, true);
    return 0;
}

static int receive_m3(struct gs_handshake *handshake, struct gs_slice m3) {
    if (m3.length != M3_SIZE || !proof_open(handshake, &BY_INITIATOR, m3.bytes)) {
        return GS_EHANDSHAKE;
    }
    transcript_add(handshake, m3.bytes, M3_SIZE);
    finish(handshake, false);
    return 0;
}

int gs_handshake_receive(struct gs_handshake *handshake, struct gs_slice body, struct gs_buffer *out) {
    int status = GS_EHANDSHAKE;
    switch (handshake->step) {
    case GS_HANDSHAKE_EXPECT_M1:
        status = receive_m1(handshake, body, out);
        break;
    case GS_HANDSHAKE_EXPECT_M2:
        status = receive_m2(handshake, body, out);
        break;
    case GS_HANDSHAKE_EXPECT_M3:
        status = receive_m3(handshake, body);
        break;
    case GS_HANDSHAKE_DONE:
    case GS_HANDSHAKE_DEAD:
        break;
    }
    if (status != 0) {
        gs_handshake_wipe(handshake);
        handshake->step = GS_HANDSHAKE_DEAD;
    }
    return status;
}

void gs_handshake_wipe(struct gs_handshake *handshake) {
    sodium_memzero(handshake->ephemeral_secret, sizeof handshake->ephemeral_secret);
    sodium_memzero(handshake->master, sizeof handshake->master);
    sodium_memzero(&handshake->transcript, sizeof handshake->transcript);
    sodium_memzero(handshake->send_key, sizeof handshake->send_key);
    sodium_memzero(handshake->receive_key, sizeof handshake->receive_key);
}
