/* The three messages by which two regions prove their keys to each other and agree on keys for a link: SIGMA-I over
 * ephemeral X25519 with Ed25519 identities (H. Krawczyk, "SIGMA: the 'SIGn-and-MAc' approach to authenticated
 * Diffie-Hellman", 2003; gossip/HANDSHAKE.md). Private to gossip: gs_link drives it.
 *
 * Pure: the ephemeral secret is an argument. Every failure is GS_EHANDSHAKE, whatever was wrong. */
#ifndef GS_GOSSIP_HANDSHAKE_H
#define GS_GOSSIP_HANDSHAKE_H

#include "gossip/link.h"

#include <sodium.h>

enum {
    GS_HANDSHAKE_VERSION = 1,
    GS_HANDSHAKE_VERSIONS_MAX = 16,
    GS_HANDSHAKE_MAGIC_SIZE = 8,
    GS_HANDSHAKE_KEY_SIZE = 32
};

enum gs_handshake_step {
    GS_HANDSHAKE_EXPECT_M1 = 1,
    GS_HANDSHAKE_EXPECT_M2 = 2,
    GS_HANDSHAKE_EXPECT_M3 = 3,
    GS_HANDSHAKE_DONE = 4,
    GS_HANDSHAKE_DEAD = 5
};

struct gs_handshake {
    enum gs_handshake_step step;
    const struct gs_key_pair *keys; /* borrowed */
    const struct gs_trust *trust;   /* borrowed */
    gs_cluster cluster;
    uint8_t versions[GS_HANDSHAKE_VERSIONS_MAX]; /* that we speak, best first */
    uint8_t version_count;
    uint8_t version; /* the one in use, once step is past M2 */
    uint8_t ephemeral_secret[GS_HANDSHAKE_KEY_SIZE];
    uint8_t ephemeral_public[GS_HANDSHAKE_KEY_SIZE];
    uint8_t master[GS_HANDSHAKE_KEY_SIZE];
    crypto_generichash_blake2b_state transcript; /* every byte of the handshake so far, in both directions */
    gs_public_key peer_key;                      /* done */
    char peer_region[GS_REGION_NAME_MAX + 1];    /* done */
    uint8_t send_key[GS_HANDSHAKE_KEY_SIZE];     /* done; the caller wipes them with gs_handshake_wipe */
    uint8_t receive_key[GS_HANDSHAKE_KEY_SIZE];  /* done */
    bool met_itself;                             /* dead: the peer proved our own key */
};

/* Prepares one side; copies the seed. */
void gs_handshake_init(struct gs_handshake *handshake, const struct gs_link_config *config);
/* Appends M1; for the initiator, once, before anything is received. 0 or GS_ENOMEM. */
int gs_handshake_start(struct gs_handshake *handshake, struct gs_buffer *out);
/* Takes the body of the peer's next frame and appends the answer, a frame, if there is one. `step` says where it
 * stands. GS_EHANDSHAKE, GS_ENOMEM; the handshake is wiped and dead after either. */
int gs_handshake_receive(struct gs_handshake *handshake, struct gs_slice body, struct gs_buffer *out);
/* Wipes every secret; what was learned about the peer stays. */
void gs_handshake_wipe(struct gs_handshake *handshake);

#endif
