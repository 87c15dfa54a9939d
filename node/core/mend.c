/* Mending: an aggregate in memory gives way to what the log makes of it. Nothing else ever does that; in particular no
 * state of a peer. */
#include "node/core/core_impl.h"

#include <string.h>

bool gs_name_split(struct gs_slice name, struct gs_slice *ret_type, struct gs_slice *ret_id) {
    const uint8_t *slash = name.length > 0 ? memchr(name.bytes, '/', name.length) : NULL;
    if (slash == NULL) {
        return false;
    }
    *ret_type = gs_slice_make(name.bytes, (size_t)(slash - name.bytes));
    *ret_id = gs_slice_make(slash + 1, name.length - ret_type->length - 1);
    return gs_id_valid(*ret_type) && gs_id_valid(*ret_id);
}

/* True if both have the same canonical form. */
static int compare(const struct gs_core *core, const struct gs_cell *cell, const struct gs_aggregate *other,
                   bool *ret_equal) {
    gs_hash a, b;
    int error = gs_digest_hash_aggregate(core, cell->entry.key, cell->aggregate, &a);
    if (error == 0) {
        error = gs_digest_hash_aggregate(core, cell->entry.key, other, &b);
    }
    *ret_equal = error == 0 && memcmp(a.bytes, b.bytes, GS_HASH_SIZE) == 0;
    return error;
}

enum gs_mended gs_mend(struct gs_core *core, struct gs_slice name, uint64_t version, struct gs_slice state,
                       struct gs_update *update) {
    struct gs_slice type, id;
    struct gs_aggregate *aggregate = NULL;
    struct gs_cell *cell = NULL;
    bool equal = false;
    if (!gs_name_split(name, &type, &id)) {
        return GS_MENDED_FAILED;
    }
    cell = gs_cell_find(core, type, id);
    if (cell != NULL && (cell->version != version || cell->last_group > core->stored_group)) {
        return GS_MENDED_BUSY; /* what was read of the log is not all that memory has */
    }
    if (cell == NULL && version == 0) {
        return GS_MENDED_WAS_RIGHT;
    }
    if (gs_aggregate_decode(state.bytes, state.length, NULL, &aggregate) != 0) {
        return GS_MENDED_FAILED;
    }
    cell = cell != NULL ? cell : gs_cell_get(core, type, id);
    if (cell == NULL || compare(core, cell, aggregate, &equal) != 0) {
        gs_aggregate_free(aggregate);
        return GS_MENDED_FAILED;
    }
    if (equal && cell->version == version) {
        gs_aggregate_free(aggregate);
        return GS_MENDED_WAS_RIGHT;
    }
    core->stats.verify_repaired++;
    int error = gs_cell_replace(core, cell, aggregate, version, update);
    error = error != 0 ? error : gs_update_repaired(update, name);
    return error == 0 ? GS_MENDED_REPAIRED : GS_MENDED_FAILED;
}
