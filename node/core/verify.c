/* The side of a comparison that asks; see compare.h. */
#include "node/core/verify.h"

#include "gossip/attestation.h"
#include "node/core/compare_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRONTIER_MAX = 1 << 18 };

int gs_verify_begin(struct gs_core *core, struct gs_verify *verify, gs_peer peer, const gs_public_key *key, bool fresh,
                    struct gs_update *update) {
    struct gs_comparison *c = gs_comparison_begin(core, peer, verify, fresh);
    if (c == NULL) {
        return GS_EOVERLOADED;
    }
    verify->comparison = c->id;
    verify->key = *key;
    verify->phase = GS_VERIFY_ROOTS;
    return gs_compares_tick(core, update);
}

static void close_items(struct gs_verify *verify) {
    for (uint32_t i = 0; i < verify->item_count; i++) {
        gs_buffer_close(&verify->items[i].state);
    }
    verify->item_count = verify->items_left = 0;
}

void gs_verify_close(struct gs_verify *verify) {
    close_items(verify);
    for (uint32_t i = 0; i < verify->difference_count; i++) {
        gs_buffer_close(&verify->differences[i].fields);
    }
    gs_vector_close(&verify->cut);
    gs_buffer_close(&verify->statement);
    free(verify->differences);
    free(verify->frontier);
    free(verify->wants);
    free(verify->missing);
    free(verify->mends);
    *verify = (struct gs_verify){0};
}

static void over(struct gs_core *core, struct gs_comparison *c, struct gs_verify *verify, enum gs_verify_phase phase) {
    close_items(verify);
    verify->phase = phase;
    verify->comparison = 0;
    core->stats.verify_runs++;
    gs_comparison_end(core, c);
}

int gs_verify_failed(struct gs_core *core, struct gs_comparison *c, const char *reason, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    (void)update;
    snprintf(verify->reason, sizeof verify->reason, "%s", reason);
    over(core, c, verify, GS_VERIFY_FAILED);
    return 0;
}

void gs_verify_lost(struct gs_core *core, struct gs_comparison *c) {
    (void)gs_verify_failed(core, c, "the link to the peer was lost", NULL);
}

int gs_verify_cancel(struct gs_core *core, struct gs_verify *verify, struct gs_update *update) {
    struct gs_comparison *c = gs_comparison_find(core, verify->comparison);
    if (c == NULL || verify->comparison == 0) {
        return 0;
    }
    return gs_comparison_fail(core, c, GS_COMPARE_DONE, "cancelled", update);
}

static int finish(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_compare end = {.op = GS_COMPARE_END, .end = GS_COMPARE_DONE};
    int error = gs_comparison_send(c, &end, update);
    over(core, c, c->verify, GS_VERIFY_DONE);
    return error;
}

/* What a peer has said does not fit what it said before: it is named, and this is over. */
static int contradicts(struct gs_core *core, struct gs_comparison *c, const char *what, struct gs_update *update) {
    char reason[GS_VERIFY_REASON_SIZE];
    snprintf(reason, sizeof reason, "the peer contradicts the root it signed: %s", what);
    return gs_comparison_fail(core, c, GS_COMPARE_DONE, reason, update);
}

/* The next question, or the next phase. Implemented below. */
static int go_on(struct gs_core *core, struct gs_comparison *c, struct gs_update *update);

int gs_verify_at_cut(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    uint64_t count;
    gs_digest_tree_root(&c->tree, &verify->ours, &count);
    verify->has_roots = true;
    verify->equal = memcmp(verify->ours.bytes, verify->theirs.bytes, GS_HASH_SIZE) == 0;
    verify->ranges++;
    int error = gs_vector_copy(&verify->cut, &c->cut);
    if (error != 0 || verify->equal || !verify->drill) {
        return error != 0 ? error : finish(core, c, update);
    }
    verify->frontier = calloc(1, sizeof *verify->frontier);
    if (verify->frontier == NULL) {
        return GS_ENOMEM;
    }
    verify->frontier_count = verify->frontier_capacity = 1;
    verify->phase = GS_VERIFY_DESCEND;
    return go_on(core, c, update);
}

