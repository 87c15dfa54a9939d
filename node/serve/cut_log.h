/* Carries out what a decision about a fork takes out of a log (node/core/cut.h). */
#ifndef GS_NODE_SERVE_CUT_LOG_H
#define GS_NODE_SERVE_CUT_LOG_H

#include "node/core/core.h"
#include "node/store/store.h"

struct gs_cut_report {
    uint64_t first;  /* position of the first record that was taken out; 0: there was none */
    uint64_t ours;   /* records that this node will write again */
    uint64_t others; /* … that others will, or nobody */
};

/* First what is taken out is kept as notes, each batch with what travels beside it, and the note of our own life is
 * forgotten: a start after this is one of a new incarnation. Then the store does its part in one transaction. Ended
 * anywhere, it can be done again, and a start without it only finds out once more that it is to be done. The records
 * from the first that goes are held in memory. Afterwards the store is closed and opened anew. GS_EUNSUPPORTED (the log
 * does not reach back to the point), else as gs_store_methods.cut and gs_notes_put. */
int gs_cut_log(struct gs_store *store, const char *notes_directory, const struct gs_cut *cut,
               const struct gs_core_config *config, struct gs_cut_report *ret_report, struct gs_problem *problem);

#endif
