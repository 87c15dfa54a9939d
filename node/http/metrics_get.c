/* GET /metrics: the node in the text format of Prometheus. Never waits for the core; needs no token. */
#include "node/http/handlers.h"
#include "node/http/metrics.h"

#include <inttypes.h>
#include <sys/resource.h>

struct number {
    const char *name, *type, *help;
    uint64_t value;
};

static void write_numbers(const struct number *numbers, size_t count, struct gs_buffer *out) {
    for (size_t i = 0; i < count; i++) {
        gs_metric_write(out, numbers[i].name, numbers[i].type, numbers[i].help, numbers[i].value);
    }
}

static void write_core(const struct gs_core_stats *core, struct gs_buffer *out) {
    const struct number numbers[] = {
        {"gs_started", "gauge", "1 when writes are taken.", core->started ? 1 : 0},
        {"gs_events_local_total", "counter", "Events accepted from clients.", core->events_local},
        {"gs_events_remote_total", "counter", "Events applied from peers.", core->events_remote},
        {"gs_commits_total", "counter", "Commits stored.", core->commits},
        {"gs_conflicts_total", "counter", "Entries of the conflict ledger.", core->conflicts},
        {"gs_batches_refused_total", "counter", "Batches of peers that were refused.", core->batches_refused},
        {"gs_batches_duplicate_total", "counter", "Batches that were there already.", core->batches_duplicate},
        {"gs_batches_held_total", "counter", "Signed batches that must not be applied (yet).", core->batches_held},
        {"gs_forks_undecided", "gauge", "Origins of which nothing is taken for a fork.", core->forks},
        {"gs_fork_decisions", "gauge", "Forks that were decided about.", core->decisions},
        {"gs_fork_imported_total", "counter", "Events written again after a decision.", core->imported},
        {"gs_fork_import_waiting", "gauge", "Events that are to be written again.", core->import_waiting},
        {"gs_fork_import_refused", "gauge", "Those of them that cannot be, for now.", core->import_refused},
        {"gs_incarnations_total", "counter", "New lives of this node's log.", core->incarnations},
        {"gs_aggregates", "gauge", "Aggregates in memory.", core->aggregates},
        {"gs_aggregate_bytes", "gauge", "Memory of aggregates.", core->aggregate_bytes},
        {"gs_compacted_aggregates_total", "counter", "Times that bookkeeping of an aggregate went out of memory.",
         core->compacted},
        {"gs_compacted_bytes_total", "counter", "Memory of bookkeeping that went.", core->compacted_bytes},
        {"gs_uncompacted_aggregates", "gauge", "Aggregates whose changes some region may not have yet.", core->unclean},
        {"gs_causal_queue_bytes", "gauge", "Batches that wait for what they depend on.", core->causal_bytes},
        {"gs_pull_bytes_total", "counter", "Sent in answers to pulls.", core->pull_bytes},
        {"gs_push_bytes_total", "counter", "Sent unasked.", core->push_bytes},
        {"gs_open_events", "gauge", "Own events that are in no batch yet.", core->open_events},
        {"gs_members_alive", "gauge", "Other regions that are heard, here or through others.", core->members_alive},
        {"gs_members_suspect", "gauge", "Other regions that nobody asked has heard lately.", core->members_suspect},
        {"gs_members_dead", "gauge", "Other regions that have been suspect for too long.", core->members_dead},
        {"gs_members_left", "gauge", "Other regions that were stopped in good order.", core->members_left},
        {"gs_member_distress", "gauge", "0 to 8: how far this node doubts its own view of others.", core->distress},
        {"gs_member_probes_total", "counter", "Rounds of questions to others about a silent region.", core->probes},
        {"gs_member_suspicions_total", "counter", "Regions that began to be suspected.", core->suspicions},
    };
    write_numbers(numbers, sizeof numbers / sizeof numbers[0], out);
}

