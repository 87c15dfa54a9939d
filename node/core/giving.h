/* The side that gives a snapshot (gossip/snapshot.h): this region's state at one vector, while writes go on.
 *
 * A snapshot is a session of compare.h with a tree at what was stored when it was asked for. What a start needs besides
 * the states (checkpoint.c: heads, what origins had witnessed, idempotency keys, conflicts) is written down at the very
 * moment at which memory was what the tree says, and cut into parts. A leaf is given from memory if that is still what
 * the leaf was made of, else the log makes it again at the cut. Root and chunks are signed. One question at a time, and
 * a few that wait for it; a bounded number of snapshots at once, each of a bounded size. */
#ifndef GS_NODE_CORE_GIVING_H
#define GS_NODE_CORE_GIVING_H

#include "gossip/snapshot.h"
#include "node/core/compare.h"

enum {
    GS_GIVINGS_MAX = 4,
    GS_GIVING_BESIDES_MAX = 64 * 1024 * 1024, /* of what a start needs besides the states */
    GS_GIVING_KEYS_MAX = 400000               /* idempotency keys, the newest */
};

struct gs_giving_leaf {
    struct gs_slice name; /* borrowed from the tree */
    uint64_t version;
    gs_hlc updated;
    struct gs_buffer state; /* owned */
};

struct gs_giving {
    bool written;                                     /* `besides` is */
    struct gs_buffer besides;                         /* owned; see gs_giving_write */
    gs_hash root_hash;                                /* names the snapshot in its chunks */
    struct gs_compare_prefix next[GS_SNAPSHOT_AHEAD]; /* chunks that were asked for meanwhile, the oldest first */
    uint32_t next_count;
    /* The chunk in the making. */
    struct gs_compare_prefix prefix;
    struct gs_giving_leaf *leaves; /* owned */
    uint32_t leaf_count, leaf_capacity;
    size_t bytes;
    bool too_large;
};

int gs_giving_ask(struct gs_core *core, struct gs_peer_state *peer, const struct gs_snapshot *ask,
                  struct gs_update *update);
int gs_giving_question(struct gs_core *core, struct gs_peer_state *peer, const struct gs_snapshot *question,
                       struct gs_update *update);
/* Memory is what a tree taken now says: snapshots that wait for one write down the rest. */
int gs_givings_sealed(struct gs_core *core);
/* The session has its tree. */
int gs_giving_root(struct gs_core *core, struct gs_comparison *c, struct gs_update *update);
int gs_giving_rebuilt(struct gs_core *core, struct gs_comparison *c, const struct gs_rebuild_slot *slot,
                      const struct gs_core_event *event, struct gs_update *update);
void gs_giving_free(struct gs_giving *giving);

/* What a start needs besides the states, as one canonical array: [checkpoint, (first, last, entries) of each journal].
 */
int gs_giving_write(struct gs_core *core, struct gs_buffer *out);

/* The same read back; borrowed from the bytes. GS_EFORMAT. */
struct gs_besides {
    struct gs_slice checkpoint;
    struct {
        uint64_t first, last; /* last = first - 1: none */
        struct gs_slice entries;
    } journals[GS_KEEP_JOURNALS];
};
int gs_besides_read(struct gs_slice bytes, struct gs_besides *ret_besides);

/* Appends a leaf of a chunk. */
void gs_snapshot_write_leaf(struct gs_slice name, uint64_t version, gs_hlc updated, struct gs_slice state,
                            struct gs_buffer *out);

#endif