static int take_root(struct gs_core *core, struct gs_comparison *c, struct gs_compare *answer,
                     struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    if (c->stage != GS_COMPARING_ASKED) {
        return contradicts(core, c, "a second root", update);
    }
    c->theirs = answer->vector;
    answer->vector = (struct gs_vector){0};
    int error = gs_comparison_minimum(&c->vector, &c->theirs, &c->cut);
    if (error == GS_ECHAIN || gs_forks_part(core, &c->theirs)) {
        return gs_comparison_fail(core, c, GS_COMPARE_DONE, "the histories differ: an origin has forked", update);
    }
    struct gs_attestation attestation = {
        .key = verify->key, .vector = &c->cut, .root = answer->root, .count = answer->leaves};
    memcpy(attestation.signature, answer->signature, sizeof attestation.signature);
    error = error != 0 ? error : gs_attestation_verify(&attestation, &core->config.cluster);
    if (error == GS_ESIGNATURE) {
        return contradicts(core, c, "its signature does not hold", update);
    }
    verify->theirs = answer->root;
    verify->leaves = answer->leaves;
    verify->statement.length = 0;
    gs_digest_write_statement(core, &attestation, &verify->statement);
    error = error != 0 ? error : gs_comparison_cut(core, c, update);
    return error == GS_EOVERLOADED
               ? gs_comparison_fail(core, c, GS_COMPARE_DONE,
                                    "too many aggregates have changed since what both regions have", update)
               : error;
}

static int push_want(struct gs_verify *verify, const struct gs_digest_prefix *prefix,
                     const uint8_t hash[GS_COMPARE_HASH_SIZE]) {
    int error =
        gs_array_reserve((void **)&verify->wants, &verify->want_capacity, verify->want_count, sizeof *verify->wants);
    if (error == 0) {
        struct gs_verify_want *want = &verify->wants[verify->want_count++];
        want->prefix = *prefix;
        memcpy(want->hash, hash, GS_COMPARE_HASH_SIZE);
    }
    return error;
}

struct below {
    struct gs_verify *verify;
    const gs_digest_path *except;
    const uint8_t *hash; /* looked for */
    bool found;
};

/* Our leaves that the peer lacks. */
static int push_missing(void *context, const struct gs_digest_leaf *leaf) {
    struct below *below = context;
    struct gs_verify *verify = below->verify;
    if ((below->except != NULL && memcmp(below->except, &leaf->path, sizeof leaf->path) == 0) ||
        (below->hash != NULL && memcmp(below->hash, leaf->hash.bytes, GS_COMPARE_HASH_SIZE) == 0)) {
        return 0;
    }
    int error = gs_array_reserve((void **)&verify->missing, &verify->missing_capacity, verify->missing_count,
                                 sizeof *verify->missing);
    if (error == 0) {
        verify->missing[verify->missing_count++] = leaf->path;
    }
    return error;
}

static int look_for(void *context, const struct gs_digest_leaf *leaf) {
    struct below *below = context;
    below->found = memcmp(below->hash, leaf->hash.bytes, GS_COMPARE_HASH_SIZE) == 0;
    return below->found ? 1 : 0;
}

/* The peer has one leaf below a prefix. If we have it too, the rest of what we have there is missing at the peer's. */
static int compare_leaf(struct gs_comparison *c, const struct gs_digest_prefix *prefix,
                        const uint8_t hash[GS_COMPARE_HASH_SIZE]) {
    struct below below = {.verify = c->verify, .hash = hash};
    c->verify->claimed++;
    (void)gs_digest_tree_visit(&c->tree, prefix, look_for, &below);
    return below.found ? gs_digest_tree_visit(&c->tree, prefix, push_missing, &below)
                       : push_want(c->verify, prefix, hash);
}

