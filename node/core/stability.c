/* GS_COMMAND_STABILITY: why an aggregate's bookkeeping, or a deleted aggregate, is still remembered: who has not shown
 * that it has applied what was written to it. The rule is that of compact.c; this says the same by name. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <string.h>

struct explanation {
    const struct gs_core *core;
    const struct gs_context *context; /* of the aggregate */
    struct gs_buffer *out;
    uint32_t holders;
};

/* Whoever has applied `applied` holds the aggregate back if that lacks some of its events. */
static int look_at(struct explanation *all, const struct gs_vector *applied, const gs_public_key *key,
                   const char *region, const gs_origin *origin) {
    struct gs_vector lacks = {0};
    struct gs_vector shown = {0};
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < all->context->count; i++) {
        struct gs_head needed = {.origin = all->context->entries[i].origin};
        struct gs_head has = {.origin = needed.origin, .seq = gs_vector_seq(applied, &needed.origin)};
        needed.seq = gs_context_seq(all->context, &needed.origin);
        error = has.seq < needed.seq ? gs_vector_set(&lacks, &needed) : 0;
        error = error == 0 && has.seq < needed.seq && has.seq > 0 ? gs_vector_set(&shown, &has) : error;
    }
    if (error == 0 && lacks.count > 0) {
        struct gs_buffer *out = all->out;
        gs_buffer_text(out, all->holders++ > 0 ? ",{\"region\":\"" : "{\"region\":\"");
        if (origin != NULL) {
            gs_registry_write_name(all->core, origin, out);
        } else {
            gs_buffer_text(out, region);
        }
        gs_buffer_printf(out,
                         "\",\"linked\":%s,\"needed\":", gs_members_link(all->core, key) != NULL ? "true" : "false");
        gs_registry_write_vector(all->core, &lacks, out);
        gs_buffer_text(out, ",\"shown\":");
        gs_registry_write_vector(all->core, &shown, out);
        gs_buffer_byte(out, '}');
    }
    gs_vector_close(&lacks);
    gs_vector_close(&shown);
    return error;
}

/* An origin that may still write: what its last batch names, and its own. */
static int look_at_origins(struct explanation *all) {
    const struct gs_core *core = all->core;
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->stored.count; i++) {
        const struct gs_origin_state *origin = gs_registry_find(core, &core->stored.heads[i].origin);
        struct gs_vector applied = {0};
        if (!gs_stable_may_write(core, origin)) {
            continue;
        }
        error = gs_stable_shown(core, origin, &applied);
        error = error != 0 ? error : look_at(all, &applied, &origin->key, NULL, &origin->origin);
        gs_vector_close(&applied);
    }
    return error;
}

static bool may_write(const struct gs_core *core, const gs_public_key *key) {
    for (uint32_t i = 0; i < core->stored.count; i++) {
        const struct gs_origin_state *origin = gs_registry_find(core, &core->stored.heads[i].origin);
        if (memcmp(&origin->key, key, sizeof *key) == 0 && gs_stable_may_write(core, origin)) {
            return true;
        }
    }
    return false;
}

/* A trusted key of which nothing is here, or only closed lives: it may begin one at any time. */
static int look_at_keys(struct explanation *all) {
    const struct gs_core *core = all->core;
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        struct gs_vector known = {0};
        if (!gs_stable_counts(core, trusted) || may_write(core, &trusted->key)) {
            continue;
        }
        error = gs_stable_known(core, &trusted->key, &known);
        error = error != 0 ? error : look_at(all, &known, &trusted->key, trusted->region, NULL);
        gs_vector_close(&known);
    }
    return error;
}

int gs_stability_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    const struct gs_read_key *key = &command->keys[0];
    const struct gs_cell *cell = gs_cell_find(core, key->aggregate_type, key->aggregate_id);
    struct gs_buffer *out = &command->json;
    if (cell == NULL || cell->version == 0) {
        command->error = GS_ENOTFOUND;
        return gs_update_answer(update, command);
    }
    struct explanation all = {.core = core, .context = gs_aggregate_context(cell->aggregate), .out = out};
    gs_buffer_text(out, "{\"aggregateType\":");
    gs_json_write_string(key->aggregate_type.bytes, key->aggregate_type.length, out);
    gs_buffer_text(out, ",\"aggregateId\":");
    gs_json_write_string(key->aggregate_id.bytes, key->aggregate_id.length, out);
    gs_buffer_text(out, ",\"vectorClock\":");
    gs_registry_write_context(core, all.context, out);
    gs_buffer_text(out, ",\"heldBackBy\":[");
    int error = look_at_origins(&all);
    error = error != 0 ? error : look_at_keys(&all);
    gs_buffer_printf(out, "],\"stable\":%s,\"cleaned\":%s,\"undecidedForks\":%llu}",
                     all.holders == 0 ? "true" : "false", cell->unclean ? "false" : "true",
                     (unsigned long long)core->stats.forks);
    command->error = error != 0 ? error : out->failed;
    /* It speaks of what may not be stored yet, and nobody sees that before it is. */
    return gs_group_answer(core, command, command->error == 0 ? cell->last_group : 0, update);
}