static void write_checks(const struct gs_node_status *node, struct gs_buffer *out) {
    const struct gs_core_stats *core = &node->core;
    const struct number numbers[] = {
        {"gs_quarantine_batches", "gauge", "Signed batches that are held in quarantine.", core->held},
        {"gs_forked_origins", "gauge", "Origins that are known to have signed two histories.", core->forks},
        {"gs_conflict_ledger_entries", "gauge", "Entries that the conflict ledger holds.", core->conflicts_known},
        {"gs_verify_runs_total", "counter", "Comparisons of digests with a peer that came to an end.",
         core->verify_runs},
        {"gs_verify_differing_total", "counter", "Aggregates that were found to differ.", core->verify_differing},
        {"gs_verify_repaired_total", "counter", "Aggregates replaced by what the log makes of them.",
         core->verify_repaired},
    };
    write_numbers(numbers, sizeof numbers / sizeof numbers[0], out);
}

/* One metric, a line for each peer. */
static void write_peers(const struct gs_node_status *node, const char *name, const char *help,
                        double (*value)(const struct gs_peer_lag *peer), bool linked_only, struct gs_buffer *out) {
    gs_buffer_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
    for (uint32_t i = 0; i < node->peer_count; i++) {
        if (node->peers[i].linked || !linked_only) {
            gs_buffer_printf(out, "%s{peer=\"%s\"} %.15g\n", name, node->peers[i].region, value(&node->peers[i]));
        }
    }
}

static double alive_of(const struct gs_peer_lag *peer) {
    return peer->life == GS_PEER_ALIVE ? 1 : 0;
}

static double round_trip_of(const struct gs_peer_lag *peer) {
    return (double)peer->round_trip_ms / 1e3;
}

static double events_of(const struct gs_peer_lag *peer) {
    return (double)peer->events;
}

static double bytes_of(const struct gs_peer_lag *peer) {
    return (double)peer->bytes;
}

static double age_of(const struct gs_peer_lag *peer) {
    return (double)peer->age_ms / 1e3;
}

static void write_lags(const struct gs_node_status *node, struct gs_buffer *out) {
    if (node->peer_count == 0) {
        return;
    }
    write_peers(node, "gs_peer_up", "1 when the region is alive.", alive_of, false, out);
    write_peers(node, "gs_peer_round_trip_seconds", "Of the link to the region.", round_trip_of, true, out);
    write_peers(node, "gs_peer_lag_events", "Events stored here that the region lacks.", events_of, false, out);
    write_peers(node, "gs_peer_lag_bytes", "Bytes of this region's log that the region lacks.", bytes_of, false, out);
    write_peers(node, "gs_peer_lag_seconds", "How old the oldest of these is.", age_of, false, out);
}

static void write_node(const struct gs_node_status *node, struct gs_buffer *out) {
    const struct number numbers[] = {
        {"gs_store_up", "gauge", "1 when the store answers.", node->store_ok ? 1 : 0},
        {"gs_store_records_behind", "gauge", "Records stored that history readers and SQL do not see yet.",
         node->store_behind},
        {"gs_peers_alive", "gauge", "Peers linked.", node->peers_alive},
        {"gs_peers_configured", "gauge", "Peers this node is told to reach.", node->peers_configured},
        {"gs_gossip_received_bytes_total", "counter", "From peers.", node->bytes_in},
        {"gs_gossip_sent_bytes_total", "counter", "To peers.", node->bytes_out},
        {"gs_handshakes_failed_total", "counter", "Links that did not come about.", node->handshakes_failed},
        {"gs_links_established_total", "counter", "Links that came about.", node->links_established},
        {"gs_frames_refused_total", "counter", "Frames of peers that did not verify; each ended its link.",
         node->frames_refused},
        {"gs_view_cache_hits_total", "counter", "Reads answered from the cache.", node->cache_hits},
        {"gs_view_cache_misses_total", "counter", "Reads that asked the core.", node->cache_misses},
        {"gs_view_cache_bytes", "gauge", "Views in the cache.", node->cache_bytes},
        {"gs_core_calls_waiting", "gauge", "Requests that wait for the core or the disk.", node->calls_waiting},
        {"gs_core_calls_refused_total", "counter", "Requests refused because others waited too long.",
         node->calls_refused},
        {"gs_snapshot_chunks_total", "counter", "Chunks of snapshots taken over.", node->snapshot_chunks},
        {"gs_snapshots_refused_total", "counter", "Snapshots that were not what their sender had signed.",
         node->snapshots_refused},
        {"gs_log_healed_total", "counter", "Damaged records of the log that were put right.", node->log_healed},
        {"gs_log_damaged", "gauge", "Records of the log that are known to be damaged.", node->log_damaged},
        {"gs_resident_bytes", "gauge", "Memory of the process.", node->resident_bytes},
    };
    write_numbers(numbers, sizeof numbers / sizeof numbers[0], out);
}