static int compare_inner(struct gs_comparison *c, const struct gs_digest_entry *ours,
                         const struct gs_digest_prefix *prefix, const uint8_t hash[GS_COMPARE_HASH_SIZE]) {
    struct gs_verify *verify = c->verify;
    if (ours->kind == GS_DIGEST_INNER && memcmp(ours->hash.bytes, hash, GS_COMPARE_HASH_SIZE) == 0) {
        return 0;
    }
    if (prefix->depth >= GS_DIGEST_DEPTH_MAX || verify->frontier_count >= FRONTIER_MAX) {
        return GS_EFORMAT;
    }
    int error = gs_array_reserve((void **)&verify->frontier, &verify->frontier_capacity, verify->frontier_count,
                                 sizeof *verify->frontier);
    if (error == 0) {
        verify->frontier[verify->frontier_count++] = *prefix;
    }
    return error;
}

static int compare_children(struct gs_comparison *c, const struct gs_digest_prefix *prefix,
                            const struct gs_compare_children *theirs) {
    struct gs_digest_entry ours[GS_DIGEST_FANOUT];
    struct below below = {.verify = c->verify};
    int error = 0;
    gs_digest_tree_children(&c->tree, prefix, ours);
    for (uint8_t i = 0; error == 0 && i < GS_DIGEST_FANOUT; i++) {
        struct gs_digest_prefix child = gs_digest_child(prefix, i);
        if ((theirs->leaf >> i & 1) != 0) {
            error = compare_leaf(c, &child, theirs->hashes[i]);
        } else if ((theirs->inner >> i & 1) != 0) {
            error = compare_inner(c, &ours[i], &child, theirs->hashes[i]);
        } else if (ours[i].kind != GS_DIGEST_NONE) {
            error = gs_digest_tree_visit(&c->tree, &child, push_missing, &below);
        }
    }
    return error;
}

/* An inner node has two leaves at least: whoever shows more nodes than that allows makes them up. */
static bool is_too_much(const struct gs_verify *verify) {
    return verify->claimed > verify->leaves || verify->opened > 1 + (verify->leaves + 1) * (GS_DIGEST_DEPTH_MAX - 1);
}

static int take_nodes(struct gs_core *core, struct gs_comparison *c, const struct gs_compare *answer,
                      struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    int error = 0;
    if (verify->phase != GS_VERIFY_DESCEND || answer->count != verify->opening) {
        return contradicts(core, c, "an answer that was not asked for", update);
    }
    verify->opened += verify->opening;
    verify->ranges += verify->opening;
    for (uint32_t i = 0; error == 0 && i < answer->count; i++) {
        struct gs_digest_prefix prefix = verify->frontier[verify->opened - verify->opening + i];
        error = compare_children(c, &prefix, &answer->children[i]);
    }
    verify->opening = 0;
    if (error == GS_EFORMAT || is_too_much(verify)) {
        return contradicts(core, c, "it shows more than it has counted", update);
    }
    if (error != 0) {
        return error;
    }
    if (verify->want_count + verify->missing_count > GS_VERIFY_DIFFERING_MAX) {
        return gs_comparison_fail(core, c, GS_COMPARE_DONE, "more aggregates differ than can be examined", update);
    }
    return go_on(core, c, update);
}

static bool is_of_type(const struct gs_verify *verify, struct gs_slice name) {
    struct gs_slice type, id;
    if (!gs_name_split(name, &type, &id)) {
        return false;
    }
    for (uint32_t i = 0; i < verify->type_count; i++) {
        if (gs_slice_compare(type, gs_slice_make(verify->types[i], strlen(verify->types[i]))) == 0) {
            return true;
        }
    }
    return verify->type_count == 0;
}

