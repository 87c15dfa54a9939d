#include "node/core/giving.h"

#include "node/core/compare_impl.h"

#include <stdlib.h>
#include <string.h>

static void drop_leaves(struct gs_giving *giving) {
    for (uint32_t i = 0; i < giving->leaf_count; i++) {
        gs_buffer_close(&giving->leaves[i].state);
    }
    giving->leaf_count = 0;
    giving->bytes = 0;
    giving->too_large = false;
}

void gs_giving_free(struct gs_giving *giving) {
    if (giving != NULL) {
        drop_leaves(giving);
        free(giving->leaves);
        gs_buffer_close(&giving->besides);
        free(giving);
    }
}

static int send_end(gs_peer peer, uint64_t session, enum gs_snapshot_end end, struct gs_update *update) {
    const struct gs_snapshot message = {.op = GS_SNAPSHOT_END, .session = session, .end = end};
    return gs_snapshot_send(peer, &message, update);
}

/* Of the peer's snapshots one is enough: a new question ends the one before. */
static uint32_t make_room(struct gs_core *core, gs_peer peer) {
    uint32_t count = 0;
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c != NULL && c->giving != NULL && c->peer == peer) {
            gs_comparison_end(core, c);
        } else {
            count += c != NULL && c->giving != NULL ? 1 : 0;
        }
    }
    return count;
}

int gs_giving_ask(struct gs_core *core, struct gs_peer_state *peer, const struct gs_snapshot *ask,
                  struct gs_update *update) {
    struct gs_comparison *c = make_room(core, peer->id) < GS_GIVINGS_MAX && !core->bootstrap.active
                                  ? gs_comparison_new(core, peer->id, ask->session, false)
                                  : NULL;
    if (c == NULL) {
        return send_end(peer->id, ask->session, GS_SNAPSHOT_BUSY, update);
    }
    c->giving = calloc(1, sizeof *c->giving);
    if (c->giving == NULL) {
        return GS_ENOMEM;
    }
    if (!core->in_flight && gs_group_is_empty(core)) {
        int error = gs_givings_sealed(core);
        if (error != 0) {
            return error;
        }
    }
    return gs_compares_tick(core, update);
}

int gs_givings_sealed(struct gs_core *core) {
    int error = 0;
    for (int i = 0; error == 0 && i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c != NULL && c->giving != NULL && c->stage == GS_COMPARING_TREE && !c->giving->written) {
            error = gs_giving_write(core, &c->giving->besides);
            c->giving->written = true;
        }
    }
    return error;
}

static uint32_t part_count(const struct gs_giving *giving) {
    return (uint32_t)((giving->besides.length + GS_SNAPSHOT_PART_BYTES - 1) / GS_SNAPSHOT_PART_BYTES);
}

static struct gs_slice part_of(const struct gs_giving *giving, uint32_t number) {
    size_t start = (size_t)number * GS_SNAPSHOT_PART_BYTES;
    size_t left = giving->besides.length - start;
    return gs_slice_make(giving->besides.bytes + start, left < GS_SNAPSHOT_PART_BYTES ? left : GS_SNAPSHOT_PART_BYTES);
}

int gs_giving_root(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_giving *giving = c->giving;
    struct gs_snapshot root = {.op = GS_SNAPSHOT_ROOT, .session = c->session};
    if (giving->besides.length > GS_GIVING_BESIDES_MAX) {
        int error = send_end(c->peer, c->session, GS_SNAPSHOT_LARGE, update);
        gs_comparison_end(core, c);
        return error;
    }
    int error = gs_vector_copy(&c->cut, &c->vector);
    error = error != 0 ? error : gs_vector_copy(&root.vector, &c->vector);
    gs_digest_tree_root(&c->tree, &root.root, &root.leaves);
    root.bytes = core->stats.aggregate_bytes / 2; /* memory takes about twice what the encoding does */
    root.part_count = part_count(giving);
    for (uint32_t i = 0; i < root.part_count; i++) {
        gs_snapshot_parts_add(&root.parts, part_of(giving, i));
    }
    error = error != 0 ? error : gs_snapshot_sign(&root, &core->config.cluster, &core->config.keys, &giving->root_hash);
    error = error != 0 ? error : gs_snapshot_send(c->peer, &root, update);
    gs_vector_close(&root.vector);
    c->stage = GS_COMPARING_OPEN;
    c->deadline_mono_ms = core->mono_ms + GS_COMPARE_IDLE_MS;
    return error;
}

