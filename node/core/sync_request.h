/* What is asked of the sync jobs (jobs.h), and how it is answered. */
#ifndef GS_NODE_CORE_SYNC_REQUEST_H
#define GS_NODE_CORE_SYNC_REQUEST_H

#include <globalstate/memory.h>

#include <stdbool.h>

enum {
    GS_JOB_TYPES_MAX = 32,
    GS_SYNC_ID_SIZE = 17 /* 16 hexadecimal digits and NUL */
};

enum gs_sync_mode { GS_SYNC_DELTA, GS_SYNC_VERIFY, GS_SYNC_FULL, GS_SYNC_BOOTSTRAP, GS_SYNC_HISTORY, GS_SYNC_MODES };

enum gs_sync_ask { GS_SYNC_START, GS_SYNC_GET, GS_SYNC_LIST, GS_SYNC_CANCEL };

/* Of GS_COMMAND_SYNC. The answer is JSON: a job, or {"items":[job, …]}, newest first. */
struct gs_sync_request {
    enum gs_sync_ask ask;
    /* START */
    enum gs_sync_mode mode;
    const struct gs_slice *regions; /* none: all other regions */
    uint32_t region_count;
    const struct gs_slice *types; /* at most GS_JOB_TYPES_MAX; none: all */
    uint32_t type_count;
    bool dry_run;
    uint64_t rate; /* bytes a second that events may take on their way here; 0: no cap */
    /* GET, CANCEL */
    struct gs_slice id;
    /* set by the core */
    char ret_id[GS_SYNC_ID_SIZE];
    bool over;           /* the job has come to an end */
    uint32_t bad_region; /* START, GS_EINVAL: the number of a region that is not another one of the trust file */
};

#endif
