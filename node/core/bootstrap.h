/* The side that takes a snapshot (gossip/snapshot.h): an empty node gets the state of another region at one vector, and
 * the log from there.
 *
 *     an empty node hears of more than GS_BOOTSTRAP_EVENTS events
 *       → ASK: root and cut, signed by the sender     cheaper than the log? else the log it is
 *       → another member, if one is linked, is asked for its root at the same cut
 *       → from the root down: what the stage does not have yet is opened, or fetched as a chunk, and staged
 *       → what a start needs besides, checked by a start of its own
 *       → update.install: the store becomes one that begins at a base; then the core is made anew, of the states that
 *         are in memory already (staged.h) or of the store
 *
 * Nothing is believed but what hashes up to the signed root; versions and times, which the tree does not cover, are
 * under the chunk's signature. A sender whose answers do not fit what it has signed, or whom the other member
 * contradicts, is named, and another is asked. What is staged is kept beside the store and goes by content: after a
 * restart, and with another sender or a newer cut, only what differs is fetched. While it lasts, the node neither
 * writes nor pulls. */
#ifndef GS_NODE_CORE_BOOTSTRAP_H
#define GS_NODE_CORE_BOOTSTRAP_H

#include "gossip/snapshot.h"
#include "node/core/staged.h"

struct gs_core;
struct gs_core_event;
struct gs_peer_state;
struct gs_update;
struct gs_compare;
struct gs_job;
struct gs_sync_peer;

/* A peer, by the number of its link (core.h). */
enum {
    GS_BOOTSTRAP_EVENTS = 10000,        /* that a node lacks before it asks for a snapshot, by default */
    GS_BOOTSTRAP_EVENT_BYTES = 200,     /* of log, roughly */
    GS_BOOTSTRAP_LEAVES_MAX = 50000000, /* more than memory holds */
    GS_BOOTSTRAP_ANSWER_MS = 20000,
    GS_BOOTSTRAP_CHUNK_BYTES = 512 * 1024, /* to aim at */
    GS_BOOTSTRAP_SECOND_MS = 1000,         /* between two questions to the other member … */
    GS_BOOTSTRAP_SECONDS = 30,             /* … which is asked so often, once all else is there */
    GS_BOOTSTRAP_UNANSWERED = 10,          /* … and no answer in time counts so many times */
    GS_BOOTSTRAP_AVOIDED = 8,
    GS_BOOTSTRAP_FAILURES = 20 /* then it is done by the log */
};

enum gs_bootstrap_phase {
    GS_BOOTSTRAP_ASKING,
    GS_BOOTSTRAP_FETCHING,
    GS_BOOTSTRAP_BESIDES,
    GS_BOOTSTRAP_CONFIRMING,
    GS_BOOTSTRAP_INSTALLING
};

/* A subtree that is to be looked at; its hash and its leaves are verified. */
struct gs_bootstrap_node {
    struct gs_digest_prefix prefix;
    gs_hash hash;
    uint64_t count;
    bool open; /* as a chunk it is too large */
};

struct gs_bootstrap {
    bool active;
    bool over; /* decided: not in this life of the core any more */
    enum gs_bootstrap_phase phase;
    uint64_t link; /* 0: none, another is looked for */
    gs_public_key key;
    char region[GS_REGION_NAME_MAX + 1];
    uint64_t session;
    struct gs_snapshot root; /* its vector is owned */
    gs_hash root_hash;
    struct gs_staged staged;
    uint64_t staged_bytes;
    struct gs_bootstrap_node *nodes; /* a stack; owned */
    uint32_t node_count, node_capacity;
    /* The question that is out. */
    bool asked;
    enum gs_snapshot_op question;
    struct gs_bootstrap_node asked_nodes[GS_SNAPSHOT_OPEN_MAX];
    uint32_t asked_count;
    uint64_t asked_mono_ms, retry_mono_ms;
    /* Chunks that are asked for while that question is out, the oldest first, so that neither side waits for the other:
     * as many as the way there and back of a long link takes. */
    struct gs_bootstrap_node ahead[GS_SNAPSHOT_AHEAD];
    uint32_t ahead_count;
    struct gs_buffer besides; /* parts so far; owned */
    uint32_t parts;
    gs_hash parts_hash;
    /* The other member. */
    bool confirmed;
    bool second_asked; /* and has not answered: it may have to rebuild a lot; a new question would begin that anew */
    uint64_t second_link, second_session, second_mono_ms;
    uint32_t second_tries;
    char second_region[GS_REGION_NAME_MAX + 1];
    gs_public_key avoided[GS_BOOTSTRAP_AVOIDED]; /* have been caught */
    uint32_t avoided_count, failures;
    uint64_t done_leaves, bytes, chunks; /* of this root; received; received */
    uint64_t rate, began_mono_ms;        /* bytes a second; 0: no cap */
    char trouble[160];                   /* what went wrong last */
};

/* What the shell makes the store begin with. */
struct gs_core_install {
    struct gs_vector heads;
    uint64_t clock;
    struct gs_buffer besides; /* see giving.h */
};
void gs_core_install_free(struct gs_core_install *install);

void gs_bootstrap_close(struct gs_core *core);
/* A peer has told what it has: an empty node may begin. */
int gs_bootstrap_consider(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update);
int gs_bootstrap_answer(struct gs_core *core, struct gs_peer_state *peer, struct gs_snapshot *answer,
                        struct gs_update *update);
/* A root for a comparison that is not known here: the other member's, if it is. */
int gs_bootstrap_second(struct gs_core *core, struct gs_peer_state *peer, struct gs_compare *answer,
                        struct gs_update *update);
int gs_bootstrap_tick(struct gs_core *core, struct gs_update *update);
void gs_bootstrap_peer_down(struct gs_core *core, uint64_t link);
/* GS_CORE_STAGED and GS_CORE_INSTALLED. */
int gs_bootstrap_staged(struct gs_core *core, struct gs_slice chunk);
int gs_bootstrap_installed(struct gs_core *core, int error, struct gs_update *update);
/* 0 … 100, and what it is at. */
uint32_t gs_bootstrap_percent(const struct gs_core *core);
const char *gs_bootstrap_stage(const struct gs_core *core);

/* bootstrap_tree.c: looks at subtrees of the root; pushes what the stage lacks. 0, GS_ENOMEM, GS_EFORMAT: what was sent
 * does not fit what is verified. */
int gs_bootstrap_push(struct gs_bootstrap *bootstrap, const struct gs_bootstrap_node *node);
int gs_bootstrap_take_nodes(struct gs_bootstrap *bootstrap, const struct gs_snapshot *nodes);
/* Stages a chunk (its signature is verified); appends what is to be kept of it to `ret_stage`. */
int gs_bootstrap_take_chunk(struct gs_core *core, const struct gs_snapshot *chunk, struct gs_buffer *ret_stage);
/* What a start needs besides, tried by a core of its own. 0, GS_ENOMEM, or why not. */
int gs_bootstrap_try(struct gs_core *core, const struct gs_bootstrap *bootstrap, uint64_t *ret_clock);

#endif
