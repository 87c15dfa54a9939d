#include "node/serve/node.h"

#include "node/serve/advertise.h"
#include "node/serve/cut_log.h"
#include "node/serve/log.h"
#include "node/serve/node_impl.h"
#include "node/serve/process.h"
#include "node/serve/recovery.h"
#include "node/store/failpoint.h"
#include "node/store/notes.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATUS_INTERVAL_MS = 100,
    RELOAD_DELAY_MS = 1000,  /* then doubled … */
    RELOAD_LAST_MS = 4000,   /* … up to this */
    AWAY_GRACE_MS = 1000,    /* for a store that is away: writes wait so long, or until the breaker opens */
    COMMANDS_PER_WAKE = 1024 /* then links, store and timers get their turn */
};

void gs_node_fail(struct gs_node *node, const char *reason) {
    if (!node->stopping) {
        node->stopping = true;
        node->config.failed(node->config.context, reason);
    }
}

static void publish(struct gs_node *node, const struct gs_update *update) {
    struct gs_view_cache *cache = gs_gateway_cache(node->gateway);
    if (update->forget_views) {
        gs_view_cache_clear(cache);
    }
    for (uint32_t i = 0; i < update->publish_count; i++) {
        if (update->publishes[i].view != NULL) {
            gs_view_cache_put(cache, update->publishes[i].view);
        } else {
            gs_view_cache_forget(cache, update->publishes[i].key);
        }
    }
}

/* Causal tokens speak of what is stored. */
static void announce(struct gs_node *node) {
    const struct gs_vector *stored = gs_core_stored(node->core);
    struct gs_causal_head *heads = calloc(stored->count + 1, sizeof *heads);
    for (uint32_t i = 0; heads != NULL && i < stored->count; i++) {
        heads[i].origin = stored->heads[i].origin;
        heads[i].seq = stored->heads[i].seq;
        gs_core_write_name(node->core, &heads[i].origin, heads[i].region, sizeof heads[i].region);
    }
    if (heads != NULL) { /* else tokens stay as they are: too little is said, and waited for, until the next commit */
        (void)gs_causal_gate_announce(gs_gateway_causal_gate(node->gateway), heads, stored->count);
    }
    free(heads);
}

static void on_timer(uv_timer_t *timer);

/* Addresses that find no room are not dialed: the member dials us, or comes to be known by another record. */
static void learn(struct gs_node *node, const struct gs_core_dial *dial) {
    const char *addresses[GS_MEMBER_ADDRESSES_MAX];
    for (uint32_t i = 0; i < dial->count; i++) {
        addresses[i] = dial->addresses[i];
    }
    (void)gs_transport_learn(node->transport, &dial->key, addresses, dial->count);
}

/* A failpoint of what has to do with the event at hand. */
static void pass(bool by, const char *failpoint) {
    if (by) {
        GS_FAILPOINT(failpoint);
    }
    (void)failpoint;
}

/* A decision that a cut follows: its event may go with what is cut. */
static bool must_be_durable(const char *name) {
    size_t length = strlen(name);
    return length >= sizeof GS_NOTE_CUT && strcmp(name + length - (sizeof GS_NOTE_CUT - 1), GS_NOTE_CUT) == 0;
}

/* Without the note there is no cut: the next core decides again. */
static void put_now(const struct gs_node *node, struct gs_update *update, const struct gs_core_note *note) {
    if (gs_notes_put(node->config.notes_directory, note->name, gs_slice_make(note->bytes.bytes, note->bytes.length)) !=
        0) {
        gs_log(GS_LOG_ERROR, "note_failed", "the note %s could not be written: the log is not cut", note->name);
        update->has_cut = false;
    }
}

static void begin_measuring(struct gs_node *node, const struct gs_commit *commit) {
    if (node->measured.commit == 0) {
        node->measured.commit = commit->number;
        node->measured.begun_ms = gs_mono_ms();
        node->measured.bytes = commit->records.length;
    }
}

