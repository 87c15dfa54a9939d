/* Identities that end: incarnations of a key that have given way to a later one, and regions that an operator has
 * retired. Their origins are *closed* at one last seq, the same at every node, by decisions in the log alone.
 *
 * Decisions are events on aggregates of the node's own (only `internal` writes touch them):
 *   proposal    sets /closing of gs.origin/ORIGIN to the last seq that its writer has of the origin
 *   closing     sets /closed of gs.origin/ORIGIN to the final seq; by the writer of a proposal, later
 *   retirement  sets /heir of gs.member/KEY to the key (hexadecimal) of the region that inherits
 *
 * Who may: a later incarnation of the same key may propose to close an earlier one (it alone knows that the life has
 * ended), the heir of a retired key its origins.
 *
 * How it goes. Who has applied a proposal takes nothing more of the origin, but for what a batch of another region that
 * it has received depends on. A member *votes* by its first batch that depends on the proposal: what it depends on of
 * the origin by then is what the member brings into the closing. When every live member has voted, the proposer's next
 * batch depends on all that anybody has, so nothing further can come to be depended on: its closing names what it has
 * applied of the origin as the final seq. Any node checks that: a closing is a function of what its batch depends on.
 * (The argument, and the corner cases: gossip/CLOSING.md.)
 *
 * Beyond the final seq nothing of the origin is taken, by anybody: not the batches, nor what depends on them. They are
 * held, with GS_EENDED, for people. Its writer inherits: rights of bounded counters pass to it (takeover.c).
 *
 * A live member is a key that is trusted and neither revoked nor retired. A key in the trust file that never runs puts
 * every closing off: it may have been given some of the origin, for all that anybody knows. */
#ifndef GS_NODE_CORE_CLOSING_H
#define GS_NODE_CORE_CLOSING_H

#include "gossip/batch.h"
#include "gossip/trust.h"

#define GS_ORIGIN_TYPE "gs.origin"
#define GS_MEMBER_TYPE "gs.member"

struct gs_core;
struct gs_origin_state;
struct gs_peer_state;

/* The first batch of `by` that depends on the proposal ends at `seq`. */
struct gs_vote {
    gs_origin by;
    uint64_t seq;
};

struct gs_proposal {
    gs_origin of; /* to be closed */
    gs_origin by; /* who proposes, with its event `seq` */
    uint64_t seq;
    gs_hlc clock;
    struct gs_vote *votes; /* owned */
    uint32_t vote_count, vote_capacity;
    bool over; /* it has led to a closing */
};

struct gs_closed {
    gs_origin of;
    gs_origin by; /* who has closed it with its event `seq`, and inherits */
    uint64_t seq;
    uint64_t final;
};

struct gs_retired {
    gs_public_key key, heir;
    gs_origin by; /* decided by its event `seq` */
    uint64_t seq;
};

/* What the log has decided; all in the order of application. */
struct gs_closings {
    struct gs_proposal *proposals; /* owned */
    uint32_t proposal_count, proposal_capacity;
    struct gs_closed *closed; /* owned */
    uint32_t closed_count, closed_capacity;
    struct gs_retired *retired; /* owned */
    uint32_t retired_count, retired_capacity;
    uint32_t folded_count; /* of the closed ones, that are folded */
    uint64_t fold_mono_ms; /* when that was last looked at */
    uint64_t
        orphan_mono_ms;   /* since when there is something that nobody else has, nor will (gs_proof_is_orphaned); 0 */
    bool look_for_rights; /* an origin that has been closed may hold some */
    bool self_ended;      /* our own origin is to be closed: it writes nothing more */
};

/* What a batch depends on: all that its origin had applied. `head` NULL: all that is applied here. */
struct gs_past {
    const struct gs_origin_state *origin;
    const struct gs_batch_head *head;
};

/* closing.c */
const struct gs_closed *gs_closing_find(const struct gs_core *core, const gs_origin *origin);
/* True if somebody has proposed to close the origin, or has closed it. */
bool gs_closing_begun(const struct gs_core *core, const gs_origin *origin);
/* Whether a verified batch may be taken: 0; GS_EBUSY: not for now, its origin is being closed; GS_EENDED: it lies, or
 * depends on something, beyond where an origin was closed. */
