/* The conflict ledger: which concurrent writes met in this region, and what decided between them (G7 of the design).
 *
 * When an event is applied whose value ends up beside another one in a field, the meeting is recorded: all values, the
 * vector clock that each of their writers had of the aggregate, the rule, and the window of concurrency (from the first
 * of the writes to the last). So are requests with one Idempotency-Key that crossed in two regions, with the ids of
 * both events as the values: "crossed_requests", or "crossed_keys" if their bodies differ. The ledger is bounded in
 * entries and bytes; the oldest go first.
 *
 * It survives every start: its entries are a journal of keep.h, written with each checkpoint, and what the log has
 * after the checkpoint meets again as it did, since checkpoints know what origins had witnessed. Without a checkpoint
 * all of it is made again from the log. Entries keep their numbers; those that the log makes again follow its order, so
 * that two meetings of one group commit on different aggregates may trade theirs. */
#ifndef GS_NODE_CORE_LEDGER_H
#define GS_NODE_CORE_LEDGER_H

#include <globalstate/dot.h>
#include <globalstate/hlc.h>
#include <globalstate/memory.h>

#include <stdbool.h>

enum {
    GS_LEDGER_ENTRIES_MAX = 10000,
    GS_LEDGER_BYTES_MAX = 16 * 1024 * 1024,
    GS_LEDGER_VALUE_MAX = 4096, /* bytes of a value; of a larger one its size is recorded */
    GS_LEDGER_PAGE_MAX = 1000,  /* entries in one answer */
    GS_LEDGER_EVENT = 255       /* the type of what met, where it was whole events */
};

struct gs_core;
struct gs_cell;
struct gs_command;
struct gs_update;
struct gs_delta;
struct gs_event;
struct gs_idempotency_entry;

/* One meeting. */
struct gs_ledger_entry {
    struct gs_ledger_entry *older, *newer;
    uint64_t number;      /* 1, 2, 3 … */
    uint64_t group;       /* of the event that met: shown once it is stored */
    uint64_t fingerprint; /* of aggregate, path and values */
    struct gs_slice type; /* of the aggregate */
    struct gs_slice id;
    size_t length;
    uint8_t bytes[]; /* see ledger.c; type and id point in here */
};

struct gs_ledger {
    struct gs_ledger_entry *oldest, *newest; /* owned */
    uint32_t count;
    size_t bytes;
    uint64_t recorded; /* ever */
};

/* An event was just applied to `cell`: records what it met there. 0 or GS_ENOMEM. */
int gs_ledger_meet(struct gs_core *core, struct gs_cell *cell, const struct gs_delta *delta);
/* An event was just applied whose request is known already, from another region: the two crossed, and both count (G9).
 * Records it for each aggregate that the event has changed. 0 or GS_ENOMEM. */
int gs_ledger_duplicate(struct gs_core *core, const gs_origin *origin, const struct gs_event *event,
                        const struct gs_idempotency_entry *first);
/* GS_COMMAND_CONFLICTS. */
int gs_ledger_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);
/* An entry as GET /conflicts shows it. */
void gs_ledger_write_entry(const struct gs_core *core, const struct gs_ledger_entry *entry, struct gs_buffer *out);
/* Puts back an entry that was kept: it is stored, and numbered after the last. 0 or GS_ENOMEM. */
int gs_ledger_restore(struct gs_ledger *ledger, uint64_t fingerprint, size_t type_length, size_t id_length,
                      struct gs_slice bytes);
void gs_ledger_close(struct gs_ledger *ledger);

#endif