/* Views first: who gets an answer must find what it says. The result is the append's, which the core has to hear of. */
static int carry_out(struct gs_node *node, enum gs_core_event_type event, struct gs_update *update) {
    int error = 0;
    bool stored = event == GS_CORE_STORED || event == GS_CORE_START;
    if (stored) {
        announce(node);
    }
    publish(node, update);
    if (stored) {
        gs_causal_gate_open(gs_gateway_causal_gate(node->gateway));
    }
    if (update->has_commit) {
        pass(event == GS_CORE_MESSAGE, "apply.before");
        begin_measuring(node, &update->commit);
        error =
            gs_store_thread_append(node->store, update->commit.number, &update->commit.records, update->commit.count);
        pass(event == GS_CORE_MESSAGE, "apply.after");
    }
    if (update->keep != NULL) {
        gs_store_thread_keep(node->store, update->keep);
        update->keep = NULL;
    }
    if (update->truncation != NULL) {
        gs_store_thread_truncate(node->store, update->truncation);
        update->truncation = NULL;
    }
    pass(event == GS_CORE_STORED && update->answer_count > 0, "ack.before");
    for (uint32_t i = 0; i < update->answer_count; i++) {
        gs_gateway_answer(node->gateway, update->answers[i]);
    }
    pass(event == GS_CORE_STORED && update->answer_count > 0, "ack.after");
    for (uint32_t i = 0; i < update->send_count; i++) {
        /* A link whose queue is full loses the message: the peer will pull what it lacks. */
        (void)gs_transport_send(node->transport, update->sends[i].peer, update->sends[i].lane,
                                update->sends[i].message.bytes, update->sends[i].message.length);
    }
    for (uint32_t i = 0; i < update->log_read_count; i++) {
        if (gs_store_thread_read(node->store, update->log_reads[i].peer, &update->log_reads[i].have,
                                 GS_CORE_PULL_BYTES) != 0) {
            /* The core waits for this read: a new link starts afresh. */
            (void)gs_transport_drop(node->transport, update->log_reads[i].peer & ~GS_CORE_RANGE_READ);
        }
    }
    for (uint32_t i = 0; i < update->dial_count; i++) {
        learn(node, &update->dials[i]);
    }
    for (uint32_t i = 0; i < update->drop_count; i++) {
        (void)gs_transport_drop(node->transport, update->drops[i]);
    }
    for (uint32_t i = 0; i < update->repaired_count; i++) {
        node->config.repaired(node->config.context, update->repaired[i]);
    }
    for (uint32_t i = 0; i < update->rebuild_count; i++) {
        gs_rebuilder_put(node->rebuilder, &update->rebuilds[i], node->config.core.trust);
    }
    gs_node_carry_out_snapshot(node, update);
    if (update->damaged) {
        node->core_waits = true;
        gs_node_heal(node);
    }
    for (uint32_t i = 0; i < update->note_count; i++) {
        if (update->has_cut && must_be_durable(update->notes[i].name)) {
            put_now(node, update, &update->notes[i]);
        } else if (!gs_book_keeper_note(node->books, update->notes[i].name, &update->notes[i].bytes)) {
            gs_note_writer_put(node->notes, update->notes[i].name, &update->notes[i].bytes);
        }
    }
    return error;
}

void gs_node_step(struct gs_node *node, struct gs_core_event *event) {
    if (node->core == NULL) {
        return;
    }
    struct gs_update update = {0};
    event->now_ms = gs_wall_ms();
    event->mono_ms = gs_mono_ms();
    (void)gs_core_step(node->core, event, &update);
    int append_error = carry_out(node, event->type, &update);
    uint64_t commit = update.commit.number;
    uint64_t next = update.next_mono_ms;
    bool reload = update.reload;
    bool halt = update.halt;
    node->set_aside = node->set_aside || update.set_aside;
    if (update.has_cut) {
        node->has_cut = true;
        node->cut = update.cut;
    }
    gs_update_clear(&update);
    if (halt) {
        gs_node_fail(
            node, "another node that runs with this region's key began earlier and is alive: this one stops (a cloned "
                  "disk? give it a key of its own, or stop the other one)");
    }
    if (append_error != 0 && !reload) {
        gs_node_step(
            node, &(struct gs_core_event){.type = GS_CORE_STORED, .stored = {.commit = commit, .error = append_error}});
    } else if (reload) {
        gs_node_reload(node);
    } else if (!node->stopping) {
        uv_timer_start(&node->timer, on_timer, next > event->mono_ms ? next - event->mono_ms : 1, 0);
    }
}