/* Puts an aggregate into the batch, and asks the log what it should be. */
static int examine(struct gs_core *core, struct gs_comparison *c, struct gs_slice name, const gs_hash *theirs,
                   struct gs_slice state, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    struct gs_verify_item *item = &verify->items[verify->item_count];
    gs_digest_path path = gs_digest_path_of(c->tree.key, name);
    struct gs_digest_leaf ours;
    if (!is_of_type(verify, name)) {
        return 0;
    }
    *item = (struct gs_verify_item){.there = theirs != NULL, .there_in_full = state.length > 0};
    memcpy(item->name, name.bytes, name.length);
    item->here = gs_digest_tree_find(&c->tree, &path, &ours);
    item->ours = item->here ? ours.hash : item->ours;
    item->theirs = theirs != NULL ? *theirs : item->theirs;
    gs_buffer_append(&item->state, state.bytes, state.length);
    verify->item_count++;
    verify->items_left++;
    int error = item->state.failed;
    return error != 0 ? error : gs_compares_rebuild(core, c, GS_REBUILD_JUDGE, verify->item_count - 1, name, update);
}

static bool has_prefix(const gs_digest_path *path, const struct gs_digest_prefix *prefix) {
    for (uint32_t i = 0; i < prefix->depth; i++) {
        if (gs_digest_nibble(path, i) != gs_digest_nibble(&prefix->path, i)) {
            return false;
        }
    }
    return true;
}

/* One state that was wanted. GS_EFORMAT: it is not what was claimed. */
static int take_state(struct gs_core *core, struct gs_comparison *c, const struct gs_verify_want *want,
                      const struct gs_compare_state *state, struct gs_update *update) {
    struct gs_slice type, id;
    if (!gs_name_split(state->name, &type, &id)) {
        return GS_EFORMAT;
    }
    gs_digest_path path = gs_digest_path_of(c->tree.key, state->name);
    gs_hash hash = {{0}};
    memcpy(hash.bytes, want->hash, GS_COMPARE_HASH_SIZE);
    if (!has_prefix(&path, &want->prefix)) {
        return GS_EFORMAT;
    }
    if (state->state.length > 0) {
        int error = gs_rebuilt_hash(core, state->name, state->state, &hash);
        if (error != 0) {
            return error == GS_ENOMEM ? error : GS_EFORMAT;
        }
        if (memcmp(hash.bytes, want->hash, GS_COMPARE_HASH_SIZE) != 0) {
            return GS_EFORMAT;
        }
    }
    struct below below = {.verify = c->verify, .except = &path};
    int error = gs_digest_tree_visit(&c->tree, &want->prefix, push_missing, &below);
    return error != 0 ? error : examine(core, c, state->name, &hash, state->state, update);
}

static int take_states(struct gs_core *core, struct gs_comparison *c, const struct gs_compare *answer,
                       struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    int error = 0;
    if (verify->phase != GS_VERIFY_EXAMINE || answer->count != verify->wanting) {
        return contradicts(core, c, "an answer that was not asked for", update);
    }
    verify->wanting = 0;
    for (uint32_t i = 0; error == 0 && i < answer->count; i++) {
        error = take_state(core, c, &verify->wants[verify->wanted++], &answer->states[i], update);
    }
    if (error == GS_EFORMAT) {
        return contradicts(core, c, "a state is not what its hash was of", update);
    }
    return error != 0 || verify->items_left > 0 ? error : go_on(core, c, update);
}

static int take_mended(struct gs_core *core, struct gs_comparison *c, const struct gs_compare *answer,
                       struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    if (verify->phase != GS_VERIFY_MEND_THEIRS || answer->count != verify->mending_count) {
        return contradicts(core, c, "an answer that was not asked for", update);
    }
    for (uint32_t i = 0; i < answer->count; i++) {
        if (answer->mended[i] == GS_MENDED_REPAIRED) {
            gs_verify_note_repaired(verify, verify->mends[verify->mending[i]].name);
        }
    }
    verify->mending_count = 0;
    return go_on(core, c, update);
}

static int take_end(struct gs_core *core, struct gs_comparison *c, enum gs_compare_end end, struct gs_update *update) {
    static const char *const reasons[] = {
        [GS_COMPARE_DONE] = "the peer ended the comparison",
        [GS_COMPARE_BUSY] = "the peer is busy with other comparisons",
        [GS_COMPARE_FAR] = "too many aggregates have changed since what both regions have",
        [GS_COMPARE_DAMAGED] = "the peer cannot read its log, or its history is another one",
    };
    return gs_verify_failed(core, c, reasons[end], update);
}