static struct gs_digest_prefix prefix_of(const struct gs_compare_prefix *prefix) {
    struct gs_digest_prefix result = {.depth = prefix->depth};
    memcpy(result.path.bytes, prefix->path, sizeof result.path.bytes);
    return result;
}

static int answer_open(const struct gs_comparison *c, const struct gs_snapshot *question, struct gs_update *update) {
    struct gs_snapshot nodes = {.op = GS_SNAPSHOT_NODES, .session = c->session, .count = question->count};
    nodes.children = calloc(question->count, sizeof *nodes.children);
    if (nodes.children == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < question->count; i++) {
        struct gs_digest_entry entries[GS_DIGEST_FANOUT];
        struct gs_digest_prefix prefix = prefix_of(&question->prefixes[i]);
        if (prefix.depth == GS_DIGEST_DEPTH_MAX) {
            continue;
        }
        gs_digest_tree_children(&c->tree, &prefix, entries);
        for (uint32_t j = 0; j < GS_DIGEST_FANOUT; j++) {
            uint16_t bit = (uint16_t)(1U << j);
            nodes.children[i].inner |= entries[j].kind == GS_DIGEST_INNER ? bit : 0;
            nodes.children[i].leaf |= entries[j].kind == GS_DIGEST_LEAF ? bit : 0;
            nodes.children[i].hashes[j] = entries[j].hash;
            nodes.children[i].counts[j] = entries[j].count;
        }
    }
    int error = gs_snapshot_send(c->peer, &nodes, update);
    free(nodes.children);
    return error;
}

void gs_snapshot_write_leaf(struct gs_slice name, uint64_t version, gs_hlc updated, struct gs_slice state,
                            struct gs_buffer *out) {
    gs_write_bin(out, name.bytes, name.length);
    gs_write_uint(out, version);
    gs_write_uint(out, updated);
    gs_write_bin(out, state.bytes, state.length);
}

/* The chunk is complete. */
static int send_chunk(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_giving *giving = c->giving;
    struct gs_snapshot chunk = {
        .op = GS_SNAPSHOT_CHUNK, .session = c->session, .count = 1, .prefixes = &giving->prefix};
    struct gs_buffer body = {0};
    c->answering = false;
    if (giving->too_large || c->rebuild_error != 0) {
        enum gs_snapshot_end end = giving->too_large ? GS_SNAPSHOT_LARGE : GS_SNAPSHOT_DAMAGED;
        c->rebuild_error = 0;
        drop_leaves(giving);
        return send_end(c->peer, c->session, end, update);
    }
    gs_write_array(&body, 4 * giving->leaf_count);
    for (uint32_t i = 0; i < giving->leaf_count; i++) {
        const struct gs_giving_leaf *leaf = &giving->leaves[i];
        gs_snapshot_write_leaf(leaf->name, leaf->version, leaf->updated,
                               gs_slice_make(leaf->state.bytes, leaf->state.length), &body);
    }
    drop_leaves(giving);
    chunk.body = gs_slice_make(body.bytes, body.length);
    gs_snapshot_sign_chunk(&chunk, &giving->root_hash, &core->config.keys);
    int error = body.failed != 0 ? body.failed : gs_snapshot_send(c->peer, &chunk, update);
    gs_buffer_close(&body);
    return error;
}

static int note_leaf(void *context, const struct gs_digest_leaf *leaf) {
    struct gs_giving *giving = context;
    if (giving->leaf_count >= GS_SNAPSHOT_CHUNK_LEAVES) {
        giving->too_large = true;
        return 1;
    }
    int error =
        gs_array_reserve((void **)&giving->leaves, &giving->leaf_capacity, giving->leaf_count, sizeof *giving->leaves);
    if (error == 0) {
        giving->leaves[giving->leaf_count++] = (struct gs_giving_leaf){.name = leaf->name};
    }
    return error;
}

