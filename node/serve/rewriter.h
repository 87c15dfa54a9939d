/* GS_COMMAND_REWRITE: records that take the places of stored ones, one command at a time. The store's thread has a copy
 * of what it is to do: a command whose store goes away is answered at once, and what becomes of it is not waited for.
 */
#ifndef GS_NODE_SERVE_REWRITER_H
#define GS_NODE_SERVE_REWRITER_H

#include "node/serve/gateway_loop.h"
#include "node/store/store_thread.h"

/* Zero-initialise. */
struct gs_rewriter {
    struct gs_command *command; /* under way; NULL: none */
    uint64_t tag;
};

/* Answers the command, now or later. `store` NULL: there is none (GS_ESTORE). */
void gs_rewriter_take(struct gs_rewriter *rewriter, struct gs_gateway *gateway, struct gs_store_thread *store,
                      struct gs_command *command);
/* The store's thread has done it. */
void gs_rewriter_done(struct gs_rewriter *rewriter, struct gs_gateway *gateway, uint64_t tag, int error);
/* Nothing is waited for any more. */
void gs_rewriter_give_up(struct gs_rewriter *rewriter, struct gs_gateway *gateway, int error);

#endif