int gs_verify_answer(struct gs_core *core, struct gs_comparison *c, struct gs_compare *answer,
                     struct gs_update *update) {
    c->deadline_mono_ms = core->mono_ms + GS_COMPARE_ANSWER_MS;
    switch (answer->op) {
    case GS_COMPARE_ROOT:
        return take_root(core, c, answer, update);
    case GS_COMPARE_NODES:
        return take_nodes(core, c, answer, update);
    case GS_COMPARE_STATES:
        return take_states(core, c, answer, update);
    case GS_COMPARE_MENDED:
        return take_mended(core, c, answer, update);
    case GS_COMPARE_END:
        return take_end(core, c, answer->end, update);
    default:
        return contradicts(core, c, "a question for an answer", update);
    }
}

static int ask_open(struct gs_comparison *c, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    struct gs_compare_prefix prefixes[GS_COMPARE_OPEN_MAX];
    struct gs_compare open = {.op = GS_COMPARE_OPEN, .prefixes = prefixes};
    while (open.count < GS_COMPARE_OPEN_MAX && verify->opened + open.count < verify->frontier_count) {
        const struct gs_digest_prefix *prefix = &verify->frontier[verify->opened + open.count];
        prefixes[open.count].depth = prefix->depth;
        memcpy(prefixes[open.count++].path, prefix->path.bytes, GS_COMPARE_PATH_SIZE);
    }
    verify->opening = open.count;
    return gs_comparison_send(c, &open, update);
}

static int ask_want(struct gs_comparison *c, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    struct gs_compare_prefix prefixes[GS_COMPARE_WANT_MAX];
    struct gs_compare want = {.op = GS_COMPARE_WANT, .prefixes = prefixes};
    while (want.count < GS_COMPARE_WANT_MAX && verify->wanted + want.count < verify->want_count) {
        const struct gs_digest_prefix *prefix = &verify->wants[verify->wanted + want.count].prefix;
        prefixes[want.count].depth = prefix->depth;
        memcpy(prefixes[want.count++].path, prefix->path.bytes, GS_COMPARE_PATH_SIZE);
    }
    verify->wanting = want.count;
    return gs_comparison_send(c, &want, update);
}

static int examine_missing(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    int error = 0;
    while (error == 0 && verify->item_count < GS_VERIFY_BATCH && verify->missed < verify->missing_count) {
        struct gs_digest_leaf leaf;
        if (gs_digest_tree_find(&c->tree, &verify->missing[verify->missed++], &leaf)) {
            error = examine(core, c, leaf.name, NULL, (struct gs_slice){0}, update);
        }
    }
    return error != 0 || verify->items_left > 0 ? error : go_on(core, c, update);
}

/* All that differs is known. */
static int end_examination(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    if (verify->want_count + verify->missing_count == 0) {
        return contradicts(core, c, "nothing differs below it", update);
    }
    if (!verify->mend) {
        return finish(core, c, update);
    }
    verify->phase = GS_VERIFY_MEND_OURS;
    return go_on(core, c, update);
}

static int mend_ours(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    int error = 0;
    for (; error == 0 && c->rebuilding < GS_VERIFY_BATCH && verify->mended_ours < verify->mend_count;
         verify->mended_ours++) {
        const struct gs_verify_mend *mend = &verify->mends[verify->mended_ours];
        if (mend->ours) {
            error = gs_compares_rebuild(core, c, GS_REBUILD_MEND, verify->mended_ours,
                                        gs_slice_make(mend->name, strlen(mend->name)), update);
        }
    }
    if (error != 0 || c->rebuilding > 0) {
        return error;
    }
    verify->phase = GS_VERIFY_MEND_THEIRS;
    return go_on(core, c, update);
}