int gs_closing_takes(const struct gs_core *core, const struct gs_batch_head *head);
/* False while nothing more of the origin would be taken. */
bool gs_closing_wants(const struct gs_core *core, const gs_origin *origin);
/* Whether what a batch decides is borne out by what it depends on: 0, GS_ECLOSING, GS_ENOMEM. */
int gs_closing_check(const struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head,
                     const struct gs_event *events);
/* What our log has of the origin beyond `seq`, and what depends on it, is to be taken out (gs_cut) and written again by
 * this node: nobody else has it, nor will. Not if the log has been truncated. */
void gs_closing_abandon(struct gs_core *core, const gs_origin *origin, uint64_t seq);
/* What a batch decides is not borne out: because a life that it closes goes on beyond the final seq here, on a disk
 * that was thought lost? Then that is given up (gs_closing_abandon). */
void gs_closing_overtaken(struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head,
                          const struct gs_event *events);
/* Takes note of what an event decides. `by` is the origin that wrote it. 0 or GS_ENOMEM. */
int gs_closing_apply(struct gs_core *core, const gs_origin *by, const struct gs_event *event);
/* Takes note of what a batch of `origin` depends on, after that has advanced. 0 or GS_ENOMEM. */
int gs_closing_vote(struct gs_core *core, const struct gs_origin_state *origin, const struct gs_batch_head *head);
/* True if the key does not count any more: the log has a decision that it is retired, or it has been rotated and its
 * successor has written. */
bool gs_closing_is_ended(const struct gs_core *core, const gs_public_key *key);
/* True if the key has been rotated, and its successor has written. */
bool gs_closing_is_succeeded(const struct gs_core *core, const gs_public_key *key);
/* True if an origin of our own key is to be closed by another key. */
bool gs_closing_is_handed_on(const struct gs_core *core);
/* True if the log has a decision that the key is retired. */
bool gs_closing_is_retired(const struct gs_core *core, const gs_public_key *key);
/* True if the key has ended and all that it ever wrote is closed. */
bool gs_closing_is_over(const struct gs_core *core, const gs_public_key *key);
/* True if a link is of no more use, since its peer's key, or ours, is over: once the peer knows that, or has had time
 * to hear of it. */
bool gs_closing_ends_link(const struct gs_core *core, const struct gs_peer_state *peer);
/* True if the origin `heir` may take over what `origin` held: it has closed it, or has closed who did, and so on. */
bool gs_closing_inherits(const struct gs_core *core, const gs_origin *origin, const gs_origin *heir);
void gs_closing_close(struct gs_closings *closings);

/* closing_proof.c: the conditions of a closing, for who checks one and for who writes one. */
/* The seq of `origin` that a past has. */
uint64_t gs_past_seq(const struct gs_core *core, const struct gs_past *past, const gs_origin *origin);
/* True if `by` may propose to close `of`. */
bool gs_proof_may_propose(const struct gs_core *core, const struct gs_past *past, const struct gs_origin_state *by,
                          const struct gs_origin_state *of);
/* True if `proposal` may end in a closing. */
bool gs_proof_is_complete(const struct gs_core *core, const struct gs_past *past, const struct gs_proposal *proposal);
/* True if all who are asked have voted on somebody else's proposal, and none of them has the origin beyond `*ret_seq`,
 * while we do: by rule 2 (gossip/CLOSING.md) nobody will ever take that, nor what depends on it. */
bool gs_proof_is_orphaned(const struct gs_core *core, const struct gs_proposal *proposal, uint64_t *ret_seq);

/* closing_keep.c: into a checkpoint, and back: GS_EFORMAT, GS_ENOMEM. */
void gs_closing_write(const struct gs_closings *closings, struct gs_buffer *out);
int gs_closing_read(struct gs_reader *reader, struct gs_closings *closings);
/* closing.c: marks the origins that what was read is about. */
void gs_closing_restored(struct gs_core *core);

/* takeover.c: rights of bounded counters that closed origins hold pass to this node, if it inherits. A delta that gives
 * rights to a closed origin is noticed; the rest is done as time passes. 0, or a failure of the core. */
void gs_takeover_notice(struct gs_core *core, const struct gs_delta *delta);
int gs_takeover_tick(struct gs_core *core);

/* closing_drive.c: proposes and closes what is this node's to close. Called as time passes. 0, or a failure of the
 * core. */
int gs_closing_tick(struct gs_core *core);
/* Our own origin is to be closed: a new one begins, or this node stops taking writes. 0 or GS_ENOMEM. */
int gs_closing_end_self(struct gs_core *core);

#endif
