/* What a peer lacks of our own log, in bytes and in time ("now minus the oldest unacknowledged": a lag that is measured
 * by what came last looks healthy while nothing comes).
 *
 * An exponential histogram (Datar et al., 2002): an entry stands for 1, 2, 4, 8 … commits in a row, the older the more,
 * and of each size there are few. So it reaches back to the first commit of this life, in a few hundred entries, and an
 * entry is never wider than a thirtieth of what is newer. */
#include "node/core/core_impl.h"

#include <string.h>

enum { ENTRIES_PER_SIZE = 32 };

/* Of the sizes that have too many entries, the two oldest become one of the next size. */
static void compact(struct gs_core *core) {
    uint32_t end = core->commit_count;
    for (uint64_t size = 1;; size *= 2) {
        uint32_t begin = end;
        while (begin > 0 && core->commits[begin - 1].count == size) {
            begin--;
        }
        if (end - begin <= ENTRIES_PER_SIZE) {
            return;
        }
        core->commits[begin].count = 2 * size;
        core->commits[begin].last_seq = core->commits[begin + 1].last_seq;
        core->commit_count--;
        memmove(&core->commits[begin + 1], &core->commits[begin + 2],
                (core->commit_count - begin - 1) * sizeof core->commits[0]);
        end = begin + 1;
    }
}

void gs_lag_remember(struct gs_core *core, uint64_t last_seq, size_t bytes) {
    if (core->commit_count < COMMITS_KEPT) {
        core->commits[core->commit_count].count = 1;
        core->commits[core->commit_count].last_seq = last_seq;
        core->commits[core->commit_count].ms = core->now_ms;
        core->commits[core->commit_count].bytes_before = core->own_bytes;
        core->commit_count++;
        compact(core);
    }
    core->own_bytes += bytes;
}

void gs_lag_own(const struct gs_core *core, uint64_t seq, uint64_t *ret_bytes, uint64_t *ret_age_ms) {
    uint32_t low = 0;
    uint32_t high = core->commit_count;
    while (low < high) { /* the first entry that goes past seq */
        uint32_t middle = low + (high - low) / 2;
        if (core->commits[middle].last_seq > seq) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    *ret_bytes = 0;
    *ret_age_ms = 0;
    if (low < core->commit_count) {
        *ret_bytes = core->own_bytes - core->commits[low].bytes_before;
        *ret_age_ms = core->now_ms > core->commits[low].ms ? core->now_ms - core->commits[low].ms : 0;
    }
}
