#include "node/core/core_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Index of the first origin that is not less. */
static uint32_t lower_bound(const struct gs_core *core, const gs_origin *origin) {
    uint32_t low = 0;
    uint32_t high = core->origin_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_origin_compare(&core->origins[middle]->origin, origin) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct gs_origin_state *gs_registry_find(const struct gs_core *core, const gs_origin *origin) {
    uint32_t at = lower_bound(core, origin);
    bool found = at < core->origin_count && gs_origin_equal(&core->origins[at]->origin, origin);
    return found ? core->origins[at] : NULL;
}

/* The newest incarnation of a key goes by the region's plain name; adding one may take the name from another. */
static void settle_latest(struct gs_core *core, struct gs_origin_state *added) {
    added->is_latest = true;
    for (uint32_t i = 0; i < core->origin_count; i++) {
        struct gs_origin_state *other = core->origins[i];
        if (other == added || !other->is_latest || strcmp(other->region, added->region) != 0) {
            continue;
        }
        if (memcmp(other->incarnation.bytes, added->incarnation.bytes, GS_INCARNATION_SIZE) < 0) {
            other->is_latest = false;
            core->names_changed = true;
        } else {
            added->is_latest = false;
        }
    }
}

struct gs_origin_state *gs_registry_add(struct gs_core *core, const gs_origin *origin,
                                        const gs_incarnation *incarnation, const struct gs_trust_entry *trusted) {
    if (core->origin_count >= GS_VECTOR_MAX || gs_array_reserve((void **)&core->origins, &core->origin_capacity,
                                                                core->origin_count, sizeof *core->origins) != 0) {
        return NULL;
    }
    struct gs_origin_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return NULL;
    }
    state->origin = *origin;
    state->incarnation = *incarnation;
    state->key = trusted->key;
    memcpy(state->region, trusted->region, sizeof state->region);
    uint32_t at = lower_bound(core, origin);
    memmove(core->origins + at + 1, core->origins + at, (core->origin_count - at) * sizeof *core->origins);
    core->origins[at] = state;
    core->origin_count++;
    settle_latest(core, state);
    return state;
}

int gs_registry_resolve(struct gs_core *core, const struct gs_batch_head *head, struct gs_origin_state **ret_state) {
    struct gs_origin_state *state = gs_registry_find(core, &head->origin);
    const struct gs_trust_entry *trusted =
        state != NULL ? gs_trust_find_key(core->config.trust, &state->key)
                      : gs_trust_find_origin(core->config.trust, &head->origin, &head->incarnation);
    /* What a key wrote before it was revoked stays in the log that is being recovered; of what is new, only what lies
     * before a cut-off is taken. */
    if (trusted == NULL || (!core->recovering && !gs_trust_takes(trusted, &head->origin, gs_batch_last_seq(head)))) {
        return GS_EUNTRUSTED;
    }
    if (state == NULL) {
        /* An incarnation that nobody has signed for gets no place here, nor the region's plain name. */
        if (gs_batch_verify(head, &trusted->key) != 0) {
            return GS_ESIGNATURE;
        }
        state = gs_registry_add(core, &head->origin, &head->incarnation, trusted);
        if (state == NULL) {
            return GS_ENOMEM;
        }
    }
    *ret_state = state;
    return 0;
}

int gs_registry_check_end(const struct gs_origin_state *state, uint64_t seq, const gs_hash *hash) {
    uint64_t kept = state->end_count < ENDS_KEPT ? state->end_count : ENDS_KEPT;
    for (uint64_t i = 0; i < kept; i++) {
        const struct gs_end *end = &state->ends[(state->end_count - 1 - i) % ENDS_KEPT];
        if (end->seq == seq) {
            return memcmp(end->hash.bytes, hash->bytes, GS_HASH_SIZE) == 0 ? 0 : GS_EFORK;
        }
        if (end->seq < seq) {
            return GS_EFORK; /* no batch of ours ends there */
        }
    }
    return state->end_count <= ENDS_KEPT ? GS_EFORK : 0;
}

