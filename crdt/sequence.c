#include "crdt/sequence.h"

#include <globalstate/error.h>

#include <string.h>

enum {
    FANOUT = 32,
    LEVELS_MAX = 10, /* of half-full nodes, for 2^32 items and more */
    FIRST_NODES = 1,
    FIRST_ITEMS = 4,
};

struct gs_sequence_node {
    uint32_t parent; /* meaningless at the root */
    uint32_t next;   /* leaf: the next one, or GS_SEQUENCE_NONE */
    uint16_t count;
    uint16_t level; /* 0: a leaf, whose children are items */
    uint32_t child[FANOUT];
    uint32_t weight[FANOUT]; /* of the child, and of all below it */
};

void gs_sequence_close(struct gs_sequence *sequence, struct gs_memory *memory) {
    gs_memory_free(memory, sequence->nodes, sequence->node_capacity * sizeof(*sequence->nodes));
    gs_memory_free(memory, sequence->leaves, sequence->leaf_capacity * sizeof(*sequence->leaves));
    *sequence = (struct gs_sequence){0};
}

static int reserve_nodes(struct gs_sequence *sequence, struct gs_memory *memory, uint32_t count) {
    if (count <= sequence->node_capacity) {
        return 0;
    }
    uint32_t capacity = sequence->node_capacity + sequence->node_capacity / 2;
    capacity = capacity < count ? count : capacity;
    struct gs_sequence_node *nodes = gs_memory_resize(memory, sequence->nodes, sequence->node_capacity * sizeof(*nodes),
                                                      (size_t)capacity * sizeof(*nodes));
    if (!nodes) {
        return GS_ENOMEM;
    }
    sequence->nodes = nodes;
    sequence->node_capacity = capacity;
    return 0;
}

static int reserve_leaves(struct gs_sequence *sequence, struct gs_memory *memory, uint32_t bound) {
    if (bound <= sequence->leaf_capacity) {
        return 0;
    }
    uint32_t capacity = sequence->leaf_capacity > 0 ? sequence->leaf_capacity * 2 : FIRST_ITEMS;
    capacity = capacity < bound ? bound : capacity;
    uint32_t *leaves = gs_memory_resize(memory, sequence->leaves, sequence->leaf_capacity * sizeof(*leaves),
                                        (size_t)capacity * sizeof(*leaves));
    if (!leaves) {
        return GS_ENOMEM;
    }
    sequence->leaves = leaves;
    sequence->leaf_capacity = capacity;
    return 0;
}

/* True if the next insertion may need more than the node that is there. */
static bool may_split(const struct gs_sequence *sequence) {
    return sequence->node_count != 1 || sequence->nodes[0].count == FANOUT;
}

/* Insertions side by side first split the nodes that are there, one a level, and then those that they fill themselves,
 * each of which takes half a node's worth of them. */
int gs_sequence_reserve(struct gs_sequence *sequence, struct gs_memory *memory, uint32_t bound, uint32_t count) {
    uint32_t levels = sequence->node_count > 0 ? sequence->nodes[sequence->root].level + 1U : 0;
    uint32_t wanted = sequence->node_count;
    if (count > 1) {
        wanted += levels + LEVELS_MAX + count / (FANOUT / 4);
    } else if (may_split(sequence)) {
        wanted += levels + 1;
    }
    return reserve_leaves(sequence, memory, bound) != 0 ? GS_ENOMEM : reserve_nodes(sequence, memory, wanted);
}

static uint32_t slot_of(const struct gs_sequence_node *node, uint32_t child) {
    uint32_t slot = 0;
    while (node->child[slot] != child) {
        slot++;
    }
    return slot;
}

static uint32_t sum_of(const struct gs_sequence_node *node, uint32_t count) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += node->weight[i];
    }
    return sum;
}

