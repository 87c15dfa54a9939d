/* Where the first events of an aggregate are gone, the oldest kept state stands for them: no earlier one is left. */
#include "node/history/past.h"

static int count_gone(const struct gs_past *past, struct gs_slice type, struct gs_slice id, uint64_t current,
                      uint64_t *ret_gone) {
    struct gs_history_reader *reader = past->reader;
    const struct gs_history_range all = {.first = 1, .last = UINT64_MAX};
    struct gs_history_entry first;
    uint32_t count = 0;
    int error = reader->methods->entries(reader, type, id, &all, &first, 1, &count);
    *ret_gone = error != 0 ? 0 : count > 0 ? first.version - 1 : current;
    return error;
}

/* The least version of which a state is kept: what is older was dropped, so there is none below a version that finds
 * none. */
static int find_state(const struct gs_past *past, struct gs_slice type, struct gs_slice id, uint64_t current,
                      struct gs_past_oldest *oldest) {
    struct gs_history_reader *reader = past->reader;
    struct gs_kept_state kept = {0};
    uint64_t low = oldest->gone;
    uint64_t high = current;
    int error = 0;
    while (error == 0 && low <= high) {
        uint64_t middle = low + (high - low) / 2;
        error = reader->methods->state(reader, type, id, middle, &kept);
        if (error == 0) {
            oldest->version = kept.version;
            oldest->updated = kept.updated;
            high = kept.version - 1;
        } else if (error == GS_ENOTFOUND) {
            error = 0;
            low = middle + 1;
        }
    }
    gs_buffer_close(&kept.state);
    return error == 0 && oldest->version < oldest->gone ? GS_ECORRUPT : error;
}

int gs_past_oldest(const struct gs_past *past, struct gs_slice type, struct gs_slice id,
                   struct gs_past_oldest *ret_oldest) {
    struct gs_past_oldest oldest = {0};
    struct gs_base base = {0};
    uint64_t current = 0;
    int error = past->reader->methods->base(past->reader, &base);
    uint64_t floor = error == 0 ? gs_base_floor(&base, type) : 0;
    gs_base_close(&base);
    if (error == 0 && floor > 0) {
        error = past->reader->methods->version(past->reader, type, id, &current);
    }
    if (error == 0 && current > 0) {
        error = count_gone(past, type, id, current, &oldest.gone);
    }
    if (error == 0 && oldest.gone > 0) {
        error = find_state(past, type, id, current, &oldest);
    }
    if (error == 0) {
        *ret_oldest = oldest;
    }
    return error;
}
