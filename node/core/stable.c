/* Causal stability: what every live member has applied, as far as the applied log shows it. A member is a trusted key
 * that has written and that no decision in the log has retired (closing.h), nor a rotation given a successor
 * that has written: what was not stable because of it becomes so then. What a member has applied is all of its own that
 * is here, and what its batches name as their deps (a node that only receives writes an acknowledgement now and then).
 * So two nodes with equal logs and trust files find the same, whoever is linked to whom. Nothing that is stable can
 * still be met for the first time by a member's batch. */
#include "node/core/core_impl.h"

#include <string.h>

int gs_stable_known(const struct gs_core *core, const gs_public_key *key, struct gs_vector *ret_vector) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->stored.count; i++) {
        const struct gs_origin_state *origin = gs_registry_find(core, &core->stored.heads[i].origin);
        if (memcmp(&origin->key, key, sizeof *key) != 0) {
            continue;
        }
        error = gs_vector_set(ret_vector, &core->stored.heads[i]);
        for (uint32_t j = 0; error == 0 && j < origin->witnessed.count; j++) {
            const struct gs_head *head = &origin->witnessed.heads[j];
            if (gs_vector_seq(ret_vector, &head->origin) < head->seq) {
                error = gs_vector_set(ret_vector, head);
            }
        }
    }
    return error;
}

bool gs_stable_counts(const struct gs_core *core, const struct gs_trust_entry *trusted) {
    bool ours = memcmp(&trusted->key, &core->config.keys.public_key, sizeof trusted->key) == 0;
    return !trusted->revoked && !ours && !gs_closing_is_ended(core, &trusted->key);
}

int gs_stable_vector(const struct gs_core *core, struct gs_vector *ret_vector) {
    int error = gs_vector_copy(ret_vector, &core->stored);
    for (uint32_t i = 0; error == 0 && i < core->origin_count; i++) {
        if (core->origins[i]->forked) { /* others may have something else under the same numbers */
            gs_vector_remove(ret_vector, &core->origins[i]->origin);
        }
    }
    for (uint32_t i = 0; error == 0 && i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        struct gs_vector known = {0};
        if (!gs_stable_counts(core, trusted)) {
            continue; /* we have applied all that is stored here */
        }
        error = gs_stable_known(core, &trusted->key, &known);
        if (error == 0 && known.count > 0) {
            gs_vector_meet(ret_vector, &known);
        }
        gs_vector_close(&known);
    }
    return error;
}
