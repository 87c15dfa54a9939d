/* Writes that found no room in the open group, or came before the node may write: a bounded ring, first in, first out.
 */
#include "node/core/core_impl.h"

#include <stdlib.h>

static int grow(struct gs_core *core) {
    uint32_t capacity = core->backlog_capacity == 0 ? 64 : core->backlog_capacity * 2;
    struct gs_command **ring = calloc(capacity, sizeof *ring);
    if (ring == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < core->backlog_count; i++) {
        ring[i] = core->backlog[(core->backlog_head + i) % core->backlog_capacity];
    }
    free(core->backlog);
    core->backlog = ring;
    core->backlog_head = 0;
    core->backlog_capacity = capacity;
    return 0;
}

int gs_backlog_push(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    if (core->backlog_count == core->backlog_capacity && grow(core) != 0) {
        command->error = GS_EOVERLOADED;
        return gs_update_answer(update, command);
    }
    core->backlog[(core->backlog_head + core->backlog_count) % core->backlog_capacity] = command;
    core->backlog_count++;
    return 0;
}

struct gs_command *gs_backlog_pop(struct gs_core *core) {
    if (core->backlog_count == 0) {
        return NULL;
    }
    struct gs_command *command = core->backlog[core->backlog_head];
    core->backlog_head = (core->backlog_head + 1) % core->backlog_capacity;
    core->backlog_count--;
    return command;
}

/* Puts back what was just popped and then pushed again: from the end to the front. */
void gs_backlog_unpop(struct gs_core *core, struct gs_command *command) {
    core->backlog_head = (core->backlog_head + core->backlog_capacity - 1) % core->backlog_capacity;
    core->backlog[core->backlog_head] = command;
}

int gs_backlog_drain(struct gs_core *core, struct gs_update *update) {
    uint32_t count = core->backlog_count;
    while (count-- > 0) {
        uint32_t before = core->backlog_count;
        struct gs_command *command = gs_backlog_pop(core);
        int error = gs_write_command(core, command, update);
        if (error != 0) {
            return error;
        }
        if (core->backlog_count == before) {
            /* No room again: it went to the back; keep the order. */
            gs_backlog_unpop(core, command);
            return 0;
        }
    }
    return 0;
}
