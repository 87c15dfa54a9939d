/* The node: the replica core on a libuv loop, with its store, its links, and the gateway for request threads.
 *
 *     request threads → gateway → ┐
 *     peers ⇄ transport        → ├ core step → update → store thread, transport, views, answers
 *     store thread, timer      → ┘
 *
 * One thread, the loop's, steps the core and carries out its updates; nothing here blocks on disk or network. While the
 * store is away (a database that restarts, a full disk) reads go on, writes are refused after a moment, and the commit
 * in flight is tried until it is stored; a database that is away at the start is waited for. A store that comes back
 * with less than it acknowledged makes the node begin a new incarnation from what is there; after an I/O error of the
 * store, or when another node has taken it over, it stops for good (G1: an fsync error is never retried over). */
#ifndef GS_NODE_SERVE_NODE_H
#define GS_NODE_SERVE_NODE_H

#include "node/core/core.h"
#include "node/serve/gateway.h"
#include "node/serve/priority.h"

#include <uv.h>

struct gs_node;

struct gs_node_config {
    uv_loop_t *loop;
    struct gs_core_config core; /* seed and now_ms are filled in by the node */
    const char *database_url;
    const char *notes_directory; /* made if absent; borrowed for the node's life */
    const char *gossip_addr;
    const char *advertise_addr; /* see advertise.h; may be NULL */
    const char *const *seeds;
    uint32_t seed_count;
    size_t cache_bytes;
    struct gs_priority request_priority; /* of the threads that call the gateway */
    uint32_t queue_target_ms;            /* admission.h */
    uint32_t breaker_threshold;          /* failures of the store in a row; 0: GS_BREAKER_THRESHOLD */
    /* The node can not go on: it stops; `reason` is one line. Called on the loop, once. */
    void (*failed)(void *context, const char *reason);
    /* An aggregate in memory was not what the log makes of it, and was replaced. Called on the loop. */
    void (*repaired)(void *context, const char *name);
    /* A record of the log (`text` says which) was damaged, and was fetched again. Called on the loop. */
    void (*healed)(void *context, uint64_t position, const char *text);
    void *context;
};

/* Opens the store, recovers, and joins the cluster. On failure `problem` says why in one line, and nothing is left
 * running. */
int gs_node_start(const struct gs_node_config *config, struct gs_node **ret_node, struct gs_problem *problem);

struct gs_gateway *gs_node_gateway(struct gs_node *node);

/* Refuses new commands from now on; what is under way is finished. */
void gs_node_shut(struct gs_node *node);
/* Tells peers that the region leaves, unless it has failed, and says goodbye, finishes and closes the store; then
 * `closed` is called and the node is gone. No thread may be inside the gateway. */
void gs_node_stop(struct gs_node *node, void (*closed)(void *context), void *context);

/* The trust file was read again: `trust` is borrowed in place of the old one, which may be freed afterwards. */
void gs_node_set_trust(struct gs_node *node, const struct gs_trust *trust);

#endif
