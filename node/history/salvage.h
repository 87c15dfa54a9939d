/* What is left of a log with damage that nobody can heal any more (node/store/damage.h says what damage is).
 *
 * A record that no region has takes with it what comes after it in its origin's chain, and in this log everything that
 * may depend on it. So the log ends before the first such record: what other regions had of the rest comes back from
 * them, and the region goes on as a new incarnation. What nobody else had is lost, and is named before. Of a stopped
 * node, and only when a person says so. */
#ifndef GS_NODE_HISTORY_SALVAGE_H
#define GS_NODE_HISTORY_SALVAGE_H

#include "gossip/trust.h"
#include "node/store/store.h"

/* Events of one origin that go. */
struct gs_salvage_loss {
    gs_origin origin;
    char region[GS_REGION_NAME_MAX + 1]; /* empty: no sound record says */
    uint64_t first_seq, last_seq;        /* 0: none */
};

/* Zero-initialise; gs_salvage_close ends it. */
struct gs_salvage {
    uint64_t damaged;               /* records that cannot be put back by themselves */
    uint64_t first;                 /* position of the first of them; 0: there is none */
    uint64_t records;               /* from there on: all of them go, the sound ones too */
    struct gs_salvage_loss *losses; /* owned; every origin of the log; damaged records by what their columns say */
    uint32_t loss_count, loss_capacity;
};

/* Looks through the whole log, and changes nothing. GS_EUNSUPPORTED (the engine cannot), GS_ECORRUPT (sound records
 * contradict each other), GS_ETOOBIG (more damaged than damage.h takes), GS_ESTORE, GS_EIO, GS_ENOMEM. */
int gs_salvage_look(struct gs_store *store, const gs_cluster *cluster, const struct gs_trust *trust,
                    struct gs_salvage *ret_salvage);

/* Ends the log before `salvage->first`, and makes the next start one of a new incarnation (the note of the present one,
 * in `notes_directory`, goes first). Afterwards the store is closed and opened anew. GS_EINVAL: the log begins at a
 * base, without which the states cannot be made again. Else as gs_store_methods.cut and gs_notes_remove. */
int gs_salvage_cut(struct gs_store *store, const struct gs_salvage *salvage, const char *notes_directory);

void gs_salvage_close(struct gs_salvage *salvage);

#endif
