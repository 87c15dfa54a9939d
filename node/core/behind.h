/* What lies behind a snapshot: the log that a bootstrap did not need is fetched once all the same, in the background,
 * and looked at.
 *
 * The snapshot's states and heads are vouched for by signatures (bootstrap.h). That the heads are the ends of histories
 * which anybody can read is shown here: of each origin, every batch from its first on is hashed and names the hash of
 * the one before it, and the last one is the head that the snapshot began with, whose signature the start has checked.
 * Nothing of it is stored. A peer whose log begins later, since what was before was removed by retention, cannot show
 * it: then another one is asked for the rest. One whose batches lead elsewhere is named. One question at a time, and a
 * pause between them, so that fresh writes come first. */
#ifndef GS_NODE_CORE_BEHIND_H
#define GS_NODE_CORE_BEHIND_H

#include "gossip/snapshot.h"
#include "node/core/core.h"

struct gs_core;
struct gs_peer_state;
struct gs_update;

enum {
    GS_BEHIND_PAUSE_MS = 100, /* between two questions */
    GS_BEHIND_ANSWER_MS = 20000
};

enum gs_behind_state {
    GS_BEHIND_RUNNING,
    GS_BEHIND_SHOWN, /* all of it */
    GS_BEHIND_GONE,  /* the peer does not have it any more */
    GS_BEHIND_WRONG, /* what it sent does not lead to the heads */
    GS_BEHIND_SILENT /* no answer came */
};

struct gs_behind {
    enum gs_behind_state state;
    struct gs_vector heads; /* owned: where each origin's history has to end */
    uint32_t at;            /* the origin that is looked at … */
    struct gs_head reached; /* … and how far it is: seq and hash */
    uint64_t shown, total;  /* events */
    uint64_t session;
    bool asked;
    uint64_t asked_mono_ms;
};

/* Begins, with the heads of our log's base. 0 or GS_ENOMEM. */
int gs_behind_begin(struct gs_core *core, struct gs_behind *behind);
/* Asks the peer for more, if it is time to. 0 or GS_ENOMEM. */
int gs_behind_step(struct gs_core *core, struct gs_behind *behind, gs_peer peer, struct gs_update *update);
/* The peer's answer, if it is to our question. */
void gs_behind_records(struct gs_core *core, struct gs_behind *behind, const struct gs_snapshot *answer);
/* Goes on where it is, with another peer. */
void gs_behind_resume(struct gs_behind *behind);
void gs_behind_close(struct gs_behind *behind);

#endif
