/* The node's log when it is damaged: what the healer (healer.h) asks of the node, and when it is asked. */
#include "node/serve/log.h"
#include "node/serve/node_impl.h"
#include "node/serve/process.h"

#include <string.h>

void gs_node_heal(struct gs_node *node) {
    gs_healer_begin(node->healer, node->store, node->config.core.trust, node->core == NULL, gs_mono_ms());
    if (!gs_healer_busy(node->healer) && node->core_waits) {
        node->heal_refused = true;
    }
}

static uint32_t list_links(void *context, uint64_t *ret_links, uint32_t max) {
    const struct gs_node *node = context;
    uint32_t count = node->link_count < max ? node->link_count : max;
    memcpy(ret_links, node->links, count * sizeof *ret_links);
    return count;
}

static void send_question(void *context, uint64_t link, struct gs_slice message) {
    struct gs_node *node = context;
    (void)gs_transport_send(node->transport, link, GS_LANE_CONTROL, message.bytes,
                            message.length); /* unanswered, another is asked */
}

static void on_liar(void *context, uint64_t link) {
    struct gs_node *node = context;
    char address[GS_TRANSPORT_ADDRESS_MAX + 1];
    gs_transport_address(node->transport, link, address);
    gs_log(GS_LOG_WARNING, "peer_lied", "%s has sent records that their origin has not signed", address);
    (void)gs_transport_drop(node->transport, link);
}

static void on_healed_record(void *context, uint64_t position, const char *text) {
    struct gs_node *node = context;
    node->log_healed++;
    node->config.healed(node->config.context, position, text);
}

static void on_heal_finished(void *context, uint32_t healed, uint32_t left, const char *reason) {
    struct gs_node *node = context;
    node->log_damaged = left;
    if (left > 0) {
        gs_log(GS_LOG_ERROR, "log_damaged", "%u records of the log are damaged: %s", left, reason);
    }
    if (node->stopping) {
        return;
    }
    if (node->core == NULL && node->damage[0] != '\0') {
        char cause[GS_PROBLEM_DETAIL_MAX];
        memcpy(cause, node->damage, sizeof cause);
        node->damage[0] = '\0';
        if (healed == 0 || left > 0) {
            gs_node_fail(node, cause);
        } else {
            gs_node_reload(node);
        }
        return;
    }
    node->core_waits = false;
    gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_HEALED, .healed = {.records = healed, .left = left}});
}

void gs_node_look_after_log(struct gs_node *node) {
    if (node->store == NULL || node->stopping) {
        return;
    }
    if (node->heal_refused) {
        node->heal_refused = node->core_waits = false;
        gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_HEALED, .healed = {.refused = true}});
        return;
    }
    if (gs_store_thread_met_damage(node->store) && node->core != NULL) {
        gs_node_heal(node);
    }
    gs_healer_tick(node->healer, gs_mono_ms());
}

struct gs_healer *gs_node_new_healer(struct gs_node *node) {
    const struct gs_healer_config config = {.cluster = node->config.core.cluster,
                                            .links = list_links,
                                            .send = send_question,
                                            .liar = on_liar,
                                            .healed = on_healed_record,
                                            .finished = on_heal_finished,
                                            .context = node};
    return gs_healer_new(&config);
}
