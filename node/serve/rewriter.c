#include "node/serve/rewriter.h"

static void answer(struct gs_gateway *gateway, struct gs_command *command, int error) {
    command->error = error;
    gs_gateway_answer(gateway, command);
}

void gs_rewriter_take(struct gs_rewriter *rewriter, struct gs_gateway *gateway, struct gs_store_thread *store,
                      struct gs_command *command) {
    int error = store == NULL ? GS_ESTORE : rewriter->command != NULL ? GS_EOVERLOADED : 0;
    if (error == 0) {
        error = gs_store_thread_rewrite(store, ++rewriter->tag, &command->rewrites, command->scrub);
    }
    if (error != 0) {
        answer(gateway, command, error);
    } else {
        rewriter->command = command;
    }
}

void gs_rewriter_done(struct gs_rewriter *rewriter, struct gs_gateway *gateway, uint64_t tag, int error) {
    if (rewriter->command != NULL && rewriter->tag == tag) {
        struct gs_command *command = rewriter->command;
        rewriter->command = NULL;
        answer(gateway, command, error);
    }
}

void gs_rewriter_give_up(struct gs_rewriter *rewriter, struct gs_gateway *gateway, int error) {
    gs_rewriter_done(rewriter, gateway, rewriter->tag, error);
}
