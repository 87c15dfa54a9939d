/* What both sides of a comparison share; see compare.h. */
#include "node/core/compare_impl.h"
#include "node/core/giving.h"

#include <stdlib.h>
#include <string.h>

static void close_session(struct gs_comparison *c) {
    gs_digest_tree_close(&c->tree);
    gs_vector_close(&c->vector);
    gs_vector_close(&c->theirs);
    gs_vector_close(&c->cut);
    gs_answer_close(c);
    gs_giving_free(c->giving);
    free(c);
}

void gs_compares_close(struct gs_core *core) {
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        if (core->compares.sessions[i] != NULL) {
            close_session(core->compares.sessions[i]);
        }
    }
    free(core->compares.slots);
    free(core->compares.free_slots);
}

struct gs_comparison *gs_comparison_find(struct gs_core *core, uint64_t id) {
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        if (core->compares.sessions[i] != NULL && core->compares.sessions[i]->id == id) {
            return core->compares.sessions[i];
        }
    }
    return NULL;
}

void gs_comparison_end(struct gs_core *core, struct gs_comparison *comparison) {
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        if (core->compares.sessions[i] == comparison) {
            core->compares.sessions[i] = NULL;
        }
    }
    close_session(comparison);
}

struct gs_comparison *gs_comparison_new(struct gs_core *core, gs_peer peer, uint64_t session, bool fresh) {
    int at = 0;
    while (at < GS_COMPARES_MAX && core->compares.sessions[at] != NULL) {
        at++;
    }
    struct gs_comparison *c = at < GS_COMPARES_MAX ? calloc(1, sizeof *c) : NULL;
    if (c != NULL) {
        c->id = ++core->compares.ids;
        c->peer = peer;
        c->session = session;
        c->fresh = fresh;
        c->stage = fresh ? GS_COMPARING_SCRUB : GS_COMPARING_TREE;
        c->scrub_passes = fresh ? gs_scrub_begin(core) : 0;
        c->deadline_mono_ms = core->mono_ms + GS_COMPARE_IDLE_MS;
        core->compares.sessions[at] = c;
    }
    return c;
}

struct gs_comparison *gs_comparison_begin(struct gs_core *core, gs_peer peer, struct gs_verify *verify, bool fresh) {
    uint64_t session;
    gs_rng_bytes(&core->rng, &session, sizeof session);
    struct gs_comparison *c = gs_comparison_new(core, peer, session, fresh);
    if (c != NULL) {
        c->verify = verify;
    }
    return c;
}

int gs_comparison_send(const struct gs_comparison *comparison, struct gs_compare *compare, struct gs_update *update) {
    struct gs_buffer body = {0};
    struct gs_buffer message = {0};
    compare->session = comparison->session;
    gs_compare_write(compare, &body);
    if (body.failed != 0) {
        gs_buffer_close(&body);
        return body.failed;
    }
    gs_message_write_compare(gs_slice_make(body.bytes, body.length), &message);
    gs_buffer_close(&body);
    return gs_update_send_in(update, comparison->peer, GS_LANE_BULK, &message);
}

int gs_comparison_minimum(const struct gs_vector *a, const struct gs_vector *b, struct gs_vector *ret_cut) {
    struct gs_vector cut = {0};
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < a->count; i++) {
        const struct gs_head *ours = &a->heads[i];
        const struct gs_head *theirs = gs_vector_find(b, &ours->origin);
        if (theirs == NULL) {
            continue;
        }
        if (ours->seq == theirs->seq && memcmp(&ours->hash, &theirs->hash, sizeof ours->hash) != 0) {
            error = GS_ECHAIN;
        } else {
            error = gs_vector_set(&cut, ours->seq <= theirs->seq ? ours : theirs);
        }
    }
    if (error != 0) {
        gs_vector_close(&cut);
        return error;
    }
    gs_vector_close(ret_cut);
    *ret_cut = cut;
    return 0;
}

struct beyond {
    struct gs_core *core;
    struct gs_comparison *comparison;
    struct gs_update *update;
};

static int rebuild_beyond(void *context, struct gs_cell *cell) {
    struct beyond *beyond = context;
    if (beyond->comparison->rebuilding >= GS_COMPARE_BEYOND_MAX) {
        return GS_EOVERLOADED;
    }
    return gs_compares_rebuild(beyond->core, beyond->comparison, GS_REBUILD_CUT, 0, cell->entry.key, beyond->update);
}

