/* A region's key passes to a new one: both sign it, so nobody can push a key on a region, nor claim a key that he does
 * not hold (gossip/FORMAT.md, "Rotation"). Whoever trusts the old key may so trust the new one, for the same region. */
#ifndef GS_GOSSIP_ROTATION_H
#define GS_GOSSIP_ROTATION_H

#include "gossip/identity.h"

struct gs_rotation {
    gs_public_key old_key, new_key;
    uint8_t old_signature[GS_SIGNATURE_SIZE]; /* by the old key */
    uint8_t new_signature[GS_SIGNATURE_SIZE]; /* by the new key */
};

/* `region`: a valid name. */
void gs_rotation_sign(const char *region, const struct gs_key_pair *old_pair, const struct gs_key_pair *new_pair,
                      struct gs_rotation *ret_rotation);
/* 0, or GS_ESIGNATURE; then `ret_by_old` says whether it is the old key's that is wrong. */
int gs_rotation_verify(const char *region, const struct gs_rotation *rotation, bool *ret_by_old);

#endif
