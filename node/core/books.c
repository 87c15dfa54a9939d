#include "node/core/books.h"

#include "node/core/core_impl.h"

#include <string.h>

uint64_t gs_core_conflicts_recorded(const struct gs_core *core) {
    return core->ledger.recorded;
}

int gs_core_write_conflicts(const struct gs_core *core, uint64_t after, uint32_t max, struct gs_buffer *out,
                            uint64_t *ret_last) {
    const struct gs_ledger_entry *entry = core->ledger.newest;
    uint64_t last = after;
    uint32_t count = 0;
    while (entry != NULL && entry->number > after && entry->older != NULL && entry->older->number > after) {
        entry = entry->older;
    }
    gs_buffer_byte(out, '[');
    for (; entry != NULL && entry->number > after && entry->group <= core->stored_group && count < max;
         entry = entry->newer) {
        gs_buffer_text(out, count++ > 0 ? "," : "");
        gs_ledger_write_entry(core, entry, out);
        last = entry->number;
    }
    gs_buffer_byte(out, ']');
    *ret_last = last;
    return out->failed;
}

static void write_hex(const uint8_t *bytes, size_t length, struct gs_buffer *out) {
    for (size_t i = 0; i < length; i++) {
        gs_buffer_printf(out, "%02x", bytes[i]);
    }
}

static void write_head(const struct gs_core *core, const gs_public_key *key, struct gs_buffer *out) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        if (origin->is_latest && memcmp(&origin->key, key, sizeof *key) == 0) {
            gs_buffer_text(out, "{\"origin\":\"");
            write_hex(origin->origin.bytes, GS_ORIGIN_SIZE, out);
            gs_buffer_printf(out, "\",\"seq\":%llu}",
                             (unsigned long long)gs_vector_seq(&core->stored, &origin->origin));
            return;
        }
    }
    gs_buffer_text(out, "null");
}

static void write_last_seen(const struct gs_core *core, const gs_public_key *key, struct gs_buffer *out) {
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct gs_peer_state *peer = &core->peers[i];
        if (memcmp(&peer->key, key, sizeof *key) == 0) {
            uint64_t ago = core->mono_ms - peer->heard_mono_ms;
            gs_buffer_printf(out, "%llu", (unsigned long long)(core->now_ms > ago ? core->now_ms - ago : 0));
            return;
        }
    }
    gs_buffer_text(out, "null");
}

int gs_core_write_peers(const struct gs_core *core, struct gs_buffer *out) {
    bool first = true;
    gs_buffer_byte(out, '[');
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        if (trusted->revoked || gs_closing_is_succeeded(core, &trusted->key) ||
            memcmp(&trusted->key, &core->config.keys.public_key, sizeof trusted->key) == 0) {
            continue;
        }
        gs_buffer_text(out, first ? "{\"key\":\"" : ",{\"key\":\"");
        first = false;
        write_hex(trusted->key.bytes, sizeof trusted->key.bytes, out);
        gs_buffer_text(out, "\",\"lastSeenMs\":");
        write_last_seen(core, &trusted->key, out);
        gs_buffer_text(out, ",\"head\":");
        write_head(core, &trusted->key, out);
        gs_buffer_text(out, ",\"peer\":");
        gs_status_write_peer(core, trusted, out);
        gs_buffer_byte(out, '}');
    }
    gs_buffer_byte(out, ']');
    return out->failed;
}
