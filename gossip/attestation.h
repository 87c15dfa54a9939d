/* Attestations: "my region, having applied exactly this, has this state" (gossip/FORMAT.md, "Attestation").
 *
 * A version vector names a history by its hashes, and equal histories make equal states: so two attestations of one
 * vector with different roots prove that one of their signers is wrong, and anyone who has the trust file can check
 * that later. Its context string is its own: no other signature passes for one. */
#ifndef GS_GOSSIP_ATTESTATION_H
#define GS_GOSSIP_ATTESTATION_H

#include "gossip/vector.h"

struct gs_attestation {
    gs_public_key key;
    const struct gs_vector *vector; /* borrowed */
    gs_hash root;                   /* of the digest tree (node/core/digest_tree.h) at that vector */
    uint64_t count;                 /* its leaves */
    uint8_t signature[GS_SIGNATURE_SIZE];
};

/* Signs: everything but `signature` is set; `keys` are those of `key`. 0 or GS_ENOMEM. */
int gs_attestation_sign(struct gs_attestation *attestation, const gs_cluster *cluster, const struct gs_key_pair *keys);
/* 0, GS_ESIGNATURE or GS_ENOMEM. */
int gs_attestation_verify(const struct gs_attestation *attestation, const gs_cluster *cluster);

#endif
