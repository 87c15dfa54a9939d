/* What /health and /metrics show of the node, several times a second. */
#include "node/serve/node_impl.h"
#include "node/serve/process.h"

#include <string.h>

/* When the number of comparisons last grew. */
static void note_verify(struct gs_node *node, uint64_t runs, uint64_t now_ms) {
    if (runs > node->verify_runs) {
        node->verify_runs = runs;
        node->verified_ms = now_ms;
    }
}

void gs_node_on_status(uv_timer_t *timer) {
    struct gs_node *node = timer->data;
    struct gs_node_status status = {.store_ok = !node->reloading && !node->store_away, .loop_mono_ms = gs_mono_ms()};
    struct gs_transport_stats links = {0};
    if (node->core != NULL) {
        gs_core_get_stats(node->core, &status.core);
        status.peers_alive = status.core.peers;
        status.peer_count = gs_core_peer_lags(node->core, status.peers, GS_NODE_PEERS_SHOWN);
        note_verify(node, status.core.verify_runs, status.loop_mono_ms);
        gs_book_keeper_look(node->books, node->core);
    }
    gs_transport_stats_read(node->transport, &links);
    status.verified_ago_ms = node->verified_ms > 0 ? status.loop_mono_ms - node->verified_ms : UINT64_MAX;
    memcpy(status.store_name, node->store_name, sizeof status.store_name);
    status.store_behind = node->store != NULL ? gs_store_thread_behind(node->store) : 0;
    gs_history_pool_breaker(gs_gateway_history(node->gateway), &status.history_breaker);
    if (node->store != NULL) {
        gs_store_thread_breaker(node->store, &status.store_breaker);
    }
    if (node->reloading && node->damage[0] == '\0') { /* there is none to write to until it is read again */
        status.store_breaker.state = GS_BREAKER_OPEN;
    }
    status.peers_configured = node->config.seed_count;
    status.bytes_in = links.bytes_in;
    status.bytes_out = links.bytes_out;
    status.handshakes_failed = links.handshake_failed;
    status.links_established = links.established;
    status.frames_refused = links.closed_bad_frame;
    status.resident_bytes = gs_resident_bytes();
    status.log_healed = node->log_healed;
    status.log_damaged = node->log_damaged;
    status.snapshot_chunks = node->snapshot_chunks + status.core.snapshot_chunks;
    status.snapshots_refused = node->snapshots_refused + status.core.snapshots_refused;
    gs_gateway_set_status(node->gateway, &status);
    gs_node_look_after_log(node);
}