/* In seconds, as Prometheus has it. */
static void write_seconds(const char *name, const char *help, uint64_t ms, struct gs_buffer *out) {
    gs_buffer_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %.3f\n", name, help, name, name, (double)ms / 1e3);
}

static void write_waits(const struct gs_node_status *node, struct gs_buffer *out) {
    write_seconds("gs_core_wait_seconds", "How long the oldest call has waited for the core or the disk.",
                  node->oldest_call_ms, out);
    write_seconds("gs_processor_wait_seconds", "What a thread of this node waits for a processor.",
                  node->processor_wait_ms, out);
    if (node->verified_ago_ms != UINT64_MAX) {
        write_seconds("gs_verify_age_seconds", "Since a comparison with a peer last came to an end; absent before.",
                      node->verified_ago_ms, out);
    }
}

/* 0 closed, 1 half-open, 2 open: more is worse. */
static unsigned level_of(const struct gs_breaker *breaker) {
    return breaker->state == GS_BREAKER_CLOSED ? 0 : breaker->state == GS_BREAKER_HALF_OPEN ? 1 : 2;
}

static void write_breakers(const struct gs_node_status *node, struct gs_buffer *out) {
    gs_buffer_printf(out,
                     "# HELP gs_breaker_state Of the store's circuit breakers: 0 closed, 1 half-open, 2 open.\n"
                     "# TYPE gs_breaker_state gauge\n"
                     "gs_breaker_state{path=\"write\"} %u\ngs_breaker_state{path=\"history\"} %u\n",
                     level_of(&node->store_breaker), level_of(&node->history_breaker));
    gs_buffer_printf(out,
                     "# HELP gs_breaker_opened_total How often they opened since the store was last read.\n"
                     "# TYPE gs_breaker_opened_total counter\n"
                     "gs_breaker_opened_total{path=\"write\"} %" PRIu64
                     "\ngs_breaker_opened_total{path=\"history\"} %" PRIu64 "\n",
                     node->store_breaker.opened, node->history_breaker.opened);
}

static void write_process(const struct gs_http_context *context, struct gs_buffer *out) {
    struct rusage usage = {0};
    struct gs_connections *connections = (struct gs_connections *)(uintptr_t)&context->connections;
    getrusage(RUSAGE_SELF, &usage);
    gs_buffer_printf(out,
                     "# HELP process_cpu_seconds_total CPU time.\n# TYPE process_cpu_seconds_total counter\n"
                     "process_cpu_seconds_total %.3f\n",
                     (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    const struct number numbers[] = {
        {"gs_http_connections", "gauge", "Connections that have a thread.", atomic_load(&connections->count)},
        {"gs_http_connections_most", "gauge", "More than these, and idle ones end.", connections->most},
        {"gs_http_idle_ended_total", "counter", "Idle connections ended for others.", atomic_load(&connections->ended)},
    };
    write_numbers(numbers, sizeof numbers / sizeof numbers[0], out);
}

int gs_handle_metrics(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    struct gs_node_status node;
    struct gs_buffer *out = &response->body;
    (void)fault;
    gs_gateway_status(request->context->gateway, &node);
    gs_buffer_printf(out, "# HELP gs_info This node.\n# TYPE gs_info gauge\ngs_info{region=\"%s\",store=\"%s\"} 1\n",
                     request->context->region, node.store_name);
    write_core(&node.core, out);
    write_checks(&node, out);
    write_lags(&node, out);
    write_node(&node, out);
    write_waits(&node, out);
    write_breakers(&node, out);
    write_process(request->context, out);
    gs_metrics_write(&request->context->metrics, out);
    response->status = 200;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return 0;
}
