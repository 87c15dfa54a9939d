#include "node/core/bootstrap.h"

#include "gossip/attestation.h"
#include "node/core/compare_impl.h"
#include "node/core/core_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gs_core_install_free(struct gs_core_install *install) {
    if (install != NULL) {
        gs_vector_close(&install->heads);
        gs_buffer_close(&install->besides);
        free(install);
    }
}

void gs_bootstrap_close(struct gs_core *core) {
    gs_snapshot_close(&core->bootstrap.root);
    gs_staged_close(&core->bootstrap.staged);
    gs_buffer_close(&core->bootstrap.besides);
    free(core->bootstrap.nodes);
}

static bool is_avoided(const struct gs_bootstrap *bootstrap, const gs_public_key *key) {
    for (uint32_t i = 0; i < bootstrap->avoided_count; i++) {
        if (memcmp(&bootstrap->avoided[i], key, sizeof *key) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_empty(const struct gs_core *core) {
    return core->stored.count == 0 && core->applied.count == 0 && core->base_position == 0 && gs_group_is_empty(core) &&
           !core->in_flight && core->writer.count == 0;
}

static uint64_t threshold(const struct gs_core *core) {
    return core->config.bootstrap_events > 0 ? core->config.bootstrap_events : GS_BOOTSTRAP_EVENTS;
}

/* Forgets the sender and what was asked; what is staged stays. */
static void let_go(struct gs_bootstrap *bootstrap) {
    gs_snapshot_close(&bootstrap->root);
    bootstrap->root = (struct gs_snapshot){0};
    bootstrap->besides.length = 0;
    bootstrap->parts = 0;
    bootstrap->node_count = 0;
    bootstrap->asked = false;
    bootstrap->ahead_count = 0;
    bootstrap->link = bootstrap->second_link = 0;
    bootstrap->confirmed = bootstrap->second_asked = false;
    bootstrap->second_tries = 0;
    bootstrap->done_leaves = 0;
    bootstrap->phase = GS_BOOTSTRAP_ASKING;
}

/* The log it is, after all. */
static int give_up(struct gs_core *core, const char *why, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    let_go(bootstrap);
    gs_staged_close(&bootstrap->staged);
    snprintf(bootstrap->trouble, sizeof bootstrap->trouble, "%s", why);
    bootstrap->active = false;
    bootstrap->over = true;
    core->waiting_for_peers = false;
    core->stats.started = true;
    int error = gs_backlog_drain(core, update);
    for (uint32_t i = 0; error == 0 && i < core->peer_count; i++) {
        error = gs_sync_pull(core, &core->peers[i], true, update);
    }
    return error;
}

/* This sender will not do: another one, or the same again a little later. */
static int fail(struct gs_core *core, const char *why, uint64_t pause_ms, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (++bootstrap->failures >= GS_BOOTSTRAP_FAILURES) {
        return give_up(core, why, update);
    }
    let_go(bootstrap);
    snprintf(bootstrap->trouble, sizeof bootstrap->trouble, "%.48s: %.100s", bootstrap->region, why);
    bootstrap->retry_mono_ms = core->mono_ms + pause_ms;
    return 0;
}

/* What it has sent does not fit what it has signed: it is named, and not asked again. */
static int lies(struct gs_core *core, const char *what, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    uint64_t link = bootstrap->link;
    if (bootstrap->avoided_count < GS_BOOTSTRAP_AVOIDED) {
        bootstrap->avoided[bootstrap->avoided_count++] = bootstrap->key;
    }
    core->stats.snapshots_refused++;
    int error = fail(core, what, 0, update);
    return error != 0 ? error : gs_update_drop(update, link);
}

static int ask(struct gs_core *core, struct gs_snapshot *question, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    question->session = bootstrap->session;
    bootstrap->asked = true;
    bootstrap->question = question->op;
    bootstrap->asked_mono_ms = core->mono_ms;
    return gs_snapshot_send(bootstrap->link, question, update);
}

static int begin_with(struct gs_core *core, const struct gs_peer_state *peer, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    struct gs_snapshot question = {.op = GS_SNAPSHOT_ASK};
    bootstrap->link = peer->id;
    bootstrap->key = peer->key;
    memcpy(bootstrap->region, peer->region, sizeof bootstrap->region);
    gs_rng_bytes(&core->rng, &bootstrap->session, sizeof bootstrap->session);
    bootstrap->phase = GS_BOOTSTRAP_ASKING;
    return ask(core, &question, update);
}

/* A peer whose log no longer has what we lack can help with a snapshot only, however little it is. */
static bool is_useful(const struct gs_core *core, const struct gs_peer_state *peer) {
    uint64_t least = peer->has_lost ? 1 : threshold(core);
    return !is_avoided(&core->bootstrap, &peer->key) && gs_vector_lacking(&core->stored, &peer->told) >= least;
}

int gs_bootstrap_consider(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (bootstrap->active || bootstrap->over || core->recovering) {
        return 0;
    }
    if (!is_empty(core)) {
        bootstrap->over = true;
        return 0;
    }
    if (core->waiting_for_peers || core->backlog_count > 0 || !is_useful(core, peer)) {
        return 0;
    }
    bootstrap->active = true;
    bootstrap->began_mono_ms = core->mono_ms;
    core->waiting_for_peers = true;
    core->start_deadline_mono_ms = UINT64_MAX;
    core->stats.started = false;
    int error = gs_jobs_begin_bootstrap(core, peer->region);
    return error != 0 ? error : begin_with(core, peer, update);
}

static int take_root(struct gs_core *core, const struct gs_peer_state *peer, struct gs_snapshot *answer,
                     struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    uint64_t events = gs_vector_lacking(&core->stored, &answer->vector);
    if (gs_snapshot_verify(answer, &core->config.cluster, &peer->key, &bootstrap->root_hash) != 0) {
        return lies(core, "the signature of its snapshot does not hold", update);
    }
    if (answer->leaves > GS_BOOTSTRAP_LEAVES_MAX || answer->part_count == 0) {
        return lies(core, "its snapshot is not one", update);
    }
    uint64_t besides = (uint64_t)answer->part_count * GS_SNAPSHOT_PART_BYTES;
    uint64_t log = events * GS_BOOTSTRAP_EVENT_BYTES;
    if (!peer->has_lost && bootstrap->staged.tree.root == NULL && answer->bytes + besides / 2 >= log) {
        const struct gs_snapshot end = {.op = GS_SNAPSHOT_END, .session = bootstrap->session};
        int error = gs_snapshot_send(bootstrap->link, &end, update);
        return error != 0 ? error : give_up(core, "the log is shorter than a snapshot", update);
    }
    bootstrap->root = *answer;
    answer->vector = (struct gs_vector){0};
    bootstrap->phase = GS_BOOTSTRAP_FETCHING;
    bootstrap->second_mono_ms = 0;
    const struct gs_bootstrap_node top = {.hash = answer->root, .count = answer->leaves};
    return gs_bootstrap_push(bootstrap, &top);
}

static int take_chunk(struct gs_core *core, const struct gs_snapshot *answer, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    struct gs_buffer stage = {0};
    int error = gs_snapshot_verify_chunk(answer, &bootstrap->root_hash, &bootstrap->key);
    error = error == 0 ? gs_bootstrap_take_chunk(core, answer, &stage) : error;
    if (error == 0) {
        bootstrap->chunks++;
        core->stats.snapshot_chunks++;
        bootstrap->staged_bytes += stage.length;
        return gs_update_stage(update, &stage);
    }
    gs_buffer_close(&stage);
    return error == GS_ENOMEM ? error : lies(core, "a chunk of its snapshot does not fit the root it signed", update);
}

static int take_part(struct gs_core *core, const struct gs_snapshot *answer, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (answer->part != bootstrap->parts || answer->body.length > GS_SNAPSHOT_PART_BYTES) {
        return lies(core, "a part of its snapshot that was not asked for", update);
    }
    gs_snapshot_parts_add(&bootstrap->parts_hash, answer->body);
    gs_buffer_append(&bootstrap->besides, answer->body.bytes, answer->body.length);
    bootstrap->parts++;
    return bootstrap->besides.failed;
}

/* END: it cannot, or this is more than a chunk. */
static int take_end(struct gs_core *core, enum gs_snapshot_end end, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (end == GS_SNAPSHOT_LARGE && bootstrap->question == GS_SNAPSHOT_WANT && bootstrap->asked_nodes[0].count > 1) {
        struct gs_bootstrap_node node = bootstrap->asked_nodes[0];
        node.open = true;
        return gs_bootstrap_push(bootstrap, &node);
    }
    return end == GS_SNAPSHOT_LARGE  ? give_up(core, "an aggregate is too large for a snapshot", update)
           : end == GS_SNAPSHOT_BUSY ? fail(core, "it has no room for another snapshot", 2000, update)
                                     : fail(core, "it cannot read its log", 2000, update);
}

int gs_bootstrap_answer(struct gs_core *core, struct gs_peer_state *peer, struct gs_snapshot *answer,
                        struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    static const enum gs_snapshot_op answers[] = {[GS_SNAPSHOT_ASK] = GS_SNAPSHOT_ROOT,
                                                  [GS_SNAPSHOT_OPEN] = GS_SNAPSHOT_NODES,
                                                  [GS_SNAPSHOT_WANT] = GS_SNAPSHOT_CHUNK,
                                                  [GS_SNAPSHOT_PART] = GS_SNAPSHOT_CORE};
    if (!bootstrap->active || !bootstrap->asked || peer->id != bootstrap->link ||
        answer->session != bootstrap->session) {
        return 0;
    }
    bootstrap->asked = false;
    int error = 0;
    if (answer->op == GS_SNAPSHOT_END) {
        error = take_end(core, answer->end, update);
    } else if (answer->op != answers[bootstrap->question]) {
        error = lies(core, "an answer to something else", update);
    } else if (answer->op == GS_SNAPSHOT_ROOT) {
        error = take_root(core, peer, answer, update);
    } else if (answer->op == GS_SNAPSHOT_CHUNK) {
        error = take_chunk(core, answer, update);
    } else if (answer->op == GS_SNAPSHOT_CORE) {
        error = take_part(core, answer, update);
    } else {
        error = gs_bootstrap_take_nodes(bootstrap, answer);
        error = error == GS_EFORMAT ? lies(core, "its nodes do not hash to the root it signed", update) : error;
    }
    if (error == 0 && bootstrap->ahead_count > 0 && !bootstrap->asked) { /* its answer comes next */
        bootstrap->asked = true;
        bootstrap->question = GS_SNAPSHOT_WANT;
        bootstrap->asked_nodes[0] = bootstrap->ahead[0];
        bootstrap->asked_count = 1;
        bootstrap->asked_mono_ms = core->mono_ms;
        bootstrap->ahead_count--;
        memmove(bootstrap->ahead, bootstrap->ahead + 1, bootstrap->ahead_count * sizeof *bootstrap->ahead);
    }
    return error != 0 ? error : gs_bootstrap_tick(core, update);
}

/* How many leaves make a chunk of about the size that is aimed at. */
static uint64_t leaves_of_chunk(const struct gs_bootstrap *bootstrap) {
    uint64_t each = bootstrap->root.leaves > 0 ? bootstrap->root.bytes / bootstrap->root.leaves + 64 : 64;
    uint64_t leaves = GS_BOOTSTRAP_CHUNK_BYTES / each + 1;
    return leaves < GS_SNAPSHOT_CHUNK_LEAVES ? leaves : GS_SNAPSHOT_CHUNK_LEAVES;
}

static struct gs_compare_prefix wire_prefix(const struct gs_digest_prefix *prefix) {
    struct gs_compare_prefix result = {.depth = prefix->depth};
    memcpy(result.path, prefix->path.bytes, sizeof result.path);
    return result;
}

static bool is_chunk(const struct gs_bootstrap *bootstrap, const struct gs_bootstrap_node *node) {
    return (node->count <= leaves_of_chunk(bootstrap) && !node->open) || node->count == 1;
}

/* Chunks beyond the one that is asked for, as long as that is what comes next. */
static int ask_ahead(struct gs_core *core, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    uint32_t max = bootstrap->rate > 0 ? 1 : GS_SNAPSHOT_AHEAD; /* under a cap they would come all at once */
    int error = 0;
    while (error == 0 && bootstrap->asked && bootstrap->question == GS_SNAPSHOT_WANT && bootstrap->node_count > 0 &&
           bootstrap->ahead_count < max) {
        const struct gs_bootstrap_node *node = &bootstrap->nodes[bootstrap->node_count - 1];
        if (!is_chunk(bootstrap, node)) {
            return 0;
        }
        struct gs_compare_prefix prefix = wire_prefix(&node->prefix);
        const struct gs_snapshot question = {
            .op = GS_SNAPSHOT_WANT, .session = bootstrap->session, .count = 1, .prefixes = &prefix};
        bootstrap->ahead[bootstrap->ahead_count++] = *node;
        bootstrap->node_count--;
        error = gs_snapshot_send(bootstrap->link, &question, update);
    }
    return error;
}

/* The next subtree: a chunk, or several that are opened at once. */
static int ask_next(struct gs_core *core, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    struct gs_compare_prefix prefixes[GS_SNAPSHOT_OPEN_MAX];
    struct gs_snapshot question = {.op = GS_SNAPSHOT_WANT, .prefixes = prefixes};
    while (bootstrap->node_count > 0 && question.count < GS_SNAPSHOT_OPEN_MAX) {
        const struct gs_bootstrap_node *node = &bootstrap->nodes[bootstrap->node_count - 1];
        bool chunk = is_chunk(bootstrap, node);
        if (chunk && question.count > 0) {
            break;
        }
        prefixes[question.count] = wire_prefix(&node->prefix);
        bootstrap->asked_nodes[question.count++] = *node;
        bootstrap->node_count--;
        if (chunk) {
            break;
        }
        question.op = GS_SNAPSHOT_OPEN;
    }
    bootstrap->asked_count = question.count;
    return ask(core, &question, update);
}

static bool may_ask(const struct gs_core *core) {
    const struct gs_bootstrap *bootstrap = &core->bootstrap;
    uint64_t ms = core->mono_ms - bootstrap->began_mono_ms;
    return bootstrap->rate == 0 || bootstrap->bytes * 1000 <= bootstrap->rate * (ms + 1000);
}

/* Somebody else's word on the same cut, if there is somebody. */
static int ask_second(struct gs_core *core, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    uint32_t weight = bootstrap->second_asked ? GS_BOOTSTRAP_UNANSWERED : 1;
    uint64_t patience = bootstrap->second_asked ? GS_COMPARE_ANSWER_MS : GS_BOOTSTRAP_SECOND_MS;
    if (bootstrap->confirmed || core->mono_ms - bootstrap->second_mono_ms < patience) {
        return 0;
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct gs_peer_state *peer = &core->peers[i];
        if (peer->id == bootstrap->link || !peer->heard || is_avoided(bootstrap, &peer->key) ||
            memcmp(&peer->key, &bootstrap->key, sizeof peer->key) == 0) {
            continue;
        }
        struct gs_compare question = {.op = GS_COMPARE_ASK, .vector = bootstrap->root.vector};
        gs_rng_bytes(&core->rng, &bootstrap->second_session, sizeof bootstrap->second_session);
        const struct gs_comparison session = {.peer = peer->id, .session = bootstrap->second_session};
        bootstrap->second_link = peer->id;
        bootstrap->second_asked = true;
        bootstrap->second_mono_ms = core->mono_ms;
        bootstrap->second_tries += bootstrap->phase == GS_BOOTSTRAP_CONFIRMING ? weight : 0;
        memcpy(bootstrap->second_region, peer->region, sizeof bootstrap->second_region);
        return gs_comparison_send(&session, &question, update);
    }
    bootstrap->second_link = 0;
    return 0;
}

int gs_bootstrap_second(struct gs_core *core, struct gs_peer_state *peer, struct gs_compare *answer,
                        struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (!bootstrap->active || bootstrap->second_link != peer->id || answer->session != bootstrap->second_session ||
        bootstrap->root.vector.count == 0 || (answer->op != GS_COMPARE_ROOT && answer->op != GS_COMPARE_END)) {
        return 0;
    }
    bootstrap->second_asked = false;
    bootstrap->second_mono_ms = core->mono_ms;
    if (answer->op == GS_COMPARE_END) {
        return 0; /* it has no time for it, or has moved too far on */
    }
    const struct gs_comparison session = {.peer = peer->id, .session = answer->session};
    struct gs_compare end = {.op = GS_COMPARE_END, .end = GS_COMPARE_DONE};
    int error = gs_comparison_send(&session, &end, update);
    if (error != 0 || !gs_vector_covers(&answer->vector, &bootstrap->root.vector)) {
        return error; /* it is not there yet */
    }
    struct gs_attestation attestation = {
        .key = peer->key, .vector = &bootstrap->root.vector, .root = answer->root, .count = answer->leaves};
    memcpy(attestation.signature, answer->signature, sizeof attestation.signature);
    if (gs_attestation_verify(&attestation, &core->config.cluster) != 0) {
        return 0; /* no word at all */
    }
    if (memcmp(&answer->root, &bootstrap->root.root, GS_HASH_SIZE) == 0) {
        bootstrap->confirmed = true;
        return 0;
    }
    char what[140];
    snprintf(what, sizeof what, "%.48s has another state at the same cut: one of them is wrong", peer->region);
    return lies(core, what, update);
}

static int install(struct gs_core *core, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    uint64_t clock = 0;
    int error = gs_bootstrap_try(core, bootstrap, &clock);
    if (error != 0) {
        return error == GS_ENOMEM ? error : lies(core, "a start cannot begin with its snapshot", update);
    }
    struct gs_core_install *installation = calloc(1, sizeof *installation);
    if (installation == NULL) {
        return GS_ENOMEM;
    }
    error = gs_vector_copy(&installation->heads, &bootstrap->root.vector);
    installation->clock = clock;
    installation->besides = bootstrap->besides;
    bootstrap->besides = (struct gs_buffer){0};
    update->install = installation;
    bootstrap->phase = GS_BOOTSTRAP_INSTALLING;
    return error;
}

/* All states are there: then the rest, then the other member's word. */
static int go_on(struct gs_core *core, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (bootstrap->phase == GS_BOOTSTRAP_FETCHING) {
        gs_hash root;
        uint64_t count = 0;
        gs_digest_tree_root(&bootstrap->staged.tree, &root, &count);
        if (count != bootstrap->root.leaves || memcmp(&root, &bootstrap->root.root, GS_HASH_SIZE) != 0) {
            return fail(core, "what is staged is not its snapshot", 0, update); /* cannot be: every part was checked */
        }
        bootstrap->phase = GS_BOOTSTRAP_BESIDES;
        bootstrap->parts = 0;
        bootstrap->parts_hash = (gs_hash){{0}};
        bootstrap->besides.length = 0;
    }
    if (bootstrap->phase == GS_BOOTSTRAP_BESIDES && bootstrap->parts < bootstrap->root.part_count) {
        struct gs_snapshot question = {.op = GS_SNAPSHOT_PART, .part = bootstrap->parts};
        return ask(core, &question, update);
    }
    if (bootstrap->phase == GS_BOOTSTRAP_BESIDES) {
        if (memcmp(&bootstrap->parts_hash, &bootstrap->root.parts, GS_HASH_SIZE) != 0) {
            return lies(core, "its parts do not hash to what it signed", update);
        }
        bootstrap->phase = GS_BOOTSTRAP_CONFIRMING;
    }
    bool enough =
        bootstrap->confirmed || bootstrap->second_link == 0 || bootstrap->second_tries >= GS_BOOTSTRAP_SECONDS;
    return bootstrap->phase == GS_BOOTSTRAP_CONFIRMING && enough ? install(core, update) : 0;
}

static int look_for_sender(struct gs_core *core, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    uint32_t heard = 0;
    if (core->mono_ms < bootstrap->retry_mono_ms) {
        return 0;
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        heard += core->peers[i].heard ? 1 : 0;
        if (is_useful(core, &core->peers[i])) {
            return begin_with(core, &core->peers[i], update);
        }
    }
    return heard > 0 ? give_up(core, "nobody is left who could give a snapshot", update) : 0;
}

int gs_bootstrap_tick(struct gs_core *core, struct gs_update *update) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (!bootstrap->active || bootstrap->phase == GS_BOOTSTRAP_INSTALLING) {
        return 0;
    }
    if (bootstrap->link == 0) {
        return look_for_sender(core, update);
    }
    if (bootstrap->asked && core->mono_ms - bootstrap->asked_mono_ms >= GS_BOOTSTRAP_ANSWER_MS) {
        return fail(core, "it does not answer", 0, update);
    }
    if (bootstrap->phase == GS_BOOTSTRAP_ASKING) {
        return 0;
    }
    int error = ask_second(core, update);
    if (error != 0 || !may_ask(core)) {
        return error;
    }
    if (!bootstrap->asked) {
        error = bootstrap->node_count > 0 ? ask_next(core, update) : go_on(core, update);
    }
    return error == 0 ? ask_ahead(core, update) : error;
}

void gs_bootstrap_peer_down(struct gs_core *core, uint64_t link) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (bootstrap->active && bootstrap->link == link && bootstrap->phase != GS_BOOTSTRAP_INSTALLING) {
        snprintf(bootstrap->trouble, sizeof bootstrap->trouble, "%.48s: the link was lost", bootstrap->region);
        let_go(bootstrap);
    }
    if (bootstrap->second_link == link) {
        bootstrap->second_link = 0;
        bootstrap->second_asked = false;
    }
}

void gs_core_take_staged(struct gs_core *core, struct gs_staged *ret_staged) {
    struct gs_staged *staged = &core->bootstrap.staged;
    *ret_staged = *staged;
    *staged = gs_staged_like(ret_staged);
}

int gs_bootstrap_installed(struct gs_core *core, int error, struct gs_update *update) {
    if (error == 0) {
        core->must_reload = true; /* a start from what the store has now */
        return 0;
    }
    return give_up(core, "the store did not take the snapshot", update);
}

uint32_t gs_bootstrap_percent(const struct gs_core *core) {
    const struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (bootstrap->phase == GS_BOOTSTRAP_ASKING || bootstrap->root.leaves == 0) {
        return bootstrap->phase == GS_BOOTSTRAP_ASKING ? 1 : 75;
    }
    return bootstrap->phase == GS_BOOTSTRAP_FETCHING
               ? 2 + (uint32_t)(70 * bootstrap->done_leaves / bootstrap->root.leaves)
               : 75;
}

const char *gs_bootstrap_stage(const struct gs_core *core) {
    static const char *const names[] = {[GS_BOOTSTRAP_ASKING] = "asking for a snapshot",
                                        [GS_BOOTSTRAP_FETCHING] = "fetching states",
                                        [GS_BOOTSTRAP_BESIDES] = "fetching what a start needs",
                                        [GS_BOOTSTRAP_CONFIRMING] = "waiting for a second region's word",
                                        [GS_BOOTSTRAP_INSTALLING] = "installing"};
    return names[core->bootstrap.phase];
}
