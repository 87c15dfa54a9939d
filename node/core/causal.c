/* The causal queue: verified batches that came before what they build on. One list an origin, by first_seq; bounded in
 * bytes over all origins. What finds no room is dropped: it will be asked for again, because the vector says that it is
 * missing. */
#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

bool gs_causal_unblocked(const struct gs_core *core, const struct gs_batch_head *head, struct gs_head *ret_blocker) {
    for (uint32_t i = 0; i < head->dep_count; i++) {
        struct gs_head dep;
        gs_batch_dep(head, i, &dep);
        const struct gs_origin_state *origin = gs_registry_find(core, &dep.origin);
        if (gs_vector_seq(&core->applied, &dep.origin) < dep.seq ||
            gs_registry_check_end(origin, dep.seq, &dep.hash) != 0) {
            *ret_blocker = dep;
            return false;
        }
    }
    return true;
}

bool gs_causal_ready(const struct gs_core *core, const struct gs_batch_head *head) {
    struct gs_head blocker;
    return gs_causal_unblocked(core, head, &blocker);
}

int gs_causal_put(struct gs_core *core, struct gs_origin_state *origin, const struct gs_batch_head *head,
                  struct gs_slice record) {
    struct gs_waiting **link = &origin->waiting;
    if (origin->waiting != NULL && origin->waiting_last->first_seq < head->first_seq) {
        link = &origin->waiting_last->next; /* as a rule they come in order */
    }
    while (*link != NULL && (*link)->first_seq < head->first_seq) {
        link = &(*link)->next;
    }
    if (*link != NULL && (*link)->first_seq == head->first_seq) {
        core->stats.batches_duplicate++;
        return 0;
    }
    size_t size = sizeof **link + record.length;
    if (core->stats.causal_bytes + size > GS_CORE_CAUSAL_BYTES_MAX ||
        origin->waiting_bytes + size > GS_CORE_CAUSAL_ORIGIN_BYTES_MAX) {
        return 0;
    }
    struct gs_waiting *waiting = malloc(sizeof *waiting + record.length);
    if (waiting == NULL) {
        return 0; /* as if there were no room */
    }
    waiting->first_seq = head->first_seq;
    waiting->last_seq = gs_batch_last_seq(head);
    waiting->length = record.length;
    waiting->blocker = (struct gs_head){0};
    memcpy(waiting->record, record.bytes, record.length);
    waiting->next = *link;
    *link = waiting;
    origin->waiting_last = waiting->next == NULL ? waiting : origin->waiting_last;
    core->stats.causal_bytes += size;
    origin->waiting_bytes += size;
    return 0;
}

static void pop(struct gs_core *core, struct gs_origin_state *origin) {
    struct gs_waiting *first = origin->waiting;
    origin->waiting = first->next;
    core->stats.causal_bytes -= sizeof *first + first->length;
    origin->waiting_bytes -= sizeof *first + first->length;
    free(first);
}

/* True if the first waiting batch of an origin may be applied now. This is asked after every batch that is applied, and
 * to parse one is to hash it: so what was missing last time is looked at first. */
static bool is_ready(const struct gs_core *core, const struct gs_origin_state *origin) {
    struct gs_waiting *first = origin->waiting;
    uint64_t seq = gs_vector_seq(&core->applied, &origin->origin);
    if (first->first_seq > seq + 1 || gs_vector_seq(&core->applied, &first->blocker.origin) < first->blocker.seq) {
        return false;
    }
    struct gs_record record;
    struct gs_batch_head head;
    bool parsed = gs_record_parse(gs_slice_make(first->record, first->length), &record) == 0 &&
                  gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0;
    return !parsed || first->last_seq <= seq || gs_causal_unblocked(core, &head, &first->blocker);
}

/* Applies the first waiting batches of one origin as far as they go; `*ret_moved` if any was. */
static int drain_origin(struct gs_core *core, struct gs_origin_state *origin, bool *ret_moved) {
    while (origin->waiting != NULL && is_ready(core, origin)) {
        struct gs_waiting *first = origin->waiting;
        int error = gs_remote_apply_waiting(core, origin, gs_slice_make(first->record, first->length));
        if (error == GS_ENOMEM) {
            return error;
        }
        pop(core, origin);
        if (error != 0) {
            gs_causal_clear(core, origin); /* what follows cannot continue a chain that is broken here */
            return 0;
        }
        *ret_moved = true;
    }
    return 0;
}

int gs_causal_drain(struct gs_core *core) {
    bool moved = core->stats.causal_bytes > 0;
    while (moved) {
        moved = false;
        for (uint32_t i = 0; i < core->origin_count; i++) {
            int error = drain_origin(core, core->origins[i], &moved);
            if (error != 0) {
                return error;
            }
        }
    }
    return 0;
}

void gs_causal_clear(struct gs_core *core, struct gs_origin_state *origin) {
    while (origin->waiting != NULL) {
        pop(core, origin);
    }
}
