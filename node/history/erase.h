/* Erasing what one actor's events carry beside their operations (privacy): their `data` and `metadata`.
 *
 * An event's data enters the signed bytes as a hash only, so the log stays whole without it: chain, signatures and
 * states are as before, and history says `dataErased`. Operations stay: they are the state. Of a node that is stopped;
 * every region erases its own copy. */
#ifndef GS_NODE_HISTORY_ERASE_H
#define GS_NODE_HISTORY_ERASE_H

#include "node/store/store.h"

struct gs_erasure {
    struct gs_slice actor; /* exactly */
    /* Called after each record that was looked at. */
    void (*progress)(void *context, uint64_t done);
    void *context;
};

struct gs_erasure_report {
    uint64_t events;  /* of the actor */
    uint64_t erased;  /* … whose data is gone now */
    uint64_t records; /* rewritten */
};

/* Goes through the whole log. What was done before a failure stays done; doing it again completes it. GS_EUNSUPPORTED
 * (an engine that cannot), GS_ECORRUPT, GS_ESTORE, GS_EIO, GS_ENOMEM. */
int gs_erase_actor(struct gs_store *store, const struct gs_erasure *erasure, struct gs_erasure_report *ret_report);

#endif