static void on_timer(uv_timer_t *timer) {
    gs_node_step(timer->data, &(struct gs_core_event){.type = GS_CORE_TICK});
}

static void on_wake(uv_async_t *wake) {
    struct gs_node *node = wake->data;
    struct gs_command *command = NULL;
    uint32_t taken = 0;
    while (taken < COMMANDS_PER_WAKE && (command = gs_gateway_take(node->gateway)) != NULL) {
        taken++;
        if (node->core == NULL) {
            command->error = node->stopping ? GS_ESHUTDOWN : GS_ESTORE;
            gs_gateway_answer(node->gateway, command);
            continue;
        }
        if (command->kind == GS_COMMAND_REWRITE) {
            gs_rewriter_take(&node->rewriter, node->gateway, node->store_away ? NULL : node->store, command);
            continue;
        }
        gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_COMMAND, .command = command});
    }
    if (taken == COMMANDS_PER_WAKE) {
        uv_async_send(wake); /* callers nudge only an empty queue */
    }
}

static void nudge(void *context) {
    uv_async_send(&((struct gs_node *)context)->wake);
}

static void end_measuring(struct gs_node *node, uint64_t commit, int error) {
    if (commit == node->measured.commit && error == 0) {
        gs_gateway_committed(node->gateway, node->measured.bytes, gs_mono_ms() - node->measured.begun_ms);
    }
    node->measured.commit = commit == node->measured.commit ? 0 : node->measured.commit;
}

static void on_appended(void *context, uint64_t tag, int error) {
    struct gs_node *node = context;
    end_measuring(node, tag, error);
    if (error == GS_EIO || error == GS_ECORRUPT) {
        gs_node_fail(node, "the store reported an input/output error; what is on disk is unknown, so the node stops");
    } else if (error == GS_EBUSY) {
        gs_node_fail(node, "another node has taken over this node's store, so this one stops");
    } else if (error == GS_EWENTBACK) {
        gs_log(
            GS_LOG_ERROR, "store_went_back",
            "THE STORE WENT BACK: it has lost writes that were acknowledged (a failover to a standby that lagged, or "
            "an old backup); going on as a new incarnation, and taking what peers have back from them");
        if (node->core != NULL) {
            gs_origin origin = gs_core_origin(node->core);
            node->config.core.lost.origin = origin;
            node->config.core.lost.seq = gs_vector_seq(gs_core_stored(node->core), &origin);
        }
    }
    gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_STORED, .stored = {.commit = tag, .error = error}});
}

static void on_rewritten(void *context, uint64_t tag, int error) {
    struct gs_node *node = context;
    if (error == GS_EIO) {
        gs_node_fail(node, "the store reported an input/output error; what is on disk is unknown, so the node stops");
    }
    gs_rewriter_done(&node->rewriter, node->gateway, tag, error);
}

/* Nobody waits for the store any more. */
static void refuse_writes(struct gs_node *node) {
    gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_STORE_AWAY});
}

static void on_grace_over(uv_timer_t *timer) {
    refuse_writes(timer->data);
}

static void on_away(void *context, bool away, bool open, const char *reason) {
    struct gs_node *node = context;
    if (away && !node->store_away) {
        gs_rewriter_give_up(&node->rewriter, node->gateway, GS_ESTORE);
        gs_log(GS_LOG_ERROR, "store_away", "the store is away: %s; reads go on, writes are refused until it is back",
               reason);
        uv_timer_start(&node->grace, on_grace_over, AWAY_GRACE_MS, 0);
    } else if (!away && node->store_away) {
        gs_log(GS_LOG_INFO, "store_back", "the store is back");
        uv_timer_stop(&node->grace);
    }
    bool back = !away && node->store_away;
    node->store_away = away;
    if (back) {
        gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_STORE_BACK});
    } else if (open && uv_is_active((uv_handle_t *)&node->grace) != 0) {
        uv_timer_stop(&node->grace);
        refuse_writes(node);
    }
}

