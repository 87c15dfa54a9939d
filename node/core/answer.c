/* The side of a comparison that answers; see compare.h. It says what its tree says, and never believes anything. */
#include "gossip/attestation.h"
#include "node/core/compare_impl.h"

#include <stdlib.h>
#include <string.h>

void gs_answer_close(struct gs_comparison *c) {
    for (uint32_t i = 0; c->texts != NULL && i < 2 * c->answer.count; i++) {
        gs_buffer_close(&c->texts[i]);
    }
    free(c->texts);
    c->texts = NULL;
    free(c->answer.states);
    c->answer = (struct gs_compare){0};
    c->answering = false;
    c->answer_bytes = 0;
}

/* A session that was answered and that its asker has not gone on with: it may be over, and the word of that is lost. */
static bool is_idle(const struct gs_core *core, const struct gs_comparison *c) {
    return c->stage == GS_COMPARING_OPEN && !c->answering && c->rebuilding == 0 && c->giving == NULL &&
           core->mono_ms + GS_COMPARE_IDLE_MS >= c->deadline_mono_ms + GS_COMPARE_STALE_MS;
}

/* Whether the peer may have one more session; the one that was idle for longest gives way. */
static bool make_room(struct gs_core *core, gs_peer peer) {
    struct gs_comparison *idle = NULL;
    uint32_t count = 0;
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c == NULL || c->peer != peer || c->verify != NULL) {
            continue;
        }
        count++;
        bool longer = idle == NULL || c->deadline_mono_ms < idle->deadline_mono_ms;
        idle = is_idle(core, c) && longer ? c : idle;
    }
    if (count >= GS_COMPARES_PER_PEER && idle != NULL) {
        gs_comparison_end(core, idle);
        count--;
    }
    return count < GS_COMPARES_PER_PEER;
}

int gs_answer_ask(struct gs_core *core, gs_peer peer, struct gs_compare *ask, struct gs_update *update) {
    struct gs_comparison *c = make_room(core, peer) ? gs_comparison_new(core, peer, ask->session, ask->fresh) : NULL;
    if (c == NULL) {
        struct gs_comparison refused = {.peer = peer, .session = ask->session};
        struct gs_compare busy = {.op = GS_COMPARE_END, .end = GS_COMPARE_BUSY};
        return gs_comparison_send(&refused, &busy, update);
    }
    c->theirs = ask->vector;
    ask->vector = (struct gs_vector){0};
    return gs_compares_tick(core, update);
}

int gs_answer_root(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_attestation attestation;
    int error = gs_digest_attest(core, &c->tree, &c->cut, &attestation);
    if (error != 0) {
        return error;
    }
    struct gs_compare root = {
        .op = GS_COMPARE_ROOT, .vector = c->vector, .root = attestation.root, .leaves = attestation.count};
    memcpy(root.signature, attestation.signature, sizeof root.signature);
    return gs_comparison_send(c, &root, update);
}

static struct gs_digest_prefix prefix_of(const struct gs_compare_prefix *prefix) {
    struct gs_digest_prefix result = {.depth = prefix->depth};
    memcpy(result.path.bytes, prefix->path, sizeof result.path.bytes);
    return result;
}

static int answer_open(struct gs_comparison *c, const struct gs_compare *question, struct gs_update *update) {
    struct gs_compare nodes = {.op = GS_COMPARE_NODES, .count = question->count};
    nodes.children = calloc(question->count, sizeof *nodes.children);
    if (nodes.children == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < question->count; i++) {
        struct gs_digest_entry entries[GS_DIGEST_FANOUT];
        struct gs_digest_prefix prefix = prefix_of(&question->prefixes[i]);
        if (prefix.depth == GS_DIGEST_DEPTH_MAX) {
            continue; /* nothing lies below a whole path */
        }
        gs_digest_tree_children(&c->tree, &prefix, entries);
        for (uint32_t j = 0; j < GS_DIGEST_FANOUT; j++) {
            uint16_t bit = (uint16_t)(1U << j);
            nodes.children[i].inner |= entries[j].kind == GS_DIGEST_INNER ? bit : 0;
            nodes.children[i].leaf |= entries[j].kind == GS_DIGEST_LEAF ? bit : 0;
            memcpy(nodes.children[i].hashes[j], entries[j].hash.bytes, GS_COMPARE_HASH_SIZE);
        }
    }
    int error = gs_comparison_send(c, &nodes, update);
    free(nodes.children);
    return error;
}

struct only {
    uint32_t count;
    struct gs_digest_leaf leaf;
};

static int note_leaf(void *context, const struct gs_digest_leaf *leaf) {
    struct only *only = context;
    only->leaf = *leaf;
    return ++only->count > 1 ? 1 : 0;
}

static int send_answer(struct gs_comparison *c, struct gs_update *update) {
    for (uint32_t i = 0; c->answer.states != NULL && i < c->answer.count; i++) {
        const struct gs_buffer *texts = c->texts + 2 * (size_t)i;
        if (texts[0].failed != 0 || texts[1].failed != 0) {
            return GS_ENOMEM;
        }
        c->answer.states[i].name = gs_slice_make(texts[0].bytes, texts[0].length);
        c->answer.states[i].state = gs_slice_make(texts[1].bytes, texts[1].length);
    }
    int error = gs_comparison_send(c, &c->answer, update);
    gs_answer_close(c);
    return error;
}

