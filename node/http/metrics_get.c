/* GET /metrics: the node in the text format of Prometheus. Never waits for the core; needs no token. */
#include "node/http/handlers.h"
#include "node/http/metrics.h"

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
        {"gs_incarnations_total", "counter", "New lives of this node's log.", core->incarnations},
        {"gs_aggregates", "gauge", "Aggregates in memory.", core->aggregates},
        {"gs_aggregate_bytes", "gauge", "Memory of aggregates.", core->aggregate_bytes},
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
        {"gs_core_wait_milliseconds", "gauge", "How long the oldest of them has waited.", node->oldest_call_ms},
        {"gs_processor_wait_milliseconds", "gauge", "What a thread of this node waits for a processor.",
         node->processor_wait_ms},
        {"gs_core_calls_refused_total", "counter", "Requests refused because others waited too long.",
         node->calls_refused},
        {"gs_resident_bytes", "gauge", "Memory of the process.", node->resident_bytes},
    };
    write_numbers(numbers, sizeof numbers / sizeof numbers[0], out);
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
    write_node(&node, out);
    write_process(request->context, out);
    gs_metrics_write(&request->context->metrics, out);
    response->status = 200;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return 0;
}
