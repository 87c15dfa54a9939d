/* All or nothing: an atomic command is carried out on copies of the aggregates first. If every write would be accepted,
 * the same writes on the real ones are bound to be: nothing else runs in between. Only atomic commands with several
 * writes pay for the copies. */
#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

struct copy {
    struct gs_slice type;
    struct gs_slice id;
    struct gs_aggregate *aggregate; /* owned */
    uint64_t version;
};

struct gs_write_scratch {
    const struct gs_core *core;
    struct copy *copies;
    uint32_t count, capacity;
};

static struct copy *find_copy(const struct gs_write_scratch *scratch, const struct gs_write_change *change) {
    for (uint32_t i = 0; i < scratch->count; i++) {
        if (gs_slice_compare(scratch->copies[i].type, change->aggregate_type) == 0 &&
            gs_slice_compare(scratch->copies[i].id, change->aggregate_id) == 0) {
            return &scratch->copies[i];
        }
    }
    return NULL;
}

const struct gs_aggregate *gs_scratch_aggregate(const struct gs_write_scratch *scratch,
                                                const struct gs_write_change *change, uint64_t *ret_version) {
    const struct copy *copy = find_copy(scratch, change);
    *ret_version = copy->version;
    return copy->aggregate;
}

static int add_copies(struct gs_write_scratch *scratch, const struct gs_write *write) {
    for (uint32_t i = 0; i < write->change_count; i++) {
        const struct gs_write_change *change = &write->changes[i];
        if (find_copy(scratch, change) != NULL) {
            continue;
        }
        if (gs_array_reserve((void **)&scratch->copies, &scratch->capacity, scratch->count, sizeof *scratch->copies) !=
            0) {
            return GS_ENOMEM;
        }
        const struct gs_cell *cell = gs_cell_find(scratch->core, change->aggregate_type, change->aggregate_id);
        struct copy *copy = &scratch->copies[scratch->count];
        copy->type = change->aggregate_type;
        copy->id = change->aggregate_id;
        copy->version = cell != NULL ? cell->version : 0;
        copy->aggregate = gs_aggregate_clone(cell != NULL ? cell->aggregate : scratch->core->empty, NULL);
        if (copy->aggregate == NULL) {
            return GS_ENOMEM;
        }
        scratch->count++;
    }
    return 0;
}

/* The rehearsal encodes the events, too: a batch that would be full counts as a refusal. */
static int rehearse_one(struct gs_core *core, struct gs_write_scratch *scratch, const struct gs_write *write,
                        struct gs_arena *arena, struct gs_batch_writer *writer, struct gs_write_result *result) {
    int error = add_copies(scratch, write);
    struct gs_prepared prepared = {0};
    if (error == 0) {
        error = gs_write_prepare(core, scratch, write, arena, &prepared, result);
    }
    if (error == 0) {
        prepared.event.seq = writer->first_seq + writer->count;
        error = gs_batch_writer_add(writer, &prepared.event);
    }
    for (uint32_t i = 0; error == 0 && i < write->change_count; i++) {
        struct copy *copy = find_copy(scratch, &write->changes[i]);
        error = gs_aggregate_apply(copy->aggregate, &prepared.event.changes[i].delta);
        copy->version++;
    }
    if (error == 0) {
        core->clock = prepared.event.clock;
    }
    return error;
}

int gs_write_rehearse(struct gs_core *core, struct gs_command *command, struct gs_arena *arena, uint32_t *ret_failed) {
    struct gs_write_scratch scratch = {.core = core};
    struct gs_batch_writer writer = {0};
    struct gs_batch_writer real = core->writer;
    gs_hlc clock = core->clock;
    gs_batch_writer_begin(&writer, &core->self->origin, real.first_seq + real.count);
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < command->write_count; i++) {
        core->writer.count = real.count + i;
        error = rehearse_one(core, &scratch, &command->writes[i], arena, &writer, &command->results[i]);
        *ret_failed = i;
    }
    core->writer = real;
    core->clock = clock;
    bool fits = real.events.length + writer.events.length <= GS_BATCH_BYTES_MAX / 2 &&
                real.detached.length + writer.detached.length <= GROUP_DETACHED_MAX;
    if (error == 0 && !fits) {
        error = GS_EBUSY;
    }
    for (uint32_t i = 0; i < scratch.count; i++) {
        gs_aggregate_free(scratch.copies[i].aggregate);
    }
    free(scratch.copies);
    gs_batch_writer_close(&writer);
    return error;
}
