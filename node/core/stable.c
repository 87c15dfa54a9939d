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

bool gs_stable_is_heard(const struct gs_core *core, const struct gs_trust_entry *trusted) {
    for (uint32_t i = 0; i < core->stored.count; i++) {
        const struct gs_origin_state *origin = gs_registry_find(core, &core->stored.heads[i].origin);
        if (memcmp(&origin->key, &trusted->key, sizeof origin->key) == 0) {
            return true;
        }
    }
    return false;
}

bool gs_stable_may_write(const struct gs_core *core, const struct gs_origin_state *origin) {
    uint64_t stored = gs_vector_seq(&core->stored, &origin->origin);
    const struct gs_closed *closed = gs_closing_find(core, &origin->origin);
    const struct gs_trust_entry *entry = gs_trust_find_key(core->config.trust, &origin->key);
    if (closed != NULL) {
        return stored < closed->final;
    }
    return origin != core->self && entry != NULL && gs_trust_takes(entry, &origin->origin, stored + 1);
}

int gs_stable_shown(const struct gs_core *core, const struct gs_origin_state *origin, struct gs_vector *ret_vector) {
    const struct gs_head *own = gs_vector_find(&core->stored, &origin->origin);
    int error = gs_vector_copy(ret_vector, &origin->witnessed);
    return error == 0 && own != NULL ? gs_vector_set(ret_vector, own) : error;
}

int gs_stable_everywhere(const struct gs_core *core, struct gs_vector *ret_vector, bool *ret_known) {
    int error = gs_stable_vector(core, ret_vector);
    bool known = true;
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        known = known && (!gs_stable_counts(core, trusted) || gs_stable_is_heard(core, trusted));
    }
    for (uint32_t i = 0; error == 0 && i < core->stored.count; i++) {
        const struct gs_origin_state *origin = gs_registry_find(core, &core->stored.heads[i].origin);
        struct gs_vector applied = {0};
        if (!gs_stable_may_write(core, origin)) {
            continue;
        }
        error = gs_stable_shown(core, origin, &applied);
        if (error == 0) {
            gs_vector_meet(ret_vector, &applied);
        }
        gs_vector_close(&applied);
    }
    *ret_known = known;
    return error;
}
