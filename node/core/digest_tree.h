/* The digest tree: one hash over all aggregates, and where two of them differ.
 *
 * A 16-ary trie over paths (keyed hashes of aggregate names); a leaf holds the hash of one aggregate's canonical state.
 * A subtree with a single leaf is that leaf, so the shape, and with it the root, depends on the contents alone, not on
 * the order of changes (a Merkle trie; compare Auvolat & Taïani, "Merkle Search Trees", SRDS 2019).
 *
 *     path  = BLAKE2b-128(key; 2 ‖ "type/id")
 *     leaf  = BLAKE2b-256(key; 0 ‖ length of "type/id", 4 bytes ‖ "type/id" ‖ canonical state)
 *     inner = BLAKE2b-256(key; 1 ‖ leaves below, 8 bytes ‖ set of children, 2 bytes ‖ the children's hashes)
 *     root  = that of the topmost node; an empty tree is an inner node without children
 *
 * The key is derived from the cluster's id: trees of different clusters never compare. Different first bytes keep
 * leaves and inner nodes apart.
 *
 * Trees are values that share their nodes: a copy costs O(1), a change O(log n), and no change is seen through a copy.
 * Hashes of inner nodes are computed when they are asked for. One thread owns all copies of a tree. */
#ifndef GS_NODE_CORE_DIGEST_TREE_H
#define GS_NODE_CORE_DIGEST_TREE_H

#include "gossip/identity.h"

#include <globalstate/memory.h>

enum {
    GS_DIGEST_KEY_SIZE = 32,
    GS_DIGEST_PATH_SIZE = 16,
    GS_DIGEST_DEPTH_MAX = 2 * GS_DIGEST_PATH_SIZE, /* nibbles of a path */
    GS_DIGEST_FANOUT = 16
};

typedef struct {
    uint8_t bytes[GS_DIGEST_PATH_SIZE];
} gs_digest_path;

/* The first `depth` nibbles of a path; the rest of its bits are 0. */
struct gs_digest_prefix {
    uint8_t depth; /* 0 … GS_DIGEST_DEPTH_MAX */
    gs_digest_path path;
};

struct gs_digest_node;

/* Set the key; otherwise zero-initialise. */
struct gs_digest_tree {
    uint8_t key[GS_DIGEST_KEY_SIZE];
    struct gs_digest_node *root; /* shared; NULL: empty */
};

void gs_digest_key(const gs_cluster *cluster, uint8_t ret_key[GS_DIGEST_KEY_SIZE]);
/* `name` is "type/id". */
gs_digest_path gs_digest_path_of(const uint8_t key[GS_DIGEST_KEY_SIZE], struct gs_slice name);
void gs_digest_leaf_hash(const uint8_t key[GS_DIGEST_KEY_SIZE], struct gs_slice name, struct gs_slice canonical,
                         gs_hash *ret_hash);
uint8_t gs_digest_nibble(const gs_digest_path *path, uint32_t depth);
/* The prefix of child `nibble`; depth < GS_DIGEST_DEPTH_MAX. */
struct gs_digest_prefix gs_digest_child(const struct gs_digest_prefix *prefix, uint8_t nibble);

void gs_digest_tree_close(struct gs_digest_tree *tree);
/* `tree` is overwritten without being closed. */
void gs_digest_tree_share(struct gs_digest_tree *tree, const struct gs_digest_tree *from);

/* Adds or replaces the leaf of `name` (copied). 0 or GS_ENOMEM, and the tree is as it was. */
int gs_digest_tree_set(struct gs_digest_tree *tree, const gs_digest_path *path, struct gs_slice name,
                       const gs_hash *leaf);
/* Takes a leaf out, if it is there. 0 or GS_ENOMEM, and the tree is as it was. */
int gs_digest_tree_remove(struct gs_digest_tree *tree, const gs_digest_path *path);

void gs_digest_tree_root(const struct gs_digest_tree *tree, gs_hash *ret_root, uint64_t *ret_count);

/* A leaf; `name` is borrowed from the tree. */
struct gs_digest_leaf {
    gs_digest_path path;
    gs_hash hash;
    struct gs_slice name;
};

/* False if there is no such leaf. */
bool gs_digest_tree_find(const struct gs_digest_tree *tree, const gs_digest_path *path,
                         struct gs_digest_leaf *ret_leaf);

struct gs_digest_entry;
/* The hash of an inner node from its GS_DIGEST_FANOUT children, and how many leaves are below it. */
void gs_digest_inner_hash(const uint8_t key[GS_DIGEST_KEY_SIZE], const struct gs_digest_entry *children,
                          gs_hash *ret_hash, uint64_t *ret_count);

enum gs_digest_kind { GS_DIGEST_NONE, GS_DIGEST_LEAF, GS_DIGEST_INNER };

struct gs_digest_entry {
    enum gs_digest_kind kind;
    gs_hash hash;   /* LEAF, INNER */
    uint64_t count; /* leaves below */
};

/* What lies below a prefix (depth < GS_DIGEST_DEPTH_MAX), child by child; a leaf that stands higher up is shown in the
 * child that its path leads to. */
void gs_digest_tree_children(const struct gs_digest_tree *tree, const struct gs_digest_prefix *prefix,
                             struct gs_digest_entry ret_children[GS_DIGEST_FANOUT]);
/* Visits the leaves below a prefix in order of paths; stops at the first non-zero result and returns it. */
typedef int (*gs_digest_leaf_fn)(void *context, const struct gs_digest_leaf *leaf);
int gs_digest_tree_visit(const struct gs_digest_tree *tree, const struct gs_digest_prefix *prefix,
                         gs_digest_leaf_fn visit, void *context);

#endif