static void on_rebuilt(void *context, uint64_t number, int error, uint64_t version, gs_hlc updated,
                       struct gs_slice state) {
    gs_node_step(
        context,
        &(struct gs_core_event){
            .type = GS_CORE_REBUILT,
            .rebuilt = {.number = number, .error = error, .version = version, .updated = updated, .state = state}});
}

static void on_kept(void *context, int error) {
    gs_node_step(context, &(struct gs_core_event){.type = GS_CORE_KEPT, .kept = error});
}

static void on_truncated(void *context, int error, const struct gs_truncated *result, const char *reason) {
    struct gs_node *node = context;
    if (error == GS_EIO) {
        gs_node_fail(node, "the store reported an input/output error; what is on disk is unknown, so the node stops");
    } else if (error != 0 && error != GS_ESHUTDOWN) {
        gs_log(GS_LOG_WARNING, "truncation_failed", "old records stay for now: %s",
               reason[0] != '\0' ? reason : gs_error_message(error));
    }
    gs_node_step(node,
                 &(struct gs_core_event){.type = GS_CORE_TRUNCATED, .truncated = {.error = error, .result = result}});
}

static void on_log_read(void *context, uint64_t tag, int error, struct gs_slice records, uint32_t count, bool more) {
    gs_node_step(context,
                 &(struct gs_core_event){
                     .type = GS_CORE_LOG_READ,
                     .log_read = {.peer = tag, .error = error, .more = more, .count = count, .records = records}});
}

static void on_peer_up(void *context, uint64_t link_id, const gs_public_key *key, const char *region) {
    struct gs_core_event event = {.type = GS_CORE_PEER_UP, .peer = {.peer = link_id, .key = *key}};
    struct gs_node *node = context;
    (void)region;
    if (node->link_count == GS_CORE_PEERS_MAX) {
        (void)gs_transport_drop(node->transport, link_id);
        return;
    }
    node->links[node->link_count++] = link_id;
    char address[GS_TRANSPORT_ADDRESS_MAX + 1];
    gs_transport_address(node->transport, link_id, address);
    event.peer.address = gs_slice_make(address, strlen(address));
    gs_node_step(node, &event);
}

static void on_message(void *context, uint64_t link_id, struct gs_slice message) {
    gs_healer_message(((struct gs_node *)context)->healer, link_id, message, gs_mono_ms());
    gs_node_step(context,
                 &(struct gs_core_event){.type = GS_CORE_MESSAGE, .peer = {.peer = link_id, .message = message}});
}

static void on_peer_down(void *context, uint64_t link_id, int error) {
    struct gs_node *node = context;
    for (uint32_t i = 0; i < node->link_count; i++) {
        if (node->links[i] == link_id) {
            node->links[i] = node->links[--node->link_count];
        }
    }
    gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_PEER_DOWN,
                                               .peer = {.peer = link_id, .replaced = error == GS_EBUSY}});
}

static void on_note_failed(void *context, const char *name, int error) {
    (void)context;
    gs_log(GS_LOG_ERROR, "note_failed", "the note %s could not be written: %s", name, gs_error_message(error));
}

int gs_node_visit_notes(void *context, gs_notes_fn visit, void *visit_context, struct gs_problem *problem) {
    struct gs_node *node = context;
    return gs_book_keeper_visit(node->books, node->config.notes_directory, visit, visit_context, problem);
}