/* From memory, if that is what the leaf was made of. */
static int fill(struct gs_core *core, struct gs_comparison *c, uint32_t item, struct gs_update *update) {
    struct gs_giving_leaf *leaf = &c->giving->leaves[item];
    struct gs_digest_leaf found;
    struct gs_slice type, id;
    gs_digest_path path = gs_digest_path_of(c->tree.key, leaf->name);
    const struct gs_aggregate *memory =
        gs_digest_tree_find(&c->tree, &path, &found) ? gs_comparison_memory(core, &found) : NULL;
    struct gs_cell *cell =
        memory != NULL && gs_name_split(leaf->name, &type, &id) ? gs_cell_find(core, type, id) : NULL;
    if (cell == NULL) {
        return gs_compares_rebuild(core, c, GS_REBUILD_GIVE, item, leaf->name, update);
    }
    int error = gs_aggregate_encode(memory, GS_ENCODE_FULL, &leaf->state);
    leaf->version = cell->version;
    leaf->updated = cell->updated;
    c->giving->bytes += leaf->state.length;
    c->giving->too_large = c->giving->too_large || c->giving->bytes > GS_SNAPSHOT_CHUNK_BYTES;
    return error;
}

static int answer_want(struct gs_core *core, struct gs_comparison *c, const struct gs_snapshot *question,
                       struct gs_update *update) {
    struct gs_giving *giving = c->giving;
    struct gs_digest_prefix prefix = prefix_of(question->prefixes);
    drop_leaves(giving);
    giving->prefix = *question->prefixes;
    c->answering = true;
    int error = gs_digest_tree_visit(&c->tree, &prefix, note_leaf, giving);
    error = error == 1 ? 0 : error;
    for (uint32_t i = 0; error == 0 && !giving->too_large && i < giving->leaf_count; i++) {
        error = fill(core, c, i, update);
    }
    if (error == GS_EOVERLOADED) {
        error = 0;
        c->rebuild_error = GS_EOVERLOADED;
    }
    return error != 0 || c->rebuilding > 0 ? error : send_chunk(core, c, update);
}

static int answer_next(struct gs_core *core, struct gs_comparison *c, struct gs_update *update) {
    struct gs_giving *giving = c->giving;
    int error = 0;
    while (error == 0 && !c->answering && giving->next_count > 0) {
        struct gs_compare_prefix prefix = giving->next[0];
        const struct gs_snapshot question = {.op = GS_SNAPSHOT_WANT, .count = 1, .prefixes = &prefix};
        giving->next_count--;
        memmove(giving->next, giving->next + 1, giving->next_count * sizeof *giving->next);
        error = answer_want(core, c, &question, update);
    }
    return error;
}

int gs_giving_rebuilt(struct gs_core *core, struct gs_comparison *c, const struct gs_rebuild_slot *slot,
                      const struct gs_core_event *event, struct gs_update *update) {
    struct gs_giving *giving = c->giving;
    if (slot->item < giving->leaf_count) {
        struct gs_giving_leaf *leaf = &giving->leaves[slot->item];
        int error = event->rebuilt.error != 0 ? event->rebuilt.error : event->rebuilt.version == 0 ? GS_ENOTFOUND : 0;
        c->rebuild_error = error != 0 ? error : c->rebuild_error;
        leaf->version = event->rebuilt.version;
        leaf->updated = event->rebuilt.updated;
        gs_buffer_append(&leaf->state, event->rebuilt.state.bytes, event->rebuilt.state.length);
        giving->bytes += leaf->state.length;
        giving->too_large = giving->too_large || giving->bytes > GS_SNAPSHOT_CHUNK_BYTES;
    }
    if (!c->answering || c->rebuilding > 0) {
        return 0;
    }
    int error = send_chunk(core, c, update);
    return error != 0 ? error : answer_next(core, c, update);
}

static int answer_part(const struct gs_comparison *c, const struct gs_snapshot *question, struct gs_update *update) {
    if (question->part >= part_count(c->giving)) {
        return send_end(c->peer, c->session, GS_SNAPSHOT_BUSY, update);
    }
    const struct gs_snapshot part = {.op = GS_SNAPSHOT_CORE,
                                     .session = c->session,
                                     .part = question->part,
                                     .body = part_of(c->giving, question->part)};
    return gs_snapshot_send(c->peer, &part, update);
}