static int at_cut(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    c->stage = GS_COMPARING_OPEN;
    return c->verify != NULL ? gs_verify_at_cut(core, c, update) : gs_answer_root(core, c, update);
}

int gs_comparison_cut(struct gs_core *core, struct gs_comparison *comparison, struct gs_update *update) {
    struct beyond beyond = {.core = core, .comparison = comparison, .update = update};
    int error = gs_forks_part(core, &comparison->theirs)
                    ? GS_ECHAIN
                    : gs_comparison_minimum(&comparison->vector, &comparison->theirs, &comparison->cut);
    comparison->stage = GS_COMPARING_CUT;
    if (error == 0 && !gs_vector_covers(&comparison->cut, &comparison->vector)) {
        error = gs_digest_visit_beyond(core, &comparison->cut, rebuild_beyond, &beyond);
    }
    if (error != 0 || comparison->rebuilding > 0) {
        return error;
    }
    return at_cut(core, comparison, update);
}

static int reserve_slots(struct gs_compares *compares) {
    if (compares->free_count > 0) {
        return 0;
    }
    if (compares->slot_count >= GS_REBUILDS_MAX) {
        return GS_EOVERLOADED;
    }
    int error = gs_array_reserve((void **)&compares->slots, &compares->slot_capacity, compares->slot_count,
                                 sizeof *compares->slots);
    if (error != 0) {
        return error;
    }
    uint32_t *grown = realloc(compares->free_slots, compares->slot_capacity * sizeof *grown);
    if (grown == NULL) {
        return GS_ENOMEM;
    }
    compares->free_slots = grown;
    compares->free_slots[compares->free_count++] = compares->slot_count++;
    return 0;
}

int gs_compares_ask_slot(struct gs_core *core, struct gs_comparison *comparison, struct gs_rebuild_slot *slot,
                         struct gs_update *update) {
    struct gs_compares *compares = &core->compares;
    struct gs_core_rebuild rebuild = {.from_log = slot->use == GS_REBUILD_JUDGE || slot->use == GS_REBUILD_MEND,
                                      .has_cut = slot->use != GS_REBUILD_MEND,
                                      .cut = comparison->cut};
    rebuild.number = ++compares->rebuild_numbers * GS_REBUILDS_MAX + (uint64_t)(slot - compares->slots);
    memcpy(rebuild.name, slot->name, sizeof rebuild.name);
    int error = gs_update_rebuild(update, &rebuild);
    slot->number = error == 0 ? rebuild.number : 0;
    return error;
}

int gs_compares_rebuild(struct gs_core *core, struct gs_comparison *comparison, enum gs_rebuild_use use, uint32_t item,
                        struct gs_slice name, struct gs_update *update) {
    struct gs_compares *compares = &core->compares;
    int error = name.length <= GS_CORE_NAME_MAX ? reserve_slots(compares) : GS_EINVAL;
    if (error != 0) {
        return error;
    }
    struct gs_rebuild_slot *slot = &compares->slots[compares->free_slots[compares->free_count - 1]];
    *slot = (struct gs_rebuild_slot){.use = use, .comparison = comparison->id, .item = item};
    memcpy(slot->name, name.bytes, name.length);
    error = gs_compares_ask_slot(core, comparison, slot, update);
    if (error == 0) {
        compares->free_count--;
        comparison->rebuilding++;
    }
    return error;
}

int gs_rebuilt_hash(const struct gs_core *core, struct gs_slice name, struct gs_slice state, gs_hash *ret_hash) {
    struct gs_aggregate *aggregate = NULL;
    int error = gs_aggregate_decode(state.bytes, state.length, NULL, &aggregate);
    if (error == 0) {
        error = gs_digest_hash_aggregate(core, name, aggregate, ret_hash);
    }
    gs_aggregate_free(aggregate);
    return error;
}

static int rebuilt_leaf(struct gs_core *core, struct gs_comparison *c, struct gs_slice name,
                        const struct gs_core_event *event) {
    gs_digest_path path = gs_digest_path_of(c->tree.key, name);
    gs_hash hash;
    if (event->rebuilt.error == 0 && event->rebuilt.version == 0) {
        return gs_digest_tree_remove(&c->tree, &path);
    }
    int error =
        event->rebuilt.error != 0 ? event->rebuilt.error : gs_rebuilt_hash(core, name, event->rebuilt.state, &hash);
    if (error == GS_ENOMEM) {
        return error;
    }
    c->rebuild_error = error != 0 ? error : c->rebuild_error;
    return error != 0 ? 0 : gs_digest_tree_set(&c->tree, &path, name, &hash);
}