/* What was decided about a fork takes some of the log: done before anything is made of it. The store is opened anew. */
static int cut_log(struct gs_node *node, struct gs_store **store, struct gs_problem *problem) {
    struct gs_cut_report report;
    int error = gs_cut_log(*store, node->config.notes_directory, &node->cut, &node->config.core, &report, problem);
    (*store)->methods->close(*store);
    *store = NULL;
    if (error != 0) {
        return error;
    }
    node->has_cut = false;
    gs_log(GS_LOG_WARNING, node->cut.found ? "disk_found" : "fork_decided",
           "%s: %llu batches were taken out of the log from record %llu on; %llu of them are "
           "written again here",
           node->cut.found ? "this disk was thought lost" : "a decision about a fork",
           (unsigned long long)(report.ours + report.others), (unsigned long long)report.first,
           (unsigned long long)report.ours);
    return gs_store_open(node->config.database_url, store, problem);
}

/* Others cannot help a log that is so far behind (node/core/left_behind.c). Without a copy of it, it stays. */
static int set_log_aside(struct gs_node *node, struct gs_store **store, struct gs_problem *problem) {
    char where[GS_STORE_ASIDE_MAX] = "";
    int error = (*store)->methods->set_aside == NULL ? GS_EUNSUPPORTED : 0;
    error = error != 0 ? error : gs_notes_remove(node->config.notes_directory, "self");
    error = error != 0 ? error : (*store)->methods->set_aside(*store, gs_wall_ms(), where);
    if (error == 0) {
        gs_log(GS_LOG_WARNING, "left_behind",
               "no region's log has what this one lacks any more, and another region has all of this one: its log was "
               "put aside as %s, and it begins anew with a snapshot",
               where);
    } else {
        gs_log(GS_LOG_ERROR, "left_behind",
               "no region's log has what this one lacks any more, and its own could not be put aside (%s): move the "
               "store away, and start it empty",
               (*store)->trouble[0] != '\0' ? (*store)->trouble : gs_error_message(error));
        node->config.core.sets_log_aside = false;
    }
    node->set_aside = false;
    (*store)->methods->close(*store);
    *store = NULL;
    return gs_store_open(node->config.database_url, store, problem);
}

/* Opens the store and makes a core from it. */
static int recover(struct gs_node *node, struct gs_store **ret_store, struct gs_problem *problem) {
    struct gs_store *store = NULL;
    struct gs_core *core = NULL;
    int error = gs_store_open(node->config.database_url, &store, problem);
    if (error == 0 && node->has_cut) {
        error = cut_log(node, &store, problem);
    }
    if (error == 0 && node->set_aside) {
        error = set_log_aside(node, &store, problem);
    }
    if (error != 0) {
        return error;
    }
    struct gs_core_config config = node->config.core;
    randombytes_buf(config.seed, sizeof config.seed);
    config.now_ms = gs_wall_ms();
    struct gs_recovery_report report = {0};
    const struct gs_recovery_notes notes = {.visit = gs_node_visit_notes, .context = node};
    error = store->damaged ? gs_problem_set(problem, GS_ECORRUPT, NULL, "the newest record of an origin is damaged")
                           : gs_recover_core(store, &config, &notes, &core, &report, problem);
    if (error != 0) {
        struct gs_problem cause = *problem;
        char shown[GS_STORE_URL_SHOWN_MAX];
        gs_store_url_shown(node->config.database_url, shown);
        gs_problem_set(problem, error, "DATABASE_URL", "cannot recover from %s: %s", shown, cause.detail);
        if (error != GS_ECORRUPT || node->config.seed_count == 0 || store->methods->heal == NULL) {
            store->methods->close(store);
            return error;
        }
        /* Somebody may have what is damaged: the node begins without a core, and heals its log first. */
        snprintf(node->damage, sizeof node->damage, "%s", problem->detail);
    }
    if (report.damage[0] != '\0') {
        gs_log(GS_LOG_WARNING, "damage_forgotten", "%s: it was forgotten, and all states were made anew from the log",
               report.damage);
    }
    snprintf(node->store_name, sizeof node->store_name, "%s", store->methods->name);
    node->core = core;
    *ret_store = store;
    return 0;
}

static void hurry(void *context) {
    gs_store_thread_hurry(context);
}