/* Adds to the weights on the way from a node to the root; a negative difference wraps around to the right sum. */
static void raise(struct gs_sequence *sequence, uint32_t number, uint32_t difference) {
    sequence->total += difference;
    while (number != sequence->root) {
        uint32_t parent = sequence->nodes[number].parent;
        struct gs_sequence_node *node = &sequence->nodes[parent];
        node->weight[slot_of(node, number)] += difference;
        number = parent;
    }
}

static void put(struct gs_sequence_node *node, uint32_t slot, uint32_t child, uint32_t weight) {
    memmove(&node->child[slot + 1], &node->child[slot], (node->count - slot) * sizeof(*node->child));
    memmove(&node->weight[slot + 1], &node->weight[slot], (node->count - slot) * sizeof(*node->weight));
    node->child[slot] = child;
    node->weight[slot] = weight;
    node->count++;
}

/* The children know where they are. */
static void adopt(struct gs_sequence *sequence, uint32_t number) {
    const struct gs_sequence_node *node = &sequence->nodes[number];
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->level == 0) {
            sequence->leaves[node->child[i]] = number;
        } else {
            sequence->nodes[node->child[i]].parent = number;
        }
    }
}

static uint32_t add_node(struct gs_sequence *sequence, uint16_t level) {
    uint32_t number = sequence->node_count++;
    struct gs_sequence_node *node = &sequence->nodes[number];
    node->parent = 0;
    node->next = GS_SEQUENCE_NONE;
    node->count = 0;
    node->level = level;
    return number;
}

static void insert_child(struct gs_sequence *sequence, uint32_t number, uint32_t slot, uint32_t child, uint32_t weight);

/* Moves the later half of a full node into a new one beside it, or nothing if the next insertion goes to the end of
 * what comes in order, so that nodes fill up. Returns the new node. */
static uint32_t split(struct gs_sequence *sequence, uint32_t number, uint32_t slot) {
    if (number == sequence->root) {
        uint32_t root = add_node(sequence, (uint16_t)(sequence->nodes[number].level + 1));
        put(&sequence->nodes[root], 0, number, sequence->total);
        sequence->nodes[number].parent = root;
        sequence->root = root;
    }
    uint32_t beside = add_node(sequence, sequence->nodes[number].level);
    struct gs_sequence_node *from = &sequence->nodes[number];
    struct gs_sequence_node *to = &sequence->nodes[beside];
    bool at_end = slot == FANOUT && (from->level > 0 || from->next == GS_SEQUENCE_NONE);
    uint32_t keep = at_end ? FANOUT : FANOUT / 2;
    to->count = (uint16_t)(FANOUT - keep);
    memcpy(to->child, &from->child[keep], to->count * sizeof(*to->child));
    memcpy(to->weight, &from->weight[keep], to->count * sizeof(*to->weight));
    from->count = (uint16_t)keep;
    if (from->level == 0) {
        to->next = from->next;
        from->next = beside;
    }
    adopt(sequence, beside);
    uint32_t moved = sum_of(to, to->count);
    insert_child(sequence, from->parent, slot_of(&sequence->nodes[from->parent], number) + 1, beside, 0);
    raise(sequence, number, 0 - moved);
    raise(sequence, beside, moved);
    return beside;
}

/* Puts a child into a node; weights further up are the caller's business. */
static void insert_child(struct gs_sequence *sequence, uint32_t number, uint32_t slot, uint32_t child,
                         uint32_t weight) {
    if (sequence->nodes[number].count == FANOUT) {
        uint32_t beside = split(sequence, number, slot);
        uint32_t kept = sequence->nodes[number].count;
        if (slot > kept || kept == FANOUT) {
            slot -= kept;
            number = beside;
        }
    }
    put(&sequence->nodes[number], slot, child, weight);
    if (sequence->nodes[number].level == 0) {
        sequence->leaves[child] = number;
    } else {
        sequence->nodes[child].parent = number;
    }
}

static void insert_at(struct gs_sequence *sequence, uint32_t leaf, uint32_t slot, uint32_t item, uint32_t weight) {
    insert_child(sequence, leaf, slot, item, weight);
    raise(sequence, sequence->leaves[item], weight);
}

