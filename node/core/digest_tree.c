#include "node/core/digest_tree.h"

#include "gossip/bytes.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* First byte of what is hashed: kinds never pass for one another. */
enum { TAG_LEAF = 0, TAG_INNER = 1, TAG_PATH = 2 };

struct gs_digest_node {
    uint32_t references;
    bool is_leaf;
    bool hashed; /* inner: `hash` is up to date */
    gs_hash hash;
    union {
        struct {
            gs_digest_path path;
            uint32_t name_length;
            uint8_t *name; /* behind the node */
        } leaf;
        struct {
            uint64_t count;
            struct gs_digest_node *children[GS_DIGEST_FANOUT];
        } inner;
    };
};

void gs_digest_key(const gs_cluster *cluster, uint8_t ret_key[GS_DIGEST_KEY_SIZE]) {
    gs_hash hash;
    gs_hash_bytes("gs-digest-key-v1", cluster->bytes, sizeof cluster->bytes, &hash);
    memcpy(ret_key, hash.bytes, GS_DIGEST_KEY_SIZE);
}

gs_digest_path gs_digest_path_of(const uint8_t key[GS_DIGEST_KEY_SIZE], struct gs_slice name) {
    crypto_generichash_state state;
    static const uint8_t tag = TAG_PATH;
    gs_digest_path path;
    crypto_generichash_init(&state, key, GS_DIGEST_KEY_SIZE, sizeof path.bytes);
    crypto_generichash_update(&state, &tag, 1);
    crypto_generichash_update(&state, name.bytes, name.length);
    crypto_generichash_final(&state, path.bytes, sizeof path.bytes);
    return path;
}

void gs_digest_leaf_hash(const uint8_t key[GS_DIGEST_KEY_SIZE], struct gs_slice name, struct gs_slice canonical,
                         gs_hash *ret_hash) {
    crypto_generichash_state state;
    uint8_t head[5] = {TAG_LEAF};
    gs_put_be(head + 1, name.length, 4);
    crypto_generichash_init(&state, key, GS_DIGEST_KEY_SIZE, GS_HASH_SIZE);
    crypto_generichash_update(&state, head, sizeof head);
    crypto_generichash_update(&state, name.bytes, name.length);
    crypto_generichash_update(&state, canonical.bytes, canonical.length);
    crypto_generichash_final(&state, ret_hash->bytes, GS_HASH_SIZE);
}

uint8_t gs_digest_nibble(const gs_digest_path *path, uint32_t depth) {
    uint8_t byte = path->bytes[depth / 2];
    return depth % 2 == 0 ? (uint8_t)(byte >> 4) : (uint8_t)(byte & 15);
}

struct gs_digest_prefix gs_digest_child(const struct gs_digest_prefix *prefix, uint8_t nibble) {
    struct gs_digest_prefix child = *prefix;
    child.path.bytes[prefix->depth / 2] |= (uint8_t)(prefix->depth % 2 == 0 ? nibble << 4 : nibble);
    child.depth++;
    return child;
}

static void release(struct gs_digest_node *node) {
    if (node == NULL || --node->references > 0) {
        return;
    }
    for (int i = 0; !node->is_leaf && i < GS_DIGEST_FANOUT; i++) {
        release(node->inner.children[i]); /* as deep as the tree at most */
    }
    free(node);
}

static struct gs_digest_node *retain(struct gs_digest_node *node) {
    if (node != NULL) {
        node->references++;
    }
    return node;
}

void gs_digest_tree_close(struct gs_digest_tree *tree) {
    release(tree->root);
    tree->root = NULL;
}

void gs_digest_tree_share(struct gs_digest_tree *tree, const struct gs_digest_tree *from) {
    *tree = *from;
    retain(tree->root);
}

static struct gs_digest_node *new_leaf(const gs_digest_path *path, struct gs_slice name, const gs_hash *hash) {
    struct gs_digest_node *node = malloc(sizeof *node + name.length);
    if (node != NULL) {
        *node = (struct gs_digest_node){.references = 1, .is_leaf = true, .hashed = true, .hash = *hash};
        node->leaf.path = *path;
        node->leaf.name_length = (uint32_t)name.length;
        node->leaf.name = (uint8_t *)(node + 1);
        memcpy(node->leaf.name, name.bytes, name.length);
    }
    return node;
}

/* The node itself if nobody else refers to it, else a copy in its place. */
static struct gs_digest_node *own(struct gs_digest_node *node) {
    if (node->references == 1) {
        return node;
    }
    struct gs_digest_node *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *node;
    copy->references = 1;
    for (int i = 0; i < GS_DIGEST_FANOUT; i++) {
        retain(copy->inner.children[i]);
    }
    node->references--;
    return copy;
}

static uint64_t count_of(const struct gs_digest_node *node) {
    return node == NULL ? 0 : node->is_leaf ? 1 : node->inner.count;
}

static bool same_path(const gs_digest_path *a, const gs_digest_path *b) {
    return memcmp(a->bytes, b->bytes, GS_DIGEST_PATH_SIZE) == 0;
}