static struct gs_comparison *find(struct gs_core *core, gs_peer peer, uint64_t session) {
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        struct gs_comparison *c = core->compares.sessions[i];
        if (c != NULL && c->giving != NULL && c->peer == peer && c->session == session) {
            return c;
        }
    }
    return NULL;
}

int gs_giving_question(struct gs_core *core, struct gs_peer_state *peer, const struct gs_snapshot *question,
                       struct gs_update *update) {
    struct gs_comparison *c = find(core, peer->id, question->session);
    if (c == NULL) {
        return question->op == GS_SNAPSHOT_END ? 0 : send_end(peer->id, question->session, GS_SNAPSHOT_BUSY, update);
    }
    if (question->op == GS_SNAPSHOT_END) {
        gs_comparison_end(core, c);
        return 0;
    }
    if (c->stage != GS_COMPARING_OPEN) {
        return 0;
    }
    if (c->answering) {
        if (question->op == GS_SNAPSHOT_WANT && c->giving->next_count < GS_SNAPSHOT_AHEAD) {
            c->giving->next[c->giving->next_count++] = *question->prefixes;
        }
        return 0; /* one question at a time, and chunks that wait for it */
    }
    c->deadline_mono_ms = core->mono_ms + GS_COMPARE_IDLE_MS;
    if (question->op == GS_SNAPSHOT_OPEN) {
        return answer_open(c, question, update);
    }
    return question->op == GS_SNAPSHOT_WANT ? answer_want(core, c, question, update) : answer_part(c, question, update);
}

/* Everything, not only what no keep has yet; and attested, whether our own log needs that or not. */
int gs_giving_write(struct gs_core *core, struct gs_buffer *out) {
    struct gs_keep keep = {0};
    uint64_t kept_idempotency = core->kept_idempotency;
    uint64_t kept_ledger = core->kept_ledger;
    struct gs_idempotency_entry *unkept = core->idempotency_unkept;
    bool attest = core->config.attest_keeps;
    core->kept_idempotency = core->kept_ledger = 0;
    core->idempotency_unkept = core->idempotency_oldest;
    for (uint32_t skip = GS_GIVING_KEYS_MAX; skip < core->idempotency.count; skip++) {
        core->idempotency_unkept = core->idempotency_unkept->newer;
    }
    core->config.attest_keeps = true;
    int error = gs_checkpoint_write(core, &keep);
    core->config.attest_keeps = attest;
    core->kept_idempotency = kept_idempotency;
    core->kept_ledger = kept_ledger;
    core->idempotency_unkept = unkept;
    gs_write_array(out, 1 + 3 * GS_KEEP_JOURNALS);
    gs_write_bin(out, keep.core.bytes, keep.core.length);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        struct gs_keep_entries *entries = &keep.journals[i];
        gs_write_uint(out, entries->first);
        gs_write_uint(out, entries->last);
        gs_write_bin(out, entries->entries.bytes, entries->entries.length);
        gs_buffer_close(&entries->entries);
    }
    gs_buffer_close(&keep.core);
    return error != 0 ? error : out->failed;
}

int gs_besides_read(struct gs_slice bytes, struct gs_besides *ret_besides) {
    struct gs_reader reader;
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    reader.nodes_left = UINT32_MAX;
    gs_read_array_exact(&reader, 1 + 3 * GS_KEEP_JOURNALS);
    ret_besides->checkpoint = gs_read_bin(&reader, UINT32_MAX);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        uint64_t first = ret_besides->journals[i].first = gs_read_uint(&reader);
        uint64_t last = ret_besides->journals[i].last = gs_read_uint(&reader);
        struct gs_slice entries = ret_besides->journals[i].entries = gs_read_bin(&reader, UINT32_MAX);
        bool plausible = reader.error == 0 && first > 0 && last >= first - 1 && last - first + 1 <= entries.length;
        if (!plausible) {
            return GS_EFORMAT;
        }
    }
    return gs_reader_finish(&reader) != 0 ? GS_EFORMAT : 0;
}
