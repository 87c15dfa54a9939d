/* The store is away for a while: a database that restarts or fails over, a full disk. The commit in flight stays; the
 * shell tries it until it is stored. What is stored is shown on; what waits to be stored is shown to nobody, and nobody
 * waits for it: answers that would have to are errors now. Peers' batches are taken in until they fill the open group,
 * and pulled again later (OPEN_BYTES_MAX). */
#include "node/core/core_impl.h"

/* A write in a group has been applied, and will be stored with it. */
static void fail_group(struct gs_group *group, struct gs_update *update) {
    for (uint32_t i = 0; i < group->command_count; i++) {
        group->commands[i]->error = group->commands[i]->kind == GS_COMMAND_WRITE ? GS_EUNCERTAIN : GS_ESTORE;
        (void)gs_update_answer(update, group->commands[i]);
    }
    group->command_count = 0;
}

void gs_away_begin(struct gs_core *core, struct gs_update *update) {
    core->store_away = true;
    fail_group(&core->flight, update);
    fail_group(&core->open, update);
    while (core->backlog_count > 0) {
        (void)gs_away_answer(gs_backlog_pop(core), update);
    }
}

void gs_away_end(struct gs_core *core) {
    core->store_away = false;
}

int gs_away_answer(struct gs_command *command, struct gs_update *update) {
    command->error = GS_ESTORE;
    return gs_update_answer(update, command);
}
