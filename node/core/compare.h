/* Comparisons of digest trees with peers: sessions of gossip/compare.h, on both of their sides.
 *
 *     asker                                    answerer
 *     scrub memory, take a tree at a vector
 *     ASK (vector)                     ──▶     scrub, take a tree, bring it to the cut
 *     bring ours to the cut            ◀──     ROOT (vector, root at the cut, signed)
 *     equal: done. Else, level by level:
 *     OPEN (prefixes)                  ──▶
 *                                      ◀──     NODES (children)
 *     WANT (leaves that differ)        ──▶
 *                                      ◀──     STATES
 *     rebuild each from our own log at the cut: whose state is not what its history makes?
 *     MEND (what is wrong there)       ──▶     rebuild from its own log, replace
 *                                      ◀──     MENDED
 *
 * The cut is the pointwise minimum of both vectors: causally closed, and in both logs. An aggregate that has gone past
 * it stands in the tree as its log makes it at the cut.
 *
 * A peer may lie: an asker's walk is a walk of a tree (no prefix twice, at most GS_COMPARE_DEPTH_MAX deep), bounded in
 * nodes by the leaves that the peer has signed for, and in time for every answer; what is found must fit what was
 * claimed on the way. Nothing that a peer sends ever enters our state. Who answers keeps a bounded number of sessions,
 * each a shared tree and at most one answer in the making. */
#ifndef GS_NODE_CORE_COMPARE_H
#define GS_NODE_CORE_COMPARE_H

#include "gossip/compare.h"
#include "node/core/core.h"
#include "node/core/digest.h"

struct gs_message;
struct gs_peer_state;
struct gs_giving;
struct gs_verify;

enum {
    GS_COMPARES_MAX = 96,         /* sessions, both sides together */
    GS_COMPARES_PER_PEER = 4,     /* that a peer may ask at once */
    GS_COMPARE_BEYOND_MAX = 8192, /* aggregates past the cut that are rebuilt for one session */
    GS_COMPARE_ANSWER_MS = 30000, /* a peer that scrubs and rebuilds may take this long */
    GS_COMPARE_IDLE_MS = 60000,   /* then a session that nobody goes on with is forgotten … */
    GS_COMPARE_STALE_MS = 10000,  /* … after this, if its peer asks for another one and has as many as it may */
    GS_REBUILDS_MAX = 32768,      /* asked for and not yet answered */
    GS_MEND_RETRIES = 1000        /* in one session, of aggregates that are being written */
};

enum gs_compare_stage {
    GS_COMPARING_SCRUB, /* memory is being hashed */
    GS_COMPARING_TREE,  /* a tree is going to be taken at the next seal */
    GS_COMPARING_ASKED, /* asker: the other root is on its way */
    GS_COMPARING_CUT,   /* aggregates past the cut are being rebuilt */
    GS_COMPARING_OPEN   /* at the cut: the trees may be walked */
};

struct gs_comparison {
    uint64_t id; /* unique in this core */
    gs_peer peer;
    uint64_t session; /* on the wire */
    enum gs_compare_stage stage;
    bool fresh;            /* memory is hashed again before the tree is taken, on both sides */
    uint64_t scrub_passes; /* to wait for */
    struct gs_digest_tree tree;
    struct gs_vector vector; /* ours, of the tree */
    struct gs_vector theirs;
    struct gs_vector cut;
    uint32_t rebuilding; /* rebuilds asked for and not yet back */
    int rebuild_error;   /* of one of them */
    uint64_t deadline_mono_ms;
    struct gs_giving *giving; /* we give a snapshot, and this is not a comparison at all; owned */
    struct gs_verify *verify; /* asker: what is done with it, borrowed. NULL: we answer */
    /* The answer in the making: STATES or MENDED. */
    bool answering;
    struct gs_compare answer;
    struct gs_buffer *texts; /* owned: name and state of each, two apiece */
    size_t answer_bytes;
    uint32_t retries; /* of aggregates that were being written */
};

/* What a rebuild is for. */
enum gs_rebuild_use {
    GS_REBUILD_CUT,   /* a leaf of a session's tree */
    GS_REBUILD_STATE, /* a state that the peer wants to see */
    GS_REBUILD_JUDGE, /* asker: what the log says of a difference */
    GS_REBUILD_MEND,  /* memory is to be replaced by it */
    GS_REBUILD_GIVE   /* a leaf of a snapshot */
};

struct gs_rebuild_slot {
    uint64_t number; /* 0: free */
    enum gs_rebuild_use use;
    uint64_t comparison; /* its id */
    uint32_t item;
    bool again, waits; /* damage_wait.c: it has failed once for damage; it waits for that to be healed */
    char name[GS_CORE_NAME_MAX + 1];
};

struct gs_compares {
    struct gs_comparison *sessions[GS_COMPARES_MAX]; /* owned; NULL: free */
    uint64_t ids;
    uint64_t rebuild_numbers;
    struct gs_rebuild_slot *slots; /* owned; a slot's number says where it is */
    uint32_t slot_count, slot_capacity;
    uint32_t *free_slots; /* owned; as large as `slots` */
    uint32_t free_count;
};

void gs_compares_close(struct gs_core *core);
int gs_compares_message(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                        struct gs_update *update);
int gs_compares_rebuilt(struct gs_core *core, const struct gs_core_event *event, struct gs_update *update);
int gs_compares_tick(struct gs_core *core, struct gs_update *update);
void gs_compares_peer_down(struct gs_core *core, gs_peer peer);
/* A tree was taken: `tree` at core->stored. */
int gs_compares_take(struct gs_core *core, const struct gs_digest_tree *tree, struct gs_update *update);

/* For verify.c. A session that asks `peer`; it goes on at the next tick. NULL: GS_COMPARES_MAX, or no memory. */
struct gs_comparison *gs_comparison_begin(struct gs_core *core, gs_peer peer, struct gs_verify *verify, bool fresh);
struct gs_comparison *gs_comparison_find(struct gs_core *core, uint64_t id);
void gs_comparison_end(struct gs_core *core, struct gs_comparison *comparison);
/* Sends what is filled in of `compare`, but for the session. */
int gs_comparison_send(const struct gs_comparison *comparison, struct gs_compare *compare, struct gs_update *update);
/* The pointwise minimum; `ret_cut` is zeroed or reused. GS_ECHAIN: the histories differ. */
int gs_comparison_minimum(const struct gs_vector *a, const struct gs_vector *b, struct gs_vector *ret_cut);
/* Brings the tree to the cut with `theirs`. GS_ECHAIN: the histories differ; GS_EOVERLOADED: too far apart. When it is
 * done (maybe at once), gs_comparison_at_cut goes on. */
int gs_comparison_cut(struct gs_core *core, struct gs_comparison *comparison, struct gs_update *update);
int gs_compares_rebuild(struct gs_core *core, struct gs_comparison *comparison, enum gs_rebuild_use use, uint32_t item,
                        struct gs_slice name, struct gs_update *update);
/* The aggregate as memory has it, if that is what the session's leaf was made of; else NULL. */
const struct gs_aggregate *gs_comparison_memory(struct gs_core *core, const struct gs_digest_leaf *leaf);

/* mend.c: replaces what memory has of `name` by `state`, if it differs. */
enum gs_mended gs_mend(struct gs_core *core, struct gs_slice name, uint64_t version, struct gs_slice state,
                       struct gs_update *update);
/* "type/id" as two parts; false if it is not that. */
bool gs_name_split(struct gs_slice name, struct gs_slice *ret_type, struct gs_slice *ret_id);

#endif
