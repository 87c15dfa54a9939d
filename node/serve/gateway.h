/* The gateway: how request threads reach the core.
 *
 * Any thread may call. A view that is cached is answered without the core; everything else is a command that waits for
 * the core's thread. Calls are bounded in number (GS_CORE_COMMANDS_MAX) and in time. */
#ifndef GS_NODE_SERVE_GATEWAY_H
#define GS_NODE_SERVE_GATEWAY_H

#include "node/core/command.h"
#include "node/core/core.h"
#include "node/history/pool.h"
#include "node/serve/causal_gate.h"

struct gs_gateway;

/* Hands the command to the core and waits until it is answered; the results are in it. Always returns with the command
 * owned by the caller again. `command->error` is GS_EOVERLOADED when the queue is full or others wait too long already
 * (admission.h), GS_ESHUTDOWN when the node stops. */
void gs_gateway_call(struct gs_gateway *gateway, struct gs_command *command);

/* Would a call be refused now? Then a request that needs one can be refused before its body is looked at: what is not
 * done for it is done for those that were let in. Counted as refused. */
bool gs_gateway_is_overloaded(struct gs_gateway *gateway);

/* The current view of an aggregate: a reference, or NULL with `*ret_error` set. Answers from the cache, else asks the
 * core. */
struct gs_view *gs_gateway_view(struct gs_gateway *gateway, struct gs_slice type, struct gs_slice id, int *ret_error);

/* What the node has, for causal tokens. Borrowed. */
struct gs_causal_gate *gs_gateway_causal_gate(struct gs_gateway *gateway);

/* Readers of the past; NULL where there is no store to read. */
struct gs_history_pool *gs_gateway_history(struct gs_gateway *gateway);

/* What /health and /metrics show; a consistent copy of what the loop last published, never waits for the core. */
enum { GS_NODE_PEERS_SHOWN = 32 };
struct gs_node_status {
    struct gs_core_stats core;
    struct gs_peer_lag peers[GS_NODE_PEERS_SHOWN];
    uint32_t peer_count;
    uint64_t verified_ago_ms; /* since a comparison with a peer last came to an end; UINT64_MAX: none yet */
    bool store_ok;
    struct gs_breaker store_breaker, history_breaker; /* of writes; of reads of the past */
    char store_name[16];
    uint64_t store_behind; /* records stored that history and SQL do not show yet */
    uint32_t peers_alive;
    uint32_t peers_configured;
    uint64_t loop_mono_ms;        /* when the loop last turned: a stuck loop shows */
    uint64_t bytes_in, bytes_out; /* gossip */
    uint64_t handshakes_failed;
    uint64_t links_established;
    uint64_t frames_refused; /* that did not verify; each ended its link */
    uint64_t resident_bytes;
    uint64_t snapshot_chunks, snapshots_refused; /* taken over; whose sender was caught */
    uint64_t log_healed, log_damaged;            /* records of the log: fetched again, ever; known to be damaged, now */
    uint32_t calls_waiting;                      /* for the core or the disk */
    uint64_t oldest_call_ms, calls_refused;
    uint64_t processor_wait_ms; /* what a thread of this node waits for a processor */
    uint64_t cache_hits, cache_misses, cache_bytes;
};
void gs_gateway_status(struct gs_gateway *gateway, struct gs_node_status *ret_status);

#endif
