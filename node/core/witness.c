/* What an origin had applied of others at each of its batches, as far back as the last WITNESS_MAX changes go: for the
 * vector clocks of the conflict ledger. `witnessed` of the origin's state is the newest of it. */
#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

/* A batch that begins with `first_seq` was written after its origin had applied `seq` of `of`. */
struct gs_witness_step {
    uint64_t first_seq;
    const struct gs_origin_state *of;
    uint64_t seq;
};

/* Room by halves: the older half goes when all is full. */
static int make_room(struct gs_witness *witness) {
    if (witness->count == WITNESS_MAX) {
        witness->count -= WITNESS_MAX / 2;
        witness->known_from = witness->steps[WITNESS_MAX / 2].first_seq;
        memmove(witness->steps, witness->steps + WITNESS_MAX / 2, witness->count * sizeof *witness->steps);
    }
    return gs_array_reserve((void **)&witness->steps, &witness->capacity, witness->count, sizeof *witness->steps);
}

int gs_witness_note(const struct gs_core *core, struct gs_origin_state *origin, const struct gs_batch_head *head) {
    struct gs_witness *witness = &origin->witness;
    for (uint32_t i = 0; i < head->dep_count; i++) {
        struct gs_head dep;
        gs_batch_dep(head, i, &dep);
        const struct gs_origin_state *of = gs_registry_find(core, &dep.origin);
        if (of == NULL) {
            continue;
        }
        if (make_room(witness) != 0) {
            return GS_ENOMEM;
        }
        witness->steps[witness->count++] =
            (struct gs_witness_step){.first_seq = head->first_seq, .of = of, .seq = dep.seq};
    }
    return 0;
}

bool gs_witness_at(const struct gs_core *core, const struct gs_origin_state *origin, uint64_t seq, const gs_origin *of,
                   uint64_t *ret_seq) {
    const struct gs_witness *witness = &origin->witness;
    const struct gs_origin_state *other = gs_registry_find(core, of);
    if (origin == core->self && !core->recovering && seq >= core->writer.first_seq) {
        *ret_seq = gs_vector_seq(&core->applied, of); /* not sealed yet: its batch will say so */
        return true;
    }
    if (seq < witness->known_from) {
        return false;
    }
    for (uint32_t i = witness->count; i > 0; i--) {
        const struct gs_witness_step *step = &witness->steps[i - 1];
        if (step->of == other && step->first_seq <= seq) {
            *ret_seq = step->seq;
            return true;
        }
    }
    *ret_seq = 0;
    return witness->known_from == 0;
}

void gs_witness_close(struct gs_witness *witness) {
    free(witness->steps);
    *witness = (struct gs_witness){0};
}