/* Why a comparison cannot go on, to whoever is at its other end. */
int gs_comparison_fail(struct gs_core *core, struct gs_comparison *c, enum gs_compare_end end, const char *reason,
                       struct gs_update *update) {
    struct gs_compare over = {.op = GS_COMPARE_END, .end = end};
    int error = gs_comparison_send(c, &over, update);
    if (error == 0 && c->verify != NULL) {
        return gs_verify_failed(core, c, reason, update);
    }
    gs_comparison_end(core, c);
    return error;
}

static int use_rebuilt(struct gs_core *core, struct gs_comparison *c, const struct gs_rebuild_slot *slot,
                       const struct gs_core_event *event, struct gs_update *update) {
    struct gs_slice name = gs_slice_make(slot->name, strlen(slot->name));
    if (slot->use == GS_REBUILD_CUT) {
        int error = rebuilt_leaf(core, c, name, event);
        if (error != 0 || c->rebuilding > 0) {
            return error;
        }
        return c->rebuild_error == 0
                   ? at_cut(core, c, update)
                   : gs_comparison_fail(core, c, GS_COMPARE_DAMAGED, "the own log could not be read", update);
    }
    if (c->giving != NULL) {
        return gs_giving_rebuilt(core, c, slot, event, update);
    }
    return c->verify != NULL ? gs_verify_rebuilt(core, c, slot, event, update)
                             : gs_answer_rebuilt(core, c, slot, event, update);
}

/* Too much is being rebuilt at once: the session gives way, if it is still there. */
static int give_way(struct gs_core *core, uint64_t id, int error, struct gs_update *update) {
    struct gs_comparison *c = error == GS_EOVERLOADED ? gs_comparison_find(core, id) : NULL;
    return c == NULL ? (error == GS_EOVERLOADED ? 0 : error)
                     : gs_comparison_fail(core, c, GS_COMPARE_BUSY, "too many aggregates are being rebuilt", update);
}

int gs_compares_rebuilt(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update) {
    struct gs_compares *compares = &core->compares;
    uint32_t at = (uint32_t)(event->rebuilt.number % GS_REBUILDS_MAX);
    if (at >= compares->slot_count || compares->slots[at].number != event->rebuilt.number) {
        return 0;
    }
    struct gs_rebuild_slot slot = compares->slots[at];
    struct gs_comparison *c = gs_comparison_find(core, slot.comparison);
    if (c != NULL && gs_damage_wait(core, c, &compares->slots[at], event->rebuilt.error, update)) {
        return 0;
    }
    compares->slots[at].number = 0;
    compares->free_slots[compares->free_count++] = at;
    if (c == NULL) {
        return 0;
    }
    c->rebuilding--;
    c->deadline_mono_ms = core->mono_ms + GS_COMPARE_IDLE_MS;
    return give_way(core, c->id, use_rebuilt(core, c, &slot, event, update), update);
}

const struct gs_aggregate *gs_comparison_memory(struct gs_core *core, const struct gs_digest_leaf *leaf) {
    struct gs_slice type, id;
    gs_hash hash;
    struct gs_cell *cell = gs_name_split(leaf->name, &type, &id) ? gs_cell_find(core, type, id) : NULL;
    if (cell == NULL || gs_digest_hash_aggregate(core, leaf->name, cell->aggregate, &hash) != 0) {
        return NULL;
    }
    return memcmp(hash.bytes, leaf->hash.bytes, GS_HASH_SIZE) == 0 ? cell->aggregate : NULL;
}