static int start_store(struct gs_node *node, struct gs_problem *problem) {
    struct gs_store *store = NULL;
    int error = recover(node, &store, problem);
    if (error != 0) {
        return error;
    }
    struct gs_store_callbacks callbacks = {.context = node,
                                           .appended = on_appended,
                                           .log_read = on_log_read,
                                           .kept = on_kept,
                                           .rewritten = on_rewritten,
                                           .truncated = on_truncated,
                                           .away = on_away,
                                           .breaker_threshold = node->config.breaker_threshold};
    struct gs_history_pool *history = gs_gateway_history(node->gateway);
    error = node->core != NULL ? gs_history_pool_attach(history, store) : 0;
    if (error == 0) {
        error = gs_store_thread_start(node->config.loop, store, &callbacks, &node->store);
    }
    if (error != 0) {
        gs_history_pool_detach(history);
        store->methods->close(store);
        gs_core_free(node->core);
        node->core = NULL;
        return gs_problem_set(problem, error, "DATABASE_URL", "cannot start the store's thread, or read its past");
    }
    if (node->core != NULL) {
        gs_history_pool_set_hurry(history, hurry, node->store);
        gs_book_keeper_begin(node->books, node->core);
        gs_stager_load(node->stager, node->core);
    } else {
        gs_log(GS_LOG_ERROR, "log_damaged", "%s; fetching what is damaged from other regions before the start",
               node->damage);
        node->reloading = true;
        gs_node_heal(node);
    }
    return 0;
}

/* A new core must hear of every link from its beginning, also of those that came up while there was no core. */
static void drop_links(struct gs_node *node) {
    for (uint32_t i = 0; i < node->link_count; i++) {
        (void)gs_transport_drop(node->transport, node->links[i]);
    }
}

void gs_node_begin(struct gs_node *node) {
    node->reloading = false;
    node->retry_ms = 0;
    drop_links(node);
    gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_START});
    node->config.core.lost.seq = 0;
}

static void on_retry(uv_timer_t *timer);

static void retry_later(struct gs_node *node) {
    uint64_t ms = node->retry_ms == 0 ? RELOAD_DELAY_MS : node->retry_ms * 2;
    node->retry_ms = ms < RELOAD_LAST_MS ? ms : RELOAD_LAST_MS;
    uv_timer_start(&node->retry, on_retry, node->retry_ms, 0);
}

static void on_retry(uv_timer_t *timer) {
    struct gs_node *node = timer->data;
    struct gs_problem problem = {0};
    if (node->stopping) {
        return;
    }
    if (start_store(node, &problem) != 0) {
        gs_log(GS_LOG_ERROR, "store_away", "still no store: %s", problem.detail);
        retry_later(node);
        return;
    }
    if (node->core == NULL) {
        return; /* its log is healed first */
    }
    gs_log(GS_LOG_INFO, "store_back", "the store is back; recovered");
    gs_node_begin(node);
}

static void part_closed(struct gs_node *node) {
    if (--node->closing > 0) {
        return;
    }
    void (*closed)(void *) = node->closed;
    void *context = node->closed_context;
    gs_book_keeper_close(node->books);
    gs_gateway_free(node->gateway);
    gs_healer_free(node->healer);
    gs_stager_free(node->stager);
    free(node);
    if (closed != NULL) {
        closed(context);
    }
}

static void on_store_closed_for_reload(void *context) {
    struct gs_node *node = context;
    node->store_closing = false;
    gs_healer_reset(node->healer);
    if (node->closing > 0) {
        part_closed(node);
    } else if (!node->stopping && (node->installed || node->set_aside)) {
        node->installed = false;
        uv_timer_start(&node->retry, on_retry, 0, 0); /* nothing is wrong with the store */
    } else if (!node->stopping) {
        retry_later(node);
    }
}

static const char *why_reload(const struct gs_node *node) {
    return node->has_cut        ? (node->cut.found ? "this disk was thought lost: what it has alone is written again"
                                                   : "a decision about a fork takes some of the log")
           : node->set_aside    ? "others' logs have left this one behind"
           : node->installed    ? "a snapshot is installed"
           : node->core == NULL ? "the log is healed"
                                : "a commit failed";
}

