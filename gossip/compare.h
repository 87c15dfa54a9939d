/* What two nodes say to each other to compare their digest trees (gossip/FORMAT.md, "Comparison"): encoding and bounded
 * decoding, nothing else. It travels as the body of a GS_MESSAGE_COMPARE.
 *
 * One side asks, the other answers; a session is named by a random number of the asker's. Hashes of nodes below the
 * root are cut to 8 bytes on the way: they only lead to where the trees differ, what is found there is compared in
 * full. */
#ifndef GS_GOSSIP_COMPARE_H
#define GS_GOSSIP_COMPARE_H

#include "gossip/vector.h"

enum gs_compare_op {
    GS_COMPARE_ASK,    /* here is my vector: what is your root at what we both have? */
    GS_COMPARE_ROOT,   /* the answer: my vector, and my root at the pointwise minimum of the two, signed */
    GS_COMPARE_OPEN,   /* show me the children of these prefixes */
    GS_COMPARE_NODES,  /* … in the same order */
    GS_COMPARE_WANT,   /* show me the one leaf below each of these prefixes */
    GS_COMPARE_STATES, /* … in the same order */
    GS_COMPARE_MEND,   /* rebuild these aggregates from your own log, and keep the result if it differs */
    GS_COMPARE_MENDED, /* … in the same order: enum gs_mended each */
    GS_COMPARE_END     /* the session is over; from the one who answers: why it cannot go on */
};

enum gs_compare_end {
    GS_COMPARE_DONE,
    GS_COMPARE_BUSY,   /* too many sessions */
    GS_COMPARE_FAR,    /* too many aggregates have changed since what both have: exchange events first */
    GS_COMPARE_DAMAGED /* a log could not be read */
};

enum gs_mended {
    GS_MENDED_WAS_RIGHT, /* memory was what the log says */
    GS_MENDED_REPAIRED,
    GS_MENDED_FAILED, /* the log could not be read */
    GS_MENDED_BUSY    /* it is being written all the time: ask again */
};

enum {
    GS_COMPARE_DEPTH_MAX = 32, /* nibbles of a prefix */
    GS_COMPARE_PATH_SIZE = 16,
    GS_COMPARE_HASH_SIZE = 8,
    GS_COMPARE_FANOUT = 16,
    GS_COMPARE_OPEN_MAX = 256, /* prefixes in one OPEN or MEND */
    GS_COMPARE_WANT_MAX = 64,  /* prefixes in one WANT */
    GS_COMPARE_STATES_BYTES = 4 * 1024 * 1024,
    GS_COMPARE_BODY_MAX = 7 * 1024 * 1024
};

struct gs_compare_prefix {
    uint8_t depth;
    uint8_t path[GS_COMPARE_PATH_SIZE]; /* bits past `depth` nibbles are 0 */
};

struct gs_compare_children {
    uint16_t inner, leaf; /* sets of children of each kind; no child is of both */
    uint8_t hashes[GS_COMPARE_FANOUT][GS_COMPARE_HASH_SIZE];
};

/* A leaf's state. Empty name: there is no one leaf there. Empty state: it is too large to be sent. */
struct gs_compare_state {
    struct gs_slice name;  /* "type/id" */
    struct gs_slice state; /* GS_ENCODE_FULL */
};

struct gs_compare {
    enum gs_compare_op op;
    uint64_t session;
    struct gs_vector vector;              /* ASK, ROOT; owned */
    bool fresh;                           /* ASK: hash your memory again first */
    gs_hash root;                         /* ROOT */
    uint64_t leaves;                      /* ROOT */
    uint8_t signature[GS_SIGNATURE_SIZE]; /* ROOT; see gossip/attestation.h */
    uint32_t count;                       /* of what follows */
    struct gs_compare_prefix *prefixes;   /* OPEN, WANT, MEND; owned */
    struct gs_compare_children *children; /* NODES; owned */
    struct gs_compare_state *states;      /* STATES; owned, the slices borrow from the message */
    uint8_t mended[GS_COMPARE_OPEN_MAX];  /* MENDED */
    enum gs_compare_end end;              /* END */
};

/* Decodes a body. GS_EFORMAT, GS_ETOOBIG, GS_ENOMEM. */
int gs_compare_decode(struct gs_slice body, struct gs_compare *ret_compare);
void gs_compare_close(struct gs_compare *compare);

/* Appends the body. */
void gs_compare_write(const struct gs_compare *compare, struct gs_buffer *out);

#endif
