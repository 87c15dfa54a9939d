/* Version vector: origin → head (seq and hash of its last batch).
 *
 * Equal vectors mean equal history: the hash of an origin's last batch covers all batches before it (G2). Sorted by
 * origin. */
#ifndef GS_GOSSIP_VECTOR_H
#define GS_GOSSIP_VECTOR_H

#include "gossip/identity.h"

#include <globalstate/memory.h>

struct gs_head {
    gs_origin origin;
    uint64_t seq; /* ≥ 1 */
    gs_hash hash; /* of the batch that ends at seq */
};

enum { GS_VECTOR_MAX = 4096 };

struct gs_vector {
    struct gs_head *heads; /* owned, sorted by origin */
    uint32_t count;
    uint32_t capacity;
};

void gs_vector_close(struct gs_vector *vector);
/* The head of `origin`, or NULL. Borrowed until the next change. */
const struct gs_head *gs_vector_find(const struct gs_vector *vector, const gs_origin *origin);
/* seq of `origin`, 0 if absent. */
uint64_t gs_vector_seq(const struct gs_vector *vector, const gs_origin *origin);
/* Sets (adds or replaces) a head. 0, GS_ENOMEM, or GS_ETOOBIG past GS_VECTOR_MAX origins. */
int gs_vector_set(struct gs_vector *vector, const struct gs_head *head);
/* Takes a head out, if it is there. */
void gs_vector_remove(struct gs_vector *vector, const gs_origin *origin);
/* Copies `from` over `vector`. 0 or GS_ENOMEM (then unchanged). */
int gs_vector_copy(struct gs_vector *vector, const struct gs_vector *from);
bool gs_vector_equal(const struct gs_vector *a, const struct gs_vector *b);
/* Lowers `vector` to what `other` has, too: the pointwise minimum. */
void gs_vector_meet(struct gs_vector *vector, const struct gs_vector *other);
/* True if every head of `b` has its seq covered by `a`. */
bool gs_vector_covers(const struct gs_vector *a, const struct gs_vector *b);

#endif
