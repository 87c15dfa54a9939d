/* Order-statistic B+-tree: numbered items in an order that is given from outside, each with a weight.
 *
 * Finds the item at a weight, the weight before an item, and the next item; items are told apart by number, and the
 * tree knows in which leaf each lies, so that no search is needed to come back to one. Everything O(log n). Nodes lie
 * in one array and refer to each other by number. Room is made beforehand (gs_sequence_reserve), so that changes
 * themselves cannot fail. */
#ifndef GS_CRDT_SEQUENCE_H
#define GS_CRDT_SEQUENCE_H

#include <globalstate/memory.h>

#include <stdbool.h>

/* No item; items are less. */
#define GS_SEQUENCE_NONE UINT32_MAX

struct gs_sequence_node;

/* Zero-initialise for the empty sequence. */
struct gs_sequence {
    struct gs_sequence_node *nodes; /* owned */
    uint32_t *leaves;               /* owned; by item: the leaf it is in */
    uint32_t node_count;
    uint32_t node_capacity;
    uint32_t leaf_capacity;
    uint32_t root;  /* meaningless while there are no nodes */
    uint32_t first; /* leaf */
    uint32_t total; /* of all weights; at most UINT32_MAX, which the caller minds */
};

void gs_sequence_close(struct gs_sequence *sequence, struct gs_memory *memory);
/* Makes room for items below `bound` and for `count` insertions next to each other. 0 or GS_ENOMEM. */
int gs_sequence_reserve(struct gs_sequence *sequence, struct gs_memory *memory, uint32_t bound, uint32_t count);
/* Puts a new item directly after (or before) `beside`, or into the empty sequence. */
void gs_sequence_insert_after(struct gs_sequence *sequence, uint32_t beside, uint32_t item, uint32_t weight);
void gs_sequence_insert_before(struct gs_sequence *sequence, uint32_t beside, uint32_t item, uint32_t weight);
void gs_sequence_set_weight(struct gs_sequence *sequence, uint32_t item, uint32_t weight);
/* Takes all items out and keeps the memory: as many items as were in go in again without failing. */
void gs_sequence_clear(struct gs_sequence *sequence);

/* The item that covers `position` < total, and how far into it that is. */
uint32_t gs_sequence_find(const struct gs_sequence *sequence, uint32_t position, uint32_t *ret_offset);
/* The sum of the weights before the item. */
uint32_t gs_sequence_position(const struct gs_sequence *sequence, uint32_t item);
/* The item after this one, the first one for GS_SEQUENCE_NONE; GS_SEQUENCE_NONE at the end. */
uint32_t gs_sequence_next(const struct gs_sequence *sequence, uint32_t item);
/* `to` becomes a copy; it must be empty. 0 or GS_ENOMEM (then empty). */
int gs_sequence_copy(struct gs_sequence *to, const struct gs_sequence *from, struct gs_memory *memory);

#endif
