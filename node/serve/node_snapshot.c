/* The core that comes next when a snapshot is installed is made of what is in memory anyway, while the store is given
 * the same. If that fails, it is read from the store, as at any start. */
#include "node/serve/log.h"
#include "node/serve/node_impl.h"
#include "node/serve/process.h"
#include "node/serve/recovery.h"

#include <sodium.h>

/* The links, the store's thread and those who read its past stay; only the core is another. */
static void on_turn(uv_timer_t *timer) {
    struct gs_node *node = timer->data;
    if (node->stopping) {
        return;
    }
    node->core = node->successor;
    node->successor = NULL;
    node->installed = false;
    gs_book_keeper_begin(node->books, node->core);
    gs_stager_load(node->stager, node->core);
    gs_log(GS_LOG_INFO, "snapshot_taken", "going on with the snapshot");
    gs_node_begin(node);
}

static void make_successor(struct gs_node *node, const struct gs_core_install *install) {
    struct gs_core_config config = node->config.core;
    struct gs_problem problem = {0};
    struct gs_staged staged;
    const struct gs_recovery_notes notes = {.visit = gs_node_visit_notes, .context = node};
    randombytes_buf(config.seed, sizeof config.seed);
    config.now_ms = gs_wall_ms();
    gs_core_take_staged(node->core, &staged);
    int error = gs_recover_installed(&config, &notes, install, &staged, &node->successor, &problem);
    gs_staged_close(&staged);
    if (error != 0) {
        gs_log(GS_LOG_WARNING, "snapshot_again", "the snapshot is read again from the store: %s", problem.detail);
    }
}

void gs_node_carry_out_snapshot(struct gs_node *node, struct gs_update *update) {
    const struct gs_core_install *install = update->install;
    if (gs_stager_carry_out(node->stager, node->store, update)) {
        make_successor(node, install);
    }
}

void gs_node_on_installed(void *context, int error) {
    struct gs_node *node = context;
    node->installed = error == 0;
    if (error == 0 && node->core != NULL && node->successor != NULL) {
        error = gs_core_hand_on_jobs(node->core, node->successor); /* their notes may not be on the disk yet */
    }
    if (error != 0) {
        gs_core_free(node->successor);
        node->successor = NULL;
    }
    gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_INSTALLED, .installed = node->installed ? 0 : error});
}

bool gs_node_has_successor(struct gs_node *node) {
    if (!node->installed || node->stopping) { /* the core goes for another reason */
        gs_core_free(node->successor);
        node->successor = NULL;
    }
    if (node->successor == NULL) {
        return false;
    }
    uv_timer_start(&node->retry, on_turn, 0, 0);
    return true;
}
