/* Keeping states, so that neither a start nor a look at the past begins at the first event.
 *
 * The log stays the truth. Beside it the store keeps, written behind:
 *   states      an aggregate's whole state after some version of it, and the log position that it reflects
 *   checkpoint  what the core knows besides (heads, clocks, what origins had witnessed), as of position `position`
 *   journals    what is remembered of events one by one: idempotency keys, conflicts. Entries are numbered; a keep adds
 *               the new ones, and names the oldest that still counts
 * One keep is one transaction; it may be lost, then the one before it counts. `low`: the newest kept state of every
 * aggregate has all of its events up to there, so a start loads the newest states and replays the log after `low`;
 * each record only on the aggregates whose state does not have it yet; records after `position` on everything.
 *
 * Which aggregates: those whose first event that is in no kept state is the oldest, so that `low` moves on (bounded in
 * events and in time), and those with so many events since their last kept state that looking back at them would take
 * long. A keep is bounded in number and bytes, so that it costs no more than a group commit. */
#ifndef GS_NODE_CORE_KEEP_H
#define GS_NODE_CORE_KEEP_H

#include <globalstate/hlc.h>
#include <globalstate/memory.h>

#include <stdbool.h>

enum {
    GS_KEEP_SPACING = 256,         /* events between two states that are kept for looking back, if they are small */
    GS_KEEP_SPACING_MAX = 4096,    /* … however large they are */
    GS_KEEP_BYTES_AN_EVENT = 64,   /* states are spaced so that they take no more than this */
    GS_KEEP_BEHIND_EVENTS = 50000, /* changes that a start may have to replay, before `low` is moved on */
    GS_KEEP_BEHIND_MS = 30000,     /* … and how old they may be */
    GS_KEEP_INTERVAL_MS = 50,      /* between two keeps */
    GS_KEEP_STATES_MAX = 256,      /* in one keep */
    GS_KEEP_BYTES_MAX = 512 * 1024 /* of its states; one more may go past it */
};

/* How often; 0 stands for the constants above. */
struct gs_keep_policy {
    uint32_t spacing;
    uint64_t behind_events;
    uint64_t behind_ms;
    uint64_t interval_ms;
};

enum gs_keep_journal { GS_KEEP_IDEMPOTENCY, GS_KEEP_LEDGER, GS_KEEP_JOURNALS };

struct gs_keep_state {
    struct gs_slice type; /* in the keep's arena */
    struct gs_slice id;
    uint64_t version;
    uint64_t position;
    gs_hlc updated;
    struct gs_buffer state; /* GS_ENCODE_FULL; owned */
};

struct gs_keep_entries {
    uint64_t first, last;     /* numbers of `entries`; last < first: none */
    uint64_t oldest;          /* entries before it no longer count */
    struct gs_buffer entries; /* canonical values, one after another; owned */
};

struct gs_keep {
    struct gs_arena arena;
    uint64_t low;
    uint64_t position;
    struct gs_buffer core; /* the checkpoint; owned */
    struct gs_keep_state *states;
    uint32_t count;
    struct gs_keep_entries journals[GS_KEEP_JOURNALS];
};

/* NULL is allowed. */
void gs_keep_free(struct gs_keep *keep);

#endif
