/* What a snapshot's answers are checked against, and what of them is new; see bootstrap.h. */
#include "node/core/core_impl.h"
#include "node/core/giving.h"

#include <stdlib.h>
#include <string.h>

static struct gs_digest_entry staged_at(const struct gs_digest_tree *tree, const struct gs_digest_prefix *prefix) {
    if (prefix->depth == 0) {
        struct gs_digest_entry entry = {.kind = GS_DIGEST_INNER};
        gs_digest_tree_root(tree, &entry.hash, &entry.count);
        return entry;
    }
    struct gs_digest_entry entries[GS_DIGEST_FANOUT];
    struct gs_digest_prefix parent = *prefix;
    uint8_t nibble = gs_digest_nibble(&prefix->path, prefix->depth - 1U);
    parent.depth--;
    parent.path.bytes[parent.depth / 2] &= parent.depth % 2 == 0 ? 0 : 0xf0;
    gs_digest_tree_children(tree, &parent, entries);
    return entries[nibble];
}

int gs_bootstrap_push(struct gs_bootstrap *bootstrap, const struct gs_bootstrap_node *node) {
    struct gs_digest_entry staged = staged_at(&bootstrap->staged.tree, &node->prefix);
    if (staged.count == node->count && memcmp(&staged.hash, &node->hash, GS_HASH_SIZE) == 0 && node->count > 0) {
        bootstrap->done_leaves += node->count;
        return 0;
    }
    int error = gs_array_reserve((void **)&bootstrap->nodes, &bootstrap->node_capacity, bootstrap->node_count,
                                 sizeof *bootstrap->nodes);
    if (error == 0) {
        bootstrap->nodes[bootstrap->node_count++] = *node;
    }
    return error;
}

struct removal {
    struct gs_digest_path_list {
        struct gs_buffer names; /* bin after bin */
        uint32_t count;
    } list;
};

static int note_name(void *context, const struct gs_digest_leaf *leaf) {
    struct removal *removal = context;
    gs_write_bin(&removal->list.names, leaf->name.bytes, leaf->name.length);
    removal->list.count++;
    return removal->list.names.failed;
}

/* What the stage has below a prefix where there is nothing, or something else: taken out, also on the disk. */
static int clear_below(struct gs_bootstrap *bootstrap, const struct gs_digest_prefix *prefix,
                       const struct gs_digest_tree *keep, struct gs_buffer *stage, uint32_t *ret_count) {
    struct removal removal = {{{0}, 0}};
    int error = gs_digest_tree_visit(&bootstrap->staged.tree, prefix, note_name, &removal);
    struct gs_reader reader;
    gs_reader_init(&reader, removal.list.names.bytes, removal.list.names.length);
    reader.nodes_left = UINT32_MAX;
    for (uint32_t i = 0; error == 0 && i < removal.list.count; i++) {
        struct gs_slice name = gs_read_bin(&reader, GS_CORE_NAME_MAX);
        gs_digest_path path = gs_digest_path_of(bootstrap->staged.tree.key, name);
        struct gs_digest_leaf found;
        if (keep != NULL && gs_digest_tree_find(keep, &path, &found)) {
            continue;
        }
        error = gs_staged_remove(&bootstrap->staged, &path, name);
        gs_snapshot_write_leaf(name, 0, 0, (struct gs_slice){0}, stage);
        (*ret_count)++;
    }
    gs_buffer_close(&removal.list.names);
    return error;
}

