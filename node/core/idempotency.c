#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

static void make_name(const struct gs_idempotency *key, uint8_t ret_name[20]) {
    memcpy(ret_name, key->key, sizeof key->key);
    for (int i = 0; i < 4; i++) {
        ret_name[16 + i] = (uint8_t)(key->item >> (24 - 8 * i));
    }
}

struct gs_idempotency_entry *gs_idempotency_find(struct gs_core *core, const struct gs_idempotency *key) {
    uint8_t name[20];
    make_name(key, name);
    return (struct gs_idempotency_entry *)gs_table_find(&core->idempotency, gs_slice_make(name, sizeof name));
}

static void drop_oldest(struct gs_core *core) {
    struct gs_idempotency_entry *oldest = core->idempotency_oldest;
    core->idempotency_oldest = oldest->newer;
    if (oldest->newer == NULL) {
        core->idempotency_newest = NULL;
    }
    if (core->idempotency_unkept == oldest) {
        core->idempotency_unkept = oldest->newer;
    }
    gs_table_remove(&core->idempotency, &oldest->entry);
    free(oldest);
}

int gs_idempotency_add(struct gs_core *core, const struct gs_event *event, const gs_origin *origin,
                       const uint64_t *versions) {
    if (gs_hlc_ms(event->clock) + core->config.idempotency_ms < core->now_ms) {
        return 0; /* of long ago: recovery passes all there ever were */
    }
    /* Two requests with one key may have crossed in two regions: both were carried out, the first one known here
     * answers for both (and the ledger tells: gs_ledger_duplicate). */
    if (gs_idempotency_find(core, &event->idempotency) != NULL) {
        return 0;
    }
    size_t size = event->change_count * sizeof(uint64_t);
    struct gs_idempotency_entry *entry = calloc(1, sizeof *entry + size);
    if (entry == NULL) {
        return GS_ENOMEM;
    }
    make_name(&event->idempotency, entry->name);
    memcpy(entry->request, event->idempotency.request, sizeof entry->request);
    entry->entry.key = gs_slice_make(entry->name, sizeof entry->name);
    entry->origin = *origin;
    entry->seq = event->seq;
    entry->clock = event->clock;
    entry->version_count = event->change_count;
    memcpy(entry->versions, versions, size);
    if (gs_table_insert(&core->idempotency, &entry->entry) != 0) {
        free(entry);
        return GS_ENOMEM;
    }
    if (core->idempotency_newest != NULL) {
        core->idempotency_newest->newer = entry;
    } else {
        core->idempotency_oldest = entry;
    }
    core->idempotency_newest = entry;
    entry->number = ++core->idempotency_number;
    core->idempotency_unkept = core->idempotency_unkept != NULL ? core->idempotency_unkept : entry;
    if (core->idempotency.count > core->config.idempotency_max) {
        drop_oldest(core);
    }
    return 0;
}

void gs_idempotency_expire(struct gs_core *core) {
    while (core->idempotency_oldest != NULL &&
           gs_hlc_ms(core->idempotency_oldest->clock) + core->config.idempotency_ms < core->now_ms) {
        drop_oldest(core);
    }
}

void gs_idempotency_close(struct gs_core *core) {
    while (core->idempotency_oldest != NULL) {
        drop_oldest(core);
    }
    gs_table_close(&core->idempotency);
}