static int mend_theirs(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    struct gs_compare_prefix prefixes[GS_COMPARE_OPEN_MAX];
    struct gs_compare mend = {.op = GS_COMPARE_MEND, .prefixes = prefixes};
    for (; mend.count < GS_COMPARE_OPEN_MAX && verify->mended_theirs < verify->mend_count; verify->mended_theirs++) {
        const struct gs_verify_mend *item = &verify->mends[verify->mended_theirs];
        if (!item->ours) {
            gs_digest_path path = gs_digest_path_of(c->tree.key, gs_slice_make(item->name, strlen(item->name)));
            verify->mending[mend.count] = verify->mended_theirs;
            prefixes[mend.count].depth = GS_COMPARE_DEPTH_MAX;
            memcpy(prefixes[mend.count++].path, path.bytes, GS_COMPARE_PATH_SIZE);
        }
    }
    verify->mending_count = mend.count;
    return mend.count > 0 ? gs_comparison_send(c, &mend, update) : finish(core, c, update);
}

static int go_on(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    if (verify->phase == GS_VERIFY_DESCEND) {
        if (verify->opened < verify->frontier_count) {
            return ask_open(c, update);
        }
        verify->phase = GS_VERIFY_EXAMINE;
    }
    if (verify->phase == GS_VERIFY_EXAMINE) {
        close_items(verify);
        if (verify->wanted < verify->want_count) {
            return ask_want(c, update);
        }
        return verify->missed < verify->missing_count ? examine_missing(core, c, update)
                                                      : end_examination(core, c, update);
    }
    return verify->phase == GS_VERIFY_MEND_OURS ? mend_ours(core, c, update) : mend_theirs(core, c, update);
}

static int mended_ours(struct gs_core *core, struct gs_comparison *c, const struct gs_rebuild_slot *slot,
                       const struct gs_core_event *event, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    struct gs_slice name = gs_slice_make(slot->name, strlen(slot->name));
    enum gs_mended mended = event->rebuilt.error != 0
                                ? GS_MENDED_FAILED
                                : gs_mend(core, name, event->rebuilt.version, event->rebuilt.state, update);
    if (mended == GS_MENDED_BUSY && verify->retries++ < GS_MEND_RETRIES) {
        return gs_compares_rebuild(core, c, GS_REBUILD_MEND, slot->item, name, update);
    }
    if (mended == GS_MENDED_REPAIRED) {
        gs_verify_note_repaired(verify, slot->name);
    }
    return go_on(core, c, update);
}

int gs_verify_rebuilt(struct gs_core *core, struct gs_comparison *c, const struct gs_rebuild_slot *slot,
                      const struct gs_core_event *event, struct gs_update *update) {
    struct gs_verify *verify = c->verify;
    c->deadline_mono_ms = core->mono_ms + GS_COMPARE_ANSWER_MS;
    if (slot->use == GS_REBUILD_MEND) {
        return mended_ours(core, c, slot, event, update);
    }
    if (slot->item >= verify->item_count) {
        return 0;
    }
    int error = gs_verify_judge(core, c, &verify->items[slot->item], event);
    verify->items_left--;
    return error != 0 || verify->items_left > 0 ? error : go_on(core, c, update);
}

uint32_t gs_verify_percent(const struct gs_verify *verify) {
    uint32_t examined = verify->wanted + verify->missed;
    uint32_t all = verify->want_count + verify->missing_count;
    uint32_t mended = (verify->mended_ours + verify->mended_theirs) / 2;
    switch (verify->phase) {
    case GS_VERIFY_ROOTS:
        return verify->has_roots ? 20 : 5;
    case GS_VERIFY_DESCEND:
        return 20 + (verify->frontier_count > 0 ? 20 * verify->opened / verify->frontier_count : 0);
    case GS_VERIFY_EXAMINE:
        return 40 + (all > 0 ? 40 * examined / all : 0);
    case GS_VERIFY_MEND_OURS:
    case GS_VERIFY_MEND_THEIRS:
        return 80 + (verify->mend_count > 0 ? 19 * mended / verify->mend_count : 0);
    case GS_VERIFY_DONE:
    case GS_VERIFY_FAILED:
        break;
    }
    return 100;
}