int gs_bootstrap_take_nodes(struct gs_bootstrap *bootstrap, const struct gs_snapshot *nodes) {
    int error = nodes->count == bootstrap->asked_count ? 0 : GS_EFORMAT;
    for (uint32_t i = 0; error == 0 && i < nodes->count; i++) {
        const struct gs_bootstrap_node *parent = &bootstrap->asked_nodes[i];
        const struct gs_snapshot_children *children = &nodes->children[i];
        struct gs_digest_entry entries[GS_DIGEST_FANOUT] = {{.kind = GS_DIGEST_NONE}};
        gs_hash hash;
        uint64_t count = 0;
        for (uint32_t j = 0; j < GS_DIGEST_FANOUT; j++) {
            entries[j].kind = (children->inner >> j & 1) != 0  ? GS_DIGEST_INNER
                              : (children->leaf >> j & 1) != 0 ? GS_DIGEST_LEAF
                                                               : GS_DIGEST_NONE;
            entries[j].hash = children->hashes[j];
            entries[j].count = children->counts[j];
        }
        gs_digest_inner_hash(bootstrap->staged.tree.key, entries, &hash, &count);
        if (count != parent->count || memcmp(&hash, &parent->hash, GS_HASH_SIZE) != 0 ||
            parent->prefix.depth >= GS_DIGEST_DEPTH_MAX) {
            return GS_EFORMAT;
        }
        for (uint8_t j = 0; error == 0 && j < GS_DIGEST_FANOUT; j++) {
            struct gs_bootstrap_node child = {
                .prefix = gs_digest_child(&parent->prefix, j), .hash = entries[j].hash, .count = entries[j].count};
            error = entries[j].kind != GS_DIGEST_NONE ? gs_bootstrap_push(bootstrap, &child) : 0;
        }
    }
    return error;
}

static bool lies_below(const gs_digest_path *path, const struct gs_digest_prefix *prefix) {
    for (uint32_t i = 0; i < prefix->depth; i++) {
        if (gs_digest_nibble(path, i) != gs_digest_nibble(&prefix->path, i)) {
            return false;
        }
    }
    return true;
}

/* One leaf: its state decoded, hashed, and put into `staged`. */
static int take_leaf(const struct gs_core *core, struct gs_reader *reader, const struct gs_digest_prefix *prefix,
                     struct gs_staged *staged) {
    struct gs_slice type, id;
    struct gs_aggregate *aggregate = NULL;
    gs_hash hash;
    struct gs_slice name = gs_read_bin(reader, GS_CORE_NAME_MAX);
    uint64_t version = gs_read_uint(reader);
    gs_hlc updated = gs_read_uint(reader);
    struct gs_slice state = gs_read_bin(reader, GS_SNAPSHOT_BODY_MAX);
    if (reader->error != 0 || !gs_name_split(name, &type, &id) || !gs_id_valid(type) || !gs_id_valid(id)) {
        return GS_EFORMAT;
    }
    gs_digest_path path = gs_digest_path_of(core->bootstrap.staged.tree.key, name);
    if (prefix == NULL && version == 0 && state.length == 0) {
        return gs_staged_remove(staged, &path, name); /* a removal, of the stage */
    }
    if (version == 0 || (prefix != NULL && !lies_below(&path, prefix))) {
        return GS_EFORMAT;
    }
    int error = gs_aggregate_decode(state.bytes, state.length, NULL, &aggregate);
    if (error == 0) {
        error = gs_digest_hash_aggregate(core, name, aggregate, &hash);
    }
    if (error != 0) {
        gs_aggregate_free(aggregate);
        return error == GS_ENOMEM ? error : GS_EFORMAT;
    }
    struct gs_cell *cell = gs_cell_new(type, id, aggregate);
    if (cell == NULL) {
        return GS_ENOMEM;
    }
    cell->version = version;
    cell->updated = updated;
    cell->kept_bytes = (uint32_t)state.length;
    return gs_staged_set(staged, &path, cell, &hash);
}

static int read_leaves(const struct gs_core *core, struct gs_slice body, const struct gs_digest_prefix *prefix,
                       struct gs_staged *staged, uint32_t *ret_count) {
    struct gs_reader reader;
    gs_reader_init(&reader, body.bytes, body.length);
    reader.nodes_left = UINT32_MAX;
    uint32_t flat =
        gs_read_array(&reader, prefix != NULL ? 4 * GS_SNAPSHOT_CHUNK_LEAVES : 16 * GS_SNAPSHOT_CHUNK_LEAVES);
    int error = flat % 4 != 0 || reader.error != 0 ? GS_EFORMAT : 0;
    *ret_count = flat / 4;
    for (uint32_t i = 0; error == 0 && i < flat / 4; i++) {
        error = take_leaf(core, &reader, prefix, staged);
    }
    return error == 0 && gs_reader_finish(&reader) != 0 ? GS_EFORMAT : error;
}