/* A chain of inner nodes from `depth` down to where two leaves part. Both leaves are taken, or neither. */
static struct gs_digest_node *join_leaves(struct gs_digest_node *a, struct gs_digest_node *b, uint32_t depth) {
    struct gs_digest_node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    node->references = 1;
    node->inner.count = 2;
    uint8_t at_a = gs_digest_nibble(&a->leaf.path, depth);
    uint8_t at_b = gs_digest_nibble(&b->leaf.path, depth);
    if (at_a != at_b) {
        node->inner.children[at_a] = a;
        node->inner.children[at_b] = b;
        return node;
    }
    node->inner.children[at_a] = join_leaves(a, b, depth + 1); /* paths differ: at most GS_DIGEST_DEPTH_MAX deep */
    if (node->inner.children[at_a] == NULL) {
        free(node);
        return NULL;
    }
    return node;
}

/* Puts a leaf (taken on success) below `*at`. */
static int insert(struct gs_digest_node **at, struct gs_digest_node *leaf, uint32_t depth) {
    struct gs_digest_node *node = *at;
    if (node == NULL || (node->is_leaf && same_path(&node->leaf.path, &leaf->leaf.path))) {
        release(node);
        *at = leaf;
        return 0;
    }
    if (node->is_leaf) {
        struct gs_digest_node *joined = join_leaves(node, leaf, depth);
        *at = joined != NULL ? joined : node;
        return joined != NULL ? 0 : GS_ENOMEM;
    }
    node = own(node);
    if (node == NULL) {
        return GS_ENOMEM;
    }
    *at = node;
    struct gs_digest_node **child = &node->inner.children[gs_digest_nibble(&leaf->leaf.path, depth)];
    uint64_t before = count_of(*child);
    int error = insert(child, leaf, depth + 1);
    node->inner.count = node->inner.count - before + count_of(*child);
    node->hashed = node->hashed && error != 0;
    return error;
}

int gs_digest_tree_set(struct gs_digest_tree *tree, const gs_digest_path *path, struct gs_slice name,
                       const gs_hash *leaf) {
    struct gs_digest_node *node = new_leaf(path, name, leaf);
    int error = node == NULL ? GS_ENOMEM : insert(&tree->root, node, 0);
    if (error != 0) {
        release(node);
    }
    return error;
}

/* An inner node with one leaf below it is replaced by the leaf; the root stays what it is made of. */
static void collapse(struct gs_digest_node **at) {
    struct gs_digest_node *node = *at;
    if (node->inner.count == 0) {
        release(node);
        *at = NULL;
        return;
    }
    struct gs_digest_node *only = NULL;
    for (int i = 0; node->inner.count == 1 && i < GS_DIGEST_FANOUT; i++) {
        only = node->inner.children[i] != NULL ? node->inner.children[i] : only;
    }
    if (only != NULL && only->is_leaf) {
        retain(only);
        release(node);
        *at = only;
    }
}

static int take_out(struct gs_digest_node **at, const gs_digest_path *path, uint32_t depth) {
    struct gs_digest_node *node = *at;
    if (node->is_leaf) {
        release(node);
        *at = NULL;
        return 0;
    }
    node = own(node);
    if (node == NULL) {
        return GS_ENOMEM;
    }
    *at = node;
    int error = take_out(&node->inner.children[gs_digest_nibble(path, depth)], path, depth + 1);
    if (error == 0) {
        node->inner.count--;
        node->hashed = false;
        collapse(at);
    }
    return error;
}

int gs_digest_tree_remove(struct gs_digest_tree *tree, const gs_digest_path *path) {
    struct gs_digest_leaf leaf;
    return gs_digest_tree_find(tree, path, &leaf) ? take_out(&tree->root, path, 0) : 0;
}

void gs_digest_inner_hash(const uint8_t key[GS_DIGEST_KEY_SIZE], const struct gs_digest_entry *children,
                          gs_hash *ret_hash, uint64_t *ret_count) {
    uint8_t head[1 + 8 + 2] = {TAG_INNER};
    uint32_t set = 0;
    uint64_t count = 0;
    crypto_generichash_state state;
    for (uint32_t i = 0; i < GS_DIGEST_FANOUT; i++) {
        set |= children[i].kind != GS_DIGEST_NONE ? 1U << i : 0;
        count += children[i].kind != GS_DIGEST_NONE ? children[i].count : 0;
    }
    gs_put_be(head + 1, count, 8);
    gs_put_be(head + 9, set, 2);
    crypto_generichash_init(&state, key, GS_DIGEST_KEY_SIZE, GS_HASH_SIZE);
    crypto_generichash_update(&state, head, sizeof head);
    for (int i = 0; i < GS_DIGEST_FANOUT; i++) {
        if (children[i].kind != GS_DIGEST_NONE) {
            crypto_generichash_update(&state, children[i].hash.bytes, GS_HASH_SIZE);
        }
    }
    crypto_generichash_final(&state, ret_hash->bytes, GS_HASH_SIZE);
    *ret_count = count;
}