static void insert_first(struct gs_sequence *sequence, uint32_t item, uint32_t weight) {
    sequence->root = sequence->first = add_node(sequence, 0);
    insert_at(sequence, sequence->root, 0, item, weight);
}

void gs_sequence_insert_after(struct gs_sequence *sequence, uint32_t beside, uint32_t item, uint32_t weight) {
    if (sequence->node_count == 0) {
        insert_first(sequence, item, weight);
        return;
    }
    uint32_t leaf = sequence->leaves[beside];
    insert_at(sequence, leaf, slot_of(&sequence->nodes[leaf], beside) + 1, item, weight);
}

void gs_sequence_insert_before(struct gs_sequence *sequence, uint32_t beside, uint32_t item, uint32_t weight) {
    if (sequence->node_count == 0) {
        insert_first(sequence, item, weight);
        return;
    }
    uint32_t leaf = sequence->leaves[beside];
    insert_at(sequence, leaf, slot_of(&sequence->nodes[leaf], beside), item, weight);
}

void gs_sequence_set_weight(struct gs_sequence *sequence, uint32_t item, uint32_t weight) {
    uint32_t leaf = sequence->leaves[item];
    struct gs_sequence_node *node = &sequence->nodes[leaf];
    uint32_t slot = slot_of(node, item);
    uint32_t difference = weight - node->weight[slot];
    node->weight[slot] = weight;
    if (difference != 0) {
        raise(sequence, leaf, difference);
    }
}

void gs_sequence_clear(struct gs_sequence *sequence) {
    sequence->node_count = 0;
    sequence->total = 0;
}

uint32_t gs_sequence_find(const struct gs_sequence *sequence, uint32_t position, uint32_t *ret_offset) {
    uint32_t number = sequence->root;
    for (;;) {
        const struct gs_sequence_node *node = &sequence->nodes[number];
        uint32_t slot = 0;
        while (position >= node->weight[slot]) {
            position -= node->weight[slot++];
        }
        if (node->level == 0) {
            *ret_offset = position;
            return node->child[slot];
        }
        number = node->child[slot];
    }
}

uint32_t gs_sequence_position(const struct gs_sequence *sequence, uint32_t item) {
    uint32_t number = sequence->leaves[item];
    uint32_t position = sum_of(&sequence->nodes[number], slot_of(&sequence->nodes[number], item));
    while (number != sequence->root) {
        const struct gs_sequence_node *parent = &sequence->nodes[sequence->nodes[number].parent];
        position += sum_of(parent, slot_of(parent, number));
        number = sequence->nodes[number].parent;
    }
    return position;
}

uint32_t gs_sequence_next(const struct gs_sequence *sequence, uint32_t item) {
    if (item == GS_SEQUENCE_NONE) {
        return sequence->node_count > 0 ? sequence->nodes[sequence->first].child[0] : GS_SEQUENCE_NONE;
    }
    const struct gs_sequence_node *leaf = &sequence->nodes[sequence->leaves[item]];
    uint32_t slot = slot_of(leaf, item) + 1;
    if (slot < leaf->count) {
        return leaf->child[slot];
    }
    return leaf->next != GS_SEQUENCE_NONE ? sequence->nodes[leaf->next].child[0] : GS_SEQUENCE_NONE;
}

int gs_sequence_copy(struct gs_sequence *to, const struct gs_sequence *from, struct gs_memory *memory) {
    if (from->node_count == 0) {
        return 0;
    }
    if (reserve_leaves(to, memory, from->leaf_capacity) != 0 || reserve_nodes(to, memory, from->node_count) != 0) {
        gs_sequence_close(to, memory);
        return GS_ENOMEM;
    }
    memcpy(to->leaves, from->leaves, from->leaf_capacity * sizeof(*to->leaves));
    memcpy(to->nodes, from->nodes, from->node_count * sizeof(*to->nodes));
    to->node_count = from->node_count;
    to->root = from->root;
    to->first = from->first;
    to->total = from->total;
    return 0;
}
