/* Forks: origins whose key has signed two histories (a cloned machine, a restored one that could ask nobody, a thief),
 * and what an operator decides about them.
 *
 * Noticed   Whoever meets a batch that contradicts what it has takes nothing of that origin any more. The two batches
 *           are a proof, which is kept and goes to every member (forks.c).
 * Located   A proof may show two batches far behind the point where the histories part. Nodes ask each other for the
 *           batch that holds an event and halve the distance, until two batches stand side by side that begin with the
 *           same event and name the same one before it: the *point* (seq and hash of the last common batch) and the
 *           *branches*, each named by the hash of its first batch (fork_point.c). These two are a proof, too, and take
 *           the place of the first one.
 * Decided   An operator keeps one branch under the origin's id, and says what becomes of the others: dropped, or
 *           imported by a region. The decision is an event on gs.fork/ORIGIN, in the log like any other. Whoever
 * decides has as a rule applied a branch that others do not take before they know of the decision; so its batch also
 *           travels by itself, verified like every batch, and counts as soon as it is known (fork_decision.c). What is
 *           decided only ever takes away: a branch is kept if every decision that is known keeps it. Of two operators
 *           who keep different branches at once, neither gets his way: the origin ends at the point (the earlier one),
 *           and both branches are dealt with as the others are. So nodes come to the same whatever they hear first, and
 *           what one node has taken out and written again, no other one brings back.
 * Followed  A node that has nothing beyond the point, or is on the branch that is kept, takes the origin again, along
 *           that branch alone. A node that has applied another one takes out of its log what is beyond the point of
 *           that branch, and every batch that depends on any of it, at the end of a deps chain of any length (cut.h):
 *           one transaction of the store. Then it starts over, as a new incarnation if it lost any of its own.
 * Imported  Nothing that an honest region acknowledged is lost: what a node has taken out of its log and what its own
 *           key had signed, it writes again, event by event, with the same actor, data, type, operations and
 *           idempotency key (fork_import.c). Of the branch itself the region that the decision names does so, if it had
 *           applied it. Others' events are theirs to import; they are kept beside the log and not read again.
 *
 * Why events are written again, and not the branch's batches applied under a second id: counters, leaderboards and
 * bounded counters count in cells of their writer, whose totals go on over the point. Under another id the branch's
 * first increment would bring the sum of all before the point with it, and so would each mark of a reset by a region
 * that built on it: other regions' signed batches would need their numbers changed, which only the state at the point
 * can tell. Written again, an increment is an increment. And rights of bounded counters stay right (G6): both branches
 * may have spent the same rights, so an import spends those of the region that imports. What it cannot pay for is not
 * written: it is shown with the reason, kept, and tried again. */
#ifndef GS_NODE_CORE_FORK_H
#define GS_NODE_CORE_FORK_H

#include "gossip/batch.h"
#include "gossip/trust.h"

/* The aggregates that hold decisions: gs.fork/ORIGIN in hexadecimal, register `decision`. Only internal writes. */
#define GS_FORK_TYPE "gs.fork"
/* Notes: a proof, a decision, what is to be imported; each followed by the origin and, the last, a number. What others
 * are to import begins with GS_NOTE_LEFT, and is for people. */
#define GS_NOTE_FORK "fork-"
#define GS_NOTE_DECIDED "decided-"
#define GS_NOTE_IMPORT "import-"
#define GS_NOTE_FOUND "import-found-" /* … because a disk was found (closing.h) */
#define GS_NOTE_CUT "-cut"            /* the end of the name of a decision that is kept before a cut */
#define GS_NOTE_LEFT "left-"

enum {
    GS_DECISIONS_MAX = 256,
    GS_DECIDED_MAX = 4,
    GS_IMPORT_BYTES_MAX = 256 * 1024 * 1024,
    GS_IMPORT_REFUSED_MAX = 1000
};

/* What the register holds: [seq, hash, keep, importer], as an array of a number and texts (hashes in hexadecimal). */
struct gs_fork_verdict {
    uint64_t seq;                          /* the point; 0: the origin's first batches differ already */
    gs_hash point;                         /* zeros if seq is 0 */
    gs_hash keep;                          /* of the first batch of the branch that keeps the id */
    char importer[GS_REGION_NAME_MAX + 1]; /* the region that writes the other branches' events again; "": dropped */
};

