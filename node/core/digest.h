/* The digest of a running core: its tree, kept up as cells change, and cuts of it.
 *
 * Changed cells are hashed behind the writes: a little at every tick, the rest when a tree is wanted. A tree is only
 * ever taken where memory equals a version vector: when nothing is open or in flight, or at the seal of a group, and
 * then it is handed out once that group is stored. So a root never speaks of what could still be lost.
 *
 * A cut further back (what another region has not got yet is left out) is such a tree in which the aggregates that went
 * past the cut are replaced by what the log makes of them at the cut; gs_digest_visit_beyond says which these are. */
#ifndef GS_NODE_CORE_DIGEST_H
#define GS_NODE_CORE_DIGEST_H

#include "gossip/vector.h"
#include "node/core/command.h"
#include "node/core/digest_tree.h"

struct gs_aggregate;
struct gs_attestation;
struct gs_cell;
struct gs_core;
struct gs_group;
struct gs_update;

enum { GS_DIGEST_BATCHES = 1024 /* applied batches that are remembered, to find what changed since a cut */ };

struct gs_digest {
    struct gs_digest_tree tree; /* as of the last flush */
    struct gs_cell *dirty;      /* cells whose leaves are out of date; a list */
    uint64_t dirty_count;
    struct gs_cell *newest, *oldest; /* all cells ever changed, by their last change; a list */
    uint64_t changes;                /* of cells, counted */
    uint64_t changes_batch;          /* … when the last batch was complete */
    uint64_t changes_own;            /* … when the last one of our own was */
    struct gs_vector forgot;         /* what was applied by the batches that are remembered no more */
    uint64_t batch_count;            /* ever; the last GS_DIGEST_BATCHES of them are in `batches`, a ring */
    struct {
        gs_origin origin;
        uint64_t last_seq;
        uint64_t changes; /* those of this batch come after it */
    } batches[GS_DIGEST_BATCHES];
    struct gs_cell *scrub; /* the next cell of the pass under way, see scrub.c */
    uint64_t scrub_last;   /* the pass ends after the cell with this change; 0: none is under way */
    uint64_t scrub_passes; /* completed */
    bool scrub_again;      /* somebody came too late for the pass under way */
    bool wanted;           /* a tree must be taken at the next seal */
    bool taken;            /* … and was: it is the flying group's */
    struct gs_digest_tree sealed;
    struct gs_command **waiting; /* DIGEST commands; owned array */
    uint32_t waiting_count, waiting_capacity;
};

void gs_digest_open(struct gs_core *core);
void gs_digest_close(struct gs_core *core);

/* A cell has changed, a batch is complete. 0 or GS_ENOMEM. */
void gs_digest_changed(struct gs_core *core, struct gs_cell *cell);
int gs_digest_advanced(struct gs_core *core, const struct gs_head *head, bool own);
/* Hashes up to `max` of the cells that have changed. 0 or GS_ENOMEM. */
int gs_digest_flush(struct gs_core *core, uint64_t max);
/* Takes a tree whose leaves are exactly what the core's cells hash to: what has changed so far is in it. */
void gs_digest_take_tree(struct gs_core *core, struct gs_digest_tree *tree);
/* Hash of an aggregate as a leaf. 0 or GS_ENOMEM. */
int gs_digest_hash_aggregate(const struct gs_core *core, struct gs_slice name, const struct gs_aggregate *aggregate,
                             gs_hash *ret_hash);

/* Scrubbing: every aggregate in memory is hashed again, a few a tick, so that the tree says what memory is, not what it
 * was when it was last written. Returns the number of passes to wait for (gs_digest.scrub_passes): one that begins now.
 */
uint64_t gs_scrub_begin(struct gs_core *core);
/* Goes on with the pass. 0 or GS_ENOMEM. */
int gs_scrub_step(struct gs_core *core);
bool gs_scrub_busy(const struct gs_core *core);

/* The tree at core->stored: shared to `ret_tree`. GS_EBUSY: memory is ahead of what is stored; then gs_digest_stored is
 * going to hand one out. GS_ENOMEM. */
int gs_digest_take(struct gs_core *core, struct gs_digest_tree *ret_tree);
/* A group is sealed: memory is what its heads say. */
int gs_digest_sealed(struct gs_core *core);
/* The flying group is stored, core->stored says what it says: those who wait for a tree get it. */
int gs_digest_stored(struct gs_core *core, struct gs_update *update);
void gs_digest_fail_all(struct gs_core *core, int error, struct gs_update *update);

/* Visits the cells with an event beyond the cut (and none else); stops at the first non-zero result and returns it. */
int gs_digest_visit_beyond(const struct gs_core *core, const struct gs_vector *cut,
                           int (*visit)(void *context, struct gs_cell *cell), void *context);

/* Signs that this region has `tree` at `vector` (borrowed by the result). 0 or GS_ENOMEM. */
int gs_digest_attest(const struct gs_core *core, const struct gs_digest_tree *tree, const struct gs_vector *vector,
                     struct gs_attestation *ret_attestation);
/* Appends it as JSON, complete: it can be checked with the trust file alone. */
void gs_digest_write_statement(const struct gs_core *core, const struct gs_attestation *attestation,
                               struct gs_buffer *out);
/* GS_COMMAND_DIGEST: the signed root. */
int gs_digest_command(struct gs_core *core, struct gs_command *command, struct gs_update *update);

#endif
