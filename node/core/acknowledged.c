/* Why something is still remembered: where the log begins, and how far each region's acknowledgement is, by the applied
 * log alone. What a region has not acknowledged is not stable: no record of it goes, and nothing of it is cleaned up.
 */
#include "node/core/core_impl.h"

#include <string.h>

/* Events stored here that `known` does not have. */
static uint64_t count_lacking(const struct gs_core *core, const struct gs_vector *known) {
    uint64_t events = 0;
    for (uint32_t i = 0; i < core->stored.count; i++) {
        uint64_t has = gs_vector_seq(known, &core->stored.heads[i].origin);
        events += core->stored.heads[i].seq > has ? core->stored.heads[i].seq - has : 0;
    }
    return events;
}

static void write_region(const struct gs_core *core, const struct gs_trust_entry *trusted, struct gs_buffer *out) {
    struct gs_vector known = {0};
    if (gs_stable_known(core, &trusted->key, &known) != 0) {
        out->failed = GS_ENOMEM;
    }
    gs_buffer_printf(out, "{\"region\":\"%s\",\"heard\":%s,\"lacks\":%llu,\"vector\":", trusted->region,
                     known.count > 0 ? "true" : "false", (unsigned long long)count_lacking(core, &known));
    gs_registry_write_vector(core, &known, out);
    gs_buffer_text(out, "}");
    gs_vector_close(&known);
}

void gs_status_write_log(const struct gs_core *core, struct gs_buffer *out) {
    bool first = true;
    gs_buffer_printf(out, "{\"gone\":%llu,\"acknowledged\":[", (unsigned long long)core->base_position);
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        if (gs_stable_counts(core, &core->config.trust->entries[i])) {
            gs_buffer_text(out, first ? "" : ",");
            first = false;
            write_region(core, &core->config.trust->entries[i], out);
        }
    }
    gs_buffer_text(out, "]}");
}