static void keep_state(struct gs_comparison *c, uint32_t item, struct gs_slice state) {
    if (c->answer_bytes + state.length <= GS_COMPARE_STATES_BYTES) {
        gs_buffer_append(&c->texts[2 * (size_t)item + 1], state.bytes, state.length);
        c->answer_bytes += state.length;
    }
}

/* The state of one leaf: from memory, if that is still what the leaf was made of, else from the log. */
static int collect_state(struct gs_core *core, struct gs_comparison *c, const struct gs_compare_prefix *wanted,
                         uint32_t item, struct gs_update *update) {
    struct gs_digest_prefix prefix = prefix_of(wanted);
    struct only only = {0};
    (void)gs_digest_tree_visit(&c->tree, &prefix, note_leaf, &only);
    if (only.count != 1) {
        return 0;
    }
    gs_buffer_append(&c->texts[2 * (size_t)item], only.leaf.name.bytes, only.leaf.name.length);
    const struct gs_aggregate *memory = gs_comparison_memory(core, &only.leaf);
    if (memory == NULL) {
        return gs_compares_rebuild(core, c, GS_REBUILD_STATE, item, only.leaf.name, update);
    }
    struct gs_buffer state = {0};
    int error = gs_aggregate_encode(memory, GS_ENCODE_FULL, &state);
    if (error == 0) {
        keep_state(c, item, gs_slice_make(state.bytes, state.length));
    }
    gs_buffer_close(&state);
    return error;
}

static int answer_want(struct gs_core *core, struct gs_comparison *c, const struct gs_compare *question,
                       struct gs_update *update) {
    c->answering = true;
    c->answer = (struct gs_compare){.op = GS_COMPARE_STATES, .count = question->count};
    c->texts = calloc(2 * (size_t)question->count, sizeof *c->texts);
    c->answer.states = calloc(question->count, sizeof *c->answer.states);
    int error = c->texts == NULL || c->answer.states == NULL ? GS_ENOMEM : 0;
    for (uint32_t i = 0; error == 0 && i < question->count; i++) {
        error = collect_state(core, c, &question->prefixes[i], i, update);
    }
    return error != 0 || c->rebuilding > 0 ? error : send_answer(c, update);
}

static int answer_mend(struct gs_core *core, struct gs_comparison *c, const struct gs_compare *question,
                       struct gs_update *update) {
    int error = 0;
    c->answering = true;
    c->answer = (struct gs_compare){.op = GS_COMPARE_MENDED, .count = question->count};
    for (uint32_t i = 0; error == 0 && i < question->count; i++) {
        struct gs_digest_prefix prefix = prefix_of(&question->prefixes[i]);
        struct gs_digest_leaf leaf;
        c->answer.mended[i] = GS_MENDED_FAILED;
        if (prefix.depth == GS_DIGEST_DEPTH_MAX && gs_digest_tree_find(&c->tree, &prefix.path, &leaf)) {
            error = gs_compares_rebuild(core, c, GS_REBUILD_MEND, i, leaf.name, update);
        }
    }
    return error != 0 || c->rebuilding > 0 ? error : send_answer(c, update);
}

int gs_answer_question(struct gs_core *core, struct gs_comparison *c, const struct gs_compare *question,
                       struct gs_update *update) {
    if (question->op == GS_COMPARE_END) {
        gs_comparison_end(core, c);
        return 0;
    }
    if (c->stage != GS_COMPARING_OPEN || c->answering) {
        return 0; /* one question at a time; who asks more gets no answer */
    }
    int error = 0;
    c->deadline_mono_ms = core->mono_ms + GS_COMPARE_IDLE_MS;
    if (question->op == GS_COMPARE_OPEN) {
        error = answer_open(c, question, update);
    } else if (question->op == GS_COMPARE_WANT) {
        error = answer_want(core, c, question, update);
    } else {
        error = answer_mend(core, c, question, update);
    }
    return error;
}

int gs_answer_rebuilt(struct gs_core *core, struct gs_comparison *c, const struct gs_rebuild_slot *slot,
                      const struct gs_core_event *event, struct gs_update *update) {
    struct gs_slice name = gs_slice_make(slot->name, strlen(slot->name));
    if (slot->use == GS_REBUILD_STATE && event->rebuilt.error == 0) {
        keep_state(c, slot->item, event->rebuilt.state);
    }
    if (slot->use == GS_REBUILD_MEND) {
        enum gs_mended mended = event->rebuilt.error != 0
                                    ? GS_MENDED_FAILED
                                    : gs_mend(core, name, event->rebuilt.version, event->rebuilt.state, update);
        c->answer.mended[slot->item] = (uint8_t)mended;
        if (mended == GS_MENDED_BUSY && c->retries++ < GS_MEND_RETRIES) {
            return gs_compares_rebuild(core, c, GS_REBUILD_MEND, slot->item, name, update);
        }
    }
    return c->answering && c->rebuilding == 0 ? send_answer(c, update) : 0;
}