static void hash_inner(const uint8_t key[GS_DIGEST_KEY_SIZE], struct gs_digest_node *node) {
    struct gs_digest_entry children[GS_DIGEST_FANOUT];
    uint64_t count = 0;
    for (uint32_t i = 0; i < GS_DIGEST_FANOUT; i++) {
        struct gs_digest_node *child = node->inner.children[i];
        children[i] = (struct gs_digest_entry){.kind = GS_DIGEST_NONE};
        if (child != NULL) {
            if (!child->hashed) {
                hash_inner(key, child);
            }
            children[i].kind = child->is_leaf ? GS_DIGEST_LEAF : GS_DIGEST_INNER;
            children[i].hash = child->hash;
            children[i].count = count_of(child);
        }
    }
    gs_digest_inner_hash(key, children, &node->hash, &count);
    node->hashed = true;
}

void gs_digest_tree_root(const struct gs_digest_tree *tree, gs_hash *ret_root, uint64_t *ret_count) {
    struct gs_digest_node empty = {.references = 1};
    struct gs_digest_node *root = tree->root != NULL ? tree->root : &empty;
    if (!root->hashed) {
        hash_inner(tree->key, root);
    }
    *ret_root = root->hash;
    *ret_count = count_of(tree->root);
}

static void show_leaf(const struct gs_digest_node *node, struct gs_digest_leaf *ret_leaf) {
    ret_leaf->path = node->leaf.path;
    ret_leaf->hash = node->hash;
    ret_leaf->name = gs_slice_make(node->leaf.name, node->leaf.name_length);
}

bool gs_digest_tree_find(const struct gs_digest_tree *tree, const gs_digest_path *path,
                         struct gs_digest_leaf *ret_leaf) {
    const struct gs_digest_node *node = tree->root;
    for (uint32_t depth = 0; node != NULL && !node->is_leaf; depth++) {
        node = node->inner.children[gs_digest_nibble(path, depth)];
    }
    if (node == NULL || !same_path(&node->leaf.path, path)) {
        return false;
    }
    show_leaf(node, ret_leaf);
    return true;
}

static bool has_prefix(const gs_digest_path *path, const struct gs_digest_prefix *prefix) {
    for (uint32_t i = 0; i < prefix->depth; i++) {
        if (gs_digest_nibble(path, i) != gs_digest_nibble(&prefix->path, i)) {
            return false;
        }
    }
    return true;
}

/* The node at a prefix: an inner one that stands there, or a leaf that stands there or higher up; or NULL. */
static struct gs_digest_node *node_at(const struct gs_digest_tree *tree, const struct gs_digest_prefix *prefix) {
    struct gs_digest_node *node = tree->root;
    for (uint32_t depth = 0; node != NULL && !node->is_leaf && depth < prefix->depth; depth++) {
        node = node->inner.children[gs_digest_nibble(&prefix->path, depth)];
    }
    return node != NULL && node->is_leaf && !has_prefix(&node->leaf.path, prefix) ? NULL : node;
}

static struct gs_digest_entry entry_of(const uint8_t key[GS_DIGEST_KEY_SIZE], struct gs_digest_node *node) {
    if (node == NULL) {
        return (struct gs_digest_entry){.kind = GS_DIGEST_NONE};
    }
    if (!node->hashed) {
        hash_inner(key, node);
    }
    return (struct gs_digest_entry){
        .kind = node->is_leaf ? GS_DIGEST_LEAF : GS_DIGEST_INNER, .hash = node->hash, .count = count_of(node)};
}

void gs_digest_tree_children(const struct gs_digest_tree *tree, const struct gs_digest_prefix *prefix,
                             struct gs_digest_entry ret_children[GS_DIGEST_FANOUT]) {
    struct gs_digest_node *node = node_at(tree, prefix);
    for (uint8_t i = 0; i < GS_DIGEST_FANOUT; i++) {
        struct gs_digest_node *child = NULL;
        if (node != NULL && !node->is_leaf) {
            child = node->inner.children[i];
        } else if (node != NULL && gs_digest_nibble(&node->leaf.path, prefix->depth) == i) {
            child = node;
        }
        ret_children[i] = entry_of(tree->key, child);
    }
}

static int visit_node(const struct gs_digest_node *node, gs_digest_leaf_fn visit, void *context) {
    if (node == NULL) {
        return 0;
    }
    if (node->is_leaf) {
        struct gs_digest_leaf leaf;
        show_leaf(node, &leaf);
        return visit(context, &leaf);
    }
    int result = 0;
    for (int i = 0; result == 0 && i < GS_DIGEST_FANOUT; i++) {
        result = visit_node(node->inner.children[i], visit, context);
    }
    return result;
}

int gs_digest_tree_visit(const struct gs_digest_tree *tree, const struct gs_digest_prefix *prefix,
                         gs_digest_leaf_fn visit, void *context) {
    return visit_node(node_at(tree, prefix), visit, context);
}