/* The one road back from a failed commit: forget everything, and recover as at a start. A node that stops only forgets:
 * what the failed core holds must not be used any more. */
void gs_node_reload(struct gs_node *node) {
    if (!node->stopping) {
        gs_log(GS_LOG_WARNING, "reload", "%s; recovering from %s", why_reload(node),
               node->installed && node->successor != NULL ? "memory" : "the store");
    }
    gs_rewriter_give_up(&node->rewriter, node->gateway, GS_ESTORE);
    node->core_waits = node->heal_refused = false;
    node->measured.commit = 0;
    node->reloading = true;
    node->store_away = false;
    uv_timer_stop(&node->timer);
    uv_timer_stop(&node->grace);
    if (node->core != NULL) {
        struct gs_core_stats stats;
        gs_core_get_stats(node->core, &stats);
        node->snapshot_chunks += stats.snapshot_chunks;
        node->snapshots_refused += stats.snapshots_refused;
    }
    gs_core_free(node->core);
    node->core = NULL;
    gs_view_cache_clear(gs_gateway_cache(node->gateway));
    gs_rebuilder_forget(node->rebuilder);
    drop_links(node);
    if (gs_node_has_successor(node)) {
        return;
    }
    node->store_closing = true;
    gs_history_pool_detach(gs_gateway_history(node->gateway));
    gs_store_thread_stop(node->store, on_store_closed_for_reload, node);
    node->store = NULL;
}

static void on_handle_closed(uv_handle_t *handle) {
    part_closed(handle->data);
}

static void on_part_closed(void *context) {
    part_closed(context);
}

static void close_handles(struct gs_node *node) {
    uv_handle_t *handles[] = {(uv_handle_t *)&node->wake, (uv_handle_t *)&node->timer, (uv_handle_t *)&node->status,
                              (uv_handle_t *)&node->retry, (uv_handle_t *)&node->grace};
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++) {
        node->closing++;
        uv_close(handles[i], on_handle_closed);
    }
}

/* The problem says in `field` which address it means; a line that is printed alone must say it too. */
static int name_address(int error, struct gs_problem *problem) {
    struct gs_problem cause = *problem;
    return cause.field[0] == '\0' ? error
                                  : gs_problem_set(problem, error, cause.field, "%s: %s", cause.field, cause.detail);
}

static int start_transport(struct gs_node *node, struct gs_problem *problem) {
    struct gs_transport_config config = {
        .loop = node->config.loop,
        .listen = node->config.gossip_addr,
        .seeds = node->config.seeds,
        .seed_count = node->config.seed_count,
        .keys = &node->config.core.keys,
        .trust = node->config.core.trust,
        .cluster = node->config.core.cluster,
        .callbacks = {.peer_up = on_peer_up, .message = on_message, .peer_down = on_peer_down},
        .context = node,
    };
    int error = gs_transport_start(&config, &node->transport, problem);
    if (error != 0) {
        return name_address(error, problem);
    }
    error = gs_advertise(node->config.advertise_addr, node->config.gossip_addr, gs_transport_port(node->transport),
                         &node->config.core, problem);
    return error == 0 ? 0 : name_address(error, problem);
}

static void init_handles(struct gs_node *node) {
    uv_async_init(node->config.loop, &node->wake, on_wake);
    uv_timer_init(node->config.loop, &node->timer);
    uv_timer_init(node->config.loop, &node->status);
    uv_timer_init(node->config.loop, &node->retry);
    uv_timer_init(node->config.loop, &node->grace);
    node->wake.data = node->timer.data = node->status.data = node->retry.data = node->grace.data = node;
}

/* A database that is not up yet, as after a power cut: requests are refused until it is. */
static void wait_for_store(struct gs_node *node, const struct gs_problem *problem) {
    gs_log(GS_LOG_ERROR, "store_away", "the store is away: %s; waiting for it", problem->detail);
    node->reloading = true;
    retry_later(node);
    uv_timer_start(&node->status, gs_node_on_status, 0, STATUS_INTERVAL_MS);
}

