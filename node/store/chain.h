/* What every engine checks before it writes: that records are well formed and continue their origins' chains.
 *
 *     gs_chain_check → write chain.links → gs_chain_accept
 *
 * The heads are kept in memory, so that an append reads nothing. A check that is not followed by an accept changes
 * nothing. Signatures are not checked here: the core verified what it stores. */
#ifndef GS_NODE_STORE_CHAIN_H
#define GS_NODE_STORE_CHAIN_H

#include "gossip/batch.h"
#include "gossip/vector.h"

/* One record of an append, as its batch's head describes it. */
struct gs_chain_link {
    struct gs_slice record; /* borrowed from the records that were checked */
    gs_origin origin;
    uint64_t first_seq;
    uint64_t last_seq;
};

/* Zero-initialise. */
struct gs_chain {
    struct gs_vector heads; /* of what is stored */
    struct gs_vector next;  /* … once the checked records are */
    struct gs_chain_link *links;
    uint32_t link_count;
    uint32_t link_capacity;
};

/* Checks `count` encoded records, one after another in `records`, and fills `links`. GS_EINVAL (there are not `count`
 * of them, or none), GS_EFORMAT, GS_EVERSION, GS_ETOOBIG (a record, or more than GS_VECTOR_MAX origins), GS_ECHAIN,
 * GS_ENOMEM. */
int gs_chain_check(struct gs_chain *chain, struct gs_slice records, uint32_t count);

/* The records of the last check are stored: they are part of `heads` from now on. */
void gs_chain_accept(struct gs_chain *chain);

void gs_chain_close(struct gs_chain *chain);

#endif
