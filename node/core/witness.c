/* What an origin had applied of others at each of its batches, as far back as the last WITNESS_MAX changes go: for the
 * vector clocks of the conflict ledger. `witnessed` of the origin's state is the newest of it. */
#include "node/core/core_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A batch that begins with `first_seq` was written after its origin had applied `seq` of `of`. */
struct gs_witness_step {
    uint64_t first_seq;
    const struct gs_origin_state *of;
    uint64_t seq;
    uint32_t number; /* of `of`, while a checkpoint is read */
};

/* Of the steps from `first` to before `end`, keeps the last one of each origin, moved up to `end` in their order.
 * Returns where they begin now. */
static uint32_t condense(struct gs_witness_step *steps, uint32_t first, uint32_t end) {
    uint32_t kept = end;
    for (uint32_t i = end; i > first; i--) {
        uint32_t later = kept;
        while (later < end && steps[later].of != steps[i - 1].of) {
            later++;
        }
        if (later == end) {
            steps[--kept] = steps[i - 1];
        }
    }
    return kept;
}

/* When all is full, of the older half only what had been applied at its end stays: then every clock since is still
 * known in full, of origins that are quiet, too. Of more than the half where that frees little: origins are at most
 * GS_VECTOR_MAX. */
static int make_room(struct gs_witness *witness) {
    if (witness->count == WITNESS_MAX) {
        uint32_t end = WITNESS_MAX / 2;
        uint32_t first = condense(witness->steps, 0, end);
        if (first < WITNESS_MAX / 8) {
            end += WITNESS_MAX / 4;
            first = condense(witness->steps, first, end);
        }
        witness->known_from = witness->steps[end].first_seq;
        witness->count -= first;
        memmove(witness->steps, witness->steps + first, witness->count * sizeof *witness->steps);
    }
    return gs_array_reserve((void **)&witness->steps, &witness->capacity, witness->count, sizeof *witness->steps);
}

static_assert(WITNESS_MAX / 4 * 3 > GS_VECTOR_MAX, "there is always room to be made");

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
    *ret_seq = 0; /* it had never applied anything of that */
    return true;
}

void gs_witness_write(const struct gs_witness *witness, struct gs_buffer *out) {
    gs_write_uint(out, witness->known_from);
    gs_write_array(out, 3 * witness->count);
    for (uint32_t i = 0; i < witness->count; i++) {
        gs_write_uint(out, witness->steps[i].first_seq);
        gs_write_uint(out, witness->steps[i].of->number);
        gs_write_uint(out, witness->steps[i].seq);
    }
}

int gs_witness_read(struct gs_reader *reader, struct gs_witness *witness) {
    witness->known_from = gs_read_uint(reader);
    for (uint32_t left = gs_read_array(reader, 3 * WITNESS_MAX); left >= 3 && reader->error == 0; left -= 3) {
        if (gs_array_reserve((void **)&witness->steps, &witness->capacity, witness->count, sizeof *witness->steps) !=
            0) {
            return GS_ENOMEM;
        }
        struct gs_witness_step *step = &witness->steps[witness->count++];
        *step = (struct gs_witness_step){.first_seq = gs_read_uint(reader)};
        step->number = gs_read_u32(reader, GS_VECTOR_MAX);
        step->seq = gs_read_uint(reader);
    }
    return 0;
}

uint32_t gs_witness_number(struct gs_core *core) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->origin_count; i++) {
        core->origins[i]->number = count;
        count += gs_vector_seq(&core->applied, &core->origins[i]->origin) > 0 ? 1 : 0;
    }
    return count;
}

int gs_witness_resolve(struct gs_core *core) {
    const struct gs_origin_state **numbered = malloc((core->origin_count + 1) * sizeof(struct gs_origin_state *));
    int error = numbered == NULL ? GS_ENOMEM : 0;
    uint32_t count = error == 0 ? gs_witness_number(core) : 0;
    for (uint32_t i = 0; i < core->origin_count && error == 0; i++) {
        numbered[core->origins[i]->number] = core->origins[i]; /* of equal numbers, the last one has a batch */
    }
    for (uint32_t i = 0; i < core->origin_count && error == 0; i++) {
        struct gs_witness *witness = &core->origins[i]->witness;
        for (uint32_t j = 0; j < witness->count && error == 0; j++) {
            uint32_t number = witness->steps[j].number;
            error = number < count ? 0 : GS_ECORRUPT;
            witness->steps[j].of = error == 0 ? numbered[number] : NULL;
        }
    }
    free(numbered);
    return error;
}

void gs_witness_close(struct gs_witness *witness) {
    free(witness->steps);
    *witness = (struct gs_witness){0};
}