/* Reads a register's value; false: it is none. */
bool gs_fork_verdict_read(struct gs_slice value, struct gs_fork_verdict *ret_verdict);
void gs_fork_verdict_write(const struct gs_fork_verdict *verdict, struct gs_buffer *out);

/* How far this node is with a decision. */
enum gs_decision_state {
    GS_DECISION_OPEN,     /* not looked at yet: which branch is ours? */
    GS_DECISION_FOLLOWED, /* the origin is taken along the branch that is kept */
    GS_DECISION_CUT,      /* ours is another one: the store is asked to take it out, and this core ends */
    GS_DECISION_UNFIT     /* our history parts from the kept one elsewhere: nothing is taken */
};

/* One operator's. */
struct gs_decided {
    struct gs_fork_verdict verdict;
    gs_hlc clock; /* of the event */
    gs_origin by;
    struct gs_buffer record; /* the batch that holds it, without what travels beside it; empty: known from the state */
};

/* All that is decided about an origin. */
struct gs_decision {
    gs_origin origin;
    struct gs_decided decided[GS_DECIDED_MAX]; /* in no order */
    uint32_t count;
    uint64_t seq; /* the point: the earliest of theirs */
    bool keeps;   /* a branch is kept, that of decided[0]; else they disagree */
    enum gs_decision_state state;
};

/* What may be decided about a fork, as this node sees it; for who asks on behalf of a person. */
struct gs_fork_choice {
    bool located;
    bool decided;
    uint64_t seq;
    gs_hash point;
    gs_hash branches[2];
    bool here[2];                              /* this node has applied it */
    char region[GS_REGION_NAME_MAX + 1];       /* of this node */
    char other_holder[GS_REGION_NAME_MAX + 1]; /* a region that has the other one; "": not known */
    bool importer_known;                       /* the region that the command names has a key that is trusted */
};

/* One read of a batch of our own log by (origin, seq) at a time, for whoever wants to know. */
enum gs_fork_reader {
    GS_FORK_READS_NOT,
    GS_FORK_READS_FOR_PEER,
    GS_FORK_READS_FOR_SEARCH,
    GS_FORK_READS_FOR_BRANCH, /* which one is here */
    GS_FORK_READS_FOR_DECISION
};

struct gs_fork_read {
    enum gs_fork_reader reader;
    gs_origin origin;
    uint64_t seq;
    uint64_t peer; /* FOR_PEER */
    uint64_t until_mono_ms;
};

/* The search for the point of one fork, with one peer at a time: all up to `low` is common, the batch that holds `high`
 * differs or is past what one of the two has. */
struct gs_fork_search {
    bool active;
    gs_origin origin;
    uint64_t peer;
    uint64_t low, high;
    uint64_t asked;          /* seq */
    struct gs_buffer theirs; /* a record, until ours is read */
    uint64_t until_mono_ms;
    uint32_t turn; /* which peer is next */
};

/* An event that waits to be written again, or could not be. */
struct gs_import_item {
    gs_origin origin; /* of the record */
    uint32_t note;    /* index */
    uint32_t record;  /* in the note */
    uint32_t event;   /* in the record */
    int error;        /* 0, or why it was refused */
    char *detail;     /* owned; of a refusal */
    bool done;
};

struct gs_import_note {
    char name[81];
    struct gs_buffer *records; /* owned, each a record */
    uint32_t record_count, record_capacity;
    bool found;    /* GS_NOTE_FOUND */
    bool finished; /* every item is done, and the note is forgotten */
};

struct gs_import {
    struct gs_import_note *notes;
    uint32_t note_count, note_capacity;
    struct gs_import_item *items; /* in the order of the log that they were taken out of */
    uint32_t item_count, item_capacity;
    size_t bytes;
    struct gs_command *command; /* under way; owned here only while the core does not have it */
    uint32_t first, count;      /* items of the command: indices in `batch` */
    uint32_t *batch;
    uint64_t retry_mono_ms; /* refused ones are tried again */
    uint64_t done;          /* events written again, ever */
    uint32_t refused;
};

#endif
