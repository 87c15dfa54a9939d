/* One comparison with one peer, from the asker's side: what was found. See compare.h for how it goes, verify.c for how
 * it is done, jobs.h for who asks. */
#ifndef GS_NODE_CORE_VERIFY_H
#define GS_NODE_CORE_VERIFY_H

#include "node/core/compare.h"

enum {
    GS_VERIFY_SHOWN = 100,           /* differences that are described; all are counted, and mended */
    GS_VERIFY_DIFFERING_MAX = 20000, /* then the comparison gives up: exchange events, or look at the node */
    GS_VERIFY_BATCH = GS_COMPARE_WANT_MAX,
    GS_VERIFY_REASON_SIZE = 160
};

enum gs_verify_phase {
    GS_VERIFY_ROOTS,   /* the cut, and the roots at it */
    GS_VERIFY_DESCEND, /* inner nodes that differ */
    GS_VERIFY_EXAMINE, /* aggregates that differ: which side is not what its history makes */
    GS_VERIFY_MEND_OURS,
    GS_VERIFY_MEND_THEIRS,
    GS_VERIFY_DONE,
    GS_VERIFY_FAILED
};

/* Whose state is not what the log makes at the cut. */
enum { GS_FAULT_LOCAL = 1, GS_FAULT_REMOTE = 2, GS_FAULT_LOG = 4 /* ours could not be read: nobody knows */ };

struct gs_difference {
    char name[GS_CORE_NAME_MAX + 1];
    uint32_t fault;
    bool repaired;
    struct gs_buffer fields; /* JSON array of {"path","local","remote"}; owned */
};

/* One aggregate of the batch that is being examined. */
struct gs_verify_item {
    char name[GS_CORE_NAME_MAX + 1];
    bool here, there;
    bool there_in_full; /* `theirs` is the whole hash, and `state` what it is of */
    gs_hash ours, theirs;
    struct gs_buffer state; /* the peer's, GS_ENCODE_FULL; owned */
};

struct gs_verify_want {
    struct gs_digest_prefix prefix;
    uint8_t hash[GS_COMPARE_HASH_SIZE];
};

struct gs_verify_mend {
    char name[GS_CORE_NAME_MAX + 1];
    bool ours;
};

struct gs_verify {
    /* Set by who begins it. */
    bool drill; /* look for what differs */
    bool mend;
    const char (*types)[GS_ID_BYTES_MAX + 1]; /* borrowed; only aggregates of these count; none: all */
    uint32_t type_count;
    /* What is known so far. */
    enum gs_verify_phase phase;
    char reason[GS_VERIFY_REASON_SIZE]; /* FAILED */
    bool has_roots, equal;
    gs_hash ours, theirs;
    struct gs_vector cut;       /* of the roots */
    struct gs_buffer statement; /* the peer's signed root, JSON */
    uint64_t leaves;            /* in the peer's tree */
    uint64_t ranges;            /* nodes compared */
    uint64_t differing, repaired;
    struct gs_difference *differences; /* owned; at most GS_VERIFY_SHOWN */
    uint32_t difference_count, difference_capacity;
    /* Work. */
    uint64_t comparison;               /* its id; 0: over */
    gs_public_key key;                 /* the peer's */
    uint64_t claimed;                  /* leaves that the peer has shown */
    struct gs_digest_prefix *frontier; /* inner nodes to open; owned */
    uint32_t frontier_count, frontier_capacity, opened, opening;
    struct gs_verify_want *wants; /* leaves to look at; owned */
    uint32_t want_count, want_capacity, wanted, wanting;
    gs_digest_path *missing; /* our leaves that the peer lacks; owned */
    uint32_t missing_count, missing_capacity, missed;
    struct gs_verify_item items[GS_VERIFY_BATCH];
    uint32_t item_count, items_left;
    struct gs_verify_mend *mends; /* owned; ours and theirs */
    uint32_t mend_count, mend_capacity, mended_ours, mended_theirs;
    uint32_t mending[GS_COMPARE_OPEN_MAX]; /* numbers in `mends` of those that the peer was asked for */
    uint32_t mending_count;
    uint32_t retries;
};

/* Begins, with a peer that is linked: 0, or GS_EOVERLOADED. `fresh`: both sides hash their memory again first. */
int gs_verify_begin(struct gs_core *core, struct gs_verify *verify, gs_peer peer, const gs_public_key *key, bool fresh,
                    struct gs_update *update);
/* Ends it early; the peer is told. */
int gs_verify_cancel(struct gs_core *core, struct gs_verify *verify, struct gs_update *update);
/* It must not be running. */
void gs_verify_close(struct gs_verify *verify);
/* 0 … 100, never less than before within one comparison. */
uint32_t gs_verify_percent(const struct gs_verify *verify);

/* Appends the fields in which two states differ, at most `max`, as a JSON array. Either may be NULL: it has none. Equal
 * values with different histories are one entry with the path "". 0 or GS_ENOMEM. */
int gs_field_diff(const struct gs_aggregate *ours, const struct gs_aggregate *theirs, uint32_t max,
                  struct gs_buffer *out);

#endif