int gs_registry_advance(struct gs_core *core, struct gs_origin_state *state, const struct gs_batch_head *head) {
    for (uint32_t i = 0; i < head->dep_count; i++) {
        struct gs_head dep;
        gs_batch_dep(head, i, &dep);
        if (gs_vector_seq(&state->witnessed, &dep.origin) < dep.seq && gs_vector_set(&state->witnessed, &dep) != 0) {
            return GS_ENOMEM;
        }
    }
    struct gs_head now = {.origin = head->origin, .seq = gs_batch_last_seq(head), .hash = head->hash};
    if (gs_vector_set(&core->applied, &now) != 0) {
        return GS_ENOMEM;
    }
    state->moved_mono_ms = core->mono_ms;
    state->clock_last = head->clock_last;
    state->ends[state->end_count++ % ENDS_KEPT] = (struct gs_end){.seq = now.seq, .hash = now.hash};
    memcpy(state->tail_signature, head->signature, GS_SIGNATURE_SIZE);
    core->clock = gs_hlc_observe(core->clock, head->clock_last);
    if (gs_closing_vote(core, state, head) != 0) {
        return GS_ENOMEM;
    }
    return gs_digest_advanced(core, &now, state == core->self);
}

void gs_registry_write_name(const struct gs_core *core, const gs_origin *origin, struct gs_buffer *out) {
    const struct gs_origin_state *state = gs_registry_find(core, origin);
    if (state == NULL) {
        gs_buffer_text(out, "unknown");
    } else {
        gs_buffer_text(out, state->region);
    }
    if (state == NULL || !state->is_latest) {
        gs_buffer_printf(out, "~%02x%02x", origin->bytes[0], origin->bytes[1]);
    }
}

void gs_core_write_name(const struct gs_core *core, const gs_origin *origin, char *ret_name, size_t size) {
    const struct gs_origin_state *state = gs_registry_find(core, origin);
    const char *region = state != NULL ? state->region : "unknown";
    if (state != NULL && state->is_latest) {
        snprintf(ret_name, size, "%s", region);
    } else {
        snprintf(ret_name, size, "%s~%02x%02x", region, origin->bytes[0], origin->bytes[1]);
    }
}

static void write_member(const struct gs_core *core, const gs_origin *origin, uint64_t seq, bool first,
                         struct gs_buffer *out) {
    gs_buffer_text(out, first ? "\"" : ",\"");
    gs_registry_write_name(core, origin, out);
    gs_buffer_printf(out, "\":%llu", (unsigned long long)seq);
}

void gs_registry_write_vector(const struct gs_core *core, const struct gs_vector *vector, struct gs_buffer *out) {
    bool first = true;
    gs_buffer_text(out, "{");
    for (uint32_t i = 0; i < vector->count; i++) {
        const struct gs_origin_state *state = gs_registry_find(core, &vector->heads[i].origin);
        if (state == NULL || !state->folded) {
            write_member(core, &vector->heads[i].origin, vector->heads[i].seq, first, out);
            first = false;
        }
    }
    gs_buffer_text(out, "}");
}

static void write_name(const void *context, const gs_origin *origin, struct gs_buffer *out) {
    gs_registry_write_name(context, origin, out);
}

struct gs_namer gs_registry_namer(const struct gs_core *core) {
    return (struct gs_namer){.write = write_name, .context = core};
}

void gs_registry_write_context(const struct gs_core *core, const struct gs_context *context, struct gs_buffer *out) {
    gs_document_write_vector(context, gs_registry_namer(core), out);
}

void gs_registry_close(struct gs_core *core) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        gs_causal_clear(core, core->origins[i]);
        gs_vector_close(&core->origins[i]->witnessed);
        gs_witness_close(&core->origins[i]->witness);
        gs_buffer_close(&core->origins[i]->evidence);
        gs_buffer_close(&core->origins[i]->proof);
        free(core->origins[i]);
    }
    free(core->origins);
    core->origins = NULL;
    core->origin_count = 0;
}