int gs_node_start(const struct gs_node_config *config, struct gs_node **ret_node, struct gs_problem *problem) {
    struct gs_node *node = calloc(1, sizeof *node);
    uint8_t secret[16];
    randombytes_buf(secret, sizeof secret);
    if (node == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, "", "out of memory");
    }
    node->config = *config;
    node->gateway = gs_gateway_new(config->cache_bytes, secret, nudge, node);
    if (node->gateway == NULL) {
        free(node);
        return gs_problem_set(problem, GS_ENOMEM, "", "out of memory");
    }
    gs_gateway_set_target(node->gateway, config->queue_target_ms);
    gs_history_pool_set_breaker(gs_gateway_history(node->gateway), config->breaker_threshold);
    init_handles(node);
    node->notes = gs_note_writer_new(config->loop, config->notes_directory, on_note_failed, node);
    bool books = gs_book_keeper_new(config->database_url, &node->books) == 0;
    char stage[4096];
    snprintf(stage, sizeof stage, "%s.stage", config->notes_directory);
    node->healer = gs_node_new_healer(node);
    node->stager = gs_stager_new(stage, &config->core.cluster, gs_node_on_installed, node);
    node->rebuilder = gs_rebuilder_new(config->loop, gs_gateway_history(node->gateway), on_rebuilt, node);
    bool pulse = gs_gateway_start_pulse(node->gateway, &config->request_priority) == 0;
    int error =
        node->notes != NULL && node->rebuilder != NULL && node->healer != NULL && node->stager != NULL && books && pulse
            ? 0
            : gs_problem_set(problem, GS_ENOMEM, "", "out of memory");
    error = error != 0 ? error : start_transport(node, problem);
    if (error == 0) {
        error = start_store(node, problem);
    }
    if (error == GS_ESTORE) {
        wait_for_store(node, problem);
        *ret_node = node;
        return 0;
    }
    if (error != 0) {
        gs_node_stop(node, NULL, NULL);
        uv_run(config->loop, UV_RUN_DEFAULT);
        return error;
    }
    gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_START}); /* if there is a core */
    uv_timer_start(&node->status, gs_node_on_status, 0, STATUS_INTERVAL_MS);
    *ret_node = node;
    return 0;
}

struct gs_gateway *gs_node_gateway(struct gs_node *node) {
    return node->gateway;
}

void gs_node_shut(struct gs_node *node) {
    gs_gateway_shut(node->gateway);
}

void gs_node_stop(struct gs_node *node, void (*closed)(void *context), void *context) {
    if (!node->stopping) { /* one that failed does not leave: it is missed */
        gs_node_step(node, &(struct gs_core_event){.type = GS_CORE_LEAVE});
    }
    node->stopping = true;
    node->closed = closed;
    node->closed_context = context;
    node->closing = 1;
    gs_rewriter_give_up(&node->rewriter, node->gateway, GS_ESHUTDOWN);
    gs_core_free(node->core);
    gs_core_free(node->successor);
    node->core = node->successor = NULL;
    close_handles(node);
    if (node->transport != NULL) {
        node->closing++;
        gs_transport_close(node->transport, on_part_closed, node);
    }
    gs_history_pool_detach(gs_gateway_history(node->gateway));
    if (node->store != NULL) {
        node->closing++;
        gs_store_thread_stop(node->store, on_part_closed, node);
    }
    node->closing++;
    gs_rebuilder_close(node->rebuilder, on_part_closed, node);
    node->closing++;
    gs_note_writer_close(node->notes, on_part_closed, node);
    node->closing += node->store_closing ? 1 : 0;
    part_closed(node);
}

void gs_node_set_trust(struct gs_node *node, const struct gs_trust *trust) {
    node->config.core.trust = trust;
    struct gs_core *cores[] = {node->core, node->successor};
    for (int i = 0; i < 2; i++) {
        if (cores[i] != NULL) {
            gs_core_set_trust(cores[i], trust);
        }
    }
    gs_transport_set_trust(node->transport, trust);
}
