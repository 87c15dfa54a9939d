/* The own log could not be read where an aggregate was to be rebuilt from it. The shell is asked to look for the damage
 * and to fetch what is damaged again from peers (update.damaged); rebuilds that failed for it wait for that, and are
 * asked for once more. */
#include "node/core/compare_impl.h"

enum { HEAL_WAIT_MS = 20000 };

bool gs_is_damage(int error) {
    return error == GS_ECORRUPT || error == GS_ESIGNATURE || error == GS_ECHAIN || error == GS_EFORMAT;
}

bool gs_damage_wait(struct gs_core *core, struct gs_comparison *c, struct gs_rebuild_slot *slot, int error,
                    struct gs_update *update) {
    if (!gs_is_damage(error) || slot->again || core->heal_failed) {
        return false;
    }
    if (core->heal_waiting == 0) {
        core->heal_deadline_mono_ms = core->mono_ms + HEAL_WAIT_MS;
        update->damaged = true;
    }
    slot->again = true;
    slot->waits = true;
    core->heal_waiting++;
    c->deadline_mono_ms = core->heal_deadline_mono_ms + GS_COMPARE_IDLE_MS;
    return true;
}

/* Asks again for all that waited. */
static int ask_again(struct gs_core *core, struct gs_update *update) {
    struct gs_compares *compares = &core->compares;
    core->heal_waiting = 0;
    for (uint32_t i = 0; i < compares->slot_count; i++) {
        struct gs_rebuild_slot *slot = &compares->slots[i];
        struct gs_comparison *c = slot->number != 0 && slot->waits ? gs_comparison_find(core, slot->comparison) : NULL;
        if (slot->number == 0 || !slot->waits) {
            continue;
        }
        slot->waits = false;
        int error = c != NULL ? gs_compares_ask_slot(core, c, slot, update) : 0;
        if (c == NULL) {
            slot->number = 0;
            compares->free_slots[compares->free_count++] = i;
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int gs_damage_healed(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    gs_jobs_scanned(core, event->healed.records, event->healed.left, event->healed.refused);
    core->heal_failed = event->healed.left > 0 || event->healed.refused;
    core->heal_failed_mono_ms = core->mono_ms;
    return core->heal_waiting > 0 ? ask_again(core, update) : 0;
}

int gs_damage_tick(struct gs_core *core, struct gs_update *update) {
    if (core->heal_failed && core->mono_ms - core->heal_failed_mono_ms >= HEAL_WAIT_MS) {
        core->heal_failed = false; /* the next one that cannot be read may have more luck */
    }
    return core->heal_waiting > 0 && core->mono_ms >= core->heal_deadline_mono_ms ? ask_again(core, update) : 0;
}
