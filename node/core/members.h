/* Membership: who belongs to the cluster, where they can be reached, and whether they live. Private to node/core/.
 *
 *   members.c   signed member records: our own, those of others, how they go round, where to dial; leaving
 *   detector.c  alive, suspect, dead, left: what is made of links, probes and records
 *   probes.c    "can you reach it?": asked before somebody is suspected, and answered for others
 *
 * Records go round once (news is passed on by whoever learns it), and a now and then exchange of numbers with a random
 * peer brings what was lost on the way. There is at most one record a trusted key; the newest counts.
 *
 * Failure detection is SWIM's (Das, Gupta, Motivala, 2002) over links that are there anyway: heartbeats on links stand
 * for its random pings; a member that falls silent, or whose link is gone, is asked for through up to three others, and
 * suspected only when nobody brings an answer. The answer is a fresh record: signed by the member itself, with a number
 * above the one in the question, so no helper can invent it. A suspected member that gives no sign of life is dead
 * after a while, which is the shorter the more members say that they cannot reach it either; all waits are the longer
 * the less we can trust ourselves (Dadgar, Phillips, Currey, *Lifeguard*, 2018: suspicion and local health). Time in
 * which this node did not run counts against nobody. Suspicion is not gossiped: each node judges for itself, and asks.
 */
#ifndef GS_NODE_CORE_MEMBERS_H
#define GS_NODE_CORE_MEMBERS_H

#include "gossip/message.h"
#include "node/core/core.h"

#define GS_NOTE_MEMBERS "members"

enum {
    GS_MEMBERS_MAX = 2 * GS_CORE_PEERS_MAX, /* keys with a record or a link; retired ones linger until untrusted */
    GS_PROBE_HELPERS = 3,
    GS_FORWARDS_MAX = 256,     /* probes that wait for an answer here */
    GS_FORWARDS_PEER_MAX = 64, /* … of one peer */
    GS_DISTRESS_MAX = 8        /* Lifeguard's S */
};

struct gs_peer_state;

/* One question to several helpers. */
struct gs_probe_round {
    uint64_t id; /* 0: none yet */
    uint64_t begun_mono_ms;
    uint64_t number; /* that an answer must exceed */
    bool open;
    uint32_t asked;
    gs_peer helpers[GS_PROBE_HELPERS];
    bool refused[GS_PROBE_HELPERS]; /* it answered that it does not reach the member */
};

struct gs_member_entry {
    gs_public_key key;
    struct gs_buffer record; /* the newest, as it is signed; empty: none has come */
    struct gs_member member; /* … decoded */
    bool dial_due;           /* its addresses are to be handed out */
    enum gs_peer_life life;
    uint64_t since_mono_ms;   /* of that */
    uint64_t news_mono_ms;    /* last sign of life; 0: none yet */
    uint64_t vouched_mono_ms; /* last sign of life through others; 0: none yet */
    gs_public_key via;        /* … brought by this one */
    uint64_t left_mono_ms;    /* when its record that says `leaving` came */
    bool unanswered;          /* a whole round since the last sign of life brought nothing */
    struct gs_probe_round round;
    uint32_t confirmers; /* different members that could not reach it either, in this suspicion */
    gs_public_key confirmer[GS_PROBE_HELPERS];
};

/* A probe that was sent on to its target, for somebody. */
struct gs_forward {
    uint64_t id; /* that the target answers */
    gs_peer asker;
    uint64_t asker_id;
    uint64_t until_mono_ms; /* then the asker is told that there is no answer */
};

struct gs_members {
    struct gs_member_entry *entries[GS_MEMBERS_MAX]; /* owned; sorted by key; never our own */
    uint32_t count;
    struct gs_member own;
    struct gs_buffer own_record;
    uint64_t number_seen; /* of our own records, the greatest that was ever met */
    uint64_t refuted_mono_ms;
    bool trust_changed;
    bool note_due;
    uint64_t note_mono_ms;     /* not before */
    uint64_t look_mono_ms;     /* next look at everybody */
    uint64_t exchange_mono_ms; /* next exchange of numbers */
    uint64_t due_mono_ms;      /* when this step should have come at the latest; 0: no matter */
    uint64_t health_mono_ms;   /* next look at ourselves */
    uint32_t distress;         /* 0 … GS_DISTRESS_MAX: how little our own observations are worth */
    struct gs_forward forwards[GS_FORWARDS_MAX];
    uint32_t forward_count;
};

/* members.c */
int gs_members_note(struct gs_core *core, struct gs_slice bytes);
/* START: our own record. */
int gs_members_start(struct gs_core *core);
int gs_members_peer_up(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update);
int gs_members_message(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                       struct gs_update *update);
/* After every step: looks, probes, exchanges, addresses and notes that are due. */
int gs_members_step(struct gs_core *core, struct gs_update *update);
uint64_t gs_members_deadline(const struct gs_core *core);
/* LEAVE */
int gs_members_leave(struct gs_core *core, struct gs_update *update);
void gs_members_close(struct gs_core *core);
void gs_members_count(const struct gs_core *core, struct gs_core_stats *stats);
struct gs_member_entry *gs_members_find(const struct gs_core *core, const gs_public_key *key);
/* Takes a record if it is newer than ours. `*ret_taken`, if not NULL: it was. A forged one costs `peer` its link. */
int gs_members_take(struct gs_core *core, struct gs_peer_state *peer, struct gs_slice bytes, bool *ret_taken,
                    struct gs_update *update);
/* Our own record with a greater number than `number`; unchanged if it has that already. */
int gs_members_renew(struct gs_core *core, uint64_t number);
struct gs_slice gs_members_record(const struct gs_buffer *record);
/* The link of a key, or NULL. */
struct gs_peer_state *gs_members_link(const struct gs_core *core, const gs_public_key *key);

/* detector.c */
/* At the beginning of every step: did we sleep? */
void gs_detector_wake(struct gs_core *core);
/* Brings everybody's life up to date. True if somebody is in doubt. */
bool gs_detector_judge(struct gs_core *core);
/* Looks at ourselves now and then. */
void gs_detector_examine(struct gs_core *core);
/* A sign of life came through others. */
void gs_detector_vouched(struct gs_core *core, struct gs_member_entry *entry, const gs_public_key *via);
/* A member could not be reached by the owner of `key` either. */
void gs_detector_confirm(struct gs_member_entry *entry, const gs_public_key *key);
/* A record is newer than what was known: whoever is dead is asked for at once. */
void gs_detector_renewed(struct gs_core *core, struct gs_member_entry *entry);
/* Doubts ourselves the more. */
void gs_detector_distress(struct gs_core *core, uint32_t by);
/* `ms`, longer if we are in distress. */
uint64_t gs_detector_patience(const struct gs_core *core, uint64_t ms);
/* How long a question and its answer may be on their way through another, by the slowest of our links, in
 * milliseconds: regions may be far apart. */
uint64_t gs_detector_detour(const struct gs_core *core);
/* Whether the member is heard on its link. */
bool gs_detector_hears(const struct gs_core *core, const struct gs_peer_state *peer);

/* probes.c */
/* Asks for members that are in doubt; ends rounds and forwards that wait for too long. */
int gs_probes_step(struct gs_core *core, struct gs_update *update);
int gs_probes_asked(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                    struct gs_update *update);
int gs_probes_answered(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                       struct gs_update *update);

#endif
