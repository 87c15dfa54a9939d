#include "node/core/command.h"

#include <stdlib.h>

struct gs_command *gs_command_new(enum gs_command_kind kind) {
    struct gs_command *command = calloc(1, sizeof *command);
    if (command != NULL) {
        command->kind = kind;
    }
    return command;
}

static void release_results(struct gs_command *command) {
    for (uint32_t i = 0; command->results != NULL && i < command->write_count; i++) {
        struct gs_change_result *changes = command->results[i].changes;
        for (uint32_t j = 0; changes != NULL && j < command->writes[i].change_count; j++) {
            gs_view_release(changes[j].view);
        }
    }
    for (uint32_t i = 0; command->views != NULL && i < command->key_count; i++) {
        gs_view_release(command->views[i]);
    }
}

void gs_command_free(struct gs_command *command) {
    if (command == NULL) {
        return;
    }
    release_results(command);
    gs_buffer_close(&command->json);
    gs_buffer_close(&command->rewrites);
    gs_arena_close(&command->arena);
    free(command);
}
