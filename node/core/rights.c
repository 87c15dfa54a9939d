/* Whether a peer's batch spends rights of bounded counters that its origin does not hold.
 *
 * An origin's rights are what its own log says, and what others gave it. Its log is here up to the batch; what it was
 * given and knew of is here too, since its deps are. Of what it did not know of, nodes may have more or less for a
 * while: rights only ever grow by it, so a batch that is held is tried again when rights have moved, and in the end all
 * nodes come to the same. */
#include "node/core/core_impl.h"

#include <globalstate/rights.h>

#include <stdlib.h>

struct claim {
    const struct gs_cell *cell;
    uint32_t order; /* in the batch */
    const struct gs_delta *delta;
};

static bool is_on_bounded(const struct gs_change *change) {
    return change->kind == GS_OP_GRANT || change->kind == GS_OP_INCREMENT_BC || change->kind == GS_OP_TRANSFER ||
           change->kind == GS_OP_TAKEOVER;
}

static bool names_bounded(const struct gs_delta *delta) {
    for (uint32_t i = 0; i < delta->count; i++) {
        if (is_on_bounded(&delta->changes[i])) {
            return true;
        }
    }
    return false;
}

bool gs_rights_move(const struct gs_delta *delta) {
    for (uint32_t i = 0; i < delta->count; i++) {
        if (delta->changes[i].kind == GS_OP_TRANSFER || delta->changes[i].kind == GS_OP_GRANT) {
            return true;
        }
    }
    return false;
}

/* An heir takes over only from what the log has closed, and passed to it: its own closing is behind it in its own log,
 * and so is, among what that depends on, all that the origin ever wrote. */
static bool inherits_all(const struct gs_core *core, const struct gs_delta *delta) {
    for (uint32_t i = 0; i < delta->count; i++) {
        const struct gs_change *change = &delta->changes[i];
        if (change->kind == GS_OP_TAKEOVER && !gs_closing_inherits(core, &change->target, &delta->origin)) {
            return false;
        }
    }
    return true;
}

static int compare_claims(const void *a, const void *b) {
    const struct claim *x = a;
    const struct claim *y = b;
    if (x->cell != y->cell) {
        return (uintptr_t)x->cell < (uintptr_t)y->cell ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static int check_claims(struct claim *claims, const struct gs_delta **deltas, uint32_t count) {
    int error = 0;
    if (count > 0) {
        qsort(claims, count, sizeof *claims, compare_claims);
    }
    for (uint32_t i = 0; i < count; i++) {
        deltas[i] = claims[i].delta;
    }
    for (uint32_t first = 0, next = 0; first < count && error == 0; first = next) {
        while (next < count && claims[next].cell == claims[first].cell) {
            next++;
        }
        error = gs_aggregate_check_rights(claims[first].cell->aggregate, deltas + first, next - first);
    }
    return error;
}

int gs_rights_check(const struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *events) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < head->count; i++) {
        for (uint32_t j = 0; j < events[i].change_count; j++) {
            count += names_bounded(&events[i].changes[j].delta);
        }
    }
    if (count == 0) {
        return 0;
    }
    struct claim *claims = calloc(count, sizeof *claims + sizeof(const struct gs_delta *));
    if (claims == NULL) {
        return GS_ENOMEM;
    }
    uint32_t found = 0;
    for (uint32_t i = 0; i < head->count; i++) {
        for (uint32_t j = 0; j < events[i].change_count; j++) {
            const struct gs_event_change *change = &events[i].changes[j];
            if (!inherits_all(core, &change->delta)) {
                free(claims);
                return GS_ECLOSING;
            }
            if (names_bounded(&change->delta)) {
                claims[found] = (struct claim){.cell = gs_cell_find(core, change->aggregate_type, change->aggregate_id),
                                               .order = found,
                                               .delta = &change->delta};
                found++;
            }
        }
    }
    int error = check_claims(claims, (const struct gs_delta **)(claims + count), count);
    free(claims);
    return error;
}
