/* From a store to a core: what was kept, and the log after it. */
#ifndef GS_NODE_SERVE_RECOVERY_H
#define GS_NODE_SERVE_RECOVERY_H

#include "node/core/core.h"
#include "node/store/notes.h"
#include "node/store/store.h"

struct gs_recovery_report {
    bool used_kept;         /* the start did not begin at the first record */
    char damage[240];       /* what of the kept states was damaged and is forgotten; empty: nothing */
    uint64_t records;       /* replayed */
    uint64_t last_position; /* of the log */
};

/* Where a core's notes are. */
struct gs_recovery_notes {
    int (*visit)(void *context, gs_notes_fn visit, void *visit_context, struct gs_problem *problem);
    void *context;
};

/* Makes a core from what `store` holds; it is not started yet. What was kept and does not match its hash, or its log,
 * is named in the report, forgotten, and rebuilt from the log. A record of the log that is damaged ends the recovery:
 * the problem names it. `notes` may be NULL. GS_ECORRUPT, GS_EUNTRUSTED, GS_EIO, GS_ENOMEM. */
int gs_recover_core(struct gs_store *store, const struct gs_core_config *config, const struct gs_recovery_notes *notes,
                    struct gs_core **ret_core, struct gs_recovery_report *ret_report, struct gs_problem *problem);

/* The same for a store into which a snapshot has just been installed (stage.h), of what is in memory: nothing is read
 * or decoded again. Takes from `staged`, also after an error; then the store has all of it. */
int gs_recover_installed(const struct gs_core_config *config, const struct gs_recovery_notes *notes,
                         const struct gs_core_install *install, struct gs_staged *staged, struct gs_core **ret_core,
                         struct gs_problem *problem);

/* The cluster that a store's first record belongs to; zeros if it is empty. GS_ECORRUPT, GS_EIO. */
int gs_recover_cluster(struct gs_store *store, gs_cluster *ret_cluster);

#endif