static int got_tree(struct gs_core *core, struct gs_comparison *c, const struct gs_digest_tree *tree,
                    struct gs_update *update) {
    if (c->giving != NULL && !c->giving->written) {
        return 0; /* it came after that tree was sealed: the next one is its */
    }
    gs_digest_tree_share(&c->tree, tree);
    int error = gs_vector_copy(&c->vector, &core->stored);
    if (error != 0) {
        return error;
    }
    if (c->giving != NULL) {
        return gs_giving_root(core, c, update);
    }
    if (c->verify != NULL) {
        struct gs_compare ask = {.op = GS_COMPARE_ASK, .vector = c->vector, .fresh = c->fresh};
        c->stage = GS_COMPARING_ASKED;
        c->deadline_mono_ms = core->mono_ms + GS_COMPARE_ANSWER_MS;
        return gs_comparison_send(c, &ask, update);
    }
    error = gs_comparison_cut(core, c, update);
    if (error == GS_ECHAIN || error == GS_EOVERLOADED) {
        error = gs_comparison_fail(core, c, error == GS_ECHAIN ? GS_COMPARE_DAMAGED : GS_COMPARE_FAR, "", update);
    }
    return error;
}

int gs_compares_take(struct gs_core *core, const struct gs_digest_tree *tree, struct gs_update *update) {
    int error = 0;
    for (int i = 0; error == 0 && i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c != NULL && c->stage == GS_COMPARING_TREE) {
            error = got_tree(core, c, tree, update);
        }
    }
    return error;
}

/* Sessions whose memory is hashed take a tree: now, or when the next group is sealed. */
static int take_trees(struct gs_core *core, struct gs_update *update) {
    bool wanted = false;
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c != NULL && c->stage == GS_COMPARING_SCRUB && core->digest.scrub_passes >= c->scrub_passes) {
            c->stage = GS_COMPARING_TREE;
        }
        wanted = wanted || (c != NULL && c->stage == GS_COMPARING_TREE);
    }
    struct gs_digest_tree tree;
    int error = wanted ? gs_digest_take(core, &tree) : GS_EBUSY;
    if (error == 0) {
        error = gs_givings_sealed(core);
    }
    if (error != 0) {
        return error == GS_EBUSY ? 0 : error;
    }
    core->digest.wanted = false;
    error = gs_compares_take(core, &tree, update);
    gs_digest_tree_close(&tree);
    return error;
}

int gs_compares_tick(struct gs_core *core, struct gs_update *update) {
    int error = gs_scrub_step(core);
    if (error == 0) {
        error = take_trees(core, update);
    }
    for (int i = 0; error == 0 && i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c == NULL || core->mono_ms < c->deadline_mono_ms || c->stage == GS_COMPARING_SCRUB) {
            continue;
        }
        if (c->verify != NULL) {
            error = gs_verify_failed(core, c, "the peer does not answer", update);
        } else {
            gs_comparison_end(core, c);
        }
    }
    return error;
}

static struct gs_comparison *find_on_wire(struct gs_core *core, gs_peer peer, uint64_t session, bool asking) {
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c != NULL && c->giving == NULL && c->peer == peer && c->session == session &&
            (c->verify != NULL) == asking) {
            return c;
        }
    }
    return NULL;
}

static int dispatch(struct gs_core *core, struct gs_peer_state *peer, struct gs_compare *compare,
                    struct gs_update *update) {
    bool answer = compare->op == GS_COMPARE_ROOT || compare->op == GS_COMPARE_NODES ||
                  compare->op == GS_COMPARE_STATES || compare->op == GS_COMPARE_MENDED;
    struct gs_comparison *c = find_on_wire(core, peer->id, compare->session, answer);
    if (compare->op == GS_COMPARE_END && c == NULL) {
        c = find_on_wire(core, peer->id, compare->session, true);
    }
    if (compare->op == GS_COMPARE_ASK) {
        return c == NULL ? gs_answer_ask(core, peer->id, compare, update) : 0;
    }
    if (c == NULL) { /* of a session that is over, or that is none of ours */
        return gs_bootstrap_second(core, peer, compare, update);
    }
    uint64_t id = c->id;
    int error =
        c->verify != NULL ? gs_verify_answer(core, c, compare, update) : gs_answer_question(core, c, compare, update);
    return give_way(core, id, error, update);
}

int gs_compares_message(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                        struct gs_update *update) {
    struct gs_compare compare;
    int error = gs_compare_decode(message->compare, &compare);
    if (error == GS_ENOMEM) {
        return error;
    }
    if (error != 0) {
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    error = dispatch(core, peer, &compare, update);
    gs_compare_close(&compare);
    return error;
}

void gs_compares_peer_down(struct gs_core *core, gs_peer peer) {
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c != NULL && c->peer == peer) {
            if (c->verify != NULL) {
                gs_verify_lost(core, c);
            } else {
                gs_comparison_end(core, c);
            }
        }
    }
}
