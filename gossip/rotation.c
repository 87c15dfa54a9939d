#include "gossip/rotation.h"

#include <string.h>

static const char old_context[] = "globalstate/rotation-old/v1";
static const char new_context[] = "globalstate/rotation-new/v1";

/* Of the old key, the new key, and the region's name, which is as long as what is left. */
static void hash_rotation(const char *region, const gs_public_key *old_key, const gs_public_key *new_key,
                          gs_hash *ret_hash) {
    uint8_t bytes[2 * GS_PUBLIC_KEY_SIZE + GS_REGION_NAME_MAX];
    size_t length = strnlen(region, GS_REGION_NAME_MAX);
    memcpy(bytes, old_key->bytes, GS_PUBLIC_KEY_SIZE);
    memcpy(bytes + GS_PUBLIC_KEY_SIZE, new_key->bytes, GS_PUBLIC_KEY_SIZE);
    memcpy(bytes + 2 * GS_PUBLIC_KEY_SIZE, region, length);
    gs_hash_bytes("gs-rotation-v1", bytes, 2 * GS_PUBLIC_KEY_SIZE + length, ret_hash);
}

void gs_rotation_sign(const char *region, const struct gs_key_pair *old_pair, const struct gs_key_pair *new_pair,
                      struct gs_rotation *ret_rotation) {
    gs_hash hash;
    ret_rotation->old_key = old_pair->public_key;
    ret_rotation->new_key = new_pair->public_key;
    hash_rotation(region, &old_pair->public_key, &new_pair->public_key, &hash);
    gs_sign(old_pair, old_context, &hash, ret_rotation->old_signature);
    gs_sign(new_pair, new_context, &hash, ret_rotation->new_signature);
}

int gs_rotation_verify(const char *region, const struct gs_rotation *rotation, bool *ret_by_old) {
    gs_hash hash;
    hash_rotation(region, &rotation->old_key, &rotation->new_key, &hash);
    *ret_by_old = gs_verify(&rotation->old_key, old_context, &hash, rotation->old_signature) != 0;
    int error = gs_verify(&rotation->new_key, new_context, &hash, rotation->new_signature);
    return *ret_by_old || error != 0 ? GS_ESIGNATURE : 0;
}