/* The chunk's leaves as they came, and then the removals. */
static int write_stage(struct gs_bootstrap *bootstrap, const struct gs_digest_prefix *prefix,
                       const struct gs_digest_tree *tree, struct gs_slice body, uint32_t count,
                       struct gs_buffer *ret_stage) {
    struct gs_buffer removed = {0};
    struct gs_reader reader;
    uint32_t removals = 0;
    int error = clear_below(bootstrap, prefix, tree, &removed, &removals);
    gs_reader_init(&reader, body.bytes, body.length);
    (void)gs_read_array(&reader, UINT32_MAX);
    gs_write_array(ret_stage, 4 * (count + removals));
    gs_buffer_append(ret_stage, reader.at, (size_t)(reader.end - reader.at));
    gs_buffer_append(ret_stage, removed.bytes, removed.length);
    gs_buffer_close(&removed);
    return error != 0 ? error : ret_stage->failed;
}

int gs_bootstrap_take_chunk(struct gs_core *core, const struct gs_snapshot *chunk, struct gs_buffer *ret_stage) {
    struct gs_bootstrap *bootstrap = &core->bootstrap;
    const struct gs_bootstrap_node *node = &bootstrap->asked_nodes[0];
    struct gs_staged fresh = gs_staged_like(&bootstrap->staged);
    uint32_t count = 0;
    int error = chunk->prefixes->depth == node->prefix.depth &&
                        memcmp(chunk->prefixes->path, node->prefix.path.bytes, GS_COMPARE_PATH_SIZE) == 0
                    ? read_leaves(core, chunk->body, &node->prefix, &fresh, &count)
                    : GS_EFORMAT;
    if (error == 0) {
        struct gs_digest_entry entry = staged_at(&fresh.tree, &node->prefix);
        bool fits =
            entry.count == node->count && count == node->count && memcmp(&entry.hash, &node->hash, GS_HASH_SIZE) == 0;
        error = fits ? 0 : GS_EFORMAT;
    }
    error = error == 0 ? write_stage(bootstrap, &node->prefix, &fresh.tree, chunk->body, count, ret_stage) : error;
    if (error == 0) {
        error = gs_staged_merge(&bootstrap->staged, &fresh);
        bootstrap->done_leaves += node->count;
    }
    gs_staged_close(&fresh);
    return error;
}

int gs_bootstrap_staged(struct gs_core *core, struct gs_slice chunk) {
    uint32_t count = 0;
    core->bootstrap.staged_bytes += chunk.length;
    return read_leaves(core, chunk, NULL, &core->bootstrap.staged, &count);
}

static int verify_tails(const struct gs_core *scratch) {
    for (uint32_t i = 0; i < scratch->applied.count; i++) {
        const struct gs_head *head = &scratch->applied.heads[i];
        const struct gs_origin_state *origin = gs_registry_find(scratch, &head->origin);
        if (origin == NULL || gs_batch_verify_hash(&origin->key, &head->hash, origin->tail_signature) != 0) {
            return GS_ESIGNATURE;
        }
    }
    return 0;
}

static int restore(struct gs_core *scratch, struct gs_slice bytes) {
    struct gs_besides besides;
    int error = gs_besides_read(bytes, &besides);
    error = error != 0 ? error : gs_checkpoint_read(scratch, 0, 0, besides.checkpoint);
    for (int i = 0; error == 0 && i < GS_KEEP_JOURNALS; i++) {
        if (besides.journals[i].last >= besides.journals[i].first) {
            error = gs_checkpoint_read_journal(scratch, (enum gs_keep_journal)i, besides.journals[i].first,
                                               besides.journals[i].last, besides.journals[i].entries);
        }
    }
    return error;
}

int gs_bootstrap_try(struct gs_core *core, const struct gs_bootstrap *bootstrap, uint64_t *ret_clock) {
    struct gs_core *scratch = NULL;
    int error = gs_core_new(&core->config, &scratch);
    if (error == 0) {
        error = restore(scratch, gs_slice_make(bootstrap->besides.bytes, bootstrap->besides.length));
    }
    if (error == 0) {
        bool fits = gs_vector_equal(&scratch->applied, &bootstrap->root.vector) && scratch->attested &&
                    scratch->attested_count == bootstrap->root.leaves &&
                    memcmp(&scratch->attested_root, &bootstrap->root.root, GS_HASH_SIZE) == 0;
        error = fits ? verify_tails(scratch) : GS_EFORMAT;
        *ret_clock = scratch->clock;
    }
    gs_core_free(scratch);
    return error;
}
