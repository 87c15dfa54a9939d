/* A log that begins at a base (node/store/base.h): what a start must find beside it, and how it is believed.
 *
 * The heads at the base are vouched for by their origins: every later batch names the hash of the one before it, and
 * the newest batch of each origin is verified at START. The states are vouched for by a region: a checkpoint carries
 * the attested root of what they make at its heads, and a start that comes to these heads compares. */
#include "gossip/attestation.h"
#include "node/core/core_impl.h"

#include <string.h>

int gs_base_restore(struct gs_core *core, const struct gs_vector *heads, uint64_t position) {
    core->base_position = position;
    return gs_vector_copy(&core->base, heads);
}

bool gs_base_matters(const struct gs_core *core) {
    return core->base_position > 0 || core->config.attest_keeps ||
           (core->config.retention != NULL && gs_retention_is_bounded(core->config.retention));
}

int gs_base_write_attestation(struct gs_core *core, struct gs_buffer *out) {
    struct gs_attestation attestation;
    if (!gs_base_matters(core)) {
        gs_write_nil(out);
        return out->failed;
    }
    int error = gs_digest_flush(core, UINT64_MAX);
    if (error == 0) {
        error = gs_digest_attest(core, &core->digest.tree, &core->applied, &attestation);
    }
    if (error != 0) {
        return error;
    }
    gs_write_array(out, 4);
    gs_write_bin(out, attestation.key.bytes, GS_PUBLIC_KEY_SIZE);
    gs_write_bin(out, attestation.root.bytes, GS_HASH_SIZE);
    gs_write_uint(out, attestation.count);
    gs_write_bin(out, attestation.signature, GS_SIGNATURE_SIZE);
    return out->failed;
}

int gs_base_read_attestation(struct gs_core *core, struct gs_reader *reader) {
    struct gs_attestation attestation = {.vector = &core->applied};
    if (gs_peek_kind(reader) == GS_KIND_NIL) {
        gs_read_nil(reader);
        return reader->error;
    }
    gs_read_array_exact(reader, 4);
    gs_read_bin_exact(reader, attestation.key.bytes, GS_PUBLIC_KEY_SIZE);
    gs_read_bin_exact(reader, attestation.root.bytes, GS_HASH_SIZE);
    attestation.count = gs_read_uint(reader);
    gs_read_bin_exact(reader, attestation.signature, GS_SIGNATURE_SIZE);
    if (reader->error != 0) {
        return reader->error;
    }
    if (gs_trust_find_key(core->config.trust, &attestation.key) == NULL) {
        return GS_EUNTRUSTED;
    }
    int error = gs_attestation_verify(&attestation, &core->config.cluster);
    core->attested = error == 0;
    core->attested_root = attestation.root;
    core->attested_count = attestation.count;
    return error == GS_ESIGNATURE ? GS_ECORRUPT : error;
}

int gs_base_check_root(struct gs_core *core) {
    gs_hash root;
    uint64_t count = 0;
    if (!core->attested) {
        return core->base_position > 0 ? GS_ECORRUPT : 0;
    }
    int error = gs_digest_flush(core, UINT64_MAX);
    if (error != 0) {
        return error;
    }
    gs_digest_tree_root(&core->digest.tree, &root, &count);
    bool same = count == core->attested_count && memcmp(&root, &core->attested_root, sizeof root) == 0;
    return same ? 0 : GS_ECORRUPT;
}

int gs_base_check_heads(const struct gs_core *core) {
    if (core->checkpoint_position < core->base_position) {
        return GS_ECORRUPT;
    }
    for (uint32_t i = 0; i < core->base.count; i++) {
        const struct gs_head *head = &core->base.heads[i];
        const struct gs_head *now = gs_vector_find(&core->applied, &head->origin);
        if (now == NULL || now->seq < head->seq ||
            (now->seq == head->seq && memcmp(&now->hash, &head->hash, GS_HASH_SIZE) != 0)) {
            return GS_ECORRUPT;
        }
    }
    return 0;
}
